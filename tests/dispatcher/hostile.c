/*
 * hostile MODE DISPATCHER [SEED [COUNT]] - a hostile supervisor, against the real dispatcher.
 *
 * Starts DISPATCHER as protocol.h says, with itself as the handler's command, and keeps a record of
 * the answers that may come.  MODE is one of
 *
 *     orders   all requests that no supervisor sends, one by one
 *     noise    COUNT packets: random bytes, and one or several valid messages, changed at random;
 *              the SEED that was printed repeats the run
 *     tickets  signals to a handler, with the tickets of other handlers
 *     forked   asks a forked dispatcher to signal a handler of the dispatcher that forked it
 *     forgery  the ledger names another process while a handler is being started
 *     orphan   the dispatcher reads its requests only after this process is dead
 *
 * In the end the dispatcher must live and serve, have its descriptors, and have started only the
 * command, and only when it was asked to.  Run it in a process id namespace of its own: a deceived
 * dispatcher could signal any process.
 */
#include "dispatcher/protocol.h"
#include "dispatcher/shared/wire.h"
#include "tests/shared/check.h"
#include "tests/shared/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    PATIENCE = 20000, /* milliseconds, for what must come */
    BATCH = 500,      /* messages between two looks at the books */
    RAW_MAXIMUM = (PROTOCOL_BATCH + 2) * (int)sizeof(union message),
    DESCRIPTORS_MAXIMUM = PROTOCOL_BATCH + 2,
    SHAPES_DESCRIPTORS = 5, /* more than any one message brings */
    FORGERIES = 400
};

/* Numbers of answers, those that are due and those that came. */
struct books {
    unsigned started; /* or failed */
    unsigned exited;
    unsigned signalled;
    unsigned forked;
    unsigned content;
    unsigned pongs;
};

static struct books due;
static struct books came;
static uint32_t slots;      /* a set: those of starts that may not be answered yet */
static unsigned handlers;   /* that were started */
static unsigned successors; /* that were forked, and not reaped yet */

static pid_t dispatcher;
static int channel;
static struct wire_inbox inbox;
static struct ledger *ledger;
static int kinds[6]; /* what is sent as descriptors, of all sorts */
enum { KIND_SINK = 4, KIND_LEDGER = 5 };
static int sink; /* our end of what successors get as their socket */

/* Whom nobody may harm: neither is led by a handler. */
static pid_t bystanders[2];

static _Noreturn void give_up(const char *what)
{
    perror(what);
    exit(2);
}

/* A process that could not be had is -1, and whoever signals that signals everybody. */
static pid_t fork_or_give_up(void)
{
    pid_t process = fork();

    if (process < 0)
        give_up("fork");
    return process;
}

/* ---- the handler ---- */

/* Stays until its client is closed, if that is a pipe. */
static int handle(const char *path)
{
    int file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    struct stat status;
    char byte;

    if (file < 0 || write(file, "x", 1) != 1)
        return 1;
    return fstat(STDIN_FILENO, &status) != 0 || !S_ISFIFO(status.st_mode) ||
                   read(STDIN_FILENO, &byte, 1) == 0
               ? 0
               : 1;
}

static unsigned handled(void)
{
    struct stat status;

    return stat("handled", &status) == 0 ? (unsigned)status.st_size : 0;
}

/* ---- beginning ---- */

static int make_ledger(void)
{
    int memory = memfd_create("ledger", MFD_CLOEXEC);

    if (memory < 0 || ftruncate(memory, sizeof(struct ledger)) != 0)
        give_up("memfd_create");
    return memory;
}

static void open_pair(int ends[2])
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        give_up("socketpair");
}

