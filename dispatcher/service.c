#include "dispatcher/service.h"

#include "dispatcher/children.h"
#include "dispatcher/ledger.h"
#include "dispatcher/reply.h"
#include "dispatcher/shared/interrupter.h"
#include "dispatcher/shared/log.h"
#include "dispatcher/shared/oom.h"
#include "dispatcher/shared/release.h"
#include "dispatcher/start.h"
#include "dispatcher/workers.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- requests ---- */

/* Returns true if the request's process leads the group of this client's handler now. */
static bool is_handler(const struct message_signal *request)
{
    const struct child_record *child = children_find(request->process);

    return child != NULL && child->ticket == request->header.ticket;
}

static void signal_handler(const struct message_signal *request)
{
    union message answer = reply_to(&request->header, MESSAGE_SIGNALLED);

    if (request->process <= 1 || (request->signal != SIGTERM && request->signal != SIGKILL))
        log_error("dispatcher: the supervisor asked for signal %d to process group %d: ignoring it",
                  request->signal, request->process);
    else if (is_handler(request)) {
        if (kill(-request->process, request->signal) != 0)
            log_warning("dispatcher: cannot send signal %d to process group %d: %m",
                        request->signal, request->process);
        workers_retire(request->process);
    }
    reply_send(&answer, NULL);
}

static void list(const struct child_record *child)
{
    union message message;

    wire_header(&message, MESSAGE_LISTED, child->client, child->ticket);
    message.listed.process = child->process;
    message.listed.started = !start_is_under_way(child->process);
    reply_send(&message, NULL);
}

static void call_roll(const union message *request)
{
    union message rolled = reply_to(&request->header, MESSAGE_ROLLED);

    start_end_failed();
    children_each(list);
    reply_send(&rolled, NULL);
}

static void carry_out(struct service *service, const union message *message, int descriptor)
{
    union message pong;

    switch (message->header.type) {
    case MESSAGE_START:
        /* A dispatcher executes nothing except the command it was started with. */
        start_begin(&service->command, service->ledger, &message->start, descriptor);
        service->clients[service->client_count++] = descriptor;
        service->interrupts |=
            message->start.remote.family == AF_UNIX && interrupter_is_needed(descriptor);
        break;
    case MESSAGE_SIGNAL:
        signal_handler(&message->signal);
        break;
    case MESSAGE_ROLL:
        call_roll(message);
        break;
    default: /* PING */
        pong = reply_to(&message->header, MESSAGE_PONG);
        reply_send(&pong, NULL);
        break;
    }
}

/* Takes the packet off the socket, so that its requests are not carried out twice.  That closes the
 * kernel's copies of its clients; ours may be the last ones now, and release() does not block. */
static void finish_packet(struct service *service)
{
    while (wire_consume(&service->inbox, PROTOCOL_SOCKET) != 0)
        if (!reply_lacks_memory())
            log_die(1, "dispatcher: cannot take a request off the socket: %m");
    while (service->client_count > 0)
        release(service->clients[--service->client_count]);
}

static void consume(struct service *service)
{
    if (!service->interrupts) {
        finish_packet(service);
        return;
    }
    if (service->client_count > 1)
        spawn_await_apart(); /* each child has copies of the packet's other clients */
    interrupter_prepare(true);
    interrupter_begin();
    finish_packet(service);
    interrupter_end();
    interrupter_prepare(false);
    service->interrupts = false;
}

static const unsigned permitted = WIRE_TYPE(MESSAGE_START) | WIRE_TYPE(MESSAGE_SIGNAL) |
                                  WIRE_TYPE(MESSAGE_PING) | WIRE_TYPE(MESSAGE_ROLL);

