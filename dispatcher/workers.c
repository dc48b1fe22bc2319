#include "dispatcher/workers.h"

#include "dispatcher/clock.h"
#include "dispatcher/ledger.h"
#include "dispatcher/reply.h"
#include "dispatcher/shared/interrupter.h"
#include "dispatcher/shared/log.h"
#include "dispatcher/shared/release.h"
#include "dispatcher/shared/rights.h"

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    LEAVE_WITHIN = 10000000, /* microseconds, */
    CROWD = 64,              /* or if more are about to leave: */
    CROWD_WITHIN = 1000000,
    END_WITHIN = 500000, /* at the end of the dispatcher */
    EVENTS_AT_ONCE = 64
};

/* The lists.  The idle worker that became idle last is the first; of others, the first comes
 * first. */
enum state {
    BUSY,    /* has a client */
    IDLE,    /* waits for one */
    LEAVING, /* was told to leave, at `since` */
    KILLED,  /* was killed, and will be reaped */
    STATES
};

struct worker {
    struct worker *next;
    struct worker *previous;
    enum state state;
    int32_t process;
    int socket;     /* our end; -1: closed */
    int far;        /* the worker's end, until its exec is over; else -1 */
    bool limited;   /* `left` counts */
    bool retired;   /* gets no other client */
    uint32_t left;  /* clients */
    uint64_t since; /* of IDLE and LEAVING */
};

static struct {
    const struct spawn_command *command; /* NULL: handlers are no workers */
    int events;                          /* an epoll(7) instance of the sockets */
    uint64_t most;                       /* sockets */
    uint64_t open;                       /* sockets */
    bool interrupts;                     /* descriptors can come from workers */
    struct worker *first[STATES];
    struct worker *last[STATES];
    uint32_t count[STATES];
} workers = {.events = -1};

/* Where the kernel enters workers at their clone: the supervisor learns of them when they have a
 * client. */
static struct ledger_slot unseen[PROTOCOL_SLOTS];

/* ---- lists ---- */

static void take_out(struct worker *worker)
{
    const enum state state = worker->state;

    *(worker->previous == NULL ? &workers.first[state] : &worker->previous->next) = worker->next;
    *(worker->next == NULL ? &workers.last[state] : &worker->next->previous) = worker->previous;
    workers.count[state]--;
}

static void put(struct worker *worker, enum state state, bool first)
{
    struct worker *next = first ? workers.first[state] : NULL;
    struct worker *previous = first ? NULL : workers.last[state];

    worker->state = state;
    worker->next = next;
    worker->previous = previous;
    *(previous == NULL ? &workers.first[state] : &previous->next) = worker;
    *(next == NULL ? &workers.last[state] : &next->previous) = worker;
    workers.count[state]++;
}

static void move(struct worker *worker, enum state state)
{
    take_out(worker);
    put(worker, state, state == IDLE);
}

static struct worker *find(int32_t process)
{
    for (int state = 0; state < STATES; state++)
        for (struct worker *each = workers.first[state]; each != NULL; each = each->next)
            if (each->process == process)
                return each;
    return NULL;
}

/* ---- beginning and end of a worker ---- */

/* Keeps the calls between begin and end from waiting for a file that a process has sent along. */
static void begin_to_interrupt(bool needed)
{
    if (!needed)
        return;
    interrupter_prepare(true);
    interrupter_begin();
}

static void end_to_interrupt(bool needed)
{
    if (!needed)
        return;
    interrupter_end();
    interrupter_prepare(false);
}

/* Closes our end: the worker leaves when it is idle.  What it has sent is released first, because
 * it may have sent a descriptor whose close would block. */
static void close_socket(struct worker *worker)
{
    if (worker->socket < 0)
        return;
    /* A child between clone and exec may have a copy: the kernel would go on watching it. */
    (void)epoll_ctl(workers.events, EPOLL_CTL_DEL, worker->socket, NULL);
    (void)shutdown(worker->socket, SHUT_RDWR);
    begin_to_interrupt(workers.interrupts);
    rights_drain(worker->socket);
    end_to_interrupt(workers.interrupts);
    (void)close(worker->socket); /* it is empty */
    worker->socket = -1;
    workers.open--;
}

static bool is_of_unix_socket(int client)
{
    int domain = AF_UNIX;
    socklen_t length = sizeof(domain);

    return getsockopt(client, SOL_SOCKET, SO_DOMAIN, &domain, &length) != 0 || domain == AF_UNIX;
}

/* Closes the worker's end: the worker has it, or is dead.  A dead one may have left its client
 * there, whose last close would block: a copy is released after that. */
static void close_far(struct worker *worker)
{
    char bytes[1];
    int client = -1;
    unsigned count = 1;
    int flags = MSG_DONTWAIT | MSG_PEEK;
    bool interrupts;

    if (worker->far < 0)
        return;
    if (rights_receive(worker->far, bytes, sizeof(bytes), &client, &count, &flags) < 0 ||
        count == 0)
        client = -1;
    (void)close(worker->far);
    worker->far = -1;
    if (client < 0)
        return;
    interrupts = is_of_unix_socket(client) && interrupter_is_needed(client);
    if (interrupts)
        spawn_await_apart(); /* children may have copies of the end with the client */
    begin_to_interrupt(interrupts);
    release(client);
    end_to_interrupt(interrupts);
}

