#include "supervisor/server/reports.h"

#include "dispatcher/shared/log.h"
#include "supervisor/base/signals.h"
#include "supervisor/base/stores.h"
#include "supervisor/server/operator.h"
#include "supervisor/server/reload.h"
#include "supervisor/server/requests.h"
#include "supervisor/server/shutdown.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

enum {
    PUBLISH_WITHIN = 5 * LOOP_SECOND,
    ACKNOWLEDGE_AGAIN = 10 * LOOP_MILLISECOND,
    REPORTS_AT_ONCE = 64 /* before other events get their turn */
};

static void on_begun(struct server *server, const struct link_message *report,
                     const int *descriptors)
{
    pool_begin(&server->pool, report->index, report->generation, report->process, descriptors);
}

static void on_begun_all(struct server *server, const struct link_message *report,
                         const int *descriptors)
{
    (void)report;
    (void)descriptors; /* this report brings none; the same holds for the next ones */
    server->begun_all = true;
}

static void on_died(struct server *server, const struct link_message *report,
                    const int *descriptors)
{
    (void)descriptors;
    pool_died(&server->pool, report->index, report->generation, report->value);
}

static void on_stopped(struct server *server, const struct link_message *report,
                       const int *descriptors)
{
    (void)descriptors;
    pool_stopped(&server->pool, report->index, report->generation, report->value != 0);
}

static void on_ended(struct server *server, const struct link_message *report,
                     const int *descriptors)
{
    bool known = report->index == 0;

    (void)descriptors;
    ending_reaped(&server->running, report->process, report->generation,
                  known ? &report->value : NULL, known ? &report->usage : NULL);
}

static void on_empty(struct server *server, const struct link_message *report,
                     const int *descriptors)
{
    (void)descriptors;
    ending_group_empty(&server->running, report->process);
}

static void on_content(struct server *server, const struct link_message *report,
                       const int *descriptors)
{
    reload_content(server, (enum options_file)report->index, descriptors[0], report->value);
}

static void on_published(struct server *server, const struct link_message *report,
                         const int *descriptors)
{
    (void)descriptors;
    server->published = true;
    server->publish_error = report->value;
}

/* The standby gets it, too, and so do later supervisors: all have one table of descriptors. */
static void on_opened(struct server *server, const struct link_message *report,
                      const int *descriptors)
{
    (void)report;
    if (dup3(descriptors[0], STDERR_FILENO, 0) < 0)
        log_bug("standard error cannot be replaced: %m");
    (void)close(descriptors[0]); /* replaced by the copy */
    server->log_asked = false;   /* it may be broken again already */
    log_warning("a process that shares standard error, or its reader, has shut it down: it was "
                "opened again; handlers that run still have the old one");
}

static bool is_pending(const struct server *server, int signal_number)
{
    const struct server_signals *signals = &server->lasting->signals;

    return signals->caught[signal_number] > signals->taken[signal_number];
}

/* Another supervisor does it again if this one is killed before it has changed the stage. */
static void take_signal(struct server *server, int signal_number, uint64_t report_number)
{
    struct server_signals *signals = &server->lasting->signals;

    signals->stage_before = server->lasting->shutdown.stage;
    signals->acting_number = report_number;
    stores_settle();
    signals->acting_on = signal_number;
    stores_settle();
    signals->taken[signal_number] = report_number;
    switch (signal_number) {
    case SIGUSR1:
        server->status_asked = true;
        break;
    case SIGHUP:
        reload_begin(server);
        break;
    default:
        shutdown_signal(server, signal_number);
    }
    stores_settle();
    signals->acting_on = 0;
}

static void take_pending(struct server *server)
{
    for (int signal_number = 1; signal_number < SERVER_SIGNALS; signal_number++)
        if (is_pending(server, signal_number))
            take_signal(server, signal_number, server->lasting->signals.caught[signal_number]);
}

