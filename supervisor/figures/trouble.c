#include "supervisor/figures/trouble.h"

#include "dispatcher/shared/log.h"

#include <inttypes.h>
#include <signal.h>
#include <sys/wait.h>

enum { NOT_EXECUTABLE = 126, NOT_BEGUN = 127 };

/* ---- what was left out ---- */

static void say_left_out(struct trouble *trouble, bool at_once)
{
    uint64_t starts = limiter_end(&trouble->starts, trouble->loop->now, at_once);
    uint64_t ends = limiter_end(&trouble->ends, trouble->loop->now, at_once);

    if (starts > 0)
        log_event(LOG_LEVEL_WARNING, "start-failed-more", LOG_FIELDS(LOG_NUMBER("count", starts)),
                  "%" PRIu64 " starts more failed, not logged one by one; handlers %s", starts,
                  trouble->starts_fail ? "still cannot be started" : "can be started again");
    if (ends > 0)
        log_event(LOG_LEVEL_WARNING, "handler-failed-more", LOG_FIELDS(LOG_NUMBER("count", ends)),
                  "%" PRIu64 " handlers more ended like that, not logged one by one", ends);
    trouble->told.deadline = trouble->starts.until;
    if (trouble->told.deadline == 0 ||
        (trouble->ends.until != 0 && trouble->ends.until < trouble->told.deadline))
        trouble->told.deadline = trouble->ends.until;
}

static void on_told(void *context)
{
    say_left_out(context, false);
}

/* Whether one more line may be written. */
static bool allows(struct trouble *trouble, struct limiter *limiter)
{
    bool allowed = limiter_allows(limiter, trouble->loop->now);

    if (trouble->told.deadline == 0)
        trouble->told.deadline = limiter->until;
    return allowed;
}

void trouble_open(struct trouble *trouble, struct loop *loop, const char *command)
{
    *trouble = (struct trouble){
        .loop = loop,
        .command = command,
        .told = {.expired = on_told, .context = trouble},
    };
    loop_add_timer(loop, &trouble->told);
}

void trouble_left_out(struct trouble *trouble)
{
    say_left_out(trouble, true);
}

/* ---- starts ---- */

void trouble_start_failed(struct trouble *trouble, uint64_t ticket, uint64_t delay)
{
    trouble->starts_fail = true;
    if (allows(trouble, &trouble->starts))
        log_event(LOG_LEVEL_WARNING, "start-failed", LOG_FIELDS(LOG_NUMBER("ticket", ticket)),
                  "ticket %" PRIu64 ": cannot start a handler, '%s': %m; the client waits, "
                  "next attempt in %" PRIu64 " ms",
                  ticket, trouble->command, delay / LOOP_MILLISECOND);
}

/* Where failures were left out, the line that counts them says it. */
void trouble_start_succeeded(struct trouble *trouble)
{
    trouble->starts_fail = false;
    if (trouble->starts.left_out == 0)
        log_event(LOG_LEVEL_WARNING, "starts-recovered", NULL, 0, "handlers can be started again");
}

/* ---- ends ---- */

/* What the kernel sends to a process that is at a limit, or at fault.  SIGPIPE is what a handler
 * may die of whenever its client has gone, and other signals are somebody's wish. */
static bool is_kernels(int signal_number)
{
    switch (signal_number) {
    case SIGKILL: /* which is also what it gets that is out of memory */
    case SIGSEGV:
    case SIGBUS:
    case SIGILL:
    case SIGFPE:
    case SIGSYS:
    case SIGXCPU:
    case SIGXFSZ:
        return true;
    default:
        return false;
    }
}

static void killed(struct trouble *trouble, const struct client *client, int signal_number)
{
    const char *hint = signal_number == SIGKILL ? "; is there too little memory?"
                       : signal_number == SIGXCPU || signal_number == SIGXFSZ
                           ? "; its --limit is reached"
                           : "";

    if (is_kernels(signal_number) && client->signalled == 0 && allows(trouble, &trouble->ends))
        log_event(LOG_LEVEL_WARNING, "handler-failed",
                  LOG_FIELDS(LOG_NUMBER("ticket", clients_ticket(client)),
                             LOG_NUMBER("process", client->process),
                             LOG_NUMBER("signal", signal_number)),
                  "ticket %" PRIu64 ": its handler, process %d, was killed by signal %d%s",
                  clients_ticket(client), client->process, signal_number, hint);
}

void trouble_ended(struct trouble *trouble, const struct client *client, int status)
{
    if (WIFSIGNALED(status)) {
        killed(trouble, client, WTERMSIG(status));
        return;
    }
    if ((WEXITSTATUS(status) == NOT_EXECUTABLE || WEXITSTATUS(status) == NOT_BEGUN) &&
        allows(trouble, &trouble->ends))
        log_event(LOG_LEVEL_WARNING, "handler-failed",
                  LOG_FIELDS(LOG_NUMBER("ticket", clients_ticket(client)),
                             LOG_NUMBER("process", client->process),
                             LOG_NUMBER("status", WEXITSTATUS(status))),
                  "ticket %" PRIu64
                  ": its handler, process %d, ended with status %d: '%s', or what "
                  "it runs, could not begin; its standard error says why, perhaps a --limit",
                  clients_ticket(client), client->process, WEXITSTATUS(status), trouble->command);
}
