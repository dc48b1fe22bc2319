/*
 * watch.h - the connections of clients whose handlers run: --on-hangup, --idle-timeout, --linger.
 *
 * Without these options a handler alone has the connection of its client.  With one of them, the
 * client's record keeps its descriptor, so that the supervisor can look at the connection, and can
 * shut it down when the handler has ended.  The client then sees the end when the handler has
 * ended, not when the handler closes the connection.
 *
 * An epoll instance of its own reports connections that break.  Bytes are compared at intervals of
 * a part of --idle-timeout, because no event tells that nothing happens.  Nothing here blocks.
 */
#ifndef SUPERVISOR_RUNNING_WATCH_H
#define SUPERVISOR_RUNNING_WATCH_H

#include "supervisor/base/loop.h"
#include "supervisor/options/options.h"
#include "supervisor/queue/queue.h"

#include <stdbool.h>

struct watch {
    struct loop *loop;
    const struct options *options;
    struct queue *queue;
    /* The client's handler is of no use any more, for this reason: "its client has hung up". */
    void (*useless)(void *context, struct client *client, const char *why);
    void *context;
    struct loop_source hangups; /* the epoll instance; descriptor -1 without --on-hangup end */
    struct loop_timer idle;     /* when to look for idle connections; 0: no handler runs */
    struct client *looked_at;   /* the next one in a look that takes several rounds; NULL: none */
    uint64_t next;              /* when the next look must come, as far as this one has found */
};

/* Opens the watch; what is passed must stay.  Returns 0, or -1 with errno. */
int watch_open(struct watch *watch, struct loop *loop, const struct options *options,
               struct queue *queue, void (*useless)(void *, struct client *, const char *),
               void *context);

/* The client's handler runs, and the watch is to begin. */
void watch_begin(struct watch *watch, struct client *client);

/* The client's handler has ended: closes our descriptor of the connection, if there is one; with
 * --linger so that the client can read the answer. */
void watch_end(struct watch *watch, struct client *client);

#endif
