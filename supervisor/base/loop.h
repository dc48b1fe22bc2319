/*
 * loop.h - waits for descriptors and deadlines, and calls their owners.
 *
 * One thread, level-triggered epoll(7).  Without a deadline it sleeps without a time limit: there
 * is no periodic wake-up.  Times are microseconds of CLOCK_MONOTONIC.
 *
 * Timers: the owner adds a timer once.  Then it stores a deadline to set the timer, or 0 to cancel
 * it, at any time, also inside callbacks.  Each is a plain store without system call or allocation.
 * The loop walks through all timers twice a round, about 8 ns per timer, set or not; nothing else
 * depends on their number.  So one timer per deadline is simpler than one for the minimum of
 * several deadlines, and costs no more.
 */
#ifndef SUPERVISOR_BASE_LOOP_H
#define SUPERVISOR_BASE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

enum { LOOP_MILLISECOND = 1000, LOOP_SECOND = 1000000 };

/* The longest time for one task in one round, if the task grows with what there is to do: it goes
 * on in the next round, and other events get their turn in between. */
enum { LOOP_SLICE = 2 * LOOP_MILLISECOND };

/* A descriptor to wait for.  The caller owns it and keeps it in place while it is watched. */
struct loop_source {
    int descriptor;
    void (*ready)(void *context); /* readable; reading reports errors and hang-ups, too */
    void *context;
    bool watched;
};

/* A deadline.  The caller owns it, adds it once and keeps it in place. */
struct loop_timer {
    /* Called once per deadline; may set the timer again.  NULL: the loop only begins a round. */
    void (*expired)(void *context);
    void *context;
    uint64_t deadline; /* the owner stores it; 0: not set; the loop clears it before `expired` */
    struct loop_timer *next;
};

struct loop {
    int epoll;
    uint64_t now;   /* start of the current round of events */
    uint64_t round; /* number of the current round */
    bool crowded;   /* more events may be waiting for the next round */
    bool stopped;
    bool interrupts; /* calls that would wait are interrupted in each round (interrupter.h) */
    struct loop_timer *timers; /* unsorted: there are a few per room and per dispatcher */
};

/* Returns 0, or -1 with errno. */
int loop_open(struct loop *loop);
void loop_close(struct loop *loop);

/* Watches a descriptor; does nothing if it is watched already.  Returns 0, or -1 with errno. */
int loop_watch(struct loop *loop, struct loop_source *source);

/* Stops watching.  Call it before close(2).  `ready` is not called again, not even for an event of
 * the current round. */
void loop_ignore(struct loop *loop, struct loop_source *source);

/* Adds a timer for the life of the loop. */
void loop_add_timer(struct loop *loop, struct loop_timer *timer);

/* Handles events and deadlines until loop_stop(); calls `after` at the end of each round. */
void loop_run(struct loop *loop, void (*after)(void *context), void *context);
void loop_stop(struct loop *loop);

/* Updates `now` within a round. */
void loop_update(struct loop *loop);

/* Converts microseconds to seconds, for output. */
double loop_seconds(uint64_t microseconds);

/* Reads the clock, for use outside of loop_run(). */
uint64_t loop_clock(void);

#endif
