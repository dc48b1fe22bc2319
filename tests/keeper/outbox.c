/*
 * Tests outbox.h: no report is missed by a supervisor that is killed, none is sent out of order,
 * and descriptors are kept just as long.
 *
 * Stands at both ends of the link.
 */
#include "supervisor/keeper/outbox.h"

#include "tests/shared/check.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

static struct outbox outbox;
static int link_end; /* the supervisor's */

static void begin(void)
{
    int pair[2] = {-1, -1};

    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
    outbox = (struct outbox){.link = pair[0]};
    link_end = pair[1];
}

static void end(void)
{
    (void)close(outbox.link);
    (void)close(link_end);
}

static void add(enum link_type type, int32_t value)
{
    int descriptors[LINK_DESCRIPTORS];
    unsigned count = type == LINK_BEGUN ? LINK_DESCRIPTORS : 0;

    for (unsigned i = 0; i < count; i++)
        descriptors[i] = fcntl(link_end, F_DUPFD_CLOEXEC, 3);
    outbox_add(&outbox, (struct link_message){.type = type, .value = value}, descriptors);
}

/* Returns the value of the next report; -1: there is none. */
static int32_t next(uint64_t number)
{
    struct link_message message;
    int descriptors[LINK_DESCRIPTORS];

    if (!link_receive(link_end, &message, descriptors))
        return -1;
    CHECK(message.number == number);
    for (int i = 0; i < LINK_DESCRIPTORS; i++)
        if (descriptors[i] >= 0)
            (void)close(descriptors[i]);
    return message.value;
}

/* Fills the link with answers, which nobody repeats.  Returns how many. */
static unsigned fill(void)
{
    unsigned count = 0;

    while (!outbox_is_blocked(&outbox)) {
        add(LINK_EMPTY, 0);
        count++;
    }
    return count;
}

/* ---- what is kept ---- */

static void check_kinds(void)
{
    static const enum link_type kept[] = {LINK_BEGUN,  LINK_BEGUN_ALL, LINK_DIED,
                                          LINK_CAUGHT, LINK_UNHEARD,   LINK_RENEW};
    static const enum link_type others[] = {LINK_ENDED, LINK_EMPTY, LINK_CONTENT, LINK_PUBLISHED};

    begin();
    for (unsigned i = 0; i < sizeof(kept) / sizeof(*kept); i++) {
        add(kept[i], (int32_t)i);
        CHECK(next(i + 1) == (int32_t)i);
    }
    for (unsigned i = 0; i < sizeof(others) / sizeof(*others); i++) {
        add(others[i], 70);
        CHECK(next(0) == 70);
    }
    outbox_repeat(&outbox, 0);
    for (unsigned i = 0; i < sizeof(kept) / sizeof(*kept); i++)
        CHECK(next(i + 1) == (int32_t)i);
    CHECK(next(0) == -1);
    end();
}

/* From any number on, and again. */
static void check_repeat(void)
{
    begin();
    for (int32_t i = 1; i <= 5; i++)
        add(LINK_CAUGHT, i);
    CHECK(next(1) == 1 && next(2) == 2); /* it is killed now; the rest stays in the link */
    outbox_repeat(&outbox, 1);
    for (uint64_t i = 3; i <= 5; i++)
        CHECK(next(i) == (int32_t)i);
    for (int round = 0; round < 2; round++) {
        for (uint64_t i = 2; i <= 5; i++)
            CHECK(next(i) == (int32_t)i);
        CHECK(next(0) == -1);
        outbox_repeat(&outbox, 1);
    }
    outbox_forget(&outbox, 4);
    outbox_repeat(&outbox, 2); /* an old number: 4 were forgotten */
    for (uint64_t i = 2; i <= 5; i++)
        CHECK(next(i) == (int32_t)i);
    CHECK(next(5) == 5 && next(0) == -1);
    outbox_repeat(&outbox, 5);
    CHECK(next(0) == -1);
    add(LINK_DIED, 6);
    CHECK(next(6) == 6);
    end();
}

/* Numbers that were not given are those of a supervisor under attack. */
static void check_wrong_numbers(void)
{
    begin();
    add(LINK_CAUGHT, 1);
    CHECK(next(1) == 1);
    outbox_forget(&outbox, UINT64_MAX);
    outbox_repeat(&outbox, UINT64_MAX);
    outbox_repeat(&outbox, 0);
    CHECK(next(0) == -1);
    add(LINK_CAUGHT, 2);
    CHECK(next(2) == 2);
    outbox_repeat(&outbox, 1);
    CHECK(next(2) == 2 && next(0) == -1);
    end();
}

/* So many are kept, and no more are to be added before HEARD. */
static void check_room(void)
{
    begin();
    for (int32_t i = 1; i <= OUTBOX_KEPT; i++) {
        CHECK(outbox_has_room(&outbox));
        add(LINK_CAUGHT, i);
        CHECK(next((uint64_t)i) == i);
    }
    CHECK(!outbox_has_room(&outbox) && !outbox_is_blocked(&outbox));
    add(LINK_EMPTY, 99); /* takes no such room */
    CHECK(next(0) == 99);
    outbox_forget(&outbox, 1);
    CHECK(outbox_has_room(&outbox));
    add(LINK_CAUGHT, OUTBOX_KEPT + 1);
    CHECK(next(OUTBOX_KEPT + 1) == OUTBOX_KEPT + 1 && !outbox_has_room(&outbox));
    outbox_repeat(&outbox, 1);
    for (int32_t i = 2; i <= OUTBOX_KEPT + 1; i++)
        CHECK(next((uint64_t)i) == i);
    end();
}

