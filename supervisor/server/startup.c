#include "supervisor/server/startup.h"

#include "dispatcher/shared/log.h"
#include "dispatcher/shared/oom.h"
#include "supervisor/base/descriptors.h"
#include "supervisor/base/signals.h"
#include "supervisor/base/socket.h"
#include "supervisor/base/title.h"
#include "supervisor/jail/confinement.h"
#include "supervisor/jail/filter.h"
#include "supervisor/keeper/keeper.h"
#include "supervisor/keeper/pid_file.h"
#include "supervisor/keeper/reopen.h"
#include "supervisor/listen/binding.h"
#include "supervisor/listen/passed.h"
#include "supervisor/options/rules.h"
#include "supervisor/server/announcement.h"
#include "supervisor/server/check.h"
#include "supervisor/server/events.h"
#include "supervisor/server/greeting.h"
#include "supervisor/server/operator.h"
#include "supervisor/server/reports.h"
#include "supervisor/server/server.h"
#include "supervisor/server/state.h"
#include "supervisor/server/users.h"

#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

/* What the start needs.  The service uses some of it afterwards. */
struct startup {
    struct server server;
    struct options *options;
    struct listeners passed; /* by a service manager */
    struct listeners listeners;
    struct keeper keeper;
    struct users users;
    uid_t operator; /* may steer the service, besides root */
    int link;       /* to the keeper, in the standby and the supervisor */
    bool greets;    /* somebody sits at the terminal */
    struct takeover takeover;
    struct rlimit original; /* of descriptors */
    uint32_t descriptors;   /* the raised limit */
};

/* Keeps the descriptors that were given to this process.  The sockets that a service manager passed
 * are among them if PORT is "systemd". */
static int keep_descriptors(struct options *options, struct listeners *passed)
{
    int *kept[PASSED_MAXIMUM + 1] = {&options->ready_descriptor};

    if (passed_read(passed, options->place == OPTIONS_SYSTEMD) != 0)
        return -1;
    for (size_t i = 0; i < passed->count; i++) {
        kept[i + 1] = &passed->list[i].descriptor;
        if (options->ready_descriptor == passed->list[i].descriptor) {
            log_error("--ready-fd: '%d': expected a descriptor other than those of the sockets "
                      "passed",
                      options->ready_descriptor);
            return -1;
        }
    }
    return descriptors_prepare(kept, passed->count + 1);
}

static void open_log(const struct options *options)
{
    log_open(options->verbosity == 0   ? LOG_LEVEL_WARNING
             : options->verbosity == 1 ? LOG_LEVEL_INFO
                                       : LOG_LEVEL_DEBUG,
             options->log_format, "keeper");
}

/* The supervisor holds these while it serves, or until it does. */
static bool check_inherited(const struct options *options)
{
    if (socket_reaches_others(STDERR_FILENO)) {
        log_error(
            "standard error is a datagram socket, by which the supervisor could reach others: "
            "expected a file, a terminal, a pipe or a stream socket");
        return false;
    }
    if (options->ready_descriptor >= 0 && socket_reaches_others(options->ready_descriptor)) {
        log_error("--ready-fd: expected a file, a pipe or a stream socket, not a datagram socket");
        return false;
    }
    return true;
}

/* Returns the number of workers that dispatchers have descriptors for. */
static uint64_t workers_possible(const struct startup *startup)
{
    /* As workers_open() counts them. */
    const uint64_t each = startup->descriptors > PROTOCOL_NOT_FOR_WORKERS
                              ? startup->descriptors - PROTOCOL_NOT_FOR_WORKERS
                              : 1;

    return each * startup->options->dispatchers;
}

static void warn(const struct startup *startup)
{
    const struct options *options = startup->options;

    if (options->backlog)
        log_warning("--backlog is ignored: it is always as long as net.core.somaxconn allows");
    if ((options->fair || options->per_source != UNLIMITED) && !options->refuse &&
        options->queue != UNLIMITED &&
        (options->per_source_queue == UNLIMITED || options->per_source_queue >= options->queue))
        log_warning("--queue %u: clients of one source can fill the queue and shut the others out; "
                    "give a --per-source-queue below that",
                    options->queue);
    if (options->persistent && options->processes > workers_possible(startup))
        log_warning("--processes %u allows more workers than dispatchers have descriptors for, "
                    "%" PRIu64 ": starts beyond that fail; give a lower --processes, or raise the "
                    "hard limit on descriptors (ulimit -Hn)",
                    options->processes == UNLIMITED ? 0 : options->processes,
                    workers_possible(startup));
}

