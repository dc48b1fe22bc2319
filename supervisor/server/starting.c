#include "supervisor/server/starting.h"

#include "dispatcher/shared/log.h"

struct admission starting_admission(struct server *server, uint32_t newcomers)
{
    const struct clients *clients = &server->queue.clients;
    const struct running *running = &server->running;
    struct admission_facts facts = {
        .queued = clients_count(clients, CLIENT_QUEUED) + newcomers,
        .aside = clients_aside(clients),
        .startable = clients->order.startable + newcomers,
        .active = clients_active(clients),
        .processes = server->options->processes,
        .dispatchers = pool_room(&server->pool),
        .starts_failed = backoff_failing(&running->starting),
        .starts_held = backoff_holds(&running->starting, server->loop.now) ||
                       aside_holds(&running->aside, server->loop.now),
        .ending = running->signal != 0,
        .paused = server->lasting->paused,
        .handing_over = handover_holds_starts(&server->lasting->handover),
    };

    if (facts.queued == 0)
        return (struct admission){.reason = ADMISSION_NONE};
    gates_look(&server->gates, &facts, server->loop.now);
    return admission_decide(&facts);
}

void starting_advance(struct server *server)
{
    struct admission admission;

    aside_advance(&server->running.aside, &server->queue.clients, server->loop.now);
    admission = starting_admission(server, 0);
    running_make_room(&server->running);
    server->starting.held_back_by = admission.reason;
    server->starting.permitted = admission.permitted;
    if (running_start(&server->running, admission.start) == 0)
        return;
    server->starting.held_back_by = ADMISSION_FAILURE;
    log_warning("cannot give a client to a dispatcher: %m; trying again");
}

/* Returns when a client may be tried that nothing but time holds back; 0: there is none. */
static uint64_t next_attempt(struct server *server, enum admission_reason reason)
{
    const struct running *running = &server->running;
    const uint64_t now = server->loop.now;
    const uint64_t rejoined = aside_deadline(&running->aside, now);
    uint64_t next = gates_next_look(&server->gates, reason, now);

    if (reason == ADMISSION_FAILURE && backoff_holds(&running->starting, now))
        next = running->starting.until;
    return next == 0 || (rejoined != 0 && rejoined < next) ? rejoined : next;
}

void starting_set_timer(struct server *server)
{
    uint32_t queued = clients_count(&server->queue.clients, CLIENT_QUEUED);
    uint32_t backlog;

    server->starting.next.deadline = 0;
    if (handover_holds_starts(&server->lasting->handover))
        return;
    /* The backlog only matters if no client is nearer. */
    backlog = queued > 0 ? server->acceptor.backlog_waits : accept_backlog_waits(&server->acceptor);
    if (queued + backlog > 0)
        server->starting.next.deadline =
            next_attempt(server, starting_admission(server, backlog).reason);
}