static void start_dispatcher(const char *program)
{
    static const struct setup setup = {.version = PROTOCOL_VERSION};
    static char self[4096];
    int memory = make_ledger();
    int ends[2];

    if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
        give_up("/proc/self/exe");
    open_pair(ends);
    ledger = mmap(NULL, sizeof(*ledger), PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    if (ledger == MAP_FAILED || send(ends[0], &setup, sizeof(setup), 0) != sizeof(setup))
        give_up("a dispatcher");
    channel = ends[0];
    dispatcher = fork_or_give_up();
    if (dispatcher == 0) {
        int high[2] = {fcntl(ends[1], F_DUPFD, 10), fcntl(memory, F_DUPFD, 10)};
        if (dup2(high[0], PROTOCOL_SOCKET) < 0 || dup2(high[1], PROTOCOL_LEDGER) < 0)
            give_up("dup2");
        (void)close(high[0]);
        (void)close(high[1]);
        (void)execl(program, "dispatcher", "spare", "text", self, "handler", "handle", "handled",
                    NULL);
        give_up(program);
    }
    (void)close(ends[1]);
    (void)close(memory);
}

static bool await_readable(int descriptor)
{
    struct pollfd event = {.fd = descriptor, .events = POLLIN};

    return poll(&event, 1, PATIENCE) > 0;
}

static void await_ready(void)
{
    union message message;
    int descriptors[WIRE_DESCRIPTORS];

    CHECK(wire_receive(&inbox, channel, WIRE_TYPE(MESSAGE_READY), &message, descriptors, 0) ==
          WIRE_MESSAGE);
    CHECK(message.ready.process == (int32_t)dispatcher);
}

/* One is nobody's child here, in a session of its own; the other is our child, but leads a mere
 * group. */
static void start_bystanders(void)
{
    int tell[2];

    if (pipe2(tell, O_CLOEXEC) != 0)
        give_up("pipe");
    bystanders[1] = fork_or_give_up();
    if (bystanders[1] == 0) {
        pid_t self;

        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (fork_or_give_up() == 0) {
            self = setsid();
            (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (write(tell[1], &self, sizeof(self)) != sizeof(self))
                _exit(1);
        }
        (void)close(tell[0]);
        for (;;)
            (void)pause();
    }
    (void)setpgid(bystanders[1], bystanders[1]);
    if (read(tell[0], &bystanders[0], sizeof(pid_t)) != sizeof(pid_t))
        give_up("a bystander");
    (void)close(tell[0]);
    (void)close(tell[1]);
}

static bool lives(pid_t process)
{
    char text[512];
    const char *behind;

    (void)proc_read(process, "stat", text, sizeof(text));
    behind = strrchr(text, ')');
    return behind != NULL && behind[2] != 'Z';
}

/* ---- answers ---- */

static struct message_started last_started;
static struct message_exited last_exited;

static void enter(const union message *message)
{
    switch (message->header.type) {
    case MESSAGE_STARTED:
        last_started = message->started;
        handlers++;
        came.started++;
        due.exited++;
        break;
    case MESSAGE_FAILED:
        came.started++;
        break;
    case MESSAGE_EXITED:
        last_exited = message->exited;
        came.exited++;
        break;
    case MESSAGE_SIGNALLED:
        came.signalled++;
        break;
    case MESSAGE_FORKED:
        came.forked++;
        successors += message->forked.process > 0;
        break;
    case MESSAGE_CONTENT:
        came.content++;
        break;
    case MESSAGE_PONG:
        came.pongs++;
        break;
    default:
        CHECK(false); /* no answer */
    }
}

/* Takes all answers that are there, and leaves the last in *message. */
static bool hear(union message *message)
{
    const unsigned permitted = WIRE_TYPE(MESSAGE_STARTED) | WIRE_TYPE(MESSAGE_FAILED) |
                               WIRE_TYPE(MESSAGE_EXITED) | WIRE_TYPE(MESSAGE_SIGNALLED) |
                               WIRE_TYPE(MESSAGE_FORKED) | WIRE_TYPE(MESSAGE_CONTENT) |
                               WIRE_TYPE(MESSAGE_PONG);
    bool any = false;

    for (;;) {
        int descriptors[WIRE_DESCRIPTORS];
        enum wire_result result =
            wire_receive(&inbox, channel, permitted, message, descriptors, MSG_DONTWAIT);

        if (result == WIRE_EMPTY)
            return any;
        CHECK(result == WIRE_MESSAGE);
        if (result != WIRE_MESSAGE)
            exit(1); /* it is dead, or has violated the protocol */
        if (descriptors[0] >= 0)
            (void)close(descriptors[0]);
        enter(message);
        any = true;
    }
}

/* Ends successors, which would go on as dispatchers, and waits for as many as there were. */
static void reap_successors(void)
{
    int ends[2];

    (void)close(sink);
    (void)close(kinds[KIND_SINK]);
    for (; successors > 0; successors--) {
        int status;
        pid_t process = wait(&status);

        CHECK(process > 0 && process != dispatcher && process != bystanders[1]);
        if (process <= 0 || process == dispatcher)
            exit(1);
    }
    open_pair(ends);
    sink = ends[0];
    kinds[KIND_SINK] = ends[1];
}

static bool is_settled(void)
{
    return came.started >= due.started && came.exited >= due.exited &&
           came.signalled >= due.signalled && came.forked >= due.forked &&
           came.content >= due.content && came.pongs >= due.pongs;
}

/* Waits until all answers of one kind have come that are due. */
static void await_answers(const unsigned *wanted, const unsigned *counted)
{
    union message message;

    while (*counted < *wanted && await_readable(channel))
        (void)hear(&message);
    CHECK(*counted == *wanted);
}

/* Waits until all has come that is due, and looks whether anything else has. */
static void settle(void)
{
    union message message;

    while (!is_settled()) {
        if (!await_readable(channel))
            break;
        (void)hear(&message);
    }
    (void)hear(&message);
    CHECK(memcmp(&due, &came, sizeof(due)) == 0);
    CHECK(handled() == handlers);
    reap_successors();
}

/* ---- requests ---- */

static size_t length_of(enum message_type type)
{
    static const size_t lengths[MESSAGE_TYPES] = {
        [MESSAGE_READY] = sizeof(struct message_ready),
        [MESSAGE_START] = sizeof(struct message_start),
        [MESSAGE_STARTED] = sizeof(struct message_started),
        [MESSAGE_FAILED] = sizeof(struct message_failed),
        [MESSAGE_EXITED] = sizeof(struct message_exited),
        [MESSAGE_SIGNAL] = sizeof(struct message_signal),
        [MESSAGE_SIGNALLED] = sizeof(struct message_signalled),
        [MESSAGE_FORK] = sizeof(struct message_fork),
        [MESSAGE_FORKED] = sizeof(struct message_forked),
        [MESSAGE_READ] = sizeof(struct message_read),
        [MESSAGE_CONTENT] = sizeof(struct message_content),
        [MESSAGE_PING] = sizeof(struct message_header),
        [MESSAGE_PONG] = sizeof(struct message_header),
        [MESSAGE_ROUSE] = sizeof(struct message_header),
    };

    return lengths[type];
}

/* Reads the message there, if it is whole and a supervisor may ask it; returns its length, or 0. */
static size_t read_message(const char *bytes, size_t length, union message *message)
{
    size_t size;

    if (length < sizeof(message->header))
        return 0;
    memcpy(&message->header, bytes, sizeof(message->header));
    switch (message->header.type) {
    case MESSAGE_START:
    case MESSAGE_SIGNAL:
    case MESSAGE_FORK:
    case MESSAGE_READ:
    case MESSAGE_PING:
    case MESSAGE_ROUSE:
        size = length_of((enum message_type)message->header.type);
        break;
    default:
        return 0;
    }
    if (message->header.version != PROTOCOL_VERSION || length < size)
        return 0;
    memcpy(message, bytes, size);
    return size;
}

/* What a dispatcher does with a packet: its answers, and the slots that they are for. */
struct effect {
    struct books answers;
    uint32_t slots;
    unsigned count;   /* messages */
    unsigned brought; /* descriptors */
};

static void add_effect(struct effect *effect, const union message *message)
{
    uint32_t slot = message->header.type == MESSAGE_START ? message->start.slot : 0;

    effect->count++;
    switch (message->header.type) {
    case MESSAGE_START:
        effect->brought++;
        if (slot >= PROTOCOL_SLOTS || (effect->slots & 1u << slot) != 0)
            break; /* refused */
        effect->slots |= 1u << slot;
        effect->answers.started++;
        break;
    case MESSAGE_FORK:
        effect->brought += 2;
        effect->answers.forked++;
        break;
    default:
        effect->answers.signalled += message->header.type == MESSAGE_SIGNAL;
        effect->answers.content += message->header.type == MESSAGE_READ;
        effect->answers.pongs += message->header.type == MESSAGE_PING;
    }
}

/* By protocol.h alone. */
static struct effect effect_of(const char *bytes, size_t length, unsigned descriptors)
{
    const struct effect none = {.count = 0};
    struct effect effect = none;
    union message message;

    for (size_t at = 0, size; at < length; at += size) {
        size = read_message(bytes + at, length - at, &message);
        if (size == 0)
            return none;
        add_effect(&effect, &message);
    }
    return effect.count > PROTOCOL_BATCH || effect.brought != descriptors ||
                   (effect.answers.forked > 0 && effect.count > 1)
               ? none
               : effect;
}

/* Enters in the books what is to come of it.  A start in a slot that is in use is refused, but when
 * that is over only the answer tells: so that is awaited. */
static void expect(const void *bytes, size_t length, unsigned descriptors)
{
    struct effect effect = effect_of(bytes, length, descriptors);
    union message message;

    if ((effect.slots & slots) != 0) {
        while (came.started < due.started && await_readable(channel))
            (void)hear(&message);
        slots = 0;
    }
    slots |= effect.slots;
    due.started += effect.answers.started;
    due.signalled += effect.answers.signalled;
    due.forked += effect.answers.forked;
    due.content += effect.answers.content;
    due.pongs += effect.answers.pongs;
}

/* Sends it, hearing answers for as long as there is no room. */
static void say(const void *bytes, size_t length, const int *descriptors, unsigned count)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(DESCRIPTORS_MAXIMUM * sizeof(int))];
    } control = {0};
    struct iovec content = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = length};
    struct msghdr envelope = {.msg_iov = &content, .msg_iovlen = 1};
    union message message;

    if (count > 0) {
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = (socklen_t)CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(&control.header), descriptors, count * sizeof(int));
        envelope.msg_control = &control;
        envelope.msg_controllen = (socklen_t)CMSG_SPACE(count * sizeof(int));
    }
    expect(bytes, length, count);
    while (sendmsg(channel, &envelope, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
        struct pollfd event = {.fd = channel, .events = POLLIN | POLLOUT};

        if (errno != EAGAIN || poll(&event, 1, PATIENCE) <= 0)
            give_up("sendmsg");
        (void)hear(&message);
    }
    (void)hear(&message);
}