/* Prepares what dispatchers start with, and tries CMD, before anything listens. */
static int prepare_launch(struct startup *startup)
{
    const struct launch_facts facts = {
        .raised = startup->descriptors,
        .dispatcher = startup->users.dispatcher,
        .oom_score = oom_score(),
        .limit = startup->original,
        .clients = binding_clients(startup->options, &startup->passed),
    };
    int status = EXIT_FAILURE;

    if (launch_prepare(&startup->keeper.launch, startup->options, &startup->users.handlers,
                       &facts) == 0)
        status = launch_try(&startup->keeper.launch);
    if (status != EXIT_SUCCESS)
        return status;
    oom_open(facts.oom_score, true);
    oom_close(); /* it stays as it is now */
    return EXIT_SUCCESS;
}

/* Opens the sockets that clients connect to, or takes them over. */
static bool listen_for_clients(struct startup *startup)
{
    const struct options *options = startup->options;
    struct listeners *given; /* by another process */

    if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
        log_die(EXIT_FAILURE, "cannot become the reaper of orphaned handlers: %m");
    if (options->takeover != NULL && takeover_open(&startup->takeover, options->takeover) != 0)
        return false;
    given = startup->passed.count > 0 ? &startup->passed : &startup->takeover.listeners;
    return binding_open(&startup->listeners, options, given) == 0 &&
           takeover_retire(&startup->takeover, &startup->listeners) == 0;
}

/* Returns the user that may steer the service besides root: the user that started it; or, if that
 * is root, the user of --supervisor-user. */
static uid_t operator_user(const struct startup *startup)
{
    if (!startup->users.change)
        return geteuid();
    return startup->options->supervisor_user == NULL ? 0 : startup->users.supervisor.user;
}

/* Makes the keeper remove the files of our Unix sockets on exit. */
static int add_files(struct files *files, const struct listeners *listeners)
{
    for (size_t i = 0; i < listeners->count; i++) {
        const struct listener *each = &listeners->list[i];
        bool ours = each->path != NULL && !each->passed && !each->retired;

        if (ours &&
            (each->inherited ? files_borrow(files, each->path) : files_add(files, each->path)) < 0)
            return -1;
    }
    return 0;
}

/* Idle workers are in one place only if there is one dispatcher, which has little to do then. */
static unsigned default_dispatchers(const struct options *options)
{
    enum { LEAST = 2, MOST = 8 };
    cpu_set_t processors;
    int count = 0;

    if (options->persistent)
        return 1;
    if (sched_getaffinity(0, sizeof(processors), &processors) == 0)
        count = CPU_COUNT(&processors);
    return count < LEAST ? LEAST : count > MOST ? MOST : (unsigned)count;
}

/* Opens what both processes need, with the privileges of the start. */
static bool open_files(struct startup *startup)
{
    struct server *server = &startup->server;
    struct files *files = &startup->keeper.files;
    const char *pid_file = startup->options->pid_file;

    startup->operator= operator_user(startup);
    server->options = startup->options;
    server->control.source.descriptor = -1;
    server->metrics.source.descriptor = -1;
    server->takeover = startup->options->takeover == NULL ? NULL : &startup->takeover;
    signals_hold();
    notify_open(&startup->keeper.notify); /* without a service manager we serve as well */
    if (add_files(files, &startup->listeners) != 0)
        return false;
    return (pid_file == NULL || pid_file_open(pid_file, startup->takeover.process, files) == 0) &&
           operator_listen(server, files, startup->operator);
}

static void close_one(int *descriptor)
{
    if (*descriptor >= 0)
        (void)close(*descriptor); /* the supervisor has it, or needs it no more */
    *descriptor = -1;
}

/* Closes the keeper's copies of what clients connect to, which are for another pair.  A daemon that
 * has taken over must not find our lock once it is gone. */
static void retire(void *context)
{
    struct startup *startup = context;

    for (size_t i = 0; i < startup->listeners.count; i++)
        close_one(&startup->listeners.list[i].descriptor);
    close_one(&startup->server.control.source.descriptor);
    close_one(&startup->server.metrics.source.descriptor);
    files_yield(&startup->keeper.files);
}

