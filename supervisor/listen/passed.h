/*
 * passed.h - the sockets that a service manager passes on to a service that it starts: as
 * descriptors from 3 on, told of in LISTEN_FDS, LISTEN_PID and LISTEN_FDNAMES (sd_listen_fds(3),
 * systemd.socket(5)).
 *
 * Manager and service share each open file description, with its flags and options; the manager
 * keeps its own descriptor and passes the socket on again at the next start, with those who have
 * come meanwhile in its backlog.
 */
#ifndef SUPERVISOR_LISTEN_PASSED_H
#define SUPERVISOR_LISTEN_PASSED_H

#include "supervisor/listen/listener.h"

enum { PASSED_FIRST = 3 /* descriptor */, PASSED_MAXIMUM = 64 };

/* To be called before anything is opened.  The sockets that were passed to this process, none if
 * LISTEN_FDS is not there: each is a listening stream socket of TCP, over either family, or of the
 * Unix kind.  Their strings stay for good.  Returns 0, or -1 after logging what is wrong, with the
 * number of the descriptor and its name. */
int passed_read(struct listeners *passed);

/* Takes away what speaks to this process only. */
void passed_forget(void);

#endif