static void say_message(const union message *message, size_t length, unsigned count)
{
    say(message, length, kinds, count);
}

static void start(uint32_t slot)
{
    union message message;

    wire_header(&message, MESSAGE_START, 1, 1);
    message.start.slot = slot;
    say_message(&message, sizeof(message.start), 1);
}

static void ask_signal(int32_t process, int32_t signal_number, uint32_t adopted)
{
    union message message;

    wire_header(&message, MESSAGE_SIGNAL, 1, 1);
    message.signal.process = process;
    message.signal.signal = signal_number;
    message.signal.adopted = adopted;
    say_message(&message, sizeof(message.signal), 0);
}

static void fork_with(int first, int second)
{
    union message message;

    wire_header(&message, MESSAGE_FORK, 1, 1);
    say(&message, sizeof(message.fork), (const int[]){first, second}, 2);
}

static void read_file(uint32_t file)
{
    union message message;

    wire_header(&message, MESSAGE_READ, 1, 1);
    message.read.file = file;
    say_message(&message, sizeof(message.read), 0);
}

/* ---- orders ---- */

/* Each type with each wrong length, number of descriptors and version. */
static void order_shapes(void)
{
    union message message;
    char bytes[RAW_MAXIMUM] = {0};

    for (unsigned count = 0; count <= SHAPES_DESCRIPTORS; count++) {
        say("", 0, kinds, count);
        say("x", 1, kinds, count);
        say(bytes, sizeof(bytes), kinds, count);
        for (unsigned type = 0; type < MESSAGE_TYPES + 3; type++) {
            size_t length = type < MESSAGE_TYPES ? length_of((enum message_type)type) : 24;

            wire_header(&message, (enum message_type)type, 1, 1);
            message.signal.process = -1; /* as it stands in the same place in others */
            if (type == MESSAGE_START)
                message.start.slot = 0;
            memcpy(bytes, &message, sizeof(message));
            say(bytes, length, kinds, count);
            say(bytes, length + 1, kinds, count);
            say(bytes, length > 0 ? length - 1 : 0, kinds, count);
            say(bytes, sizeof(message.header), kinds, count);
            message.header.version++;
            say_message(&message, length, count);
            message.header.version = 0;
            say_message(&message, length, count);
        }
    }
    settle();
}

