/*
 * aside.h - clients whose handler could not be started, although the handlers of others could.
 *
 * Most reasons concern every client, such as a lack of memory or of processes, or a CMD that was
 * removed: all wait in their places, and one of them is tried at a time (base/backoff.h).  But a
 * client whose variables are too long for the kernel (E2BIG) must not hold up the others, so
 *
 *     it steps aside at once, and the next clients are tried
 *     after a pause, those that stepped aside wait in their old places again
 *     it is closed after three failures of its own, if another handler was started since the first
 *
 * If no handler can be started at all, then no client is closed.  The pauses grow, from 100 ms to
 * 5 s.  In each pause a bounded number of clients is tried; those that have not been tried come
 * first, so that many that fail cannot hide one that would not.
 *
 * The failures of a client are in its record, which outlives the supervisor.  The pauses begin
 * anew.
 */
#ifndef SUPERVISOR_RUNNING_ASIDE_H
#define SUPERVISOR_RUNNING_ASIDE_H

#include "supervisor/queue/clients.h"

#include <stdbool.h>
#include <stdint.h>

struct aside {
    uint64_t pause;  /* the current one, or the last; microseconds; 0: there was none */
    uint64_t until;  /* its end */
    bool started;    /* a handler was started since it began */
    uint32_t failed; /* starts since it began */
};

/* Returns true if a start that failed like this may succeed for another client. */
bool aside_concerns(int error);

/* Takes note that the start of a client failed like this.  Returns true if the caller must close
 * it, or false if it must step aside. */
bool aside_failed(struct aside *aside, const struct clients *clients, struct client *client,
                  uint64_t now);

/* Takes note that a handler was started. */
void aside_started(struct aside *aside, uint64_t now);

/* Ends the pause, if its time has come, for all clients that stepped aside. */
void aside_advance(struct aside *aside, struct clients *clients, uint64_t now);

/* Returns true if too many clients have failed in this pause: no others may be tried. */
bool aside_holds(const struct aside *aside, uint64_t now);

/* Returns when the pause ends; 0: there is none. */
uint64_t aside_deadline(const struct aside *aside, uint64_t now);

#endif
