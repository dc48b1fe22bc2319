/*
 * Dispatchers that may say anything at any time, to a supervisor that has given them work.
 *
 * The input is a list of steps: clients come and go; dispatchers answer truly, or anything else, or
 * die with any content of the ledger; timers expire; the keeper dies.
 */
#include "dispatcher/shared/wire.h"
#include "supervisor/server/reload.h"
#include "supervisor/server/shutdown.h"

#include "tests/fuzz/shared/fuzz.h"
#include "tests/fuzz/shared/stage.h"
#include "tests/shared/raw.h"

#include <netinet/in.h>
#include <signal.h>
#include <sys/mman.h>

enum { STEPS = 200, ASKED = 64, FIRST_HANDLER = 0x30000000 };

static struct server *server;
static struct wire_inbox inboxes[STAGE_DISPATCHERS];
static uint32_t generations[STAGE_DISPATCHERS]; /* that were greeted, or were not to be */

/* What was asked of whom. */
static struct asked {
    unsigned dispatcher;
    uint32_t generation;
    bool answered;
    union message message;
} asked[ASKED];
static unsigned asked_count;
static int32_t handlers; /* so many were started */

/* A packet that is being put together. */
static union message packet[PROTOCOL_BATCH + 1];
static size_t packet_length;

/* ---- what is asked ---- */

/* Of some packets it dies before they are taken off the socket. */
static void hear(unsigned dispatcher)
{
    struct wire_inbox *inbox = &inboxes[dispatcher];
    const int socket = stage_dispatcher(dispatcher);
    bool more = socket >= 0;
    union message message;
    int descriptor;

    if (more)
        (void)wire_consume(inbox, socket);
    while (more && wire_receive(inbox, socket, ~0u, &message, &descriptor,
                                MSG_DONTWAIT | MSG_PEEK) == WIRE_MESSAGE) {
        if (descriptor >= 0)
            (void)close(descriptor);
        if (asked_count < ASKED)
            asked[asked_count++] =
                (struct asked){dispatcher, stage_generation(dispatcher), false, message};
        more = wire_is_left(inbox) || message.header.ticket % 2 == 0;
        if (more && !wire_is_left(inbox))
            (void)wire_consume(inbox, socket);
    }
}

/* ---- what is true ---- */

static void say(unsigned dispatcher, const union message *message)
{
    (void)wire_send(stage_dispatcher(dispatcher), message, NULL, MSG_DONTWAIT);
}

static void answer(struct asked *request)
{
    const struct message_header *header = &request->message.header;
    union message message;

    request->answered = true;
    wire_header(&message, (enum message_type)(header->type + 1), header->client, header->ticket);
    if (header->type == MESSAGE_START)
        message.started.process = FIRST_HANDLER + ++handlers;
    say(request->dispatcher, &message);
}

static bool may_answer(const struct asked *request)
{
    return stage_dispatcher(request->dispatcher) >= 0 &&
           stage_generation(request->dispatcher) == request->generation;
}

static void answer_all(void)
{
    for (unsigned i = 0; i < asked_count; i++)
        if (!asked[i].answered && may_answer(&asked[i]))
            answer(&asked[i]);
}

/* Greets the supervisor once; some dispatchers never do. */
static void be_ready(unsigned dispatcher)
{
    union message message;

    if (stage_dispatcher(dispatcher) < 0 || stage_generation(dispatcher) == generations[dispatcher])
        return;
    inboxes[dispatcher] = (struct wire_inbox){0}; /* all that it held was closed */
    generations[dispatcher] = stage_generation(dispatcher);
    wire_header(&message, MESSAGE_READY, 0, 0);
    if (generations[dispatcher] % 4 != 3)
        say(dispatcher, &message);
}

/* The handler of one that was started has ended. */
static void end_handler(unsigned number)
{
    union message message;

    if (asked_count == 0 || asked[number % asked_count].message.header.type != MESSAGE_START)
        return;
    message = asked[number % asked_count].message;
    message.header.type = MESSAGE_EXITED;
    memset((char *)&message + sizeof(message.header), 0, sizeof(message) - sizeof(message.header));
    if (stage_dispatcher(asked[number % asked_count].dispatcher) >= 0)
        say(asked[number % asked_count].dispatcher, &message);
}

/* ---- what is not ---- */

static size_t length_of(unsigned type)
{
    return type == MESSAGE_EXITED                         ? sizeof(struct message_exited)
           : type == MESSAGE_PONG || type == MESSAGE_PING ? sizeof(struct message_header)
                                                          : sizeof(struct message_started);
}