static void order_values(void)
{
    static const uint32_t numbers[] = {PROTOCOL_SLOTS, PROTOCOL_FILES, 255, INT32_MAX, UINT32_MAX};

    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
        if (numbers[i] >= PROTOCOL_SLOTS)
            start(numbers[i]);
        read_file(numbers[i]);
    }
    read_file(PROTOCOL_FILE_ACCESS); /* there is none */
    settle();
}

static void order_signals(void)
{
    const pid_t processes[] = {0,         1,          -1,          INT32_MIN,     INT32_MAX,
                               getpid(),  -getpid(),  getppid(),   bystanders[0], bystanders[1],
                               getpgrp(), -getpgrp(), -dispatcher, -bystanders[0]};
    static const int signals[] = {0, -1, SIGHUP, SIGKILL, SIGTERM, SIGSTOP, SIGCONT, 64, INT32_MAX};

    for (size_t i = 0; i < sizeof(processes) / sizeof(*processes); i++)
        for (size_t j = 0; j < sizeof(signals) / sizeof(*signals); j++)
            for (uint32_t adopted = 0; adopted <= 2; adopted++)
                ask_signal((int32_t)processes[i], signals[j], adopted);
    ask_signal((int32_t)dispatcher, SIGKILL, 0); /* as if it were its own handler */
    settle();
}