/* Nothing of the service is left in a process that others may take over. */
static void leave_pair(void *context)
{
    struct startup *startup = context;
    struct clients_books *books = startup->server.books;

    (void)munmap(books, clients_books_size(startup->server.records)); /* cannot fail: all of it */
    (void)munmap(startup->server.lasting, sizeof(*startup->server.lasting));
}

/* What the daemon before had, and this one does not want, is closed once its backlog is served. */
static void retire_unwanted(struct startup *startup)
{
    for (size_t i = 0; i < startup->listeners.count; i++)
        if (startup->listeners.list[i].retired)
            close_one(&startup->listeners.list[i].descriptor);
}

/* The supervisor starts no process, and speaks to no service manager: it closes what only the
 * keeper uses. */
static void leave_keeper(struct keeper *keeper)
{
    files_close(&keeper->files);
    (void)close(keeper->launch.program);
    (void)close(keeper->launch.setup);
    if (keeper->launch.errors >= 0)
        (void)close(keeper->launch.errors); /* nothing was written */
    if (keeper->notify.descriptor >= 0)
        (void)close(keeper->notify.descriptor);
}

/* Serves in place of the old process. */
static bool take_over(struct startup *startup)
{
    struct server *server = &startup->server;
    const struct takeover_events events = events_of_takeover(server);

    if (takeover_finish(server->takeover, &server->loop, &server->queue, &events) != 0)
        return false;
    accept_retire(&server->acceptor);
    return true;
}

/* Puts files into their places, or takes over. */
static bool begin_serving(struct startup *startup)
{
    return startup->options->takeover == NULL ? reports_publish(&startup->server) == 0
                                              : take_over(startup);
}

/* Completes a takeover that there is no way back from. */
static void settle(struct server *server, bool resumes)
{
    if (resumes)
        takeover_serving(server->takeover);
    if (reports_publish(server) != 0)
        log_warning("going on without this file");
    takeover_settled(server->takeover);
}

/* Runs in the supervisor.  Returns the exit status. */
static int supervise(void *context)
{
    struct startup *startup = context;
    struct server *server = &startup->server;
    bool resumes = startup->keeper.is_other_pair || server->lasting->standby.begun;

    log_set_program("supervisor");
    title_set("supervisor");
    (void)prctl(PR_SET_NAME, "supervisor"); /* only people read it */
    /* A supervisor under attack could otherwise free its successor from the filter, by what it
     * leaves in the memory that they share. */
    if (resumes && filter_install() != 0)
        return STANDBY_AGAIN;
    if (server_open(server, &startup->listeners, &startup->keeper, startup->link,
                    startup->operator) != 0)
        return resumes ? STANDBY_AGAIN : EXIT_FAILURE;
    if (!resumes) {
        server_count_descriptors(server);
        if (filter_install() != 0 || !begin_serving(startup))
            return EXIT_FAILURE;
    }
    server->lasting->standby.begun = true;
    if (!server->lasting->announced) {
        if (startup->options->takeover != NULL)
            settle(server, resumes);
        announcement_make(server->options, &startup->listeners, startup->greets);
        server->lasting->announced = true;
    }
    server_run(server);
    return server_end(server);
}

/* Runs in the standby. */
__attribute__((noreturn)) static void stand_by(void *context, int link)
{
    struct startup *startup = context;
    struct server *server = &startup->server;

    log_set_program("standby");
    title_set("standby");
    (void)prctl(PR_SET_NAME, "standby"); /* only people read it */
    /* Leaves the terminal's job control.  setsid(2) would do that, too, but would make the pair an
     * autogroup, which the kernel schedules against dispatchers and clients (sched(7)).  Cannot
     * fail: a forked process leads no session. */
    (void)setpgid(0, 0);
    startup->link = link;
    leave_keeper(&startup->keeper);
    server->lasting->is_other_pair = startup->keeper.is_other_pair;
    if (gates_open(&server->gates, &server->lasting->options, loop_clock()) != 0 ||
        confinement_enter(startup->users.change ? &startup->users.supervisor : NULL) != 0)
        exit(startup->keeper.is_other_pair ? STANDBY_AGAIN : EXIT_FAILURE);
    identity_free(&startup->users.supervisor);
    standby_grow(server->lasting->descriptors_allowed);
    standby_run(&server->lasting->standby, supervise, startup);
}

/* Handlers that run count as clients without a descriptor.  --processes does not limit them:
 * operators may set it, and a takeover brings handlers.  Where memory is limited, fewer must do. */
