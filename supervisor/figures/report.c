#include "supervisor/figures/report.h"

#include "dispatcher/shared/log.h"
#include "dispatcher/shared/text.h"
#include "supervisor/base/address.h"
#include "supervisor/base/stores.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

enum {
    LINES = 5, /* about one kind of trouble, in a period */
    PERIOD = 10 * LOOP_SECOND,
    NOT_EXECUTABLE = 126, /* a shell's status, as the next one */
    NOT_BEGUN = 127
};

static const struct {
    const char *name;
    const char *reason;
} refusals[REPORT_REFUSALS] = {
    [REPORT_QUEUE] = {"refused-queue", "the queue is full"},
    [REPORT_SOURCE] = {"refused-source", "too many clients of its source wait"},
    [REPORT_TIMEOUT] = {"refused-timeout", "it has waited too long"},
};

/* ---- lines that are left out ---- */

static bool allows(struct report *report, enum report_trouble trouble)
{
    if (report->period.deadline == 0)
        report->period.deadline = report->loop->now + PERIOD;
    return report->lines[trouble]++ < LINES;
}

static uint64_t left_out(const struct report *report, enum report_trouble trouble)
{
    return report->lines[trouble] <= LINES ? 0 : report->lines[trouble] - LINES;
}

static void log_more(const struct report *report, enum report_trouble trouble, const char *event,
                     const char *what)
{
    const uint64_t count = left_out(report, trouble);

    if (count > 0)
        log_event(LOG_LEVEL_WARNING, event, LOG_FIELDS(LOG_NUMBER("count", count)),
                  "%" PRIu64 " more %s, not logged one by one", count, what);
}

void report_left_out(struct report *report)
{
    const uint64_t starts = left_out(report, REPORT_START);

    log_more(report, REPORT_DENIED, "denied-more", "clients were denied by the access rules");
    for (enum report_trouble i = REPORT_QUEUE; i < REPORT_REFUSALS; i++)
        if (left_out(report, i) > 0)
            log_event(LOG_LEVEL_WARNING, "refused-more",
                      LOG_FIELDS(LOG_NUMBER("count", left_out(report, i)),
                                 LOG_TEXT("reason", refusals[i].name)),
                      "refused %" PRIu64 " more, not logged one by one: %s", left_out(report, i),
                      refusals[i].reason);
    if (starts > 0)
        log_event(LOG_LEVEL_WARNING, "start-failed-more", LOG_FIELDS(LOG_NUMBER("count", starts)),
                  "%" PRIu64 " more starts failed, not logged one by one; handlers %s", starts,
                  report->starts_fail ? "still cannot be started" : "can be started again");
    log_more(report, REPORT_CLIENT, "client-failed-more", "starts failed for single clients");
    log_more(report, REPORT_CLOSED, "client-closed-more", "clients were closed for failed starts");
    log_more(report, REPORT_HANDLER, "handler-failed-more", "handlers ended like that");
    memset(report->lines, 0, sizeof(report->lines));
    report->period.deadline = 0;
}

static void on_period_over(void *context)
{
    report_left_out(context);
}

/* Stores the end that was noted last, if `runs` has noted it as well. */
static void store_end(struct report *report)
{
    if (report->latest.ticket != report->runs.latest.ticket || report->latest.exit >= REPORT_EXITS)
        return;
    histogram_store(&report->runs);
    report->counts.exits[report->latest.exit] = report->latest.count;
}

void report_open(struct report *report, struct loop *loop, const char *command)
{
    histogram_store(&report->waits);
    store_end(report);
    report->loop = loop;
    report->command = command;
    report->period.expired = on_period_over;
    report->period.context = report;
    loop_add_timer(loop, &report->period);
}

/* ---- clients ---- */

void report_listening(const char *path, const struct endpoint *local, const char *text)
{
    char address[INET6_ADDRSTRLEN];

    log_event(LOG_LEVEL_INFO, "listening",
              LOG_FIELDS(LOG_TEXT("address", path != NULL ? path : address_text(local, address)),
                         LOG_NUMBER("port", local->port)),
              "listening on %s", text);
}

void report_abandoned(const struct report_client *client, uint64_t waited)
{
    char address[INET6_ADDRSTRLEN];
    char text[ADDRESS_DESCRIPTION];

    if (!log_enabled(LOG_LEVEL_INFO))
        return;
    log_event(LOG_LEVEL_INFO, "abandoned",
              LOG_FIELDS(LOG_NUMBER("ticket", client->ticket),
                         LOG_TEXT("address", address_text(client->remote, address)),
                         LOG_NUMBER("port", client->remote->port), LOG_SECONDS("waited", waited)),
              "ticket %" PRIu64 ": given up by %s, waited %.3f s", client->ticket,
              address_describe(client->remote, text), loop_seconds(waited));
}

