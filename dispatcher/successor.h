/*
 * successor.h - forks a new dispatcher, as a child of the supervisor, which cannot start one itself
 * any more.
 */
#ifndef DISPATCHER_SUCCESSOR_H
#define DISPATCHER_SUCCESSOR_H

#include <stdint.h>

/* As fork(2): returns 0 in the new process, a copy in all but its process id and its parent, and
 * the id of that in this one, or -1 with errno. */
int32_t successor_fork(void);

#endif
