/*
 * A supervisor that may ask a dispatcher anything: each request that is one is answered once, a
 * START at most once, and nobody is signalled but who was started and has not been reaped.
 *
 * Each input is played twice.  First the handlers are for one client each, and the input is packet
 * after packet.  Then they are workers, and between packets they take clients, say that they are
 * ready, misbehave or end: each client reaches one worker, once, and its end is told once.
 *
 * No handler is started, and no signal is sent: the linker replaces the calls that would do that by
 * functions whose names begin with __wrap_.
 */
#include "dispatcher/children.h"
#include "dispatcher/environment.h"
#include "dispatcher/reply.h"
#include "dispatcher/service.h"
#include "dispatcher/shared/rights.h"
#include "dispatcher/start.h"
#include "dispatcher/workers.h"

#include "tests/fuzz/shared/fuzz.h"
#include "tests/shared/raw.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/types.h>

enum { PACKETS = 24, STEPS = 200, FIRST_PROCESS = 0x20000000, PROCESSES = 256 };

static struct service service;
static struct setup setup;
static struct {
    struct msghdr header; /* ledger_hand_over() needs room for it */
    struct ledger ledger;
} memory;
static struct ledger *const ledger = &memory.ledger;
static bool with_workers;
static jmp_buf left; /* the end of the dispatcher */
static int supervisor;

/* ---- processes that there are not ---- */

static struct process {
    uint64_t ticket; /* 0: not known yet */
    int error;       /* it could not be executed, and has said so */
    bool is_over;
    bool reaped;
    bool ended; /* and is to be reaped */

    int socket;   /* of a worker: its end; -1: it is no worker, or dead */
    bool has_one; /* it has taken a client, and not said that it is ready */
} processes[PROCESSES];
static unsigned process_count;
static uint8_t fate; /* what becomes of the next ones */
static int32_t in_place[PROTOCOL_SLOTS];
static bool all_behave; /* no worker has misbehaved or ended */

int32_t __wrap_spawn_begin(const struct spawn_command *command, unsigned place,
                           char *const *environment, int client,
                           const struct message_header *request, struct ledger_slot *slot);
bool __wrap_spawn_is_over(unsigned place);
int __wrap_spawn_error(unsigned place);
void __wrap_spawn_forget(unsigned place);
static void end(struct process *process)
{
    const uint64_t one = 1;

    process->ended = true;
    process->is_over = true;
    all_behave = false;
    HOLDS(write(service.signals, &one, sizeof(one)) == sizeof(one));
}

