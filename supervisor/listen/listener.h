/*
 * listener.h - one listening socket, from its first client to its last; and the contract of this
 * room: from PORT and its options to accepted descriptors.
 *
 * binding.h opens listeners, or takes those that the daemon before opened; passed.h takes those of
 * a service manager; and accept.h takes clients from all of them.
 *
 * A listener is a stream socket of TCP, over either family, or a Unix socket.  It is close-on-exec
 * and non-blocking, and belongs to `struct listeners` until listener_close().  One of TCP has
 * SO_KEEPALIVE, which accepted sockets inherit.  Listeners that binding.h opens have SO_REUSEADDR
 * and the longest backlog that the kernel allows (listen(2): net.core.somaxconn).
 *
 * To open listeners may block, for name look-ups and for a port in use (backoff.h): for the start
 * only.  Nothing blocks once clients are served.  Functions that return an int return 0 or a
 * descriptor; or -1 with errno, or where so documented after logging why.  Lists and their strings
 * stay in memory until the process ends.
 */
#ifndef SUPERVISOR_LISTEN_LISTENER_H
#define SUPERVISOR_LISTEN_LISTENER_H

#include "dispatcher/protocol.h"
#include "supervisor/base/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LISTENER_BACKLOG_UNKNOWN = 4096, /* for listener_stop(), where the kernel gives no number */
    LISTENER_TEXT = 128              /* room for listener_text() */
};

struct acceptor;

struct listener {
    int descriptor; /* owned; -1 once closed */
    struct endpoint local;
    const char *path; /* of a Unix socket, as it was bound ("@NAME" if it is abstract); NULL: TCP */
    const char *name; /* that the service manager gave it (LISTEN_FDNAMES); NULL: none */
    bool inherited;   /* from the daemon before, which ends soon */
    bool taken;       /* not free for binding_open(): in another list, or no service socket */
    bool retired;     /* inherited but not wanted: only the clients in its backlog are accepted */
    bool passed;      /* by a service manager, which keeps it for the next start: clients are
                       * accepted, and the descriptor is closed, but its backlog is not changed */
    bool brings_descriptors; /* clients may have sent some along: interrupter.h */

    /* accept.h */
    struct acceptor *acceptor;
    struct loop_source source;
    bool draining;  /* only clients of its backlog at the time that draining began are accepted */
    bool deaf;      /* another process has shut it down: nobody can connect again */
    uint32_t left;  /* while draining: clients still to be accepted */
    uint64_t round; /* of the loop, in which it last accepted a client */
};

struct listeners {
    struct listener *list;
    size_t count;
};

/* What the kernel counts for a listening socket of TCP. */
struct listener_backlog {
    uint32_t waiting; /* connections that wait to be accepted */
    uint32_t dropped; /* connection attempts that found the backlog full, since the socket exists;
                       * the client tries again */
};

/* Adds a listener after looking up its local end, and the path if there is none.  Returns 0, or -1
 * with errno. */
int listeners_add(struct listeners *listeners, struct listener listener);

/* Returns true if a client may send descriptors along with its data (interrupter.h). */
bool listeners_bring_descriptors(const struct listeners *listeners);

/* Accepts a client, without blocking.  Its descriptor is close-on-exec and blocking, as handlers
 * expect.  For a Unix socket `remote` is the process that connected (unix(7), SO_PEERCRED).
 * Returns -1 with the errno of accept4(2) on failure.  After a shutdown(2) of the listener, TCP
 * gives EINVAL, and a Unix socket gives EAGAIN for ever. */
int listener_accept(const struct listener *listener, struct endpoint *remote);

/* Returns true if a connection was accepted from this listener, which may be closed by now. */
bool listener_has_accepted(const struct listener *listener, int connection);

/* Looks up what the kernel counts.  Returns whether it does: not for Unix sockets. */
bool listener_look(const struct listener *listener, struct listener_backlog *backlog);

/* Closes the backlog to new clients as far as the kernel can.  A TCP socket with an empty backlog
 * lets one more in; a Unix socket refuses all; a passed socket keeps them for its next owner.
 * Returns how many clients are in the backlog, which listener_accept() takes first.  Returns
 * LISTENER_BACKLOG_UNKNOWN if the kernel does not say: empty it, up to that number. */
uint32_t listener_stop(const struct listener *listener);

/* Closes the descriptor, once. */
void listener_close(struct listener *listener);

/* Writes "ADDRESS port PORT" or "unix:PATH" into the caller's buffer, and returns the buffer. */
const char *listener_text(const struct listener *listener, char text[LISTENER_TEXT]);

#endif
