/*
 * outbox.h - the keeper's reports on their way to the supervisor (link.h).
 *
 * What the supervisor must not miss is kept until it says HEARD, with its descriptors: a supervisor
 * may be killed after it has read a report, and before it has acted on it.  The next one has all
 * reports repeated that the last one has not acted on.  Nothing here blocks.
 */
#ifndef SUPERVISOR_KEEPER_OUTBOX_H
#define SUPERVISOR_KEEPER_OUTBOX_H

#include "supervisor/keeper/link.h"

#include <stdbool.h>
#include <stdint.h>

/* Reports that are kept: of any kind; and beyond them CAUGHT, UNHEARD and BEGUN_ALL.  OUTBOX_BEYOND
 * is at least the number of different ones: CAUGHT has four (signals.c). */
enum { OUTBOX_KEPT = 32, OUTBOX_BEYOND = 8 };

struct outbox_report {
    struct link_message message;
    int descriptors[LINK_DESCRIPTORS]; /* owned; link_descriptors() counts them */
    bool again;                        /* to be made again once it is heard */
};

/* All zero but for `link`: empty. */
struct outbox {
    int link;                                               /* not owned */
    struct outbox_report kept[OUTBOX_KEPT + OUTBOX_BEYOND]; /* by their numbers */
    uint64_t made;                                          /* number of the last one */
    uint64_t sent;
    uint64_t heard;
    struct outbox_report other; /* that is not kept, and waits for the link; type 0: none */
};

/* Returns true if a report waits for the link.  Then no answer may be added. */
bool outbox_is_blocked(const struct outbox *outbox);

/* Returns true if a report of any kind can be added.  CAUGHT, UNHEARD and BEGUN_ALL can be added at
 * any time: beyond OUTBOX_KEPT, equal ones are kept once.  If the kept report was not sent yet, an
 * equal one is merged with it, as the kernel merges pending signals.  If it was sent, the
 * supervisor may have acted on it already: once it is heard, one report is made for all equal ones
 * that came meanwhile. */
bool outbox_has_room(const struct outbox *outbox);

/* Adds a report and sends it if the link takes it.  Takes over the descriptors that it brings; NULL
 * if it brings none. */
void outbox_add(struct outbox *outbox, struct link_message message, const int *descriptors);

/* Sends what waits, as far as the link takes it. */
void outbox_flush(struct outbox *outbox);

/* Forgets the kept reports up to this number.  Makes a report again if equal ones were merged with
 * it after it was sent. */
void outbox_forget(struct outbox *outbox, uint64_t number);

/* Forgets in the same way, and sends all kept reports behind this number again.  These will still
 * be made again when they are heard, if equal ones were merged with them after they were sent. */
void outbox_repeat(struct outbox *outbox, uint64_t number);

#endif
