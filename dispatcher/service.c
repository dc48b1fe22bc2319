#include "dispatcher/service.h"

#include "dispatcher/children.h"
#include "dispatcher/content.h"
#include "dispatcher/kin.h"
#include "dispatcher/reply.h"
#include "dispatcher/setup.h"
#include "dispatcher/shared/log.h"
#include "dispatcher/shared/oom.h"
#include "dispatcher/shared/release.h"
#include "dispatcher/start.h"
#include "dispatcher/successor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- requests ---- */

/* The only thing that this process can be made to execute is the command it was started with. */
static void start(struct service *service, const union message *message, const int *descriptors)
{
    start_begin(&service->command, service->ledger, &message->start, descriptors[0]);
    service->clients[service->client_count++] = descriptors[0];
}

/* Whether the process that a request names leads the group of this client's handler, now. */
static bool is_handler(const struct message_signal *request)
{
    const struct child_record *child;

    if (request->adopted != 0)
        return kin_is_group(request->process);
    child = children_find(request->process);
    return child != NULL && child->ticket == request->header.ticket;
}

static void signal_handler(struct service *service, const union message *message,
                           const int *descriptors)
{
    const struct message_signal *request = &message->signal;

    (void)service;
    (void)descriptors;
    if (request->process <= 1 || (request->signal != SIGTERM && request->signal != SIGKILL))
        log_error("dispatcher: refused to send signal %d to process group %d", request->signal,
                  request->process);
    else if (is_handler(request) && kill(-request->process, request->signal) != 0)
        log_warning("dispatcher: cannot send signal %d to process group %d: %m", request->signal,
                    request->process);
    reply_signalled(request);
}

/* In the new dispatcher: as little as possible of what this one was is left. */
static void become_successor(struct service *service, bool spare, const int *descriptors)
{
    (void)munmap(service->ledger, sizeof(*service->ledger));
    (void)close(service->signals);
    children_forget();
    start_forget();
    if (dup3(descriptors[0], PROTOCOL_SOCKET, O_CLOEXEC) < 0 ||
        dup3(descriptors[1], PROTOCOL_LEDGER, O_CLOEXEC) < 0)
        log_die(1, "dispatcher: dup3: %m");
    (void)close(descriptors[0]);
    (void)close(descriptors[1]);
    oom_inherit(kin_open_own("oom_score_adj")); /* not before, lest it gets one of these numbers */
    service_begin(service, spare);
}

static void fork_successor(struct service *service, const union message *message,
                           const int *descriptors)
{
    int32_t process;

    oom_expose();  /* it may not be able to do that for its handlers */
    reply_flush(); /* or it would say the same */
    process = successor_fork();
    if (process == 0) {
        become_successor(service, message->fork.spare != 0, descriptors);
        return;
    }
    (void)close(descriptors[0]);
    (void)close(descriptors[1]);
    reply_forked(&message->header, process, process < 0 ? errno : 0);
}

static void read_file(struct service *service, const union message *message, const int *descriptors)
{
    const struct message_read *request = &message->read;
    int error = EINVAL;
    int content = -1;

    (void)descriptors;
    if (request->file < PROTOCOL_FILES) {
        if (setup_wake() < 0) /* as it was read at the start */
            log_die(1, "dispatcher: cannot have its capabilities back");
        content = content_copy(service->command.setup, (enum protocol_file)request->file);
        error = content < 0 ? errno : 0;
        setup_rest();
    }
    reply_content(request, content, error);
    if (content >= 0)
        (void)close(content); /* it has been sent */
}

static void answer_ping(struct service *service, const union message *message,
                        const int *descriptors)
{
    (void)service;
    (void)descriptors;
    reply_pong(&message->header);
}

static void be_roused(struct service *service, const union message *message, const int *descriptors)
{
    (void)service;
    (void)message;
    (void)descriptors; /* the signal that came with it is all there is to it */
}

/* Who answers which request. */
static void (*const requests[MESSAGE_TYPES])(struct service *, const union message *,
                                             const int *descriptors) = {
    [MESSAGE_START] = start,    [MESSAGE_SIGNAL] = signal_handler, [MESSAGE_FORK] = fork_successor,
    [MESSAGE_READ] = read_file, [MESSAGE_PING] = answer_ping,      [MESSAGE_ROUSE] = be_roused,
};

/* A request that this process had no room to receive whole.  The clients of a packet are safe in
 * it: the supervisor takes them back when this process is gone. */
static void refuse(const union message *message)
{
    if (message->header.type != MESSAGE_FORK)
        log_die(1, "dispatcher: cannot be given the descriptors of clients: is its limit too low?");
    reply_forked(&message->header, -1, EMFILE);
}

/* Later than the packet: with that the kernel closes its own copies of them, and would wait for the
 * last one if a handler has asked for that. */
static void release_clients(struct service *service)
{
    while (service->client_count > 0)
        release(service->clients[--service->client_count]);
}

/* From now on the packet does not say any more what is to be done.  Were it received again, it
 * would be done twice. */
static void consume(struct service *service)
{
    while (wire_consume(&service->inbox, PROTOCOL_SOCKET) != 0)
        if (!reply_lacks_memory())
            log_die(1, "dispatcher: cannot take a request off the socket: %m");
    release_clients(service);
}

static const unsigned permitted = WIRE_TYPE(MESSAGE_START) | WIRE_TYPE(MESSAGE_SIGNAL) |
                                  WIRE_TYPE(MESSAGE_FORK) | WIRE_TYPE(MESSAGE_READ) |
                                  WIRE_TYPE(MESSAGE_PING) | WIRE_TYPE(MESSAGE_ROUSE);

