/*
 * kin.h - decides whether this dispatcher may signal the group of another dispatcher's handler.
 *
 * When a dispatcher dies, its handlers become children of the supervisor, which may not signal
 * them.  Another dispatcher does that.  It does not believe the supervisor: a child of the
 * supervisor must be in the group, and the group must have a session of its own, as each handler
 * has.
 */
#ifndef DISPATCHER_KIN_H
#define DISPATCHER_KIN_H

#include <stdbool.h>
#include <stdint.h>

/* Opens /proc by its path and remembers the parent as the supervisor.  Call it at the start. */
void kin_open(void);

/* Returns true if the group of `process`, its present or former leader, may be signalled.  If /proc
 * does not show that, logs a warning and believes the supervisor, unless `process` exists and
 * leads no session. */
bool kin_is_group(int32_t process);

/* Opens a file of /proc about this process for writing; works after chroot(2), too.  Returns the
 * descriptor, or -1 with errno. */
int kin_open_own(const char *name);

#endif
