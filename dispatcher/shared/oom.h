/*
 * oom.h - makes the kernel kill a handler, rather than our processes, when memory runs out.
 *
 * A lower oom_score_adj protects a process (proc_pid_oom_score_adj(5)), and a child inherits its
 * parent's value.  So a dispatcher exposes itself, with the original value, while it starts
 * handlers: it may not write the file of a child.  It keeps its own file open.  The kernel lets a
 * process without privileges return to a lower value that it had before (fs/proc/base.c,
 * __set_oom_adj()).
 *
 * Nothing here blocks.  Without the right to change the value, it stays the same.
 */
#ifndef DISPATCHER_SHARED_OOM_H
#define DISPATCHER_SHARED_OOM_H

#include <stdbool.h>

/* Returns the value of this process; 0 if it cannot be read. */
int oom_score(void);

/* Protects this process as far as it may, and keeps the file open.  If it may not, or without
 * `protect`, gives it the value `original` for good.  `original` is the value for handlers.  Opens
 * /proc by path. */
void oom_open(int original, bool protect);

/* Sets the value for handlers, before they are cloned. */
void oom_expose(void);

/* Protects this process again, after oom_expose(). */
void oom_protect(void);

/* Returns how long no handler must have started before oom_protect(): a poll(2) timeout in
 * milliseconds, -1 if this process is not exposed.  A child may share our memory for a moment
 * after its exec has begun, and processes that share memory get the same value.  The kernel also
 * searches all processes for such children. */
int oom_timeout(void);

/* Closes the file: the value stays the same from now on. */
void oom_close(void);

#endif
