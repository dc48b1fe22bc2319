/*
 * backlog.h - what the kernel knows of a listening socket: who waits there to be accepted.
 */
#ifndef SUPERVISOR_LISTEN_BACKLOG_H
#define SUPERVISOR_LISTEN_BACKLOG_H

#include <stdbool.h>
#include <stdint.h>

struct backlog {
    uint32_t waiting; /* connections that have not been accepted yet */
    uint32_t dropped; /* those that found it full, since the socket was opened; they try again */
};

/* Returns whether the kernel tells, which it does of TCP (tcp_get_info() in net/ipv4/tcp.c: of a
 * listening socket, the unacknowledged are those not accepted yet; tcp_listendrop() counts in
 * sk_drops, which SO_MEMINFO shows since Linux 4.12). */
bool backlog_look(int listener, struct backlog *backlog);

#endif
