/*
 * Handlers between clone and exec, as many at once as there are slots: each in its own place, with
 * its own environment and its own error, and nothing changed in the memory that they share.
 */
#include "dispatcher/spawn.h"
#include "dispatcher/environment.h"
#include "dispatcher/setup.h"
#include "dispatcher/shared/kernel_call.h"

#include "tests/shared/check.h"
#include "tests/shared/program.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FIRST_PORT = 40000, LOOKS = 20000, SENTINEL = 4711, ROUNDS = 20 };

static int nowhere; /* a client that gets nothing */
static struct ledger ledger;
static struct setup setup;
static char name[] = "handler";
static char *arguments[] = {name, NULL};
static const struct spawn_command command = {
    .path = "./handler", .arguments = arguments, .setup = &setup};

/* The handler: says which port it was told. */
static int handle(void)
{
    const char *port = getenv("TCPREMOTEPORT");

    return port != NULL && write(STDOUT_FILENO, port, strlen(port)) > 0 ? 0 : 1;
}

static struct message_start request_of(unsigned slot)
{
    struct message_start request = {.header = {.ticket = slot + 1}, .slot = slot};

    request.local.family = request.remote.family = AF_INET;
    request.remote.port = (uint16_t)(FIRST_PORT + slot);
    return request;
}

static void await_all(void)
{
    for (unsigned slot = 0; slot < PROTOCOL_SLOTS; slot++) {
        for (int look = 0; !spawn_is_over(slot) && look < LOOKS; look++)
            (void)usleep(1000);
        CHECK(spawn_is_over(slot));
    }
}

static void check_answer(unsigned slot, int connection)
{
    char expected[8];
    char answer[8] = "";
    struct timeval patience = {.tv_sec = 20};

    (void)snprintf(expected, sizeof(expected), "%u", FIRST_PORT + slot);
    (void)setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    CHECK(read(connection, answer, sizeof(answer) - 1) > 0);
    CHECK(strcmp(answer, expected) == 0);
}

static void reap(int32_t process, int expected)
{
    int status = -1;

    CHECK(waitpid(process, &status, 0) == process);
    CHECK(status == expected);
}

static void all_at_once(void)
{
    int hold = program_hold("handler");
    char **environments[PROTOCOL_SLOTS];
    int pairs[PROTOCOL_SLOTS][2];
    int32_t processes[PROTOCOL_SLOTS];

    for (unsigned slot = 0; slot < PROTOCOL_SLOTS; slot++) {
        struct message_start request = request_of(slot);

        CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pairs[slot]) == 0);
        environments[slot] = environment_for(&request, pairs[slot][0]);
    }
    for (unsigned slot = 0; slot < PROTOCOL_SLOTS; slot++) {
        struct message_start request = request_of(slot);

        processes[slot] = spawn_begin(&command, slot, environments[slot], pairs[slot][0],
                                      &request.header, &ledger.slots[slot]);
        CHECK(processes[slot] > 0 && ledger.slots[slot].process == processes[slot]);
        (void)close(pairs[slot][0]);
    }
    for (unsigned slot = 0; slot < PROTOCOL_SLOTS; slot++)
        CHECK(!spawn_is_over(slot));
    program_release(hold);
    await_all();
    for (unsigned slot = 0; slot < PROTOCOL_SLOTS; slot++) {
        CHECK(spawn_error(slot) == 0);
        check_answer(slot, pairs[slot][1]);
        (void)close(pairs[slot][1]);
        reap(processes[slot], 0);
    }
}

/* Where the supervisor would hear of errors. */
static void connect_supervisor(void)
{
    int pair[2];

    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
    (void)close(pair[1]); /* it has gone */
    if (pair[0] != PROTOCOL_SOCKET) {
        CHECK(dup3(pair[0], PROTOCOL_SOCKET, O_CLOEXEC) == PROTOCOL_SOCKET);
        (void)close(pair[0]);
    }
}

/* Each slot its own error, and none of them in errno. */
static void errors(int status)
{
    static const struct {
        struct spawn_command command;
        int error;
    } bad[] = {
        {{.path = "./missing", .arguments = arguments, .setup = &setup}, ENOENT},
        {{.path = "./forbidden", .arguments = arguments, .setup = &setup}, EACCES},
        {{.path = "./handler/x", .arguments = arguments, .setup = &setup}, ENOTDIR},
    };
    enum { KINDS = sizeof(bad) / sizeof(*bad) };
    int32_t processes[PROTOCOL_SLOTS];
    unsigned changed = 0;

    for (unsigned slot = 0; slot < PROTOCOL_SLOTS; slot++) {
        struct message_start request = request_of(slot);

        errno = SENTINEL;
        processes[slot] = spawn_begin(&bad[slot % KINDS].command, slot, environ, nowhere,
                                      &request.header, &ledger.slots[slot]);
        changed += errno != SENTINEL;
        CHECK(processes[slot] > 0);
    }
    errno = SENTINEL;
    await_all();
    CHECK(!KERNEL_CALL_IS_BARE || (changed == 0 && errno == SENTINEL));
    for (unsigned slot = 0; slot < PROTOCOL_SLOTS; slot++) {
        CHECK(spawn_error(slot) == bad[slot % KINDS].error);
        CHECK(ledger.slots[slot].process == processes[slot]);
        reap(processes[slot], status << 8);
    }
}

