/*
 * takeover.h - what a supervisor gets from the one whose place it is to take, before it serves
 * (inheritance.h): a connection to it, and its listeners.  Waits, for a while, for each message.
 */
#ifndef SUPERVISOR_TAKEOVER_TAKEOVER_H
#define SUPERVISOR_TAKEOVER_TAKEOVER_H

#include "supervisor/listen/listener.h"
#include "supervisor/takeover/inheritance.h"

#include <stdbool.h>
#include <stddef.h>

/* A deadline for what can be followed by nothing else: a signal does not end that either. */
#define TAKEOVER_FOR_EVER UINT64_MAX

struct takeover {
    int socket;  /* -1: nobody's place is taken */
    int process; /* the other one's number */
    struct listener listeners[INHERITANCE_LISTENERS];
    bool used[INHERITANCE_LISTENERS];        /* by binding_open() */
    uint32_t numbers[INHERITANCE_LISTENERS]; /* as the other one counts them */
    size_t listener_count;
    struct takeover_place {
        int descriptor; /* -1: none, or taken */
        uint32_t number;
        bool used;
        char place[sizeof(((struct inheritance_listener *)0)->place)];
    } places[INHERITANCE_METRICS + 1]; /* by kind; the first is not used */
};

/* Connects to the control socket at `path` and receives the listeners.  Returns 0, or -1 after
 * logging why not. */
int takeover_open(struct takeover *takeover, const char *path);

/* The socket of this kind that is at this place, which is the caller's then, or -1. */
int takeover_take(struct takeover *takeover, enum inheritance_kind kind, const char *place);

/* Waits for a message, as long as `deadline` (of loop_clock()) has not passed, if it is not
 * TAKEOVER_FOR_EVER, and this process is not told to end.  Returns its type; or 0 if there is none:
 * errno says why, ECONNRESET that the other one is gone, ECANCELED that it has given up or that
 * this one is to end. */
enum inheritance_type takeover_receive(struct takeover *takeover, unsigned permitted,
                                       union inheritance *message, int *descriptors,
                                       uint64_t deadline);

/* Whether SIGTERM or SIGINT have come, which are blocked, and heard once this process serves. */
bool takeover_is_to_end(void);

/* Adds the listeners that are not used, as retired ones: who is in their backlog is served. */
int takeover_retire(const struct takeover *takeover, struct listeners *listeners);

/* Closes the places that nobody has taken, once the other one serves no more: else who comes there
 * would wait for ever. */
void takeover_close_places(struct takeover *takeover);

/* Which are used, for READY. */
uint64_t takeover_used(const struct takeover *takeover);

#endif
