/*
 * What a dispatcher starts with: its setup, which it believes only if it is whole and of this
 * version; and a user of its own, which handlers cannot harm, and which they do not have.
 */
#include "dispatcher/setup.h"

#include "dispatcher/environment.h"
#include "dispatcher/shared/log.h"
#include "dispatcher/shared/privileges.h"
#include "dispatcher/spawn.h"
#include "dispatcher/try.h"

#include "tests/shared/check.h"
#include "tests/shared/program.h"

#include <errno.h>
#include <grp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum {
    OWN = 54321, /* users that nobody has */
    USER = 54322,
    GROUP = 54323,
    REFUSED = 1 << 8, /* a status of wait(2) */
    LOOKS = 20000
};

static char name[] = "handler";
static char *arguments[] = {name, NULL};
static struct setup setup;
static const struct spawn_command command = {
    .path = "./handler", .arguments = arguments, .setup = &setup};
static struct ledger ledger;

/* Runs a function in another process; returns its status. */
static int in_child(void (*function)(void *context), void *context)
{
    int status = -1;
    pid_t process = fork();

    if (process == 0) {
        check_failures = 0;
        function(context);
        _exit(check_failures == 0 ? 0 : 2);
    }
    CHECK(process > 0 && waitpid(process, &status, 0) == process);
    return status;
}

/* ---- its setup ---- */

struct file {
    size_t size;
    union {
        struct setup setup;
        char bytes[sizeof(struct setup) + 4 * sizeof(uint32_t)];
    };
};

