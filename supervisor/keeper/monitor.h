/*
 * monitor.h - the requests of the supervisor (link.h): one table of what is permitted.
 */
#ifndef SUPERVISOR_KEEPER_MONITOR_H
#define SUPERVISOR_KEEPER_MONITOR_H

#include "supervisor/keeper/state.h"

/* Carries out requests that have come, some in each round, as long as the link takes the answers.
 * The context is the keeper. */
void monitor_hear(void *context);

/* Carries out the last requests of a supervisor that has ended. */
void monitor_hear_last(struct keeper *keeper);

#endif
