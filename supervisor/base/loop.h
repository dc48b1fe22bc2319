/*
 * loop.h - waits for descriptors and deadlines, and calls whoever asked.
 *
 * One thread, level-triggered epoll(7).  With nothing to do it sleeps without a time limit: there
 * is no periodic wake-up.  Times are microseconds of CLOCK_MONOTONIC.
 */
#ifndef SUPERVISOR_BASE_LOOP_H
#define SUPERVISOR_BASE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

enum { LOOP_MILLISECOND = 1000, LOOP_SECOND = 1000000 };

/* A descriptor to wait for; owned by the caller, and to stay where it is while it is watched. */
struct loop_source {
    int descriptor;
    void (*ready)(void *context); /* readable, or an error or hang-up that reading will tell */
    void *context;
    bool watched;
};

/* A deadline; owned by the caller, added once, and to stay where it is. */
struct loop_timer {
    void (*expired)(void *context); /* NULL: the loop only begins a round */
    void *context;
    uint64_t deadline; /* 0: not set */
    struct loop_timer *next;
};

struct loop {
    int epoll;
    uint64_t now;   /* when the current round of events began */
    uint64_t round; /* its number */
    bool crowded;   /* in this round there may be events that wait for the next one */
    bool stopped;
    struct loop_timer *timers; /* a handful: looked through once a round */
};

/* Returns 0, or -1 with errno. */
int loop_open(struct loop *loop);
void loop_close(struct loop *loop);

/* Begins to watch, or does nothing if it is watched.  Returns 0, or -1 with errno. */
int loop_watch(struct loop *loop, struct loop_source *source);

/* Stops watching, before the descriptor is closed: `ready` is not called again, not even for an
 * event of the current round. */
void loop_ignore(struct loop *loop, struct loop_source *source);

void loop_add_timer(struct loop *loop, struct loop_timer *timer);

/* Handles events until loop_stop(); calls `after` after each round of them. */
void loop_run(struct loop *loop, void (*after)(void *context), void *context);
void loop_stop(struct loop *loop);

/* Brings `now` up to date within a round, where that matters. */
void loop_update(struct loop *loop);

/* So many microseconds in seconds, for people and programs that read them. */
double loop_seconds(uint64_t microseconds);

/* The clock itself, for use outside of loop_run(). */
uint64_t loop_clock(void);

#endif