static void order_forks(void)
{
    int ends[2];

    for (unsigned first = 0; first < KIND_SINK; first++)
        for (unsigned second = 0; second <= KIND_LEDGER; second++)
            fork_with(kinds[first], kinds[second]);
    for (unsigned second = 0; second < KIND_LEDGER; second++)
        fork_with(kinds[KIND_SINK], kinds[second]);
    settle();
    /* And one that is sound. */
    open_pair(ends);
    fork_with(ends[1], kinds[KIND_LEDGER]);
    (void)close(ends[1]);
    CHECK(await_readable(ends[0]));
    (void)close(ends[0]);
    settle();
}

/* ---- orders in one packet ---- */

struct packet {
    char bytes[RAW_MAXIMUM];
    size_t length;
};

static void append(struct packet *packet, const union message *message)
{
    size_t length = length_of((enum message_type)message->header.type);

    memcpy(packet->bytes + packet->length, message, length);
    packet->length += length;
}

static void append_plain(struct packet *packet, enum message_type type)
{
    union message message;

    wire_header(&message, type, 1, 1);
    append(packet, &message);
}

static void append_start(struct packet *packet, uint32_t slot)
{
    union message message;

    wire_header(&message, MESSAGE_START, 1, 1);
    message.start.slot = slot;
    append(packet, &message);
}

static void say_packet(const struct packet *packet, unsigned count)
{
    int descriptors[DESCRIPTORS_MAXIMUM];

    for (unsigned i = 0; i < count; i++)
        descriptors[i] = kinds[i % 4];
    say(packet->bytes, packet->length, descriptors, count);
}

/* `count` STARTs, in the slots from `first` on, one after the other or all in the same. */
static struct packet starts(unsigned count, uint32_t first, bool same)
{
    struct packet packet = {.length = 0};

    for (uint32_t i = 0; i < count; i++)
        append_start(&packet, first + (same ? 0 : i));
    return packet;
}

/* In each number, and with each number of descriptors. */
static void order_starts(void)
{
    struct packet packet;

    for (unsigned count = 1; count <= PROTOCOL_BATCH + 1; count++)
        for (unsigned descriptors = count - 1; descriptors <= count + 1; descriptors++) {
            packet = starts(count, 0, false);
            say_packet(&packet, descriptors);
        }
    for (unsigned count = 2; count <= PROTOCOL_BATCH; count += 7) {
        packet = starts(count, 3, true); /* the first one counts */
        say_packet(&packet, count);
        packet = starts(count, PROTOCOL_SLOTS - 1, false); /* likewise */
        say_packet(&packet, count);
        packet = starts(count, UINT32_MAX, true);
        say_packet(&packet, count);
    }
    settle();
}

/* Cut anywhere. */
static void order_cut(void)
{
    struct packet packet = starts(3, 0, false);

    for (; packet.length > 0; packet.length--)
        for (unsigned descriptors = 0; descriptors <= 3; descriptors++)
            say_packet(&packet, descriptors);
    settle();
}

/* Whatever stands in one packet with a START. */
static void order_company(void)
{
    for (unsigned type = 1; type < MESSAGE_TYPES; type++)
        for (unsigned descriptors = 0; descriptors <= SHAPES_DESCRIPTORS; descriptors++) {
            struct packet packet = starts(1, 0, false);

            append_plain(&packet, (enum message_type)type);
            say_packet(&packet, descriptors);
            append_start(&packet, 1);
            say_packet(&packet, descriptors);
            packet.length = 0;
            append_plain(&packet, (enum message_type)type);
            append_plain(&packet, (enum message_type)type);
            say_packet(&packet, descriptors);
            while (packet.length + sizeof(union message) <= sizeof(inbox.bytes))
                append_plain(&packet, (enum message_type)type);
            say_packet(&packet, descriptors);
        }
    settle();
}

static void give_orders(void)
{
    order_starts();
    order_cut();
    order_company();
    order_shapes();
    order_values();
    order_signals();
    order_forks();
}

/* ---- noise ---- */

static uint64_t state;

static uint32_t draw(void)
{
    /* xorshift64* */
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (uint32_t)((state * 2685821657736338717u) >> 32);
}

static uint32_t below(uint32_t limit)
{
    return draw() % limit;
}

