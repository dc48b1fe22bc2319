#include "supervisor/queue/refusal.h"

#include "dispatcher/shared/release.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>

enum {
    LINGER = 2 * LOOP_SECOND,
    DISCARDED_MAXIMUM = 1 << 20 /* bytes */
};

static void end(struct refusal *refusal)
{
    struct refusals *refusals = refusal->all;

    loop_ignore(refusals->loop, &refusal->source);
    release(refusal->source.descriptor); /* the message has arrived, or never will */
    refusals->known[refusal - refusals->list] = 0;
    list_remove(&refusals->lingering, &refusal->entry);
    list_append(&refusals->unused, &refusal->entry);
}

/* With MSG_TRUNC TCP copies nothing (tcp(7)); a Unix socket wants a buffer. */
static ssize_t receive(int descriptor)
{
    char bytes[4096];
    ssize_t got = recv(descriptor, NULL, DISCARDED_MAXIMUM, MSG_DONTWAIT | MSG_TRUNC);

    return got < 0 && errno == EFAULT ? recv(descriptor, bytes, sizeof(bytes), MSG_DONTWAIT) : got;
}

/* Discards what has come.  Returns whether more may come. */
static bool discard(int descriptor, uint32_t *discarded)
{
    while (*discarded < DISCARDED_MAXIMUM) {
        ssize_t got = receive(descriptor);

        if (got <= 0)
            return got < 0 && (errno == EAGAIN || errno == EINTR);
        *discarded += (uint32_t)got;
    }
    return false;
}

static void on_readable(void *context)
{
    struct refusal *refusal = context;

    if (!discard(refusal->source.descriptor, &refusal->discarded))
        end(refusal);
}

static struct refusal *oldest(const struct refusals *refusals)
{
    return (struct refusal *)list_first(&refusals->lingering); /* its first member */
}

static void on_timer(void *context)
{
    struct refusals *refusals = context;
    struct refusal *refusal;

    while ((refusal = oldest(refusals)) != NULL && refusal->until <= refusals->loop->now)
        end(refusal);
    if (refusal != NULL)
        refusals->timer.deadline = refusal->until;
}

void refusals_forget(int known[REFUSALS_MAXIMUM])
{
    for (unsigned i = 0; i < REFUSALS_MAXIMUM; i++) {
        if (known[i] != 0)
            release(known[i] - 1);
        known[i] = 0;
    }
}

void refusals_open(struct refusals *refusals, struct loop *loop, const struct options_busy *message,
                   int known[REFUSALS_MAXIMUM], unsigned most)
{
    refusals->known = known;
    refusals->loop = loop;
    refusals->message = message;
    list_open(&refusals->lingering);
    list_open(&refusals->unused);
    for (unsigned i = 0; i < most; i++) {
        refusals->list[i].all = refusals;
        list_append(&refusals->unused, &refusals->list[i].entry);
    }
    refusals->timer = (struct loop_timer){.expired = on_timer, .context = refusals};
    loop_add_timer(loop, &refusals->timer);
}

static void linger(struct refusals *refusals, int descriptor, uint32_t discarded)
{
    struct refusal *refusal = (struct refusal *)list_first(&refusals->unused);

    refusals->known[refusal - refusals->list] = descriptor + 1;
    list_remove(&refusals->unused, &refusal->entry);
    list_append(&refusals->lingering, &refusal->entry);
    refusal->source =
        (struct loop_source){.descriptor = descriptor, .ready = on_readable, .context = refusal};
    refusal->discarded = discarded;
    refusal->until = refusals->loop->now + LINGER;
    if (refusals->timer.deadline == 0)
        refusals->timer.deadline = refusal->until;
    if (loop_watch(refusals->loop, &refusal->source) != 0)
        end(refusal);
}

/* Sends the message.  Nothing was sent before, so the socket takes all of it. */
static bool tell(const struct refusals *refusals, int descriptor)
{
    const struct options_busy *message = refusals->message;

    if (message->length > 0 && send(descriptor, message->text, message->length,
                                    MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)message->length)
        return false;
    return shutdown(descriptor, SHUT_WR) == 0;
}

void refusals_begin(struct refusals *refusals, int descriptor)
{
    uint32_t discarded = 0;

    if (!tell(refusals, descriptor) || !discard(descriptor, &discarded)) {
        release(descriptor); /* the client is gone already */
        return;
    }
    if (refusals->unused.length == 0 && oldest(refusals) != NULL)
        end(oldest(refusals));
    if (refusals->unused.length > 0)
        linger(refusals, descriptor, discarded);
    else
        release(descriptor); /* no connection may linger */
}
