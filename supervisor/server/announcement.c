#include "supervisor/server/announcement.h"

#include "dispatcher/shared/log.h"
#include "supervisor/base/address.h"
#include "supervisor/base/stores.h"
#include "supervisor/figures/report.h"
#include "supervisor/queue/clients.h"
#include "supervisor/server/greeting.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

/* Writes a line to the descriptor of --ready-fd.  A slow reader must not delay the service, and
 * O_NONBLOCK would also apply to every other process that has this descriptor.  A descriptor that
 * is ready takes a whole line (pipe(7), PIPE_BUF). */
static void write_line(const struct listener *listener, const char *text, int descriptor)
{
    struct pollfd event = {.fd = descriptor, .events = POLLOUT};
    char address[INET6_ADDRSTRLEN];
    char line[LISTENER_TEXT + 16];
    int length;

    if (listener->path != NULL)
        length = snprintf(line, sizeof(line), "%s\n", text);
    else
        length = snprintf(line, sizeof(line), "%s %u\n", address_text(&listener->local, address),
                          listener->local.port);
    errno = EAGAIN;
    if (poll(&event, 1, 0) != 1 || write(descriptor, line, (size_t)length) != length)
        log_warning("--ready-fd: cannot write to it: %m; going on");
}

void announcement_make(struct options *options, const struct listeners *listeners, bool greets)
{
    const int ready = options->ready_descriptor;
    char text[LISTENER_TEXT];

    for (size_t i = 0; i < listeners->count; i++) {
        const struct listener *each = &listeners->list[i];

        if (each->retired)
            continue;
        report_listening(each->path, &each->local, listener_text(each, text));
        if (ready >= 0)
            write_line(each, text, ready);
    }
    options->ready_descriptor = -1; /* before the close: the next supervisor must not close it */
    stores_settle();
    if (ready >= 0 && close(ready) != 0)
        log_warning("--ready-fd: cannot close it: %m; going on");
    if (greets)
        greeting_write(options, listeners);
}
