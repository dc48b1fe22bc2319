/*
 * Tests handover.h at moments when the link to the new process takes no message: what must be said
 * is said later, and nothing of it in the next takeover.
 *
 * Stands on the new process's end of the link.
 */
#include "supervisor/takeover/handover.h"

#include "dispatcher/shared/log.h"
#include "tests/shared/check.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct loop loop;
static struct queue queue;
static struct acceptor acceptor;
static struct options options;
static struct handover handover;
static struct inheritance_settings settings;
static const bool paused;
static int other; /* the new process */

static void on_handed_over(void *context, pid_t successor)
{
    (void)context;
    (void)successor;
}

static const struct takeover_events events = {.handed_over = on_handed_over, .process = 500};

/* ---- the new process ---- */

/* Returns the type of the next message; 0: there is none. */
static unsigned next(void)
{
    union inheritance message;
    int descriptors[INHERITANCE_BATCH];

    return inheritance_receive(other, ~0u, &message, descriptors);
}

/* Fills the link, so that it takes nothing more. */
static void fill(void)
{
    while (inheritance_say(handover.source.descriptor, INHERITANCE_ENDED) == 0)
        continue;
    CHECK(errno == EAGAIN);
}

/* Reads what fill() has sent.  Returns the first other message; 0: there is none. */
static unsigned next_after_filling(void)
{
    unsigned type = next();

    while (type == INHERITANCE_ENDED)
        type = next();
    return type;
}

/* ---- the old process ---- */

static void begin(enum handover_phase phase)
{
    int pair[2];

    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
    other = pair[1];
    handover = (struct handover){.phase = phase, .source.descriptor = pair[0]};
    handover_open(&handover, &loop, &queue, &acceptor, &paused, &settings, &events);
}

/* Lets the time until the deadline pass. */
static void expire(void)
{
    CHECK(handover.deadline.deadline != 0);
    loop.now = handover.deadline.deadline;
    handover.deadline.deadline = 0;
    handover.deadline.expired(handover.deadline.context);
}

/* ---- what is checked ---- */

static void check_left(void)
{
    begin(HANDOVER_DONE);
    fill();
    handover_leave(&handover);
    CHECK(next_after_filling() == 0);
    expire();
    handover_leave(&handover); /* after each round */
    handover_leave(&handover);
    CHECK(next() == INHERITANCE_LEFT);
    CHECK(next() == 0);
    (void)close(handover.source.descriptor);
    (void)close(other);
}

/* Without a new process, it is not tried for ever. */
static void check_left_alone(void)
{
    begin(HANDOVER_DONE);
    (void)close(other);
    handover_leave(&handover);
    CHECK(handover.left && handover.deadline.deadline == 0);
    (void)close(handover.source.descriptor);
    begin(HANDOVER_DONE);
    (void)close(handover.source.descriptor);
    handover.source.descriptor = -1;
    handover_leave(&handover);
    CHECK(handover.left && handover.deadline.deadline == 0);
    (void)close(other);
}

/* Another supervisor cannot repeat COMMITTED, and the new process dies. */
static void check_unsaid(void)
{
    const char *error;

    begin(HANDOVER_COMMITTED);
    fill();
    handover_resume(&handover);
    CHECK(handover.phase == HANDOVER_COMMITTED && handover.deadline.deadline != 0);
    (void)close(other);
    handover.source.ready(handover.source.context);
    CHECK(handover.phase == HANDOVER_NONE);
    other = handover_begin(&handover, INHERITANCE_VERSION, &error);
    CHECK(other >= 0 && next() == INHERITANCE_HELLO);
    expire(); /* it was not ready in time */
    CHECK(next() == INHERITANCE_ABORTED);
    CHECK(next() == 0);
    CHECK(handover.phase == HANDOVER_NONE);
    (void)close(other);
}

int main(void)
{
    struct clients_books *books = clients_make_books(1);

    log_open(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT, "handover");
    CHECK(books != NULL && loop_open(&loop) == 0);
    options.abandon = OPTIONS_ABANDON_NEVER;
    CHECK(queue_open(&queue, &loop, &options, books, NULL, &(struct queue_events){0}) == 0);
    check_left();
    check_left_alone();
    check_unsaid();
    return CHECK_RESULT();
}
