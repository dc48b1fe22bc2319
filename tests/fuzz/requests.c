/*
 * A supervisor that may ask a dispatcher anything: each request that is one is answered once, a
 * START at most once, and nobody is signalled but who was started and has not been reaped.
 *
 * The input is packet after packet.  Handlers and signals are only told of here: the linker
 * has the calls come to the functions whose names begin with __wrap_.
 */
#include "dispatcher/children.h"
#include "dispatcher/environment.h"
#include "dispatcher/reply.h"
#include "dispatcher/service.h"
#include "dispatcher/start.h"

#include "tests/fuzz/shared/fuzz.h"
#include "tests/shared/raw.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/types.h>

enum { PACKETS = 24, FIRST_PROCESS = 0x20000000, PROCESSES = 256 };

static struct service service;
static struct setup setup;
static struct ledger ledger;
static jmp_buf left; /* the end of the dispatcher */
static int supervisor;

/* ---- processes that there are not ---- */

static struct process {
    uint64_t ticket; /* 0: not known yet */
    int error;       /* it could not be executed, and has said so */
    bool is_over;
    bool reaped;
    bool ended; /* and is to be reaped */
} processes[PROCESSES];
static unsigned process_count;
static uint8_t fate; /* what becomes of the next ones */
static int32_t in_place[PROTOCOL_SLOTS];

int32_t __wrap_spawn_begin(const struct spawn_command *command, unsigned place,
                           char *const *environment, int client,
                           const struct message_header *request, struct ledger_slot *slot);
bool __wrap_spawn_is_over(unsigned place);
int __wrap_spawn_error(unsigned place);
void __wrap_spawn_forget(unsigned place);
int __wrap_kill(pid_t process, int signal_number);
pid_t __wrap_wait4(pid_t process, int *status, int options, struct rusage *usage);
pid_t __wrap_waitpid(pid_t process, int *status, int options);
_Noreturn void __wrap_reply_leave(void);

static struct process *process_of(int32_t number)
{
    return number >= FIRST_PROCESS && number < FIRST_PROCESS + (int32_t)process_count
               ? &processes[number - FIRST_PROCESS]
               : NULL;
}

int32_t __wrap_spawn_begin(const struct spawn_command *command, unsigned place,
                           char *const *environment, int client,
                           const struct message_header *request, struct ledger_slot *slot)
{
    (void)request;
    HOLDS(command == &service.command && place < PROTOCOL_SLOTS && environment != NULL);
    HOLDS(slot == &ledger.slots[place] && fcntl(client, F_GETFD) >= 0);
    HOLDS(process_of(in_place[place]) == NULL || process_of(in_place[place])->is_over);
    if (process_count == PROCESSES || fate % 8 == 7) {
        errno = EAGAIN;
        return -1;
    }
    processes[process_count] =
        (struct process){.is_over = fate % 4 != 0, .error = fate % 8 == 6 ? ENOENT : 0};
    in_place[place] = FIRST_PROCESS + (int32_t)process_count++;
    return in_place[place];
}

bool __wrap_spawn_is_over(unsigned place)
{
    struct process *process = process_of(in_place[place]);

    return process == NULL || process->is_over;
}

int __wrap_spawn_error(unsigned place)
{
    const struct process *process = process_of(in_place[place]);

    return process == NULL ? 0 : process->error;
}

void __wrap_spawn_forget(unsigned place)
{
    in_place[place] = 0;
}

int __wrap_kill(pid_t process, int signal_number)
{
    const struct process *target = process_of(-process);

    if (process > 0) { /* who could not be executed, and has said so */
        target = process_of(process);
        HOLDS(signal_number == SIGKILL && target != NULL && !target->reaped && target->error != 0);
        return 0;
    }
    HOLDS(signal_number == SIGTERM || signal_number == SIGKILL);
    HOLDS(target != NULL && !target->reaped);
    return 0;
}