void report_refused(struct report *report, const struct endpoint *remote,
                    enum report_trouble refusal)
{
    char address[INET6_ADDRSTRLEN];
    char text[ADDRESS_DESCRIPTION];

    if (!allows(report, refusal))
        return;
    if (refusal == REPORT_DENIED)
        log_event(LOG_LEVEL_WARNING, "denied",
                  LOG_FIELDS(LOG_TEXT("address", address_text(remote, address)),
                             LOG_NUMBER("port", remote->port)),
                  "denied %s by the access rules", address_describe(remote, text));
    else
        log_event(LOG_LEVEL_WARNING, "refused",
                  LOG_FIELDS(LOG_TEXT("address", address_text(remote, address)),
                             LOG_NUMBER("port", remote->port),
                             LOG_TEXT("reason", refusals[refusal].name)),
                  "refused %s: %s", address_describe(remote, text), refusals[refusal].reason);
}

/* ---- starts ---- */

void report_started(struct report *report, const struct report_client *client, uint64_t waited,
                    uint32_t queued)
{
    char address[INET6_ADDRSTRLEN];
    char text[ADDRESS_DESCRIPTION];

    histogram_add(&report->waits, client->ticket, waited);
    /* If failures were left out, the line that counts them says it. */
    if (report->starts_fail && left_out(report, REPORT_START) == 0)
        log_event(LOG_LEVEL_WARNING, "starts-recovered", NULL, 0, "handlers can be started again");
    report->starts_fail = false;
    if (!log_enabled(LOG_LEVEL_INFO))
        return;
    log_event(
        LOG_LEVEL_INFO, "started",
        LOG_FIELDS(LOG_NUMBER("ticket", client->ticket), LOG_NUMBER("process", client->process),
                   LOG_TEXT("address", address_text(client->remote, address)),
                   LOG_NUMBER("port", client->remote->port), LOG_SECONDS("waited", waited),
                   LOG_NUMBER("queued", queued)),
        "ticket %" PRIu64 ": started process %d for %s, waited %.3f s, %u waiting", client->ticket,
        client->process, address_describe(client->remote, text), loop_seconds(waited), queued);
}

static void count_failure(struct report *report)
{
    report->counts.starts_failed++;
    report->start_error = errno;
    report->start_failed_at = report->loop->now;
}

void report_start_failed(struct report *report, uint64_t ticket, uint64_t delay)
{
    count_failure(report);
    report->starts_fail = true;
    if (allows(report, REPORT_START))
        log_event(LOG_LEVEL_WARNING, "start-failed", LOG_FIELDS(LOG_NUMBER("ticket", ticket)),
                  "ticket %" PRIu64 ": cannot start a handler, '%s': %m; the client waits, "
                  "next attempt in %" PRIu64 " ms",
                  ticket, report->command, delay / LOOP_MILLISECOND);
}

void report_client_failed(struct report *report, const struct report_client *client,
                          unsigned failures, bool closed)
{
    char address[INET6_ADDRSTRLEN];
    char text[ADDRESS_DESCRIPTION];

    count_failure(report);
    if (allows(report, closed ? REPORT_CLOSED : REPORT_CLIENT))
        log_event(LOG_LEVEL_WARNING, closed ? "client-closed" : "client-failed",
                  LOG_FIELDS(LOG_NUMBER("ticket", client->ticket),
                             LOG_TEXT("address", address_text(client->remote, address)),
                             LOG_NUMBER("port", client->remote->port),
                             LOG_NUMBER("failures", failures)),
                  "ticket %" PRIu64 ": cannot start a handler for %s, '%s': %m; %s", client->ticket,
                  address_describe(client->remote, text), report->command,
                  closed ? "closing the connection, because other handlers could be started"
                         : "others go first");
}

/* ---- ends ---- */

/* How a handler ended, taken apart. */
struct end {
    enum report_exit exit;
    int code; /* the status or the signal; 0: unknown */
};

static struct end end_of(const int *status)
{
    if (status == NULL)
        return (struct end){REPORT_UNKNOWN, 0};
    if (WIFSIGNALED(*status))
        return (struct end){REPORT_SIGNAL, WTERMSIG(*status)};
    return (struct end){WEXITSTATUS(*status) == 0 ? REPORT_SUCCESS : REPORT_FAILURE,
                        WEXITSTATUS(*status)};
}

/* Without a known value, the field is left out. */
static struct log_field known(bool is_known, const char *name, enum log_field_kind kind,
                              uint64_t value)
{
    return (struct log_field){
        .name = is_known ? name : NULL,
        .kind = kind,
        .number = value,
    };
}

