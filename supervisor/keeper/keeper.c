#include "supervisor/keeper/keeper.h"

#include "dispatcher/shared/interrupter.h"
#include "dispatcher/shared/log.h"
#include "dispatcher/shared/privileges.h"
#include "supervisor/base/signals.h"
#include "supervisor/base/trim.h"
#include "supervisor/keeper/children.h"
#include "supervisor/keeper/monitor.h"
#include "supervisor/keeper/reader.h"
#include "supervisor/keeper/reopen.h"
#include "supervisor/keeper/standby.h"

#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { AGAIN = 10 * LOOP_MILLISECOND /* until a source may be watched, or the outbox has room */ };

/* Watches for requests, except while a report waits for the link.  Tries again later what cannot be
 * done now. */
static void watch(struct keeper *keeper)
{
    bool failed = false;

    if (outbox_is_blocked(&keeper->outbox))
        loop_ignore(&keeper->loop, &keeper->link);
    else
        failed = loop_watch(&keeper->loop, &keeper->link) != 0;
    if ((failed || !outbox_has_room(&keeper->outbox)) && keeper->again.deadline == 0)
        keeper->again.deadline = keeper->loop.now + AGAIN;
}

/* ---- signals ---- */

/* The operator insists.  Supervisors that die at once do not even hear of it: kills the pair. */
static void give_up(struct keeper *keeper)
{
    log_error(
        "told to end once more, and no supervisor lives long enough to do it: ending at once");
    keeper->gives_up = true;
    if (keeper->begin.deadline != 0)
        loop_stop(&keeper->loop);
    else if (keeper->pair != 0)
        (void)kill(keeper->pair, SIGKILL); /* a child that was not reaped */
    keeper->begin.deadline = 0;
}

static void take_signal(struct keeper *keeper, int signal_number)
{
    bool ends = signal_number == SIGTERM || signal_number == SIGINT;

    /* No supervisor may ever hear of it. */
    if (ends && keeper->told_to_end && (keeper->begin.deadline != 0 || *keeper->useless > 1))
        give_up(keeper);
    keeper->told_to_end = keeper->told_to_end || ends;
    keeper->interrupted = keeper->interrupted || signal_number == SIGINT;
    outbox_add(&keeper->outbox, (struct link_message){.type = LINK_CAUGHT, .value = signal_number},
               NULL);
}

/* Takes one signal in each round: while children die all the time, SIGCHLD is there again as soon
 * as it was read. */
static void on_signal(void *context)
{
    struct keeper *keeper = context;
    int signal_number = signals_next(keeper->signals.descriptor);

    if (signal_number == SIGCHLD)
        keeper->again.deadline = keeper->loop.now; /* children_go_on(), in this round */
    else if (signal_number != 0)
        take_signal(keeper, signal_number);
}

static void on_unheard(void *context)
{
    struct keeper *keeper = context;

    outbox_add(&keeper->outbox, (struct link_message){.type = LINK_UNHEARD}, NULL);
}

/* ---- beginning ---- */

static void end_pair(struct keeper *keeper)
{
    while (keeper->pair != 0) {
        (void)kill(keeper->pair, SIGKILL); /* a child that was not reaped */
        (void)waitpid(keeper->pair, NULL, 0);
        keeper->pair = children_find_supervisor(keeper);
        keeper->lost_standby = true;
    }
}

/* Without privileges, the usual size must do. */
static void make_room(int link)
{
    const int room = 1 << 20; /* bytes */

    (void)setsockopt(link, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
}

/* Forks the standby, which never returns.  Returns 0, or -1 after logging why. */
static int begin_pair(struct keeper *keeper)
{
    pid_t process;

    *keeper->cloned = 0;
    keeper->pair_began = loop_clock();
    process = fork();
    if (process == 0) {
        if (keeper->is_other_pair) {
            loop_close(&keeper->loop);
            (void)close(keeper->signals.descriptor);
        }
        (void)close(keeper->link.descriptor);
        keeper->events.stand_by(keeper->events.context, keeper->far_end);
    }
    if (process < 0) {
        log_error("cannot create the standby: %m");
        return -1;
    }
    keeper->pair = process;
    keeper->lost_standby = false;
    return 0;
}

/* Begins another pair in the place of one that is dead. */
static void begin_another(void *context)
{
    struct keeper *keeper = context;

    keeper->is_other_pair = true;
    if (begin_pair(keeper) == 0)
        return;
    backoff_failed(&keeper->pairs, keeper->loop.now);
    keeper->begin.deadline = keeper->pairs.until;
}

/* Waits until the standby has cloned the supervisor, or has ended. */
static void await_supervisor(const struct keeper *keeper)
{
    while (__atomic_load_n(keeper->cloned, __ATOMIC_RELAXED) == 0 &&
           !children_is_dead(keeper->pair))
        (void)poll(NULL, 0, 1); /* millisecond */
}

int keeper_open(struct keeper *keeper, unsigned dispatchers)
{
    int pair[2];

    keeper->count = dispatchers;
    keeper->pairs = (struct backoff)BACKOFF;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        log_error("cannot make the link to the supervisor: %m");
        return -1;
    }
    make_room(pair[0]);
    make_room(pair[1]);
    keeper->link.descriptor = pair[0];
    keeper->outbox.link = pair[0];
    keeper->far_end = pair[1];
    /* First: dispatchers must not take the last process. */
    if (begin_pair(keeper) != 0)
        return -1;
    await_supervisor(keeper);
    for (unsigned i = 0; i < dispatchers; i++)
        children_open(keeper, i);
    if (children_start(&keeper->dispatchers[0]) == 0)
        return 0;
    log_error("cannot start even one dispatcher: %m");
    end_pair(keeper);
    return -1;
}