static int open_setup(const struct file *file)
{
    const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
    int memory = memfd_create("setup", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    CHECK(write(memory, file->bytes, file->size) == (ssize_t)file->size);
    CHECK(fcntl(memory, F_ADD_SEALS, seals) == 0);
    return memory;
}

static void map(void *context)
{
    const struct file *file = context;
    const struct setup *mapped;

    CHECK(dup2(open_setup(file), PROTOCOL_SETUP) == PROTOCOL_SETUP);
    mapped = setup_map();
    CHECK(memcmp(mapped, file->bytes, file->size) == 0);
    CHECK(fcntl(PROTOCOL_SETUP, F_GETFD) == -1 && errno == EBADF);
    CHECK(mprotect((void *)(uintptr_t)mapped, file->size, PROT_READ) == 0);
}

static void map_nothing(void *context)
{
    (void)context;
    (void)close(PROTOCOL_SETUP);
    (void)setup_map();
}

static void check_map(void)
{
    const size_t size = sizeof(struct setup);
    const struct {
        size_t size;
        uint32_t version;
        uint32_t group_count;
        int status;
    } cases[] = {
        {size, PROTOCOL_VERSION, 0, 0},
        {size + 4, PROTOCOL_VERSION, 1, 0},
        {size + 16, PROTOCOL_VERSION, 4, 0},
        {size, PROTOCOL_VERSION - 1, 0, REFUSED},
        {size, PROTOCOL_VERSION + 1, 0, REFUSED},
        {size, 0, 0, REFUSED},
        {0, 0, 0, REFUSED},
        {4, PROTOCOL_VERSION, 0, REFUSED},
        {size - 1, PROTOCOL_VERSION, 0, REFUSED},
        {size + 1, PROTOCOL_VERSION, 0, REFUSED},
        {size + 4, PROTOCOL_VERSION, 0, REFUSED},
        {size + 4, PROTOCOL_VERSION, 2, REFUSED},
        {size, PROTOCOL_VERSION, UINT32_C(1) << 30, REFUSED}, /* times 4 it is 0 in 32 bits */
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct file file = {.size = cases[i].size};

        file.setup.version = cases[i].version;
        file.setup.group_count = cases[i].group_count;
        CHECK(in_child(map, &file) == cases[i].status);
    }
    CHECK(in_child(map_nothing, NULL) == REFUSED);
}

/* ---- the dispatcher's user ---- */

static bool has_users(uid_t real, uid_t effective, uid_t saved)
{
    uid_t users[3];

    return getresuid(&users[0], &users[1], &users[2]) == 0 && users[0] == real &&
           users[1] == effective && users[2] == saved;
}

static bool is_forbidden(long result)
{
    return result == -1 && errno == EPERM;
}

/* The handler: says 'y' if it is nobody but the user, and can do its parent no harm. */
static int handle(void)
{
    const pid_t dispatcher = getppid();
    struct rlimit limit;
    char path[32];

    (void)snprintf(path, sizeof(path), "/proc/%d/mem", dispatcher);
    CHECK(has_users(USER, USER, USER) && getegid() == GROUP && getgroups(0, NULL) == 0);
    CHECK(setresuid((uid_t)-1, OWN, (uid_t)-1) == -1 && errno == EPERM);
    CHECK(is_forbidden(kill(dispatcher, 0)) && is_forbidden(kill(dispatcher, SIGSTOP)));
    CHECK(is_forbidden(ptrace(PTRACE_ATTACH, dispatcher, NULL, NULL)));
    CHECK(is_forbidden(prlimit(dispatcher, RLIMIT_NOFILE, NULL, &limit)));
    CHECK(open(path, O_RDONLY | O_CLOEXEC) == -1);
    CHECK(write(STDOUT_FILENO, check_failures == 0 ? "y" : "n", 1) == 1);
    return 0;
}

static void become_dispatcher(void)
{
    setup_apply(&setup);
    CHECK(has_users(OWN, USER, OWN) && getgid() == GROUP && getegid() == GROUP);
    CHECK(PRIVILEGES_SANITIZED != 0 || prctl(PR_GET_DUMPABLE) == 0);
    CHECK(setuid(0) == -1 && setresuid(0, (uid_t)-1, (uid_t)-1) == -1);
    CHECK(environment_prepare(true) == 0);
}

/* Starts a handler, and waits until its exec has succeeded or failed.  Sets *connection to the end
 * of its client. */
static int32_t start(int *connection)
{
    const struct message_header request = {.ticket = 1};
    struct timeval patience = {.tv_sec = 20};
    int32_t process;
    int pair[2];

    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    (void)setsockopt(pair[1], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    process = spawn_begin(&command, 0, environ, pair[0], &request, &ledger.slots[0]);
    (void)close(pair[0]);
    CHECK(process > 0);
    for (int look = 0; !spawn_is_over(0) && look < LOOKS; look++)
        (void)usleep(1000);
    *connection = pair[1];
    return process;
}

static void serve(void *context)
{
    char answer = 0;
    int connection;
    int status = -1;
    int32_t process;

    (void)context;
    become_dispatcher();
    process = start(&connection);
    CHECK(spawn_error(0) == 0 && read(connection, &answer, 1) == 1 && answer == 'y');
    CHECK(kill(-process, SIGTERM) == 0); /* it exists, as it has not been reaped */
    CHECK(waitpid(process, &status, 0) == process);
    CHECK(has_users(OWN, USER, OWN));
    CHECK(PRIVILEGES_SANITIZED != 0 || prctl(PR_GET_DUMPABLE) == 0);
}

static void try(void *context)
{
    (void)context;
    become_dispatcher();
    CHECK(try_command(&command) == 0);
}

/* ---- a limit on processes ---- */

enum { LIMIT = 2, BYSTANDERS = LIMIT + 1 };

static pid_t bystanders[BYSTANDERS];

/* The user has more processes already than it may have. */
static void add_bystanders(void)
{
    for (int i = 0; i < BYSTANDERS; i++) {
        bystanders[i] = fork();
        if (bystanders[i] == 0) {
            (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (setresgid(GROUP, GROUP, GROUP) == 0 && setresuid(USER, USER, USER) == 0)
                (void)sleep(60);
            _exit(1);
        }
    }
    (void)usleep(100000);
}

static void remove_bystanders(void)
{
    for (int i = 0; i < BYSTANDERS; i++) {
        CHECK(bystanders[i] > 0 && kill(bystanders[i], SIGKILL) == 0);
        CHECK(waitpid(bystanders[i], NULL, 0) == bystanders[i]);
    }
}

/* The limit that the daemon has is reached: the exec fails, and FAILED says why. */
static void fail(void *context)
{
    const struct rlimit limit = {.rlim_cur = LIMIT, .rlim_max = LIMIT};
    int connection;
    int32_t process;

    (void)context;
    CHECK(setrlimit(RLIMIT_NPROC, &limit) == 0);
    become_dispatcher();
    process = start(&connection);
    CHECK(spawn_error(0) == EAGAIN && waitpid(process, NULL, 0) == process);
}

/* The limit of handlers is for what they start. */
static void serve_limited(void *context)
{
    setup.limits[RLIMIT_NPROC] = (struct setup_limit){.given = 1, .soft = 1, .hard = 1};
    serve(context);
}

/* An emulator has threads of its own, which count as processes: with a limit of one, it cannot run a
 * handler. */
static bool is_emulated(void)
{
    struct stat status;

    CHECK(stat("/proc/self/task", &status) == 0);
    return status.st_nlink > 3; /* the directory itself, its parent, and one for each thread */
}

static void check_user(void)
{
    int pair[2];

    CHECK(mkdir("open", 0755) == 0 || errno == EEXIST);
    CHECK(chmod("open", 0755) == 0 && chdir("open") == 0); /* the user must reach it */
    program_copy(name);
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
    if (pair[1] == PROTOCOL_SOCKET)
        pair[1] = fcntl(pair[1], F_DUPFD_CLOEXEC, 10); /* open: FAILED has somewhere to go */
    if (pair[0] != PROTOCOL_SOCKET)
        CHECK(dup3(pair[0], PROTOCOL_SOCKET, O_CLOEXEC) == PROTOCOL_SOCKET);
    CHECK(in_child(serve, NULL) == 0);
    CHECK(in_child(try, NULL) == 0);
    add_bystanders();
    CHECK(in_child(fail, NULL) == 0);
    CHECK(is_emulated() || in_child(serve_limited, NULL) == 0);
    remove_bystanders();
}

int main(int argc, char **argv)
{
    (void)argc;
    if (strcmp(argv[0], name) == 0)
        return handle();
    log_open(LOG_LEVEL_WARNING, LOG_FORMAT_TEXT, "setup");
    check_map();
    setup = (struct setup){.version = PROTOCOL_VERSION,
                           .has_identity = 1,
                           .user = USER,
                           .group = GROUP,
                           .has_dispatcher_user = 1,
                           .dispatcher_user = OWN,
                           .clients = {.tcp = AF_INET}};
    if (seteuid(USER) == 0 && seteuid(0) == 0)
        check_user();
    else
        printf("without the right to change the user, that is not tried\n");
    return CHECK_RESULT();
}
