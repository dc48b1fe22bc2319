/*
 * monitor.h - the requests of the supervisor (link.h): one table of what is permitted.
 */
#ifndef SUPERVISOR_KEEPER_MONITOR_H
#define SUPERVISOR_KEEPER_MONITOR_H

/* Carries out the requests that have come, as long as the link takes the answers.  The context is
 * the keeper. */
void monitor_hear(void *context);

#endif
