#include "supervisor/takeover/takeover.h"

#include "dispatcher/shared/log.h"
#include "dispatcher/shared/rights.h"
#include "supervisor/base/loop.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { ANSWER_WITHIN = 10 * LOOP_SECOND, LINE = 256 };

/* ---- the control socket ---- */

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval within = {.tv_sec = ANSWER_WITHIN / LOOP_SECOND};

    if (connection < 0)
        return -1;
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    /* connect(2) waits as long as send(2) may, if the backlog is full (unix(7)). */
    if (setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &within, sizeof(within)) == 0 &&
        setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &within, sizeof(within)) == 0 &&
        connect(connection, (struct sockaddr *)&address, sizeof(address)) == 0)
        return connection;
    (void)close(connection); /* errno is that of what failed: this cannot fail */
    return -1;
}

/* The line that the other one answers, and the descriptor that comes with it, or -1. */
static int ask(int connection, char line[LINE])
{
    char request[32];
    int length = snprintf(request, sizeof(request), "takeover %d\n", INHERITANCE_VERSION);
    int descriptor = -1;
    unsigned count = 1;
    int flags = 0;
    ssize_t got;

    if (send(connection, request, (size_t)length, MSG_NOSIGNAL) != length)
        return -1;
    got = rights_receive(connection, line, LINE - 1, &descriptor, &count, &flags);
    if (got < 0)
        return -1;
    line[got] = '\0';
    line[strcspn(line, "\n")] = '\0';
    return descriptor;
}

/* Whoever else listens there could have us serve from sockets of his, and see our clients. */
static bool is_trusted(int connection, const char *path)
{
    struct ucred peer;
    socklen_t length = sizeof(peer);

    if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0)
        log_error("--takeover: %s: cannot find out who listens there: %m", path);
    else if (peer.uid != 0 && peer.uid != geteuid())
        log_error("--takeover: %s: it is user %u who listens there, and neither root nor user %u",
                  path, peer.uid, geteuid());
    else
        return true;
    return false;
}

static int introduce(const char *path)
{
    char line[LINE] = "";
    int connection = connect_to(path);
    int descriptor;

    if (connection < 0) {
        log_error("--takeover: cannot connect to %s: %m; it is the control socket of a daemon that "
                  "runs, which --control has given it",
                  path);
        return -1;
    }
    if (!is_trusted(connection, path)) {
        (void)close(connection); /* nothing was said */
        return -1;
    }
    errno = EPROTO;
    descriptor = ask(connection, line);
    if (descriptor < 0 && line[0] != '\0')
        log_error("--takeover: %s: the daemon there says: %s", path, line);
    else if (descriptor < 0)
        log_error("--takeover: %s: no answer from the daemon there: %m", path);
    (void)close(connection); /* all was said */
    return descriptor;
}

/* ---- what it has ---- */

bool takeover_is_to_end(void)
{
    sigset_t pending;

    return sigpending(&pending) == 0 &&
           (sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1);
}

/* Waits for a message, but not for longer than until it is to be looked again whether this process
 * is to end.  Returns 0, or -1 with errno. */
static int await(const struct takeover *takeover, uint64_t deadline)
{
    enum { LOOK_EVERY = 100 };
    struct pollfd event = {.fd = takeover->socket, .events = POLLIN};
    bool for_ever = deadline == TAKEOVER_FOR_EVER;

    errno = ETIMEDOUT;
    if (loop_clock() >= deadline)
        return -1;
    errno = ECANCELED;
    if (!for_ever && takeover_is_to_end())
        return -1;
    return poll(&event, 1, for_ever ? -1 : LOOK_EVERY) < 0 && errno != EINTR ? -1 : 0;
}

enum inheritance_type takeover_receive(struct takeover *takeover, unsigned permitted,
                                       union inheritance *message, int *descriptors,
                                       uint64_t deadline)
{
    for (;;) {
        switch (inheritance_receive(takeover->socket, permitted, message, descriptors)) {
        case INHERITANCE_MESSAGE:
            errno = ECANCELED;
            return message->header.type == INHERITANCE_ABORTED ? 0 : message->header.type;
        case INHERITANCE_CLOSED:
            errno = ECONNRESET;
            return 0;
        case INHERITANCE_MALFORMED:
            return 0;
        case INHERITANCE_EMPTY:
            break;
        }
        if (await(takeover, deadline) != 0)
            return 0;
    }
}

