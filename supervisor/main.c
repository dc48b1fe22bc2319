/*
 * socket-burst-dampener - accepts every connection at once, queues it, and serves the queue in
 * order of arrival with a bounded number of handlers.
 *
 * This is the supervisor: it owns the listening sockets and the queue.  Handlers are started by
 * dispatchers, small processes of their own (dispatcher/protocol.h).
 */
#include "dispatcher/shared/log.h"
#include "dispatcher/shared/oom.h"
#include "supervisor/base/descriptors.h"
#include "supervisor/figures/report.h"
#include "supervisor/jail/confinement.h"
#include "supervisor/keeper/pid_file.h"
#include "supervisor/options/usage.h"
#include "supervisor/server/handler_setup.h"
#include "supervisor/server/listener_setup.h"
#include "supervisor/server/signals.h"

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

static void open_log(const struct options *options)
{
    log_open(options->verbosity == 0   ? LOG_LEVEL_WARNING
             : options->verbosity == 1 ? LOG_LEVEL_INFO
                                       : LOG_LEVEL_DEBUG,
             options->log_format, "supervisor");
}

static int end(const struct server *server)
{
    janitor_close(server->janitor);
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

    if (setup == NULL ||
        launch_prepare(launch, options->command, limit, setup, size, options->log_format) != 0)
        exit(EXIT_FAILURE);
    status = launch_try(launch);
    if (status != 0)
        exit(status);
    oom_open(original);
    oom_close(); /* it stays as it is now */
}

/* The descriptor has the lock: it stays open as long as this process lives. */
static int open_pid_file(const struct options *options, struct janitor *janitor,
                         const struct takeover *takeover)
{
    return options->pid_file == NULL ||
                   pid_file_open(options->pid_file, takeover == NULL ? 0 : takeover->process,
                                 janitor) >= 0
               ? 0
               : -1;
}

/* What was made so far goes again, dispatchers included: who tries again may need their places
 * among the processes. */
static int give_up(struct server *server)
{
    pool_close(&server->pool);
    janitor_close(server->janitor);
    return EXIT_FAILURE;
}

/* Besides root: who has started this, unless that is root, who may have named another. */
static uid_t operator_user(const struct options *options, const struct identity *identity)
{
    if (!confinement_changes_user())
        return geteuid();
    return options->supervisor_user == NULL ? 0 : identity->user;
}

/* All that takes privileges. */
static int open_service(struct server *server, struct options *options, struct listeners *listeners,
                        struct launch *launch, uint32_t limit, const struct identity *identity)
{
    /* Reading may take long, and can be broken off; what is made later is to be removed again. */
    if (!policy_read(&server->policy, options))
        return -1;
    signals_hold();
    return listener_setup_leave(server->janitor, listeners) == 0 &&
                   open_pid_file(options, server->janitor, server->takeover) == 0 &&
                   server_open(server, options, listeners, launch, limit,
                               operator_user(options, identity)) == 0
               ? 0
               : -1;
}

/* From here on it is this process that serves. */
static int begin(struct server *server, const struct options *options)
{
    if (options->takeover == NULL)
        return janitor_publish(server->janitor);
    if (predecessor_take(server, server->takeover) != 0)
        return -1;
    /* There is no way back. */
    if (janitor_publish(server->janitor) != 0)
        log_warning("going on without");
    predecessor_settled(server);
    return 0;
}

int main(int argc, char **argv)
{
    static struct server server;
    static struct options options;
    static struct listeners passed;
    static struct listeners listeners;
    static struct launch launch;
    static struct identity identity;
    static struct janitor janitor;
    static struct takeover takeover;
    struct rlimit original;
    uint32_t limit;

    (void)argc;
    signals_prepare();
    read_options(&options, argv);
    if (listener_setup_descriptors(&options, &passed) != 0)
        return EXIT_FAILURE;
    open_log(&options);
    warn(&options);
    limit = descriptors_raise(&original);
    find_identity(&identity, &options);
    prepare_launch(&launch, &options, &identity, &original);

    if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
        log_die(EXIT_FAILURE, "cannot become the reaper of orphaned handlers: %m");
    if ((options.takeover != NULL && takeover_open(&takeover, options.takeover) != 0) ||
        listener_setup_open(&listeners, &options, &passed, &takeover) != 0)
        return EXIT_FAILURE;
    server.janitor = &janitor;
    server.takeover = options.takeover == NULL ? NULL : &takeover;
    if (open_service(&server, &options, &listeners, &launch, limit, &identity) != 0 ||
        janitor_start(&janitor, argv) != 0)
        return give_up(&server);
    launch_close(&launch);
    server_count_descriptors(&server);
    if (confinement_enter(&identity) != 0 || begin(&server, &options) != 0)
        return give_up(&server);
    identity_free(&identity);

    report_listening(&listeners);
    listener_setup_tell(options.ready_descriptor, &listeners);
    server_run(&server);
    return end(&server);
}
