#include "supervisor/server.h"

#include "dispatcher/log.h"
#include "supervisor/accept.h"
#include "supervisor/descriptors.h"
#include "supervisor/handlers.h"
#include "supervisor/report.h"
#include "supervisor/shutdown.h"
#include "supervisor/signals.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>

enum {
    LOOK_AGAIN = LOOP_SECOND,           /* at the load average, while it holds somebody back */
    SEND_AGAIN = 10 * LOOP_MILLISECOND, /* what a dispatcher's socket had no room for */
    RETRY_FIRST = 100 * LOOP_MILLISECOND,
    RETRY_LONGEST = 5 * LOOP_SECOND,
    DESCRIPTORS_SPARE = 1 /* for what libc opens now and then */
};

/* ---- after each round ---- */

/* Only what somebody waits for and no event will announce needs a clock. */
static uint64_t next_look(struct server *server)
{
    uint32_t waiting = clients_count(&server->clients, CLIENT_QUEUED) + server->backlog_waits;
    uint64_t attempt = accept_next_attempt(server);
    uint64_t look = 0;

    if (server->signals_owed)
        return server->loop.now + SEND_AGAIN;
    if (waiting == 0)
        return 0;
    switch (handlers_admission(server, waiting).reason) {
    case ADMISSION_LOAD:
        look = server->loop.now + LOOK_AGAIN;
        break;
    case ADMISSION_FAILURE:
        if (backoff_holds(&server->starting, server->loop.now))
            look = server->starting.until;
        break;
    default:
        break;
    }
    return look == 0 || (attempt != 0 && attempt < look) ? attempt : look;
}

static void advance(void *context)
{
    struct server *server = context;

    accept_resume(server);
    if (server->signals_owed)
        handlers_signal_owed(server);
    handlers_start_waiting(server);
    server->wake.deadline = next_look(server);
    if (!clients_add_up(&server->clients))
        log_bug("accepted clients do not add up");
    if (server->status_asked)
        report_status(server);
    server->status_asked = false;
    if (shutdown_is_complete(server))
        loop_stop(&server->loop);
}

static void on_wake(void *context)
{
    (void)context; /* advance() follows each round */
}

static void on_signal(void *context)
{
    struct server *server = context;
    int signal_number;

    while ((signal_number = signals_next(server->signals.descriptor)) != 0) {
        switch (signal_number) {
        case SIGCHLD:
            handlers_reap(server);
            break;
        case SIGUSR1:
            server->status_asked = true;
            break;
        case SIGHUP:
            log_info("SIGHUP: there are no files to read again");
            break;
        default:
            shutdown_signal(server, signal_number);
        }
    }
}

/* ---- beginning and end ---- */

static unsigned default_dispatchers(void)
{
    enum { LEAST = 2, MOST = 8 };
    cpu_set_t processors;
    int count = 0;

    if (sched_getaffinity(0, sizeof(processors), &processors) == 0)
        count = CPU_COUNT(&processors);
    return count < LEAST ? LEAST : count > MOST ? MOST : (unsigned)count;
}

static int open_sources(struct server *server, struct listeners *listeners)
{
    server->signals.descriptor = signals_open();
    server->signals.ready = on_signal;
    server->signals.context = server;
    if (server->signals.descriptor < 0 || loop_open(&server->loop) != 0 ||
        loop_watch(&server->loop, &server->signals) != 0 || accept_open(server, listeners) != 0)
        return -1;
    server->wake = (struct loop_timer){.expired = on_wake, .context = server};
    loop_add_timer(&server->loop, &server->wake);
    shutdown_open(server);
    return server->options->load_limited ? load_open(&server->load) : 0;
}

int server_open(struct server *server, const struct options *options, struct listeners *listeners,
                struct launch *launch, uint32_t limit)
{
    struct dispatcher_events events = handlers_events;
    unsigned dispatchers = options->dispatchers == 0 ? default_dispatchers() : options->dispatchers;
    uint32_t used;

    server->options = options;
    server->accepting = (struct backoff){.first = RETRY_FIRST, .longest = RETRY_LONGEST};
    server->starting = server->accepting;
    clients_open(&server->clients);
    if (open_sources(server, listeners) != 0) {
        log_error("cannot prepare the service: %m");
        return -1;
    }
    events.context = server;
    events.unanswered.context = server;
    if (pool_open(&server->pool, &server->loop, launch, dispatchers, &events) != 0)
        return -1;
    used = descriptors_used(limit) + DESCRIPTORS_SPARE;
    if (limit <= used) {
        log_error("the limit on open descriptors, %u, leaves none for clients with %u dispatchers",
                  limit, dispatchers);
        return -1;
    }
    server->capacity = limit - used;
    return 0;
}

void server_run(struct server *server)
{
    loop_run(&server->loop, advance, server);
    pool_close(&server->pool);
    loop_close(&server->loop);
}
