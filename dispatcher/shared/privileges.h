/*
 * privileges.h - gives privileges up for good, and verifies that they are gone.
 *
 * Nothing here blocks.  Functions return 0, or -1 with errno; after -1 privileges may be partly
 * given up, and the process must end.  Rules: credentials(7), capabilities(7).
 */
#ifndef DISPATCHER_SHARED_PRIVILEGES_H
#define DISPATCHER_SHARED_PRIVILEGES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* 1: built with a sanitizer or for valgrind, which make system calls of their own and trace the
 * process at its end.  The Makefile sets it. */
#ifndef PRIVILEGES_SANITIZED
#define PRIVILEGES_SANITIZED 0
#endif

/* Sets the real, effective and saved ids, and the supplementary groups.  Drops all capabilities
 * unless the user is root.  Then tries to go back: EPERM if that succeeds.  Needs no privileges in
 * a process that has these ids and groups already. */
int privileges_become(uid_t user, gid_t group, const gid_t *groups, size_t count);

/* Does the same, except that the real and the saved user become `own`.  Then this process may
 * signal processes of `user`, but they may neither signal nor trace this process. */
int privileges_become_apart(uid_t own, uid_t user, gid_t group, const gid_t *groups, size_t count);

/* Gives up all capabilities except those of the set, where bit N is capability N.  Verifies it. */
int privileges_keep(uint64_t kept);

/* Does the same, except that a program that this process executes as root gets all of the bounding
 * set back, and the inheritable set. */
int privileges_limit(uint64_t kept);

/* Takes all capabilities out of effect except those of the set, where bit N is capability N.  A
 * program that is executed as root gets the others back. */
int privileges_rest(uint64_t in_effect);

/* Undoes privileges_rest().  Only makes a system call and keeps errno, so a child in its parent's
 * memory may call it.  Returns 1, 0 without a privileges_rest() before, or a negative errno. */
long privileges_wake(void);

/* Empties the bounding set: executing a program never gives a capability. */
int privileges_bound(void);

/* Keeps this process and all programs that it executes from gaining privileges (prctl(2),
 * PR_SET_NO_NEW_PRIVS). */
int privileges_gain_none(void);

/* Keeps processes without privileges from tracing or reading this one.  A build with a sanitizer
 * allows both. */
int privileges_hide(void);

#endif