/* With a dispatcher that believes it, nobody else's process must be hit: they are ours, or none. */
static void tame(char *bytes, size_t length)
{
    const int32_t processes[] = {0, -1, 1, (int32_t)getpid(), bystanders[0], bystanders[1]};
    union message message;

    for (size_t at = 0, size; at < length; at += size) {
        size = read_message(bytes + at, length - at, &message);
        if (size == 0)
            return;
        if (message.header.type != MESSAGE_SIGNAL)
            continue;
        message.signal.process =
            below(4) == 0 ? (int32_t)(0x40000000u | draw()) : processes[below(6)];
        memcpy(bytes + at, &message, size);
    }
}

static size_t draw_bytes(char bytes[RAW_MAXIMUM])
{
    size_t length = below(4) == 0 ? below(RAW_MAXIMUM) : below(sizeof(union message) + 1);

    for (size_t i = 0; i < length; i++)
        bytes[i] = (char)draw();
    return length;
}

static enum message_type draw_type(void)
{
    return (enum message_type)(1 + below(MESSAGE_TYPES - 1));
}

/* Appends a sound message; returns how many descriptors it is to bring. */
static unsigned draw_message(struct packet *packet, enum message_type type)
{
    union message message;

    wire_header(&message, type, draw(), draw());
    if (type == MESSAGE_START)
        message.start.slot = below(PROTOCOL_SLOTS);
    if (type == MESSAGE_SIGNAL) {
        message.signal.signal = below(2) == 0 ? SIGTERM : SIGKILL;
        message.signal.adopted = below(2);
    }
    append(packet, &message);
    return type == MESSAGE_START ? 1 : type == MESSAGE_FORK ? 2 : 0;
}

/* A few changes, or none. */
static void mutate(struct packet *packet, uint32_t changes)
{
    for (; changes > 0; changes--) {
        uint32_t place = below(packet->length > 0 ? (uint32_t)packet->length : 1);

        switch (below(4)) {
        case 0:
            packet->length = below(8) == 0 ? below(RAW_MAXIMUM)
                                           : packet->length + below(3) - (packet->length > 0);
            if (packet->length > RAW_MAXIMUM)
                packet->length = RAW_MAXIMUM;
            break;
        case 1:
            packet->bytes[place] = (char)draw();
            break;
        default:
            packet->bytes[place] = (char)(packet->bytes[place] ^ 1 << below(8));
        }
    }
}

/* One message of any type. */
static unsigned draw_mutation(struct packet *packet)
{
    unsigned brought = draw_message(packet, draw_type());

    mutate(packet, 1 + below(3));
    return brought;
}

/* Several of those that are asked, sometimes with another among them, or one too many. */
static unsigned draw_mutated_packet(struct packet *packet)
{
    static const enum message_type asked[] = {MESSAGE_START, MESSAGE_START, MESSAGE_SIGNAL,
                                              MESSAGE_READ,  MESSAGE_PING,  MESSAGE_ROUSE};
    unsigned count = 1 + below(below(4) == 0 ? PROTOCOL_BATCH + 1 : 4);
    unsigned brought = 0;

    while (count-- > 0)
        brought += draw_message(packet, below(32) == 0 ? draw_type() : asked[below(6)]);
    mutate(packet, below(2) * below(3));
    return brought;
}

/* Mostly so many. */
static unsigned draw_descriptors(int descriptors[DESCRIPTORS_MAXIMUM], unsigned brought)
{
    unsigned count = below(8) == 0 ? below(DESCRIPTORS_MAXIMUM + 1) : brought + (below(8) == 0);

    if (count > DESCRIPTORS_MAXIMUM)
        count = DESCRIPTORS_MAXIMUM;
    for (unsigned i = 0; i < count; i++)
        descriptors[i] = kinds[below(KIND_LEDGER + 1)];
    return count;
}

static void make_noise(uint64_t seed, unsigned long count)
{
    printf("seed %llu\n", (unsigned long long)seed);
    (void)fflush(stdout);
    state = seed * 2 + 1;
    for (unsigned long i = 1; i <= count; i++) {
        struct packet packet = {.length = 0};
        int descriptors[DESCRIPTORS_MAXIMUM];
        unsigned brought = below(3);

        switch (below(4)) {
        case 0:
            brought = draw_mutated_packet(&packet);
            break;
        case 1:
            brought = draw_mutation(&packet);
            break;
        default:
            packet.length = draw_bytes(packet.bytes);
        }
        tame(packet.bytes, packet.length);
        say(packet.bytes, packet.length, descriptors, draw_descriptors(descriptors, brought));
        if (i % BATCH == 0 || i == count)
            settle();
    }
    printf("answered: %u starts, %u signals, %u forks, %u reads, %u pings\n", came.started,
           came.signalled, came.forked, came.content, came.pongs);
}

