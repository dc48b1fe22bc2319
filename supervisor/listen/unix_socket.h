/*
 * unix_socket.h - a listening Unix socket at a path (unix(7)).
 *
 * The file of a socket outlives its process.  A file on which no process listens is removed and
 * made anew.  A socket on which a process listens, and a file that is no socket, stay untouched.
 * Two processes that start at the same moment do not remove each other's socket: each has the lock
 * of the name (file.h) from its first look until it listens.
 */
#ifndef SUPERVISOR_LISTEN_UNIX_SOCKET_H
#define SUPERVISOR_LISTEN_UNIX_SOCKET_H

#include <stdbool.h>
#include <sys/types.h>

/* The default permissions of a socket: read and write, which connect(2) requires, less the umask of
 * this process. */
#define UNIX_SOCKET_MODE ((mode_t)-1)

/* Opens a listening stream socket at `path`, which must fit into a socket's address: close-on-exec,
 * non-blocking, with the longest backlog that the kernel allows.  The file never has more
 * permissions than `mode`.  It belongs to `user` and `group` (-1: unchanged) before a client can
 * connect.  A leading "@" has no special meaning.
 *
 * Returns the descriptor; it and the file belong to the caller.  Or returns -1 after logging why,
 * with `option` as the option that gave the path, and leaves no file.  Blocks for up to a second
 * for the lock, and for 2 s while another process listens there (backoff.h): for the start only. */
int unix_socket_open(const char *option, const char *path, mode_t mode, uid_t user, gid_t group);

/* Looks whether unix_socket_open() could make the socket, without making one, or connecting to one
 * that is there: a process may listen there.  Returns false after logging why not. */
bool unix_socket_check(const char *option, const char *path, uid_t user);

#endif
