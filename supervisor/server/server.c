#include "supervisor/server/server.h"

#include "dispatcher/shared/interrupter.h"
#include "dispatcher/shared/log.h"
#include "supervisor/base/descriptors.h"
#include "supervisor/base/signals.h"
#include "supervisor/base/stores.h"
#include "supervisor/figures/figures.h"
#include "supervisor/server/events.h"
#include "supervisor/server/manager.h"
#include "supervisor/server/operator.h"
#include "supervisor/server/reload.h"
#include "supervisor/server/reports.h"
#include "supervisor/server/requests.h"
#include "supervisor/server/rollcall.h"
#include "supervisor/server/shutdown.h"
#include "supervisor/server/snapshot.h"
#include "supervisor/server/starting.h"
#include "supervisor/server/state.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* For a new dispatcher's three, while clients hold all others, and for what libc opens now and
 * then. */
enum { DESCRIPTORS_SPARE = 4 };

/* ---- the round ---- */

/* Refuses clients, and starts others, unless another process is about to take them over. */
static void advance_clients(struct server *server)
{
    if (handover_holds_clients(&server->lasting->handover))
        queue_hold(&server->queue);
    else
        queue_expire(&server->queue);
    starting_advance(server);
    /* While starts are held, clients that may start soon must not be refused. */
    if (!handover_holds_starts(&server->lasting->handover))
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
 *   1. roll call, then accept: clients that come now are part of this round
 *   2. signals to handlers that have run for too long
 *   3. takeover: if it fails, waiting clients start in this very round
 *   4. clients that have waited too long leave; others start; the newest are refused
 *   5. the end of the service, once all is done
 *   6. the log and the service manager: only now no client is between two states
 *   7. timers, for what no event announces
 */
static void advance(void *context)
{
    struct server *server = context;

    rollcall_advance(server);
    accept_resume(&server->acceptor);
    ending_advance(&server->running);
    if (!server->lasting->manager.open) /* the manager knows of the new process */
        handover_leave(&server->lasting->handover);
    handover_advance(&server->lasting->handover);
    advance_clients(server);
    if (server->lasting->handover.phase == HANDOVER_DONE)
        operator_close(server); /* the new process answers operators from now on */
    shutdown_advance(server);
    clients_rest(&server->queue.clients);
    server->lasting->lines_dropped = server->lines_dropped + log_dropped();
    server->lasting->strangers = server->strangers + server->control.refused;
    if (!clients_add_up(&server->queue.clients))
        log_bug("accepted clients do not add up");
    if (server->status_asked)
        log_status(server);
    server->status_asked = false;
    requests_look_at_log(server);
    manager_look(server);
    starting_set_timer(server);
    ending_set_timer(&server->running);
    accept_set_timer(&server->acceptor);
}

/* ---- beginning and end ---- */

static int open_rooms(struct server *server, struct listeners *listeners, int link)
{
    const struct options *options = server->options;
    const struct accept_events acceptor = events_of_acceptor(server);
    const struct queue_events queue = events_of_queue(server);
    const struct running_events running = events_of_running(server);
    const struct takeover_events takeover = events_of_takeover(server);
    struct report *report = &server->lasting->report;

    if (loop_open(&server->loop) != 0 || reports_open(server, link) != 0 ||
        queue_open(&server->queue, &server->loop, options, server->books,
                   server->lasting->lingering, &queue) != 0 ||
        accept_open(&server->acceptor, &server->loop, listeners, &acceptor) != 0)
        return -1;
    if (running_open(&server->running, &server->loop, options, &server->queue, &server->pool,
                     &server->strays, &running) != 0)
        return -1;
    loop_add_timer(&server->loop, &server->starting.next);
    requests_open(server);
    report_open(report, &server->loop, options->command[0]);
    ending_note_counted(&server->running, report->waits.latest.ticket, report->runs.latest.ticket);
    reload_open(server);
    shutdown_open(server);
    handover_open(&server->lasting->handover, &server->loop, &server->queue, &server->acceptor,
                  &server->lasting->paused, &server->lasting->settings, &takeover);
    return 0;
}

/* Returns how many descriptors are left for clients.  At the start only: a dispatcher is ready, or
 * it could not be started yet and has none of its descriptors. */
static uint32_t descriptors_left(const struct server *server)
{
    const uint32_t limit = server->lasting->descriptors_allowed;
    uint32_t successor = server->options->control != NULL; /* the connection to it */
    uint32_t operators = successor + (uint32_t)(server->options->metrics != NULL);
    uint32_t absent = server->pool.count - pool_ready(&server->pool);
    uint32_t used = descriptors_used(limit) + absent * CHANNEL_DESCRIPTORS + DESCRIPTORS_SPARE +
                    successor + operators * CONTROL_DESCRIPTORS;

    return limit > used ? limit - used : 0;
}

/* Gives clients the descriptors that are left: as many as under an earlier supervisor. */
static int divide_descriptors(struct server *server, unsigned dispatchers)
{
    struct lasting *lasting = server->lasting;

    if (!lasting->standby.begun)
        lasting->descriptors_left = descriptors_left(server);
    if (queue_divide(&server->queue, lasting->descriptors_left, ACCEPT_BATCH))
        return 0;
    log_error("the limit on open descriptors, %u, leaves %s for clients with %u dispatchers",
              lasting->descriptors_allowed, lasting->descriptors_left == 0 ? "none" : "too few",
              dispatchers);
    return -1;
}

static_assert((int)OPTIONS_DISPATCHERS_MAXIMUM == (int)POOL_MAXIMUM &&
                  (int)OPTIONS_DISPATCHERS_MAXIMUM == (int)KEEPER_DISPATCHERS,
              "there is room for every dispatcher that the operator may ask for");

/* Waits for the dispatchers of the start. */
static int begin(struct server *server, const struct keeper *keeper)
{
    server->lasting->began = loop_clock();
    server->lasting->began_at = (int64_t)time(NULL);
    if (reports_await_dispatchers(server) != 0 || pool_await(&server->pool) != 0)
        return -1;
    return divide_descriptors(server, keeper->count);
}

/* Goes on where an earlier supervisor was killed. */
static int resume(struct server *server, const struct keeper *keeper)
{
    const struct takeover_events events = events_of_takeover(server);

    if (divide_descriptors(server, keeper->count) != 0)
        return -1;
    if (server->takeover != NULL) {
        takeover_resume(server->takeover, &server->loop, &server->queue, &events,
                        server->lasting->takeover_closed);
        accept_retire(&server->acceptor);
    }
    if (rollcall_begin(server) != 0) {
        log_error("cannot call the roll: %m");
        return -1;
    }
    shutdown_resume(server);
    handover_resume(&server->lasting->handover);
    reload_resume(server);
    return 0;
}

/* Whether closing a connection could wait for a file that its client has sent along. */
static bool must_interrupt(const struct server *server, const struct listeners *listeners)
{
    int control = server->control.source.descriptor;

    return listeners_bring_descriptors(listeners) ||
           (control >= 0 && interrupter_is_needed(control));
}

static int call_roll(struct server *server, struct listeners *listeners, int link)
{
    int result;

    if (!must_interrupt(server, listeners))
        return rollcall_sort(server, listeners, link);
    interrupter_prepare(true);
    interrupter_begin();
    result = rollcall_sort(server, listeners, link);
    interrupter_end();
    return result;
}

int server_open(struct server *server, struct listeners *listeners, const struct keeper *keeper,
                int link, uid_t user)
{
    const struct pool_events pool = running_pool_events(&server->running);
    bool resumes = server->lasting->standby.begun;

    server->options = &server->lasting->options;
    server->lines_dropped = server->lasting->lines_dropped;
    server->strangers = server->lasting->strangers;
    server->files = &keeper->files;
    if (resumes) {
        clients_check(server->books, server->records);
        rollcall_disarm(server);
    }
    if (resumes && server->lasting->is_other_pair)
        rollcall_forget(server, keeper);
    if (resumes && call_roll(server, listeners, link) != 0) {
        log_error("cannot call the roll: %m");
        return -1;
    }
    if (open_rooms(server, listeners, link) != 0) {
        log_error("cannot prepare the service: %m");
        return -1;
    }
    server->loop.interrupts = must_interrupt(server, listeners);
    if (server->loop.interrupts)
        interrupter_prepare(true);
    manager_open(server, &keeper->notify);
    if (operator_open(server, user) != 0)
        return -1;
    pool_open(&server->pool, &server->loop, &server->lasting->pool, keeper->count,
              keeper->launch.limit.rlim_cur, &pool);
    return resumes ? resume(server, keeper) : begin(server, keeper);
}

void server_count_descriptors(struct server *server)
{
    server->lasting->descriptors_own = descriptors_used(server->lasting->descriptors_allowed) -
                                       (uint32_t)(server->options->ready_descriptor >= 0);
}

/* SIGINT is no status: a daemon that it ends has failed, should it not die of it. */
static int exit_status(const struct server *server)
{
    const struct shutdown *shutdown = &server->lasting->shutdown;

    return shutdown->interrupted || shutdown->forced ? EXIT_FAILURE : EXIT_SUCCESS;
}

void server_run(struct server *server)
{
    reports_begin(server);
    if (server->takeover == NULL) /* otherwise the old process still speaks to the manager */
        manager_begin(server);
    /* No event tells of clients and signals that came meanwhile, so the first round comes at once.
     */
    server->starting.next.deadline = server->loop.now;
    loop_run(&server->loop, advance, server);
    server->lasting->standby.exit_status = exit_status(server);
    stores_settle();
    server->lasting->standby.ended = true; /* nothing that dies now is replaced */
    report_left_out(&server->lasting->report);
    operator_close(server);
    pool_close(&server->pool);
    queue_close(&server->queue);
    loop_close(&server->loop);
}

int server_end(const struct server *server)
{
    if (!server->lasting->shutdown.interrupted)
        return exit_status(server);
    log_write(LOG_LEVEL_PLAIN, "interrupted.");
    signals_die_of(SIGINT);
}
