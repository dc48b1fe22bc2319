/*
 * liar - a dispatcher that lies, for the real supervisor.
 *
 * To be found as "dispatcher" beside a copy of the supervisor's program, with the real dispatcher
 * beside it as "honest", which it becomes to try the command.  It is the spare, and forks the first
 * dispatchers as it should; these do the real one's work, unless they are told to lie:
 *
 *     LIARS        words, of which the first dispatcher that serves takes the first, and so on
 *     LIAR_SPARE   a word for the spare
 *     BYSTANDER    a process that is nobody's business here
 *
 * A word names a lie below, which is told once, instead of an answer to a request of a certain
 * type.  All other requests are answered as they should be.
 */
#include "dispatcher/content.h"
#include "dispatcher/environment.h"
#include "dispatcher/kin.h"
#include "dispatcher/log.h"
#include "dispatcher/protocol.h"
#include "dispatcher/reply.h"
#include "dispatcher/service.h"
#include "dispatcher/setup.h"
#include "dispatcher/successor.h"
#include "dispatcher/wire.h"
#include "tests/raw.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76
#endif
#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

static const struct lie *lie_of(const char *name, unsigned place);
static void receive(void);

static const struct lie *lie; /* that this process has to tell; NULL: none */
static struct service service;
static union message request; /* the one that is answered by a lie */
static int given[WIRE_DESCRIPTORS];
static int ledger = -1; /* the memory file */

/* ---- what is said ---- */

/* As it is, with `count` copies of a descriptor. */
static void say_raw(const void *bytes, size_t length, int descriptor, unsigned count)
{
    while (raw_send(PROTOCOL_SOCKET, bytes, length, descriptor, count) < 0)
        if (errno == EPIPE || errno == ECONNRESET)
            exit(0);
}

static union message answer(enum message_type type)
{
    union message message;

    wire_header(&message, type, request.header.client, request.header.ticket);
    return message;
}

static void say(const union message *message)
{
    (void)wire_send(PROTOCOL_SOCKET, message, NULL, 0);
}

static void say_started(int32_t process)
{
    union message message = answer(MESSAGE_STARTED);

    message.started.process = process;
    say(&message);
}

static void say_failed(void)
{
    union message message = answer(MESSAGE_FAILED);

    message.failed.error = EIO;
    /* The client, if we have it still; else whatever is a socket. */
    if (wire_send(PROTOCOL_SOCKET, &message, given, 0) != 0)
        (void)wire_send(PROTOCOL_SOCKET, &message, (const int[]){PROTOCOL_SOCKET}, 0);
}

static void say_exited(uint32_t client, uint64_t ticket)
{
    union message message;

    wire_header(&message, MESSAGE_EXITED, client, ticket);
    say(&message);
}

static void say_ready(int32_t process)
{
    union message message;

    wire_header(&message, MESSAGE_READY, 0, 0);
    message.ready.process = process;
    say(&message);
}

static void say_signalled(uint32_t adopted)
{
    union message message = answer(MESSAGE_SIGNALLED);

    message.signalled.adopted = adopted;
    say(&message);
}

static void say_forked(int32_t process, int32_t error)
{
    union message message = answer(MESSAGE_FORKED);

    message.forked.process = process;
    message.forked.error = error;
    say(&message);
}

static void say_content(uint32_t file, int32_t error, int descriptor)
{
    union message message = answer(MESSAGE_CONTENT);

    message.content.file = file;
    message.content.error = error;
    (void)wire_send(PROTOCOL_SOCKET, &message, descriptor < 0 ? NULL : &descriptor, 0);
}

static void say_pong(void)
{
    union message message = answer(MESSAGE_PONG);

    say(&message);
}

/* ---- what is true ---- */

static void pause_for(int milliseconds)
{
    (void)poll(NULL, 0, milliseconds);
}

static _Noreturn void stay(void)
{
    for (;;)
        pause_for(1000);
}

