#include "supervisor/server/shutdown.h"

#include "dispatcher/shared/log.h"
#include "supervisor/server/manager.h"
#include "supervisor/server/requests.h"

#include <signal.h>
#include <stdlib.h>

enum {
    KILL_AFTER = 5 * LOOP_SECOND,    /* from SIGTERM to SIGKILL */
    ANSWER_WITHIN = LOOP_SECOND / 2, /* dispatchers, from then on */
    RENEW_WITHIN = 60 * LOOP_SECOND, /* although connections are kept */
    GIVE_UP_AFTER = 3 * LOOP_SECOND  /* from SIGKILL until we leave what cannot be killed */
};

void shutdown_drain(struct server *server)
{
    if (server->lasting->shutdown.stage >= SERVER_DRAINING)
        return;
    server->lasting->shutdown.stage = SERVER_DRAINING; /* before all else: shutdown_resume() */
    handover_end(&server->lasting->handover);
    log_info("ending: waiting for %u clients in the queue and %u handlers",
             clients_count(&server->queue.clients, CLIENT_QUEUED),
             clients_active(&server->queue.clients));
    server->lasting->paused = false; /* waiting clients must be served */
    manager_stopping(server);
    requests_retire(server);
    accept_drain(&server->acceptor);
    /* Later than now: even with no time allowed, a service that is drained already ends well. */
    server->lasting->shutdown.next.deadline = server->loop.now + server->options->drain_timeout + 1;
}

/* While the queue is cleared, another signal may come, or another supervisor. */
void shutdown_clear_queue(struct server *server)
{
    queue_clear(&server->queue, server->lasting->handover.phase == HANDOVER_DONE
                                    ? CLIENT_HANDED_OVER
                                    : CLIENT_DROPPED);
}

static void end_handlers(struct server *server, enum server_stage stage, int signal_number)
{
    server->lasting->shutdown.stage = stage;
    manager_stopping(server);
    server->lasting->shutdown.next.deadline = 0;
    requests_retire(server);
    accept_stop(&server->acceptor);
    shutdown_clear_queue(server);
    ending_all(&server->running, signal_number);
    if (server->takeover != NULL)
        takeover_end(server->takeover, signal_number);
}

static void kill_handlers(struct server *server)
{
    server->lasting->shutdown.forced = true;
    end_handlers(server, SERVER_KILLING, SIGKILL);
    /* Handlers are signalled by their dispatcher, which may be stuck in an exec.  It is killed;
     * then the keeper signals its handlers.  The ledger makes this safe. */
    pool_hurry(&server->pool, ANSWER_WITHIN);
    server->lasting->shutdown.next.deadline = server->loop.now + GIVE_UP_AFTER;
}

/* Returns true if all clients have been served, those included that have no record yet. */
static bool is_drained(const struct server *server)
{
    return accept_has_ended(&server->acceptor) && server->strays.count == 0 &&
           clients_count(&server->queue.clients, CLIENT_QUEUED) == 0 &&
           clients_active(&server->queue.clients) == 0;
}

static void on_stage_end(void *context)
{
    struct server *server = context;

    switch (server->lasting->shutdown.stage) {
    case SERVER_SERVING:
    case SERVER_HANDED_OVER:
        break;
    case SERVER_DRAINING:
        if (is_drained(server)) {
            loop_stop(&server->loop); /* lingering clients have had their time */
            break;
        }
        log_warning("not drained within the time allowed: ending %u handlers",
                    clients_active(&server->queue.clients));
        server->lasting->shutdown.forced = true;
        end_handlers(server, SERVER_TERMINATING, SIGTERM);
        server->lasting->shutdown.next.deadline = server->loop.now + KILL_AFTER;
        break;
    case SERVER_TERMINATING:
        kill_handlers(server);
        break;
    case SERVER_KILLING:
        log_error("%u handlers could not be ended", clients_active(&server->queue.clients));
        loop_stop(&server->loop);
        break;
    }
}

void shutdown_open(struct server *server)
{
    server->lasting->shutdown.next.expired = on_stage_end;
    server->lasting->shutdown.next.context = server;
    loop_add_timer(&server->loop, &server->lasting->shutdown.next);
    loop_add_timer(&server->loop, &server->renewal);
}

