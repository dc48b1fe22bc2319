/*
 * privileges.h - gives privileges up for good, and makes sure that they are gone.
 *
 * Nothing here blocks.  Each returns 0, or -1 with errno; what could not be given up entirely may
 * be given up in part then, and the process must end.  Rules: credentials(7), capabilities(7).
 */
#ifndef DISPATCHER_SHARED_PRIVILEGES_H
#define DISPATCHER_SHARED_PRIVILEGES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A sanitizer, or valgrind, makes system calls of its own, and looks into the process at its end.
 */
#if defined(__SANITIZE_ADDRESS__) || defined(EXAMINED)
#define PRIVILEGES_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PRIVILEGES_SANITIZED 1
#endif
#endif
#ifndef PRIVILEGES_SANITIZED
#define PRIVILEGES_SANITIZED 0
#endif

/* Becomes this user, with this group and these supplementary groups, in all of the real, effective
 * and saved ids.  No capability is left, unless it is root.  Then tries to go back, to be sure that
 * it cannot be done: EPERM if it could. */
int privileges_become(uid_t user, gid_t group, const gid_t *groups, size_t count);

/* Gives up all capabilities.  Then looks that this is so. */
int privileges_drop(void);

/* Gives up all capabilities but those of the set, of which bit N is capability N, as far as it has
 * them.  Then looks that this is so. */
int privileges_keep(uint64_t kept);

/* Has no other capabilities in effect than those of the set, of which bit N is capability N; the
 * others rest, and are what is executed as root gets back. */
int privileges_rest(uint64_t in_effect);

/* Has in effect what was before privileges_rest().  Only makes a system call, and leaves errno
 * alone: for a child in its parent's memory.  Returns 1, 0 if all is in effect, or a negative
 * errno. */
long privileges_wake(void);

/* Empties the bounding set, so that executing a program never gives a capability. */
int privileges_bound(void);

/* Nothing that is executed from now on gains any privilege (prctl(2), PR_SET_NO_NEW_PRIVS). */
int privileges_gain_none(void);

/* From now on no process without privileges can trace this one, or look into it.  A sanitizer must
 * be able to: built with one, it makes sure of that. */
int privileges_hide(void);

#endif
