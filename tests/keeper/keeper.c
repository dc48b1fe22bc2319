/*
 * Tests keeper.h with a supervisor under attack: the keeper carries out the requests of link.h, and
 * nothing else.
 *
 * This process becomes the keeper.  The checks run in the standby that it forks, in place of a
 * supervisor.  Its dispatchers only sleep.
 */
#include "supervisor/keeper/keeper.h"

#include "dispatcher/shared/rights.h"
#include "supervisor/base/signals.h"
#include "tests/shared/check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DISPATCHERS = 2, PATIENCE = 20000 /* milliseconds */, QUIET = 100 };

static struct keeper keeper;
static struct options options;
static int link_end;
static int manager; /* a service manager's socket */
static bool acknowledges = true;
static uint64_t heard; /* number of the last report that was acknowledged */

/* ---- the keeper's surroundings ---- */

/* Waits for a signal.  If none comes, a check has failed. */
static _Noreturn void sleep_on(void)
{
    sigset_t alarms;

    (void)sigemptyset(&alarms);
    (void)sigaddset(&alarms, SIGALRM);
    (void)sigprocmask(SIG_UNBLOCK, &alarms, NULL);
    (void)alarm(2 * PATIENCE / 1000);
    for (;;)
        (void)pause();
}

pid_t __wrap_launch_dispatcher(struct launch *launch, unsigned index,
                               int descriptors[LAUNCH_DESCRIPTORS]);

pid_t __wrap_launch_dispatcher(struct launch *launch, unsigned index,
                               int descriptors[LAUNCH_DESCRIPTORS])
{
    pid_t process;

    (void)launch;
    (void)index;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, descriptors) != 0)
        return -1;
    descriptors[LAUNCH_LEDGER] = memfd_create("ledger", MFD_CLOEXEC);
    process = fork();
    if (process == 0)
        sleep_on();
    return process;
}

static void open_manager(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char name[40];

    (void)snprintf(name, sizeof(name), "@dampener-keeper-%d", (int)getpid());
    memcpy(address.sun_path + 1, name + 1, strlen(name) - 1);
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK(bind(manager, (struct sockaddr *)&address,
               (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))) == 0);
    (void)setenv("NOTIFY_SOCKET", name, 1);
}

static void make(const char *name, const char *content)
{
    int file = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    CHECK(file >= 0 && write(file, content, strlen(content)) == (ssize_t)strlen(content));
    (void)close(file);
}

static bool is_absent(const char *name)
{
    return access(name, F_OK) != 0 && errno == ENOENT;
}

/* ---- the supervisor's side of the link ---- */

static void request(struct link_message message)
{
    CHECK(link_send(link_end, &message, NULL) == 0);
}

/* Waits for the next report; closes its descriptors if `descriptors` is NULL. */
static struct link_message report(int *descriptors)
{
    struct pollfd event = {.fd = link_end, .events = POLLIN};
    struct link_message message = {0};
    int brought[LINK_DESCRIPTORS];
    bool arrived = poll(&event, 1, PATIENCE) == 1 && link_receive(link_end, &message, brought);

    CHECK(arrived);
    if (!arrived)
        exit(CHECK_RESULT()); /* nothing makes sense any more */
    for (int i = 0; i < LINK_DESCRIPTORS; i++)
        if (descriptors != NULL)
            descriptors[i] = brought[i];
        else if (brought[i] >= 0)
            (void)close(brought[i]);
    if (message.number != 0) {
        CHECK(message.number == heard + 1);
        heard = message.number;
        if (acknowledges)
            request((struct link_message){.type = LINK_HEARD, .number = heard});
    }
    return message;
}

/* Returns true if the keeper has nothing more to report, and still carries out requests. */
static bool has_ignored_all(void)
{
    struct link_message message;

    request((struct link_message){.type = LINK_READ, .index = OPTIONS_FILES}); /* no file */
    message = report(NULL);
    if (message.type != LINK_CONTENT)
        (void)fprintf(stderr, "report %u about process %d\n", message.type, message.process);
    return message.type == LINK_CONTENT && message.value == EINVAL;
}

