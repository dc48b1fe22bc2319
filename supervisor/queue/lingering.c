#include "supervisor/queue/lingering.h"

#include "dispatcher/shared/release.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

enum { AT_ONCE = 1 << 20 /* bytes of one connection before other events get their turn */ };

static void end(struct lingering_connection *connection)
{
    struct lingering *lingering = connection->all;

    loop_ignore(lingering->loop, &connection->source);
    release(connection->source.descriptor); /* the client has read everything, or never will */
    lingering->known[connection - lingering->list] = 0;
    list_remove(&lingering->active, &connection->entry);
    list_append(&lingering->unused, &connection->entry);
}

/* With MSG_TRUNC TCP copies nothing (tcp(7)); a Unix socket wants a buffer. */
static ssize_t receive(int descriptor)
{
    char bytes[4096];
    ssize_t got = recv(descriptor, NULL, AT_ONCE, MSG_DONTWAIT | MSG_TRUNC);

    return got < 0 && errno == EFAULT ? recv(descriptor, bytes, sizeof(bytes), MSG_DONTWAIT) : got;
}

/* Discards what has come.  Returns whether more may come. */
static bool discard(int descriptor, uint64_t *allowed)
{
    uint64_t discarded = 0;

    while (discarded < *allowed && discarded < AT_ONCE) {
        ssize_t got = receive(descriptor);

        if (got <= 0)
            return got < 0 && (errno == EAGAIN || errno == EINTR);
        discarded += (uint64_t)got;
    }
    *allowed -= discarded < *allowed ? discarded : *allowed;
    return *allowed > 0;
}

/* Discards what the socket has to report, for example that a MSG_ZEROCOPY of the handler is done:
 * until then it raises events without end. */
static void discard_reports(int descriptor)
{
    enum { MOST = 64 };

    for (int i = 0; i < MOST; i++)
        if (recv(descriptor, NULL, 0, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
            return;
}

static void on_readable(void *context)
{
    struct lingering_connection *connection = context;
    uint64_t allowed = connection->allowed;

    if (!discard(connection->source.descriptor, &connection->allowed))
        end(connection);
    else if (connection->allowed == allowed) /* there was nothing to read */
        discard_reports(connection->source.descriptor);
}

static struct lingering_connection *first(const struct lingering *lingering)
{
    return (struct lingering_connection *)list_first(&lingering->active); /* its first member */
}

/* The connections that an earlier supervisor has left all have the same time. */
static void on_timer(void *context)
{
    const uint64_t over = loop_clock() + LOOP_SLICE;
    struct lingering *lingering = context;
    struct lingering_connection *connection;

    while ((connection = first(lingering)) != NULL && connection->until <= lingering->loop->now &&
           loop_clock() < over)
        end(connection);
    if (connection != NULL)
        lingering->timer.deadline = connection->until;
}

/* Enters a connection by its time. */
static void enter(struct lingering *lingering, struct lingering_connection *connection)
{
    struct list_entry *before = list_last(&lingering->active);

    while (before != NULL && ((struct lingering_connection *)before)->until > connection->until)
        before = list_previous(&lingering->active, before);
    list_insert(&lingering->active, before, &connection->entry);
    lingering->timer.deadline = first(lingering)->until;
}

static void linger(struct lingering *lingering, struct lingering_connection *connection,
                   int descriptor, uint64_t time, uint64_t allowed)
{
    lingering->known[connection - lingering->list] = descriptor + 1;
    list_remove(&lingering->unused, &connection->entry);
    connection->source =
        (struct loop_source){.descriptor = descriptor, .ready = on_readable, .context = connection};
    connection->allowed = allowed;
    connection->until = lingering->loop->now + time;
    enter(lingering, connection);
    if (loop_watch(lingering->loop, &connection->source) != 0)
        end(connection);
}

void lingering_open(struct lingering *lingering, struct loop *loop, int known[LINGERING_MAXIMUM],
                    unsigned most, uint64_t time, uint64_t bytes)
{
    lingering->known = known;
    lingering->loop = loop;
    list_open(&lingering->active);
    list_open(&lingering->unused);
    lingering->timer = (struct loop_timer){.expired = on_timer, .context = lingering};
    loop_add_timer(loop, &lingering->timer);
    for (unsigned i = 0; i < most; i++) {
        struct lingering_connection *each = &lingering->list[i];

        each->all = lingering;
        list_append(&lingering->unused, &each->entry);
        if (known[i] != 0)
            linger(lingering, each, known[i] - 1, time, bytes);
    }
}

void lingering_begin(struct lingering *lingering, int descriptor, uint64_t time, uint64_t bytes)
{
    if (shutdown(descriptor, SHUT_WR) != 0 || !discard(descriptor, &bytes)) {
        release(descriptor); /* the client is gone already */
        return;
    }
    if (lingering->unused.length == 0 && first(lingering) != NULL)
        end(first(lingering));
    if (lingering->unused.length > 0)
        linger(lingering, (struct lingering_connection *)list_first(&lingering->unused), descriptor,
               time, bytes);
    else
        release(descriptor); /* no connection may linger */
}
