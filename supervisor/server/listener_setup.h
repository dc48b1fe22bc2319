/*
 * listener_setup.h - the part of opening listeners that requires several rooms: the descriptors of
 * this process, the daemon before, and the janitor.
 */
#ifndef SUPERVISOR_SERVER_LISTENER_SETUP_H
#define SUPERVISOR_SERVER_LISTENER_SETUP_H

#include "supervisor/keeper/janitor.h"
#include "supervisor/listen/listener.h"
#include "supervisor/options/options.h"
#include "supervisor/takeover/takeover.h"

/* Keeps the descriptors that were given to this process, and takes the sockets that a service
 * manager passed if PORT is "systemd".  Call this before the process opens a descriptor
 * (descriptors.h).  Returns 0, or -1 after logging why. */
int listener_setup_descriptors(struct options *options, struct listeners *passed);

/* Opens all listeners, and uses those of the daemon before where they fit.  Returns 0, or -1 after
 * logging why. */
int listener_setup_open(struct listeners *listeners, const struct options *options,
                        const struct listeners *passed, struct takeover *takeover);

/* Makes the janitor remove the files of our Unix sockets on exit.  Returns 0, or -1 after logging
 * why. */
int listener_setup_leave(struct janitor *janitor, const struct listeners *listeners);

#endif
