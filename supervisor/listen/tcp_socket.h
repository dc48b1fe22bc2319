/*
 * tcp_socket.h - a TCP socket at an address, with what the options of the command line ask for.
 */
#ifndef SUPERVISOR_LISTEN_TCP_SOCKET_H
#define SUPERVISOR_LISTEN_TCP_SOCKET_H

#include "supervisor/base/lookup.h"
#include "supervisor/options/options.h"

#include <stdbool.h>

enum { TCP_SOCKET_BOUND = -1 /* in place of a backlog: the socket does not listen */ };

/* Opens a listening socket, close-on-exec and non-blocking.  With `ipv6_only` an IPv6 wildcard
 * leaves IPv4 alone; otherwise it stands for both families, whatever net.ipv6.bindv6only says.
 * Returns the descriptor, or -1 with errno. */
int tcp_socket_open(const struct lookup_address *place, bool ipv6_only,
                    const struct options *options, int backlog);

/* Looks whether tcp_socket_open() could bind the address; a process may listen there.  Binds it for
 * a moment, which keeps no other process from it (SO_REUSEADDR, socket(7)).  Returns 0 or an errno.
 */
int tcp_socket_try(const struct lookup_address *place, bool ipv6_only,
                   const struct options *options);

/* Sets the options that clients inherit.  A service manager may have set some for a passed socket:
 * they stay unless the command line asks for another value.  Returns 0, or -1 with errno. */
int tcp_socket_tune(int descriptor, const struct options *options, bool passed);

#endif
