#include "supervisor/keeper/keeper.h"

#include "dispatcher/shared/log.h"
#include "dispatcher/shared/privileges.h"
#include "dispatcher/shared/release.h"
#include "supervisor/base/signals.h"
#include "supervisor/keeper/reader.h"

#include <errno.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    AGAIN = 10 * LOOP_MILLISECOND, /* until a full link may take a report */
    REAPED_AT_ONCE = 64,           /* before other events get their turn */
    REQUESTS_AT_ONCE = 64,         /* likewise */
    READ_WITHIN = 10 * LOOP_SECOND,
    STOPPED_LONGEST = 10 * LOOP_SECOND,
    END_WITHIN = LOOP_SECOND,
    /* The death of a younger dispatcher delays its successor: it may be its own fault. */
    SHORT_LIFE = LOOP_SECOND,
    RESTART_FIRST = 10 * LOOP_MILLISECOND,
    RESTART_LONGEST = 250 * LOOP_MILLISECOND,
    FORK_LONGEST = 5 * LOOP_SECOND, /* if no process can be created */
    WAY_GIVEN = 60 * LOOP_SECOND    /* if that kept handlers from being started */
};

/* ---- reports ---- */

static void close_descriptors(const int *descriptors, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        (void)close(descriptors[i]); /* the supervisor has copies of its own */
}

static bool is_busy(const struct keeper *keeper)
{
    return keeper->pending.type != 0;
}

/* Watches a source, or leaves it alone.  Tries again later if it cannot be watched now. */
static void set_watched(struct keeper *keeper, struct loop_source *source, bool watched)
{
    if (!watched)
        loop_ignore(&keeper->loop, source);
    else if (loop_watch(&keeper->loop, source) != 0)
        keeper->again.deadline = keeper->loop.now + AGAIN;
}

/* Watches for requests and signals, except while a report is pending. */
static void watch(struct keeper *keeper)
{
    set_watched(keeper, &keeper->link, !is_busy(keeper) && !keeper->closed);
    set_watched(keeper, &keeper->signals, !is_busy(keeper));
}

/* The supervisor is dead, and SIGCHLD comes; or it has closed the link, and must end because it
 * cannot hear reports. */
static void lose_supervisor(struct keeper *keeper)
{
    keeper->closed = true;
    if (keeper->supervisor != 0)
        (void)kill(keeper->supervisor, SIGKILL); /* a child that was not reaped */
}

/* Sends the pending report.  A supervisor that is gone needs none. */
static void send_pending(struct keeper *keeper)
{
    if (link_send(keeper->link.descriptor, &keeper->pending, keeper->pending_descriptors,
                  keeper->pending_count) != 0) {
        if (errno != EPIPE && errno != ECONNRESET) {
            keeper->again.deadline = keeper->loop.now + AGAIN;
            return;
        }
        lose_supervisor(keeper);
    }
    close_descriptors(keeper->pending_descriptors, keeper->pending_count);
    keeper->pending.type = 0;
}

/* Takes over the descriptors.  To be called only if no other report is pending. */
static void report(struct keeper *keeper, struct link_message message, const int *descriptors,
                   unsigned count)
{
    if (is_busy(keeper))
        log_bug("a report is made while another is pending");
    keeper->pending = message;
    keeper->pending_count = count;
    for (unsigned i = 0; i < count; i++)
        keeper->pending_descriptors[i] = descriptors[i];
    send_pending(keeper);
}

/* ---- dispatchers ---- */

/* Returns 0, or -1 with errno. */
static int start(struct keeper_dispatcher *dispatcher)
{
    struct keeper *keeper = dispatcher->keeper;
    int descriptors[LAUNCH_DESCRIPTORS];
    pid_t process = launch_dispatcher(&keeper->launch, dispatcher->index, descriptors);

    if (process < 0)
        return -1;
    dispatcher->process = process;
    dispatcher->generation++;
    dispatcher->gave_way = false;
    dispatcher->since = loop_clock();
    report(keeper,
           (struct link_message){.type = LINK_BEGUN,
                                 .index = dispatcher->index,
                                 .generation = dispatcher->generation,
                                 .process = process},
           descriptors, LAUNCH_DESCRIPTORS);
    return 0;
}