/* As root, keeps what it takes to signal and replace other users' processes, to remove files, and
 * to begin another pair, which becomes another user and changes its root. A dispatcher that is
 * executed as root gets the others back from the bounding set; but under no_new_privs only if this
 * process still has them, out of effect. */
static bool give_up_privileges(void)
{
    const uint64_t kept = 1u << CAP_KILL | 1u << CAP_DAC_OVERRIDE | 1u << CAP_FOWNER |
                          1u << CAP_SETUID | 1u << CAP_SETGID | 1u << CAP_SYS_CHROOT |
                          1u << CAP_SETPCAP;
    int result = 0;

    if (geteuid() == 0)
        result = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0 ? privileges_limit(kept)
                                                             : privileges_rest(kept);
    return result == 0 && privileges_hide() == 0;
}

static bool open_loop(struct keeper *keeper)
{
    keeper->link.ready = monitor_hear;
    keeper->link.context = keeper;
    keeper->signals =
        (struct loop_source){.descriptor = signals_open(), .ready = on_signal, .context = keeper};
    if (keeper->signals.descriptor < 0 || loop_open(&keeper->loop) != 0 ||
        loop_watch(&keeper->loop, &keeper->link) != 0 ||
        loop_watch(&keeper->loop, &keeper->signals) != 0)
        return false;
    if (keeper->interrupts)
        interrupter_prepare(true);
    keeper->again = (struct loop_timer){.expired = children_go_on, .context = keeper};
    keeper->reading = (struct loop_timer){.expired = reader_kill_all, .context = keeper};
    keeper->begin = (struct loop_timer){.expired = begin_another, .context = keeper};
    loop_add_timer(&keeper->loop, &keeper->again);
    loop_add_timer(&keeper->loop, &keeper->reading);
    loop_add_timer(&keeper->loop, &keeper->begin);
    for (unsigned i = keeper->count; i-- > 0;) { /* the timer that was added last expires first */
        struct keeper_dispatcher *dispatcher = &keeper->dispatchers[i];

        loop_add_timer(&keeper->loop, &dispatcher->restart);
        loop_add_timer(&keeper->loop, &dispatcher->stopped);
        dispatcher->restart.deadline = dispatcher->process == 0 ? keeper->loop.now : 0;
    }
    keeper->notify.unheard = on_unheard;
    keeper->notify.context = keeper;
    notify_run(&keeper->notify, &keeper->loop);
    reopen_run(keeper);
    /* The link may be full, and signals_open() has discarded a SIGCHLD that was pending. */
    keeper->again.deadline = keeper->loop.now;
    return true;
}

/* Reports BEGUN_ALL once the start of each dispatcher has been tried. */
static void report_beginning(struct keeper *keeper)
{
    for (unsigned i = 0; i < keeper->count; i++)
        if (keeper->dispatchers[i].generation == 0 &&
            !backoff_failing(&keeper->dispatchers[i].backoff))
            return;
    keeper->begun_all = true;
    outbox_add(&keeper->outbox, (struct link_message){.type = LINK_BEGUN_ALL}, NULL);
}

/* Follows each round. */
static void advance(void *context)
{
    struct keeper *keeper = context;

    if (!keeper->begun_all)
        report_beginning(keeper);
    if (keeper->renew && outbox_has_room(&keeper->outbox)) {
        keeper->renew = false;
        outbox_add(&keeper->outbox,
                   (struct link_message){.type = LINK_RENEW, .process = keeper->pair}, NULL);
    }
    if (log_is_broken())
        reopen_ask(keeper);
    watch(keeper);
}

/* ---- the end ---- */

int keeper_end(struct keeper *keeper)
{
    int status = WEXITSTATUS(keeper->status);

    children_end(keeper);
    files_remove(&keeper->files);
    if (WIFEXITED(keeper->status)) /* the last two ask for another pair, which did not begin */
        return status == LINK_EXIT_RENEW || status == STANDBY_AGAIN ? EXIT_FAILURE : status;
    if (keeper->interrupted && WTERMSIG(keeper->status) == SIGINT)
        signals_die_of(SIGINT);
    log_error("the supervisor was killed by signal %d: ending", WTERMSIG(keeper->status));
    return EXIT_FAILURE;
}

int keeper_run(struct keeper *keeper)
{
    if (!open_loop(keeper)) {
        log_error("cannot prepare the keeper: %m");
        end_pair(keeper);
    } else if (!give_up_privileges()) {
        log_error("the keeper cannot give up capabilities: %m");
        end_pair(keeper);
    } else {
        trim();
        loop_run(&keeper->loop, advance, keeper);
        monitor_hear_last(keeper); /* such as STOPPING=1 */
    }
    return keeper_end(keeper);
}
