/*
 * A daemon whose place is to be taken, and that may say anything, from its first answer on.
 *
 * The input is what it says, message after message.
 */
#include "dispatcher/shared/rights.h"
#include "supervisor/base/loop.h"
#include "supervisor/server/events.h"
#include "supervisor/takeover/takeover.h"

#include "tests/fuzz/shared/fuzz.h"
#include "tests/fuzz/shared/stage.h"
#include "tests/shared/raw.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { MESSAGES = 40 /* for which there is room in a socket */ };

static const char path[] = "predecessor.socket";
static int listener;
static int passed; /* the other end, which the next one that asks is sent */
static int theirs; /* the end of the link that is the daemon's */
static sem_t answered;
static struct server *server;

/* ---- the control socket ---- */

/* Another thread, as takeover_open() waits for the answer. */
static void *answer(void *context)
{
    char request[64];

    struct pollfd asked = {.fd = listener, .events = POLLIN};
    sigset_t all;

    (void)context;
    (void)sigfillset(&all);
    HOLDS(pthread_sigmask(SIG_SETMASK, &all, NULL) == 0);
    for (;;) {
        int connection;

        HOLDS(poll(&asked, 1, -1) == 1); /* accept(2) takes a number before it waits */
        connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        HOLDS(connection >= 0 && recv(connection, request, sizeof(request), 0) > 0);
        HOLDS(rights_send(connection, "takeover\n", 9, &passed, 1, 0) == 9);
        (void)recv(connection, request, 1, 0); /* until it has been read */
        (void)close(connection);
        HOLDS(sem_post(&answered) == 0);
    }
    return NULL;
}

static void remove_socket(void)
{
    (void)unlink(path);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    pthread_t thread;

    (void)argc;
    (void)argv;
    remove_socket();
    memcpy(address.sun_path, path, sizeof(path));
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    HOLDS(bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0 &&
          listen(listener, 8) == 0 && atexit(remove_socket) == 0);
    HOLDS(sem_init(&answered, 0, 0) == 0);
    HOLDS(pthread_create(&thread, NULL, answer, NULL) == 0);
    return 0;
}

/* ---- what it says ---- */

static size_t length_of(unsigned type, unsigned count)
{
    static const size_t lengths[INHERITANCE_TYPES] = {
        [INHERITANCE_HELLO] = sizeof(struct inheritance_hello),
        [INHERITANCE_LISTENER] = sizeof(struct inheritance_listener),
        [INHERITANCE_SETTING] = sizeof(struct inheritance_setting),
        [INHERITANCE_ALL] = sizeof(struct inheritance_all),
        [INHERITANCE_ENDED] = sizeof(struct inheritance_ended),
    };

    if (type == INHERITANCE_RUNNING || type == INHERITANCE_QUEUED)
        return sizeof(struct inheritance_header) + count * sizeof(struct inheritance_client);
    return type < INHERITANCE_TYPES && lengths[type] != 0 ? lengths[type]
                                                          : sizeof(struct inheritance_header);
}

/* Most of it is zero, as it would be. */
static void fill(union inheritance *message, struct fuzz_input *input)
{
    unsigned type = message->header.type;
    struct inheritance_client *list = message->clients.list;

    switch (type) {
    case INHERITANCE_HELLO:
        message->hello.listeners = fuzz_take_byte(input) % 70;
        break;
    case INHERITANCE_LISTENER:
        message->listener.kind = fuzz_take_byte(input) % 4;
        fuzz_take(input, message->listener.name, fuzz_take_byte(input) % 4);
        fuzz_take(input, message->listener.place, fuzz_take_byte(input) % 4);
        message->listener.place[127] = (char)(fuzz_take_byte(input) == 1);
        break;
    case INHERITANCE_RUNNING:
    case INHERITANCE_QUEUED:
        for (unsigned i = 0; i < message->header.count && i < INHERITANCE_BATCH; i++) {
            list[i].ticket = fuzz_take_byte(input);
            list[i].accepted = fuzz_take_byte(input) == 1 ? UINT64_MAX : 0;
            list[i].remote.family = fuzz_take_byte(input) % 12;
        }
        break;
    case INHERITANCE_ALL:
        message->all.last_ticket = fuzz_take_byte(input);
        message->all.judged = fuzz_take_byte(input);
        break;
    default:
        fuzz_take(input, (char *)message + sizeof(message->header), 16);
    }
}

