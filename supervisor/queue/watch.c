#include "supervisor/queue/watch.h"

#include "dispatcher/shared/log.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <sys/epoll.h>

static void on_ready(void *context)
{
    watch_look(context);
}

int watch_open(struct watch *watch, struct loop *loop, enum options_abandon sign,
               void (*gone)(void *context, uint32_t handle), void *context)
{
    *watch = (struct watch){
        .source = {.descriptor = -1, .ready = on_ready, .context = watch},
        .sign = sign,
        .gone = gone,
        .context = context,
    };
    if (sign == OPTIONS_ABANDON_NEVER)
        return 0;
    watch->source.descriptor = epoll_create1(EPOLL_CLOEXEC);
    return watch->source.descriptor < 0 ? -1 : loop_watch(loop, &watch->source);
}

bool watch_add(struct watch *watch, int descriptor, uint32_t handle)
{
    /* Errors and hang-ups are always reported (epoll_ctl(2)). */
    struct epoll_event event = {
        .events = watch->sign == OPTIONS_ABANDON_HALF_CLOSE ? EPOLLRDHUP : 0, .data.u64 = handle};

    if (watch->sign == OPTIONS_ABANDON_NEVER ||
        epoll_ctl(watch->source.descriptor, EPOLL_CTL_ADD, descriptor, &event) != 0)
        return false; /* no memory or no watches: it is looked at when its turn comes */
    watch->count++;
    return true;
}

void watch_remove(struct watch *watch, int descriptor)
{
    if (epoll_ctl(watch->source.descriptor, EPOLL_CTL_DEL, descriptor, NULL) != 0)
        log_bug("epoll_ctl: connection %d is not watched: %m", descriptor);
    watch->count--;
}

void watch_look(struct watch *watch)
{
    enum { AT_ONCE = 64 };
    struct epoll_event events[AT_ONCE];
    int count = AT_ONCE;

    /* `gone` removes each connection, so this ends. */
    while (watch->count > 0 && count == AT_ONCE) {
        count = epoll_wait(watch->source.descriptor, events, AT_ONCE, 0);
        if (count < 0 && errno != EINTR)
            log_bug("epoll_wait: %m");
        for (int i = 0; i < count; i++)
            watch->gone(watch->context, (uint32_t)events[i].data.u64);
    }
}

bool watch_shows(const struct watch *watch, int descriptor)
{
    struct pollfd connection = {
        .fd = descriptor, .events = watch->sign == OPTIONS_ABANDON_HALF_CLOSE ? POLLRDHUP : 0};

    return watch->sign != OPTIONS_ABANDON_NEVER && poll(&connection, 1, 0) > 0;
}