/* Starts a process that becomes a child of the keeper, and leads a session. */
static pid_t orphan(bool leads)
{
    int channel[2];
    pid_t process = -1;

    CHECK(pipe2(channel, O_CLOEXEC) == 0);
    if (fork() == 0) {
        if (fork() == 0) {
            sigset_t none;

            (void)sigemptyset(&none);
            (void)sigprocmask(SIG_SETMASK, &none, NULL);
            if (leads)
                (void)setsid();
            process = getpid();
            (void)!write(channel[1], &process, sizeof(process));
            sleep_on();
        }
        _exit(0);
    }
    CHECK(wait(NULL) > 0);
    CHECK(read(channel[0], &process, sizeof(process)) == (ssize_t)sizeof(process));
    (void)close(channel[0]);
    (void)close(channel[1]);
    return process;
}

static void check_ended(pid_t process, int signal_number)
{
    struct link_message message = report(NULL);

    CHECK(message.type == LINK_ENDED && message.process == process && message.index == 0);
    CHECK(WIFSIGNALED(message.value) && WTERMSIG(message.value) == signal_number);
}

/* ---- what is checked ---- */

static pid_t dispatchers[DISPATCHERS];

static void check_begun(unsigned index, uint32_t generation)
{
    struct link_message message;
    int descriptors[LINK_DESCRIPTORS];

    message = report(descriptors);
    CHECK(message.type == LINK_BEGUN && message.index == index);
    CHECK(message.generation == generation && kill(message.process, 0) == 0);
    dispatchers[index] = message.process;
    for (int i = 0; i < LINK_DESCRIPTORS; i++)
        CHECK(descriptors[i] >= 0 && close(descriptors[i]) == 0);
}

static void check_unknown(void)
{
    static const uint32_t types[] = {0,          LINK_BEGUN,     LINK_CAUGHT, LINK_UNHEARD,
                                     LINK_RENEW, LINK_RENEW + 1, 1000,        UINT32_MAX};

    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
        if (types[i] != LINK_BEGUN)
            request((struct link_message){.type = types[i], .process = getppid()});
    CHECK(has_ignored_all());
}

static void check_malformed(void)
{
    struct link_message message = {.type = LINK_PUBLISH};
    char bytes[sizeof(message) + 1] = {0};

    memcpy(bytes, &message, sizeof(message));
    CHECK(send(link_end, bytes, sizeof(bytes), 0) == (ssize_t)sizeof(bytes));
    CHECK(send(link_end, bytes, sizeof(message) - 1, 0) == (ssize_t)sizeof(message) - 1);
    CHECK(send(link_end, bytes, 1, 0) == 1);
    message.text[LINK_TEXT - 1] = 'x';
    request(message);
    CHECK(has_ignored_all() && !is_absent("new"));
}

/* A descriptor that a request brings is not kept. */
static void check_descriptors(void)
{
    static const struct {
        uint32_t type;
        unsigned count;
    } cases[] = {{LINK_BEGUN, LINK_DESCRIPTORS}, {LINK_CONTENT, 1}, {LINK_LEND, 1}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct link_message message = {.type = cases[i].type, .index = UINT32_MAX};
        struct pollfd event;
        int channel[2];

        CHECK(pipe2(channel, O_CLOEXEC) == 0);
        CHECK(rights_send(link_end, &message, sizeof(message),
                          (int[]){channel[1], channel[1], channel[1]}, cases[i].count, 0) > 0);
        (void)close(channel[1]);
        event = (struct pollfd){.fd = channel[0]};
        CHECK(poll(&event, 1, PATIENCE) == 1 && (event.revents & POLLHUP) != 0);
        (void)close(channel[0]);
    }
    CHECK(has_ignored_all());
}

static void check_kill(void)
{
    const struct link_message wrong[] = {
        {.index = 0, .generation = 0},           {.index = 0, .generation = 2},
        {.index = DISPATCHERS, .generation = 1}, {.index = UINT32_MAX, .generation = 1},
        {.index = KEEPER_DISPATCHERS},
    };
    struct link_message message;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        message = wrong[i];
        message.type = LINK_KILL;
        message.process = dispatchers[0];
        request(message);
    }
    CHECK(has_ignored_all());
    for (unsigned i = 0; i < DISPATCHERS; i++)
        CHECK(kill(dispatchers[i], 0) == 0);

    request((struct link_message){.type = LINK_KILL, .index = 1, .generation = 1});
    message = report(NULL);
    CHECK(message.type == LINK_DIED && message.index == 1 && message.generation == 1);
    CHECK(WIFSIGNALED(message.value) && WTERMSIG(message.value) == SIGKILL);
    check_begun(1, 2);
    /* One that gives way is not replaced for a minute. */
    request((struct link_message){.type = LINK_KILL, .index = 1, .generation = 2, .value = 1});
    message = report(NULL);
    CHECK(message.type == LINK_DIED && message.index == 1 && message.generation == 2);
    (void)poll(NULL, 0, 5 * QUIET);
    CHECK(has_ignored_all());
    /* The last one is, because no other dispatcher serves. */
    request((struct link_message){.type = LINK_KILL, .index = 0, .generation = 1, .value = 1});
    message = report(NULL);
    CHECK(message.type == LINK_DIED && message.index == 0 && message.generation == 1);
    check_begun(0, 2);
}

