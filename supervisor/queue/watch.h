/*
 * watch.h - notices when those who wait give up.
 *
 * Their connections are watched by an epoll instance of its own, which asks for nothing but errors
 * and hang-ups: what they send while they wait wakes nobody.
 */
#ifndef SUPERVISOR_QUEUE_WATCH_H
#define SUPERVISOR_QUEUE_WATCH_H

#include "supervisor/base/loop.h"

#include <stdbool.h>
#include <stdint.h>

/* Which sign means that somebody has given up. */
enum watch_sign {
    WATCH_HANGUP,     /* a reset, or a connection that has broken */
    WATCH_HALF_CLOSE, /* also the end of what it sends */
    WATCH_NOTHING
};

struct watch {
    struct loop_source source; /* the epoll instance; descriptor -1 for WATCH_NOTHING */
    enum watch_sign sign;
    uint32_t count; /* connections that are watched */
    void (*gone)(void *context, uint32_t handle);
    void *context;
};

/* `gone` is called for each connection that shows the sign, with the handle that it was added with,
 * and has to end the watch.
 * Returns 0, or -1 with errno. */
int watch_open(struct watch *watch, struct loop *loop, enum watch_sign sign,
               void (*gone)(void *context, uint32_t handle), void *context);

/* Begins to watch a connection that is not watched yet; returns whether it could. */
bool watch_add(struct watch *watch, int descriptor, uint32_t handle);

/* Ends that; to be called before the descriptor is closed or given away. */
void watch_remove(struct watch *watch, int descriptor);

/* Calls `gone` for all that show the sign by now, not only when the loop comes to it. */
void watch_look(struct watch *watch);

/* Whether a connection that is not watched shows the sign. */
bool watch_shows(const struct watch *watch, int descriptor);

#endif
