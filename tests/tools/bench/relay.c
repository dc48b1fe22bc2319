/*
 * relay ADDRESS WORKERS PROGRAM [ARG]... - hands each client to a worker, through two processes.
 *
 * The acceptor accepts clients and passes them to the dispatcher; the dispatcher passes each to an
 * idle worker.  There is nothing else: no records, variables, ledger, time-outs or log.  So relay
 * shows what a daemon of this structure can serve at most.
 *
 * PROGRAM is the path of a worker as in dispatcher/protocol.h, "WORKERS"; the block of a client is
 * one NUL.  At most WORKERS clients are with dispatcher and workers.  All others wait in the
 * kernel's backlog.
 *
 * ADDRESS is numeric.  Prints "ADDRESS PORT" once it listens, on a free port, and goes on until it
 * is killed or a worker ends.  Then all of its processes end.
 */
#include "tests/tools/bench/listener.h"

#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    /* The messages of so many clients fit into each socket, so no send waits for room. */
    WORKERS_MOST = 200,

    BATCH = 16, /* clients in a message to the dispatcher */
    EVENTS = 64
};

union control {
    struct cmsghdr header;
    char space[CMSG_SPACE(BATCH * sizeof(int))];
};

/* ---- both processes ---- */

/* Sends one NUL with the clients, and closes them here. */
static void pass_clients(int socket, const int *clients, unsigned count)
{
    union control control = {.header = {.cmsg_level = SOL_SOCKET,
                                        .cmsg_type = SCM_RIGHTS,
                                        .cmsg_len = (socklen_t)CMSG_LEN(count * sizeof(int))}};
    char nul = '\0';
    struct iovec part = {&nul, sizeof(nul)};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = (socklen_t)CMSG_SPACE(count * sizeof(int))};

    memcpy(CMSG_DATA(&control.header), clients, count * sizeof(int));
    if (sendmsg(socket, &message, MSG_NOSIGNAL) != sizeof(nul))
        err(1, "cannot pass clients on");
    for (unsigned i = 0; i < count; i++)
        (void)close(clients[i]);
}

/* Reports to the acceptor that so many more workers are idle. */
static void send_report(int acceptor, unsigned workers)
{
    if (send(acceptor, &workers, sizeof(workers), MSG_NOSIGNAL) == sizeof(workers))
        return;
    if (errno == EPIPE)
        exit(0); /* the acceptor was killed */
    err(1, "cannot report idle workers");
}

/* ---- the dispatcher ---- */

static struct {
    int acceptor;
    int events; /* of epoll(7); the data of a worker's event is its index, the acceptor's is
                 * WORKERS_MOST */
    int workers[WORKERS_MOST];
    unsigned idle[WORKERS_MOST]; /* indices of workers */
    unsigned idle_count;
} dispatcher;

/* Executes the program with one end of a pair as descriptor 0, and returns the other end. */
static int start_worker(char **command)
{
    posix_spawn_file_actions_t actions;
    int pair[2];
    pid_t process;
    int error;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        err(1, "socketpair");
    error = posix_spawn_file_actions_init(&actions);
    if (error == 0)
        error = posix_spawn_file_actions_adddup2(&actions, pair[1], STDIN_FILENO);
    if (error == 0)
        error = posix_spawn(&process, command[0], &actions, NULL, command, environ);
    if (error != 0) {
        errno = error;
        err(1, "%s", command[0]);
    }
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)close(pair[1]);
    return pair[0];
}

static void watch(int socket, uint32_t index)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = index};

    if (epoll_ctl(dispatcher.events, EPOLL_CTL_ADD, socket, &event) != 0)
        err(1, "epoll_ctl");
}

/* Reads the byte of a worker that is ready for its next client. */
static void take_worker(uint32_t index)
{
    char byte;

    if (recv(dispatcher.workers[index], &byte, sizeof(byte), 0) != sizeof(byte))
        errx(1, "a worker has ended");
    dispatcher.idle[dispatcher.idle_count++] = index;
}

/* Passes on the clients of one message.  The acceptor sends no more than there are idle workers. */
static void take_clients(void)
{
    union control control;
    int clients[BATCH];
    char nul;
    struct iovec part = {&nul, sizeof(nul)};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    ssize_t received = recvmsg(dispatcher.acceptor, &message, MSG_CMSG_CLOEXEC);
    size_t count;

    if (received == 0)
        exit(0); /* the acceptor was killed */
    if (received < 0 || message.msg_controllen < CMSG_LEN(sizeof(int)) ||
        message.msg_flags & MSG_CTRUNC)
        errx(1, "cannot receive clients");
    count = (control.header.cmsg_len - CMSG_LEN(0)) / sizeof(int);
    memcpy(clients, CMSG_DATA(&control.header), count * sizeof(int));
    for (size_t i = 0; i < count; i++)
        pass_clients(dispatcher.workers[dispatcher.idle[--dispatcher.idle_count]], &clients[i], 1);
}