static void check_not_adopted(pid_t process)
{
    struct link_message message;

    request((struct link_message){.type = LINK_ADOPT, .process = process, .generation = 77});
    message = report(NULL);
    CHECK(message.type == LINK_ENDED && message.process == process && message.index == 1);
    CHECK(message.generation == 77);
}

/* Waits until a process sleeps or is dead, as the text of proc_pid_stat(5) says. */
static void await_state(pid_t process, const char *state)
{
    char path[40];
    char text[200] = "";

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)process);
    while (strstr(text, state) == NULL) {
        int file = open(path, O_RDONLY | O_CLOEXEC);

        CHECK(file >= 0 && read(file, text, sizeof(text) - 1) > 0);
        (void)close(file);
        (void)poll(NULL, 0, 1);
    }
}

static void check_adopt(void)
{
    pid_t process = orphan(true);
    struct link_message message;

    check_not_adopted(0);
    check_not_adopted(1);
    check_not_adopted(-1);
    check_not_adopted(INT_MIN);
    check_not_adopted(getpid());
    check_not_adopted(getppid());
    check_not_adopted(dispatchers[0]);
    request((struct link_message){.type = LINK_ADOPT, .process = process});
    CHECK(has_ignored_all()); /* the process lives */
    CHECK(kill(process, SIGTERM) == 0);
    check_ended(process, SIGTERM);
    check_not_adopted(process);
    /* It lives when the keeper hears of it, and dies before it leads a session. */
    process = orphan(false);
    request((struct link_message){.type = LINK_ADOPT, .process = process, .generation = 78});
    CHECK(has_ignored_all());
    CHECK(kill(process, SIGKILL) == 0);
    message = report(NULL);
    CHECK(message.type == LINK_ENDED && message.process == process && message.index == 1);
    CHECK(message.generation == 78);
    /* It is dead when the keeper hears of it, and never led a session. */
    process = orphan(false);
    await_state(getppid(), ") S ");
    CHECK(kill(getppid(), SIGSTOP) == 0 && kill(process, SIGKILL) == 0);
    await_state(process, ") Z ");
    request((struct link_message){.type = LINK_ADOPT, .process = process, .generation = 77});
    CHECK(kill(getppid(), SIGCONT) == 0);
    message = report(NULL);
    CHECK(message.type == LINK_ENDED && message.process == process && message.index == 1);
}

/* Starts a process in a group of its own that is no child of the keeper. */
static pid_t stranger(void)
{
    pid_t process = fork();

    if (process == 0)
        sleep_on();
    CHECK(process > 0 && setpgid(process, process) == 0);
    return process;
}

static void check_signal(void)
{
    pid_t process = orphan(true);
    pid_t other = stranger();
    const pid_t groups[] = {0,         1,         -1,         INT_MIN, getpid(),       getppid(),
                            getpgrp(), -getpid(), -getppid(), other,   dispatchers[0], -process};
    static const int signals[] = {0, -1, SIGSTOP, SIGHUP, SIGINT, SIGCONT, 1000};

    for (size_t i = 0; i < sizeof(groups) / sizeof(*groups); i++)
        request((struct link_message){.type = LINK_SIGNAL, .process = groups[i], .value = SIGKILL});
    for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
        request(
            (struct link_message){.type = LINK_SIGNAL, .process = process, .value = signals[i]});
    CHECK(has_ignored_all());
    CHECK(waitpid(other, NULL, WNOHANG) == 0 && kill(dispatchers[0], 0) == 0);
    CHECK(kill(other, SIGKILL) == 0 && waitpid(other, NULL, 0) == other);
    request((struct link_message){.type = LINK_SIGNAL, .process = process, .value = SIGTERM});
    check_ended(process, SIGTERM);
}

