/*
 * remains.h - the undecided STARTs of a dead dispatcher: its children between clone and exec.
 *
 * They are children of this process now.  A child whose exec fails sends FAILED and returns the
 * connection.  Until its exec succeeds, a child holds the dispatcher's end of the socket; so once
 * the socket reads end of file, all other children are handlers.  On a dead file system that takes
 * long, and the dispatcher's successor must not wait for it.
 */
#ifndef SUPERVISOR_POOL_REMAINS_H
#define SUPERVISOR_POOL_REMAINS_H

#include "supervisor/base/loop.h"
#include "supervisor/pool/starts.h"

struct remains {
    struct loop *loop;
    const struct pool_events *events;
    struct loop_source source; /* our end of the socket */
    struct starts starts;
    struct remains **list;
    struct remains *next;
};

/* Adds `remains` to `list` and watches it until it is decided; then frees it.  The caller allocates
 * it with malloc(3), sets the first four members, and gives up the socket and the ledger.  Returns
 * 0, or -1 with errno and nothing taken. */
int remains_watch(struct remains *remains, struct remains **list);

/* Call starts_reaped() and starts_each() for all of a list. */
bool remains_reaped(struct remains *list, pid_t process, uint32_t *client, uint64_t *ticket);
void remains_each(const struct remains *list, void (*each)(void *context, pid_t process),
                  void *context);

/* Closes and frees all of a list without decisions. */
void remains_close(struct remains **list);

#endif
