#include "supervisor/server/server.h"

#include "dispatcher/shared/log.h"
#include "supervisor/base/descriptors.h"
#include "supervisor/figures/report.h"
#include "supervisor/listen/accept.h"
#include "supervisor/pool/succession.h"
#include "supervisor/queue/waiting.h"
#include "supervisor/running/ending.h"
#include "supervisor/running/handlers.h"
#include "supervisor/running/signalling.h"
#include "supervisor/server/adjust.h"
#include "supervisor/server/manager.h"
#include "supervisor/server/operator.h"
#include "supervisor/server/shutdown.h"
#include "supervisor/server/signals.h"
#include "supervisor/takeover/handover.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

enum {
    ROUSE_EVERY = 10 * LOOP_SECOND,
    RETRY_FIRST = 100 * LOOP_MILLISECOND,
    RETRY_LONGEST = 5 * LOOP_SECOND,
    DESCRIPTORS_SPARE = 1, /* for what libc opens now and then */
    REFUSED_SHARE = 8      /* at most one in so many is for those who are refused */
};

/* ---- after each round ---- */

static uint64_t earlier(uint64_t one, uint64_t other)
{
    return one == 0 || (other != 0 && other < one) ? other : one;
}

/* Only what somebody waits for and no event will announce needs a clock. */
static uint64_t next_look(struct server *server)
{
    uint32_t queued = clients_count(&server->clients, CLIENT_QUEUED);
    uint32_t backlog;
    uint64_t now = server->loop.now;
    uint64_t running = earlier(earlier(timeouts_deadline(&server->timeouts), server->rouse_at),
                               earlier(server->signals_owed, reload_deadline(server)));
    uint64_t waiting = earlier(waiting_deadline(server), waiting_next_judgement(server));
    uint64_t look = earlier(earlier(running, accept_next_attempt(server)), waiting);
    enum admission_reason reason;

    if (handover_holds_starts(server))
        return earlier(running, handover_holds_clients(server) ? 0 : waiting_deadline(server));
    /* Whether anybody is in the backlog only matters if nobody is nearer. */
    backlog = queued > 0 ? server->backlog_waits : accept_backlog_waits(server);
    if (queued + backlog == 0)
        return running;
    reason = handlers_admission(server, backlog).reason;
    if (reason == ADMISSION_FAILURE && backoff_holds(&server->starting, now))
        return earlier(look, server->starting.until);
    return earlier(look, gates_next_look(&server->gates, reason, now));
}

/* One that is stopped and owes no answer is not missed, but does not tell either that its handlers
 * have ended, whose places others wait for, or the end of the service. */
static void rouse_dispatchers(struct server *server)
{
    bool awaited = clients_count(&server->clients, CLIENT_RUNNING) > 0 &&
                   (clients_count(&server->clients, CLIENT_QUEUED) > 0 || server->backlog_waits ||
                    server->stage != SERVER_SERVING);

    if (server->rouse_at != 0 && server->rouse_at <= server->loop.now)
        pool_rouse(&server->pool);
    else if (server->rouse_at != 0 && awaited)
        return;
    server->rouse_at = awaited ? server->loop.now + ROUSE_EVERY : 0;
}

static void advance(void *context)
{
    struct server *server = context;

    accept_resume(server);
    signalling_owed(server);
    if (server->unsignalled)
        signalling_repeat(server);
    reload_owed(server);
    if (server->reaping_held && !pool_is_signalling(&server->pool))
        ending_reap(server);
    signalling_expire(server);
    handover_advance(server); /* if that fails, who waits may start in this very round */
    if (!handover_holds_clients(server))
        waiting_expire(server);
    handlers_start_waiting(server);
    if (!handover_holds_starts(server)) /* who might start would be too many else */
        waiting_judge(server);
    if (server->stage == SERVER_SERVING && accept_is_deaf(server))
        shutdown_drain(server);
    if (server->handover.phase == HANDOVER_DONE)
        operator_close(server); /* who asks, asks the other one, even if this one is to end, too */
    rouse_dispatchers(server);
    server->wake.deadline = next_look(server);
    if (!clients_add_up(&server->clients))
        log_bug("accepted clients do not add up");
    if (server->status_asked)
        report_status(server);
    server->status_asked = false;
    manager_look(server);
    processor_look(&server->processor,
                   clients_active(&server->clients) +
                       clients_count(&server->clients, CLIENT_QUEUED),
                   server->clients.accepted);
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
            ending_reap(server);
            break;
        case SIGUSR1:
            server->status_asked = true;
            break;
        case SIGHUP:
            reload_begin(server);
            break;
        default:
            shutdown_signal(server, signal_number);
        }
    }
}