/* ---- a handler that stays ---- */

/* Starts a handler in slot 0, which exits once the returned descriptor is closed. */
static int start_staying(uint64_t ticket)
{
    union message message;
    int client[2];

    if (pipe2(client, O_CLOEXEC) != 0)
        give_up("pipe");
    wire_header(&message, MESSAGE_START, 1, ticket);
    message.start.slot = 0;
    say(&message, sizeof(message.start), client, 1);
    (void)close(client[0]);
    await_answers(&due.started, &came.started);
    CHECK(last_started.header.ticket == ticket && last_started.process > 1);
    for (int look = 0; handled() < handlers && look < PATIENCE; look++)
        (void)usleep(1000);
    return client[1];
}

/* Asks for a signal to the last handler, under this ticket. */
static void signal_last(uint64_t ticket, int32_t signal_number)
{
    union message message;

    wire_header(&message, MESSAGE_SIGNAL, 1, ticket);
    message.signal.process = last_started.process;
    message.signal.signal = signal_number;
    say_message(&message, sizeof(message.signal), 0);
    await_answers(&due.signalled, &came.signalled);
}

/* Under another ticket the right process is not the right handler: its number may be used again. */
static void try_tickets(void)
{
    static const uint64_t wrong[] = {0,         1, 76, 78, UINT32_MAX, 77 + (UINT64_C(1) << 32),
                                     UINT64_MAX};
    int client = start_staying(77);

    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        signal_last(wrong[i], SIGTERM);
        signal_last(wrong[i], SIGKILL);
    }
    (void)close(client);
    settle();
    CHECK(last_exited.header.ticket == 77 && last_exited.status == 0);

    client = start_staying(78);
    signal_last(78, SIGTERM);
    settle();
    CHECK(last_exited.header.ticket == 78 && last_exited.status == SIGTERM);
    (void)close(client);
}

/* The first dispatcher has a handler while it forks; the new one must not count it as its own. */
static void try_forked(void)
{
    struct wire_inbox heard = {0};
    int client = start_staying(80);
    int descriptors[WIRE_DESCRIPTORS];
    union message message;
    int ends[2];

    open_pair(ends);
    fork_with(ends[1], kinds[KIND_LEDGER]);
    (void)close(ends[1]);
    CHECK(wire_receive(&heard, ends[0], WIRE_TYPE(MESSAGE_READY), &message, descriptors, 0) ==
          WIRE_MESSAGE);
    wire_header(&message, MESSAGE_SIGNAL, 1, 80);
    message.signal.process = last_started.process;
    message.signal.signal = SIGKILL;
    message.signal.adopted = 0;
    CHECK(wire_send(ends[0], &message, NULL, 0) == 0);
    CHECK(wire_receive(&heard, ends[0], WIRE_TYPE(MESSAGE_SIGNALLED), &message, descriptors, 0) ==
          WIRE_MESSAGE);
    (void)close(ends[0]);
    (void)close(client);
    settle();
    CHECK(last_exited.header.ticket == 80 && last_exited.status == 0);
}

/* ---- forgery ---- */

/* A process that writes a bystander into the ledger all the time. */
static pid_t start_forger(void)
{
    pid_t forger = fork_or_give_up();

    if (forger != 0)
        return forger;
    for (;;)
        for (int i = 0; i < PROTOCOL_SLOTS; i++)
            __atomic_store_n(&ledger->slots[i].process, (int32_t)bystanders[0], __ATOMIC_SEQ_CST);
}

static void forge(void)
{
    pid_t forger = start_forger();

    for (unsigned i = 0; i < FORGERIES && lives(bystanders[0]); i++) {
        union message message;

        start(i % PROTOCOL_SLOTS);
        ask_signal((int32_t)bystanders[0], SIGKILL, 0);
        while (came.started < due.started || came.signalled < due.signalled) {
            if (!await_readable(channel))
                break;
            (void)hear(&message);
            CHECK(message.header.type != MESSAGE_STARTED ||
                  message.started.process != (int32_t)bystanders[0]);
        }
    }
    (void)kill(forger, SIGKILL);
    (void)waitpid(forger, NULL, 0);
    settle();
}

/* ---- orphan ---- */

/* Asks the dispatcher, which does not run at that moment, to signal a bystander as its own child's
 * group, and dies.  Whoever takes the dispatcher in has that bystander for a child. */
