/*
 * What a dead dispatcher leaves undecided: a child whose exec failed gives its client back, and all
 * others are handlers at the end of file.  Nothing else is believed or left open.
 *
 * Stands on both ends of the socket that the dispatcher had.
 */
#include "supervisor/pool/channel.h"

#include "dispatcher/shared/wire.h"
#include "tests/pool/ends.h"
#include "tests/shared/check.h"
#include "tests/shared/raw.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CLIENTS = 4 };

static struct loop loop;
static struct channel *list;
static struct pool_books books;

/* ---- what becomes of each ---- */

/* By clients, which have tickets 100 above them. */
static struct fate {
    unsigned count;
    bool orphaned;
    int32_t process;
    int error;
    int descriptor;
} fates[CLIENTS];

static struct fate *fate_of(void *context, uint32_t client, uint64_t ticket)
{
    CHECK(context == fates && client < CLIENTS && ticket == 100 + client);
    fates[client].count++;
    return &fates[client];
}

static void on_returned(void *context, uint32_t client, uint64_t ticket, int descriptor)
{
    (void)fate_of(context, client, ticket);
    (void)descriptor;
    CHECK(false); /* all of them show a process */
}

static void on_failed(void *context, uint32_t client, uint64_t ticket, int error, int descriptor)
{
    struct fate *fate = fate_of(context, client, ticket);

    fate->error = error;
    fate->descriptor = descriptor;
}

static void on_started(void *context, unsigned dispatcher, uint32_t client, uint64_t ticket,
                       int32_t process, uint32_t age)
{
    struct fate *fate = fate_of(context, client, ticket);

    CHECK(dispatcher == POOL_ORPHANED && age == 0);
    fate->orphaned = true;
    fate->process = process;
}

static void on_delivered(void *context, uint32_t client, uint64_t ticket)
{
    CHECK(context == fates && client < CLIENTS && ticket == 100 + client);
}

static bool on_held(void *context, uint32_t client, uint64_t ticket, int descriptor)
{
    CHECK(context == fates && client < CLIENTS && ticket == 100 + client);
    if (descriptor >= 0)
        (void)close(descriptor);
    return false;
}

static void on_copied(void *context, uint32_t client, uint64_t ticket, bool copied)
{
    (void)copied;
    CHECK(context == fates && client < CLIENTS && ticket == 100 + client);
}

static const struct pool_events events = {.delivered = on_delivered,
                                          .returned = on_returned,
                                          .failed = on_failed,
                                          .started = on_started,
                                          .held = on_held,
                                          .copied = on_copied,
                                          .context = fates};

static bool was_orphaned(uint32_t client)
{
    return fates[client].count == 1 && fates[client].orphaned &&
           fates[client].process == 1000 + (int32_t)client;
}

static unsigned told(void)
{
    unsigned count = 0;

    for (uint32_t client = 0; client < CLIENTS; client++)
        count += fates[client].count;
    return count;
}

/* ---- both ends ---- */

/* Leaves `count` starts, of clients from `first` on; returns the children's end of the socket. */
static int leave(uint32_t first, uint32_t count)
{
    static struct pool_known known;
    struct channel channel;
    int descriptors[CHANNEL_DESCRIPTORS];
    int end = ends_open(descriptors);

    channel_prepare(&channel, &loop, &events, &known, NULL, NULL);
    CHECK(channel_open(&channel, descriptors) == 0);
    for (uint32_t client = first; client < first + count; client++) {
        struct message_start start = {.header = {.client = client, .ticket = 100 + client}};

        starts_add(&channel.starts, &start);
        channel.starts.ledger->slots[start.slot].process = 1000 + (int32_t)client;
    }
    starts_sent(&channel.starts);
    channel_empty(&channel);
    CHECK(channel_leave(&channel, &list, &books) == 0 && list != NULL &&
          list->starts.count == count);
    CHECK(channel.source.descriptor == -1 && !channel_owes(&channel));
    return end;
}

static int begin(uint32_t count)
{
    memset(fates, 0, sizeof(fates));
    CHECK(list == NULL);
    return leave(0, count);
}

static void stop(void *context)
{
    loop_stop(context);
}

/* Runs one round: something must be there to hear. */
static void hear(void)
{
    loop_run(&loop, stop, &loop);
}

static void hear_end(int end)
{
    (void)close(end);
    hear();
    CHECK(list == NULL);
}

