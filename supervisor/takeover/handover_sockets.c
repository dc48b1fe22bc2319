#include "supervisor/takeover/handover_sockets.h"

#include "supervisor/takeover/handover_link.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Not those that this process itself did not want. */
static bool is_announced(const struct accept_listener *listener)
{
    return !listener->listener->retired;
}

/* One whose backlog is not empty yet: what is in there would be lost. */
static bool has_retired(const struct server *server)
{
    for (size_t i = 0; i < server->acceptor.count; i++)
        if (!is_announced(&server->acceptor.listeners[i]) &&
            server->acceptor.listeners[i].listener->descriptor >= 0)
            return true;
    return false;
}

static uint32_t count_announced(const struct server *server)
{
    uint32_t count = (uint32_t)(server->control != NULL) + (uint32_t)(server->metrics != NULL);

    for (size_t i = 0; i < server->acceptor.count; i++)
        count += is_announced(&server->acceptor.listeners[i]);
    return count;
}

const char *handover_sockets_obstacle(const struct server *server)
{
    if (count_announced(server) > INHERITANCE_LISTENERS)
        return "it has too many listeners";
    if (has_retired(server))
        return "clients of a listener that it does not want any more are still to be accepted";
    return NULL;
}

static int send_listener(struct server *server, enum inheritance_kind kind, int descriptor,
                         const char *place, const char *name, bool passed)
{
    union inheritance message;

    inheritance_begin(&message, INHERITANCE_LISTENER);
    message.listener.kind = kind;
    message.listener.passed = passed;
    errno = ENAMETOOLONG;
    if ((place != NULL && strlen(place) >= sizeof(message.listener.place)) ||
        (name != NULL && strlen(name) >= sizeof(message.listener.name)))
        return -1;
    if (place != NULL)
        strcpy(message.listener.place, place);
    if (name != NULL)
        strcpy(message.listener.name, name);
    return handover_send(server, &message, &descriptor);
}

static int send_control(struct server *server, enum inheritance_kind kind,
                        const struct control *control, const char *place)
{
    return control == NULL
               ? 0
               : send_listener(server, kind, control->source.descriptor, place, NULL, false);
}

int handover_sockets_send(struct server *server)
{
    union inheritance message;

    inheritance_begin(&message, INHERITANCE_HELLO);
    message.hello.process = getpid();
    message.hello.listeners = count_announced(server);
    if (handover_send(server, &message, NULL) != 0)
        return -1;
    for (size_t i = 0; i < server->acceptor.count; i++) {
        const struct listener *each = server->acceptor.listeners[i].listener;

        if (!is_announced(&server->acceptor.listeners[i]))
            continue;
        if (send_listener(server, INHERITANCE_SERVICE, each->descriptor, each->path, each->name,
                          each->passed) != 0)
            return -1;
    }
    return send_control(server, INHERITANCE_CONTROL, server->control, server->options->control) == 0
               ? send_control(server, INHERITANCE_METRICS, server->metrics,
                              server->options->metrics)
               : -1;
}

/* Those whose bits are set, in the order of handover_sockets_send(). */
static void set_lent(struct server *server, uint64_t which, bool lent)
{
    uint64_t number = 1;

    for (size_t i = 0; i < server->acceptor.count; i++) {
        const struct listener *each = server->acceptor.listeners[i].listener;

        if (!is_announced(&server->acceptor.listeners[i]))
            continue;
        if ((which & number) != 0 && each->path != NULL)
            janitor_lend_path(server->janitor, each->path, lent);
        number <<= 1;
    }
    if (server->control != NULL && (which & number) != 0)
        janitor_lend_path(server->janitor, server->options->control, lent);
}

void handover_sockets_lend(struct server *server)
{
    set_lent(server, UINT64_MAX, true);
}

void handover_sockets_return(struct server *server, uint64_t used)
{
    set_lent(server, ~used, false);
}
