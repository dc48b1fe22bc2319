/*
 * filter.h - the system calls that the supervisor may make once it serves (seccomp(2)).
 *
 * The list, with a word why for each, is in filter.c.  Any other call is not made, is logged, and
 * ends the process: it was not ours.
 */
#ifndef SUPERVISOR_JAIL_FILTER_H
#define SUPERVISOR_JAIL_FILTER_H

/* For the rest of this process' life, and for all that it would ever start.  PR_SET_NO_NEW_PRIVS
 * must be set.  Returns 0, also after a warning if the kernel or the processor has no such filters;
 * or -1 after logging what went wrong. */
int filter_install(void);

#endif