/* A signal, and what is reported once, has room at any time: beyond what is kept of all kinds, each
 * signal is kept once, and counts again when there is room. */
static void check_beyond(void)
{
    begin();
    for (int32_t i = 1; i <= OUTBOX_KEPT; i++)
        add(LINK_CAUGHT, 1);
    for (int32_t i = 0; i < 100; i++)
        for (int32_t value = 1; value <= 4; value++)
            add(LINK_CAUGHT, value);
    add(LINK_UNHEARD, 5);
    add(LINK_BEGUN_ALL, 6);
    for (uint64_t i = 1; i <= OUTBOX_KEPT; i++)
        CHECK(next(i) == 1);
    for (int32_t value = 1; value <= 6; value++)
        CHECK(next(OUTBOX_KEPT + (uint64_t)value) == value);
    CHECK(next(0) == -1 && !outbox_has_room(&outbox));
    outbox_forget(&outbox, 6);
    CHECK(!outbox_has_room(&outbox));
    add(LINK_CAUGHT, 6);
    add(LINK_CAUGHT, 6);
    CHECK(next(OUTBOX_KEPT + 7) == 6 && next(0) == -1);
    outbox_forget(&outbox, OUTBOX_KEPT);
    for (uint64_t i = 8; i <= 9; i++) {
        add(LINK_CAUGHT, 6);
        CHECK(next(OUTBOX_KEPT + i) == 6);
    }
    end();
}

/* Keeps OUTBOX_KEPT reports, and reads them if `read`. */
static void fill_kept(bool read)
{
    for (uint64_t i = 1; i <= OUTBOX_KEPT; i++) {
        add(LINK_DIED, (int32_t)i);
        CHECK(!read || next(i) == (int32_t)i);
    }
}

/* Expects that the signal in report `first` is made again once that is heard, and only once. */
static void check_made_again(uint64_t first)
{
    outbox_forget(&outbox, first);
    CHECK(next(first + 1) == 15 && next(0) == -1);
    outbox_forget(&outbox, first + 1);
    CHECK(next(0) == -1 && outbox.heard == outbox.made);
    end();
}

/* The supervisor has acted on a signal, and the keeper does not know it yet: all equal ones that
 * come meanwhile count once more. */
static void check_again(void)
{
    const uint64_t first = OUTBOX_KEPT + 1;

    begin();
    fill_kept(true);
    add(LINK_CAUGHT, 15);
    CHECK(next(first) == 15);
    add(LINK_CAUGHT, 15);
    add(LINK_CAUGHT, 15);
    outbox_forget(&outbox, OUTBOX_KEPT);
    CHECK(next(0) == -1);
    check_made_again(first);
}

/* A full outbox has room for the reports that are made again. */
static void check_again_full(void)
{
    uint64_t number = OUTBOX_KEPT;

    begin();
    fill_kept(true);
    for (int32_t value = 1; value <= OUTBOX_BEYOND; value++) {
        add(LINK_CAUGHT, value);
        add(LINK_CAUGHT, value);
        CHECK(next(++number) == value);
    }
    outbox_forget(&outbox, number);
    for (int32_t value = 1; value <= OUTBOX_BEYOND; value++)
        CHECK(next(++number) == value);
    CHECK(next(0) == -1);
    end();
}

static void check_merged_unsent(void)
{
    const uint64_t first = OUTBOX_KEPT + 1;
    unsigned count;

    begin();
    count = fill();
    fill_kept(false);
    add(LINK_CAUGHT, 15);
    add(LINK_CAUGHT, 15);
    for (unsigned i = 1; i < count; i++)
        CHECK(next(0) == 0);
    outbox_flush(&outbox);
    for (uint64_t i = 1; i <= OUTBOX_KEPT; i++)
        CHECK(next(i) == (int32_t)i);
    CHECK(next(first) == 15 && next(0) == 0 && next(0) == -1);
    outbox_forget(&outbox, first);
    CHECK(next(0) == -1 && outbox.heard == outbox.made);
    end();
}

/* A supervisor is killed while a signal is to be made again.  `heard` is the last report that it
 * has acted on. */
static void check_again_repeat(uint64_t heard)
{
    const uint64_t first = OUTBOX_KEPT + 1;

    begin();
    fill_kept(true);
    add(LINK_CAUGHT, 15);
    add(LINK_CAUGHT, 15);
    CHECK(next(first) == 15);
    outbox_repeat(&outbox, heard);
    for (uint64_t i = heard + 1; i <= OUTBOX_KEPT; i++)
        CHECK(next(i) == (int32_t)i);
    if (heard < first)
        CHECK(next(first) == 15 && next(0) == -1);
    check_made_again(first);
}