static void restart(void *context)
{
    struct keeper_dispatcher *dispatcher = context;
    struct keeper *keeper = dispatcher->keeper;

    if (keeper->closed)
        return; /* the service ends */
    if (is_busy(keeper)) {
        dispatcher->restart.deadline = keeper->loop.now + AGAIN;
        return;
    }
    if (start(dispatcher) == 0)
        return;
    if (dispatcher->backoff.longest != FORK_LONGEST)
        log_warning("cannot start dispatcher %u: %m; trying again", dispatcher->index);
    dispatcher->backoff.longest = FORK_LONGEST;
    backoff_failed(&dispatcher->backoff, keeper->loop.now);
    dispatcher->restart.deadline = dispatcher->backoff.until;
}

/* Its process was reaped. */
static void died(struct keeper_dispatcher *dispatcher, int status)
{
    struct keeper *keeper = dispatcher->keeper;
    uint64_t now = keeper->loop.now;

    dispatcher->process = 0;
    dispatcher->stopped.deadline = 0;
    dispatcher->backoff.longest = RESTART_LONGEST;
    if (now - dispatcher->since < SHORT_LIFE)
        backoff_failed(&dispatcher->backoff, now);
    else
        backoff_succeeded(&dispatcher->backoff);
    dispatcher->restart.deadline = dispatcher->gave_way ? now + WAY_GIVEN
                                   : backoff_holds(&dispatcher->backoff, now)
                                       ? dispatcher->backoff.until
                                       : now;
    report(keeper,
           (struct link_message){.type = LINK_DIED,
                                 .index = dispatcher->index,
                                 .generation = dispatcher->generation,
                                 .value = status},
           NULL, 0);
}

static void on_stopped_long(void *context)
{
    const struct keeper_dispatcher *dispatcher = context;

    log_warning("dispatcher %u, process %d, was stopped %d s ago: killing it", dispatcher->index,
                dispatcher->process, (int)(STOPPED_LONGEST / LOOP_SECOND));
    (void)kill(dispatcher->process, SIGKILL); /* a child that was not reaped */
}

/* Takes note that a dispatcher was stopped or continued. */
static void look_at(struct keeper_dispatcher *dispatcher)
{
    siginfo_t information = {0};

    if (dispatcher->process == 0 ||
        waitid(P_PID, (id_t)dispatcher->process, &information, WSTOPPED | WCONTINUED | WNOHANG) !=
            0 ||
        information.si_pid == 0)
        return;
    dispatcher->stopped.deadline =
        information.si_code == CLD_CONTINUED ? 0 : dispatcher->keeper->loop.now + STOPPED_LONGEST;
}

/* Reaps dead dispatchers, until the link is full. */
static void reap_dispatchers(struct keeper *keeper)
{
    for (unsigned i = 0; i < keeper->count && !is_busy(keeper); i++) {
        struct keeper_dispatcher *dispatcher = &keeper->dispatchers[i];
        int status;

        if (dispatcher->process != 0 && waitpid(dispatcher->process, &status, WNOHANG) > 0)
            died(dispatcher, status);
    }
}

/* ---- other children ---- */

/* Returns true if the process is the keeper's child, dead or alive; or, with P_PGID, if one of its
 * children is in that group. */
