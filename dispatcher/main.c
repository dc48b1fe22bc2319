/*
 * dispatcher - starts handlers for the supervisor and tells it how they ended.
 *
 * Not started by people.  The contract is protocol.h: what it is given, what it answers, and why a
 * client's handler is started exactly once.
 */
#include "dispatcher/children.h"
#include "dispatcher/environment.h"
#include "dispatcher/log.h"
#include "dispatcher/spawn.h"
#include "dispatcher/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct dispatcher {
    struct spawn_command command;
    struct ledger *ledger;
    int signals;
};

/* The supervisor is gone or has closed its end: nothing is left to do.  Handlers go on. */
static _Noreturn void leave(void)
{
    exit(0);
}

/* Whether it is memory that the kernel lacks; if so, waits a moment for some to come free. */
static bool lacks_memory(void)
{
    if (errno != ENOMEM && errno != ENOBUFS && errno != EAGAIN)
        return false;
    (void)poll(NULL, 0, 10); /* milliseconds; a signal may cut it short */
    return true;
}

static void reply(const union message *message)
{
    /* Waits if the supervisor is behind: there is nothing better to do. */
    while (wire_send(PROTOCOL_SOCKET, message, -1, 0) != 0) {
        if (errno == EPIPE || errno == ECONNRESET)
            leave();
        if (!lacks_memory())
            log_die(1, "dispatcher: cannot answer the supervisor: %m");
    }
}

static void reply_failed(const struct message_header *request, int error)
{
    union message message;

    wire_header(&message, MESSAGE_FAILED, request->client, request->ticket);
    message.failed.error = error;
    reply(&message);
}

static void reply_started(const struct message_header *request, int32_t process)
{
    union message message;

    wire_header(&message, MESSAGE_STARTED, request->client, request->ticket);
    message.started.process = process;
    reply(&message);
}

/* The only thing that this process can be made to execute is the command it was started with. */
static void start(struct dispatcher *dispatcher, const struct message_start *request, int client)
{
    struct ledger_slot *slot = &dispatcher->ledger->slots[request->slot];
    int error = children_reserve() == 0 ? 0 : errno;

    if (error == 0)
        error = spawn_handler(&dispatcher->command, environment_for(request), client, slot);
    /* Before the answer: the client must see the end of the connection when its handler closes it,
     * and the supervisor closes its own copy at STARTED.  Nothing can be lost by close(2) here. */
    (void)close(client);
    if (error != 0) {
        reply_failed(&request->header, error);
        return;
    }
    children_add((struct child_record){.process = slot->process,
                                       .client = request->header.client,
                                       .ticket = request->header.ticket});
    reply_started(&request->header, slot->process);
}

static void signal_handler(const struct message_signal *request)
{
    const struct child_record *child = children_find(request->process);

    if (child == NULL || child->ticket != request->header.ticket)
        return; /* it has ended, and EXITED is on its way */
    if (kill(-request->process, request->signal) != 0)
        log_warning("dispatcher: cannot send signal %d to process group %d: %m", request->signal,
                    request->process);
}

static uint64_t microseconds(struct timeval time)
{
    return (uint64_t)time.tv_sec * 1000000u + (uint64_t)time.tv_usec;
}

