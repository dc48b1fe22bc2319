/*
 * listener.h - from what PORT and its options say to listening sockets, and from those to clients.
 *
 * A listener is a stream socket of TCP, over either family, or of the Unix kind.  Listening sockets
 * are close-on-exec and non-blocking; those of TCP have SO_KEEPALIVE, which accepted sockets
 * inherit.  Those that are opened here have SO_REUSEADDR, and the longest backlog that the kernel
 * allows (listen(2): what exceeds net.core.somaxconn is cut to it).
 */
#ifndef SUPERVISOR_LISTEN_LISTENER_H
#define SUPERVISOR_LISTEN_LISTENER_H

#include "dispatcher/protocol.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    LISTENER_BACKLOG_UNKNOWN = 4096, /* where the kernel does not tell how many are in it */
    LISTENER_TEXT = 128              /* room for listener_text() */
};

struct listener {
    int descriptor; /* owned; -1 once closed */
    struct endpoint local;
    const char *path; /* of a Unix socket, as it was bound ("@NAME" if it is an abstract one); NULL
                       * of all others; stays for good */
    const char *name; /* what the service manager calls it (LISTEN_FDNAMES); NULL: nothing */
    bool inherited;   /* from a process before this one, that is to end */
    bool retired;     /* likewise, and it is not wanted: only who is in its backlog is accepted */
    bool passed;      /* by a service manager, who keeps it for the next start: it is only accepted
                       * from, and closed */
};

struct listeners {
    struct listener *list;
    size_t count;
};

/* What is to be listened on: with `passed` the sockets in there; or with `unix_path` that one; else
 * TCP, at the addresses and the port. */
struct listener_request {
    const struct listeners *passed; /* as passed_read() has them; NULL: not wanted */

    const char *unix_path; /* fits into a socket's address; NULL: not wanted */
    mode_t unix_mode;      /* permissions of it */
    uid_t unix_user;       /* -1: this process' own */
    gid_t unix_group;      /* -1: likewise */

    char *const *addresses; /* names or numeric addresses; none: every address of this machine */
    size_t address_count;
    uint16_t port; /* 0: any that is free, one for each listener */
    bool ipv4;     /* prefer this family; both or neither: both families */
    bool ipv6;
    uint64_t defer_accept; /* microseconds; 0: clients are taken at once (tcp(7)) */
    bool reuse_port;       /* SO_REUSEPORT (socket(7)) */
    bool free_bind;        /* IP_FREEBIND (ip(7)) */
    bool no_delay;         /* TCP_NODELAY (tcp(7)), which accepted sockets inherit */
    const char *device;    /* SO_BINDTODEVICE (socket(7)); NULL: any */

    /* Listeners of a process before this one.  Whichever is what is about to be opened is taken
     * instead, each once at most, and its place in `inherited_used` becomes true: then it belongs
     * to the listeners that are opened.  That is decided by path for a Unix socket; for TCP by
     * family, address, device, whether IPv6 is for IPv6 only, and port, unless 0 is asked for.
     * Where sockets are to be passed, and none is, all are taken. */
    const struct listener *inherited;
    size_t inherited_count;
    bool *inherited_used;
};

/* Opens a listener for each address, or none at all: returns 0, or -1 after logging what failed.
 * May wait for a name look-up, so it is for the time before the service starts.  Strings of the
 * request must stay. */
int listeners_open(struct listeners *listeners, const struct listener_request *request);

/* Adds a listener on this socket, whose local end it looks up.  Returns 0, or -1 with errno. */
int listeners_add(struct listeners *listeners, struct listener listener);

/* Takes a client, or returns -1 with the errno of accept4(2): EINVAL if it has been shut down, but
 * EAGAIN, for ever, of a Unix socket.  The descriptor is close-on-exec and blocking, as handlers
 * expect it; accept never waits.  Of the client of a Unix socket, `remote` is who had connected, as
 * unix(7) tells it (SO_PEERCRED). */
int listener_accept(const struct listener *listener, struct endpoint *remote);

/* Whether it is such a Unix socket: to be asked where one was announced, and none was there. */
bool listener_is_shut_down(const struct listener *listener);

/* Keeps newcomers out of the backlog, as far as the kernel can: while that of a TCP socket is
 * empty, one gets in; a Unix socket refuses them all; one that was passed is left as it is, and
 * they wait for whoever gets it next.
 * Returns how many are in the backlog now, which are the first that listener_accept() will take; or
 * LISTENER_BACKLOG_UNKNOWN, and then it is to be emptied, but not beyond that number. */
uint32_t listener_stop(const struct listener *listener);

void listener_close(struct listener *listener);

/* What it listens on, "ADDRESS port PORT" or "unix:PATH", in a buffer of the caller's; returns the
 * buffer. */
const char *listener_text(const struct listener *listener, char text[LISTENER_TEXT]);

#endif