static bool has_child(idtype_t type, pid_t process)
{
    siginfo_t information;

    return process > 1 &&
           waitid(type, (id_t)process, &information, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/* Returns true if the process is one of the daemon's own. */
static bool is_ours(const struct keeper *keeper, pid_t process)
{
    bool ours = process == keeper->supervisor || process == getpgrp();

    for (unsigned i = 0; i < keeper->count; i++)
        ours = ours || process == keeper->dispatchers[i].process;
    return ours;
}

/* Reports the first group that has become empty. */
static void report_empty_group(struct keeper *keeper)
{
    for (size_t i = 0; i < keeper->group_count && !is_busy(keeper); i++) {
        pid_t group = keeper->groups[i];

        if (has_child(P_PGID, group))
            continue;
        keeper->groups[i--] = keeper->groups[--keeper->group_count];
        report(keeper, (struct link_message){.type = LINK_EMPTY, .process = group}, NULL, 0);
    }
}

static uint64_t microseconds(struct timeval time)
{
    return (uint64_t)time.tv_sec * LOOP_SECOND + (uint64_t)time.tv_usec;
}

/* Takes note of a dead process that was to read a file; if it was killed, answers for it.  Returns
 * false if the process is another. */
static bool reader_ended(struct keeper *keeper, pid_t process, int status)
{
    unsigned file = 0;

    while (file < OPTIONS_FILES && keeper->readers[file] != process)
        file++;
    if (file == OPTIONS_FILES)
        return false;
    keeper->readers[file] = 0;
    if (status != 0)
        report(keeper, (struct link_message){.type = LINK_CONTENT, .index = file, .value = -1},
               NULL, 0);
    return true;
}

/* Reaps a child that is dead and no dispatcher. */
static void reap_one(struct keeper *keeper, pid_t process)
{
    bool leader = getsid(process) == process;
    struct rusage usage;
    int status;
    pid_t reaped = wait4(process, &status, WNOHANG, &usage);

    if (reaped < 0 && errno == EINTR)
        return; /* reap() finds it again */
    if (reaped != process)
        log_bug("wait4: process %d: %m", process);
    if (process == keeper->supervisor) {
        keeper->supervisor = 0;
        keeper->status = status;
        loop_stop(&keeper->loop);
    } else if (!reader_ended(keeper, process, status) && leader) {
        report(keeper,
               (struct link_message){
                   .type = LINK_ENDED,
                   .process = process,
                   .value = status,
                   .usage = {.user_time = microseconds(usage.ru_utime),
                             .system_time = microseconds(usage.ru_stime),
                             .memory = (uint64_t)usage.ru_maxrss},
               },
               NULL, 0);
    }
}

/* Reaps children, dispatchers before what they left behind, until the link is full.  Returns true
 * if there may be more. */
static bool reap(struct keeper *keeper)
{
    siginfo_t information;

    for (unsigned i = 0; i < REAPED_AT_ONCE; i++) {
        information.si_pid = 0;
        if (is_busy(keeper) || waitid(P_ALL, 0, &information, WEXITED | WNOHANG | WNOWAIT) != 0 ||
            information.si_pid == 0)
            return false;
        reap_dispatchers(keeper);
        if (!is_busy(keeper) && has_child(P_PID, information.si_pid))
            reap_one(keeper, information.si_pid);
    }
    return true;
}

/* Does what a full link has held up: sends the report, and goes on reaping. */
static void go_on(void *context)
{
    struct keeper *keeper = context;

    if (is_busy(keeper))
        send_pending(keeper);
    if (!is_busy(keeper) && reap(keeper))
        keeper->again.deadline = keeper->loop.now;
    if (!is_busy(keeper))
        report_empty_group(keeper);
}

/* A file system does not answer, and the service must not wait for it for ever. */
static void on_reading_long(void *context)
{
    const struct keeper *keeper = context;

    for (unsigned i = 0; i < OPTIONS_FILES; i++)
        if (keeper->readers[i] != 0)
            (void)kill(keeper->readers[i], SIGKILL); /* a child that was not reaped */
}

/* ---- requests ---- */

static struct keeper_dispatcher *dispatcher_of(struct keeper *keeper,
                                               const struct link_message *request)
{
    struct keeper_dispatcher *dispatcher;

    if (request->index >= keeper->count)
        return NULL;
    dispatcher = &keeper->dispatchers[request->index];
    return dispatcher->process != 0 && dispatcher->generation == request->generation ? dispatcher
                                                                                     : NULL;
}

static void carry_out_kill(struct keeper *keeper, const struct link_message *request)
{
    struct keeper_dispatcher *dispatcher = dispatcher_of(keeper, request);

    if (dispatcher == NULL)
        return; /* it has died meanwhile */
    dispatcher->gave_way = request->value != 0;
    (void)kill(dispatcher->process, SIGKILL); /* a child that was not reaped */
}

static void carry_out_adopt(struct keeper *keeper, const struct link_message *request)
{
    if (!is_ours(keeper, request->process) && has_child(P_PID, request->process))
        return; /* its end will be reported */
    report(keeper,
           (struct link_message){.type = LINK_ENDED,
                                 .index = 1,
                                 .generation = request->generation,
                                 .process = request->process},
           NULL, 0);
}

static void carry_out_signal(struct keeper *keeper, const struct link_message *request)
{
    if ((request->value != SIGTERM && request->value != SIGKILL) ||
        is_ours(keeper, request->process))
        log_error("the supervisor asked for signal %d to process group %d: ignoring it",
                  request->value, request->process);
    else if (has_child(P_PGID, request->process) && kill(-request->process, request->value) != 0)
        log_warning("cannot send signal %d to process group %d: %m", request->value,
                    request->process);
}

/* Remembers a group that EMPTY is due for, once.  Returns false if there is no memory for it. */
static bool await_group(struct keeper *keeper, pid_t group)
{
    for (size_t i = 0; i < keeper->group_count; i++)
        if (keeper->groups[i] == group)
            return true;
    if (keeper->group_count == keeper->group_room) {
        size_t room = keeper->group_room == 0 ? 16 : 2 * keeper->group_room;
        pid_t *groups = reallocarray(keeper->groups, room, sizeof(*groups));

        if (groups == NULL)
            return false;
        keeper->groups = groups;
        keeper->group_room = room;
    }
    keeper->groups[keeper->group_count++] = group;
    return true;
}

static void carry_out_group(struct keeper *keeper, const struct link_message *request)
{
    if (has_child(P_PGID, request->process) && await_group(keeper, request->process))
        return;
    /* Without memory, the client ends a little early. */
    report(keeper, (struct link_message){.type = LINK_EMPTY, .process = request->process}, NULL, 0);
}

static void carry_out_read(struct keeper *keeper, const struct link_message *request)
{
    const char *path =
        request->index < OPTIONS_FILES ? keeper->options->files[request->index] : NULL;
    struct link_message answer = {.type = LINK_CONTENT, .index = request->index, .value = EINVAL};

    if (path != NULL) {
        pid_t process;

        /* A reader that was asked for before has answered already; or the supervisor is confused,
         * and must not have us fork without end. */
        if (keeper->readers[request->index] != 0)
            (void)kill(keeper->readers[request->index], SIGKILL); /* a child that was not reaped */
        process = reader_start(path, request->index, keeper->link.descriptor);
        if (process > 0) {
            keeper->readers[request->index] = process;
            keeper->reading.deadline = keeper->loop.now + READ_WITHIN;
            return;
        }
        answer.value = errno;
    }
    report(keeper, answer, NULL, 0);
}

static void carry_out_publish(struct keeper *keeper, const struct link_message *request)
{
    (void)request; /* it names nothing */
    report(keeper,
           (struct link_message){.type = LINK_PUBLISHED, .value = files_publish(&keeper->files)},
           NULL, 0);
}

static void carry_out_lend(struct keeper *keeper, const struct link_message *request)
{
    if (!files_lend(&keeper->files, request->index, request->value != 0))
        log_error("the supervisor asked for file %u, which there is not: ignoring it",
                  request->index);
}

static void carry_out_notify(struct keeper *keeper, const struct link_message *request)
{
    if (request->value < 0 || request->value >= NOTIFY_STATES)
        log_error("the supervisor asked for an unknown message to the service manager, %d: "
                  "ignoring it",
                  request->value);
    else if (strchr(request->text, '\n') != NULL) /* what follows would be a field of its own */
        log_error("the supervisor asked for a status of several lines: ignoring it");
    else
        notify_tell(&keeper->notify, (enum notify_state)request->value, request->process,
                    request->text);
}

/* Whatever is not in this table is not done. */
static void (*const requests[])(struct keeper *keeper, const struct link_message *request) = {
    [LINK_KILL] = carry_out_kill,     [LINK_ADOPT] = carry_out_adopt,
    [LINK_SIGNAL] = carry_out_signal, [LINK_GROUP] = carry_out_group,
    [LINK_READ] = carry_out_read,     [LINK_PUBLISH] = carry_out_publish,
    [LINK_LEND] = carry_out_lend,     [LINK_NOTIFY] = carry_out_notify,
};

static void on_request(void *context)
{
    struct keeper *keeper = context;
    struct link_message request;
    int descriptors[LINK_DESCRIPTORS];

    for (unsigned i = 0; i < REQUESTS_AT_ONCE && !is_busy(keeper); i++) {
        if (!link_receive(keeper->link.descriptor, &request, descriptors)) {
            if (errno == ECONNRESET)
                lose_supervisor(keeper);
            else if (errno != EAGAIN)
                log_error("cannot read a request of the supervisor: %m");
            return;
        }
        for (unsigned j = 0; j < LINK_DESCRIPTORS && descriptors[j] >= 0; j++)
            release(descriptors[j]); /* only reports bring any */
        if (request.type == 0 || request.type >= sizeof(requests) / sizeof(*requests))
            log_error("the supervisor sent an unknown request, %u: ignoring it", request.type);
        else
            requests[request.type](keeper, &request);
    }
}

/* ---- signals ---- */

static void on_signal(void *context)
{
    struct keeper *keeper = context;
    int signal_number;

    while (!is_busy(keeper) && (signal_number = signals_next(keeper->signals.descriptor)) != 0) {
        if (signal_number == SIGCHLD) {
            for (unsigned i = 0; i < keeper->count; i++)
                look_at(&keeper->dispatchers[i]);
            go_on(keeper);
            continue;
        }
        keeper->interrupted = keeper->interrupted || signal_number == SIGINT;
        report(keeper, (struct link_message){.type = LINK_CAUGHT, .value = signal_number}, NULL, 0);
    }
}

static void on_unheard(void *context)
{
    struct keeper *keeper = context;

    keeper->unheard = true; /* another report may be pending now */
}

/* ---- beginning ---- */

static void open_dispatcher(struct keeper *keeper, unsigned index)
{
    struct keeper_dispatcher *dispatcher = &keeper->dispatchers[index];

    *dispatcher = (struct keeper_dispatcher){
        .keeper = keeper,
        .index = index,
        .backoff = {.first = RESTART_FIRST, .longest = RESTART_LONGEST},
        .restart = {.expired = restart, .context = dispatcher},
        .stopped = {.expired = on_stopped_long, .context = dispatcher},
    };
}

/* The supervisor waits for this report.  By then it reads, so the link does not stay full. */
static void report_begun_all(struct keeper *keeper)
{
    for (; is_busy(keeper); send_pending(keeper))
        (void)poll(NULL, 0, 1); /* millisecond */
    report(keeper, (struct link_message){.type = LINK_BEGUN_ALL}, NULL, 0);
}

/* Starts one dispatcher at least; the others are started later if that fails now. */
static bool start_dispatchers(struct keeper *keeper)
{
    for (unsigned i = 0; i < keeper->count; i++)
        open_dispatcher(keeper, i);
    for (unsigned i = 0; i < keeper->count; i++) {
        if (!is_busy(keeper) && start(&keeper->dispatchers[i]) == 0)
            continue;
        if (i == 0) {
            log_error("cannot start even one dispatcher: %m");
            return false;
        }
        log_warning("cannot start dispatcher %u yet: %m; trying again later", i);
        for (; i < keeper->count; i++)
            keeper->dispatchers[i].restart.deadline = loop_clock() + RESTART_LONGEST;
    }
    return true;
}

static void end_supervisor(const struct keeper *keeper)
{
    (void)kill(keeper->supervisor, SIGKILL); /* a child that was not reaped */
    (void)waitpid(keeper->supervisor, NULL, 0);
}

/* Without privileges, the usual size must do. */
static void make_room(int link)
{
    const int room = 1 << 20; /* bytes */

    (void)setsockopt(link, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
}

int keeper_fork(struct keeper *keeper, unsigned dispatchers)
{
    int pair[2];

    keeper->count = dispatchers;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        log_error("cannot make the link to the supervisor: %m");
        return -1;
    }
    make_room(pair[0]);
    make_room(pair[1]);
    keeper->link.descriptor = pair[0];
    keeper->supervisor = fork(); /* first: dispatchers must not take the last process */
    if (keeper->supervisor < 0)
        log_error("cannot create the supervisor: %m");
    (void)close(pair[keeper->supervisor == 0 ? 0 : 1]); /* the other process has it */
    if (keeper->supervisor == 0)
        return pair[1];
    if (keeper->supervisor < 0)
        return -1;
    if (!start_dispatchers(keeper)) {
        end_supervisor(keeper);
        return -1;
    }
    report_begun_all(keeper);
    return 0;
}

/* As root, keeps what it takes to signal and replace other users' processes, and to remove files.
 * A dispatcher that is executed as root gets the others back from the bounding set; but under
 * no_new_privs only if this process still has them, out of effect. */
static bool give_up_privileges(void)
{
    const uint64_t kept = 1u << CAP_KILL | 1u << CAP_DAC_OVERRIDE | 1u << CAP_FOWNER;
    int result = 0;

    if (geteuid() == 0)
        result = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0 ? privileges_limit(kept)
                                                             : privileges_rest(kept);
    return result == 0 && privileges_hide() == 0;
}

static bool open_loop(struct keeper *keeper)
{
    keeper->link.ready = on_request;
    keeper->link.context = keeper;
    keeper->signals =
        (struct loop_source){.descriptor = signals_open(), .ready = on_signal, .context = keeper};
    if (keeper->signals.descriptor < 0 || loop_open(&keeper->loop) != 0 ||
        loop_watch(&keeper->loop, &keeper->link) != 0 ||
        loop_watch(&keeper->loop, &keeper->signals) != 0)
        return false;
    keeper->again = (struct loop_timer){.expired = go_on, .context = keeper};
    keeper->reading = (struct loop_timer){.expired = on_reading_long, .context = keeper};
    loop_add_timer(&keeper->loop, &keeper->again);
    loop_add_timer(&keeper->loop, &keeper->reading);
    for (unsigned i = 0; i < keeper->count; i++) {
        loop_add_timer(&keeper->loop, &keeper->dispatchers[i].restart);
        loop_add_timer(&keeper->loop, &keeper->dispatchers[i].stopped);
    }
    keeper->notify.unheard = on_unheard;
    keeper->notify.context = keeper;
    notify_run(&keeper->notify, &keeper->loop);
    if (is_busy(keeper)) /* the link was full before the supervisor began */
        keeper->again.deadline = keeper->loop.now;
    return true;
}

/* Follows each round. */
static void advance(void *context)
{
    struct keeper *keeper = context;

    if (keeper->unheard && !is_busy(keeper)) {
        keeper->unheard = false;
        report(keeper, (struct link_message){.type = LINK_UNHEARD}, NULL, 0);
    }
    watch(keeper);
}

/* ---- the end ---- */

/* SIGKILL works at once, except in an uninterruptible system call. */
static void end_dispatchers(struct keeper *keeper)
{
    uint64_t deadline = loop_clock() + END_WITHIN;

    for (unsigned i = 0; i < keeper->count; i++)
        if (keeper->dispatchers[i].process > 0)
            (void)kill(keeper->dispatchers[i].process, SIGKILL); /* a child that was not reaped */
    for (unsigned i = 0; i < keeper->count; i++) {
        pid_t process = keeper->dispatchers[i].process;
        pid_t reaped = process == 0;

        while (reaped == 0 && (reaped = waitpid(process, NULL, WNOHANG)) == 0 &&
               loop_clock() < deadline)
            (void)poll(NULL, 0, 1); /* millisecond */
        if (reaped == 0)
            log_error("dispatcher %u, process %d, could not be killed: leaving it", i, process);
    }
}

int keeper_end(struct keeper *keeper)
{
    end_dispatchers(keeper);
    files_remove(&keeper->files);
    if (WIFEXITED(keeper->status))
        return WEXITSTATUS(keeper->status);
    if (keeper->interrupted && WTERMSIG(keeper->status) == SIGINT)
        signals_die_of(SIGINT);
    log_error("the supervisor was killed by signal %d: ending", WTERMSIG(keeper->status));
    return EXIT_FAILURE;
}

int keeper_run(struct keeper *keeper)
{
    if (!open_loop(keeper)) {
        log_error("cannot prepare the keeper: %m");
        end_supervisor(keeper);
    } else if (!give_up_privileges()) {
        log_error("the keeper cannot give up capabilities: %m");
        end_supervisor(keeper);
    } else {
        watch(keeper);
        loop_run(&keeper->loop, advance, keeper);
    }
    return keeper_end(keeper);
}
