/*
 * address.h - the two ends of a connection, in the one form that everything else uses: normalised,
 * so that an IPv4 client is the same whether it came through an IPv4 or an IPv6 socket.
 */
#ifndef SUPERVISOR_ADDRESS_H
#define SUPERVISOR_ADDRESS_H

#include "dispatcher/protocol.h"

#include <netinet/in.h>
#include <sys/socket.h>

/* A socket address of either family, as the system calls want it. */
union address_socket {
    struct sockaddr any;
    struct sockaddr_in ipv4;
    struct sockaddr_in6 ipv6;
};

/* The endpoint that a socket address stands for; all zero if its family is neither. */
struct endpoint address_endpoint(const union address_socket *address);

/* The local end of a socket: of an accepted one its own address, never the listener's wildcard.
 * Returns 0, or -1 with errno. */
int address_of_socket(int socket, struct endpoint *local);

/* The address as text, in a buffer of the caller's; returns the buffer. */
const char *address_text(const struct endpoint *endpoint, char text[INET6_ADDRSTRLEN]);

#endif
