/*
 * remains.h - what a dead dispatcher leaves undecided: children of its that are between clone and
 * exec.
 *
 * They are children of this process by now.  Those whose exec fails say so over the socket, and
 * give the connection back; of all others it has succeeded when the socket reads end of file, as
 * they hold the dispatcher's end of it until then.  That may take long, on a dead file system; so a
 * successor must not have to wait for it.
 */
#ifndef SUPERVISOR_POOL_REMAINS_H
#define SUPERVISOR_POOL_REMAINS_H

#include "supervisor/base/loop.h"
#include "supervisor/pool/starts.h"

struct remains {
    struct loop *loop;
    const struct starts_events *events;
    struct loop_source source; /* the socket */
    struct starts starts;
    struct remains **list;
    struct remains *next;
};

/* Watches what is left of a dispatcher until it is decided, as one of `list`.  `remains` is from
 * malloc(3), with the first four members set; it, the socket and the ledger are owned here from now
 * on.  Returns 0, or -1 with errno and nothing taken. */
int remains_watch(struct remains *remains, struct remains **list);

/* starts_reaped() and starts_each() for all of a list. */
bool remains_reaped(struct remains *list, pid_t process, uint32_t *client, uint64_t *ticket);
void remains_each(const struct remains *list, void (*each)(void *context, pid_t process),
                  void *context);

/* Forgets all that is left, undecided. */
void remains_close(struct remains **list);

#endif