static void leave(struct worker *worker)
{
    close_socket(worker);
    worker->since = clock_microseconds();
    move(worker, LEAVING);
}

static void kill_group(struct worker *worker)
{
    (void)kill(-worker->process, SIGKILL); /* a child that was not reaped */
    (void)kill(worker->process, SIGKILL);  /* it may lead no group yet */
}

static void forget(struct worker *worker)
{
    close_socket(worker);
    close_far(worker);
    take_out(worker);
    free(worker);
}

/* Has idle workers leave, and kills those that have not left in a moment: no process knows of them
 * after the end of the dispatcher. */
static void end_all(void)
{
    const uint64_t until = clock_microseconds() + END_WITHIN;
    struct worker *worker;

    while (workers.first[IDLE] != NULL)
        leave(workers.first[IDLE]);
    while ((worker = workers.first[LEAVING]) != NULL) {
        bool alive = waitpid(worker->process, NULL, WNOHANG) == 0;

        if (alive && clock_microseconds() < until) {
            (void)poll(NULL, 0, 1); /* millisecond */
            continue;
        }
        if (alive)
            kill_group(worker);
        move(worker, KILLED);
    }
}

void workers_open(const struct spawn_command *command)
{
    struct rlimit limit;

    if (command->setup->persistent == 0)
        return;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        log_bug("dispatcher: getrlimit: %m");
    (void)atexit(end_all); /* without it, they leave when they like */
    workers.command = command;
    workers.most =
        limit.rlim_cur > PROTOCOL_NOT_FOR_WORKERS ? limit.rlim_cur - PROTOCOL_NOT_FOR_WORKERS : 1;
    workers.events = epoll_create1(EPOLL_CLOEXEC);
    if (workers.events < 0)
        log_die(1, "dispatcher: cannot watch workers: %m");
}

int workers_descriptor(void)
{
    return workers.events;
}

/* Returns the number of clients after which a worker leaves: not the same for all, so that they do
 * not leave together. */
static uint32_t clients_of(int32_t process)
{
    const uint64_t most = workers.command->setup->max_requests;
    const uint64_t tenth = most / 10;

    return (uint32_t)(most - tenth + ((uint32_t)process * 0x9e3779b1u >> 8) % (2 * tenth + 1));
}

static struct worker *start(unsigned place)
{
    const uint32_t most = workers.command->setup->max_requests;
    struct worker *worker = workers.open < workers.most ? malloc(sizeof(*worker)) : NULL;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = worker};
    int pair[2];

    if (worker == NULL) {
        errno = workers.open < workers.most ? ENOMEM : EMFILE;
        return NULL;
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        free(worker);
        return NULL;
    }
    *worker = (struct worker){.socket = pair[0], .far = pair[1], .limited = most > 0};
    interrupter_refuse_descriptors(worker->socket);
    workers.interrupts |= interrupter_is_needed(worker->socket);
    workers.open++;
    put(worker, BUSY, false);
    worker->process =
        epoll_ctl(workers.events, EPOLL_CTL_ADD, worker->socket, &event) != 0
            ? -1
            : spawn_begin(workers.command, place, environ, worker->far, NULL, &unseen[place]);
    if (worker->process < 0) {
        int error = errno;

        forget(worker);
        errno = error;
        return NULL;
    }
    worker->left = worker->limited ? clients_of(worker->process) : 0;
    return worker;
}

/* ---- clients ---- */

static bool give(struct worker *worker, struct ledger *ledger, unsigned slot, char *block,
                 size_t length, int client)
{
    if (ledger_hand_over(ledger, slot, worker->process, worker->socket, block, length, client) != 0)
        return false;
    worker->left -= worker->limited;
    return true;
}

/* A worker that has closed its end is dead, or about to end. */
static bool has_closed(int error)
{
    return error == EPIPE || error == ECONNRESET || error == ENOTCONN;
}

struct worker *workers_give(struct ledger *ledger, unsigned slot, char *block, size_t length,
                            int client)
{
    struct worker *next;

    for (struct worker *worker = workers.first[IDLE]; worker != NULL; worker = next) {
        next = worker->next;
        if (give(worker, ledger, slot, block, length, client)) {
            move(worker, BUSY);
            return worker;
        }
        if (has_closed(errno))
            leave(worker);
        else if (errno != EAGAIN)
            return NULL;
    }
    errno = EAGAIN;
    return NULL;
}

struct worker *workers_begin(struct ledger *ledger, unsigned slot, char *block, size_t length,
                             int client)
{
    struct worker *worker = start(slot);
    int error;

    if (worker == NULL || give(worker, ledger, slot, block, length, client))
        return worker;
    error = errno;
    kill_group(worker);
    while (waitpid(worker->process, NULL, 0) < 0 && errno == EINTR)
        ;
    spawn_forget(slot);
    forget(worker);
    errno = error;
    return NULL;
}

int32_t workers_process(const struct worker *worker)
{
    return worker->process;
}

