#include "supervisor/server/startup.h"

#include "dispatcher/shared/log.h"
#include "dispatcher/shared/oom.h"
#include "supervisor/base/descriptors.h"
#include "supervisor/jail/confinement.h"
#include "supervisor/keeper/launch.h"
#include "supervisor/keeper/pid_file.h"
#include "supervisor/options/identity.h"
#include "supervisor/server/events.h"
#include "supervisor/server/handler_setup.h"
#include "supervisor/server/listener_setup.h"
#include "supervisor/server/server.h"
#include "supervisor/server/signals.h"
#include "supervisor/server/state.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

/* What the start needs.  The service uses some of it afterwards. */
struct startup {
    struct server server;
    struct options *options;
    struct listeners passed; /* by a service manager */
    struct listeners listeners;
    struct launch launch;
    struct identity identity; /* of the supervisor, if it changes its user */
    struct janitor janitor;
    struct takeover takeover;
    struct rlimit original; /* of descriptors */
    uint32_t descriptors;   /* the raised limit */
};

static void open_log(const struct options *options)
{
    log_open(options->verbosity == 0   ? LOG_LEVEL_WARNING
             : options->verbosity == 1 ? LOG_LEVEL_INFO
                                       : LOG_LEVEL_DEBUG,
             options->log_format, "supervisor");
}

static void warn(const struct options *options)
{
    if (options->backlog)
        log_warning("--backlog is ignored: it is always as long as net.core.somaxconn allows");
    if ((options->fair || options->per_source != UNLIMITED) && !options->refuse &&
        options->queue != UNLIMITED &&
        (options->per_source_queue == UNLIMITED || options->per_source_queue >= options->queue))
        log_warning("--queue %u: clients of one source can fill the queue and shut the others out; "
                    "give a --per-source-queue below that",
                    options->queue);
}

/* Finds the user that the supervisor becomes. */
static int find_identity(struct startup *startup)
{
    if (confinement_changes_user())
        return identity_of_supervisor(&startup->identity, startup->options->supervisor_user)
                   ? EXIT_SUCCESS
                   : EXIT_FAILURE;
    if (startup->options->supervisor_user != NULL)
        log_warning("--supervisor-user is ignored: only root can become another user");
    return EXIT_SUCCESS;
}

/* Returns EXIT_SUCCESS, or the status to exit with after logging why. */
static int try_command(struct launch *launch)
{
    struct channel_reserve none = {0};
    struct channel_ends ends;

    if (channel_open_ends(&ends, &none) == 0) {
        int status = launch_try(launch, &ends.socket, &ends.peer, ends.memory);

        channel_close_ends(&ends);
        return status;
    }
    log_error("cannot try the command, because a dispatcher needs a socket and a memory file: %m%s",
              errno == ENOSYS ? "; memfd_create(2) requires Linux 3.17" : "");
    return EXIT_FAILURE;
}

/* Prepares what dispatchers start with, and tries CMD, before anything listens. */
static int prepare_launch(struct startup *startup)
{
    const struct options *options = startup->options;
    int original = oom_score();
    uid_t supervisor = confinement_changes_user() ? startup->identity.user : (uid_t)-1;
    size_t size;
    struct setup *setup = handler_setup(options, supervisor, original, &size);
    int status = EXIT_FAILURE;

    if (setup != NULL && launch_prepare(&startup->launch, options->command, &startup->original,
                                        setup, size, options->log_format) == 0)
        status = try_command(&startup->launch);
    if (status != EXIT_SUCCESS)
        return status;
    oom_open(original);
    oom_close(); /* it stays as it is now */
    return EXIT_SUCCESS;
}

/* Opens the sockets that clients connect to, or takes them over. */
static int listen_for_clients(struct startup *startup)
{
    const struct options *options = startup->options;

    if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
        log_die(EXIT_FAILURE, "cannot become the reaper of orphaned handlers: %m");
    if (options->takeover != NULL && takeover_open(&startup->takeover, options->takeover) != 0)
        return EXIT_FAILURE;
    return listener_setup_open(&startup->listeners, options, &startup->passed,
                               &startup->takeover) == 0
               ? EXIT_SUCCESS
               : EXIT_FAILURE;
}

