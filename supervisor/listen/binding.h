/*
 * binding.h - from PORT and its options to listening sockets, and from --metrics to another one.
 */
#ifndef SUPERVISOR_LISTEN_BINDING_H
#define SUPERVISOR_LISTEN_BINDING_H

#include "supervisor/listen/listener.h"
#include "supervisor/options/options.h"

/* Opens a listener for each address that the options name, or the Unix socket.  Of a host name with
 * several addresses, leaves out those that cannot be had, with a warning, as long as there is one.
 * `given` are the listeners of the daemon before: one with the same address is used instead of a
 * new one, and marked there as taken.  If the options ask for passed sockets, takes all of `given`.
 * Returns 0, or -1 after logging why.  Strings of the options must stay. */
int binding_open(struct listeners *listeners, const struct options *options,
                 struct listeners *given);

/* Looks whether binding_open() could open the listeners, also while a process listens there; nobody
 * can connect, and nothing is changed.  Returns false after logging why not. */
bool binding_check(const struct options *options);

/* Returns which clients the listeners of binding_open() may have; `passed` are those of a service
 * manager. */
struct setup_clients binding_clients(const struct options *options, const struct listeners *passed);

/* Listens on TCP at a word that --metrics accepts, "ADDRESS:PORT", "[IPV6]:PORT" or ":PORT", and
 * logs where.  ":PORT" means all addresses of both families, and port 0 any free port.  Of several
 * addresses of a host name, takes the first that can be bound.  Returns a descriptor of the
 * caller's, non-blocking and close-on-exec; or -1 after logging why. */
int binding_open_metrics(const char *word);

/* Does for binding_open_metrics() what binding_check() does for binding_open(). */
bool binding_check_metrics(const char *word);

#endif
