/*
 * remains.h - what a dead dispatcher leaves undecided: children of its that are between clone and
 * exec.
 *
 * They are children of this process by now.  Whether their exec succeeds shows in the ledger when
 * the socket reads end of file, as they hold the dispatcher's end of it until then.  That may take
 * long, on a dead file system; so a successor must not have to wait for it.
 */
#ifndef SUPERVISOR_REMAINS_H
#define SUPERVISOR_REMAINS_H

#include "dispatcher/protocol.h"
#include "supervisor/loop.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A START that has not been answered, in the ledger slot of the same index. */
struct remains_start {
    bool used;
    bool reaped; /* its process: must not be signalled any more */
    uint32_t client;
    uint64_t ticket;
};

/* Exactly one of them is called for each start, when it is decided. */
struct remains_events {
    /* No handler runs for it, and none will. */
    void (*returned)(void *context, uint32_t client, uint64_t ticket);
    /* Its handler was started, and is a child of this process. */
    void (*orphaned)(void *context, uint32_t client, uint64_t ticket, int32_t process);
    void *context;
};

struct remains {
    struct remains *next;
    struct remains **list;
    struct loop *loop;
    const struct remains_events *events;
    struct loop_source source;
    struct ledger *ledger;
    struct remains_start starts[PROTOCOL_SLOTS];
};

/* Decides of each start of a dead dispatcher what the ledger can tell, and takes it out.  With
 * `closed`, its end of file has been read, and that is all of them.  Returns whether some are left.
 */
bool remains_decide(struct remains_start starts[PROTOCOL_SLOTS], const struct ledger *ledger,
                    bool closed, const struct remains_events *events);

/* Watches what is left of a dispatcher until it is decided.  `remains` is from malloc(3); it, the
 * socket and the ledger in it are owned here from now on.  Returns 0, or -1 with errno and nothing
 * taken. */
int remains_watch(struct remains *remains, struct remains **list);

/* Takes note that a process has been reaped, and tells whose start led to it; returns whether one
 * of `list` did.  The second looks among the starts of a single dispatcher. */
bool remains_reaped(struct remains *list, pid_t process, uint32_t *client, uint64_t *ticket);
bool remains_reaped_start(struct remains_start starts[PROTOCOL_SLOTS], const struct ledger *ledger,
                          pid_t process, uint32_t *client, uint64_t *ticket);

/* Signals all processes that are left. */
void remains_signal(const struct remains *list, int signal_number);

/* Forgets all that is left, undecided. */
void remains_close(struct remains **list);

#endif
