#include "supervisor/server/server.h"

#include "dispatcher/shared/log.h"
#include "supervisor/base/descriptors.h"
#include "supervisor/figures/figures.h"
#include "supervisor/server/events.h"
#include "supervisor/server/manager.h"
#include "supervisor/server/operator.h"
#include "supervisor/server/reload.h"
#include "supervisor/server/shutdown.h"
#include "supervisor/base/signals.h"
#include "supervisor/server/snapshot.h"
#include "supervisor/server/starting.h"
#include "supervisor/server/state.h"

#include <assert.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

enum {
    ROUSE_EVERY = 10 * LOOP_SECOND,
    DESCRIPTORS_SPARE = 1 /* for what libc opens now and then */
};

/* ---- the round ---- */

/* A stopped dispatcher that owes us nothing goes unnoticed, yet cannot report exits.  So
 * dispatchers get SIGCONT now and then while a client, or the end of the service, waits for a
 * handler to end. */
static void rouse_dispatchers(struct server *server)
{
    const struct clients *clients = &server->queue.clients;
    bool awaited = clients_count(clients, CLIENT_RUNNING) > 0 &&
                   (clients_count(clients, CLIENT_QUEUED) > 0 || server->acceptor.backlog_waits ||
                    server->shutdown.stage != SERVER_SERVING);

    if (!awaited)
        server->rouse.deadline = 0;
    else if (server->rouse.deadline == 0)
        server->rouse.deadline = server->loop.now + ROUSE_EVERY;
}

static void on_rouse(void *context)
{
    struct server *server = context;

    pool_rouse(&server->pool); /* rouse_dispatchers() follows, and sets the timer again */
}

/* Refuses clients, and starts others, unless another process is about to take them over. */
static void advance_clients(struct server *server)
{
    if (handover_holds_clients(&server->handover))
        queue_hold(&server->queue);
    else
        queue_expire(&server->queue);
    starting_advance(server);
    /* While starts are held, clients that may start soon must not be refused. */
    if (!handover_holds_starts(&server->handover))
        queue_judge(&server->queue, server->starting.held_back_by == ADMISSION_DISPATCHERS
                                        ? server->starting.permitted
                                        : 0);
}

static void log_status(const struct server *server)
{
    struct snapshot snapshot;

    snapshot_count(server, &snapshot);
    figures_log(&snapshot);
}

/* Follows the events of each round.  The order matters:
 *
 *   1. accept: clients that come now are part of this round
 *   2. handlers that end, and signals to handlers: both free places
 *   3. takeover: if it fails, waiting clients start in this very round
 *   4. clients that have waited too long leave; others start; the newest are refused
 *   5. the end of the service, once all is done
 *   6. the log and the service manager: only now no client is between two states
 *   7. timers, for what no event announces
 */
static void advance(void *context)
{
    struct server *server = context;

    accept_resume(&server->acceptor);
    ending_advance(&server->running);
    if (!notify_is_open(&server->notify)) /* the manager knows of the new process */
        handover_leave(&server->handover);
    handover_advance(&server->handover);
    advance_clients(server);
    if (server->handover.phase == HANDOVER_DONE)
        operator_close(server); /* the new process answers operators from now on */
    shutdown_advance(server);
    rouse_dispatchers(server);
    if (!clients_add_up(&server->queue.clients))
        log_bug("accepted clients do not add up");
    if (server->status_asked)
        log_status(server);
    server->status_asked = false;
    manager_look(server);
    starting_set_timer(server);
    accept_set_timer(&server->acceptor);
}

static void on_signal(void *context)
{
    struct server *server = context;
    int signal_number;

    while ((signal_number = signals_next(server->signals.descriptor)) != 0) {
        switch (signal_number) {
        case SIGCHLD:
            ending_reap(&server->running);
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

static int open_rooms(struct server *server, struct listeners *listeners)
{
    const struct options *options = server->options;
    const struct accept_events acceptor = events_of_acceptor(server);
    const struct queue_events queue = events_of_queue(server);
    const struct running_events running = events_of_running(server);
    const struct takeover_events takeover = events_of_takeover(server);

    server->signals.descriptor = signals_open();
    server->signals.ready = on_signal;
    server->signals.context = server;
    if (server->signals.descriptor < 0 || loop_open(&server->loop) != 0 ||
        loop_watch(&server->loop, &server->signals) != 0 ||
        queue_open(&server->queue, &server->loop, options, &queue) != 0 ||
        accept_open(&server->acceptor, &server->loop, listeners, &acceptor) != 0)
        return -1;
    running_open(&server->running, &server->loop, options, &server->queue, &server->pool, &running);
    server->rouse = (struct loop_timer){.expired = on_rouse, .context = server};
    loop_add_timer(&server->loop, &server->rouse);
    loop_add_timer(&server->loop, &server->starting.next);
    report_open(&server->report, &server->loop, options->command[0]);
    reload_open(server);
    shutdown_open(server);
    handover_open(&server->handover, &server->loop, &server->queue, &server->acceptor,
                  &server->starting.paused, &takeover);
    return 0;
}

/* Gives clients the descriptors that are left. */
static int divide_descriptors(struct server *server, uint32_t limit, unsigned dispatchers)
{
    uint32_t successor = server->options->control != NULL; /* the connection to it */
    uint32_t operators = successor + (uint32_t)(server->options->metrics != NULL);
    uint32_t used =
        descriptors_used(limit) + DESCRIPTORS_SPARE + successor + operators * CONTROL_DESCRIPTORS;
    uint32_t left = limit > used ? limit - used : 0;

    server->descriptors_allowed = limit;
    if (queue_divide(&server->queue, left, ACCEPT_BATCH))
        return 0;
    log_error("the limit on open descriptors, %u, leaves %s for clients with %u dispatchers", limit,
              left == 0 ? "none" : "too few", dispatchers);
    return -1;
}

static_assert((int)OPTIONS_DISPATCHERS_MAXIMUM == (int)POOL_MAXIMUM,
              "the pool has room for every dispatcher that the operator may ask for");

int server_open(struct server *server, struct options *options, struct listeners *listeners,
                struct launch *launch, uint32_t limit, uid_t user)
{
    const struct pool_events events = events_of_pool(server);
    unsigned dispatchers = options->dispatchers == 0 ? default_dispatchers() : options->dispatchers;

    server->options = options;
    server->began = loop_clock();
    server->began_at = (int64_t)time(NULL);
    if (gates_open(&server->gates, options, loop_clock()) != 0)
        return -1;
    if (open_rooms(server, listeners) != 0) {
        log_error("cannot prepare the service: %m");
        return -1;
    }
    /* Without a service manager we serve as well. */
    notify_open(&server->notify, &server->loop);
    if (operator_open(server, user) != 0)
        return -1;
    if (pool_open(&server->pool, &server->loop,
                  &(struct pool_launch){.spare = launch_spare,
                                        .context = launch,
                                        .descriptors = launch->limit.rlim_cur},
                  dispatchers, &events) != 0)
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
    if (server->takeover == NULL) /* otherwise the old process still speaks to the manager */
        manager_begin(server);
    loop_run(&server->loop, advance, server);
    report_left_out(&server->report);
    operator_close(server);
    pool_close(&server->pool);
    queue_close(&server->queue);
    loop_close(&server->loop);
}

int server_end(const struct server *server)
{
    janitor_close(server->janitor);
    if (!server->shutdown.interrupted)
        return server->shutdown.forced ? EXIT_FAILURE : EXIT_SUCCESS;
    log_write(LOG_LEVEL_PLAIN, "interrupted.");
    signals_die_of(SIGINT);
}
