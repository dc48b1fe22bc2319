#include "supervisor/server/listener_setup.h"

#include "dispatcher/shared/log.h"
#include "supervisor/base/address.h"
#include "supervisor/base/descriptors.h"
#include "supervisor/listen/passed.h"
#include "supervisor/listen/unix_socket.h"
#include "supervisor/options/identity.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

/* ---- what there is already ---- */

/* Keeps open what was given to us, and takes the sockets that were passed, if they are wanted. */
int listener_setup_descriptors(struct options *options, struct listeners *passed)
{
    int *kept[PASSED_MAXIMUM + 1] = {&options->ready_descriptor};

    if (options->place == OPTIONS_SYSTEMD && passed_read(passed) != 0)
        return -1;
    passed_forget();
    for (size_t i = 0; i < passed->count; i++) {
        kept[i + 1] = &passed->list[i].descriptor;
        if (options->ready_descriptor == passed->list[i].descriptor) {
            log_error("--ready-fd: '%d': expected a descriptor that is none of the sockets passed",
                      options->ready_descriptor);
            return -1;
        }
    }
    return descriptors_prepare(kept, passed->count + 1);
}

/* ---- what is wanted ---- */

/* Whose the Unix socket will be. */
static int find_owner(struct listener_request *request, const struct options *options)
{
    struct identity owner;

    request->unix_mode = options->has_socket_mode ? options->socket_mode : unix_socket_mode();
    request->unix_user = (uid_t)-1;
    request->unix_group = (gid_t)-1;
    if (options->socket_owner == NULL)
        return 0;
    if (!identity_of_owner(&owner, "--socket-owner", options->socket_owner))
        return -1;
    request->unix_user = owner.user;
    request->unix_group = owner.group;
    identity_free(&owner);
    return 0;
}

static struct listener_request listener_request(const struct options *options,
                                                const struct listeners *passed)
{
    return (struct listener_request){
        .passed = options->place == OPTIONS_SYSTEMD ? passed : NULL,
        .unix_path = options->unix_path,
        .addresses = options->addresses,
        .address_count = options->address_count,
        .port = options->port,
        .ipv4 = options->ipv4,
        .ipv6 = options->ipv6,
        .defer_accept = options->defer_accept,
        .reuse_port = options->reuse_port,
        .free_bind = options->free_bind,
        .no_delay = options->no_delay,
        .device = options->device,
    };
}

/* Listeners of the process whose place is taken are used where they fit. */
int listener_setup_open(struct listeners *listeners, const struct options *options,
                        const struct listeners *passed, struct takeover *takeover)
{
    struct listener_request request = listener_request(options, passed);

    if (find_owner(&request, options) != 0)
        return -1;
    if (options->takeover == NULL)
        return listeners_open(listeners, &request);
    request.inherited = takeover->listeners;
    request.inherited_count = takeover->listener_count;
    request.inherited_used = takeover->used;
    return listeners_open(listeners, &request) == 0 ? takeover_retire(takeover, listeners) : -1;
}

int listener_setup_leave(struct janitor *janitor, const struct listeners *listeners)
{
    for (size_t i = 0; i < listeners->count; i++) {
        const struct listener *each = &listeners->list[i];
        bool ours = each->path != NULL && !each->passed && !each->retired;

        if (ours && (each->inherited ? janitor_borrow(janitor, each->path)
                                     : janitor_add(janitor, each->path)) < 0)
            return -1;
    }
    return 0;
}

/* ---- once they serve ---- */

/* A reader that is slow must not hold up the service, and O_NONBLOCK would be everybody's who has
 * this descriptor, too.  What can be written to at all takes a line (pipe(7), PIPE_BUF). */
static bool write_at_once(int descriptor, const char *line, size_t length)
{
    struct pollfd event = {.fd = descriptor, .events = POLLOUT};

    errno = EAGAIN;
    return poll(&event, 1, 0) == 1 && write(descriptor, line, length) == (ssize_t)length;
}

/* Who reads this may be gone by now; that is no reason not to serve. */
void listener_setup_tell(int descriptor, const struct listeners *listeners)
{
    if (descriptor < 0)
        return;
    for (size_t i = 0; i < listeners->count; i++) {
        const struct listener *listener = &listeners->list[i];
        char text[LISTENER_TEXT];
        char line[LISTENER_TEXT + 16];
        int length;

        if (listener->retired)
            continue;
        if (listener->path != NULL)
            length = snprintf(line, sizeof(line), "%s\n", listener_text(listener, text));
        else
            length = snprintf(line, sizeof(line), "%s %u\n", address_text(&listener->local, text),
                              listener->local.port);

        if (!write_at_once(descriptor, line, (size_t)length))
            log_warning("--ready-fd: cannot write to it: %m");
    }
    if (close(descriptor) != 0)
        log_warning("--ready-fd: cannot close it: %m");
}