static void on_lost(void *context)
{
    shutdown_lost(context);
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
    report_open(server);
    trouble_open(&server->trouble, &server->loop, server->options->command[0]);
    shutdown_open(server);
    handover_open(server, shutdown_end);
    return waiting_open(server);
}

/* Divides the descriptors that are left between those who wait and those who are refused. */
static int divide_descriptors(struct server *server, uint32_t limit, unsigned dispatchers)
{
    const struct options *options = server->options;
    uint32_t operators = (uint32_t)(server->control != NULL) + (uint32_t)(server->metrics != NULL);
    uint32_t successor = server->control != NULL; /* the connection to it */
    uint32_t used =
        descriptors_used(limit) + DESCRIPTORS_SPARE + successor + operators * CONTROL_DESCRIPTORS;
    uint32_t left = limit > used ? limit - used : 0;
    uint32_t share = left / REFUSED_SHARE;
    /* Of a dead dispatcher a connection may come back twice, for a moment. */
    uint32_t returned = share < PROTOCOL_SLOTS ? share : PROTOCOL_SLOTS;
    uint32_t refused = 0;
    uint32_t judged = 0; /* newcomers, on top of a full queue */

    if (options->refuse)
        judged = share < ACCEPT_BATCH ? share : ACCEPT_BATCH;
    if (options->refuse || options->queue_timeout > 0 ||
        options->per_source_queue != OPTIONS_NONE || server->control != NULL)
        refused = share < REFUSALS_MAXIMUM ? share : REFUSALS_MAXIMUM;
    if (left == 0 || (options->refuse && judged == 0)) {
        log_error("the limit on open descriptors, %u, leaves %s for clients with %u dispatchers",
                  limit, left == 0 ? "none" : "too few", dispatchers);
        return -1;
    }
    refusals_open(&server->refusals, &server->loop, &server->policy.busy, refused);
    server->capacity = left - refused - returned;
    server->queue_possible = server->capacity - judged;
    adjust_queue(server);
    server->descriptors_allowed = limit;
    return 0;
}

static int open_clients(struct server *server)
{
    const struct options *options = server->options;

    return clients_open(&server->clients,
                        &(struct order_rules){
                            .fair = options->fair,
                            /* The operator asks for sources, and may limit them at any time. */
                            .by_source = options->fair || options->per_source != OPTIONS_NONE ||
                                         options->per_source_queue != OPTIONS_NONE ||
                                         options->control != NULL || options->metrics != NULL,
                            .per_source = options->per_source,
                            .ipv4_length = options->ipv4_prefix,
                            .ipv6_length = options->ipv6_prefix,
                        });
}

static_assert((uint32_t)OPTIONS_NONE == ORDER_UNLIMITED &&
                  (uint32_t)RAMP_UNLIMITED == ADMISSION_UNLIMITED,
              "limits that are passed on mean the same everywhere");

int server_open(struct server *server, struct options *options, struct listeners *listeners,
                struct launch *launch, uint32_t limit, uid_t user)
{
    struct dispatcher_events events = handlers_events;
    unsigned dispatchers = options->dispatchers == 0 ? default_dispatchers() : options->dispatchers;

    server->options = options;
    server->began = loop_clock();
    server->began_at = (int64_t)time(NULL);
    server->accepting = (struct backoff){.first = RETRY_FIRST, .longest = RETRY_LONGEST};
    server->starting = server->accepting;
    timeouts_open(&server->timeouts, options->timeout, options->kill_after);
    if (gates_open(&server->gates, options, loop_clock()) != 0)
        return -1;
    if (open_clients(server) != 0 || open_sources(server, listeners) != 0) {
        log_error("cannot prepare the service: %m");
        return -1;
    }
    /* A manager that cannot be told anything is no reason not to serve. */
    (void)notify_open(&server->notify, &server->loop);
    events.context = server;
    events.lost = on_lost;
    events.unanswered.context = server;
    if (operator_open(server, user) != 0)
        return -1;
    if (pool_open(&server->pool, &server->loop, launch, dispatchers, &events, &succession) != 0)
        return -1;
    return divide_descriptors(server, limit, dispatchers);
}

void server_count_descriptors(struct server *server)
{
    server->descriptors_own = descriptors_used(server->descriptors_allowed) -
                              (uint32_t)(server->options->ready_descriptor >= 0);
}

void server_run(struct server *server)
{
    if (server->predecessor.source.descriptor <= 0) /* otherwise that one speaks first */
        manager_begin(server);
    loop_run(&server->loop, advance, server);
    report_left_out(server);
    trouble_left_out(&server->trouble);
    operator_close(server);
    pool_close(&server->pool);
    clients_close(&server->clients);
    access_free(&server->policy.access);
    loop_close(&server->loop);
}