int __wrap_kill(pid_t process, int signal_number);
pid_t __wrap_wait4(pid_t process, int *status, int options, struct rusage *usage);
pid_t __wrap_waitpid(pid_t process, int *status, int options);
_Noreturn void __wrap_reply_leave(void);
int __wrap_workers_descriptor(void);
int __real_workers_descriptor(void);
int __wrap_poll(struct pollfd *events, nfds_t number, int timeout);
int __real_poll(struct pollfd *events, nfds_t number, int timeout);

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
    HOLDS(with_workers == (request == NULL));
    HOLDS(command == &service.command && place < PROTOCOL_SLOTS && environment != NULL);
    HOLDS(with_workers != (slot == &ledger->slots[place]) && fcntl(client, F_GETFD) >= 0);
    HOLDS(process_of(in_place[place]) == NULL || process_of(in_place[place])->is_over);
    if (process_count == PROCESSES || fate % 8 == 7) {
        errno = EAGAIN;
        return -1;
    }
    processes[process_count] =
        (struct process){.is_over = fate % 4 != 0,
                         .error = fate % 8 == 6 ? ENOENT : 0,
                         .socket = with_workers ? fcntl(client, F_DUPFD_CLOEXEC, 3) : -1};
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
    struct process *target = process_of(process < 0 ? -process : process);

    if (with_workers) {
        HOLDS(signal_number == SIGTERM || signal_number == SIGKILL);
        HOLDS(target != NULL && !target->reaped && (process < 0 || signal_number == SIGKILL));
        if (signal_number == SIGKILL)
            end(target);
        return 0;
    }
    if (process > 0) { /* who could not be executed, and has said so */
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

int __wrap_workers_descriptor(void)
{
    return with_workers ? __real_workers_descriptor() : -1;
}

/* ---- what is asked, and what is due ---- */

static struct books {
    unsigned started; /* or failed: at most so many, as a slot may be in use */
    unsigned signalled;
    unsigned pongs;
    unsigned rolled;
    unsigned handlers; /* that run, or have run */
    unsigned exited;
    unsigned finished; /* of those, by a byte of their worker */
} due, came;
static unsigned handed; /* clients that have come to workers */
static unsigned said;   /* bytes of workers that had a client */

static const struct shape {
    size_t length;
    unsigned descriptors;
    unsigned *due;
} shapes[MESSAGE_TYPES] = {
    [MESSAGE_START] = {sizeof(struct message_start), 1, &due.started},
    [MESSAGE_SIGNAL] = {sizeof(struct message_signal), 0, &due.signalled},
    [MESSAGE_PING] = {sizeof(struct message_header), 0, &due.pongs},
    [MESSAGE_ROLL] = {sizeof(struct message_header), 0, &due.rolled},
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
        HOLDS(type != MESSAGE_EXITED || message.exited.finished <= with_workers);
        if (descriptor >= 0)
            (void)close(descriptor);
        came.started += type == MESSAGE_STARTED || type == MESSAGE_FAILED;
        came.signalled += type == MESSAGE_SIGNALLED;
        came.pongs += type == MESSAGE_PONG;
        came.rolled += type == MESSAGE_ROLLED;
        came.handlers += type == MESSAGE_STARTED;
        came.exited += type == MESSAGE_EXITED;
        came.finished += type == MESSAGE_EXITED && message.exited.finished != 0;
        HOLDS(came.exited <= came.handlers);
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

static struct fuzz_input rest; /* with workers */
static unsigned steps;

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

/* ---- workers ---- */

static bool has_client_waiting(const struct process *worker)
{
    char byte;

    return recv(worker->socket, &byte, sizeof(byte), MSG_DONTWAIT | MSG_PEEK) > 0;
}

/* Returns false if no client waits for the worker. */
static bool take_client(struct process *worker)
{
    char block[ENVIRONMENT_BLOCK + 1];
    int descriptor = -1;
    unsigned count = 1;
    int flags = MSG_DONTWAIT;
    ssize_t length =
        rights_receive(worker->socket, block, sizeof(block), &descriptor, &count, &flags);

    if (length <= 0)
        return false;
    HOLDS(length <= ENVIRONMENT_BLOCK && block[length - 1] == '\0' && count == 1 &&
          (flags & (MSG_TRUNC | MSG_CTRUNC)) == 0);
    (void)close(descriptor);
    handed++;
    HOLDS(!all_behave || !has_client_waiting(worker));
    return true;
}

static void leave(struct process *worker)
{
    if (worker->socket < 0)
        return;
    while (take_client(worker))
        continue;
    (void)close(worker->socket);
    worker->socket = -1;
}

static void be_ready(const struct process *worker, size_t length, bool behaves)
{
    (void)send(worker->socket, "ok", length, MSG_DONTWAIT | MSG_NOSIGNAL);
    all_behave = all_behave && behaves;
}

static void act(struct process *worker, uint8_t byte)
{
    if (worker->socket < 0 || worker->ended || worker->error != 0)
        return;
    if (!worker->is_over) {
        worker->is_over = true; /* it has been executed */
    } else if (byte < 0xe0 && worker->has_one) {
        said++;
        worker->has_one = false;
        be_ready(worker, 1, true);
    } else if (byte < 0xe0) {
        worker->has_one = take_client(worker);
    } else if (byte < 0xf0) {
        said += byte % 3 == 1 && worker->has_one;
        worker->has_one = false;
        be_ready(worker, byte % 3, false); /* perhaps too early, or not by one byte */
    } else {
        all_behave = false;
        leave(worker);
        if (byte < 0xf8)
            end(worker);
    }
}

/* What happens next before the dispatcher looks: a packet, or something that a worker does. */
static void step(void)
{
    uint8_t byte;

    if (rest.left == 0 || steps++ == STEPS) {
        rest.left = 0;
        HOLDS(shutdown(supervisor, SHUT_WR) == 0);
        return;
    }
    byte = fuzz_take_byte(&rest);
    if (byte % 4 == 0 || process_count == 0)
        send_packet(&rest);
    else
        act(&processes[(byte >> 2) % process_count], fuzz_take_byte(&rest));
}

int __wrap_poll(struct pollfd *events, nfds_t number, int timeout)
{
    if (number != 3) /* not that of the dispatcher's work */
        return __real_poll(events, number, timeout);
    if (rest.left > 0)
        step();
    while (__real_poll(events, number, 0) == 0)
        step();
    return __real_poll(events, number, 0);
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
    start_collect(); /* the first one spares clients of idle workers */
    HOLDS(start_timeout() == -1);
    reply_flush();
    hear();
    for (unsigned i = 0; i < process_count; i++) {
        leave(&processes[i]);
        if (with_workers)
            workers_reaped(FIRST_PROCESS + (int32_t)i, 0);
    }
    HOLDS(!with_workers || handed == came.handlers);
    HOLDS(came.finished <= said && (!all_behave || came.finished == said));
    HOLDS(came.started <= due.started && came.signalled == due.signalled);
    HOLDS(came.pongs == due.pongs && came.rolled == due.rolled);
}

static void begin(void)
{
    static char name[] = "handler";
    static char *arguments[] = {name, NULL};
    static bool prepared;

    fuzz_silence_log();
    setup.persistent = with_workers;
    service = (struct service){
        .command = {.path = "/handler", .arguments = arguments, .setup = &setup},
        .ledger = ledger,
        .signals = moved(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
    };
    if (!prepared) {
        HOLDS(environment_prepare(false) == 0);
        setup.persistent = true;
        workers_open(&service.command);
        setup.persistent = with_workers;
    }
    prepared = true;
    memset(in_place, 0, sizeof(in_place));
    process_count = steps = handed = said = 0;
    all_behave = true;
    due = came = (struct books){0};
}

/* With workers, the packets come while it works. */
static void send_packets(struct fuzz_input *input)
{
    rest = *input;
    if (with_workers)
        return;
    for (unsigned i = 0; i < PACKETS && input->left > 0; i++)
        send_packet(input);
    HOLDS(shutdown(supervisor, SHUT_WR) == 0);
}

/* A function of its own, because longjmp(3) may change the variables of the one that it leaves. */
static __attribute__((noinline)) void work(void)
{
    if (setjmp(left) == 0)
        service_run(&service);
}

static void play(struct fuzz_input input)
{
    int before;

    begin();
    before = fuzz_descriptors();
    open_ends();
    fate = fuzz_take_byte(&input);
    setup.max_requests = fate >> 6;
    setup.spare = (fate & 0x20) != 0 ? 0 : UINT32_MAX;
    send_packets(&input);
    work();
    finish();
    for (unsigned i = 0; i < process_count; i++)
        children_remove(FIRST_PROCESS + (int32_t)i);
    (void)close(supervisor);
    keep_numbers();
    HOLDS(fuzz_descriptors() == before);
    (void)close(service.signals);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    with_workers = false;
    play((struct fuzz_input){data, size});
    with_workers = true;
    play((struct fuzz_input){data, size});
    return 0;
}