static bool kernel_can_write = true; /* the process id to the slot, at a clone */

typedef int run(void *context);
static run *late; /* what children run after a tenth of a second; NULL: at once */

KERNEL_CALL_ONLY static int run_late(void *context)
{
    static const long pause[2] = {0, 100000000}; /* seconds and nanoseconds of type long */

    (void)kernel_call(SYS_ppoll, 0, 0, (long)&pause, 0);
    return late(context);
}

/* Takes the place of clone(2); the Makefile sees to that. */
int __wrap_clone(run *child, void *stack, int flags, void *context, ...);
int __real_clone(run *child, void *stack, int flags, void *context, ...);

int __wrap_clone(run *child, void *stack, int flags, void *context, ...)
{
    va_list others;
    pid_t *parent_id;
    void *storage;
    pid_t *child_id;

    va_start(others, context);
    parent_id = va_arg(others, pid_t *);
    storage = va_arg(others, void *);
    child_id = va_arg(others, pid_t *);
    va_end(others);
    if (late != NULL) {
        late = child;
        child = run_late;
    }
    return __real_clone(child, stack, kernel_can_write ? flags : flags & ~CLONE_PARENT_SETTID,
                        context, parent_id, storage, child_id);
}

/* A child that the kernel has not entered enters itself, before its exec. */
static void enters_itself(void)
{
    int hold = program_hold("handler");
    struct message_start request = request_of(0);
    const struct ledger_slot *slot = &ledger.slots[0];
    int32_t process;

    kernel_can_write = false;
    process = spawn_begin(&command, 0, environ, nowhere, &request.header, &ledger.slots[0]);
    kernel_can_write = true;
    CHECK(process > 0);
    for (int look = 0; __atomic_load_n(&slot->process, __ATOMIC_SEQ_CST) == 0 && look < LOOKS;
         look++)
        (void)usleep(1000);
    CHECK(__atomic_load_n(&slot->process, __ATOMIC_SEQ_CST) == process);
    CHECK(!spawn_is_over(0));
    CHECK(process > 0 && kill(process, SIGKILL) == 0);
    reap(process, SIGKILL);
    program_release(hold);
}

/* Nobody waits for its exec, but for its copies of our descriptors. */
static void apart(void)
{
    int hold = program_hold("handler");
    struct message_start request = request_of(0);
    int ends[2];
    int32_t process;
    char byte;

    CHECK(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
    late = run_late; /* any */
    process = spawn_begin(&command, 0, environ, nowhere, &request.header, &ledger.slots[0]);
    spawn_await_apart();
    late = NULL;
    (void)close(ends[1]);
    CHECK(read(ends[0], &byte, sizeof(byte)) == 0); /* no other process holds the other end */
    (void)close(ends[0]);
    CHECK(!spawn_is_over(0));
    CHECK(process > 0 && kill(process, SIGKILL) == 0);
    reap(process, SIGKILL);
    spawn_await_apart();
    program_release(hold);
}

/* Its place is free again, and holds no error of an earlier one. */
static void killed(void)
{
    int hold = program_hold("handler");
    struct message_start request = request_of(0);
    int32_t process = spawn_begin(&command, 0, environ, nowhere, &request.header, &ledger.slots[0]);

    CHECK(!spawn_is_over(0));
    CHECK(process > 0 && kill(process, SIGKILL) == 0); /* -1 would be everybody */
    reap(process, SIGKILL);
    CHECK(spawn_error(0) == 0 && ledger.slots[0].process == process);
    CHECK(spawn_is_over(0)); /* the kernel says so at the end of a process, too */
    program_release(hold);
}

int main(int argc, char **argv)
{
    (void)argc;
    if (strcmp(argv[0], "handler") == 0)
        return handle();
    program_copy("handler");
    nowhere = fcntl(open("/dev/null", O_RDWR | O_CLOEXEC), F_DUPFD_CLOEXEC, 10);
    (void)close(open("forbidden", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    CHECK(environment_prepare(false) == 0);
    setup_rest(); /* as a dispatcher does, so that a handler can wake */
    connect_supervisor();
    for (int round = 0; round < ROUNDS; round++)
        errors(SPAWN_FAILED);
    CHECK(dup3(nowhere, PROTOCOL_SOCKET, O_CLOEXEC) == PROTOCOL_SOCKET);
    errors(SPAWN_UNHEARD);
    if (KERNEL_CALL_IS_BARE) { /* else each is waited for */
        all_at_once();
        enters_itself();
        apart();
        killed();
    }
    return CHECK_RESULT();
}
