/*
 * What a dispatcher has been asked and has not answered: each request is answered once, and nothing
 * else is believed.
 */
#include "supervisor/pool/channel.h"

#include "dispatcher/shared/wire.h"
#include "tests/pool/ends.h"
#include "tests/shared/check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static struct ledger ledger;
static struct channel channel;
static struct pool_known known;
static int ends[2]; /* of the socket */

/* Sets of clients, with tickets 100 above them. */
static unsigned sent;
static unsigned withdrawn;

static void on_delivered(void *context, uint32_t client, uint64_t ticket)
{
    CHECK(context == &channel && ticket == 100 + client);
    sent |= 1u << client;
}

static void on_returned(void *context, uint32_t client, uint64_t ticket, int descriptor)
{
    CHECK(context == &channel && ticket == 100 + client && descriptor == -1);
    withdrawn |= 1u << client;
}

static const struct pool_events events = {
    .delivered = on_delivered, .returned = on_returned, .context = &channel};

static void begin(void)
{
    memset(&ledger, 0xff, sizeof(ledger));
    channel = (struct channel){.source = {.descriptor = ends[0]},
                               .starts = {.events = &events, .ledger = &ledger}};
}

/* Every count there is. */
static bool nothing_is_open(void)
{
    bool used = false;

    for (unsigned i = 0; i < PROTOCOL_SLOTS; i++)
        used = used || channel.starts.slots[i].used;
    return !used && channel.starts.count == 0 && !channel_owes(&channel);
}

static void ask_start(uint32_t client, uint64_t ticket)
{
    union message message;

    wire_header(&message, MESSAGE_START, client, ticket);
    starts_add(&channel.starts, &message.start);
    CHECK(message.start.slot < PROTOCOL_SLOTS);
    CHECK(ledger.slots[message.start.slot].process == 0);
}

static void ask(enum message_type type)
{
    union message message;

    wire_header(&message, type, 1, 1);
    CHECK(channel_ask(&channel, &message) == 0);
}

/* ---- answers ---- */

static bool started(uint32_t client, uint64_t ticket, int32_t process)
{
    union message message;

    wire_header(&message, MESSAGE_STARTED, client, ticket);
    message.started.process = process;
    return channel_answered(&channel, &message);
}

static bool failed(uint32_t client, uint64_t ticket, int32_t error)
{
    union message message;

    wire_header(&message, MESSAGE_FAILED, client, ticket);
    message.failed.error = error;
    return channel_answered(&channel, &message);
}

static bool heard(enum message_type type)
{
    union message message;

    wire_header(&message, type, 1, 1);
    return channel_answered(&channel, &message);
}

static bool signalled(void)
{
    return heard(MESSAGE_SIGNALLED);
}

static bool pong(void)
{
    return heard(MESSAGE_PONG);
}

/* ---- what is checked ---- */

static void check_unasked(void)
{
    begin();
    CHECK(nothing_is_open());
    CHECK(!started(0, 0, 100) && !started(1, 1, 100));
    CHECK(!failed(0, 0, EIO) && !failed(1, 1, EIO));
    CHECK(!signalled() && !pong());
    CHECK(nothing_is_open());
}

/* No request is taken for an answer to one, nor is what is heard apart from these. */
static void check_types(void)
{
    begin();
    ask_start(1, 1);
    ask(MESSAGE_SIGNAL);
    ask(MESSAGE_PING);
    for (unsigned type = 0; type <= MESSAGE_TYPES; type++)
        if (type != MESSAGE_STARTED && type != MESSAGE_FAILED && type != MESSAGE_SIGNALLED &&
            type != MESSAGE_PONG)
            CHECK(!heard((enum message_type)type));
    CHECK(started(1, 1, 100) && signalled());
    CHECK(channel_owes(&channel) && pong());
    CHECK(nothing_is_open());
}

static void check_starts(void)
{
    static const int32_t nobody[] = {1, 0, -1, INT32_MIN};

    begin();
    for (uint32_t i = 0; i < PROTOCOL_SLOTS; i++)
        ask_start(10 + i, 100 + i);
    CHECK(channel.starts.count == PROTOCOL_SLOTS);
    for (size_t i = 0; i < sizeof(nobody) / sizeof(*nobody); i++) {
        CHECK(!started(10, 100, nobody[i]));
        CHECK(!failed(10, 100, nobody[i] == 1 ? 0 : nobody[i]));
    }
    CHECK(!started(10, 101, 100)); /* another's ticket */
    CHECK(!started(11, 100, 100));
    CHECK(!failed(10, 101, EIO));
    CHECK(!started(10 + PROTOCOL_SLOTS, 100 + PROTOCOL_SLOTS, 100)); /* one more than there are */
    CHECK(channel.starts.count == PROTOCOL_SLOTS);

    CHECK(started(11, 101, 2)); /* in any order */
    CHECK(!started(11, 101, 2));
    CHECK(!failed(11, 101, EIO));
    CHECK(failed(10, 100, EIO));
    CHECK(!failed(10, 100, EIO));
    CHECK(!started(10, 100, 2));
    CHECK(channel.starts.count == PROTOCOL_SLOTS - 2 && channel_owes(&channel));
    ask_start(11, 200); /* takes one of their places, and is not they */
    CHECK(!started(11, 101, 2));
    CHECK(started(11, 200, 2) && started(12, 102, INT32_MAX));
    for (uint32_t i = 3; i < PROTOCOL_SLOTS; i++)
        CHECK(started(10 + i, 100 + i, 2));
    CHECK(nothing_is_open());
}