static int32_t start_handler(void)
{
    pid_t process = fork();

    if (process == 0) {
        sigset_t none;

        (void)setsid();
        (void)sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        (void)dup2(given[0], STDIN_FILENO);
        (void)dup2(given[0], STDOUT_FILENO);
        (void)execve(service.command.path, service.command.arguments,
                     environment_for(&request.start, given[0]));
        _exit(127);
    }
    return (int32_t)process;
}

/* All but the end of the handler. */
static int32_t serve(void)
{
    int32_t process = start_handler();

    (void)close(given[0]);
    say_started(process);
    return process;
}

static void serve_to_the_end(void)
{
    int32_t process = serve();

    (void)waitpid(process, NULL, 0);
    say_exited(request.header.client, request.header.ticket);
}

static void become_successor(void)
{
    (void)munmap(service.ledger, sizeof(*service.ledger));
    (void)close(service.signals);
    (void)close(ledger);
    ledger = fcntl(given[1], F_DUPFD_CLOEXEC, 10);
    (void)dup3(given[0], PROTOCOL_SOCKET, O_CLOEXEC);
    (void)dup3(given[1], PROTOCOL_LEDGER, O_CLOEXEC);
}

/* Those that there are from the start. */
static bool is_first(void)
{
    return request.header.ticket == 1;
}

/* Returns in the new one, too, with 0, if that has a lie to tell. */
static int32_t fork_truly(void)
{
    int32_t process = successor_fork();

    if (process == 0) {
        become_successor();
        service_begin(&service, request.fork.spare != 0);
        lie = is_first() ? lie_of("LIARS", request.header.client) : NULL;
        if (lie == NULL)
            service_run(&service);
        return 0;
    }
    for (int i = 0; i < 2; i++)
        (void)close(given[i]);
    return process;
}

static const char *variable(const char *name)
{
    const char *value = getenv(name);

    if (value == NULL)
        log_die(2, "liar: %s is not set", name);
    return value;
}

static int32_t bystander(void)
{
    return atoi(variable("BYSTANDER"));
}

