/*
 * oom.h - who is killed when the machine is out of memory: rather a handler than one of our own.
 *
 * A process is made an unlikely victim by a lower oom_score_adj (proc_pid_oom_score_adj(5)), and a
 * child gets what its parent has at that moment.  So a dispatcher puts its own back to the starting
 * value while it starts handlers: it may not open the file of a child, but keeps its own open, and
 * the kernel lets a process without privileges go down to where it was before (fs/proc/base.c,
 * __set_oom_adj()).  Nothing here blocks, and what is not allowed is left as it is.
 */
#ifndef DISPATCHER_SHARED_OOM_H
#define DISPATCHER_SHARED_OOM_H

/* The value that this process has; 0 if it cannot be told. */
int oom_score(void);

/* Makes this process as unlikely a victim as it may, and keeps the file open; /proc is opened by
 * path.  `original` is what handlers are to have. */
void oom_open(int original);

/* Puts this process back to that value for good, if it has inherited another. */
void oom_restore(int original);

/* Puts back the value that handlers are to have, for those that are started from now on. */
void oom_expose(void);

/* Makes this process an unlikely victim again, after oom_expose(). */
void oom_protect(void);

/* For how long nothing must have been started before oom_protect(), in milliseconds as poll(2)
 * takes it: -1 if there is no need.  A child that has begun its exec may share this process' memory
 * for a moment still, and who does is given the same value; and as long as such children may be,
 * the kernel looks for them among all processes. */
int oom_timeout(void);

/* For a process that was forked off after oom_expose(): it goes on with its own file, which is
 * taken over.  With -1 it stays as its parent was at that moment. */
void oom_inherit(int descriptor);

/* Leaves it as it is from now on. */
void oom_close(void);

#endif