/* Says FAILED with a connection; returns what tells whether that is closed. */
static int say_failed(int end, uint32_t client, uint64_t ticket, int32_t error)
{
    union message message;
    int ends[2] = {-1, -1};

    CHECK(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
    wire_header(&message, MESSAGE_FAILED, client, ticket);
    message.failed.error = error;
    CHECK(wire_send(end, &message, &ends[1], 0) == 0);
    (void)close(ends[1]);
    return ends[0];
}

static bool is_closed(int client)
{
    char byte;
    ssize_t length = read(client, &byte, 1);

    CHECK(length == 0 || (length < 0 && errno == EAGAIN));
    return length == 0;
}

/* ---- what is checked ---- */

static void check_failed(void)
{
    int end = begin(3);
    int client = say_failed(end, 1, 101, ENOENT);

    hear();
    CHECK(told() == 1 && fates[1].count == 1 && !fates[1].orphaned);
    CHECK(fates[1].error == ENOENT && fates[1].descriptor >= 0 && !is_closed(client));
    CHECK(close(fates[1].descriptor) == 0 && is_closed(client));
    (void)close(client);
    hear_end(end);
    CHECK(told() == 3 && was_orphaned(0) && was_orphaned(2));
}

/* Once nothing is left to decide, the channel is closed before the end of file. */
static void check_last_failed(void)
{
    int end = begin(1);
    int client = say_failed(end, 0, 100, EACCES);

    hear();
    CHECK(list == NULL && fates[0].count == 1 && fates[0].error == EACCES);
    CHECK(close(fates[0].descriptor) == 0 && is_closed(client));
    (void)close(client);
    (void)close(end);
}

static void check_unasked(void)
{
    static const struct {
        uint64_t ticket;
        uint32_t client;
        int32_t error;
    } lies[] = {
        {102, 2, ENOENT}, {101, 0, ENOENT},    {100, 1, ENOENT}, {UINT64_MAX, UINT32_MAX, ENOENT},
        {100, 0, 0},      {100, 0, -1},        {0, 0, ENOENT},   {100 + (UINT64_C(1) << 32), 0, 1},
        {101, 1, 0},      {101, 1, INT32_MIN},
    };
    int end = begin(2);

    for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
        int client = say_failed(end, lies[i].client, lies[i].ticket, lies[i].error);

        hear();
        CHECK(told() == 0 && is_closed(client));
        (void)close(client);
    }
    hear_end(end);
    CHECK(told() == 2 && was_orphaned(0) && was_orphaned(1));
}

/* The second time nobody has asked for it any more. */
static void check_failed_twice(void)
{
    int end = begin(2);
    int first = say_failed(end, 0, 100, ENOENT);
    int second = say_failed(end, 0, 100, ENOENT);

    hear();
    hear();
    CHECK(told() == 1 && fates[0].count == 1);
    CHECK(is_closed(second) && !is_closed(first));
    CHECK(close(fates[0].descriptor) == 0);
    (void)close(first);
    (void)close(second);
    hear_end(end);
    CHECK(told() == 2 && was_orphaned(1));
}

/* A message that only a dispatcher sends, and bytes that are no message. */
static void check_others(void)
{
    int end = begin(1);
    union message message;
    int ends[2] = {-1, -1};

    wire_header(&message, MESSAGE_STARTED, 0, 100);
    message.started.process = 1000;
    CHECK(wire_send(end, &message, NULL, 0) == 0);
    hear();
    CHECK(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
    CHECK(raw_send(end, "garbage", 7, ends[1], 8) == 7);
    (void)close(ends[1]);
    hear();
    CHECK(told() == 0 && is_closed(ends[0]));
    (void)close(ends[0]);
    hear_end(end);
    CHECK(told() == 1 && was_orphaned(0));
}

/* Returns the set of processes, from 1000 on. */
static unsigned each(void)
{
    unsigned set = 0;

    for (const struct channel *left = list; left != NULL; left = left->next)
        for (unsigned i = 0; i < PROTOCOL_SLOTS; i++)
            if (starts_process(&left->starts, i) != 0)
                set |= 1u << (starts_process(&left->starts, i) - 1000);
    return set;
}

/* Returns whose process was reaped; 99: nobody's. */
static uint32_t reaped(pid_t process)
{
    const struct starts_slot *start = NULL;

    for (struct channel *left = list; start == NULL && left != NULL; left = left->next)
        start = starts_reaped(&left->starts, process);
    CHECK(start == NULL || start->ticket == 100 + start->client);
    return start == NULL ? 99 : start->client;
}

/* Of two dispatchers, each is decided for itself. */
static void check_several(void)
{
    int first = begin(2);
    int second = leave(2, 2);

    CHECK(each() == 15);
    CHECK(reaped(1003) == 3 && reaped(1000) == 0 && reaped(1004) == 99);
    CHECK(each() == 6);
    (void)close(first);
    hear();
    CHECK(told() == 2 && was_orphaned(0) && was_orphaned(1) && each() == 4);
    hear_end(second);
    CHECK(told() == 4 && was_orphaned(2) && was_orphaned(3) && each() == 0);
}

static void check_closed(void)
{
    int ends[2] = {begin(2), leave(2, 2)};
    int client = say_failed(ends[0], 0, 100, ENOENT);

    channel_close_left(&list);
    CHECK(list == NULL && told() == 0 && is_closed(client));
    for (int i = 0; i < 2; i++) {
        char byte;

        CHECK(read(ends[i], &byte, 1) <= 0); /* the other end is not held any more */
        (void)close(ends[i]);
    }
    (void)close(client);
}

int main(void)
{
    CHECK(loop_open(&loop) == 0);
    check_failed();
    check_last_failed();
    check_unasked();
    check_failed_twice();
    check_others();
    check_several();
    check_closed();
    loop_close(&loop);
    return CHECK_RESULT();
}
