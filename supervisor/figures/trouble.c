#include "supervisor/figures/trouble.h"

#include "dispatcher/shared/log.h"

#include <inttypes.h>
#include <signal.h>
#include <sys/wait.h>

enum { NOT_EXECUTABLE = 126, NOT_BEGUN = 127 };

static void say_left_out(struct trouble *trouble, bool at_once)
{
    uint64_t starts = limiter_end(&trouble->starts, trouble->loop->now, at_once);
    uint64_t ends = limiter_end(&trouble->ends, trouble->loop->now, at_once);

    if (starts > 0)
        log_event(LOG_LEVEL_WARNING, "start-failed-more", LOG_FIELDS(LOG_NUMBER("count", starts)),
                  "%" PRIu64 " more starts failed, not logged one by one; handlers %s", starts,
                  trouble->starts_fail ? "still cannot be started" : "can be started again");
    if (ends > 0)
        log_event(LOG_LEVEL_WARNING, "handler-failed-more", LOG_FIELDS(LOG_NUMBER("count", ends)),
                  "%" PRIu64 " more handlers ended like that, not logged one by one", ends);
    trouble->left_out.deadline = trouble->starts.until;
    if (trouble->left_out.deadline == 0 ||
        (trouble->ends.until != 0 && trouble->ends.until < trouble->left_out.deadline))
        trouble->left_out.deadline = trouble->ends.until;
}

static void on_left_out(void *context)
{
    say_left_out(context, false);
}

static bool allows(struct trouble *trouble, struct limiter *limiter)
{
    bool allowed = limiter_allows(limiter, trouble->loop->now);

    if (trouble->left_out.deadline == 0)
        trouble->left_out.deadline = limiter->until;
    return allowed;
}

void trouble_open(struct trouble *trouble, struct loop *loop, const char *command)
{
    *trouble = (struct trouble){
        .loop = loop,
        .command = command,
        .left_out = {.expired = on_left_out, .context = trouble},
    };
    loop_add_timer(loop, &trouble->left_out);
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

/* If failures were left out, the line that counts them says it. */
void trouble_start_succeeded(struct trouble *trouble)
{
    trouble->starts_fail = false;
    if (trouble->starts.left_out == 0)
        log_event(LOG_LEVEL_WARNING, "starts-recovered", NULL, 0, "handlers can be started again");
}

/* ---- ends ---- */

/* Whether the kernel sends this signal to a process that is at a limit or at fault.  A handler may
 * die of SIGPIPE whenever its client has gone, and people send the other signals. */
static bool is_kernels(int signal_number)
{
    switch (signal_number) {
    case SIGKILL: /* also sent when memory runs out */
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

static const char *hint_at(int signal_number)
{
    switch (signal_number) {
    case SIGKILL:
        return "; is there too little memory?";
    case SIGXCPU:
    case SIGXFSZ:
        return "; its --limit is reached";
    default:
        return "";
    }
}

static bool could_not_begin(int status)
{
    return WEXITSTATUS(status) == NOT_EXECUTABLE || WEXITSTATUS(status) == NOT_BEGUN;
}

void trouble_ended(struct trouble *trouble, uint64_t ticket, pid_t process, bool told, int status)
{
    int number = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);

    if (WIFSIGNALED(status) && is_kernels(number) && !told && allows(trouble, &trouble->ends))
        log_event(LOG_LEVEL_WARNING, "handler-failed",
                  LOG_FIELDS(LOG_NUMBER("ticket", ticket), LOG_NUMBER("process", process),
                             LOG_NUMBER("signal", number)),
                  "ticket %" PRIu64 ": its handler, process %d, was killed by signal %d%s", ticket,
                  process, number, hint_at(number));
    else if (!WIFSIGNALED(status) && could_not_begin(status) && allows(trouble, &trouble->ends))
        log_event(LOG_LEVEL_WARNING, "handler-failed",
                  LOG_FIELDS(LOG_NUMBER("ticket", ticket), LOG_NUMBER("process", process),
                             LOG_NUMBER("status", number)),
                  "ticket %" PRIu64 ": its handler, process %d, ended with status %d: '%s', or a "
                  "program that it runs, could not begin; its standard error says why, perhaps a "
                  "--limit",
                  ticket, process, number, trouble->command);
}
