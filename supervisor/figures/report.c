#include "supervisor/figures/report.h"

#include "dispatcher/shared/log.h"
#include "supervisor/base/address.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/wait.h>

enum { END_TEXT = 160 };

/* ---- listening ---- */

void report_listening(const char *path, const struct endpoint *local, const char *text)
{
    char address[INET6_ADDRSTRLEN];

    log_event(LOG_LEVEL_INFO, "listening",
              LOG_FIELDS(LOG_TEXT("address", path != NULL ? path : address_text(local, address)),
                         LOG_NUMBER("port", local->port)),
              "listening on %s", text);
}

/* ---- handlers ---- */

void report_started(const struct report_client *client, uint64_t waited, uint32_t queued)
{
    char address[INET6_ADDRSTRLEN];
    char text[ADDRESS_DESCRIPTION];

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

static void describe_end(char text[END_TEXT], const int *status, const struct usage *usage)
{
    int length = 0;

    if (status == NULL)
        length = snprintf(text, END_TEXT, "status unknown");
    else
        length =
            snprintf(text, END_TEXT, "%s %d", WIFSIGNALED(*status) ? "killed by signal" : "status",
                     WIFSIGNALED(*status) ? WTERMSIG(*status) : WEXITSTATUS(*status));
    if (usage != NULL)
        (void)snprintf(text + length, END_TEXT - (size_t)length,
                       ", user %.3f s, system %.3f s, memory %" PRIu64 " KiB",
                       loop_seconds(usage->user_time), loop_seconds(usage->system_time),
                       usage->memory);
}

void report_ended(const struct report_client *client, uint64_t ran, const int *status,
                  const struct usage *usage)
{
    struct usage used = {0};
    const bool killed = status != NULL && WIFSIGNALED(*status);
    const bool exited = status != NULL && !killed;
    char address[INET6_ADDRSTRLEN];
    char text[ADDRESS_DESCRIPTION];
    char how[END_TEXT];

    if (!log_enabled(LOG_LEVEL_INFO))
        return;
    if (usage != NULL)
        used = *usage;
    describe_end(how, status, usage);
    log_event(
        LOG_LEVEL_INFO, "ended",
        LOG_FIELDS(
            LOG_NUMBER("ticket", client->ticket), LOG_NUMBER("process", client->process),
            LOG_TEXT("address", address_text(client->remote, address)),
            LOG_NUMBER("port", client->remote->port), LOG_SECONDS("ran", ran),
            known(exited, "status", LOG_FIELD_NUMBER, exited ? (uint64_t)WEXITSTATUS(*status) : 0),
            known(killed, "signal", LOG_FIELD_NUMBER, killed ? (uint64_t)WTERMSIG(*status) : 0),
            known(usage != NULL, "user_time", LOG_FIELD_SECONDS, used.user_time),
            known(usage != NULL, "system_time", LOG_FIELD_SECONDS, used.system_time),
            known(usage != NULL, "memory", LOG_FIELD_NUMBER, used.memory)),
        "ticket %" PRIu64 ": ended process %d for %s, ran %.3f s, %s", client->ticket,
        client->process, address_describe(client->remote, text), loop_seconds(ran), how);
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

/* ---- refusals ---- */

static const struct {
    const char *name;
    const char *reason;
} refusals[REPORT_REFUSALS] = {
    [REPORT_DENIED] = {"denied", "denied by the access rules"},
    [REPORT_QUEUE] = {"refused-queue", "the queue is full"},
    [REPORT_SOURCE] = {"refused-source", "too many clients of its source wait"},
    [REPORT_TIMEOUT] = {"refused-timeout", "it has waited too long"},
};

static void say_left_out(struct report *report, bool at_once)
{
    uint64_t next = 0;

    for (int i = 0; i < REPORT_REFUSALS; i++) {
        struct limiter *limiter = &report->refusals[i];
        uint64_t left_out = limiter_end(limiter, report->loop->now, at_once);

        if (left_out > 0)
            log_event(
                LOG_LEVEL_WARNING, "refused-more",
                LOG_FIELDS(LOG_NUMBER("count", left_out), LOG_TEXT("reason", refusals[i].name)),
                "refused %" PRIu64 " more, not logged one by one: %s", left_out,
                refusals[i].reason);
        if (limiter->until != 0 && (next == 0 || limiter->until < next))
            next = limiter->until;
    }
    report->left_out.deadline = next;
}

static void on_left_out(void *context)
{
    say_left_out(context, false);
}

void report_refused(struct report *report, const struct endpoint *remote,
                    enum report_refusal refusal)
{
    struct limiter *limiter = &report->refusals[refusal];
    char address[INET6_ADDRSTRLEN];
    char text[ADDRESS_DESCRIPTION];

    if (limiter_allows(limiter, report->loop->now))
        log_event(LOG_LEVEL_WARNING, "refused",
                  LOG_FIELDS(LOG_TEXT("address", address_text(remote, address)),
                             LOG_NUMBER("port", remote->port),
                             LOG_TEXT("reason", refusals[refusal].name)),
                  "refused %s: %s", address_describe(remote, text), refusals[refusal].reason);
    if (report->left_out.deadline == 0)
        report->left_out.deadline = limiter->until;
}

void report_left_out(struct report *report)
{
    say_left_out(report, true);
}

void report_open(struct report *report, struct loop *loop)
{
    *report = (struct report){
        .loop = loop,
        .left_out = {.expired = on_left_out, .context = report},
    };
    loop_add_timer(loop, &report->left_out);
}
