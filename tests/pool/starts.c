/*
 * The unanswered starts of one dispatcher: what the ledger says of each once the dispatcher is
 * dead, where its connection goes, and which process is whose.
 */
#include "supervisor/pool/starts.h"

#include "tests/shared/check.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static struct ledger ledger;
static struct starts starts;

/* ---- what becomes of each ---- */

enum fate { NOTHING, RETURNED, ORPHANED, LOST };

/* By clients, which have tickets 100 above them. */
static struct {
    enum fate fate;
    int descriptor;
    int32_t process;
    unsigned held;
    bool back;           /* what `held` answers */
    int copy;            /* tells whether the copy of its connection is closed; 0: not asked */
    unsigned gone;       /* how often `copied` said that there is no copy any more */
    bool open_when_said; /* the copy, when `copied` said that there is none any more */
} fates[PROTOCOL_SLOTS];

static bool is_closed(int client)
{
    char byte;
    ssize_t length = read(client, &byte, 1);

    CHECK(length == 0 || (length < 0 && errno == EAGAIN));
    return length == 0;
}

static void enter(void *context, enum fate fate, uint32_t client, uint64_t ticket)
{
    CHECK(context == fates && client < PROTOCOL_SLOTS && ticket == 100 + client);
    CHECK(fates[client].fate == NOTHING); /* it is told once */
    fates[client].fate = fate;
}

static void on_returned(void *context, uint32_t client, uint64_t ticket, int descriptor)
{
    enter(context, RETURNED, client, ticket);
    fates[client].descriptor = descriptor;
}

static void on_failed(void *context, uint32_t client, uint64_t ticket, int error, int descriptor)
{
    (void)context;
    (void)client;
    (void)ticket;
    (void)error;
    (void)descriptor;
    CHECK(false); /* the ledger does not say so */
}

static void on_started(void *context, unsigned dispatcher, uint32_t client, uint64_t ticket,
                       int32_t process, uint32_t age)
{
    CHECK(dispatcher == POOL_ORPHANED && age == 0);
    enter(context, ORPHANED, client, ticket);
    fates[client].process = process;
}

static void on_delivered(void *context, uint32_t client, uint64_t ticket)
{
    CHECK(context == fates && ticket == 100 + client);
}

/* Before a start is decided. */
static bool on_held(void *context, uint32_t client, uint64_t ticket, int descriptor)
{
    CHECK(context == fates && ticket == 100 + client && fates[client].fate == NOTHING);
    fates[client].held++;
    if (descriptor >= 0)
        CHECK(close(descriptor) == 0);
    return fates[client].back;
}

static void on_copied(void *context, uint32_t client, uint64_t ticket, bool copied)
{
    CHECK(context == fates && ticket == 100 + client && !copied);
    fates[client].gone++;
    if (fates[client].copy != 0)
        fates[client].open_when_said = !is_closed(fates[client].copy);
}

static void on_lost(void *context, uint32_t client, uint64_t ticket, int32_t process)
{
    enter(context, LOST, client, ticket);
    fates[client].process = process;
}

static const struct pool_events events = {.delivered = on_delivered,
                                          .returned = on_returned,
                                          .failed = on_failed,
                                          .started = on_started,
                                          .held = on_held,
                                          .copied = on_copied,
                                          .lost = on_lost,
                                          .context = fates};

/* ---- the beginning ---- */

static void begin(void)
{
    memset(&ledger, 0xff, sizeof(ledger));
    memset(fates, 0, sizeof(fates));
    starts = (struct starts){.events = &events, .ledger = &ledger};
}

static struct message_header header_of(uint32_t client)
{
    return (struct message_header){.client = client, .ticket = 100 + client};
}

/* Returns the slot. */
static unsigned add(uint32_t client)
{
    struct message_start start = {.header = header_of(client)};

    starts_add(&starts, &start);
    CHECK(start.slot < PROTOCOL_SLOTS && ledger.slots[start.slot].process == 0);
    return start.slot;
}

static void send_all(void)
{
    starts_sent(&starts);
}

/* What a dead dispatcher has left in its socket: returns what tells whether its connection is
 * closed. */
