/*
 * rights.h - sends and receives a message with descriptors (SCM_RIGHTS, unix(7)).
 *
 * The caller judges what the message means and how many descriptors it should bring.
 */
#ifndef DISPATCHER_SHARED_RIGHTS_H
#define DISPATCHER_SHARED_RIGHTS_H

#include <sys/types.h>

enum { RIGHTS_MAXIMUM = 253 }; /* descriptors per message (net/scm.h, SCM_MAX_FD) */

/* Sends `length` bytes with `count` descriptors, which the caller keeps.  `flags` and result as of
 * sendmsg(2), except that it never returns EINTR and never raises SIGPIPE. */
ssize_t rights_send(int socket, const void *bytes, size_t length, const int *descriptors,
                    unsigned count, int flags);

/* Receives a message of `size` bytes at most.
 *
 * `*count` is the room for descriptors, and then their number.  They are close-on-exec, and the
 * caller's.  Descriptors beyond the room are released.  `*flags` are flags for recvmsg(2), and then
 * its result: MSG_TRUNC and MSG_CTRUNC.
 *
 * Returns the result of recvmsg(2), except EINTR and ECONNRESET.  ECONNRESET only says that the
 * peer ended with messages of ours unread; the kernel reports it before the peer's own messages
 * (net/unix/af_unix.c, unix_release_sock()). */
ssize_t rights_receive(int socket, void *bytes, size_t size, int *descriptors, unsigned *count,
                       int *flags);

/* Empties a socket before it is closed: with a connection in it, the kernel's close could block as
 * release.h says. */
void rights_drain(int socket);

#endif