/* Returns the set of those that are told of, each once. */
static unsigned send_all(void)
{
    sent = 0;
    starts_sent(&channel.starts);
    return sent;
}

static unsigned withdraw(void)
{
    withdrawn = 0;
    starts_withdraw(&channel.starts);
    return withdrawn;
}

/* Those that could not be sent are taken back, and no others, in whichever slots they are. */
static void check_withdrawn(void)
{
    begin();
    CHECK(withdraw() == 0);
    ask_start(0, 100);
    ask_start(1, 101);
    ask_start(2, 102);
    CHECK(send_all() == 7);
    CHECK(send_all() == 0);
    CHECK(withdraw() == 0 && channel.starts.count == 3);
    CHECK(started(1, 101, 2));
    ask_start(4, 104);
    ask_start(5, 105);
    CHECK(withdraw() == (1u << 4 | 1u << 5) && channel.starts.count == 2);
    CHECK(!started(4, 104, 2) && !failed(5, 105, EIO));
    ask_start(4, 104); /* again, in a slot that one was sent from before */
    CHECK(send_all() == 1u << 4);
    CHECK(withdraw() == 0);
    CHECK(started(0, 100, 2) && started(2, 102, 2) && started(4, 104, 2));
    CHECK(nothing_is_open());
    CHECK(send_all() == 0);
    ask_start(6, 106);
    CHECK(channel_owes(&channel));
    CHECK(withdraw() == 1u << 6 && nothing_is_open());
}

/* The two kinds are counted apart. */
static void check_others(void)
{
    begin();
    ask(MESSAGE_SIGNAL);
    CHECK(channel_owes(&channel) && !pong());
    CHECK(signalled() && !signalled() && nothing_is_open());

    ask(MESSAGE_PING);
    CHECK(channel_owes(&channel) && !signalled());
    CHECK(pong() && !pong() && nothing_is_open());

    ask(MESSAGE_PING);
    ask(MESSAGE_SIGNAL);
    ask(MESSAGE_SIGNAL);
    CHECK(signalled() && pong() && channel_owes(&channel) && !pong());
    CHECK(signalled() && !signalled() && nothing_is_open());
}

/* ---- opening ---- */

static int count_open(void)
{
    int count = 0;

    for (int descriptor = 0; descriptor < 256; descriptor++)
        count += fcntl(descriptor, F_GETFD) >= 0;
    return count;
}

static void ignore(void *context)
{
    (void)context;
}

/* If the socket or the ledger is missing, the others are closed.  The dispatcher's end is missing
 * if an earlier supervisor has emptied it. */
static void check_opened(void)
{
    struct loop loop;
    int before;

    CHECK(loop_open(&loop) == 0);
    channel_prepare(&channel, &loop, &events, &known, ignore, NULL);
    before = count_open();
    for (int missing = 0; missing <= CHANNEL_DESCRIPTORS; missing++) {
        int descriptors[CHANNEL_DESCRIPTORS];
        bool whole = missing == CHANNEL_DESCRIPTORS || missing == CHANNEL_PEER;

        known.process = 1;
        (void)close(ends_open(descriptors));
        if (missing < CHANNEL_DESCRIPTORS) {
            (void)close(descriptors[missing]);
            descriptors[missing] = -1;
        }
        CHECK(channel_open(&channel, descriptors) == (whole ? 0 : -1));
        CHECK((channel.starts.ledger != NULL) == whole && channel.source.watched == whole);
        CHECK(channel.ledger == (whole ? descriptors[CHANNEL_LEDGER] : -1));
        CHECK(count_open() ==
              before + (whole ? CHANNEL_DESCRIPTORS - (missing == CHANNEL_PEER) : 0));
        channel_close(&channel);
        CHECK(count_open() == before && channel.source.descriptor == -1 && known.process == 0);
    }
    loop_close(&loop);
}

/* A supervisor that has no memory or no watch leaves everything to the next one. */
static void check_reopened(void)
{
    struct loop loop;
    int before;

    CHECK(loop_open(&loop) == 0);
    before = count_open();
    for (int useless = CHANNEL_SOCKET; useless <= CHANNEL_LEDGER; useless += CHANNEL_LEDGER) {
        struct channel *list = NULL;
        int descriptors[CHANNEL_DESCRIPTORS];
        int file = open("/dev/null", O_RDWR | O_CLOEXEC); /* can be neither watched nor mapped */

        known = (struct pool_known){.process = 7};
        (void)close(ends_open(descriptors));
        memcpy(known.descriptors, descriptors, sizeof(descriptors));
        known.descriptors[useless] = file;
        channel_prepare(&channel, &loop, &events, &known, ignore, NULL);
        CHECK(channel_reopen(&channel, known.descriptors) == -1 && channel.source.descriptor == -1);
        CHECK(channel_recall(&loop, &events, &known, &list) == NULL && list == NULL);
        CHECK(known.process == 7 && count_open() == before + CHANNEL_DESCRIPTORS + 1);
        CHECK(channel_reopen(&channel, descriptors) == 0 && channel.source.watched);
        channel_close(&channel);
        (void)close(file);
        CHECK(count_open() == before);
    }
    loop_close(&loop);
}

int main(void)
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
        perror("channel");
        return 1;
    }
    check_unasked();
    check_types();
    check_starts();
    check_withdrawn();
    check_others();
    check_opened();
    check_reopened();
    return CHECK_RESULT();
}