static void take_request(struct service *service)
{
    union message message;
    int descriptor;

    switch (wire_receive(&service->inbox, PROTOCOL_SOCKET, permitted, &message, &descriptor,
                         MSG_DONTWAIT | MSG_PEEK)) {
    case WIRE_MESSAGE:
        carry_out(service, &message, descriptor);
        break;
    case WIRE_NO_DESCRIPTOR:
        /* The clients are safe in the packet: the supervisor takes them back when this process is
         * gone. */
        log_die(1, "dispatcher: cannot receive the descriptors of clients; is its limit too low?");
    case WIRE_MALFORMED:
        log_error("dispatcher: the supervisor violated the protocol: ignoring its request");
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

/* Takes one packet; poll(2) reports the next one.  A malformed packet is logged and has no
 * effect. */
static void take_requests(struct service *service)
{
    do {
        take_request(service);
    } while (wire_is_left(&service->inbox));
    consume(service);
}

/* ---- ended handlers ---- */

static uint64_t microseconds(struct timeval time)
{
    return (uint64_t)time.tv_sec * 1000000u + (uint64_t)time.tv_usec;
}

/* No other group gets a number that is in use.  The members may have changed their user. */
static bool has_leftovers(int32_t process)
{
    return kill(-process, 0) == 0 || errno == EPERM;
}

static void report_exited(const struct service *service, int32_t process, int status,
                          const struct rusage *usage)
{
    const struct child_record *child;
    union message message;

    start_reaped(process, status);
    child = children_find(process);
    workers_reaped(process, status);
    if (child == NULL)
        return; /* an idle worker; or a handler made it our child, with CLONE_PARENT */
    wire_header(&message, MESSAGE_EXITED, child->client, child->ticket);
    message.exited.status = status;
    message.exited.memory = (uint32_t)usage->ru_maxrss;
    message.exited.user_time = microseconds(usage->ru_utime);
    message.exited.system_time = microseconds(usage->ru_stime);
    message.exited.leftovers =
        service->command.setup->find_leftovers != 0 && has_leftovers(process);
    reply_send(&message, NULL);
    children_remove(process);
}

/* A worker has finished its client. */
static bool report_ready(int32_t process)
{
    const struct child_record *child = children_find(process);
    union message message;

    if (child == NULL || !start_settle(process))
        return false;
    wire_header(&message, MESSAGE_EXITED, child->client, child->ticket);
    message.exited.finished = 1;
    reply_send(&message, NULL);
    children_remove(process);
    return true;
}

/* Reads the one SIGCHLD that can be pending.  It may stand for many children: reaps until none is
 * left. */
static void reap(const struct service *service)
{
    struct signalfd_siginfo information;

    if (read(service->signals, &information, sizeof(information)) < 0 && errno != EAGAIN &&
        errno != EINTR)
        log_bug("dispatcher: cannot read signals: %m");
    for (;;) {
        struct rusage usage;
        int status;
        pid_t process = wait4(-1, &status, WNOHANG, &usage);

        if (process > 0)
            report_exited(service, process, status, &usage);
        else if (process == 0 || errno == ECHILD)
            return;
        else if (errno != EINTR)
            log_bug("dispatcher: wait4: %m");
    }
}

/* ---- beginning, and work ---- */

/* Handlers inherit the dispositions.  All signals stay blocked in the dispatcher: neither a
 * terminal nor a service manager that signals every process may end it before its supervisor. */
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

void service_begin(struct service *service)
{
    union message ready = reply_to(&(struct message_header){0}, MESSAGE_READY);

    service->ledger = ledger_map(service->command.setup->persistent != 0);
    workers_open(&service->command);
    if (fcntl(PROTOCOL_SOCKET, F_SETFD, FD_CLOEXEC) != 0)
        log_die(1, "dispatcher: fcntl: %m");
    /* Leaves the terminal's job control.  A session of its own would do that, too, but would make
     * the dispatcher an autogroup (sched(7)): the kernel would prefer it to its handlers and
     * preempt them.  Fails only for a session leader, which a forked process is not. */
    (void)setpgid(0, 0);
    /* After fexecve(3) the name is the descriptor's number. */
    (void)prctl(PR_SET_NAME, "dispatcher");
    prepare_signals(service);
    reply_send(&ready, NULL);
}

/* Returns the earlier of two timeouts of poll(2). */
static int earlier(int one, int other)
{
    return one < 0 || (other >= 0 && other < one) ? other : one;
}

/* Waits for events, and does what is due when there is none.  Returns false if there is none. */
static bool await(struct pollfd *events, nfds_t number)
{
    int starts = start_timeout();
    int rest = starts < 0 ? oom_timeout() : starts;
    int timeout = earlier(rest, workers_timeout());
    int count = poll(events, number, timeout);

    if (count < 0) {
        if (errno != EINTR && !reply_lacks_memory())
            log_die(1, "dispatcher: poll: %m");
        return false;
    }
    if (count == 0 && timeout == rest && starts < 0)
        oom_protect();
    else if (count == 0 && timeout == rest)
        start_rest();
    return true;
}

/* Workers that are ready or dead are noticed before the next clients are given away.  Their EXITED
 * is sent before, because it must precede the worker's next client. */
static void look_after_workers(const struct service *service, bool said, bool died)
{
    if (said)
        workers_hear(report_ready);
    if (died)
        reap(service);
    reply_flush();
}

_Noreturn void service_run(struct service *service)
{
    const bool with_workers = workers_descriptor() >= 0;

    for (;;) {
        struct pollfd events[] = {
            {.fd = PROTOCOL_SOCKET, .events = POLLIN},
            {.fd = service->signals, .events = POLLIN},
            {.fd = workers_descriptor(), .events = POLLIN},
        };

        reply_flush();
        if (!await(events, with_workers ? 3 : 2))
            continue;
        if (with_workers)
            look_after_workers(service, events[2].revents != 0, events[1].revents != 0);
        if (events[0].revents != 0)
            take_requests(service);
        start_collect();
        if (with_workers)
            workers_advance();
        else if (events[1].revents != 0)
            reap(service);
    }
}