/* A report without a number comes from this process, and counts anew. */
static void on_caught(struct server *server, const struct link_message *report,
                      const int *descriptors)
{
    uint64_t *caught;

    (void)descriptors;
    if (report->value <= 0 || report->value >= SERVER_SIGNALS)
        log_bug("the keeper reported an impossible signal, %d", report->value);
    caught = &server->lasting->signals.caught[report->value];
    *caught = report->number != 0 ? report->number : *caught + 1;
    stores_settle();
    if (report->number != 0)
        server->lasting->heard = report->number; /* a signal counts once */
    if (server->hears_signals)
        take_pending(server);
}

static void on_unheard(struct server *server, const struct link_message *report,
                       const int *descriptors)
{
    (void)report;
    (void)descriptors;
    server->lasting->manager.open = false;
    server->lasting->manager.watchdog_every = 0;
}

/* It may have been meant for another process. */
static void on_renew(struct server *server, const struct link_message *report,
                     const int *descriptors)
{
    (void)descriptors;
    if (report->process == getpid())
        shutdown_renew(server);
}

static void on_signal(void *context)
{
    struct server *server = context;
    struct link_message report = {.type = LINK_CAUGHT};

    while ((report.value = signals_next(server->signals.descriptor)) != 0)
        if (report.value != SIGCHLD)
            on_caught(server, &report, NULL);
}

static void (*const reports[])(struct server *server, const struct link_message *report,
                               const int *descriptors) = {
    [LINK_BEGUN] = on_begun,     [LINK_BEGUN_ALL] = on_begun_all, [LINK_DIED] = on_died,
    [LINK_STOPPED] = on_stopped, [LINK_ENDED] = on_ended,         [LINK_EMPTY] = on_empty,
    [LINK_CONTENT] = on_content, [LINK_PUBLISHED] = on_published, [LINK_CAUGHT] = on_caught,
    [LINK_UNHEARD] = on_unheard, [LINK_RENEW] = on_renew,         [LINK_OPENED] = on_opened,
};

/* Without the keeper nobody replaces dispatchers, or removes files.  No client is accepted any
 * more, and another daemon may have our places.  A process that does not serve yet ends instead; in
 * a takeover, the old process serves on. */
static void lose_keeper(struct server *server)
{
    if (server->alone)
        return;
    server->alone = true;
    loop_ignore(&server->loop, &server->link);
    server->lasting->shutdown.forced = true;
    if (!server->lasting->standby.begun) {
        log_error("the keeper is dead: ending");
        return;
    }
    if (loop_watch(&server->loop, &server->signals) != 0)
        log_error("cannot hear signals: %m");
    log_error("the keeper is dead: serving those who wait, and then ending");
    reload_give_up(server);
    operator_close(server);
    ending_lose_keeper(&server->running);
    shutdown_drain(server);
}

/* A report that is kept comes in the order of its number, and perhaps twice. */
static bool is_next(const struct server *server, const struct link_message *report)
{
    return report->number == 0 || report->number == server->lasting->heard + 1;
}

static void act(struct server *server, const struct link_message *report, const int *descriptors)
{
    reports[report->type](server, report, descriptors);
    stores_settle();
    if (report->number != 0)
        server->lasting->heard = report->number;
}

/* Introduces this process to the keeper, and then tells the keeper which reports it need not keep.
 * While the link is full, reports must be read first: the keeper may wait for that. */
static void acknowledge(void *context)
{
    struct server *server = context;
    uint64_t heard = server->lasting->heard;

    if (server->introduced && server->acknowledged == heard)
        return;
    if (requests_send(server,
                      &(struct link_message){.type = server->introduced ? LINK_HEARD : LINK_ROLL,
                                             .number = heard})) {
        server->introduced = true;
        server->acknowledged = heard;
    } else if (errno != EPIPE) { /* the keeper is dead: an event says so */
        server->acknowledge.deadline = server->loop.now + ACKNOWLEDGE_AGAIN;
    }
}

static void take(struct server *server, const struct link_message *report, const int *descriptors)
{
    if (report->type >= sizeof(reports) / sizeof(*reports) || reports[report->type] == NULL)
        log_bug("the keeper sent an unknown report, %u", report->type);
    if (is_next(server, report)) {
        act(server, report, descriptors);
        return;
    }
    for (int i = 0; i < LINK_DESCRIPTORS; i++)
        if (descriptors[i] >= 0)
            (void)close(descriptors[i]); /* they come again, or have come before */
}

