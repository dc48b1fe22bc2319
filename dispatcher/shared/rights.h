/*
 * rights.h - sends and receives a message with descriptors (SCM_RIGHTS, unix(7)).
 *
 * It checks nothing but what the kernel says of them: what the message means, and how many
 * descriptors it should have brought, is the caller's to judge.
 */
#ifndef DISPATCHER_SHARED_RIGHTS_H
#define DISPATCHER_SHARED_RIGHTS_H

#include <sys/types.h>

enum { RIGHTS_MAXIMUM = 32 /* descriptors with one message */ };

/* Sends `length` bytes with `count` descriptors, which the caller keeps.  `flags` as for
 * sendmsg(2); never raises SIGPIPE.  Returns what sendmsg(2) does, but for EINTR. */
ssize_t rights_send(int socket, const void *bytes, size_t length, const int *descriptors,
                    unsigned count, int flags);

/* Receives a message of `size` bytes at most.  `*count` says how many descriptors there is room
 * for, and then how many have come; they are close-on-exec, and the caller's.  What there is no
 * room for is released, and `*flags` says so: MSG_TRUNC and MSG_CTRUNC as of recvmsg(2).
 * On entry those are the flags to call it with.  Returns what recvmsg(2) does, but for EINTR, and
 * for ECONNRESET, which only says that the peer ended with messages of ours unread, and is told
 * ahead of what the peer had sent (net/unix/af_unix.c, unix_release_sock()). */
ssize_t rights_receive(int socket, void *bytes, size_t size, int *descriptors, unsigned *count,
                       int *flags);

/* Gives up what lies in a socket that is about to be closed: the kernel might wait for the last
 * close of a connection in it. */
void rights_drain(int socket);

#endif
