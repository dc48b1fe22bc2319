/*
 * passed.h - the sockets that a service manager passes to a service: descriptors from 3 on, which
 * LISTEN_FDS, LISTEN_PID and LISTEN_FDNAMES describe (sd_listen_fds(3), systemd.socket(5)).
 *
 * Manager and service share each open file description, with its flags and options.  The manager
 * keeps its own descriptor and passes the socket again at the next start, with all clients that
 * came meanwhile in its backlog.
 */
#ifndef SUPERVISOR_LISTEN_PASSED_H
#define SUPERVISOR_LISTEN_PASSED_H

#include "supervisor/listen/listener.h"

enum { PASSED_FIRST = 3 /* descriptor */, PASSED_MAXIMUM = 64 };

/* Takes the sockets that were passed to this process, if they are wanted; none if LISTEN_FDS is not
 * set.  Each must be a listening stream socket, of TCP or Unix.  Removes the variables, which are
 * for this process only.  Call this before the process opens a descriptor.
 * Returns 0; or -1 after logging the number and name of the descriptor and what is wrong. */
int passed_read(struct listeners *passed, bool wanted);

#endif