void shutdown_resume(struct server *server)
{
    uint64_t deadline = server->lasting->shutdown.next.deadline;

    switch (server->lasting->shutdown.stage) {
    case SERVER_SERVING:
        break;
    case SERVER_HANDED_OVER:
        requests_retire(server);
        accept_stop(&server->acceptor);
        break;
    case SERVER_DRAINING:
        requests_retire(server);
        accept_drain(&server->acceptor);
        break;
    case SERVER_TERMINATING:
        end_handlers(server, SERVER_TERMINATING, SIGTERM);
        break;
    case SERVER_KILLING:
        kill_handlers(server);
        break;
    }
    /* The predecessor may have been killed before it had set the time. */
    if (server->lasting->shutdown.stage >= SERVER_DRAINING)
        server->lasting->shutdown.next.deadline =
            deadline != 0 ? deadline
                          : loop_clock() + (server->lasting->shutdown.stage == SERVER_DRAINING
                                                ? server->options->drain_timeout
                                                : (uint64_t)KILL_AFTER);
}

void shutdown_signal(struct server *server, int signal_number)
{
    if (signal_number == SIGINT)
        server->lasting->shutdown.interrupted = true;
    handover_end(&server->lasting->handover);
    if (signal_number == SIGINT && server->lasting->shutdown.stage < SERVER_TERMINATING)
        end_handlers(server, SERVER_TERMINATING, SIGTERM);
    else if (server->lasting->shutdown.stage < SERVER_DRAINING)
        shutdown_drain(server);
    else if (server->lasting->shutdown.stage < SERVER_KILLING)
        kill_handlers(server);
}

void shutdown_end(void *context, int signal_number)
{
    struct server *server = context;

    if (signal_number == SIGKILL && server->lasting->shutdown.stage < SERVER_KILLING) {
        kill_handlers(server);
    } else if (server->lasting->shutdown.stage < SERVER_TERMINATING) {
        /* The new process decides how long they have. */
        end_handlers(server, SERVER_TERMINATING, SIGTERM);
    }
}

/* Returns true if nobody needs this process after a handover.  A manager that did not know of the
 * new process would take our end for the end of the service. */
static bool may_leave(const struct server *server)
{
    return handover_is_over(&server->lasting->handover) && !server->lasting->manager.open;
}

/* Returns true if nothing is awaited any more. */
static bool is_complete(const struct server *server)
{
    enum server_stage stage = server->lasting->shutdown.stage;

    return stage != SERVER_SERVING && is_drained(server) &&
           (stage > SERVER_HANDED_OVER || may_leave(server)) &&
           (stage > SERVER_DRAINING || server->queue.lingering.active.length == 0);
}

void shutdown_renew(struct server *server)
{
    server->renew = true;
    server->renewal.deadline = server->loop.now + RENEW_WITHIN;
}

/* Returns true if nobody is lost with this process: dispatchers are started anew, and the keeper
 * adopts handlers. */
static bool may_be_renewed(const struct server *server)
{
    const struct clients *clients = &server->queue.clients;

    return server->renew && server->lasting->shutdown.stage == SERVER_SERVING &&
           server->lasting->handover.phase == HANDOVER_NONE && !server->rolling &&
           clients_count(clients, CLIENT_QUEUED) == 0 &&
           clients_count(clients, CLIENT_STARTING) == 0 &&
           server->queue.lingering.active.length == 0 &&
           (clients->kept == 0 || server->renewal.deadline == 0);
}

static _Noreturn void renew(const struct server *server)
{
    uint32_t kept = server->queue.clients.kept;

    if (kept == 0)
        log_info("no client waits: making room for another supervisor with a standby");
    else
        log_warning("making room for another supervisor with a standby: --linger, --on-hangup and "
                    "--idle-timeout no longer hold for %u client%s being served",
                    kept, kept == 1 ? " that is" : "s that are");
    exit(LINK_EXIT_RENEW);
}

void shutdown_advance(struct server *server)
{
    if (may_be_renewed(server))
        renew(server);
    if (server->lasting->shutdown.stage == SERVER_SERVING && accept_is_deaf(&server->acceptor)) {
        server->lasting->shutdown.forced = true;
        shutdown_drain(server);
    }
    if (is_complete(server))
        loop_stop(&server->loop);
}
