/*
 * successor.h - forks a new dispatcher as a child of the supervisor, which can start none itself.
 */
#ifndef DISPATCHER_SUCCESSOR_H
#define DISPATCHER_SUCCESSOR_H

#include <stdint.h>

/* Like fork(2), but the new process is a child of our parent.  Returns 0 in the new process, its
 * process id in this one, or -1 with errno. */
int32_t successor_fork(void);

#endif
