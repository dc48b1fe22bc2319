/*
 * predecessor.h - the process whose place this one has taken, as far as its clients are concerned:
 * those who wait wait here from now on, and those who have a handler count here until it says that
 * the handler has ended.
 */
#ifndef SUPERVISOR_TAKEOVER_PREDECESSOR_H
#define SUPERVISOR_TAKEOVER_PREDECESSOR_H

#include "supervisor/base/loop.h"
#include "supervisor/takeover/takeover.h"

#include <stdbool.h>

struct server;

struct predecessor {
    struct loop_source source; /* descriptor 0 or less: there is none, or none any more */
    struct loop_timer again;   /* when to say once more what could not be sent */
    int owed;                  /* what its handlers are to be sent: a signal */
    bool left;                 /* its service manager is told by this process now */
};

/* Takes all that it has; then it serves no more.  Waits until that is done.  Returns 0, or -1 after
 * logging why not: then it serves on, and this process must end without a word to its clients. */
int predecessor_take(struct server *server, struct takeover *takeover);

/* Tells it that all files of this process are in their places, so that it may remove its own. */
void predecessor_settled(struct server *server);

/* Has it send a signal to its handlers, as the service ends; a little later, if it cannot be told
 * now. */
void predecessor_end(struct server *server, int signal_number);

#endif
