/*
 * events.h - what the room takeover/ tells server/, and asks it.
 */
#ifndef SUPERVISOR_TAKEOVER_EVENTS_H
#define SUPERVISOR_TAKEOVER_EVENTS_H

#include "supervisor/queue/clients.h"

#include <stdbool.h>
#include <sys/types.h>

struct takeover_events {
    /* ---- from the old process ---- */

    /* While a path is lent, its file must stay when this process ends. */
    void (*lend)(void *context, const char *path, bool lent);
    /* The new process serves; this process only waits for its handlers. */
    void (*handed_over)(void *context, pid_t successor);
    /* The new process ends the service: send this signal to all handlers. */
    void (*end_handlers)(void *context, int signal_number);

    /* ---- from the new process ---- */

    /* The client's handler has ended in the old process, or died with it.  `status` is NULL if it
     * is unknown. */
    void (*ended)(void *context, struct client *client, const int *status);
    /* The old process speaks no more to the service manager: from now on this process does. */
    void (*step_forward)(void *context);
    void *context;
};

#endif
