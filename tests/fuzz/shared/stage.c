#include "tests/fuzz/shared/stage.h"

#include "supervisor/keeper/link.h"
#include "supervisor/listen/accept.h"
#include "supervisor/options/command_line.h"
#include "supervisor/pool/pool.h"
#include "supervisor/server/events.h"
#include "supervisor/server/reload.h"
#include "supervisor/server/reports.h"
#include "supervisor/server/shutdown.h"
#include "tests/fuzz/shared/fuzz.h"
#include "tests/fuzz/shared/options.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

enum {
    FIRST_PROCESS = 0x3ffffff0, /* there can be none with such a number */
    CAPACITY = 24,              /* clients that may wait */
    REFUSED = 4,
    WORDS = 8
};

static struct server server;
static struct lasting lasting;
static struct options options; /* of the command line */
static struct listeners listeners;
static struct files files; /* none */
static int keeper;         /* its end of the link; -1: it is dead */
static int before;         /* so many descriptors were open in the beginning */
static bool was_open[FUZZ_DESCRIPTORS];
static int own; /* descriptors of the stage and of what the service always has */

/* The end that is ours, and what the other one is known by. */
static struct visitor {
    int ours;
    ino_t inode;
} visitors[STAGE_CLIENTS];
static unsigned visitor_count;

static struct actor {
    int end; /* -1: dead */
    int32_t process;
    uint32_t generation;
} actors[STAGE_DISPATCHERS];

static bool forgiven;

static struct loop_source stepping;
static bool (*next_step)(void *context);

/* ---- looking ---- */

static ino_t inode_of(int descriptor)
{
    struct stat status;

    return fstat(descriptor, &status) == 0 ? status.st_ino : 0;
}

/* Connections that have come back from dispatchers who are dead, and are not decided of. */
static uint32_t count_recovered(const struct channel *left)
{
    uint32_t count = 0;

    for (unsigned i = 0; i < PROTOCOL_SLOTS; i++)
        count += left->starts.slots[i].used && left->starts.slots[i].descriptor >= 0;
    return count;
}

/* What the service and the stage should have open now, but for what they always have. */
static int count_known(void)
{
    uint32_t count =
        clients_count(&server.queue.clients, CLIENT_QUEUED) + server.queue.lingering.active.length;

    for (unsigned i = 0; i < STAGE_DISPATCHERS; i++) {
        const struct channel *channel = &server.pool.dispatchers[i].channel;

        count += (uint32_t)(channel->source.descriptor >= 0) + (uint32_t)(channel->peer >= 0) +
                 (uint32_t)(channel->ledger >= 0);
        count += actors[i].end >= 0;
    }
    for (const struct channel *each = server.pool.left; each != NULL; each = each->next)
        count += 2 + count_recovered(each);
    for (unsigned i = 0; i < visitor_count; i++)
        count += visitors[i].ours >= 0;
    count += keeper >= 0;
    count += listeners.list[0].descriptor >= 0;
    count += lasting.handover.source.descriptor >= 0;
    count += server.takeover != NULL && server.takeover->source.descriptor >= 0;
    count += control_descriptors(&server.control);
    return (int)count;
}

static void check_books(void)
{
    HOLDS(clients_add_up(&server.queue.clients));
    HOLDS(options.processes == 0 || clients_active(&server.queue.clients) <= options.processes ||
          lasting.shutdown.stage != SERVER_SERVING ||
          server.queue.clients.accepted > visitor_count);
    HOLDS(server.queue.clients.accepted >= visitor_count);
}

/* ---- the keeper ---- */

static void report(const struct link_message *message, const int *descriptors)
{
    HOLDS(keeper < 0 || link_send(keeper, message, descriptors) == 0 || errno == EAGAIN);
}

static void start_dispatcher(unsigned index)
{
    struct actor *actor = &actors[index];
    int descriptors[CHANNEL_DESCRIPTORS];
    int memory = memfd_create("ledger", MFD_CLOEXEC);

    HOLDS(memory >= 0 && ftruncate(memory, sizeof(struct ledger)) == 0);
    HOLDS(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, descriptors) == 0);
    descriptors[CHANNEL_LEDGER] = memory;
    actor->end = fcntl(descriptors[CHANNEL_PEER], F_DUPFD_CLOEXEC, 3);
    HOLDS(actor->end >= 0);
    actor->generation++;
    report(&(struct link_message){.type = LINK_BEGUN,
                                  .index = index,
                                  .generation = actor->generation,
                                  .process = actor->process},
           descriptors);
    for (int i = 0; i < CHANNEL_DESCRIPTORS; i++)
        (void)close(descriptors[i]);
}