/* Adds a message that is like an answer to a request. */
static void forge(struct fuzz_input *input)
{
    unsigned number = fuzz_take_byte(input);
    uint8_t changes = fuzz_take_byte(input);
    unsigned type = fuzz_take_byte(input) % (MESSAGE_TYPES + 1);
    union message message = {.header = {.version = PROTOCOL_VERSION}};

    if (packet_length + sizeof(message) > sizeof(packet))
        return;
    if (asked_count > 0)
        message.header = asked[number % asked_count].message.header;
    message.header.type = (uint16_t)type;
    if ((changes & 1) != 0)
        message.header.client = fuzz_take_byte(input);
    if ((changes & 2) != 0)
        message.header.ticket = fuzz_take_byte(input);
    fuzz_take(input, (char *)&message + sizeof(message.header),
              length_of(type) - sizeof(message.header));
    if ((changes & 4) != 0) /* as a process of ours */
        message.started.process = stage_process(number);
    memcpy((char *)packet + packet_length, &message, length_of(type));
    packet_length += length_of(type);
}

static void send_packet(struct fuzz_input *input)
{
    unsigned dispatcher = fuzz_take_byte(input) % STAGE_DISPATCHERS;
    uint8_t kind = fuzz_take_byte(input);
    int descriptor = (kind & 1) != 0 ? memfd_create("stray", MFD_CLOEXEC) : dup(STDIN_FILENO);

    if (stage_dispatcher(dispatcher) >= 0)
        (void)raw_send(stage_dispatcher(dispatcher), packet, packet_length, descriptor,
                       kind >> 1 & 3);
    (void)close(descriptor);
    packet_length = 0;
}

static void append_noise(struct fuzz_input *input)
{
    size_t length = fuzz_take_byte(input) % 64;

    if (packet_length + length > sizeof(packet))
        return;
    fuzz_take(input, (char *)packet + packet_length, length);
    packet_length += length;
}

static void write_ledger(struct fuzz_input *input)
{
    unsigned dispatcher = fuzz_take_byte(input) % STAGE_DISPATCHERS;
    struct ledger *ledger = server->pool.dispatchers[dispatcher].channel.starts.ledger;
    struct ledger_slot *slot;

    if (server->pool.dispatchers[dispatcher].channel.source.descriptor < 0)
        return;
    slot = &ledger->slots[fuzz_take_byte(input) % PROTOCOL_SLOTS];
    slot->process = (int32_t)fuzz_take_number(input);
    (void)fuzz_take_byte(input); /* as the inputs that were kept have it */
}

/* ---- steps ---- */

static void connect_client(struct fuzz_input *input)
{
    static const uint16_t families[] = {AF_INET, AF_INET6, AF_UNIX, AF_INET};
    uint8_t byte = fuzz_take_byte(input);
    struct endpoint remote = {.family = families[byte % 4]};

    remote.address[0] = byte;
    stage_connect(&remote);
}

static void end_service(uint8_t byte)
{
    if (byte < 32)
        shutdown_signal(server, byte % 4 == 0 ? SIGINT : SIGTERM);
    else if (byte >= 248)
        stage_kill_keeper();
}

static void act(struct fuzz_input *input)
{
    switch (fuzz_take_byte(input) % 16) {
    case 0:
    case 1:
        connect_client(input);
        break;
    case 2:
        stage_hang_up(fuzz_take_byte(input));
        break;
    case 3:
    case 4:
        answer_all();
        break;
    case 5:
        end_handler(fuzz_take_byte(input));
        break;
    case 6:
    case 7:
        forge(input);
        break;
    case 8:
    case 9:
        send_packet(input);
        break;
    case 10:
        append_noise(input);
        break;
    case 11:
        write_ledger(input);
        break;
    case 12:
        stage_kill(fuzz_take_byte(input));
        break;
    case 13:
        reload_begin(server);
        break;
    case 14:
        stage_expire(fuzz_take_byte(input) % 32);
        break;
    default:
        end_service(fuzz_take_byte(input));
    }
}

struct play {
    struct fuzz_input input;
    unsigned steps;
};

static bool step(void *context)
{
    struct play *play = context;

    for (unsigned i = 0; i < STAGE_DISPATCHERS; i++) {
        be_ready(i);
        hear(i);
    }
    if (play->input.left == 0 || play->steps++ == STEPS)
        return false;
    act(&play->input);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const words[] = {"--processes", "4",    "--per-source-queue", "6",
                                        "--order",     "fair", "--timeout=1",        NULL};
    struct play play = {.input = {data, size}};

    server = stage_open(words);
    asked_count = 0;
    packet_length = 0;
    handlers = 0;
    for (unsigned i = 0; i < STAGE_DISPATCHERS; i++)
        generations[i] = 0;
    stage_run(step, &play);
    stage_close();
    return 0;
}
