#include "supervisor/server/shutdown.h"

#include "dispatcher/shared/log.h"
#include "supervisor/listen/accept.h"
#include "supervisor/queue/waiting.h"
#include "supervisor/running/signalling.h"
#include "supervisor/takeover/handover.h"

#include <signal.h>

enum {
    KILL_AFTER = 5 * LOOP_SECOND,    /* from SIGTERM to SIGKILL */
    ANSWER_WITHIN = LOOP_SECOND / 2, /* dispatchers, from then on */
    GIVE_UP_AFTER = 3 * LOOP_SECOND  /* from SIGKILL to leaving what cannot be killed behind */
};

static void drop_queue(struct server *server)
{
    struct client *client;
    uint32_t dropped = clients_count(&server->clients, CLIENT_QUEUED);

    while ((client = clients_first(&server->clients, CLIENT_QUEUED)) != NULL) {
        waiting_unwatch(server, client);
        clients_end(&server->clients, client, CLIENT_DROPPED);
    }
    if (dropped > 0)
        log_warning("closed %u connections that were waiting", dropped);
}

void shutdown_drain(struct server *server)
{
    if (server->stage >= SERVER_DRAINING)
        return;
    handover_end(server);
    log_info("ending: waiting for %u clients in the queue and %u handlers",
             clients_count(&server->clients, CLIENT_QUEUED), clients_active(&server->clients));
    server->stage = SERVER_DRAINING;
    server->paused = false; /* who waits is to be served */
    notify_stopping(&server->notify);
    accept_drain(server);
    pool_rouse(&server->pool); /* should one be stopped, it may know of handlers that have ended */
    /* Later than now: with no time allowed, what is over already is still found to be. */
    server->stage_end.deadline = server->loop.now + server->options->drain_timeout + 1;
}

static void end_handlers(struct server *server, enum server_stage stage, int signal_number)
{
    server->stage = stage;
    notify_stopping(&server->notify);
    server->stage_end.deadline = 0;
    accept_stop(server);
    drop_queue(server);
    pool_stop_replacing(&server->pool);
    pool_rouse(&server->pool);
    signalling_end(server, signal_number);
    predecessor_end(server, signal_number);
}

static void kill_handlers(struct server *server)
{
    server->forced = true;
    end_handlers(server, SERVER_KILLING, SIGKILL);
    /* Handlers are signalled through dispatchers, any of which may be stuck in an exec.  Those are
     * ended: then their handlers are our own children, whom another signals.  The ledger makes this
     * safe. */
    pool_hurry(&server->pool, ANSWER_WITHIN);
    server->stage_end.deadline = server->loop.now + GIVE_UP_AFTER;
}

/* Whether everybody has been served. */
static bool is_drained(const struct server *server)
{
    return accept_has_ended(server) && clients_count(&server->clients, CLIENT_QUEUED) == 0 &&
           clients_active(&server->clients) == 0;
}

static void on_stage_end(void *context)
{
    struct server *server = context;

    switch (server->stage) {
    case SERVER_SERVING:
    case SERVER_HANDED_OVER:
        break;
    case SERVER_DRAINING:
        if (is_drained(server)) {
            loop_stop(&server->loop); /* those who were refused have had the time allowed */
            break;
        }
        log_warning("not drained within the time allowed: ending %u handlers",
                    clients_active(&server->clients));
        server->forced = true;
        end_handlers(server, SERVER_TERMINATING, SIGTERM);
        server->stage_end.deadline = server->loop.now + KILL_AFTER;
        break;
    case SERVER_TERMINATING:
        kill_handlers(server);
        break;
    case SERVER_KILLING:
        log_error("%u handlers could not be ended", clients_active(&server->clients));
        loop_stop(&server->loop);
        break;
    }
}

void shutdown_lost(struct server *server)
{
    if (server->loop.stopped)
        return; /* it was said, or does not matter any more */
    log_error("all dispatchers are dead, and there is nobody left to start another: leaving %u "
              "handlers alone and closing %u waiting connections",
              clients_active(&server->clients), clients_count(&server->clients, CLIENT_QUEUED));
    notify_stopping(&server->notify);
    server->forced = true;
    loop_stop(&server->loop);
}

void shutdown_open(struct server *server)
{
    server->stage_end = (struct loop_timer){.expired = on_stage_end, .context = server};
    loop_add_timer(&server->loop, &server->stage_end);
}

void shutdown_signal(struct server *server, int signal_number)
{
    if (signal_number == SIGINT)
        server->interrupted = true;
    handover_end(server);
    if (signal_number == SIGINT && server->stage < SERVER_TERMINATING)
        end_handlers(server, SERVER_TERMINATING, SIGTERM);
    else if (server->stage < SERVER_DRAINING)
        shutdown_drain(server);
    else if (server->stage < SERVER_KILLING)
        kill_handlers(server);
}

void shutdown_end(struct server *server, int signal_number)
{
    if (signal_number == SIGKILL && server->stage < SERVER_KILLING) {
        kill_handlers(server);
    } else if (server->stage < SERVER_TERMINATING) {
        /* How long they have is for the other one to say. */
        end_handlers(server, SERVER_TERMINATING, SIGTERM);
    }
}

bool shutdown_is_complete(const struct server *server)
{
    return server->stage != SERVER_SERVING && is_drained(server) &&
           (server->stage > SERVER_HANDED_OVER || handover_is_over(server)) &&
           (server->stage > SERVER_DRAINING || refusals_count(&server->refusals) == 0);
}
