/*
 * filter.h - the system calls that the supervisor may make (seccomp(2)): the first one once it
 * serves, a later one from its beginning on, because it reads what the earlier one has left.
 *
 * filter.c has the list with reasons.  Any other call does not happen: it is logged as an attack
 * and ends the process.
 */
#ifndef SUPERVISOR_JAIL_FILTER_H
#define SUPERVISOR_JAIL_FILTER_H

/* Installs the filter for the rest of this process and its children.  Requires PR_SET_NO_NEW_PRIVS.
 * Returns 0, also after a warning that the kernel or the processor has no filters; or -1 after
 * logging why. */
int filter_install(void);

#endif