static void check_group(void)
{
    pid_t process = orphan(true);
    struct link_message message;

    for (pid_t wrong = -1; wrong <= 1; wrong++) {
        request((struct link_message){.type = LINK_GROUP, .process = wrong});
        message = report(NULL);
        CHECK(message.type == LINK_EMPTY && message.process == wrong);
    }
    request((struct link_message){.type = LINK_GROUP, .process = process});
    CHECK(has_ignored_all());
    request((struct link_message){.type = LINK_SIGNAL, .process = process, .value = SIGKILL});
    check_ended(process, SIGKILL);
    message = report(NULL);
    CHECK(message.type == LINK_EMPTY && message.process == process);
}

/* Returns the value of the answer to READ, and sets *memory to the file that comes with it; -1:
 * none.
 */
static int value_of_read(uint32_t index, int *memory)
{
    int descriptors[LINK_DESCRIPTORS];
    struct link_message message;

    request((struct link_message){.type = LINK_READ, .index = index});
    message = report(descriptors);
    CHECK(message.type == LINK_CONTENT && message.index == index);
    CHECK((message.value == 0) == (descriptors[0] >= 0));
    *memory = descriptors[0];
    return message.value;
}

static bool is_refused(uint32_t index, int value)
{
    int memory;

    return value_of_read(index, &memory) == value && memory < 0;
}

static void check_message(const char *expected)
{
    char content[32] = "";
    int memory;

    CHECK(value_of_read(OPTIONS_FILE_BUSY, &memory) == 0);
    CHECK(read(memory, content, sizeof(content) - 1) >= 0);
    CHECK(strcmp(content, expected) == 0);
    CHECK((fcntl(memory, F_GET_SEALS) & F_SEAL_WRITE) != 0);
    (void)close(memory);
}

static void check_rules(size_t expected)
{
    struct access access;
    int memory;

    CHECK(value_of_read(OPTIONS_FILE_ACCESS, &memory) == 0);
    CHECK(access_load(&access, memory) && access.count == expected);
    access_free(&access);
    (void)close(memory);
}

static void check_read(void)
{
    static const uint32_t none[] = {OPTIONS_FILES, UINT32_MAX};

    for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++) {
        struct link_message message = {.type = LINK_READ, .index = none[i], .text = "new"};

        request(message);
        message = report(NULL);
        CHECK(message.type == LINK_CONTENT && message.value == EINVAL);
    }
    CHECK(is_refused(OPTIONS_FILE_BUSY, ENOENT));
    make("message", "one");
    check_message("one");
    CHECK(unlink("message") == 0 && mkfifo("message", 0600) == 0);
    CHECK(is_refused(OPTIONS_FILE_BUSY, EINVAL));
    CHECK(unlink("message") == 0 && mkdir("message", 0700) == 0);
    CHECK(is_refused(OPTIONS_FILE_BUSY, EINVAL));
    CHECK(rmdir("message") == 0);

    CHECK(is_refused(OPTIONS_FILE_ACCESS, LINK_LOGGED));
    make("rules", "");
    check_rules(0);
    make("rules", "allow ::1\nallow all\nallow 127.0.0.1\nallow ::1\n");
    check_rules(4);
    make("rules", "allow ::1\ndeny ::1\n");
    CHECK(is_refused(OPTIONS_FILE_ACCESS, LINK_LOGGED));
    make("rules", "one");
    CHECK(is_refused(OPTIONS_FILE_ACCESS, LINK_LOGGED));
    CHECK(unlink("rules") == 0 && mkfifo("rules", 0600) == 0);
    CHECK(is_refused(OPTIONS_FILE_ACCESS, LINK_LOGGED));
    CHECK(unlink("rules") == 0);
}

/* Of many readers, only the last one goes on; others may have answered before. */
static void check_many_reads(void)
{
    enum { MANY = 200 };
    struct pollfd event = {.fd = link_end, .events = POLLIN};

    make("rules", "one");
    for (int i = 0; i < MANY; i++)
        request((struct link_message){.type = LINK_READ, .index = OPTIONS_FILE_ACCESS});
    do
        CHECK(report(NULL).type == LINK_CONTENT);
    while (poll(&event, 1, 2 * QUIET) == 1);
    CHECK(unlink("rules") == 0);
}