void workers_settle(struct worker *worker)
{
    close_far(worker);
}

int workers_take_back(struct worker *worker)
{
    char bytes[1];
    int client = -1;
    unsigned count = 1;
    int flags = MSG_DONTWAIT;

    if (rights_receive(worker->far, bytes, sizeof(bytes), &client, &count, &flags) < 0 ||
        count == 0)
        client = -1;
    forget(worker);
    return client;
}

/* ---- what workers say ---- */

static void punish(struct worker *worker)
{
    log_warning("worker %d sent something other than one byte for one client: killing it",
                worker->process);
    kill_group(worker);
    close_socket(worker);
    move(worker, KILLED);
}

static void become_idle(struct worker *worker)
{
    if (worker->retired || (worker->limited && worker->left == 0)) {
        leave(worker);
        return;
    }
    worker->since = clock_microseconds();
    move(worker, IDLE);
}

/* A byte that came before that would count for this client, and the next one for another. */
static bool has_taken_client(const struct worker *worker)
{
    int unread;

    return ioctl(worker->socket, SIOCOUTQ, &unread) == 0 && unread == 0;
}

/* Returns true if another byte is there, which would count for the next client. */
static bool has_said_more(const struct worker *worker)
{
    char byte;

    return recv(worker->socket, &byte, sizeof(byte), MSG_PEEK | MSG_DONTWAIT) > 0;
}

static void hear(struct worker *worker, bool (*ready)(int32_t process))
{
    char bytes[2];
    unsigned none = 0;
    int flags = MSG_DONTWAIT;
    ssize_t length;

    begin_to_interrupt(workers.interrupts);
    length = rights_receive(worker->socket, bytes, sizeof(bytes), NULL, &none, &flags);
    end_to_interrupt(workers.interrupts);
    if (length < 0) {
        if (errno != EAGAIN && !reply_lacks_memory())
            log_bug("dispatcher: cannot read from a worker: %m");
    } else if (length == 0 && worker->state == BUSY) {
        close_socket(worker); /* it can say nothing any more: its end is its client's */
    } else if (length == 0) {
        leave(worker);
    } else if (length == 1 && (flags & (MSG_TRUNC | MSG_CTRUNC)) == 0 && worker->state == BUSY &&
               has_taken_client(worker) && !has_said_more(worker) && ready(worker->process)) {
        become_idle(worker);
    } else {
        punish(worker);
    }
}

void workers_hear(bool (*ready)(int32_t process))
{
    struct epoll_event events[EVENTS_AT_ONCE];
    int count = epoll_wait(workers.events, events, EVENTS_AT_ONCE, 0);

    for (int i = 0; i < count; i++)
        hear(events[i].data.ptr, ready);
}

/* ---- their end ---- */

void workers_retire(int32_t process)
{
    struct worker *worker = find(process);

    if (worker != NULL)
        worker->retired = true;
}

void workers_reaped(int32_t process, int status)
{
    struct worker *worker = find(process);

    if (worker == NULL)
        return;
    if (worker->state != BUSY && worker->state != KILLED && !worker->retired && status != 0)
        log_warning("worker %d, which had no client, %s %d", process,
                    WIFSIGNALED(status) ? "was killed by signal" : "exited with status",
                    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    forget(worker);
}

/* Returns the worker that has been idle longest, if there are too many. */
static struct worker *surplus(void)
{
    const uint32_t spare = workers.command->setup->spare;

    return workers.count[IDLE] > spare ? workers.last[IDLE] : NULL;
}

/* Returns the time that workers have to leave.  The longer, the more of them there can be. */
static uint64_t leave_within(void)
{
    return workers.count[LEAVING] > CROWD ? CROWD_WITHIN : LEAVE_WITHIN;
}

/* Returns when workers_advance() has something to do; 0: never. */
static uint64_t deadline(void)
{
    const struct worker *leaving = workers.first[LEAVING];
    const struct worker *idle = surplus();
    uint64_t first = leaving == NULL ? 0 : leaving->since + leave_within();
    uint64_t second =
        idle == NULL ? 0 : idle->since + workers.command->setup->spare_timeout * UINT64_C(1000);

    return first == 0 || (second != 0 && second < first) ? second : first;
}

int workers_timeout(void)
{
    uint64_t then = workers.command == NULL ? 0 : deadline();
    uint64_t now = then == 0 ? 0 : clock_microseconds();
    uint64_t wait = then > now ? (then - now) / 1000 + 1 : 0;

    return then == 0 ? -1 : wait > INT32_MAX ? INT32_MAX : (int)wait;
}

void workers_advance(void)
{
    const uint64_t allowed = workers.command->setup->spare_timeout * UINT64_C(1000);
    const uint64_t now = clock_microseconds();
    struct worker *worker;

    while ((worker = surplus()) != NULL && worker->since + allowed <= now)
        leave(worker);
    while ((worker = workers.first[LEAVING]) != NULL && worker->since + leave_within() <= now) {
        log_warning("worker %d has not left within %d s: killing it", worker->process,
                    (int)(leave_within() / 1000000));
        kill_group(worker);
        move(worker, KILLED);
    }
}
