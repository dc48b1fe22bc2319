#include "supervisor/server.h"

#include "dispatcher/log.h"
#include "supervisor/descriptors.h"
#include "supervisor/handlers.h"
#include "supervisor/report.h"
#include "supervisor/shutdown.h"
#include "supervisor/signals.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>

enum {
    ACCEPT_BATCH = 64,        /* clients accepted before other events get their turn */
    LOOK_AGAIN = LOOP_SECOND, /* at the load average, while it holds somebody back */
    RETRY_FIRST = 100 * LOOP_MILLISECOND,
    RETRY_LONGEST = 5 * LOOP_SECOND,
    DESCRIPTORS_SPARE = 4 /* for starting a dispatcher while the queue is full */
};

/* ---- who may start ---- */

static struct admission decide(struct server *server, uint32_t queued)
{
    const struct options *options = server->options;
    struct admission_facts facts = {
        .queued = queued,
        .active = clients_count(&server->clients, CLIENT_STARTING) +
                  clients_count(&server->clients, CLIENT_RUNNING),
        .processes = options->processes,
        .dispatchers = pool_room(&server->pool),
        .starts_failed = backoff_failing(&server->starting),
        .starts_held = backoff_holds(&server->starting, server->loop.now),
        .ending = shutdown_is_ending(server),
    };

    if (options->load_limited && queued > 0)
        facts.load_high = load_average(&server->load, server->loop.now) >= options->load_average;
    return admission_decide(&facts);
}

static void start_clients(struct server *server)
{
    uint32_t start = decide(server, clients_count(&server->clients, CLIENT_QUEUED)).start;

    for (; start > 0; start--) {
        if (handlers_start(server, clients_first(&server->clients, CLIENT_QUEUED)) != 0) {
            /* EAGAIN: all dispatchers have just turned out to be dead, which will be news itself.
             */
            if (errno != EAGAIN) {
                backoff_failed(&server->starting, server->loop.now);
                log_warning("cannot give a client to a dispatcher: %m; trying again");
            }
            return;
        }
        backoff_attempted(&server->starting, server->loop.now);
    }
}

/* ---- who is accepted ---- */

/* Whether one more client can be taken: there is a descriptor for it, and then no more than --queue
 * clients are left that cannot be started at once. */
static bool has_room(struct server *server)
{
    uint32_t queued = clients_count(&server->clients, CLIENT_QUEUED);

    return queued + clients_count(&server->clients, CLIENT_STARTING) < server->capacity &&
           queued + 1 - decide(server, queued + 1).start <= server->options->queue &&
           !backoff_holds(&server->accepting, server->loop.now);
}

/* Leaves the listeners alone until has_room(): what comes stays in the kernel's backlog. */
static void pause_accepting(struct server *server)
{
    for (size_t i = 0; i < server->listener_count; i++)
        loop_ignore(&server->loop, &server->listeners[i].source);
    server->backlog_waits = true;
}

/* Whether accept failed for this one client only (accept(2): pending errors of the new socket). */
static bool concerns_client_only(int error)
{
    switch (error) {
    case EINTR:
    case ECONNABORTED:
    case EPERM:
    case EPROTO:
    case ENOPROTOOPT:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENONET:
    case EOPNOTSUPP:
    case ETIMEDOUT:
        return true;
    default:
        return false;
    }
}

static void accept_failed(struct server *server, int error)
{
    backoff_failed(&server->accepting, server->loop.now);
    errno = error;
    log_warning("cannot accept connections: %m; they wait in the kernel's backlog, next attempt "
                "in %llu ms",
                (unsigned long long)server->accepting.delay / LOOP_MILLISECOND);
    pause_accepting(server);
}

/* In draining, those are taken who were in the backlog when it began, and nobody after them. */
static bool is_drained(const struct server_listener *listener)
{
    return listener->server->stage == SERVER_DRAINING && listener->left == 0;
}

static void close_listener(struct server_listener *listener)
{
    loop_ignore(&listener->server->loop, &listener->source);
    listener_close(listener->listener);
}

static void accept_clients(void *context)
{
    struct server_listener *from = context;
    struct server *server = from->server;

    for (int i = 0; i < ACCEPT_BATCH; i++) {
        struct endpoint remote;
        int descriptor;

        if (is_drained(from)) {
            close_listener(from);
            return;
        }
        if (!has_room(server)) {
            pause_accepting(server);
            return;
        }
        descriptor =
            clients_reserve(&server->clients) == 0 ? listener_accept(from->listener, &remote) : -1;
        if (descriptor >= 0) {
            (void)clients_accept(&server->clients, descriptor, &remote, server->loop.now);
            backoff_succeeded(&server->accepting);
            from->left -= server->stage == SERVER_DRAINING;
        } else if (errno == EAGAIN) {
            from->left = 0; /* some have gone by themselves */
            if (!is_drained(from))
                return;
        } else if (!concerns_client_only(errno)) {
            accept_failed(server, errno);
            return;
        }
    }
}

/* Goes back to listening as soon as there is room.  In draining, the backlog is emptied without
 * waiting for an event, since an empty one causes none. */
