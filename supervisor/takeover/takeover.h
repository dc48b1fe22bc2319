/*
 * takeover.h - the new process of a takeover (inheritance.h), before it serves: it connects to the
 * old process and receives its sockets.
 *
 * Functions that receive block, within a deadline.
 */
#ifndef SUPERVISOR_TAKEOVER_TAKEOVER_H
#define SUPERVISOR_TAKEOVER_TAKEOVER_H

#include "supervisor/listen/listener.h"
#include "supervisor/takeover/inheritance.h"

#include <stdbool.h>
#include <stdint.h>

/* The deadline for a message that decides who serves.  A signal does not end this wait either. */
#define TAKEOVER_FOR_EVER UINT64_MAX

struct takeover {
    int socket;  /* the link to the old process; -1: there is none */
    int process; /* process id of the old process */
    struct listeners listeners;
    bool used[INHERITANCE_LISTENERS];        /* binding_open() took this listener */
    uint32_t numbers[INHERITANCE_LISTENERS]; /* LISTENER messages that brought them */
    uint64_t places_used;                    /* as READY tells them */
    struct takeover_place {
        int descriptor;  /* -1: none, or taken */
        uint32_t number; /* of its LISTENER */
        char place[sizeof(((struct inheritance_listener *)0)->place)];
    } places[INHERITANCE_METRICS + 1]; /* by kind: control and metrics */
};

/* Connects to the control socket at `path` and receives the sockets.  Returns 0, or -1 after a log
 * line. */
int takeover_open(struct takeover *takeover, const char *path);

/* Returns the socket of this kind and place, which the caller owns from now on; or -1. */
int takeover_take(struct takeover *takeover, enum inheritance_kind kind, const char *place);

/* Waits for a message until `deadline` (of loop_clock()), or until a signal ends this process.
 * Returns its type, or 0 with errno.  ECONNRESET: the old process is gone.  ECANCELED: it sent
 * ABORTED, or this process must end. */
enum inheritance_type takeover_receive(struct takeover *takeover, unsigned permitted,
                                       union inheritance *message, int *descriptors,
                                       uint64_t deadline);

/* Returns whether SIGTERM or SIGINT is pending; both are blocked until this process serves. */
bool takeover_is_to_end(void);

/* Adds the unused listeners as retired ones, so that clients in their backlogs are served.  Returns
 * 0, or -1 with errno. */
int takeover_retire(const struct takeover *takeover, struct listeners *listeners);

/* Closes the control and metrics sockets that were not taken.  To be called once the old process
 * does not serve: otherwise an operator would wait there without end. */
void takeover_close_places(struct takeover *takeover);

/* Returns the sockets that are used, as READY tells them. */
uint64_t takeover_used(const struct takeover *takeover);

#endif