/* Another child of the supervisor. */
static int32_t other_dispatcher(void)
{
    char path[64];
    FILE *file;
    int process;
    int32_t found = 0;

    (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", getppid(), getppid());
    file = fopen(path, "re");
    while (file != NULL && fscanf(file, "%d", &process) == 1)
        if (process != (int)getpid())
            found = process;
    if (file != NULL)
        (void)fclose(file);
    return found;
}

static void answer_truly(void)
{
    int32_t process;
    int content;

    switch (request.header.type) {
    case MESSAGE_START:
        serve_to_the_end();
        break;
    case MESSAGE_SIGNAL:
        say_signalled(request.signal.adopted);
        break;
    case MESSAGE_FORK:
        process = fork_truly();
        if (process != 0)
            say_forked(process, 0);
        break;
    case MESSAGE_READ:
        content = content_copy(service.command.setup, (enum protocol_file)request.read.file);
        say_content(request.read.file, content < 0 ? errno : 0, content);
        (void)close(content);
        break;
    case MESSAGE_PING:
        say_pong();
        break;
    default:
        break;
    }
}

/* ---- lies: instead of an answer to START ---- */

static void unasked_started(void)
{
    request.header.ticket += 1000000;
    say_started(getpid());
    stay();
}

static void unknown_client(void)
{
    request.header.client = UINT32_MAX;
    say_started(getpid());
    stay();
}

static void started_twice(void)
{
    say_started(serve());
    stay();
}

static void failed_then_started(void)
{
    say_failed();
    say_started(getpid());
    stay();
}

static void started_then_failed(void)
{
    (void)serve();
    say_failed();
    stay();
}

static void started_0(void)
{
    say_started(0);
    stay();
}

static void started_1(void)
{
    say_started(1);
    stay();
}

static void started_minus(void)
{
    say_started(-1);
    stay();
}

static void started_supervisor(void)
{
    say_started(getppid());
    pause_for(100);
    exit(0);
}

static void started_dispatcher(void)
{
    say_started(other_dispatcher());
    pause_for(100);
    exit(0);
}

static void started_itself(void)
{
    say_started(getpid());
    pause_for(100);
    exit(0);
}

static void started_bystander(void)
{
    say_started(bystander());
    pause_for(100);
    exit(0);
}

static void exited_unknown(void)
{
    say_exited(UINT32_MAX, UINT64_MAX);
    stay();
}

static void exited_zero(void)
{
    say_exited(0, 0);
    stay();
}

static void exited_others(void)
{
    for (uint32_t client = 0; client < 16; client++)
        for (uint64_t ticket = 1; ticket <= 64; ticket++)
            say_exited(client, ticket);
    stay();
}

static void exited_before(void)
{
    say_exited(request.header.client, request.header.ticket);
    stay();
}

static void exited_twice(void)
{
    serve_to_the_end();
    say_exited(request.header.client, request.header.ticket);
    stay();
}

static void ready_twice(void)
{
    say_ready(getpid());
    stay();
}

static void ready_other(void)
{
    say_ready(other_dispatcher());
    stay();
}

static void unasked_signalled(void)
{
    say_signalled(1);
    stay();
}

static void unasked_forked(void)
{
    say_forked(getpid(), 0);
    stay();
}

static int open_pipe(void)
{
    int ends[2] = {-1, -1};

    return pipe2(ends, O_CLOEXEC) == 0 ? ends[0] : -1;
}

static void unasked_content(void)
{
    say_content(PROTOCOL_FILE_ACCESS, 0, open_pipe());
    stay();
}

static void unasked_pong(void)
{
    say_pong();
    stay();
}

static void empty(void)
{
    say_raw("", 0, -1, 0);
    stay();
}

static void empty_with_descriptors(void)
{
    say_raw("", 0, open_pipe(), 8);
    stay();
}

static void stray(void)
{
    union message message = answer(MESSAGE_STARTED);

    message.started.process = getpid();
    say_raw(&message, sizeof(message.started), open_pipe(), 1);
    stay();
}

static void strays(void)
{
    union message message = answer(MESSAGE_STARTED);

    message.started.process = getpid();
    say_raw(&message, sizeof(message.started), open_pipe(), 8);
    stay();
}

/* ---- in one packet ---- */

/* A packet whose parts are sound, as far as there is room for them. */
struct packet {
    char bytes[(PROTOCOL_BATCH + 1) * sizeof(union message)];
    size_t length;
};

static void append(struct packet *packet, const void *bytes, size_t length)
{
    memcpy(packet->bytes + packet->length, bytes, length);
    packet->length += length;
}

static void append_started(struct packet *packet, int32_t process)
{
    union message message = answer(MESSAGE_STARTED);

    message.started.process = process;
    append(packet, &message, sizeof(message.started));
}

static void append_pongs(struct packet *packet, unsigned count)
{
    union message message = answer(MESSAGE_PONG);

    for (; count > 0; count--)
        append(packet, &message, sizeof(message.header));
}

static void say_packet(const struct packet *packet, int descriptor, unsigned count)
{
    say_raw(packet->bytes, packet->length, descriptor, count);
}

/* So that it counts as started, though the answer that says so may not be heard. */
static int32_t start_as_agreed(void)
{
    int32_t process = start_handler();

    (void)close(given[0]);
    service.ledger->slots[request.start.slot].process = process;
    return process;
}

/* The truth first, so that the lie behind it is found with that heard already. */
static void truth_then_lie(void)
{
    struct packet packet = {.length = 0};

    append_started(&packet, start_as_agreed());
    append_pongs(&packet, 2);
    say_packet(&packet, -1, 0);
    stay();
}

/* What stands behind the lie is not believed, true as it is. */
static void lie_then_truth(void)
{
    struct packet packet = {.length = 0};

    append_pongs(&packet, 1);
    append_started(&packet, start_as_agreed());
    say_packet(&packet, -1, 0);
    stay();
}

static void twice_at_once(void)
{
    struct packet packet = {.length = 0};
    int32_t process = start_as_agreed();

    append_started(&packet, process);
    append_started(&packet, process);
    say_packet(&packet, -1, 0);
    stay();
}

static void cut_packet(void)
{
    struct packet packet = {.length = 0};

    append_started(&packet, start_as_agreed());
    append_started(&packet, getpid());
    packet.length -= 8;
    say_packet(&packet, -1, 0);
    stay();
}

static void one_too_many(void)
{
    struct packet packet = {.length = 0};

    append_started(&packet, start_as_agreed());
    append_pongs(&packet, PROTOCOL_BATCH);
    say_packet(&packet, -1, 0);
    stay();
}

static void long_packet(void)
{
    struct packet packet = {.length = sizeof(packet.bytes)};

    say_packet(&packet, open_pipe(), PROTOCOL_BATCH + 1);
    stay();
}

static void strays_at_once(void)
{
    struct packet packet = {.length = 0};

    append_started(&packet, getpid());
    append_started(&packet, getpid());
    say_packet(&packet, open_pipe(), 2);
    stay();
}

static void content_in_company(void)
{
    struct packet packet = {.length = 0};
    union message message = answer(MESSAGE_CONTENT);

    append_started(&packet, getpid());
    append(&packet, &message, sizeof(message.content));
    say_packet(&packet, open_pipe(), 1);
    stay();
}

static void request_of_ours(void)
{
    say_raw(&request, sizeof(request.start), given[0], 1);
    stay();
}

static _Noreturn void noise(void)
{
    int stray_one = open_pipe();

    srandom(1);
    for (;;) {
        char bytes[200];
        size_t length = (size_t)random() % sizeof(bytes);

        for (size_t i = 0; i < length; i++)
            bytes[i] = (char)random();
        say_raw(bytes, length, stray_one, (unsigned)random() % 4);
    }
}

static void noise_forever(void)
{
    noise();
}

static void write_ledger(void)
{
    const int32_t processes[] = {-1, other_dispatcher(), bystander(), getppid()};

    for (unsigned i = 0; i < PROTOCOL_SLOTS; i++) {
        service.ledger->slots[i].process = processes[i % 4];
    }
    pause_for(100); /* until every slot may be used */
    for (unsigned i = 0; i < PROTOCOL_SLOTS; i++)
        service.ledger->slots[i].process = processes[(i + request.start.slot) % 4];
    _exit(0);
}

static void cut_ledger(void)
{
    if (ftruncate(ledger, 0) == 0)
        say_failed();
    pause_for(200);
    exit(0);
}

static void half_closed(void)
{
    (void)shutdown(PROTOCOL_SOCKET, SHUT_WR);
    stay();
}

static void closed(void)
{
    (void)close(PROTOCOL_SOCKET);
    stay();
}

static void silent(void)
{
    stay();
}

static void dead(void)
{
    _exit(0);
}

/* From now on the supervisor cannot have it killed. */
static void slip_the_leash(void)
{
    (void)fcntl(PROTOCOL_SOCKET, F_SETOWN, 0);
}

static void unleashed(void)
{
    slip_the_leash();
    started_0();
}

static void unleashed_noise(void)
{
    slip_the_leash();
    noise();
}

/* ---- to FORK ---- */

static void forked_supervisor(void)
{
    say_forked(getppid(), 0);
}

static void forked_dispatcher(void)
{
    say_forked(other_dispatcher(), 0);
}

static void forked_bystander(void)
{
    say_forked(bystander(), 0);
}

static void forked_both(void)
{
    say_forked(fork_truly(), EAGAIN);
    stay();
}

static void forked_neither(void)
{
    (void)fork_truly();
    say_forked(0, 0);
    stay();
}

static void forked_twice(void)
{
    int32_t process = fork_truly();

    say_forked(process, 0);
    say_forked(process, 0);
    stay();
}

/* Has the kernel refuse all descriptors; before 6.16 it does not know how. */
static void refuse_rights(void)
{
    const int no = 0;

    (void)setsockopt(PROTOCOL_SOCKET, SOL_SOCKET, SO_PASSRIGHTS, &no, sizeof(no));
}

/* Never forks any. */
static void forked_never(void)
{
    while (request.header.type == MESSAGE_FORK) {
        say_forked(-1, EAGAIN);
        for (int i = 0; i < 2; i++)
            (void)close(given[i]);
        receive();
    }
    exit(0);
}

/* Can be given no descriptors. */
static void forked_deaf(void)
{
    refuse_rights();
    forked_never();
}

/* Says that there is none when that one has work already. */
static void forked_none(void)
{
    (void)fork_truly();
    pause_for(200);
    say_forked(0, EAGAIN);
}

static void forked_another(void)
{
    (void)fork_truly();
    pause_for(200);
    say_forked(other_dispatcher(), 0);
}

static void forked_dead(void)
{
    int32_t process = successor_fork();

    if (process == 0)
        _exit(0);
    say_forked(process, 0);
}

static void successor_lies(int32_t process, int times)
{
    int32_t successor = successor_fork();

    if (successor == 0) {
        become_successor();
        (void)fcntl(PROTOCOL_SOCKET, F_SETOWN, getpid());
        for (int i = 0; i < times; i++)
            say_ready(process == 0 ? (int32_t)getpid() : process);
        stay();
    }
    for (int i = 0; i < 2; i++)
        (void)close(given[i]);
    pause_for(50);
    say_forked(successor, 0);
}

static void successor_ready_other(void)
{
    successor_lies(getpid(), 1);
}

static void successor_ready_twice(void)
{
    successor_lies(0, 2);
}

/* ---- to READ ---- */

static int open_memory(off_t size, bool sealed)
{
    int memory = memfd_create("lie", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (ftruncate(memory, size) == 0 && sealed)
        (void)fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
    return memory;
}

static void content_pipe(void)
{
    say_content(request.read.file, 0, open_pipe());
}

static void content_unsealed(void)
{
    say_content(request.read.file, 0, open_memory(0, false));
}

static void content_huge(void)
{
    say_content(request.read.file, 0, open_memory((off_t)1 << 40, true));
}

static void content_directory(void)
{
    say_content(request.read.file, 0, open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static void content_path(void)
{
    say_content(request.read.file, 0, open("/", O_PATH | O_CLOEXEC));
}

static void content_nothing(void)
{
    say_content(request.read.file, 0, -1);
}

static void content_other_file(void)
{
    say_content(PROTOCOL_FILE_BUSY, 0, open_memory(0, true));
}

static void content_no_file(void)
{
    say_content(UINT32_MAX, 0, open_memory(0, true));
}

static void content_negative(void)
{
    say_content(request.read.file, -1, open_memory(0, true));
}

static void content_twice(void)
{
    say_content(request.read.file, EIO, -1);
    say_content(request.read.file, EIO, -1);
}

static void content_two(void)
{
    union message message = answer(MESSAGE_CONTENT);

    message.content.file = request.read.file;
    say_raw(&message, sizeof(message.content), open_memory(0, true), 2);
}

/* Whoever closes this last waits until all is sent, which the other end never takes. */
static void content_lingering(void)
{
    static const char bytes[1 << 16];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int lingering = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct linger linger = {.l_onoff = 1, .l_linger = 60};

    (void)bind(listener, (struct sockaddr *)&address, sizeof(address));
    (void)listen(listener, 1);
    (void)getsockname(listener, (struct sockaddr *)&address, &length);
    (void)connect(lingering, (struct sockaddr *)&address, sizeof(address));
    (void)setsockopt(lingering, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    while (send(lingering, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
        ;
    say_content(request.read.file, 0, lingering);
    (void)close(lingering);
}

/* ---- to SIGNAL ---- */

static void signalled_otherwise(void)
{
    say_signalled(request.signal.adopted == 0);
}

static void signalled_twice(void)
{
    say_signalled(request.signal.adopted);
    say_signalled(request.signal.adopted);
}

/* ---- to PING ---- */

static void pong_twice(void)
{
    say_pong();
    say_pong();
    stay();
}

static void pong_otherwise(void)
{
    say_content(PROTOCOL_FILE_ACCESS, EIO, -1);
    stay();
}

/* Puts off whoever closes the connection last, for a minute, if not asked to let it be. */
static void failed_lingering(void)
{
    static const char bytes[1 << 16];
    const struct linger linger = {.l_onoff = 1, .l_linger = 60};

    pause_for(500);
    (void)setsockopt(given[0], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    while (send(given[0], bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
        ;
    say_failed();
    (void)close(given[0]);
    (void)wire_consume(&service.inbox, PROTOCOL_SOCKET);
    exit(0);
}

/* Answers this START, and all that come, in the same way, until none can come. */
static void answer_all(void (*answer_start)(void))
{
    const int socket = PROTOCOL_SOCKET;
    enum wire_result result = WIRE_MESSAGE;

    while (result == WIRE_MESSAGE) {
        if (request.header.type == MESSAGE_START)
            answer_start();
        if (!wire_is_left(&service.inbox))
            (void)wire_consume(&service.inbox, socket);
        result = wire_receive(&service.inbox, socket, ~0u, &request, given, MSG_PEEK);
    }
}

static void fail(void)
{
    say_failed();
    (void)close(given[0]);
}

static void failed_always(void)
{
    answer_all(fail);
    exit(0);
}

/* Has the kernel put a descriptor of the sender beside all that is sent from now on, and leaves the
 * next packet in the socket.  Kernels before 6.5 do not know how. */
static void with_processes(void)
{
    const int yes = 1;
    struct pollfd next = {.fd = PROTOCOL_SOCKET, .events = POLLIN};

    (void)setsockopt(PROTOCOL_SOCKET, SOL_SOCKET, SO_PASSPIDFD, &yes, sizeof(yes));
    serve_to_the_end();
    while (wire_is_left(&service.inbox) &&
           wire_receive(&service.inbox, PROTOCOL_SOCKET, ~0u, &request, given, 0) == WIRE_MESSAGE)
        serve_to_the_end();
    (void)wire_consume(&service.inbox, PROTOCOL_SOCKET);
    (void)poll(&next, 1, -1);
    exit(0);
}

static void without_rights(void)
{
    refuse_rights();
    answer_all(serve_to_the_end);
    exit(0);
}

/* Can be sent nothing more, and cannot be killed either. */
static void deaf(void)
{
    slip_the_leash();
    (void)shutdown(PROTOCOL_SOCKET, SHUT_RD);
    answer_all(serve_to_the_end);
    stay();
}

/* ---- which, and when ---- */

static const struct lie {
    const char *word;
    enum message_type at;
    void (*tell)(void);
} lies[] = {
    {"unasked-started", MESSAGE_START, unasked_started},
    {"unknown-client", MESSAGE_START, unknown_client},
    {"started-twice", MESSAGE_START, started_twice},
    {"failed-then-started", MESSAGE_START, failed_then_started},
    {"started-then-failed", MESSAGE_START, started_then_failed},
    {"started-0", MESSAGE_START, started_0},
    {"started-1", MESSAGE_START, started_1},
    {"started-minus", MESSAGE_START, started_minus},
    {"started-supervisor", MESSAGE_START, started_supervisor},
    {"started-dispatcher", MESSAGE_START, started_dispatcher},
    {"started-itself", MESSAGE_START, started_itself},
    {"started-bystander", MESSAGE_START, started_bystander},
    {"exited-unknown", MESSAGE_START, exited_unknown},
    {"exited-zero", MESSAGE_START, exited_zero},
    {"exited-others", MESSAGE_START, exited_others},
    {"exited-before", MESSAGE_START, exited_before},
    {"exited-twice", MESSAGE_START, exited_twice},
    {"ready-twice", MESSAGE_START, ready_twice},
    {"ready-other", MESSAGE_START, ready_other},
    {"unasked-signalled", MESSAGE_START, unasked_signalled},
    {"unasked-forked", MESSAGE_START, unasked_forked},
    {"unasked-content", MESSAGE_START, unasked_content},
    {"unasked-pong", MESSAGE_START, unasked_pong},
    {"empty", MESSAGE_START, empty},
    {"empty-with-descriptors", MESSAGE_START, empty_with_descriptors},
    {"stray", MESSAGE_START, stray},
    {"strays", MESSAGE_START, strays},
    {"truth-then-lie", MESSAGE_START, truth_then_lie},
    {"lie-then-truth", MESSAGE_START, lie_then_truth},
    {"twice-at-once", MESSAGE_START, twice_at_once},
    {"cut-packet", MESSAGE_START, cut_packet},
    {"one-too-many", MESSAGE_START, one_too_many},
    {"long-packet", MESSAGE_START, long_packet},
    {"strays-at-once", MESSAGE_START, strays_at_once},
    {"content-in-company", MESSAGE_START, content_in_company},
    {"request", MESSAGE_START, request_of_ours},
    {"noise", MESSAGE_START, noise_forever},
    {"ledger", MESSAGE_START, write_ledger},
    {"cut-ledger", MESSAGE_START, cut_ledger},
    {"half-closed", MESSAGE_START, half_closed},
    {"closed", MESSAGE_START, closed},
    {"silent", MESSAGE_START, silent},
    {"dead", MESSAGE_START, dead},
    {"failed-lingering", MESSAGE_START, failed_lingering},
    {"failed-always", MESSAGE_START, failed_always},
    {"with-processes", MESSAGE_START, with_processes},
    {"without-rights", MESSAGE_START, without_rights},
    {"deaf", MESSAGE_START, deaf},
    {"unleashed", MESSAGE_START, unleashed},
    {"unleashed-noise", MESSAGE_START, unleashed_noise},
    {"forked-supervisor", MESSAGE_FORK, forked_supervisor},
    {"forked-dispatcher", MESSAGE_FORK, forked_dispatcher},
    {"forked-bystander", MESSAGE_FORK, forked_bystander},
    {"forked-both", MESSAGE_FORK, forked_both},
    {"forked-neither", MESSAGE_FORK, forked_neither},
    {"forked-twice", MESSAGE_FORK, forked_twice},
    {"forked-none", MESSAGE_FORK, forked_none},
    {"forked-never", MESSAGE_FORK, forked_never},
    {"forked-deaf", MESSAGE_FORK, forked_deaf},
    {"forked-another", MESSAGE_FORK, forked_another},
    {"forked-dead", MESSAGE_FORK, forked_dead},
    {"successor-ready-other", MESSAGE_FORK, successor_ready_other},
    {"successor-ready-twice", MESSAGE_FORK, successor_ready_twice},
    {"content-pipe", MESSAGE_READ, content_pipe},
    {"content-unsealed", MESSAGE_READ, content_unsealed},
    {"content-huge", MESSAGE_READ, content_huge},
    {"content-directory", MESSAGE_READ, content_directory},
    {"content-path", MESSAGE_READ, content_path},
    {"content-nothing", MESSAGE_READ, content_nothing},
    {"content-other-file", MESSAGE_READ, content_other_file},
    {"content-no-file", MESSAGE_READ, content_no_file},
    {"content-negative", MESSAGE_READ, content_negative},
    {"content-twice", MESSAGE_READ, content_twice},
    {"content-two", MESSAGE_READ, content_two},
    {"content-lingering", MESSAGE_READ, content_lingering},
    {"signalled-otherwise", MESSAGE_SIGNAL, signalled_otherwise},
    {"signalled-twice", MESSAGE_SIGNAL, signalled_twice},
    {"pong-twice", MESSAGE_PING, pong_twice},
    {"pong-otherwise", MESSAGE_PING, pong_otherwise},
    {"pong-never", MESSAGE_PING, silent},
};

static const struct lie *find(const char *word)
{
    for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++)
        if (strcmp(lies[i].word, word) == 0)
            return &lies[i];
    log_die(2, "liar: no such lie: %s", word);
}

static const struct lie *lie_of(const char *name, unsigned place)
{
    const char *words = getenv(name);
    char *rest = words == NULL ? NULL : strdup(words);
    char *word = rest == NULL ? NULL : strtok(rest, " ");
    const struct lie *found;

    for (unsigned i = place; i > 0 && word != NULL; i--)
        word = strtok(NULL, " ");
    found = word == NULL ? NULL : find(word);
    free(rest);
    return found;
}

static _Noreturn void be_honest(char **argv)
{
    char path[4096] = "";
    ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - sizeof("honest"));

    if (length < 0)
        log_die(2, "liar: /proc/self/exe: %m");
    for (size_t i = (size_t)length; i > 0; i--)
        if (path[i - 1] == '/') {
            strcpy(path + i, "honest");
            break;
        }
    (void)execv(path, argv);
    log_die(2, "liar: %s: %m", path);
}

/* As protocol.h has it: the packet of a START stays until all of it is done. */
static void consume(bool done)
{
    if (done && wire_consume(&service.inbox, PROTOCOL_SOCKET) != 0)
        exit(2);
}

static void receive(void)
{
    reply_flush(); /* that it is ready */
    consume(!wire_is_left(&service.inbox));
    if (wire_receive(&service.inbox, PROTOCOL_SOCKET, ~0u, &request, given, MSG_PEEK) !=
        WIRE_MESSAGE)
        exit(0);
    consume(request.header.type != MESSAGE_START);
}

static _Noreturn void lie_once(void)
{
    bool told = false;

    for (;;) {
        receive();
        if (told || request.header.type != lie->at ||
            (request.header.type == MESSAGE_FORK && is_first())) {
            answer_truly();
            continue;
        }
        told = true;
        log_write(LOG_LEVEL_WARNING, "liar: %s", lie->word);
        lie->tell();
    }
}

/* The spare: it forks the first liars, in each of which this returns, too. */
static void fork_liars(void)
{
    for (unsigned liars = 0; lie == NULL && lie_of("LIARS", liars) != NULL; liars++) {
        receive();
        answer_truly();
    }
    if (lie == NULL)
        lie = lie_of("LIAR_SPARE", 0);
}

int main(int argc, char **argv)
{
    log_open(LOG_LEVEL_WARNING, LOG_FORMAT_TEXT, "dispatcher");
    if (argc < 5)
        return 2;
    if (strcmp(argv[1], "spare") != 0)
        be_honest(argv);
    service.command =
        (struct spawn_command){.path = argv[3], .arguments = argv + 4, .setup = setup_read()};
    kin_open();
    setup_apply(service.command.setup);
    if (environment_prepare(environ, false) != 0)
        return 2;
    ledger = fcntl(PROTOCOL_LEDGER, F_DUPFD_CLOEXEC, 10);
    service_begin(&service, true);
    fork_liars();
    if (lie != NULL)
        lie_once();
    else
        service_run(&service); /* it is honest */
}