static void resume_accepting(struct server *server)
{
    if (!has_room(server))
        return;
    server->backlog_waits = false;
    for (size_t i = 0; i < server->listener_count; i++) {
        struct server_listener *each = &server->listeners[i];

        if (each->listener->descriptor < 0)
            continue;
        if (server->stage == SERVER_DRAINING)
            accept_clients(each);
        if (each->listener->descriptor >= 0 && !server->backlog_waits &&
            loop_watch(&server->loop, &each->source) != 0)
            accept_failed(server, errno);
    }
}

/* ---- after each round ---- */

static uint64_t earlier(uint64_t deadline, uint64_t other)
{
    return deadline == 0 || other < deadline ? other : deadline;
}

/* Only what somebody waits for and no event will announce needs a clock. */
static uint64_t next_look(struct server *server)
{
    uint32_t waiting = clients_count(&server->clients, CLIENT_QUEUED) + server->backlog_waits;
    uint64_t deadline = 0;

    if (waiting == 0)
        return 0;
    if (server->backlog_waits && backoff_holds(&server->accepting, server->loop.now))
        deadline = earlier(deadline, server->accepting.until);
    switch (decide(server, waiting).reason) {
    case ADMISSION_LOAD:
        return earlier(deadline, server->loop.now + LOOK_AGAIN);
    case ADMISSION_FAILURE:
        return earlier(deadline, server->starting.until);
    default:
        return deadline;
    }
}

static void advance(void *context)
{
    struct server *server = context;

    resume_accepting(server);
    start_clients(server);
    server->wake.deadline = next_look(server);
    if (!clients_add_up(&server->clients))
        log_bug("accepted clients do not add up");
    if (server->status_asked)
        report_status(server);
    server->status_asked = false;
    if (shutdown_is_complete(server))
        loop_stop(&server->loop);
}

static void on_wake(void *context)
{
    (void)context; /* advance() follows each round */
}

static void on_signal(void *context)
{
    struct server *server = context;
    int signal_number;

    while ((signal_number = signals_next(server->signals.descriptor)) != 0) {
        switch (signal_number) {
        case SIGCHLD:
            handlers_reap(server);
            break;
        case SIGUSR1:
            server->status_asked = true;
            break;
        case SIGHUP:
            log_info("SIGHUP: there are no files to read again");
            break;
        default:
            shutdown_signal(server, signal_number);
        }
    }
}

/* ---- beginning and end ---- */

static unsigned default_dispatchers(void)
{
    enum { LEAST = 2, MOST = 8 };
    cpu_set_t processors;
    int count = 0;

    if (sched_getaffinity(0, sizeof(processors), &processors) == 0)
        count = CPU_COUNT(&processors);
    return count < LEAST ? LEAST : count > MOST ? MOST : (unsigned)count;
}

static int open_listeners(struct server *server, struct listeners *listeners)
{
    server->listeners = calloc(listeners->count, sizeof(*server->listeners));
    if (server->listeners == NULL)
        return -1;
    server->listener_count = listeners->count;
    for (size_t i = 0; i < listeners->count; i++) {
        struct server_listener *each = &server->listeners[i];
        *each = (struct server_listener){
            .server = server,
            .listener = &listeners->list[i],
            .source = {.descriptor = listeners->list[i].descriptor,
                       .ready = accept_clients,
                       .context = each},
        };
        if (loop_watch(&server->loop, &each->source) != 0)
            return -1;
    }
    return 0;
}

static int open_sources(struct server *server, struct listeners *listeners)
{
    server->signals.descriptor = signals_open();
    server->signals.ready = on_signal;
    server->signals.context = server;
    if (server->signals.descriptor < 0 || loop_open(&server->loop) != 0 ||
        loop_watch(&server->loop, &server->signals) != 0 || open_listeners(server, listeners) != 0)
        return -1;
    server->wake = (struct loop_timer){.expired = on_wake, .context = server};
    loop_add_timer(&server->loop, &server->wake);
    shutdown_open(server);
    return server->options->load_limited ? load_open(&server->load) : 0;
}

int server_open(struct server *server, const struct options *options, struct listeners *listeners,
                const struct launch *launch, uint32_t limit)
{
    struct dispatcher_events events = handlers_events;
    unsigned dispatchers = options->dispatchers == 0 ? default_dispatchers() : options->dispatchers;
    uint32_t used;

    server->options = options;
    server->accepting = (struct backoff){.first = RETRY_FIRST, .longest = RETRY_LONGEST};
    server->starting = server->accepting;
    clients_open(&server->clients);
    if (open_sources(server, listeners) != 0) {
        log_error("cannot prepare the service: %m");
        return -1;
    }
    events.context = server;
    if (pool_open(&server->pool, &server->loop, launch, dispatchers, &events) != 0)
        return -1;
    used = descriptors_used() + DESCRIPTORS_SPARE;
    if (limit <= used) {
        log_error("the limit on open descriptors, %u, leaves none for clients: at least %u needed",
                  limit, used + 1);
        return -1;
    }
    server->capacity = limit - used;
    return 0;
}

void server_run(struct server *server)
{
    loop_run(&server->loop, advance, server);
    pool_close(&server->pool);
    loop_close(&server->loop);
}
