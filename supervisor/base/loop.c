#include "supervisor/base/loop.h"

#include "dispatcher/shared/interrupter.h"
#include "dispatcher/shared/log.h"

#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { ROUND_MAXIMUM = 32 };

uint64_t loop_clock(void)
{
    struct timespec time;

    if (clock_gettime(CLOCK_MONOTONIC, &time) != 0)
        log_bug("clock_gettime: %m");
    return (uint64_t)time.tv_sec * LOOP_SECOND + (uint64_t)time.tv_nsec / 1000u;
}

int loop_open(struct loop *loop)
{
    *loop = (struct loop){.epoll = epoll_create1(EPOLL_CLOEXEC), .now = loop_clock()};
    return loop->epoll < 0 ? -1 : 0;
}

void loop_close(struct loop *loop)
{
    (void)close(loop->epoll);
    loop->epoll = -1;
}

int loop_watch(struct loop *loop, struct loop_source *source)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = source};

    if (source->watched)
        return 0;
    if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, source->descriptor, &event) != 0)
        return -1;
    source->watched = true;
    return 0;
}

void loop_ignore(struct loop *loop, struct loop_source *source)
{
    if (!source->watched)
        return;
    if (epoll_ctl(loop->epoll, EPOLL_CTL_DEL, source->descriptor, NULL) != 0)
        log_bug("epoll_ctl: descriptor %d is not watched: %m", source->descriptor);
    source->watched = false;
}

void loop_add_timer(struct loop *loop, struct loop_timer *timer)
{
    timer->next = loop->timers;
    loop->timers = timer;
}

/* Returns the milliseconds to the next deadline, rounded up so that it has passed by then; -1: no
 * timer is set. */
static int time_to_wait(const struct loop *loop)
{
    uint64_t nearest = UINT64_MAX;
    uint64_t now;

    for (const struct loop_timer *timer = loop->timers; timer != NULL; timer = timer->next)
        if (timer->deadline != 0 && timer->deadline < nearest)
            nearest = timer->deadline;
    if (nearest == UINT64_MAX)
        return -1;
    now = loop_clock();
    if (nearest <= now)
        return 0;
    nearest = (nearest - now + LOOP_MILLISECOND - 1) / LOOP_MILLISECOND;
    return nearest > INT_MAX ? INT_MAX : (int)nearest;
}

static void expire(struct loop *loop)
{
    for (struct loop_timer *timer = loop->timers; timer != NULL; timer = timer->next) {
        if (timer->deadline == 0 || timer->deadline > loop->now)
            continue;
        timer->deadline = 0;
        if (timer->expired != NULL)
            timer->expired(timer->context);
    }
}

void loop_run(struct loop *loop, void (*after)(void *context), void *context)
{
    loop->stopped = false;
    while (!loop->stopped) {
        struct epoll_event events[ROUND_MAXIMUM];
        int count = epoll_wait(loop->epoll, events, ROUND_MAXIMUM, time_to_wait(loop));

        if (count < 0 && errno != EINTR)
            log_bug("epoll_wait: %m");
        loop->now = loop_clock();
        if (loop->interrupts)
            interrupter_begin();
        loop->round++;
        loop->crowded = count == ROUND_MAXIMUM;
        for (int i = 0; i < count; i++) {
            struct loop_source *source = events[i].data.ptr;
            if (source->watched)
                source->ready(source->context);
        }
        expire(loop);
        after(context);
        if (loop->interrupts)
            interrupter_end();
    }
}

void loop_update(struct loop *loop)
{
    loop->now = loop_clock();
}

void loop_stop(struct loop *loop)
{
    loop->stopped = true;
}

double loop_seconds(uint64_t microseconds)
{
    return (double)microseconds / LOOP_SECOND;
}
