/*
 * successor PATH [-2] STEP... - asks the daemon whose control socket is PATH to be taken over, and
 * then says what a successor may not, or what it may, step by step (inheritance.h):
 *
 *     until TYPE       receives until there is such a message; prints the type of each
 *     take             likewise, until ALL, and answers what is to be answered with TAKEN
 *     TYPE             sends such a message, which is sound as such
 *     garbage          sends bytes at random
 *     nothing          sends a message without content
 *     descriptors N    sends GO with N descriptors
 *     long             sends GO with more behind it
 *     version          sends GO of another version
 *     type             sends a message of no type
 *     wait             prints "waiting", and goes on at SIGTERM
 *     close            closes its end, with all that it has not read
 *
 * With -2 it asks as one that knows version 2.  In the end it prints what still comes, up to
 * "closed".  TYPE is as below.  Exits 0 if all steps could be gone.
 */
#include "supervisor/takeover/inheritance.h"
#include "tests/shared/raw.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PATIENCE = 20000, MANY = 253 };

static const char *const names[INHERITANCE_TYPES] = {
    [INHERITANCE_HELLO] = "HELLO",
    [INHERITANCE_LISTENER] = "LISTENER",
    [INHERITANCE_GO] = "GO",
    [INHERITANCE_RUNNING] = "RUNNING",
    [INHERITANCE_QUEUED] = "QUEUED",
    [INHERITANCE_TAKEN] = "TAKEN",
    [INHERITANCE_ALL] = "ALL",
    [INHERITANCE_READY] = "READY",
    [INHERITANCE_COMMITTED] = "COMMITTED",
    [INHERITANCE_SERVING] = "SERVING",
    [INHERITANCE_SETTLED] = "SETTLED",
    [INHERITANCE_ABORTED] = "ABORTED",
    [INHERITANCE_ENDED] = "ENDED",
    [INHERITANCE_END] = "END",
    [INHERITANCE_LEFT] = "LEFT",
    [INHERITANCE_SETTING] = "SETTING",
};

static int link_end;

static _Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "successor: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* ---- the beginning ---- */

static void ask(const char *path, const char *request)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    char line[256] = "";
    struct iovec content = {.iov_base = line, .iov_len = sizeof(line) - 1};
    struct msghdr envelope = {.msg_iov = &content,
                              .msg_iovlen = 1,
                              .msg_control = &control,
                              .msg_controllen = sizeof(control)};
    int connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct cmsghdr *header;

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    if (connection < 0 || connect(connection, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        send(connection, request, strlen(request), 0) < 0 ||
        recvmsg(connection, &envelope, MSG_CMSG_CLOEXEC) < 0)
        die(path);
    (void)close(connection);
    header = CMSG_FIRSTHDR(&envelope);
    if (header == NULL) {
        printf("%s", line);
        exit(1);
    }
    memcpy(&link_end, CMSG_DATA(header), sizeof(link_end));
}

/* ---- receiving ---- */

/* Prints and returns the type of what comes; 0 if it is the end. */
static unsigned receive(union inheritance *message)
{
    struct pollfd event = {.fd = link_end, .events = POLLIN};
    int descriptors[INHERITANCE_BATCH];

    if (poll(&event, 1, PATIENCE) != 1)
        die("nothing comes");
    if (inheritance_receive(link_end, ~0u, message, descriptors) == 0) {
        if (errno != ECONNRESET)
            die("what comes is malformed");
        printf("closed\n");
        return 0;
    }
    printf("%s\n", names[message->header.type]);
    if (message->header.type == INHERITANCE_LISTENER)
        (void)close(descriptors[0]);
    for (unsigned i = 0; message->header.type == INHERITANCE_QUEUED && i < message->header.count;
         i++)
        (void)close(descriptors[i]);
    return message->header.type;
}

static unsigned type_of(const char *name)
{
    for (unsigned i = 1; i < INHERITANCE_TYPES; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    errno = EINVAL;
    die(name);
}

static void until(unsigned type)
{
    union inheritance message;
    unsigned got;

    while ((got = receive(&message)) != type)
        if (got == 0)
            exit(1);
}

/* ---- sending ---- */

static void say(enum inheritance_type type)
{
    int zeros[INHERITANCE_BATCH] = {0};
    union inheritance message;

    memset(&message, 0, sizeof(message));
    if (type == INHERITANCE_RUNNING || type == INHERITANCE_QUEUED)
        message.header.count = 1;
    if (type == INHERITANCE_READY)
        message.ready.process = getpid();
    if (type == INHERITANCE_END)
        message.end.signal = SIGTERM;
    if (inheritance_send(link_end, type, &message, zeros) != 0)
        die(names[type]);
}

static void take(void)
{
    union inheritance message;
    unsigned type;

    while ((type = receive(&message)) != INHERITANCE_ALL) {
        if (type == 0)
            exit(1);
        if (type == INHERITANCE_RUNNING || type == INHERITANCE_QUEUED)
            say(INHERITANCE_TAKEN);
    }
}

static void send_raw(const void *bytes, size_t length, unsigned count)
{
    if (raw_send(link_end, bytes, length, 0, count) < 0)
        die("sendmsg");
}

static void send_garbage(void)
{
    unsigned char bytes[sizeof(union inheritance) + 100];

    if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
        die("getrandom");
    send_raw(bytes, bytes[0] % 2 == 0 ? sizeof(bytes) : bytes[1] + 1u, bytes[2] % 3);
}

static void send_wrong(const char *how, unsigned descriptors)
{
    union inheritance message;

    memset(&message, 0, sizeof(message));
    message.header.version = INHERITANCE_VERSION;
    message.header.type = INHERITANCE_GO;
    if (strcmp(how, "version") == 0)
        message.header.version++;
    if (strcmp(how, "type") == 0)
        message.header.type = INHERITANCE_TYPES;
    send_raw(&message, strcmp(how, "long") == 0 ? sizeof(message) : sizeof(message.header),
             descriptors);
}

static void await_signal(void)
{
    sigset_t set;
    int number;

    printf("waiting\n");
    (void)fflush(stdout);
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigwait(&set, &number);
}

/* Goes one step; returns how many words it was. */
static int go(char **words)
{
    const char *step = words[0];

    if (strcmp(step, "until") == 0 && words[1] != NULL) {
        until(type_of(words[1]));
        return 2;
    }
    if (strcmp(step, "descriptors") == 0 && words[1] != NULL) {
        send_wrong(step, (unsigned)atoi(words[1]));
        return 2;
    }
    if (strcmp(step, "take") == 0)
        take();
    else if (strcmp(step, "garbage") == 0)
        send_garbage();
    else if (strcmp(step, "nothing") == 0)
        send_raw("", 0, 0);
    else if (strcmp(step, "wait") == 0)
        await_signal();
    else if (strcmp(step, "close") == 0)
        exit(0);
    else if (strcmp(step, "version") == 0 || strcmp(step, "type") == 0 || strcmp(step, "long") == 0)
        send_wrong(step, 0);
    else
        say((enum inheritance_type)type_of(step));
    return 1;
}

int main(int argc, char **argv)
{
    union inheritance message;
    bool recent;
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    if (argc < 2)
        return 2;
    recent = argc > 2 && strcmp(argv[2], "-2") == 0;
    ask(argv[1], recent ? "takeover 2\n" : "takeover 1\n");
    for (int i = recent ? 3 : 2; i < argc;)
        i += go(argv + i);
    while (receive(&message) != 0)
        continue;
    return 0;
}