static void check_files(void)
{
    struct link_message message;

    for (int i = 0; i < 2; i++) { /* the second time there is nothing to do */
        request((struct link_message){.type = LINK_PUBLISH, .text = "old"});
        message = report(NULL);
        CHECK(message.type == LINK_PUBLISHED && message.value == 0);
        CHECK(is_absent("new") && !is_absent("place"));
    }
    for (uint32_t index = 3; index != 0; index = index == 3 ? UINT32_MAX : 0)
        request((struct link_message){.type = LINK_LEND, .index = index, .value = 1});
    request((struct link_message){.type = LINK_LEND, .index = 1, .value = 1});
    CHECK(has_ignored_all());
}

static bool manager_hears(const char *expected)
{
    struct pollfd event = {.fd = manager, .events = POLLIN};
    char text[300] = "";

    if (poll(&event, 1, expected == NULL ? 0 : PATIENCE) == 1)
        CHECK(recv(manager, text, sizeof(text) - 1, 0) > 0);
    return strcmp(text, expected == NULL ? "" : expected) == 0;
}

static void read_groups(pid_t process, char groups[4096])
{
    char path[40];
    int file;
    ssize_t length;

    (void)snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)process);
    file = open(path, O_RDONLY | O_CLOEXEC);
    length = file < 0 ? 0 : read(file, groups, 4095);
    groups[length < 0 ? 0 : length] = '\0';
    if (file >= 0)
        (void)close(file);
}

/* Returns a process in other control groups than the keeper; or if there is none, no process. */
static pid_t find_outsider(void)
{
    char ours[4096];
    char its[4096];
    pid_t found = INT32_MAX;
    DIR *all = opendir("/proc");

    read_groups(getppid(), ours);
    for (const struct dirent *each; found == INT32_MAX && (each = readdir(all)) != NULL;) {
        pid_t process = atoi(each->d_name);

        read_groups(process, its);
        if (process > 1 && its[0] != '\0' && strcmp(ours, its) != 0)
            found = process;
    }
    (void)closedir(all);
    return found;
}

static void check_notify(void)
{
    static const int32_t wrong[] = {-1, NOTIFY_STATES, INT32_MAX, INT32_MIN};

    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        request((struct link_message){.type = LINK_NOTIFY, .value = wrong[i], .text = "x"});
    request(
        (struct link_message){.type = LINK_NOTIFY, .value = NOTIFY_STATUS, .text = "x\nMAINPID=1"});
    CHECK(has_ignored_all() && manager_hears(NULL));
    request((struct link_message){.type = LINK_NOTIFY, .value = NOTIFY_READY, .text = "fine"});
    CHECK(manager_hears("READY=1\nSTATUS=fine"));
    /* Whatever it names, root's word counts: only a process of the service may become the main one.
     */
    request((struct link_message){
        .type = LINK_NOTIFY, .value = NOTIFY_SUCCESSOR, .process = find_outsider()});
    CHECK(report(NULL).type == LINK_UNHEARD);
    CHECK(geteuid() != 0 || manager_hears(NULL));
}

static void check_caught(void)
{
    static const int signals[] = {SIGHUP, SIGUSR1, SIGTERM};

    for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
        struct link_message message;

        CHECK(kill(getppid(), signals[i]) == 0);
        message = report(NULL);
        CHECK(message.type == LINK_CAUGHT && message.value == signals[i]);
    }
}

/* A supervisor that does not read loses no report, and holds up only itself. */
static void check_full_link(void)
{
    const struct link_message message = {.type = LINK_ADOPT, .process = 1};
    unsigned sent = 0;
    unsigned answered = 0;
    struct pollfd event = {.fd = link_end, .events = POLLOUT};

    while (poll(&event, 1, 5 * QUIET) == 1 && link_send(link_end, &message, NULL) == 0)
        sent++;
    CHECK(sent > 10);
    while (answered < sent) {
        struct link_message answer = report(NULL);

        CHECK(answer.type == LINK_ENDED && answer.index == 1);
        answered++;
    }
    CHECK(has_ignored_all());
}