static void say(struct fuzz_input *input)
{
    union inheritance message = {.header = {.version = INHERITANCE_VERSION}};
    uint8_t wrong = fuzz_take_byte(input);
    unsigned type = fuzz_take_byte(input) % (INHERITANCE_TYPES + 1);
    unsigned descriptors = type == INHERITANCE_LISTENER;
    size_t length;

    message.header.type = (uint16_t)type;
    if (type == INHERITANCE_RUNNING || type == INHERITANCE_QUEUED)
        message.header.count = fuzz_take_byte(input) % (INHERITANCE_BATCH + 2);
    fill(&message, input);
    length = length_of(type, message.header.count);
    if (type == INHERITANCE_QUEUED)
        descriptors = message.header.count;
    if ((wrong & 0xe0) == 0xe0)
        length -= length > wrong % 8 ? wrong % 8 : 0;
    if ((wrong & 0x1c) == 0x1c)
        descriptors = wrong % 4;
    if (length > sizeof(message))
        length = sizeof(message);
    (void)raw_send(theirs, &message, length, (wrong & 2) != 0 ? STDIN_FILENO : listener,
                   descriptors);
}

/* All at once, and then it is gone: the other one waits for nothing. */
static void say_all(struct fuzz_input *input)
{
    for (unsigned i = 0; i < MESSAGES && input->left > 0; i++)
        say(input);
    (void)shutdown(theirs, SHUT_WR);
}

/* ---- taking over ---- */

static void drop_clients(void)
{
    struct client *client;

    while ((client = clients_first(&server->queue.clients, CLIENT_QUEUED)) != NULL) {
        queue_unwatch(&server->queue, client);
        clients_end(&server->queue.clients, client, CLIENT_DROPPED);
    }
}

/* What it says once this one serves is heard in the first round. */
static bool step(void *context)
{
    unsigned *rounds = context;

    if ((*rounds)++ == 0)
        return true;
    drop_clients();
    return false;
}

static void check_taken(const struct takeover *takeover)
{
    uint64_t last = 0;

    HOLDS(takeover->listeners.count <= INHERITANCE_LISTENERS);
    for (const struct client *client = clients_first(&server->queue.clients, CLIENT_QUEUED);
         client != NULL; client = clients_next(&server->queue.clients, client)) {
        HOLDS(clients_ticket(client) > last && client->accepted <= loop_clock());
        last = clients_ticket(client);
    }
    HOLDS(last <= server->books->last_ticket &&
          server->books->judged <= server->books->last_ticket);
}

static void forget(const struct takeover *takeover)
{
    for (size_t i = 0; i < takeover->listeners.count; i++) {
        (void)close(takeover->listeners.list[i].descriptor);
        free((void *)(uintptr_t)takeover->listeners.list[i].path);
    }
    free(takeover->listeners.list);
}

static void take_over(struct takeover *takeover)
{
    const struct takeover_events events = events_of_takeover(server);
    unsigned rounds = 0;
    bool opened = takeover_open(takeover, path) == 0;
    bool taken;

    while (sem_wait(&answered) != 0)
        HOLDS(errno == EINTR);                   /* libFuzzer has a clock that interrupts */
    HOLDS(dup2(STDIN_FILENO, passed) == passed); /* the number is not free for another */
    server->takeover = takeover;
    taken = opened && takeover_finish(takeover, &server->loop, &server->queue, &events) == 0;
    if (taken) {
        check_taken(takeover);
    } else {
        stage_forgive(); /* the process would end */
        server->takeover = NULL;
    }
    forget(takeover);
    stage_run(step, &rounds);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const words[] = {"--processes", "2", NULL};
    static struct takeover takeover;
    struct fuzz_input input = {data, size};
    int pair[2];

    HOLDS(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
    theirs = pair[0];
    passed = pair[1];
    say_all(&input);
    takeover = (struct takeover){0};
    server = stage_open(words);
    take_over(&takeover);
    stage_close();
    (void)close(theirs);
    (void)close(passed);
    return 0;
}
