#include "supervisor/keeper/children.h"

#include "dispatcher/shared/log.h"
#include "supervisor/keeper/reader.h"
#include "supervisor/keeper/standby.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    AGAIN = 10 * LOOP_MILLISECOND, /* until the outbox may have room, or another pair is there */
    /* Before other events get their turn; LOOP_SLICE may be over first: for each, the kernel may
     * walk through all children. */
    REAPED_AT_ONCE = 64,
    GROUPS_AT_ONCE = 64,
    STOPPED_LONGEST = 10 * LOOP_SECOND,
    END_WITHIN = LOOP_SECOND,
    /* The death of a younger dispatcher delays its successor: it may be its own fault. */
    SHORT_LIFE = LOOP_SECOND,
    SHORT_LIFE_OF_PAIR = 100 * LOOP_MILLISECOND, /* less than it takes to serve anybody */
    RESTART_FIRST = 10 * LOOP_MILLISECOND,
    RESTART_LONGEST = 250 * LOOP_MILLISECOND,
    FORK_LONGEST = 5 * LOOP_SECOND, /* if no process can be created */
    WAY_GIVEN = 60 * LOOP_SECOND    /* if dispatchers kept handlers from being started */
};

/* ---- dispatchers ---- */

static void report(const struct keeper_dispatcher *dispatcher, enum link_type type, int32_t value,
                   const int *descriptors)
{
    outbox_add(&dispatcher->keeper->outbox,
               (struct link_message){.type = type,
                                     .index = dispatcher->index,
                                     .generation = dispatcher->generation,
                                     .process = dispatcher->process,
                                     .value = value},
               descriptors);
}

int children_start(struct keeper_dispatcher *dispatcher)
{
    int descriptors[LAUNCH_DESCRIPTORS];
    pid_t process = launch_dispatcher(&dispatcher->keeper->launch, dispatcher->index, descriptors);

    if (process < 0)
        return -1;
    dispatcher->process = process;
    dispatcher->generation++;
    if (dispatcher->ledger >= 0)
        (void)close(dispatcher->ledger); /* nothing was written with it */
    dispatcher->ledger = fcntl(descriptors[LAUNCH_LEDGER], F_DUPFD_CLOEXEC, PROTOCOL_LAST + 1);
    dispatcher->gave_way = false;
    dispatcher->since = loop_clock();
    report(dispatcher, LINK_BEGUN, 0, descriptors);
    return 0;
}

static void restart(void *context)
{
    struct keeper_dispatcher *dispatcher = context;
    struct keeper *keeper = dispatcher->keeper;

    if (*keeper->ended)
        return;
    /* Dispatchers must not take the last process from another pair. */
    if (!outbox_has_room(&keeper->outbox) || keeper->begin.deadline != 0 ||
        __atomic_load_n(keeper->cloned, __ATOMIC_RELAXED) == 0) {
        dispatcher->restart.deadline = keeper->loop.now + AGAIN;
        return;
    }
    if (children_start(dispatcher) == 0)
        return;
    if (dispatcher->backoff.longest != FORK_LONGEST)
        log_warning("cannot start dispatcher %u: %m; trying again", dispatcher->index);
    dispatcher->backoff.longest = FORK_LONGEST;
    backoff_failed(&dispatcher->backoff, keeper->loop.now);
    dispatcher->restart.deadline = dispatcher->backoff.until;
}

static bool any_lives(const struct keeper *keeper)
{
    for (unsigned i = 0; i < keeper->count; i++)
        if (keeper->dispatchers[i].process != 0)
            return true;
    return false;
}

/* Has all absent dispatchers wait: none of them may take the room before a handler does. */
static void give_way(struct keeper *keeper)
{
    for (unsigned i = 0; i < keeper->count; i++)
        if (keeper->dispatchers[i].process == 0)
            keeper->dispatchers[i].restart.deadline = keeper->loop.now + WAY_GIVEN;
}

/* Its process was reaped. */
static void died(struct keeper_dispatcher *dispatcher, int status)
{
    uint64_t now = dispatcher->keeper->loop.now;

    dispatcher->process = 0;
    dispatcher->stopped.deadline = 0;
    dispatcher->backoff.longest = RESTART_LONGEST;
    if (loop_clock() - dispatcher->since < SHORT_LIFE) /* it may have begun in this round */
        backoff_failed(&dispatcher->backoff, now);
    else
        backoff_succeeded(&dispatcher->backoff);
    dispatcher->restart.deadline = backoff_next(&dispatcher->backoff, now);
    if (dispatcher->gave_way && any_lives(dispatcher->keeper))
        give_way(dispatcher->keeper);
    report(dispatcher, LINK_DIED, status, NULL);
}