static _Noreturn void be_supervisor(const char *program, int32_t process, int tell)
{
    int status;

    start_dispatcher(program);
    await_ready();
    (void)kill(dispatcher, SIGSTOP);
    (void)waitpid(dispatcher, &status, WUNTRACED);
    CHECK(WIFSTOPPED(status));
    ask_signal(process, SIGKILL, 1);
    CHECK(write(tell, &dispatcher, sizeof(dispatcher)) == sizeof(dispatcher));
    _exit(CHECK_RESULT());
}

static void orphan(const char *program)
{
    int tell[2] = {-1, -1};
    pid_t child;
    pid_t victim = fork_or_give_up();
    pid_t left = 0;
    int status = -1;

    if (victim == 0) {
        (void)setsid();
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            (void)pause();
    }
    while (getsid(victim) != victim)
        (void)poll(NULL, 0, 1);
    CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0 && pipe2(tell, O_CLOEXEC) == 0);
    child = fork_or_give_up();
    if (child == 0)
        be_supervisor(program, (int32_t)victim, tell[1]);
    CHECK(read(tell[0], &left, sizeof(left)) == sizeof(left));
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    if (left <= 0)
        return;
    (void)kill(left, SIGCONT);
    /* It finds the end of its messages behind that one. */
    CHECK(waitpid(left, &status, 0) == left && WIFEXITED(status));
    CHECK(lives(victim));
    (void)kill(victim, SIGKILL);
    (void)waitpid(victim, NULL, 0);
}

/* ---- all of it ---- */

static void open_kinds(void)
{
    int ends[2];
    int tell[2];

    open_pair(ends);
    if (pipe2(tell, O_CLOEXEC) != 0)
        give_up("pipe");
    (void)close(tell[1]);
    sink = ends[0];
    kinds[KIND_SINK] = ends[1];
    kinds[KIND_LEDGER] = make_ledger();
    kinds[0] = open("/dev/null", O_RDWR | O_CLOEXEC);
    kinds[1] = tell[0];
    kinds[2] = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    kinds[3] = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
        if (kinds[i] < 0)
            give_up("what to send");
}

static void check_end(int descriptors)
{
    char children[64];
    unsigned before = handlers;

    start(0);
    settle();
    CHECK(handlers == before + 1);
    CHECK(proc_children(dispatcher, children, sizeof(children)) == 0);
    /* A leak checker has some open while it looks. */
    for (int look = 0; proc_descriptors(dispatcher) != descriptors && look < 500; look++)
        (void)usleep(10000);
    CHECK(proc_descriptors(dispatcher) == descriptors);
    for (int i = 0; i < 2; i++)
        CHECK(lives(bystanders[i]));
    CHECK(lives(dispatcher));
}

static void end_all(void)
{
    int status;

    (void)close(channel);
    CHECK(waitpid(dispatcher, &status, 0) == dispatcher && status == 0);
    for (int i = 0; i < 2; i++)
        (void)kill(bystanders[i], SIGKILL);
    CHECK(waitpid(bystanders[1], NULL, 0) == bystanders[1]);
    /* Nobody else was ever started. */
    CHECK(wait(NULL) < 0 && errno == ECHILD);
}

int main(int argc, char **argv)
{
    int descriptors;

    if (argc == 3 && strcmp(argv[1], "handle") == 0)
        return handle(argv[2]);
    if (argc < 3)
        return 2;
    (void)setpgid(0, 0); /* whatever our group is sent, is meant for us */
    (void)signal(SIGPIPE, SIG_IGN);
    if (strcmp(argv[1], "orphan") == 0) {
        orphan(argv[2]);
        return CHECK_RESULT();
    }
    open_kinds();
    start_bystanders();
    start_dispatcher(argv[2]);
    await_ready();
    start(0); /* so that it has opened all that it ever will */
    settle();
    descriptors = proc_descriptors(dispatcher);
    CHECK(descriptors > 0);
    if (strcmp(argv[1], "orders") == 0)
        give_orders();
    else if (strcmp(argv[1], "noise") == 0)
        make_noise(argc > 3 ? strtoull(argv[3], NULL, 10) : (uint64_t)time(NULL),
                   argc > 4 ? strtoul(argv[4], NULL, 10) : 100000);
    else if (strcmp(argv[1], "tickets") == 0)
        try_tickets();
    else if (strcmp(argv[1], "forked") == 0)
        try_forked();
    else if (strcmp(argv[1], "forgery") == 0)
        forge();
    else
        return 2;
    check_end(descriptors);
    end_all();
    return CHECK_RESULT();
}