pid_t __wrap_wait4(pid_t process, int *status, int options, struct rusage *usage)
{
    HOLDS(process == -1 && options == WNOHANG);
    for (unsigned i = 0; i < process_count; i++) {
        if (!processes[i].ended || processes[i].reaped)
            continue;
        processes[i].reaped = true;
        *status = processes[i].error != 0 ? SPAWN_FAILED << 8 : 0;
        *usage = (struct rusage){0};
        return FIRST_PROCESS + (pid_t)i;
    }
    errno = ECHILD;
    return -1;
}

/* Who could not be executed. */
pid_t __wrap_waitpid(pid_t process, int *status, int options)
{
    HOLDS(process_of(process) != NULL && !process_of(process)->reaped && options == 0);
    if (status != NULL)
        *status = SPAWN_FAILED << 8;
    process_of(process)->reaped = true;
    return process;
}

_Noreturn void __wrap_reply_leave(void)
{
    longjmp(left, 1);
}

/* ---- what is asked, and what is due ---- */

static struct books {
    unsigned started; /* or failed: at most so many, as a slot may be in use */
    unsigned signalled;
    unsigned pongs;
} due, came;

static const struct shape {
    size_t length;
    unsigned descriptors;
    unsigned *due;
} shapes[MESSAGE_TYPES] = {
    [MESSAGE_START] = {sizeof(struct message_start), 1, &due.started},
    [MESSAGE_SIGNAL] = {sizeof(struct message_signal), 0, &due.signalled},
    [MESSAGE_PING] = {sizeof(struct message_header), 0, &due.pongs},
};

/* By protocol.h alone. */
static void expect(const char *bytes, size_t length, unsigned descriptors)
{
    unsigned *answers[PROTOCOL_BATCH];
    unsigned count = 0;
    unsigned brought = 0;
    size_t at = 0;

    while (at < length) {
        struct message_header header;
        const struct shape *shape;

        if (length - at < sizeof(header) || count == PROTOCOL_BATCH)
            return;
        memcpy(&header, bytes + at, sizeof(header));
        if (header.version != PROTOCOL_VERSION || header.type >= MESSAGE_TYPES)
            return;
        shape = &shapes[header.type];
        if (shape->length == 0 || length - at < shape->length)
            return;
        answers[count++] = shape->due;
        brought += shape->descriptors;
        at += shape->length;
    }
    for (unsigned i = 0; brought == descriptors && i < count; i++)
        ++*answers[i];
}

static void hear(void)
{
    static struct wire_inbox inbox;
    union message message;
    int descriptor;

    while (wire_receive(&inbox, supervisor, ~0u, &message, &descriptor, MSG_DONTWAIT) ==
           WIRE_MESSAGE) {
        const unsigned type = message.header.type;

        HOLDS(type != MESSAGE_EXITED || message.exited.status == 0);
        if (descriptor >= 0)
            (void)close(descriptor);
        came.started += type == MESSAGE_STARTED || type == MESSAGE_FAILED;
        came.signalled += type == MESSAGE_SIGNALLED;
        came.pongs += type == MESSAGE_PONG;
    }
}

/* ---- packets ---- */

static size_t add_message(char *bytes, size_t length, struct fuzz_input *input)
{
    static const uint8_t types[] = {MESSAGE_START, MESSAGE_START, MESSAGE_SIGNAL, MESSAGE_PING};
    uint8_t byte = fuzz_take_byte(input);
    union message message = {.header = {.version = PROTOCOL_VERSION}};
    const struct shape *shape;

    message.header.type = byte % 8 < sizeof(types) ? types[byte % 8] : byte >> 3;
    message.header.ticket = fuzz_take_byte(input) % 16;
    shape = &shapes[message.header.type < MESSAGE_TYPES ? message.header.type : 0];
    message.start.slot = fuzz_take_byte(input);
    if (message.header.type == MESSAGE_START) {
        message.start.remote.family = fuzz_take_byte(input) % 12;
    } else if (message.header.type == MESSAGE_SIGNAL) {
        message.signal.process = (byte & 0x40) != 0 ? (int32_t)fuzz_take_number(input)
                                                    : FIRST_PROCESS + fuzz_take_byte(input) % 8;
        message.signal.signal = (byte & 0x20) != 0 ? fuzz_take_byte(input) : SIGTERM;
    }
    memcpy(bytes + length, &message, shape->length == 0 ? 16 : shape->length);
    return length + (shape->length == 0 ? 16 : shape->length);
}

