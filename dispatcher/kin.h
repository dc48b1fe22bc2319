/*
 * kin.h - whether a process group may be signalled that is not led by a child of this process.
 *
 * When a dispatcher dies, its handlers become children of the supervisor, which may not signal them
 * itself.  Another dispatcher does, and does not take the supervisor's word for whose group it is:
 * it must have a child of the supervisor in it, and be that of a session of its own, as each
 * handler has.
 */
#ifndef DISPATCHER_KIN_H
#define DISPATCHER_KIN_H

#include <stdbool.h>
#include <stdint.h>

/* Opens /proc, by path, and takes the parent for the supervisor: to be called at the start. */
void kin_open(void);

/* Whether the group, by the process that leads it or did, is kin.  Where /proc does not show that,
 * the supervisor is believed, if there is no such process or it leads a session; and that is
 * logged. */
bool kin_is_group(int32_t process);

/* Opens a file of /proc for writing that is about this process; also where no path leads there any
 * more.  Returns the descriptor, or -1 with errno. */
int kin_open_own(const char *name);

#endif
