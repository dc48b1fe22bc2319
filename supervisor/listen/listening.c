/* Which kind of listeners a request asks for: see listener.h. */
#include "dispatcher/shared/log.h"
#include "supervisor/listen/binding.h"
#include "supervisor/listen/inherited.h"
#include "supervisor/listen/listener.h"
#include "supervisor/listen/tuning.h"
#include "supervisor/listen/unix_socket.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

static int add_unix(struct listeners *listeners, const struct listener_request *request)
{
    struct listener listener;
    bool made = !inherited_take_path(request, &listener);

    if (made)
        listener = (struct listener){
            .descriptor = unix_socket_open("PORT", request->unix_path, request->unix_mode,
                                           request->unix_user, request->unix_group),
            .path = request->unix_path,
        };
    if (listener.descriptor < 0)
        return -1;
    if (listeners_add(listeners, listener) == 0)
        return 0;
    log_error("cannot listen on unix:%s: %m", request->unix_path);
    if (made)
        (void)unlink(request->unix_path); /* that nobody is served there has been said */
    return -1;
}

/* The manager shares the flags and options of the socket, and does not accept from it meanwhile. */
static int prepare(const struct listener *listener, const struct listener_request *request)
{
    int flags = fcntl(listener->descriptor, F_GETFL);

    if (flags < 0 || fcntl(listener->descriptor, F_SETFL, flags | O_NONBLOCK) != 0)
        return -1;
    return listener->path != NULL ? 0 : tuning_apply(listener->descriptor, request, true);
}

static int add_passed(struct listeners *listeners, const struct listener_request *request,
                      struct listener listener)
{
    char text[LISTENER_TEXT];

    if (prepare(&listener, request) == 0 && listeners_add(listeners, listener) == 0)
        return 0;
    log_error("cannot listen on %s, passed as '%s': %m", listener_text(&listener, text),
              listener.name == NULL ? "" : listener.name);
    return -1;
}

static int add_all_passed(struct listeners *listeners, const struct listener_request *request)
{
    struct listener listener;

    for (size_t i = 0; i < request->passed->count; i++)
        if (add_passed(listeners, request, request->passed->list[i]) != 0)
            return -1;
    while (request->passed->count == 0 && inherited_take_any(request, &listener))
        if (add_passed(listeners, request, listener) != 0)
            return -1;
    if (listeners->count > 0)
        return 0;
    log_error(
        "PORT: 'systemd': no socket was passed to this process: there is no LISTEN_FDS in its "
        "environment; is it started by the service manager, with a socket unit?");
    return -1;
}

int listeners_open(struct listeners *listeners, const struct listener_request *request)
{
    *listeners = (struct listeners){0};
    if (request->passed != NULL)
        return add_all_passed(listeners, request);
    return request->unix_path != NULL ? add_unix(listeners, request)
                                      : binding_open(listeners, request);
}
