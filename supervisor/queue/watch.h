/*
 * watch.h - notices when waiting clients give up.
 *
 * An epoll instance of its own watches their connections, and asks for errors and hang-ups only:
 * what clients send while they wait does not wake the supervisor.
 */
#ifndef SUPERVISOR_QUEUE_WATCH_H
#define SUPERVISOR_QUEUE_WATCH_H

#include "supervisor/base/loop.h"
#include "supervisor/options/options.h"

#include <stdbool.h>
#include <stdint.h>

struct watch {
    struct loop_source source; /* the epoll instance; descriptor -1 for OPTIONS_ABANDON_NEVER */
    enum options_abandon sign;
    uint32_t count; /* connections that are watched */
    void (*gone)(void *context, uint32_t handle);
    void *context;
};

/* Opens the watch.  `gone` is called for each connection that shows the sign, with its handle, and
 * must remove it.  Returns 0, or -1 with errno. */
int watch_open(struct watch *watch, struct loop *loop, enum options_abandon sign,
               void (*gone)(void *context, uint32_t handle), void *context);

/* Begins to watch a connection.  Returns false if the kernel has no room for it. */
bool watch_add(struct watch *watch, int descriptor, uint32_t handle);

/* Ends that.  To be called before the descriptor is closed or given away. */
void watch_remove(struct watch *watch, int descriptor);

/* Calls `gone` now for all connections that show the sign. */
void watch_look(struct watch *watch);

/* Whether a connection shows the sign that is not watched. */
bool watch_shows(const struct watch *watch, int descriptor);

#endif
