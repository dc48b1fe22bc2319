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
    /* SO_SNDTIMEO also limits how long connect(2) waits for room in the backlog (unix(7)). */
    if (setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &within, sizeof(within)) == 0 &&
        setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &within, sizeof(within)) == 0 &&
        connect(connection, (struct sockaddr *)&address, sizeof(address)) == 0)
        return connection;
    (void)close(connection); /* keeps errno: it cannot fail */
    return -1;
}

/* Another user who listens there could make us serve from his sockets, and see our clients. */
static bool is_trusted(int connection, const char *path)
{
    struct ucred peer;
    socklen_t length = sizeof(peer);

    if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0)
        log_error("--takeover: %s: cannot find out which user listens there: %m", path);
    else if (peer.uid != 0 && peer.uid != geteuid())
        log_error("--takeover: %s: user %u listens there, and is neither root nor user %u", path,
                  peer.uid, geteuid());
    else
        return true;
    return false;
}

/* Asks for the link.  Returns its descriptor, or -1 after a log line. */
static int ask(int connection, const char *path)
{
    char line[LINE];
    int length = snprintf(line, sizeof(line), "takeover %d\n", INHERITANCE_VERSION);
    int descriptor = -1;
    unsigned count = 1;
    int flags = 0;
    ssize_t got = -1;

    if (send(connection, line, (size_t)length, MSG_NOSIGNAL) == length)
        got = rights_receive(connection, line, sizeof(line) - 1, &descriptor, &count, &flags);
    if (descriptor >= 0)
        return descriptor;
    line[got > 0 ? got : 0] = '\0';
    line[strcspn(line, "\n")] = '\0';
    if (got >= 0)
        errno = EPROTO;
    if (line[0] == '\0')
        log_error("--takeover: %s: no answer from the daemon there: %m", path);
    else
        log_error("--takeover: %s: the daemon there answers: %s", path, line);
    return -1;
}

static int introduce(const char *path)
{
    int connection = connect_to(path);
    int descriptor = -1;

    if (connection < 0) {
        log_error("--takeover: cannot connect to %s: %m; expected the --control socket of a daemon "
                  "that runs",
                  path);
        return -1;
    }
    if (is_trusted(connection, path))
        descriptor = ask(connection, path);
    (void)close(connection); /* nothing is left to be sent */
    return descriptor;
}

/* ---- messages ---- */

bool takeover_is_to_end(void)
{
    sigset_t pending;

    return sigpending(&pending) == 0 &&
           (sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1);
}

/* Waits for a message, but only until it is time to look for signals again.  Returns 0, or -1 with
 * errno. */
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
    enum inheritance_result result;

    while ((result = inheritance_receive(takeover->socket, permitted, message, descriptors)) ==
           INHERITANCE_EMPTY)
        if (await(takeover, deadline) != 0)
            return 0;
    if (result == INHERITANCE_MESSAGE && message->header.type != INHERITANCE_ABORTED)
        return message->header.type;
    if (result != INHERITANCE_MALFORMED)
        errno = result == INHERITANCE_CLOSED ? ECONNRESET : ECANCELED;
    return 0;
}

/* ---- the sockets ---- */

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
    struct listeners *listeners = &takeover->listeners;
    struct listener listener = {
        .descriptor = descriptor, .inherited = true, .passed = message->passed != 0};
    const char *name;

    takeover->numbers[listeners->count] = number;
    if (listeners_add(listeners, listener) != 0)
        return -1;
    if (message->name[0] == '\0')
        return 0;
    /* The name stays as long as the listener, which is as long as this process. */
    name = strdup(message->name);
    listeners->list[listeners->count - 1].name = name;
    return name == NULL ? -1 : 0;
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
    for (int kind = INHERITANCE_CONTROL; kind <= INHERITANCE_METRICS; kind++)
        takeover->places[kind].descriptor = -1;
    if (takeover->socket < 0)
        return -1;
    if (receive_listeners(takeover) == 0)
        return 0;
    log_error("--takeover: %s: cannot receive the sockets of the daemon there: %m", path);
    return -1;
}

int takeover_take(struct takeover *takeover, enum inheritance_kind kind, const char *place)
{
    struct takeover_place *found = &takeover->places[kind];
    int descriptor = found->descriptor;

    if (descriptor < 0 || strcmp(found->place, place) != 0)
        return -1;
    found->descriptor = -1;
    takeover->places_used |= UINT64_C(1) << found->number;
    return descriptor;
}

int takeover_retire(const struct takeover *takeover, struct listeners *listeners)
{
    for (size_t i = 0; i < takeover->listeners.count; i++) {
        struct listener listener = takeover->listeners.list[i];

        listener.retired = true;
        if (!takeover->used[i] && listeners_add(listeners, listener) != 0)
            return -1;
    }
    return 0;
}

void takeover_close_places(struct takeover *takeover)
{
    for (int kind = INHERITANCE_CONTROL; kind <= INHERITANCE_METRICS; kind++) {
        struct takeover_place *place = &takeover->places[kind];

        if (place->descriptor >= 0)
            (void)close(place->descriptor); /* no connection was accepted from it */
        place->descriptor = -1;
    }
}

uint64_t takeover_used(const struct takeover *takeover)
{
    uint64_t used = takeover->places_used;

    for (size_t i = 0; i < takeover->listeners.count; i++)
        if (takeover->used[i])
            used |= UINT64_C(1) << takeover->numbers[i];
    return used;
}