static void on_stopped_long(void *context)
{
    const struct keeper_dispatcher *dispatcher = context;

    log_warning("dispatcher %u, process %d, was stopped %d s ago: killing it", dispatcher->index,
                dispatcher->process, (int)(STOPPED_LONGEST / LOOP_SECOND));
    (void)kill(dispatcher->process, SIGKILL); /* a child that was not reaped */
}

bool children_replace(struct keeper *keeper, uint64_t moment)
{
    for (unsigned i = 0; i < keeper->count; i++)
        if (keeper->dispatchers[i].process == 0)
            return true;
    for (unsigned i = 0; i < keeper->count; i++) {
        const struct keeper_dispatcher *dispatcher = &keeper->dispatchers[i];

        if (dispatcher->since > moment)
            continue;
        (void)kill(dispatcher->process, SIGKILL); /* a child that was not reaped */
        return true;
    }
    return false;
}

static void stopped(struct keeper_dispatcher *dispatcher, bool is_stopped)
{
    dispatcher->stopped.deadline = is_stopped ? dispatcher->keeper->loop.now + STOPPED_LONGEST : 0;
    report(dispatcher, LINK_STOPPED, is_stopped, NULL);
}

/* Takes note of dispatchers that have died, were stopped or were continued, as long as the outbox
 * has room. */
static void look_at_dispatchers(struct keeper *keeper)
{
    for (unsigned i = 0; i < keeper->count && outbox_has_room(&keeper->outbox); i++) {
        struct keeper_dispatcher *dispatcher = &keeper->dispatchers[i];
        int status;

        if (dispatcher->process == 0 ||
            waitpid(dispatcher->process, &status, WNOHANG | WUNTRACED | WCONTINUED) <= 0)
            continue;
        if (WIFSTOPPED(status) || WIFCONTINUED(status))
            stopped(dispatcher, WIFSTOPPED(status));
        else
            died(dispatcher, status);
    }
}

/* ---- other children ---- */

bool children_has(idtype_t type, pid_t process)
{
    siginfo_t information;

    return process > 1 &&
           (waitid(type, (id_t)process, &information, WEXITED | WNOHANG | WNOWAIT) == 0 ||
            errno != ECHILD);
}

