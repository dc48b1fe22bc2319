/*
 * A process that asks to take the place of this one, and may then say anything: until it has said
 * that it serves, nothing here is lost.
 *
 * The input is a list of steps, in each of which it says something, or a client comes.
 */
#include "supervisor/server/shutdown.h"
#include "supervisor/takeover/handover.h"
#include "supervisor/takeover/inheritance.h"

#include "tests/fuzz/shared/fuzz.h"
#include "tests/fuzz/shared/stage.h"
#include "tests/shared/raw.h"

#include <netinet/in.h>
#include <signal.h>

enum { STEPS = 100 };

static struct server *server;
static int link_end; /* -1: there is none now */

/* ---- what it hears ---- */

static void close_all(const union inheritance *message, const int *descriptors)
{
    unsigned count = message->header.type == INHERITANCE_LISTENER ? 1
                     : message->header.type == INHERITANCE_QUEUED ? message->header.count
                                                                  : 0;

    for (unsigned i = 0; i < count; i++)
        (void)close(descriptors[i]);
}

/* Those who wait come in order, each once. */
static void check_clients(const union inheritance *message, uint64_t *last)
{
    for (uint32_t i = 0; i < message->header.count; i++) {
        const struct inheritance_client *client = &message->clients.list[i];

        HOLDS(message->header.type != INHERITANCE_QUEUED || client->ticket > *last);
        *last = message->header.type == INHERITANCE_QUEUED ? client->ticket : *last;
    }
}

static void hear(void)
{
    static uint64_t last;
    union inheritance message;
    int descriptors[INHERITANCE_BATCH];

    while (link_end >= 0 && inheritance_receive(link_end, ~0u, &message, descriptors) != 0) {
        if (message.header.type == INHERITANCE_HELLO)
            last = 0;
        check_clients(&message, &last);
        close_all(&message, descriptors);
    }
}

/* ---- what it says ---- */

static void hang_up(void)
{
    if (link_end >= 0)
        (void)close(link_end);
    link_end = -1;
}

static void begin(void)
{
    const char *error = NULL;

    hang_up();
    link_end = handover_begin(&server->lasting->handover, INHERITANCE_VERSION, &error);
    HOLDS((link_end < 0) == (error != NULL));
}

static void say(uint8_t type)
{
    union inheritance message;

    memset(&message, 0, sizeof(message));
    message.end.signal = SIGTERM;
    if (type == INHERITANCE_READY) {
        message.ready.process = 0x3ffffffe;
        message.ready.used = UINT64_MAX;
    }
    if (link_end >= 0)
        (void)inheritance_send(link_end, (enum inheritance_type)type, &message, NULL);
}

static void say_anything(struct fuzz_input *input)
{
    union inheritance message = {.header = {.version = INHERITANCE_VERSION}};
    size_t length = fuzz_take_byte(input) % 64;
    unsigned descriptors = fuzz_take_byte(input) % 4;

    message.header.type = fuzz_take_byte(input) % (INHERITANCE_TYPES + 1);
    fuzz_take(input, (char *)&message + 4, length);
    if (link_end >= 0)
        (void)raw_send(link_end, &message, length, STDIN_FILENO, descriptors);
}

/* ---- steps ---- */

static void connect_client(uint8_t byte)
{
    struct endpoint remote = {.family = AF_INET, .address = {byte}};

    stage_connect(&remote);
}

static void act(struct fuzz_input *input)
{
    static const uint8_t sound[] = {INHERITANCE_GO,      INHERITANCE_TAKEN,   INHERITANCE_READY,
                                    INHERITANCE_SERVING, INHERITANCE_SETTLED, INHERITANCE_END};
    uint8_t kind = fuzz_take_byte(input) % 16;

    switch (kind) {
    case 0:
    case 1:
        connect_client(fuzz_take_byte(input));
        break;
    case 2:
        stage_hang_up(fuzz_take_byte(input));
        break;
    case 3:
        begin();
        break;
    case 10:
        say_anything(input);
        break;
    case 11:
        hang_up();
        break;
    case 12:
        stage_expire(fuzz_take_byte(input) % 32);
        break;
    case 13:
        stage_kill(fuzz_take_byte(input));
        break;
    case 14:
        shutdown_drain(server);
        break;
    case 15:
        server->lasting->paused = !server->lasting->paused;
        break;
    default:
        say(sound[kind - 4]);
    }
}

static bool step(void *context)
{
    struct fuzz_input *input = context;
    static unsigned steps;

    hear();
    if (input->left == 0 || steps++ == STEPS) {
        steps = 0;
        hang_up();
        return false;
    }
    act(input);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const words[] = {"--processes", "2", "--drain-timeout", "0", NULL};
    struct fuzz_input input = {data, size};

    server = stage_open(words);
    link_end = -1;
    begin();
    stage_run(step, &input);
    hang_up();
    stage_close();
    return 0;
}