/* A report that a full link does not repeat yet is still to be made again. */
static void check_again_blocked(void)
{
    const uint64_t first = OUTBOX_KEPT + 1;
    unsigned count;

    begin();
    fill_kept(true);
    add(LINK_CAUGHT, 15);
    add(LINK_CAUGHT, 15);
    CHECK(next(first) == 15);
    count = fill();
    outbox_repeat(&outbox, 0);
    add(LINK_CAUGHT, 15);
    for (unsigned i = 1; i < count; i++)
        CHECK(next(0) == 0);
    outbox_flush(&outbox);
    for (uint64_t i = 1; i <= OUTBOX_KEPT; i++)
        CHECK(next(i) == (int32_t)i);
    CHECK(next(first) == 15 && next(0) == 0 && next(0) == -1);
    outbox_forget(&outbox, first);
    CHECK(next(first + 1) == 15 && next(0) == -1);
    end();
}

/* ---- a full link ---- */

static void check_blocked_other(void)
{
    unsigned count;

    begin();
    count = fill();
    CHECK(count > 1 && !outbox_has_room(&outbox));
    outbox_flush(&outbox);
    CHECK(outbox_is_blocked(&outbox));
    add(LINK_CAUGHT, 1); /* a signal always has room */
    for (unsigned i = 1; i < count; i++)
        CHECK(next(0) == 0);
    CHECK(next(0) == -1);
    outbox_flush(&outbox);
    CHECK(!outbox_is_blocked(&outbox) && next(1) == 1 && next(0) == 0 && next(0) == -1);
    end();
}

/* The answer before a repetition is neither lost nor sent first. */
static void check_repeat_blocked(void)
{
    unsigned count;

    begin();
    add(LINK_CAUGHT, 1);
    add(LINK_CAUGHT, 2);
    count = fill();
    outbox_repeat(&outbox, 0);
    CHECK(outbox_is_blocked(&outbox));
    CHECK(next(1) == 1 && next(2) == 2);
    for (unsigned i = 1; i < count; i++)
        CHECK(next(0) == 0);
    outbox_flush(&outbox);
    CHECK(next(1) == 1 && next(2) == 2 && next(0) == 0 && next(0) == -1);
    CHECK(!outbox_is_blocked(&outbox));
    end();
}

/* HEARD of what is still to be repeated: it is not sent any more. */
static void check_forgotten_unsent(void)
{
    struct link_message message;
    int descriptors[LINK_DESCRIPTORS];

    begin();
    for (int32_t i = 1; i <= 3; i++)
        add(LINK_CAUGHT, i);
    (void)fill();
    outbox_repeat(&outbox, 0);
    outbox_forget(&outbox, 2);
    while (link_receive(link_end, &message, descriptors))
        continue; /* what was sent before */
    outbox_flush(&outbox);
    CHECK(next(3) == 3 && next(0) == 0 && next(0) == -1);
    end();
}

/* A supervisor that is gone needs no report; the next one gets them. */
static void check_gone(void)
{
    begin();
    (void)close(link_end);
    add(LINK_CAUGHT, 1);
    add(LINK_EMPTY, 1);
    CHECK(!outbox_is_blocked(&outbox) && outbox.made == 1);
    (void)close(outbox.link);
}

/* ---- descriptors ---- */

static bool is_open(int descriptor)
{
    return fcntl(descriptor, F_GETFD) >= 0;
}

static void check_descriptors(void)
{
    int pipes[LINK_DESCRIPTORS] = {-1, -1, -1};
    struct link_message message;

    begin();
    CHECK(pipe2(pipes, O_CLOEXEC) == 0);
    pipes[2] = fcntl(pipes[0], F_DUPFD_CLOEXEC, 3);
    outbox_add(&outbox, (struct link_message){.type = LINK_BEGUN}, pipes);
    for (int round = 0; round < 3; round++) {
        int got[LINK_DESCRIPTORS];

        CHECK(is_open(pipes[0]) && is_open(pipes[1]) && is_open(pipes[2]));
        CHECK(link_receive(link_end, &message, got) && got[0] != pipes[0]);
        CHECK(write(got[1], "x", 1) == 1 && read(got[0], &message, 1) == 1);
        for (int i = 0; i < LINK_DESCRIPTORS; i++)
            CHECK(close(got[i]) == 0);
        outbox_repeat(&outbox, 0);
    }
    outbox_forget(&outbox, 1);
    CHECK(!is_open(pipes[0]) && !is_open(pipes[1]) && !is_open(pipes[2]));
    end();
}

int main(void)
{
    check_kinds();
    check_repeat();
    check_wrong_numbers();
    check_room();
    check_beyond();
    check_again();
    check_again_full();
    check_merged_unsent();
    check_again_repeat(0);
    check_again_repeat(OUTBOX_KEPT);
    check_again_repeat(OUTBOX_KEPT + 1);
    check_again_blocked();
    check_blocked_other();
    check_repeat_blocked();
    check_forgotten_unsent();
    check_gone();
    check_descriptors();
    return CHECK_RESULT();
}
