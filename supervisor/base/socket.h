/*
 * socket.h - options and state of sockets (socket(7)).
 */
#ifndef SUPERVISOR_BASE_SOCKET_H
#define SUPERVISOR_BASE_SOCKET_H

#include <stdbool.h>

/* Sets an option that is a number.  Returns 0, or -1 with errno. */
int socket_set(int socket, int level, int option, int value);

/* Returns an option that is a number, or -1 with errno. */
int socket_get(int socket, int level, int option);

/* Reports whether a descriptor is a socket that sendmsg(2) can send from to any address, connected
 * or not: a datagram socket, for example.  No filter of system calls sees that address. */
bool socket_reaches_others(int descriptor);

/* Reports whether a listening Unix socket was shut down.  accept4(2) does not say so for this kind:
 * it fails with EAGAIN for ever, while poll(2) and epoll(7) report an event. */
bool socket_is_shut_down(int listener);

#endif