/* No report could be received; errno says why. */
static void miss(struct server *server, const struct link_message *report)
{
    if (errno == ECONNRESET)
        lose_keeper(server);
    else if (errno == EMFILE && report->type == LINK_CONTENT)
        reload_content(server, (enum options_file)report->index, -1, EMFILE);
    else if (errno == EMFILE && report->type == LINK_OPENED) {
        server->log_asked = false;
        if (is_next(server, report))
            server->lasting->heard = report->number;
    } else if (errno == EMFILE) { /* it finds nobody at the other end, exits, and is replaced */
        log_error("there is no room for the descriptors of dispatcher %u", report->index);
        if (is_next(server, report))
            server->lasting->heard = report->number;
    } else if (errno != EAGAIN && errno != ENOMEM && errno != ENOBUFS) /* it stays in the socket */
        log_bug("cannot read a report of the keeper: %m");
}

/* Handlers that make orphans have the keeper report without end. */
static void on_readable(void *context)
{
    struct server *server = context;
    struct link_message report;
    int descriptors[LINK_DESCRIPTORS];
    bool received = true;

    for (unsigned i = 0; received && i < REPORTS_AT_ONCE; i++) {
        received = link_receive(server->link.descriptor, &report, descriptors);
        if (received)
            take(server, &report, descriptors);
        else
            miss(server, &report);
    }
    acknowledge(server);
}

int reports_open(struct server *server, int link)
{
    server->link =
        (struct loop_source){.descriptor = link, .ready = on_readable, .context = server};
    server->signals =
        (struct loop_source){.descriptor = signals_open(), .ready = on_signal, .context = server};
    server->acknowledge = (struct loop_timer){.expired = acknowledge, .context = server};
    loop_add_timer(&server->loop, &server->acknowledge);
    if (server->signals.descriptor < 0 || loop_watch(&server->loop, &server->link) != 0)
        return -1;
    acknowledge(server);
    return 0;
}

int reports_await_dispatchers(struct server *server)
{
    struct pollfd event = {.fd = server->link.descriptor, .events = POLLIN};

    while (!server->begun_all && !server->alone) {
        (void)poll(&event, 1, -1); /* the keeper's death ends it, too */
        on_readable(server);
    }
    return server->begun_all ? 0 : -1;
}

void reports_begin(struct server *server)
{
    const enum server_stage stage = server->lasting->shutdown.stage;
    struct server_signals *signals = &server->lasting->signals;

    server->hears_signals = true;
    if (signals->acting_on > 0 && signals->acting_on < SERVER_SIGNALS &&
        (stage == signals->stage_before || stage < SERVER_DRAINING))
        take_signal(server, signals->acting_on, signals->acting_number);
    signals->acting_on = 0; /* otherwise this signal could be repeated after the next one */
    stores_settle();
    take_pending(server);
}

bool reports_end_early(void *context)
{
    struct server *server = context;

    on_readable(server);
    return server->alone || is_pending(server, SIGTERM) || is_pending(server, SIGINT);
}

int reports_publish(struct server *server)
{
    struct pollfd event = {.fd = server->link.descriptor, .events = POLLIN};
    uint64_t deadline = loop_clock() + PUBLISH_WITHIN;

    server->published = false;
    if (!requests_send(server, &(struct link_message){.type = LINK_PUBLISH})) {
        log_error("cannot ask for files to be put into their places: %m");
        return -1;
    }
    while (!server->published && !server->alone && loop_clock() < deadline) {
        (void)poll(&event, 1, 100); /* milliseconds; a report that is not ours is read as well */
        on_readable(server);
    }
    if (!server->published && !server->alone)
        log_error("files were not put into their places within %d s",
                  (int)(PUBLISH_WITHIN / LOOP_SECOND));
    return server->published && server->publish_error == 0 ? 0 : -1;
}