static void dispatch(void)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(dispatcher.events, events, EVENTS, -1);
    bool clients_came = false;
    unsigned ready = 0;

    if (count < 0 && errno != EINTR)
        err(1, "epoll_wait");
    for (int i = 0; i < count; i++) {
        if (events[i].data.u32 == WORKERS_MOST) {
            clients_came = true;
        } else {
            take_worker(events[i].data.u32);
            ready++;
        }
    }
    if (ready > 0)
        send_report(dispatcher.acceptor, ready);
    if (clients_came)
        take_clients();
}

static _Noreturn void run_dispatcher(int acceptor, unsigned workers, char **command)
{
    dispatcher.acceptor = acceptor;
    dispatcher.events = epoll_create1(EPOLL_CLOEXEC);
    if (dispatcher.events < 0)
        err(1, "epoll_create1");
    watch(acceptor, WORKERS_MOST);
    for (unsigned i = 0; i < workers; i++) {
        dispatcher.workers[i] = start_worker(command);
        watch(dispatcher.workers[i], i);
        dispatcher.idle[dispatcher.idle_count++] = i;
    }
    send_report(acceptor, workers);
    for (;;)
        dispatch();
}

/* ---- the acceptor ---- */

/* Returns the acceptor's socket to the dispatcher. */
static int start_dispatcher(unsigned workers, char **command)
{
    int pair[2];
    pid_t process;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        err(1, "socketpair");
    process = fork();
    if (process < 0)
        err(1, "fork");
    (void)close(pair[process == 0 ? 0 : 1]);
    if (process == 0)
        run_dispatcher(pair[1], workers, command);
    return pair[0];
}

static unsigned receive_report(int socket)
{
    unsigned workers;

    if (recv(socket, &workers, sizeof(workers), 0) != sizeof(workers))
        exit(1); /* the dispatcher has said why it ended */
    return workers;
}

/* Accepts and passes on clients, at most one for each idle worker.  Returns their number. */
static unsigned accept_clients(int listener, int socket, unsigned idle)
{
    int clients[BATCH];
    unsigned count = 0;

    while (count < idle && count < BATCH) {
        clients[count] = accept(listener, NULL, NULL);
        if (clients[count] < 0)
            break;
        count++;
    }
    /* A client that has left meanwhile is no reason to end. */
    if (count == 0 && errno != EAGAIN && errno != ECONNABORTED && errno != EINTR)
        err(1, "accept");
    if (count > 0)
        pass_clients(socket, clients, count);
    return count;
}

static _Noreturn void run_acceptor(int listener, int socket, unsigned idle)
{
    for (;;) {
        struct pollfd ready[] = {{.fd = socket, .events = POLLIN},
                                 {.fd = listener, .events = idle > 0 ? POLLIN : 0}};

        if (poll(ready, 2, -1) < 0 && errno != EINTR)
            err(1, "poll");
        if (ready[0].revents != 0)
            idle += receive_report(socket);
        if (ready[1].revents != 0)
            idle -= accept_clients(listener, socket, idle);
    }
}

/* Returns 0 if the text is no number of workers. */
static unsigned parse_workers(const char *text)
{
    char *end;
    unsigned long number = strtoul(text, &end, 10);

    return isdigit((unsigned char)*text) && *end == '\0' && number <= WORKERS_MOST
               ? (unsigned)number
               : 0;
}

int main(int argc, char **argv)
{
    unsigned workers = argc < 4 ? 0 : parse_workers(argv[2]);
    unsigned idle;
    int listener;
    int socket;

    if (workers == 0) {
        (void)fprintf(stderr, "usage: relay ADDRESS WORKERS PROGRAM [ARG]...; 1 to %d workers\n",
                      WORKERS_MOST);
        return 2;
    }
    socket = start_dispatcher(workers, argv + 3);
    idle = receive_report(socket);
    listener = listener_open(argv[1]);
    if (fcntl(listener, F_SETFL, O_NONBLOCK) != 0)
        err(1, "fcntl");
    run_acceptor(listener, socket, idle);
}
