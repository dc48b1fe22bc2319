/*
 * queue.h - the clients: who waits, whose turn it is, and who leaves without a handler.
 *
 * The room's state is struct queue.  A client enters by queue_enter(), once the access rules allow
 * it.  It leaves
 *
 *     abandoned   it gave up while it waited, and the kernel says so
 *     refused     too many wait, too many of its source wait, or it has waited for --queue-timeout
 *     started     running/ moves it to its own list by clients_move(); its record ends later, with
 *                 its handler
 *
 * A waiting client owns its descriptor; the queue closes it when the client leaves.  Nothing here
 * blocks.  Times are microseconds of loop.h's clock.
 *
 * An epoll instance of its own watches waiting clients, and asks for errors and hang-ups only: what
 * clients send while they wait does not wake the supervisor.
 *
 * The newest clients are refused first, and only after all were started who may start.  So a
 * client that finds a free handler never counts as waiting.
 */
#ifndef SUPERVISOR_QUEUE_QUEUE_H
#define SUPERVISOR_QUEUE_QUEUE_H

#include "supervisor/base/loop.h"
#include "supervisor/options/options.h"
#include "supervisor/queue/clients.h"
#include "supervisor/queue/lingering.h"
#include "supervisor/queue/policy.h"

#include <stdbool.h>
#include <stdint.h>

/* What the queue tells server/. */
struct queue_events {
    /* The client gave up; its record ends when this returns. */
    void (*abandoned)(void *context, const struct client *client);
    void (*refused)(void *context, const struct endpoint *remote, enum client_end reason);
    /* queue_clear() has ended so many clients like this, and none waits any more. */
    void (*cleared)(void *context, uint32_t count, enum client_end end);
    void *context;
};

struct queue {
    struct loop *loop;
    const struct options *options; /* the operator may change some while the service runs */
    struct queue_events events;
    struct clients clients;
    struct policy policy;
    struct loop_source signs; /* the epoll instance; descriptor -1 with --abandon never */
    uint32_t watched_count;   /* clients in it */
    struct lingering lingering;
    int *known;        /* for lingering_open() */
    uint32_t capacity; /* descriptors for waiting clients */
    uint32_t possible; /* the part of capacity that --queue may use */
    uint32_t maximum;  /* clients that may wait: --queue, or `possible` if that is less */

    uint64_t crowded_until; /* until then clients without a dispatcher do not count as waiting; 0:
                             * dispatchers have room */
    uint64_t watched;       /* clients up to this ticket are watched, as far as possible */
    uint64_t watch_at;      /* when to watch the newer ones; 0: there are none */
    uint64_t unheard;       /* the round that left signs for the next one; 0: none has */
    struct loop_timer judgement;
    struct loop_timer expiry;   /* of --queue-timeout */
    struct loop_timer clearing; /* set during queue_clear(): the next slice */
    enum client_end cleared_as;
    uint32_t cleared; /* clients, so far */
};

/* Opens the queue, except for its limits and its policy.  `loop`, `options`, `books`, `known`
 * and what `events` refers to must stay.  Returns 0, or -1 with errno. */
int queue_open(struct queue *queue, struct loop *loop, const struct options *options,
               struct clients_books *books, int *known, const struct queue_events *events);

/* Divides `descriptors`, all that clients may use, between waiting and lingering clients.
 * `newcomers` clients may come before the next queue_judge().  Returns false if too few are left
 * for clients. */
bool queue_divide(struct queue *queue, uint32_t descriptors, uint32_t newcomers);

/* Takes a changed --queue and --per-source over.  O(sources). */
void queue_limit(struct queue *queue);

/* Releases all memory.  Descriptors of clients stay open: the process is about to end. */
void queue_close(struct queue *queue);

/* Returns whether one more client can be accepted.  It needs a descriptor.  Besides, either clients
 * may be refused, or no more clients than --queue allows will wait once `startable` have started.
 */
bool queue_has_room(const struct queue *queue, uint32_t startable);

/* Enters a new connection, or closes it if the access rules deny it.  Takes over the descriptor.
 * clients_reserve() must have succeeded since the last call. */
void queue_enter(struct queue *queue, int descriptor, const struct endpoint *remote);

/* Closes our descriptor of a client whose handler has ended; with --linger so that the client can
 * read the answer. */
void queue_part(struct queue *queue, struct client *client);

/* Whether the client is still there; if not, ends it. */
bool queue_is_present(struct queue *queue, struct client *client);

/* Ends clients that have given up by now, even if the loop has not come to them: as many as a slice
 * allows.  If some may be left, this round refuses no client, and starts none without a look at it.
 */
void queue_look(struct queue *queue);

/* Begins and ends to watch a waiting client for the sign of --abandon.  Call queue_unwatch() before
 * the descriptor is closed or given away.  If the kernel has no room, the client goes unwatched. */
void queue_watch(struct queue *queue, struct client *client);
void queue_unwatch(struct queue *queue, struct client *client);

/* Refuses clients that have waited for --queue-timeout, some in each round, so that the loop can
 * see connections close and arrive in between.  Sets the timer for the next client. */
void queue_expire(struct queue *queue);

/* Judges the clients that have come since the last call: refuses the newest while more wait than
 * --queue and --per-source-queue allow, and watches those that stay, at once or in a moment; after
 * a takeover, and after the death of a supervisor, some in each round.  To be called after all were
 * started who may start.  `about_to_start` clients may start and only lack room at a dispatcher;
 * they count as waiting after a second.  Sets both timers. */
void queue_judge(struct queue *queue, uint32_t about_to_start);

/* Stops both timers, so that no client is refused until queue_expire() and queue_judge(). */
void queue_hold(struct queue *queue);

/* Ends every waiting client like this, without an answer: in slices, the oldest first.  Until all
 * are gone, no client is refused, and another call changes nothing.  No client may be started. */
void queue_clear(struct queue *queue, enum client_end end);

#endif