static int keep_place(struct takeover *takeover, const struct inheritance_listener *message,
                      uint32_t number, int descriptor)
{
    struct takeover_place *place = &takeover->places[message->kind];

    if (place->descriptor >= 0)
        return -1;
    *place = (struct takeover_place){.descriptor = descriptor, .number = number};
    memcpy(place->place, message->place, sizeof(place->place));
    return 0;
}

static int keep_service(struct takeover *takeover, const struct inheritance_listener *message,
                        uint32_t number, int descriptor)
{
    struct listeners one = {0};
    struct listener listener = {
        .descriptor = descriptor, .inherited = true, .passed = message->passed != 0};
    struct listener *kept;

    if (takeover->listener_count == INHERITANCE_LISTENERS)
        return -1;
    if (listeners_add(&one, listener) != 0) {
        free(one.list); /* errno stays that of what failed (free(3)) */
        return -1;
    }
    takeover->numbers[takeover->listener_count] = number;
    kept = &takeover->listeners[takeover->listener_count++];
    *kept = one.list[0];
    free(one.list);
    if (message->name[0] == '\0')
        return 0;
    kept->name = strdup(message->name); /* it stays as long as the listener, which is for good */
    return kept->name == NULL ? -1 : 0;
}

static int receive_listener(struct takeover *takeover, uint32_t number, uint64_t deadline)
{
    union inheritance message;
    int descriptors[INHERITANCE_BATCH];
    struct inheritance_listener *listener = &message.listener;

    if (takeover_receive(takeover, INHERITANCE_SET(INHERITANCE_LISTENER), &message, descriptors,
                         deadline) == 0)
        return -1;
    errno = EPROTO;
    if (listener->place[sizeof(listener->place) - 1] != '\0' ||
        listener->name[sizeof(listener->name) - 1] != '\0' || listener->kind > INHERITANCE_METRICS)
        return -1;
    return listener->kind == INHERITANCE_SERVICE
               ? keep_service(takeover, listener, number, descriptors[0])
               : keep_place(takeover, listener, number, descriptors[0]);
}

static int receive_listeners(struct takeover *takeover)
{
    uint64_t deadline = loop_clock() + ANSWER_WITHIN;
    union inheritance message;
    int none[INHERITANCE_BATCH];
    uint32_t count;

    if (takeover_receive(takeover, INHERITANCE_SET(INHERITANCE_HELLO), &message, none, deadline) ==
        0)
        return -1;
    takeover->process = message.hello.process;
    count = message.hello.listeners;
    errno = EPROTO;
    if (count > INHERITANCE_LISTENERS)
        return -1;
    for (uint32_t number = 0; number < count; number++)
        if (receive_listener(takeover, number, deadline) != 0)
            return -1;
    return 0;
}

int takeover_open(struct takeover *takeover, const char *path)
{
    takeover->socket = introduce(path);
    for (int kind = 0; kind <= INHERITANCE_METRICS; kind++)
        takeover->places[kind].descriptor = -1;
    if (takeover->socket < 0)
        return -1;
    if (receive_listeners(takeover) == 0)
        return 0;
    log_error("--takeover: %s: cannot get the listeners of the daemon there: %m", path);
    return -1;
}

int takeover_take(struct takeover *takeover, enum inheritance_kind kind, const char *place)
{
    struct takeover_place *found = &takeover->places[kind];
    int descriptor = found->descriptor;

    if (descriptor < 0 || strcmp(found->place, place) != 0)
        return -1;
    found->descriptor = -1;
    found->used = true;
    return descriptor;
}

int takeover_retire(const struct takeover *takeover, struct listeners *listeners)
{
    for (size_t i = 0; i < takeover->listener_count; i++) {
        struct listener listener = takeover->listeners[i];

        listener.retired = true;
        if (!takeover->used[i] && listeners_add(listeners, listener) != 0)
            return -1;
    }
    return 0;
}

void takeover_close_places(struct takeover *takeover)
{
    for (int kind = 0; kind <= INHERITANCE_METRICS; kind++) {
        struct takeover_place *place = &takeover->places[kind];

        if (place->descriptor >= 0)
            (void)close(place->descriptor); /* nobody was accepted */
        place->descriptor = -1;
    }
}

uint64_t takeover_used(const struct takeover *takeover)
{
    uint64_t used = 0;

    for (size_t i = 0; i < takeover->listener_count; i++)
        if (takeover->used[i])
            used |= UINT64_C(1) << takeover->numbers[i];
    for (int kind = INHERITANCE_CONTROL; kind <= INHERITANCE_METRICS; kind++)
        if (takeover->places[kind].used)
            used |= UINT64_C(1) << takeover->places[kind].number;
    return used;
}