static void report_exited(int32_t process, int status, const struct rusage *usage)
{
    struct child_record child;
    union message message;

    if (!children_remove(process, &child))
        return; /* a handler has made it a child of ours, by CLONE_PARENT; it is nobody's client */
    wire_header(&message, MESSAGE_EXITED, child.client, child.ticket);
    message.exited.status = status;
    message.exited.memory = (uint32_t)usage->ru_maxrss;
    message.exited.user_time = microseconds(usage->ru_utime);
    message.exited.system_time = microseconds(usage->ru_stime);
    reply(&message);
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

/* Takes all requests that are there.  A request that is not of the protocol is refused and logged:
 * it starts nothing and changes nothing. */
static void take_requests(struct dispatcher *dispatcher)
{
    for (;;) {
        union message message;
        int client;

        switch (wire_receive(PROTOCOL_SOCKET, WIRE_TYPE(MESSAGE_START) | WIRE_TYPE(MESSAGE_SIGNAL),
                             &message, &client, MSG_DONTWAIT)) {
        case WIRE_MESSAGE:
            if (message.header.type == MESSAGE_SIGNAL) {
                signal_handler(&message.signal);
            } else if (message.start.slot < PROTOCOL_SLOTS) {
                start(dispatcher, &message.start, client);
            } else {
                (void)close(client);
                log_error("dispatcher: refused a request for slot %u", message.start.slot);
            }
            break;
        case WIRE_NO_DESCRIPTOR:
            reply_failed(&message.header, EMFILE);
            break;
        case WIRE_MALFORMED:
            log_error("dispatcher: refused a request that is not of the protocol");
            break;
        case WIRE_EMPTY:
            return;
        case WIRE_CLOSED:
            leave();
        case WIRE_ERROR:
            if (!lacks_memory())
                log_die(1, "dispatcher: cannot receive from the supervisor: %m");
            return;
        }
    }
}

/* Handlers inherit the dispositions; all signals stay blocked here, so that neither a terminal nor
 * a service manager that signals every process ends a dispatcher before its supervisor does. */
static void prepare_signals(struct dispatcher *dispatcher)
{
    sigset_t set;

    for (int signal_number = 1; signal_number <= SIGRTMAX; signal_number++)
        (void)signal(signal_number, SIG_DFL); /* refused for SIGKILL, SIGSTOP and libc's own */
    (void)sigfillset(&set);
    if (sigprocmask(SIG_SETMASK, &set, NULL) != 0)
        log_die(1, "dispatcher: sigprocmask: %m");
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGCHLD);
    dispatcher->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (dispatcher->signals < 0)
        log_die(1, "dispatcher: signalfd: %m");
}

static void prepare(struct dispatcher *dispatcher, char **argv)
{
    union message ready;

    dispatcher->command = (struct spawn_command){.path = argv[1], .arguments = argv + 2};
    dispatcher->ledger = mmap(NULL, sizeof(*dispatcher->ledger), PROT_READ | PROT_WRITE, MAP_SHARED,
                              PROTOCOL_LEDGER, 0);
    if (dispatcher->ledger == MAP_FAILED)
        log_die(1, "dispatcher: cannot map the ledger: %m");
    (void)close(PROTOCOL_LEDGER); /* the mapping stays */
    /* The kernel's write at clone must not meet a page that is swapped out.  Without the right to
     * lock, the writes just before the clone serve nearly as well. */
    (void)mlock(dispatcher->ledger, sizeof(*dispatcher->ledger));
    if (fcntl(PROTOCOL_SOCKET, F_SETFD, FD_CLOEXEC) != 0)
        log_die(1, "dispatcher: fcntl: %m");

    /* Away from the terminal's job control.  Fails only for the leader of a group, which then has
     * been given what this is for. */
    (void)setsid();
    /* Executed through a descriptor, the name would be the descriptor's number. */
    (void)prctl(PR_SET_NAME, "dispatcher");
    prepare_signals(dispatcher);
    if (environment_prepare(environ) != 0)
        log_die(1, "dispatcher: cannot prepare the environment: %m");

    wire_header(&ready, MESSAGE_READY, 0, 0);
    reply(&ready);
}

static _Noreturn void serve(struct dispatcher *dispatcher)
{
    struct pollfd events[] = {
        {.fd = PROTOCOL_SOCKET, .events = POLLIN},
        {.fd = dispatcher->signals, .events = POLLIN},
    };

    for (;;) {
        if (poll(events, 2, -1) < 0) {
            if (errno != EINTR && !lacks_memory())
                log_die(1, "dispatcher: poll: %m");
            continue;
        }
        if (events[1].revents != 0) {
            take_signal(dispatcher->signals);
            reap();
        }
        if (events[0].revents != 0)
            take_requests(dispatcher);
    }
}

int main(int argc, char **argv)
{
    static struct dispatcher dispatcher;
    struct stat status;

    log_open(LOG_LEVEL_WARNING);
    if (argc < 3 || fstat(PROTOCOL_SOCKET, &status) != 0 || !S_ISSOCK(status.st_mode))
        log_die(2, "dispatcher: started by socket-burst-dampener only, not by hand");
    prepare(&dispatcher, argv);
    serve(&dispatcher);
}
