/*
 * socket-burst-dampener - accepts every connection at once, queues it, and serves the queue in
 * order of arrival with a bounded number of handlers.
 *
 * This process becomes the keeper (keeper/keeper.h).  It starts the standby (keeper/standby.h), and
 * dispatchers, small processes that start handlers (dispatcher/protocol.h).  The standby starts the
 * supervisor, which owns the listening sockets and the queue (server/server.h), and replaces it
 * when it is killed.
 */
#include "supervisor/base/signals.h"
#include "supervisor/base/title.h"
#include "supervisor/options/command_line.h"
#include "supervisor/server/startup.h"

#include <stdlib.h>

enum { EXIT_USAGE = 2 };

static void read_options(struct options *options, char *const *argv)
{
    if (!command_line_parse(options, argv))
        exit(EXIT_USAGE);
    if (options->help)
        exit(command_line_help() ? EXIT_SUCCESS : EXIT_FAILURE);
    if (options->version)
        exit(command_line_version() ? EXIT_SUCCESS : EXIT_FAILURE);
}

int main(int argc, char **argv)
{
    static struct options options;

    (void)argc;
    signals_prepare();
    read_options(&options, title_open(argv));
    return startup(&options);
}
