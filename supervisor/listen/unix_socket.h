/*
 * unix_socket.h - a listening Unix socket at a path (unix(7)).
 *
 * The file of a socket outlives the process that has made it.  One that nobody listens on any more
 * is removed and made anew, and so is that of a process that has stopped to listen but has not
 * ended yet; where somebody listens, and where there is something that is no socket, nothing is
 * touched.  Two processes that start at the same moment do not take each other's socket for one
 * that was left behind: each holds a lock on the directory (directory.h) from the look to the end.
 */
#ifndef SUPERVISOR_LISTEN_UNIX_SOCKET_H
#define SUPERVISOR_LISTEN_UNIX_SOCKET_H

#include <stdbool.h>
#include <sys/types.h>

/* The permissions that a socket gets if nobody says otherwise: reading and writing, which are what
 * connecting takes, less the umask of this process. */
mode_t unix_socket_mode(void);

/* Opens a listening stream socket at `path`, which must fit into a socket's address: close-on-exec,
 * non-blocking, with the longest backlog that the kernel allows.  The file has the permissions
 * `mode` from the first moment on, never more; it is given to `user` and `group`, unless they are
 * -1, before anybody can connect.  What begins with "@" is a path like any other.
 *
 * Returns the descriptor, which is the caller's, as the file is from then on; or -1 after logging
 * what failed, with `option` as what the path was given for, and then no file is left.  Waits a
 * second at most for another process that holds the lock, and for one that listens there but has
 * been killed, as departing.h says: it is for the start only. */
int unix_socket_open(const char *option, const char *path, mode_t mode, uid_t user, gid_t group);

/* Whether a listening socket has been shut down, which accept4(2) does not say of this kind: it
 * fails with EAGAIN for ever, while poll(2) and epoll(7) find that there is something to do. */
bool unix_socket_is_shut_down(int descriptor);

#endif
