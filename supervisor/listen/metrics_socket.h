/*
 * metrics_socket.h - the listening socket of --metrics.
 */
#ifndef SUPERVISOR_LISTEN_METRICS_SOCKET_H
#define SUPERVISOR_LISTEN_METRICS_SOCKET_H

/* Listens on TCP at "ADDRESS:PORT", "[IPV6]:PORT" or ":PORT", the latter at all addresses of both
 * families; with port 0 at any that is free.  ADDRESS may be a host name, so this may wait for a
 * look-up: it is for the time before the service starts.  Returns a descriptor of the caller's,
 * non-blocking and close-on-exec, after logging where it listens; or -1 after logging why not. */
int metrics_socket_open(const char *word);

#endif