static int recover(uint32_t client)
{
    const struct message_header header = header_of(client);
    int ends[2] = {-1, -1};

    CHECK(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
    starts_recover(&starts, &header, ends[1]);
    return ends[0];
}

/* ---- what is checked ---- */

static void check_slots(void)
{
    unsigned used = 0;
    struct message_header header = header_of(5);

    begin();
    for (uint32_t i = 0; i < PROTOCOL_SLOTS; i++)
        used |= 1u << add(i);
    CHECK(used == (1u << PROTOCOL_SLOTS) - 1 && starts.count == PROTOCOL_SLOTS);
    CHECK(starts_answer(&starts, &header) && !starts_answer(&starts, &header));
    header = header_of(PROTOCOL_SLOTS);
    CHECK(!starts_answer(&starts, &header));
    CHECK(starts.count == PROTOCOL_SLOTS - 1);
    (void)add(5); /* there is room for one, and this is it */
    CHECK(starts.count == PROTOCOL_SLOTS);
}

/* The ledger shows no process: each start is returned, with its connection if that was found. */
static void check_returned(void)
{
    int client;

    begin();
    (void)add(0);
    (void)add(1);
    send_all();
    (void)add(2); /* is never sent */
    client = recover(1);
    starts_decide(&starts, false);
    CHECK(starts.count == 0);
    CHECK(fates[0].fate == RETURNED && fates[0].descriptor == -1);
    CHECK(fates[1].fate == RETURNED && fates[1].descriptor >= 0 && !is_closed(client));
    CHECK(fates[2].fate == RETURNED && fates[2].descriptor == -1);
    CHECK(close(fates[1].descriptor) == 0 && is_closed(client));
    (void)close(client);
}

/* The ledger shows a process: it is a handler at the end of file, and has the connection alone. */
static void check_orphaned(void)
{
    int client;

    begin();
    ledger.slots[add(0)].process = 1000;
    ledger.slots[add(1)].process = 1001;
    send_all();
    client = recover(1);
    starts_decide(&starts, false);
    CHECK(starts.count == 2 && fates[0].fate == NOTHING && fates[1].fate == NOTHING);
    CHECK(fates[0].held == 1 && fates[1].held == 1);
    CHECK(is_closed(client));
    starts_decide(&starts, true);
    CHECK(starts.count == 0);
    CHECK(fates[0].fate == ORPHANED && fates[0].process == 1000);
    CHECK(fates[1].fate == ORPHANED && fates[1].process == 1001);
    (void)close(client);
}

/* An earlier supervisor has read FAILED: that decides the START at once. */
static void check_back(void)
{
    begin();
    ledger.slots[add(0)].process = 1000;
    fates[0].back = true;
    send_all();
    starts_decide(&starts, false);
    CHECK(starts.count == 0 && fates[0].held == 1 && fates[0].fate == NOTHING);
    starts_decide(&starts, true);
    CHECK(fates[0].held == 1 && fates[0].fate == NOTHING);
}

/* A supervisor that is killed between the two steps must not leave a connection that FAILED has
 * brought and that passes for a copy, nor a copy that passes for such a connection. */
static void check_copies(void)
{
    struct message_header header = header_of(0);

    begin();
    (void)add(0);
    (void)add(1);
    send_all();
    fates[0].copy = recover(0);
    fates[1].copy = recover(1);
    header.type = MESSAGE_STARTED;
    CHECK(starts_answer(&starts, &header));
    CHECK(is_closed(fates[0].copy) && !fates[0].open_when_said);
    header = header_of(1);
    header.type = MESSAGE_FAILED;
    CHECK(starts_answer(&starts, &header));
    CHECK(is_closed(fates[1].copy) && fates[1].open_when_said);
    (void)close(fates[0].copy);
    (void)close(fates[1].copy);
}

/* Numbers in the ledger that are no process, and a process for a START that was never sent. */
static void check_nobody(void)
{
    static const int32_t nobody[] = {1, -1, INT32_MIN};

    begin();
    for (uint32_t i = 0; i < 3; i++)
        ledger.slots[add(i)].process = nobody[i];
    send_all();
    ledger.slots[add(3)].process = 1000; /* of what was never sent nobody was started */
    starts_decide(&starts, true);
    CHECK(starts.count == 0);
    for (uint32_t i = 0; i < 4; i++)
        CHECK(fates[i].fate == RETURNED && fates[i].descriptor == -1);
}

/* A connection of an unknown start is closed, and so is a second one of the same start. */
static void check_recovered(void)
{
    const struct message_header header = header_of(0);
    int first;
    int other;

    begin();
    (void)add(0);
    send_all();
    first = recover(0);
    other = recover(1);
    CHECK(!is_closed(first) && is_closed(other));
    CHECK(fates[1].gone == 1 && fates[0].gone == 0);
    (void)close(other);
    other = recover(0);
    CHECK(!is_closed(first) && is_closed(other));
    (void)close(other);
    CHECK(starts_answer(&starts, &header) && is_closed(first));
    (void)close(first);
}

static void check_forgotten(void)
{
    int client;

    begin();
    (void)add(0);
    (void)add(1);
    send_all();
    client = recover(1);
    starts_forget(&starts);
    CHECK(starts.count == 0 && is_closed(client));
    starts_decide(&starts, true);
    CHECK(fates[0].fate == NOTHING && fates[1].fate == NOTHING);
    (void)close(client);
}

/* Returns the set of processes, from 1000 on. */
static unsigned processes(void)
{
    unsigned set = 0;

    for (unsigned i = 0; i < PROTOCOL_SLOTS; i++)
        if (starts_process(&starts, i) != 0)
            set |= 1u << (starts_process(&starts, i) - 1000);
    return set;
}

/* A process that was reaped is not signalled any more. */
static void check_reaped(void)
{
    const struct starts_slot *start;

    begin();
    ledger.slots[add(0)].process = 1000;
    (void)add(1);
    ledger.slots[add(2)].process = 1002;
    send_all();
    CHECK(processes() == 5);
    CHECK(starts_reaped(&starts, 1001) == NULL);
    start = starts_reaped(&starts, 1002);
    CHECK(start != NULL && start->client == 2 && start->ticket == 102);
    CHECK(processes() == 1 && starts.count == 3);
    starts_decide(&starts, true);
    CHECK(fates[2].fate == ORPHANED && fates[2].process == 1002);
    CHECK(processes() == 0 && starts_reaped(&starts, 1000) == NULL);
}

/* After a roll call: a START that is not listed was not received, or its answer was lost. */
static void check_rolled(void)
{
    const struct message_header header = header_of(2);

    begin();
    for (uint32_t i = 0; i < 3; i++) {
        CHECK(starts_recall(&starts, i, i, 100 + i));
        ledger.slots[i].process = i == 0 ? 0 : 1000 + (int32_t)i;
    }
    starts_list(&starts, &header);
    starts_rolled(&starts);
    CHECK(fates[0].fate == RETURNED && fates[0].descriptor == -1);
    CHECK(fates[1].fate == LOST && fates[1].process == 1001);
    CHECK(fates[2].fate == NOTHING && starts.count == 1);
}

int main(void)
{
    check_slots();
    check_returned();
    check_orphaned();
    check_back();
    check_copies();
    check_nobody();
    check_recovered();
    check_forgotten();
    check_reaped();
    check_rolled();
    return CHECK_RESULT();
}