/* What another supervisor asks for: all reports that the last one has not acted on, once more. */
static void check_roll(void)
{
    const uint64_t last = heard;
    const struct link_message roll = {.type = LINK_ROLL, .number = last, .process = getpid()};

    acknowledges = false;
    CHECK(kill(getppid(), SIGUSR1) == 0);
    CHECK(report(NULL).value == SIGUSR1);
    CHECK(kill(getppid(), SIGHUP) == 0);
    CHECK(report(NULL).value == SIGHUP);
    for (int i = 0; i < 2; i++) {
        heard = last;
        request(roll);
        CHECK(report(NULL).value == SIGUSR1);
        CHECK(report(NULL).value == SIGHUP);
    }
    request((struct link_message){.type = LINK_HEARD, .number = last + 1});
    request(roll);
    heard = last + 1;
    CHECK(report(NULL).value == SIGHUP && has_ignored_all());
    acknowledges = true;
    /* Numbers that there are not. */
    request((struct link_message){.type = LINK_HEARD, .number = UINT64_MAX});
    request((struct link_message){.type = LINK_HEARD, .number = 0});
    request((struct link_message){.type = LINK_ROLL, .number = 0, .process = getpid()});
    request((struct link_message){.type = LINK_ROLL, .number = UINT64_MAX, .process = getpid()});
    CHECK(has_ignored_all());
}

static void check_retire(void)
{
    CHECK(is_absent("retired"));
    request((struct link_message){.type = LINK_RETIRE});
    CHECK(has_ignored_all() && !is_absent("retired"));
}

__attribute__((noreturn)) static void stand_by(void *context, int link)
{
    CHECK(context == &keeper);
    *keeper.cloned = getpid(); /* this process is both */
    link_end = link;
    for (unsigned i = 0; i < DISPATCHERS; i++)
        check_begun(i, 1);
    CHECK(report(NULL).type == LINK_BEGUN_ALL);
    check_unknown();
    check_malformed();
    check_descriptors();
    check_kill();
    check_adopt();
    check_signal();
    check_group();
    check_read();
    check_many_reads();
    check_files();
    check_notify();
    check_caught();
    check_roll();
    check_retire();
    check_full_link();
    exit(CHECK_RESULT());
}

static void leave_pair(void *context)
{
    CHECK(context == &keeper);
    CHECK(munmap(keeper.cloned, sizeof(*keeper.cloned)) == 0);
}

static void retire(void *context)
{
    CHECK(context == &keeper);
    make("retired", "");
}

static void prepare(void)
{
    static const bool never = false;
    static const uint32_t none = 0;

    make("old", "");
    make("lent", "");
    make("new", "");
    CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
    signals_prepare();
    signals_hold();
    open_manager();
    options.files[OPTIONS_FILE_ACCESS] = "rules";
    options.files[OPTIONS_FILE_BUSY] = "message";
    keeper.options = &options;
    keeper.events = (struct keeper_events){
        .stand_by = stand_by, .leave_pair = leave_pair, .retire = retire, .context = &keeper};
    keeper.begun = keeper.ended = &never;
    keeper.useless = &none;
    keeper.cloned = mmap(NULL, sizeof(*keeper.cloned), PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(keeper.cloned != MAP_FAILED);
    notify_open(&keeper.notify);
    CHECK(files_add(&keeper.files, "old") == 0 && files_add(&keeper.files, "lent") == 0);
    CHECK(files_add_temporary(&keeper.files, "new", "place") == 0);
}

__attribute__((noreturn)) static void fail(void *context, int link)
{
    (void)context;
    (void)link;
    _exit(7); /* nothing to flush */
}

/* The keeper ends at once with a supervisor that fails at the start, although nobody reads about
 * more dispatchers than there can be reports. */
static void check_failed_start(void)
{
    const struct keeper_events events = {.stand_by = fail, .context = &keeper};
    uint64_t began = loop_clock();

    free(keeper.groups.list);
    free(keeper.adopted.list);
    keeper = (struct keeper){.options = &options,
                             .events = events,
                             .begun = keeper.begun,
                             .ended = keeper.ended,
                             .useless = keeper.useless,
                             .cloned = keeper.cloned,
                             .notify = {.descriptor = -1}};
    CHECK(keeper_open(&keeper, KEEPER_DISPATCHERS) == 0);
    CHECK(keeper_run(&keeper) == 7);
    CHECK(loop_clock() - began < 5 * LOOP_SECOND);
}

int main(void)
{
    char directory[] = "/tmp/keeper-XXXXXX";

    if (mkdtemp(directory) == NULL || chdir(directory) != 0)
        return 1;
    prepare();
    CHECK(keeper_open(&keeper, DISPATCHERS) == 0);
    CHECK(keeper_run(&keeper) == 0);
    CHECK(is_absent("old") && is_absent("new") && is_absent("place"));
    check_failed_start();
    CHECK(unlink("lent") == 0 && unlink("retired") == 0 && rmdir(directory) == 0);
    CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD); /* no dispatcher is left */
    return CHECK_RESULT();
}