bool children_is_dead(pid_t process)
{
    siginfo_t information = {0};

    return waitid(P_PID, (id_t)process, &information, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           information.si_pid != 0;
}

/* The pair and the dispatchers: whoever reaps them must act on it. */
static bool is_replaced(const struct keeper *keeper, pid_t process)
{
    bool is = process == keeper->pair;

    for (unsigned i = 0; i < keeper->count; i++)
        is = is || process == keeper->dispatchers[i].process;
    return is;
}

bool children_is_ours(const struct keeper *keeper, pid_t process)
{
    bool ours = is_replaced(keeper, process) || process == getpgrp();

    for (unsigned i = 0; i < OPTIONS_FILES; i++)
        ours = ours || process == keeper->readers[i].process;
    return ours;
}

/* Reports an awaited group and forgets it, if it is empty. */
static bool report_group(struct keeper *keeper, size_t place)
{
    pid_t group = keeper->groups.list[place].process;

    if (children_has(P_PGID, group))
        return false;
    awaited_remove(&keeper->groups, place);
    outbox_add(&keeper->outbox, (struct link_message){.type = LINK_EMPTY, .process = group}, NULL);
    return true;
}

/* Looks at some awaited groups, and reports those that are empty, until the link is full.  Each
 * look passes all children that are not reaped.  Any group may be empty now, because a process that
 * leaves its group causes no signal.  Returns true if some were not looked at since a child was
 * reaped. */
static bool report_groups(struct keeper *keeper)
{
    const uint64_t end = loop_clock() + LOOP_SLICE;

    for (unsigned i = 0; i < GROUPS_AT_ONCE && loop_clock() < end && keeper->groups_unseen > 0 &&
                         keeper->groups.count > 0 && !outbox_is_blocked(&keeper->outbox);
         i++) {
        keeper->group_next %= keeper->groups.count;
        if (report_group(keeper, keeper->group_next))
            continue; /* another group has its place now, which may have been looked at before */
        keeper->group_next++;
        keeper->groups_unseen--;
    }
    return keeper->groups_unseen > 0 && keeper->groups.count > 0;
}

void children_look_at_group(struct keeper *keeper, pid_t group)
{
    const size_t place = awaited_find(&keeper->groups, group);

    if (place < keeper->groups.count && report_group(keeper, place) && keeper->groups_unseen > 0)
        keeper->groups_unseen = keeper->groups.count; /* one may have been passed over */
}

static uint64_t microseconds(struct timeval time)
{
    return (uint64_t)time.tv_sec * LOOP_SECOND + (uint64_t)time.tv_usec;
}

/* Waits until all dispatchers are dead, a second at most, and does not reap them. */
static void await_dispatchers(const struct keeper *keeper)
{
    uint64_t deadline = loop_clock() + END_WITHIN;

    for (unsigned i = 0; i < keeper->count; i++)
        while (keeper->dispatchers[i].process != 0 &&
               !children_is_dead(keeper->dispatchers[i].process) && loop_clock() < deadline)
            (void)poll(NULL, 0, 1); /* millisecond */
}

/* SIGKILL works at once, except in an uninterruptible system call. */
static void kill_dispatchers(const struct keeper *keeper)
{
    for (unsigned i = 0; i < keeper->count; i++)
        if (keeper->dispatchers[i].process != 0)
            (void)kill(keeper->dispatchers[i].process, SIGKILL); /* a child that was not reaped */
    await_dispatchers(keeper);
}

/* The supervisor may write to that memory, also the number of another child. */
pid_t children_find_supervisor(const struct keeper *keeper)
{
    pid_t process = __atomic_load_n(keeper->cloned, __ATOMIC_RELAXED);

    return keeper->lost_standby || children_is_ours(keeper, process) ||
                   !children_has(P_PID, process)
               ? 0
               : process;
}

/* Returns true if another pair is to take the place of one that ended with this status. */
static bool needs_another(const struct keeper *keeper, int status)
{
    /* Of a service that has not begun, another supervisor would read the memory before its jail. */
    if (WIFEXITED(status) && WEXITSTATUS(status) != STANDBY_AGAIN &&
        WEXITSTATUS(status) != LINK_EXIT_RENEW)
        return false;
    return *keeper->begun && !*keeper->ended && !keeper->gives_up;
}

/* The supervisor lives on without its standby, or both are gone.  Ends, or begins another pair. */
static void pair_ended(struct keeper *keeper, int status)
{
    bool could_not_begin = WIFEXITED(status) && WEXITSTATUS(status) == STANDBY_AGAIN;
    pid_t process = keeper->pair;

    keeper->pair = WIFSIGNALED(status) ? children_find_supervisor(keeper) : 0;
    keeper->lost_standby = keeper->pair != 0;
    if (keeper->pair != 0 && keeper->gives_up) {
        (void)kill(keeper->pair, SIGKILL); /* a child that was not reaped */
        return;
    }
    if (keeper->pair != 0) {
        log_warning("the standby, process %d, was killed by signal %d: a supervisor that is killed "
                    "loses its clients until there is another pair",
                    process, WTERMSIG(status));
        keeper->renew = true;
        return;
    }
    keeper->renew = false; /* it may wait for room in the outbox */
    keeper->status = status;
    if (!needs_another(keeper, status)) {
        loop_stop(&keeper->loop);
        return;
    }
    if (could_not_begin || loop_clock() - keeper->pair_began < SHORT_LIFE_OF_PAIR)
        backoff_failed(&keeper->pairs, keeper->loop.now);
    else
        backoff_succeeded(&keeper->pairs);
    keeper->begin.deadline = backoff_next(&keeper->pairs, keeper->loop.now);
    if (could_not_begin)
        log_error("no supervisor could begin in the place of the last one: trying again in %d ms",
                  (int)(keeper->pairs.delay / LOOP_MILLISECOND));
    /* The next pair must know all handlers, and a stopped dispatcher would hide its own. */
    kill_dispatchers(keeper);
}

/* Reaps the pair.  That must not wait until the link takes reports: only another pair reads it. */
static void reap_pair(struct keeper *keeper)
{
    int status;

    while (keeper->pair != 0 && waitpid(keeper->pair, &status, WNOHANG) == keeper->pair)
        pair_ended(keeper, status);
}

void children_report_none(struct keeper *keeper, pid_t process, uint32_t mark)
{
    outbox_add(&keeper->outbox,
               (struct link_message){
                   .type = LINK_ENDED, .index = 1, .generation = mark, .process = process},
               NULL);
}

/* Reaps a child that is dead, no dispatcher, and not of the pair. */
static void reap_one(struct keeper *keeper, pid_t process)
{
    bool leader = getsid(process) == process;
    struct rusage usage;
    size_t place;
    int status;
    pid_t reaped = wait4(process, &status, WNOHANG, &usage);

    if (reaped < 0 && errno == EINTR)
        return; /* reap() finds it again */
    if (reaped != process)
        log_bug("wait4: process %d: %m", process);
    if (reader_ended(keeper, process, status))
        return;
    place = awaited_find(&keeper->adopted, process);
    if (place < keeper->adopted.count) {
        if (!leader)
            children_report_none(keeper, process, keeper->adopted.list[place].mark);
        awaited_remove(&keeper->adopted, place);
    }
    if (leader)
        outbox_add(&keeper->outbox,
                   (struct link_message){
                       .type = LINK_ENDED,
                       .process = process,
                       .value = status,
                       .usage = {.user_time = microseconds(usage.ru_utime),
                                 .system_time = microseconds(usage.ru_stime),
                                 .memory = (uint64_t)usage.ru_maxrss},
                   },
                   NULL);
}

/* Reaps children, dispatchers before what they left behind, until the link is full.  Returns true
 * if there may be more. */
static bool reap(struct keeper *keeper)
{
    uint64_t end = loop_clock() + LOOP_SLICE;
    siginfo_t information;

    for (unsigned i = 0; i < REAPED_AT_ONCE && loop_clock() < end; i++) {
        information.si_pid = 0;
        if (outbox_is_blocked(&keeper->outbox))
            return false;
        if (waitid(P_ALL, 0, &information, WEXITED | WNOHANG | WNOWAIT) != 0)
            return errno == EINTR;
        if (information.si_pid == 0)
            return false;
        keeper->groups_unseen = keeper->groups.count;
        reap_pair(keeper);
        look_at_dispatchers(keeper);
        if (!outbox_has_room(&keeper->outbox))
            return false; /* a dead dispatcher may not be reported yet */
        if (!is_replaced(keeper, information.si_pid) && children_has(P_PID, information.si_pid))
            reap_one(keeper, information.si_pid);
    }
    return true;
}

/* Sends the reports that wait, reaps children and looks at groups, as far as the outbox has room.
 */
void children_go_on(void *context)
{
    struct keeper *keeper = context;

    outbox_flush(&keeper->outbox);
    reap_pair(keeper);
    look_at_dispatchers(keeper);
    if (!outbox_is_blocked(&keeper->outbox) && (reap(keeper) || report_groups(keeper)))
        keeper->again.deadline = keeper->loop.now;
}

/* ---- beginning and end ---- */

void children_open(struct keeper *keeper, unsigned index)
{
    struct keeper_dispatcher *dispatcher = &keeper->dispatchers[index];

    *dispatcher = (struct keeper_dispatcher){
        .keeper = keeper,
        .index = index,
        .ledger = -1,
        .backoff = {.first = RESTART_FIRST, .longest = RESTART_LONGEST},
        .restart = {.expired = restart, .context = dispatcher},
        .stopped = {.expired = on_stopped_long, .context = dispatcher},
    };
}

/* Ends the handlers, because no supervisor does it: with the death of their dispatchers they have
 * become our children (proc_pid_children(5)).  Without that file they run on. */
static void kill_handlers(void)
{
    FILE *file = fopen("/proc/thread-self/children", "re");
    char *word = NULL;
    size_t room = 0;

    if (file == NULL)
        return;
    while (getdelim(&word, &room, ' ', file) > 0) {
        pid_t process = (pid_t)strtol(word, NULL, 10);

        if (process > 1) /* a child that was not reaped */
            (void)kill(getsid(process) == process ? -process : process, SIGKILL);
    }
    free(word);
    (void)fclose(file); /* it was only read */
}

void children_end(struct keeper *keeper)
{
    if (keeper->options->persistent)
        await_dispatchers(keeper); /* they exit by themselves, and take idle workers along */
    kill_dispatchers(keeper);
    for (unsigned i = 0; i < keeper->count; i++) {
        pid_t process = keeper->dispatchers[i].process;

        if (process != 0 && waitpid(process, NULL, WNOHANG) == 0)
            log_error("dispatcher %u, process %d, could not be killed: leaving it", i, process);
    }
    if (keeper->gives_up)
        kill_handlers();
}
