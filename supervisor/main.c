/*
 * socket-burst-dampener - accepts every connection at once, queues it, and serves the queue in
 * order of arrival with a bounded number of handlers.
 *
 * This is the supervisor: it owns the listening sockets and the queue.  Handlers are started by
 * dispatchers, small processes of their own (dispatcher/protocol.h).
 */
#include "dispatcher/log.h"
#include "dispatcher/oom.h"
#include "supervisor/address.h"
#include "supervisor/confinement.h"
#include "supervisor/descriptors.h"
#include "supervisor/handler_setup.h"
#include "supervisor/report.h"
#include "supervisor/signals.h"
#include "supervisor/usage.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { EXIT_USAGE = 2 };

static void read_options(struct options *options, char *const *argv)
{
    if (!options_parse(options, argv))
        exit(EXIT_USAGE);
    if (options->help)
        exit(usage_help() ? EXIT_SUCCESS : EXIT_FAILURE);
    if (options->version)
        exit(usage_version() ? EXIT_SUCCESS : EXIT_FAILURE);
}

static void open_log(unsigned verbosity)
{
    log_open(verbosity == 0   ? LOG_LEVEL_WARNING
             : verbosity == 1 ? LOG_LEVEL_INFO
                              : LOG_LEVEL_DEBUG);
}

static struct listener_request listener_request(const struct options *options)
{
    return (struct listener_request){
        .addresses = options->addresses,
        .address_count = options->address_count,
        .port = options->port,
        .ipv4 = options->ipv4,
        .ipv6 = options->ipv6,
    };
}

/* Who reads this may be gone by now; that is no reason not to serve. */
static void tell_ready(int descriptor, const struct listeners *listeners)
{
    if (descriptor < 0)
        return;
    for (size_t i = 0; i < listeners->count; i++) {
        char address[INET6_ADDRSTRLEN];
        char line[INET6_ADDRSTRLEN + 16];
        int length = snprintf(line, sizeof(line), "%s %u\n",
                              address_text(&listeners->list[i].local, address),
                              listeners->list[i].local.port);

        if (write(descriptor, line, (size_t)length) != length)
            log_warning("--ready-fd: cannot write to it: %m");
    }
    if (close(descriptor) != 0)
        log_warning("--ready-fd: cannot close it: %m");
}

static int end(const struct server *server)
{
    if (!server->interrupted)
        return server->forced ? EXIT_FAILURE : EXIT_SUCCESS;
    log_plain("interrupted.");
    signals_die_of(SIGINT);
}

static void warn(const struct options *options)
{
    if (options->backlog)
        log_warning("--backlog is ignored: it is always as long as net.core.somaxconn allows");
    if ((options->fair || options->per_source != OPTIONS_NONE) && !options->refuse &&
        options->queue != OPTIONS_QUEUE_MAXIMUM &&
        (options->per_source_queue == OPTIONS_NONE || options->per_source_queue >= options->queue))
        log_warning("--queue %u: clients of one source can fill it, and those of others are not "
                    "seen then; give --per-source-queue, less than that",
                    options->queue);
}

/* Who the supervisor will be, if that is somebody else. */
static void find_identity(struct identity *identity, const struct options *options)
{
    if (!confinement_changes_user()) {
        if (options->supervisor_user != NULL)
            log_warning("--supervisor-user is ignored: only root can become somebody else");
        return;
    }
    if (!identity_of_supervisor(identity, options->supervisor_user))
        exit(EXIT_FAILURE);
}

/* What dispatchers are to be, and that they can be it: before anything listens. */
static void prepare_launch(struct launch *launch, const struct options *options,
                           const struct identity *identity, const struct rlimit *limit)
{
    int original = oom_score();
    uid_t supervisor = confinement_changes_user() ? identity->user : (uid_t)-1;
    size_t size;
    struct setup *setup = handler_setup(options, supervisor, original, &size);
    int status;

    if (setup == NULL || launch_prepare(launch, options->command, limit, setup, size) != 0)
        exit(EXIT_FAILURE);
    status = launch_try(launch);
    if (status != 0)
        exit(status);
    oom_open(original);
    oom_close(); /* it stays as it is now */
}

int main(int argc, char **argv)
{
    static struct server server;
    static struct options options;
    static struct listeners listeners;
    static struct launch launch;
    static struct identity identity;
    struct listener_request request;
    struct rlimit original;
    uint32_t limit;

    (void)argc;
    signals_prepare();
    read_options(&options, argv);
    if (descriptors_prepare(&options.ready_descriptor) != 0)
        return EXIT_FAILURE;
    open_log(options.verbosity);
    warn(&options);
    limit = descriptors_raise(&original);
    find_identity(&identity, &options);
    prepare_launch(&launch, &options, &identity, &original);

    request = listener_request(&options);
    if (listeners_open(&listeners, &request) != 0)
        return EXIT_FAILURE;
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
        log_die(EXIT_FAILURE, "cannot become the reaper of orphaned handlers: %m");
    if (server_open(&server, &options, &listeners, &launch, limit) != 0)
        return EXIT_FAILURE;
    launch_close(&launch);
    if (confinement_enter(&identity) != 0)
        return EXIT_FAILURE;
    identity_free(&identity);

    report_listening(&listeners);
    tell_ready(options.ready_descriptor, &listeners);
    server_run(&server);
    return end(&server);
}
