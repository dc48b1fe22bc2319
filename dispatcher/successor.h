/*
 * successor.h - forks a new dispatcher as a child of the supervisor, which can start none itself.
 */
#ifndef DISPATCHER_SUCCESSOR_H
#define DISPATCHER_SUCCESSOR_H

#include <stdint.h>

/* Like fork(2), but the new process becomes a child of the supervisor.  Returns its process id to
 * the caller and 0 to the new process, or -1 with errno. */
int32_t successor_fork(void);

#endif