static void send_content(uint32_t file)
{
    static const char text[] = "allow all\n";
    int memory = memfd_create("content", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    HOLDS(memory >= 0 && write(memory, text, sizeof(text) - 1) == sizeof(text) - 1);
    HOLDS(fcntl(memory, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) ==
          0);
    report(&(struct link_message){.type = LINK_CONTENT, .index = file}, &memory);
    (void)close(memory);
}

static void carry_out(const struct link_message *request)
{
    switch (request->type) {
    case LINK_KILL:
        HOLDS(request->index < STAGE_DISPATCHERS);
        if (actors[request->index].generation == request->generation)
            stage_kill(request->index);
        break;
    case LINK_ADOPT: /* there are no handlers */
        report(&(struct link_message){.type = LINK_ENDED,
                                      .index = 1,
                                      .process = request->process,
                                      .generation = request->generation},
               NULL);
        break;
    case LINK_SIGNAL:
        HOLDS(request->process > 1 && (request->value == SIGTERM || request->value == SIGKILL));
        break;
    case LINK_GROUP:
        HOLDS(request->process > 1);
        report(&(struct link_message){.type = LINK_EMPTY, .process = request->process}, NULL);
        break;
    case LINK_READ:
        send_content(request->index);
        break;
    default:
        HOLDS(request->type == LINK_LEND || request->type == LINK_HEARD ||
              request->type == LINK_ROLL || request->type == LINK_RETIRE);
    }
}

static void keep(void)
{
    struct link_message request;
    int descriptors[LINK_DESCRIPTORS];

    while (keeper >= 0 && link_receive(keeper, &request, descriptors))
        carry_out(&request);
    for (unsigned i = 0; keeper >= 0 && i < STAGE_DISPATCHERS; i++)
        if (actors[i].end < 0)
            start_dispatcher(i);
}

void stage_kill_keeper(void)
{
    if (keeper >= 0)
        (void)close(keeper);
    keeper = -1;
}

/* ---- steps ---- */

static void on_step(void *context)
{
    check_books();
    keep();
    if (next_step(context))
        return;
    if (!forgiven && fuzz_descriptors() != own + count_known()) {
        (void)fprintf(stderr, "%d descriptors are open, and %d known of\n", fuzz_descriptors(),
                      own + count_known());
        HOLDS(false);
    }
    loop_stop(&server.loop);
}

void stage_run(bool (*step)(void *context), void *context)
{
    next_step = step;
    stepping.context = context;
    server_run(&server);
}

void stage_forgive(void)
{
    forgiven = true;
}

void stage_connect(const struct endpoint *remote)
{
    struct visitor *visitor = &visitors[visitor_count];
    int ends[2];

    if (visitor_count == STAGE_CLIENTS || lasting.shutdown.stage != SERVER_SERVING ||
        handover_holds_clients(&lasting.handover) ||
        clients_count(&server.queue.clients, CLIENT_QUEUED) >= server.queue.capacity)
        return;
    HOLDS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    HOLDS(clients_reserve(&server.queue.clients) == 0);
    *visitor = (struct visitor){.ours = ends[0], .inode = inode_of(ends[1])};
    visitor_count++;
    (void)clients_accept(&server.queue.clients, ends[1], remote, server.loop.now);
}

void stage_hang_up(unsigned number)
{
    struct visitor *visitor = &visitors[number % STAGE_CLIENTS];

    if (number % STAGE_CLIENTS >= visitor_count || visitor->ours < 0)
        return;
    (void)close(visitor->ours);
    visitor->ours = -1;
}

int stage_dispatcher(unsigned index)
{
    return actors[index % STAGE_DISPATCHERS].end;
}

int32_t stage_process(unsigned index)
{
    return actors[index % STAGE_DISPATCHERS].process;
}

uint32_t stage_generation(unsigned index)
{
    return actors[index % STAGE_DISPATCHERS].generation;
}

void stage_kill(unsigned index)
{
    struct actor *actor = &actors[index % STAGE_DISPATCHERS];

    if (actor->end < 0)
        return;
    (void)close(actor->end);
    actor->end = -1;
    report(&(struct link_message){.type = LINK_DIED,
                                  .index = index % STAGE_DISPATCHERS,
                                  .generation = actor->generation,
                                  .value = SIGKILL},
           NULL);
}

void stage_expire(unsigned number)
{
    struct loop_timer *timer = server.loop.timers;

    for (; timer != NULL && number > 0; number--)
        timer = timer->next;
    while (timer != NULL && timer->deadline == 0)
        timer = timer->next;
    if (timer != NULL)
        timer->deadline = 1;
}

/* ---- beginning ---- */

static void read_options(const char *const *words)
{
    static char *argv[WORDS + 4];
    static char name[] = "dampener";
    static char port[] = "unix:stage";
    static char command[] = "true";
    unsigned count = 0;

    argv[count++] = name;
    while (*words != NULL && count <= WORDS)
        argv[count++] = (char *)(uintptr_t)*words++; /* command_line_parse() does not change them */
    argv[count++] = port;
    argv[count++] = command;
    argv[count] = NULL;
    HOLDS(command_line_parse(&options, argv));
}

static void open_listener(void)
{
    struct sockaddr_un any = {.sun_family = AF_UNIX};
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    /* A name that is free, and of no file (unix(7), autobind). */
    HOLDS(descriptor >= 0 &&
          bind(descriptor, (struct sockaddr *)&any, sizeof(any.sun_family)) == 0 &&
          listen(descriptor, 1) == 0);
    listeners = (struct listeners){0};
    HOLDS(listeners_add(&listeners, (struct listener){.descriptor = descriptor, .path = "stage"}) ==
          0);
}

static void open_queue(void)
{
    const struct queue_events events = events_of_queue(&server);

    HOLDS(policy_read(&server.queue.policy, &options, &server.rules));
    options.metrics = "stage"; /* so that sources are told apart */
    server.books = clients_make_books(FUZZ_DESCRIPTORS + STAGE_CLIENTS);
    HOLDS(server.books != NULL && queue_open(&server.queue, &server.loop, &options, server.books,
                                             lasting.lingering, &events) == 0);
    options.metrics = NULL;
    lingering_open(&server.queue.lingering, &server.loop, lasting.lingering, REFUSED, LOOP_SECOND,
                   LOOP_SECOND);
    server.queue.capacity = server.queue.possible = CAPACITY;
    queue_limit(&server.queue);
}

static void open_service(void)
{
    const struct accept_events acceptor = events_of_acceptor(&server);
    const struct running_events running = events_of_running(&server);
    const struct takeover_events takeover = events_of_takeover(&server);

    HOLDS(gates_open(&server.gates, &options, loop_clock()) == 0 && loop_open(&server.loop) == 0);
    open_queue();
    HOLDS(accept_open(&server.acceptor, &server.loop, &listeners, &acceptor) == 0);
    HOLDS(running_open(&server.running, &server.loop, &options, &server.queue, &server.pool,
                       &server.strays, &running) == 0);
    loop_add_timer(&server.loop, &server.starting.next);
    report_open(&lasting.report, &server.loop, "command");
    reload_open(&server);
    shutdown_open(&server);
    handover_open(&lasting.handover, &server.loop, &server.queue, &server.acceptor, &lasting.paused,
                  &lasting.settings, &takeover);
}

static void open_keeper(void)
{
    int link[2];

    HOLDS(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, link) == 0);
    keeper = link[0];
    HOLDS(reports_open(&server, link[1]) == 0);
}