/* Returns the user that may steer the service besides root: the user that started it; or, if that
 * is root, the user of --supervisor-user. */
static uid_t operator_user(const struct startup *startup)
{
    if (!confinement_changes_user())
        return geteuid();
    return startup->options->supervisor_user == NULL ? 0 : startup->identity.user;
}

/* The descriptor of the pid file has the lock, and stays open for good. */
static bool open_pid_file(struct startup *startup)
{
    const char *path = startup->options->pid_file;

    return path == NULL || pid_file_open(path, startup->takeover.process, &startup->janitor) >= 0;
}

/* Does the rest that requires privileges, and gives them up. */
static bool open_service(struct startup *startup, char **argv)
{
    struct server *server = &startup->server;

    server->janitor = &startup->janitor;
    server->takeover = startup->options->takeover == NULL ? NULL : &startup->takeover;
    /* Reading may take long, so a signal may still end the process; later there are files to
     * remove. */
    if (!policy_read(&server->queue.policy, startup->options))
        return false;
    signals_hold();
    if (listener_setup_leave(&startup->janitor, &startup->listeners) != 0 ||
        !open_pid_file(startup) ||
        server_open(server, startup->options, &startup->listeners, &startup->launch,
                    startup->descriptors, operator_user(startup)) != 0 ||
        janitor_start(&startup->janitor, argv) != 0)
        return false;
    launch_close(&startup->launch);
    server_count_descriptors(server);
    return confinement_enter(&startup->identity) == 0;
}

/* Serves in place of the old process. */
static bool take_over(struct startup *startup)
{
    struct server *server = &startup->server;
    const struct takeover_events events = events_of_takeover(server);

    if (takeover_finish(server->takeover, &server->loop, &server->queue, &events) != 0)
        return false;
    /* There is no way back. */
    accept_retire(&server->acceptor);
    server->starting.paused = server->takeover->paused;
    server->starting.next.deadline =
        loop_clock(); /* no event says that waiting clients may start */
    if (janitor_publish(&startup->janitor) != 0)
        log_warning("going on without this file");
    takeover_settled(server->takeover);
    return true;
}

/* From here on this process serves. */
static bool begin(struct startup *startup)
{
    return startup->options->takeover == NULL ? janitor_publish(&startup->janitor) == 0
                                              : take_over(startup);
}

/* Removes what was made so far, dispatchers included: another attempt may need their places among
 * the processes. */
static int give_up(struct startup *startup)
{
    pool_close(&startup->server.pool);
    janitor_close(&startup->janitor);
    return EXIT_FAILURE;
}

static void tell_listening(const struct startup *startup)
{
    char text[LISTENER_TEXT];

    for (size_t i = 0; i < startup->listeners.count; i++) {
        const struct listener *each = &startup->listeners.list[i];

        if (!each->retired)
            report_listening(each->path, &each->local, listener_text(each, text));
    }
    listeners_announce(&startup->listeners, startup->options->ready_descriptor);
}

int startup(struct server **server, struct options *options, char **argv)
{
    static struct startup startup;
    int status;

    startup.options = options;
    if (listener_setup_descriptors(options, &startup.passed) != 0)
        return EXIT_FAILURE;
    open_log(options);
    warn(options);
    startup.descriptors = descriptors_raise(&startup.original);
    if ((status = find_identity(&startup)) != EXIT_SUCCESS ||
        (status = prepare_launch(&startup)) != EXIT_SUCCESS ||
        (status = listen_for_clients(&startup)) != EXIT_SUCCESS)
        return status;
    if (!open_service(&startup, argv) || !begin(&startup))
        return give_up(&startup);
    identity_free(&startup.identity);
    tell_listening(&startup);
    *server = &startup.server;
    return EXIT_SUCCESS;
}