static void log_end(const struct report_client *client, uint64_t ran, struct end end,
                    const struct usage *usage)
{
    static const char *const words[REPORT_EXITS] = {"status", "status", "killed by signal",
                                                    "status unknown"};
    const struct usage used = usage != NULL ? *usage : (struct usage){0};
    char address[INET6_ADDRSTRLEN];
    char remote[ADDRESS_DESCRIPTION];
    char bytes[160];
    struct text how;

    text_open(&how, bytes, sizeof(bytes));
    text_add(&how, "%s", words[end.exit]);
    if (end.exit != REPORT_UNKNOWN)
        text_add(&how, " %d", end.code);
    if (usage != NULL)
        text_add(&how, ", user %.3f s, system %.3f s, memory %" PRIu64 " KiB",
                 loop_seconds(used.user_time), loop_seconds(used.system_time), used.memory);
    log_event(LOG_LEVEL_INFO, "ended",
              LOG_FIELDS(
                  LOG_NUMBER("ticket", client->ticket), LOG_NUMBER("process", client->process),
                  LOG_TEXT("address", address_text(client->remote, address)),
                  LOG_NUMBER("port", client->remote->port), LOG_SECONDS("ran", ran),
                  known(end.exit <= REPORT_FAILURE, "status", LOG_FIELD_NUMBER, (uint64_t)end.code),
                  known(end.exit == REPORT_SIGNAL, "signal", LOG_FIELD_NUMBER, (uint64_t)end.code),
                  known(usage != NULL, "user_time", LOG_FIELD_SECONDS, used.user_time),
                  known(usage != NULL, "system_time", LOG_FIELD_SECONDS, used.system_time),
                  known(usage != NULL, "memory", LOG_FIELD_NUMBER, used.memory)),
              "ticket %" PRIu64 ": ended process %d for %s, ran %.3f s, %s", client->ticket,
              client->process, address_describe(client->remote, remote), loop_seconds(ran), bytes);
}

/* Returns NULL unless the kernel sends this signal to a process that is at a limit or at fault;
 * then what to look after.  A handler may die of SIGPIPE whenever its client has gone, and people
 * send the other signals. */
static const char *hint_at(int signal_number)
{
    switch (signal_number) {
    case SIGKILL: /* also sent when memory runs out */
        return "; is there too little memory?";
    case SIGXCPU:
    case SIGXFSZ:
        return "; its --limit is reached";
    case SIGSEGV:
    case SIGBUS:
    case SIGILL:
    case SIGFPE:
    case SIGSYS:
        return "";
    default:
        return NULL;
    }
}

static void log_trouble(struct report *report, const struct report_client *client, struct end end)
{
    const bool killed = end.exit == REPORT_SIGNAL;
    const char *hint = hint_at(end.code);
    char bytes[LOG_LINE_MAXIMUM];
    struct text how;

    if (killed ? hint == NULL || client->signalled
               : end.code != NOT_EXECUTABLE && end.code != NOT_BEGUN)
        return;
    if (!allows(report, REPORT_HANDLER))
        return;
    text_open(&how, bytes, sizeof(bytes));
    if (killed)
        text_add(&how, "was killed by signal %d%s", end.code, hint);
    else
        text_add(&how,
                 "ended with status %d: '%s', or a program that it runs, could not begin; its "
                 "standard error says why, perhaps a --limit",
                 end.code, report->command);
    log_event(
        LOG_LEVEL_WARNING, "handler-failed",
        LOG_FIELDS(LOG_NUMBER("ticket", client->ticket), LOG_NUMBER("process", client->process),
                   LOG_NUMBER(killed ? "signal" : "status", end.code)),
        "ticket %" PRIu64 ": its handler, process %d, %s", client->ticket, client->process, bytes);
}

/* The end counts as soon as `runs` has noted it. */
static void count_end(struct report *report, uint64_t ticket, uint64_t ran, enum report_exit exit)
{
    report->latest.ticket = ticket;
    stores_settle(); /* `runs` has the ticket before: see store_end() */
    report->latest.count = report->counts.exits[exit] + 1;
    report->latest.exit = exit;
    histogram_note(&report->runs, ticket, ran);
    store_end(report);
}

void report_ended(struct report *report, const struct report_client *client, uint64_t ran,
                  const int *status, const struct usage *usage)
{
    const struct end end = end_of(status);

    if (!client->counted)
        count_end(report, client->ticket, ran, end.exit);
    if (client->foreign) {
        log_debug("ticket %" PRIu64 ": ended, as the old process reports", client->ticket);
        return;
    }
    if (log_enabled(LOG_LEVEL_INFO))
        log_end(client, ran, end, usage);
    log_trouble(report, client, end);
}