static unsigned count_descriptors(const char *bytes, size_t length)
{
    unsigned count = 0;

    for (size_t at = 0; at + sizeof(struct message_header) <= length;) {
        struct message_header header;
        const struct shape *shape;

        memcpy(&header, bytes + at, sizeof(header));
        shape = &shapes[header.type < MESSAGE_TYPES ? header.type : 0];
        count += shape->descriptors;
        at += shape->length == 0 ? sizeof(header) : shape->length;
    }
    return count;
}

static void send_packet(struct fuzz_input *input)
{
    char bytes[(PROTOCOL_BATCH + 2) * sizeof(union message)] = {0};
    uint8_t kind = fuzz_take_byte(input);
    unsigned count = kind % (PROTOCOL_BATCH + 2);
    size_t length = 0;
    unsigned descriptors;

    for (unsigned i = 0; i < count; i++)
        length = add_message(bytes, length, input);
    descriptors = count_descriptors(bytes, length);
    if ((kind & 0xe0) == 0xe0) {
        size_t place = fuzz_take_byte(input) % sizeof(union message);

        bytes[place] = (char)((unsigned char)bytes[place] ^ fuzz_take_byte(input));
        length -= length > 0 ? fuzz_take_byte(input) % 4 : 0;
        descriptors += fuzz_take_byte(input) % 3;
    }
    if (length + descriptors == 0)
        return; /* with nothing behind it, that is the end of the messages */
    HOLDS(raw_send(supervisor, bytes, length, STDIN_FILENO, descriptors) == (ssize_t)length);
    expect(bytes, length, descriptors);
}

/* ---- a dispatcher from its beginning to its end ---- */

/* Out of the way of what has a number in protocol.h. */
static int moved(int descriptor)
{
    int result = fcntl(descriptor, F_DUPFD_CLOEXEC, PROTOCOL_LAST + 1);

    HOLDS(result >= 0);
    (void)close(descriptor);
    return result;
}

/* They are never free for anything else. */
static void keep_numbers(void)
{
    for (int i = PROTOCOL_SOCKET; i <= PROTOCOL_LAST; i++)
        HOLDS(dup2(STDIN_FILENO, i) == i);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    keep_numbers();
    return 0;
}

static void open_ends(void)
{
    int pair[2];

    HOLDS(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
    supervisor = moved(pair[0]);
    HOLDS(dup3(pair[1], PROTOCOL_SOCKET, O_CLOEXEC) == PROTOCOL_SOCKET);
    (void)close(pair[1]);
}

/* That all that was begun is answered for. */
static void finish(void)
{
    for (unsigned i = 0; i < process_count; i++)
        processes[i].is_over = true;
    start_collect();
    HOLDS(start_timeout() == -1);
    reply_flush();
    hear();
    HOLDS(came.started <= due.started && came.signalled == due.signalled);
    HOLDS(came.pongs == due.pongs);
}

static void begin(void)
{
    static char name[] = "handler";
    static char *arguments[] = {name, NULL};
    static bool prepared;

    fuzz_silence_log();
    if (!prepared)
        HOLDS(environment_prepare(false) == 0);
    prepared = true;
    service = (struct service){
        .command = {.path = "/handler", .arguments = arguments, .setup = &setup},
        .ledger = &ledger,
        .signals = moved(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
    };
    memset(in_place, 0, sizeof(in_place));
    process_count = 0;
    due = came = (struct books){0};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    int before;

    begin();
    before = fuzz_descriptors();
    open_ends();
    fate = fuzz_take_byte(&input);
    for (unsigned i = 0; i < PACKETS && input.left > 0; i++)
        send_packet(&input);
    HOLDS(shutdown(supervisor, SHUT_WR) == 0);
    if (setjmp(left) == 0)
        service_run(&service);
    finish();
    for (unsigned i = 0; i < process_count; i++)
        children_remove(FIRST_PROCESS + (int32_t)i);
    (void)close(supervisor);
    keep_numbers();
    HOLDS(fuzz_descriptors() == before);
    (void)close(service.signals);
    return 0;
}