static void take_request(struct service *service)
{
    union message message;
    int descriptors[WIRE_DESCRIPTORS];

    switch (wire_receive(&service->inbox, PROTOCOL_SOCKET, permitted, &message, descriptors,
                         MSG_DONTWAIT | MSG_PEEK)) {
    case WIRE_MESSAGE:
        if (message.header.type == MESSAGE_FORK)
            consume(service); /* or the successor would find it, too */
        requests[message.header.type](service, &message, descriptors);
        break;
    case WIRE_NO_DESCRIPTOR:
        refuse(&message);
        break;
    case WIRE_MALFORMED:
        log_error("dispatcher: refused a request that is not of the protocol");
        break;
    case WIRE_EMPTY:
        break;
    case WIRE_CLOSED:
        reply_leave();
    case WIRE_ERROR:
        if (!reply_lacks_memory())
            log_die(1, "dispatcher: cannot receive from the supervisor: %m");
    }
}

/* Takes one packet: if there is another, poll(2) will say so.  A request that is not of the
 * protocol is refused and logged: it starts nothing and changes nothing. */
static void take_requests(struct service *service)
{
    do {
        take_request(service);
    } while (wire_is_left(&service->inbox));
    consume(service);
}

/* ---- ended handlers ---- */

static void report_exited(int32_t process, int status, const struct rusage *usage)
{
    struct child_record child;

    start_reaped(process, status);
    if (children_remove(process, &child))
        reply_exited(child.client, child.ticket, status, usage);
    /* Else a handler has made it a child of ours, by CLONE_PARENT; it is nobody's client. */
}

/* One SIGCHLD may stand for many children: reap until none is left. */
static void reap(void)
{
    for (;;) {
        struct rusage usage;
        int status;
        pid_t process = wait4(-1, &status, WNOHANG, &usage);

        if (process > 0)
            report_exited(process, status, &usage);
        else if (process == 0 || errno == ECHILD)
            return;
        else if (errno != EINTR)
            log_bug("dispatcher: wait4: %m");
    }
}

/* Only SIGCHLD can come, once however many children have ended; who they are is wait4's to tell. */
static void take_signal(int signals)
{
    struct signalfd_siginfo information;

    if (read(signals, &information, sizeof(information)) < 0 && errno != EAGAIN && errno != EINTR)
        log_bug("dispatcher: cannot read signals: %m");
}

/* ---- beginning, and work ---- */

/* Handlers inherit the dispositions; all signals stay blocked here, so that neither a terminal nor
 * a service manager that signals every process ends a dispatcher before its supervisor does. */
static void prepare_signals(struct service *service)
{
    sigset_t set;

    for (int signal_number = 1; signal_number <= SIGRTMAX; signal_number++)
        (void)signal(signal_number, SIG_DFL); /* refused for SIGKILL, SIGSTOP and libc's own */
    (void)sigfillset(&set);
    if (sigprocmask(SIG_SETMASK, &set, NULL) != 0)
        log_die(1, "dispatcher: sigprocmask: %m");
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGCHLD);
    service->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (service->signals < 0)
        log_die(1, "dispatcher: signalfd: %m");
}

static void map_ledger(struct service *service)
{
    service->ledger = mmap(NULL, sizeof(*service->ledger), PROT_READ | PROT_WRITE, MAP_SHARED,
                           PROTOCOL_LEDGER, 0);
    if (service->ledger == MAP_FAILED)
        log_die(1, "dispatcher: cannot map the ledger: %m");
    (void)close(PROTOCOL_LEDGER); /* the mapping stays */
    /* The kernel's write at clone must not meet a page that is swapped out.  Without the right to
     * lock, the writes just before the clone serve nearly as well. */
    (void)mlock(service->ledger, sizeof(*service->ledger));
}

void service_begin(struct service *service, bool spare)
{
    map_ledger(service);
    /* The leash of protocol.h. */
    if (fcntl(PROTOCOL_SOCKET, F_SETFD, FD_CLOEXEC) != 0 ||
        fcntl(PROTOCOL_SOCKET, F_SETOWN, getpid()) != 0)
        log_die(1, "dispatcher: fcntl: %m");
    /* Away from the terminal's job control.  Not by a session of its own, which to the kernel would
     * be one more that all others have to share the processors with (sched(7), autogrouping): it
     * would be preferred to the handlers that it starts, and disturb them one by one.  Fails only
     * for the leader of a session, and a process that was forked is none. */
    (void)setpgid(0, 0);
    /* Executed through a descriptor, the name would be the descriptor's number. */
    (void)prctl(PR_SET_NAME, spare ? "dispatcher-spare" : "dispatcher");
    prepare_signals(service);
    reply_ready();
}

/* Waits for something to do. */
static int look(struct pollfd events[2])
{
    int timeout = start_timeout();

    reply_flush();
    return poll(events, 2, timeout < 0 ? oom_timeout() : timeout);
}

static void pass_time(void)
{
    if (start_is_idle())
        oom_protect();
    else
        start_rest();
}

_Noreturn void service_run(struct service *service)
{
    for (;;) {
        struct pollfd events[] = {
            {.fd = PROTOCOL_SOCKET, .events = POLLIN},
            {.fd = service->signals, .events = POLLIN},
        };
        int count = look(events);

        if (count < 0) {
            if (errno != EINTR && !reply_lacks_memory())
                log_die(1, "dispatcher: poll: %m");
            continue;
        }
        if (count == 0)
            pass_time();
        if (events[0].revents != 0)
            take_requests(service);
        start_collect();
        if (events[1].revents != 0) {
            take_signal(service->signals);
            reap();
        }
    }
}
