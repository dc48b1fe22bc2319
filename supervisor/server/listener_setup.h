/*
 * listener_setup.h - from the options to listeners: those that a service manager has passed, those
 * of the process whose place is taken, and new ones; and what is to be said and done about them.
 */
#ifndef SUPERVISOR_SERVER_LISTENER_SETUP_H
#define SUPERVISOR_SERVER_LISTENER_SETUP_H

#include "supervisor/keeper/janitor.h"
#include "supervisor/listen/listener.h"
#include "supervisor/options/options.h"
#include "supervisor/takeover/takeover.h"

/* Keeps open what was given to us, and takes the sockets that were passed, if they are wanted; to
 * be called before anything is opened (descriptors.h).  Returns 0, or -1 after logging why not. */
int listener_setup_descriptors(struct options *options, struct listeners *passed);

/* Opens all.  Listeners of the process whose place is taken are used where they fit.  Returns 0, or
 * -1 after logging why not. */
int listener_setup_open(struct listeners *listeners, const struct options *options,
                        const struct listeners *passed, struct takeover *takeover);

/* Leaves the files of Unix sockets that are ours, or will be, to the janitor.  Likewise. */
int listener_setup_leave(struct janitor *janitor, const struct listeners *listeners);

/* What --ready-fd asks for; the descriptor, unless it is -1, is closed. */
void listener_setup_tell(int descriptor, const struct listeners *listeners);

#endif
