/*
 * address.h - the two ends of a connection as struct endpoint.
 *
 * An IPv4 client has the same endpoint whether it came through an IPv4 or an IPv6 socket.  The
 * remote end of a Unix socket has no address: its endpoint is its process, user and group.
 */
#ifndef SUPERVISOR_BASE_ADDRESS_H
#define SUPERVISOR_BASE_ADDRESS_H

#include "dispatcher/protocol.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

enum { ADDRESS_DESCRIPTION = 64 /* room for address_describe() */ };

/* A socket address of any family, for system calls.  Cuts the path of a Unix socket. */
union address_socket {
    struct sockaddr any;
    struct sockaddr_in ipv4;
    struct sockaddr_in6 ipv6;
};

/* Converts a socket address; all zero for an unknown family.  The address of a Unix socket becomes
 * a local end, without a peer. */
struct endpoint address_endpoint(const union address_socket *address);

/* Sets *local to the local end of a socket.  An accepted socket has its own address, never the
 * listener's wildcard.  Returns 0, or -1 with errno. */
int address_of_socket(int socket, struct endpoint *local);

/* Returns the remote end of an accepted Unix socket (unix(7), SO_PEERCRED; socket(7), SO_COOKIE).
 */
struct endpoint address_of_peer(int socket);

/* Returns the remote end as earlier versions of this program know it, which would take the number
 * of a Unix socket for another remote end. */
struct endpoint address_without_number(const struct endpoint *remote);

/* Looks up the remote end of a connection.  Returns 0, or -1 with errno: ENOTCONN if it is broken.
 */
int address_of_remote(int socket, struct endpoint *remote);

/* Returns true if the descriptor is the connection from `remote`.  Also for a socket without a
 * known peer, such as a connection that was reset: that is harmless, and false could lose a client.
 */
bool address_is_from(int socket, const struct endpoint *remote);

/* Writes the address as text, or "user USER" for the remote end of a Unix socket.  Returns `text`.
 */
const char *address_text(const struct endpoint *endpoint, char text[INET6_ADDRSTRLEN]);

/* Writes a whole remote end: "ADDRESS port PORT", or "unix process PROCESS user USER".  Returns
 * `text`. */
const char *address_describe(const struct endpoint *endpoint, char text[ADDRESS_DESCRIPTION]);

#endif
