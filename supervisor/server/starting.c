#include "supervisor/server/starting.h"

#include "dispatcher/shared/log.h"

struct admission starting_admission(struct server *server, uint32_t newcomers)
{
    const struct clients *clients = &server->queue.clients;
    const struct running *running = &server->running;
    struct admission_facts facts = {
        .queued = clients_count(clients, CLIENT_QUEUED) + newcomers,
        .startable = clients->order.startable + newcomers,
        .active = clients_active(clients),
        .processes = server->options->processes,
        .dispatchers = pool_room(&server->pool),
        .starts_failed = backoff_failing(&running->starting),
        .starts_held = backoff_holds(&running->starting, server->loop.now),
        .ending = running->signal != 0,
        .paused = server->lasting->paused || handover_holds_starts(&server->lasting->handover),
    };

    if (facts.queued == 0)
        return (struct admission){.reason = ADMISSION_NONE};
    gates_look(&server->gates, &facts, server->loop.now);
    return admission_decide(&facts);
}

void starting_advance(struct server *server)
{
    struct admission admission = starting_admission(server, 0);

    running_make_room(&server->running);
    server->starting.held_back_by = admission.reason;
    server->starting.permitted = admission.permitted;
    if (running_start(&server->running, admission.start) == 0)
        return;
    server->starting.held_back_by = ADMISSION_FAILURE;
    log_warning("cannot give a client to a dispatcher: %m; trying again");
}

void starting_set_timer(struct server *server)
{
    const struct backoff *failures = &server->running.starting;
    uint32_t queued = clients_count(&server->queue.clients, CLIENT_QUEUED);
    enum admission_reason reason;
    uint32_t backlog;

    server->starting.next.deadline = 0;
    if (handover_holds_starts(&server->lasting->handover))
        return;
    /* The backlog only matters if no client is nearer. */
    backlog = queued > 0 ? server->acceptor.backlog_waits : accept_backlog_waits(&server->acceptor);
    if (queued + backlog == 0)
        return;
    reason = starting_admission(server, backlog).reason;
    server->starting.next.deadline =
        reason == ADMISSION_FAILURE && backoff_holds(failures, server->loop.now)
            ? failures->until
            : gates_next_look(&server->gates, reason, server->loop.now);
}