static struct clients_books *make_books(struct startup *startup)
{
    enum { HANDLERS_MOST = 1 << 18, HANDLERS_LEAST = 1 << 8 };
    struct clients_books *books = NULL;

    for (uint32_t handlers = HANDLERS_MOST; books == NULL && handlers >= HANDLERS_LEAST;
         handlers /= 2) {
        startup->server.records = startup->descriptors + handlers;
        books = clients_make_books(startup->server.records);
    }
    return books;
}

/* Makes the memory that the pair shares. */
static struct lasting *make_lasting(struct startup *startup)
{
    struct lasting *lasting =
        mmap(NULL, sizeof(*lasting), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (lasting == MAP_FAILED)
        return NULL;
    lasting->options = *startup->options;
    lasting->rules = startup->server.rules;
    lasting->descriptors_allowed = startup->descriptors;
    startup->server.books = make_books(startup);
    return startup->server.books == NULL ? NULL : lasting;
}

static int keep(struct startup *startup)
{
    struct keeper *keeper = &startup->keeper;
    struct lasting *lasting = make_lasting(startup);

    if (lasting == NULL) {
        log_error("cannot make the memory of the supervisor: %m");
        return EXIT_FAILURE;
    }
    startup->server.lasting = lasting;
    startup->server.starter = geteuid();
    keeper->options = startup->options;
    startup->server.keeper = getpid();
    keeper->readers_identity = startup->users.change ? &startup->users.supervisor : NULL;
    keeper->begun = &lasting->standby.begun;
    keeper->ended = &lasting->standby.ended;
    keeper->useless = &lasting->standby.useless;
    keeper->cloned = &lasting->standby.process;
    keeper->events = (struct keeper_events){
        .stand_by = stand_by, .leave_pair = leave_pair, .retire = retire, .context = startup};
    if (!open_files(startup) || keeper_open(keeper, startup->options->dispatchers) != 0)
        return keeper_end(keeper);
    takeover_forsake(&startup->takeover);
    retire_unwanted(startup);
    close_one(&startup->options->ready_descriptor);
    /* The keeper may be the last to close the socket of a dead dispatcher. */
    keeper->interrupts = listeners_bring_descriptors(&startup->listeners);
    title_set("keeper");
    return keeper_run(keeper);
}

/* This may take long.  A signal may still end the process, because there is nothing to remove yet,
 * and no other daemon waits for this one to take over. */
static bool read_files(struct startup *startup)
{
    struct server *server = &startup->server;

    return rules_look_up(startup->options) &&
           policy_read(&server->queue.policy, startup->options, &server->rules);
}

/* Does what a start does before it takes or changes anything, and goes on after each failure, in
 * order to report all of them.  Returns the status that the start would exit with. */
static int check(struct startup *startup)
{
    bool known = users_find(&startup->users, startup->options);
    int status = known ? prepare_launch(startup) : EXIT_FAILURE; /* CMD needs its user */
    bool read = read_files(startup);
    bool found = check_places(startup->options);

    if (status == EXIT_SUCCESS && !(read && found))
        status = EXIT_FAILURE;
    if (status == EXIT_SUCCESS)
        log_write(LOG_LEVEL_ANSWER, "--check-config: nothing is wrong; CMD is %s",
                  startup->keeper.launch.path);
    return status;
}

/* Starts and serves.  Returns the exit status. */
static int begin(struct startup *startup)
{
    int status;

    if (!users_find(&startup->users, startup->options))
        return EXIT_FAILURE;
    if ((status = prepare_launch(startup)) != EXIT_SUCCESS)
        return status;
    if (launch_open_errors(&startup->keeper.launch, startup->options) != 0 ||
        !read_files(startup) || !listen_for_clients(startup))
        return EXIT_FAILURE;
    return keep(startup);
}

int startup(struct options *options)
{
    static struct startup startup;

    startup.options = options;
    startup.keeper.status = EXIT_FAILURE << 8; /* until there is a supervisor */
    if (keep_descriptors(options, &startup.passed) != 0)
        return EXIT_FAILURE;
    open_log(options);
    if (!check_inherited(options))
        return EXIT_FAILURE;
    reopen_prepare(&startup.keeper.reopen);
    startup.greets = greeting_is_wanted(options);
    startup.descriptors = descriptors_raise(&startup.original);
    if (options->dispatchers == 0)
        options->dispatchers = default_dispatchers(options);
    warn(&startup);
    return options->check ? check(&startup) : begin(&startup);
}
