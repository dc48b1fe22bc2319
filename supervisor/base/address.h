/*
 * address.h - the two ends of a connection, in the one form that everything else uses: normalised,
 * so that an IPv4 client is the same whether it came through an IPv4 or an IPv6 socket.  An end of
 * a Unix socket has no address: the remote one is known by who it is.
 */
#ifndef SUPERVISOR_BASE_ADDRESS_H
#define SUPERVISOR_BASE_ADDRESS_H

#include "dispatcher/protocol.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

enum { ADDRESS_DESCRIPTION = 64 /* room for address_describe() */ };

/* A socket address of either family, as the system calls want it; of the path of a Unix socket's
 * there is only the beginning. */
union address_socket {
    struct sockaddr any;
    struct sockaddr_in ipv4;
    struct sockaddr_in6 ipv6;
};

/* The endpoint that a socket address stands for; all zero if its family is none that struct
 * endpoint knows.  Of a Unix socket it is the local end, or a remote one of which nothing is known
 * yet. */
struct endpoint address_endpoint(const union address_socket *address);

/* The local end of a socket: of an accepted one its own address, never the listener's wildcard.
 * Returns 0, or -1 with errno. */
int address_of_socket(int socket, struct endpoint *local);

/* The remote end of an accepted Unix socket: who had connected (SO_PEERCRED, unix(7)). */
struct endpoint address_of_peer(int socket);

/* Whether a descriptor is the connection from there.  A socket of which that cannot be told, such
 * as a connection that was reset, is taken for it: no harm is in it, and else a client might be
 * lost. */
bool address_is_from(int socket, const struct endpoint *remote);

/* The address as text, "user USER" for the remote end of a Unix socket, in a buffer of the
 * caller's; returns the buffer. */
const char *address_text(const struct endpoint *endpoint, char text[INET6_ADDRSTRLEN]);

/* All of a remote end: "ADDRESS port PORT", or "unix process PROCESS user USER"; likewise. */
const char *address_describe(const struct endpoint *endpoint, char text[ADDRESS_DESCRIPTION]);

#endif