static void open_pool(void)
{
    const struct pool_events events = running_pool_events(&server.running);

    pool_open(&server.pool, &server.loop, &lasting.pool, STAGE_DISPATCHERS, FUZZ_DESCRIPTORS,
              &events);
    server.pool.opening = false; /* the target decides which dispatchers become ready */
    for (unsigned i = 0; i < STAGE_DISPATCHERS; i++) {
        actors[i] = (struct actor){.process = FIRST_PROCESS + (int32_t)i};
        start_dispatcher(i);
    }
}

struct server *stage_open(const char *const *words)
{
    fuzz_silence_log();
    before = fuzz_look(was_open);
    read_options(words);
    memset(&server, 0, sizeof(server));
    memset(&lasting, 0, sizeof(lasting));
    lasting.rules = -1;
    server.lasting = &lasting;
    server.options = &options;
    server.files = &files;
    lasting.began = loop_clock();
    lasting.descriptors_allowed = FUZZ_DESCRIPTORS;
    visitor_count = 0;
    forgiven = false;
    open_listener();
    open_service();
    open_keeper();
    open_pool();
    stepping = (struct loop_source){.descriptor = eventfd(1, EFD_CLOEXEC), .ready = on_step};
    HOLDS(stepping.descriptor >= 0 && loop_watch(&server.loop, &stepping) == 0);
    own = fuzz_descriptors() - count_known();
    return &server;
}

/* ---- the end ---- */

/* Given away and given back, the other end has another number. */
static void close_visitor(const struct visitor *visitor)
{
    if (visitor->ours >= 0)
        (void)close(visitor->ours);
    for (int i = 0; i < FUZZ_DESCRIPTORS; i++)
        if (!was_open[i] && inode_of(i) == visitor->inode)
            (void)close(i);
}

void stage_close(void)
{
    for (unsigned i = 0; i < STAGE_DISPATCHERS; i++)
        if (actors[i].end >= 0)
            (void)close(actors[i].end);
    for (unsigned i = 0; i < visitor_count; i++)
        close_visitor(&visitors[i]);
    stage_kill_keeper();
    (void)close(server.link.descriptor);
    (void)close(server.signals.descriptor);
    if (listeners.list[0].descriptor >= 0)
        listener_close(&listeners.list[0]);
    if (server.queue.signs.descriptor >= 0)
        (void)close(server.queue.signs.descriptor);
    if (lasting.handover.source.descriptor >= 0)
        (void)close(lasting.handover.source.descriptor);
    if (server.takeover != NULL && server.takeover->source.descriptor >= 0)
        (void)close(server.takeover->source.descriptor);
    (void)close(stepping.descriptor);
    for (int i = 0; forgiven && i < FUZZ_DESCRIPTORS; i++)
        if (!was_open[i])
            (void)close(i);
    free(listeners.list);
    free(server.control.memory);
    HOLDS(munmap(server.books,
                 sizeof(*server.books) + server.books->most * sizeof(struct client)) == 0);
    options_forget(&options);
    HOLDS(fuzz_descriptors() == before);
}
