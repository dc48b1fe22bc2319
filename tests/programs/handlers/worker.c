/*
 * worker LOG PLACES [DELAY_MS] - a worker for --persistent that keeps books.
 *
 * Takes one client after another from descriptor 0.  Reads one line from the client, waits, appends
 * "TICKET LINE" to LOG in one write, sends an answer, and closes the connection.  While it has a
 * client, it locks one of PLACES bytes of the file "places"; if all are locked, it writes the line
 * "too many" to LOG instead.  The kernel unlocks the byte of a worker that dies.
 *
 * The answer is the line; but some lines make it do something else:
 *
 *   who          answers "PROCESS NUMBER": its process, and the number of clients that it has had
 *   variables    answers what it was told about the connection, a line for each variable
 *   state        answers its descriptors, a line "NUMBER TARGET" for each, and its environment
 *   hang         does not answer, until SIGTERM
 *   stubborn     the same, and ignores SIGTERM
 *   late         ignores SIGTERM, and answers after a second
 *   crash        kills itself instead of an answer
 *   exit         exits with status 3 instead of an answer
 *   keep         answers, and closes the connection only with the next client
 *   long, twice, empty, descriptor
 *                says that it is ready by two bytes in one message, by two messages, by an empty
 *                message, or with a descriptor
 *   sink         is ready, with a socket whose last close waits for a client that does not read
 *   sinks        says so twice, each time with that socket
 *   early        is ready, and says so again before it receives the next client
 *   parent       leaves a child that has its socket for five seconds
 *   flood        says that it is ready a thousand times
 *   deaf         is ready, and then reads nothing any more
 *   shut         closes its socket instead of being ready, and waits
 *   stay         from now on, stays when it is to leave
 *   idle-crash   is ready, and kills itself a moment later
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 4096 };

static unsigned number; /* of clients */
static int kept = -1;
static bool stays;

static void pause_for(long milliseconds)
{
    struct timespec time = {.tv_sec = milliseconds / 1000,
                            .tv_nsec = milliseconds % 1000 * 1000000};

    while (nanosleep(&time, &time) != 0)
        ;
}

static _Noreturn void hang(void)
{
    for (;;)
        (void)pause();
}

static void say(int client, const char *text)
{
    if (write(client, text, strlen(text)) < 0)
        return; /* the client has gone */
}

/* ---- the socket ---- */

/* Returns the client, or -1 at the end. */
static int take(char *block, size_t *length)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec content = {.iov_base = block, .iov_len = BLOCK};
    struct msghdr message = {.msg_iov = &content,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    ssize_t received = recvmsg(STDIN_FILENO, &message, MSG_CMSG_CLOEXEC);
    int client;

    if (received <= 0)
        return -1;
    *length = (size_t)received;
    if (message.msg_controllen < CMSG_LEN(sizeof(int)) || block[received - 1] != '\0')
        exit(4);
    memcpy(&client, CMSG_DATA(&control.header), sizeof(client));
    return client;
}

static void be_ready(size_t length)
{
    if (send(STDIN_FILENO, "ok", length, MSG_NOSIGNAL) < 0)
        exit(0); /* the dispatcher is dead */
}

/* Sends a descriptor, with the byte if `bytes` is 1.  Returns false if the socket refuses it. */
static bool send_descriptor(int socket, int descriptor, size_t bytes)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {.header = {.cmsg_level = SOL_SOCKET,
                            .cmsg_type = SCM_RIGHTS,
                            .cmsg_len = CMSG_LEN(sizeof(int))}};
    struct iovec content = {.iov_base = (void *)&control, .iov_len = bytes};
    struct msghdr message = {.msg_iov = &content,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = CMSG_LEN(sizeof(int))};

    memcpy(CMSG_DATA(&control.header), &descriptor, sizeof(descriptor));
    return sendmsg(socket, &message, MSG_NOSIGNAL) >= 0;
}

/* Since Linux 6.16, the dispatcher's socket refuses descriptors. */
static void be_ready_with_descriptor(int descriptor)
{
    if (send_descriptor(STDIN_FILENO, descriptor, 1))
        return;
    if (errno == EPERM)
        (void)fputs("the dispatcher refuses descriptors\n", stderr);
    be_ready(1);
}

/* Fills the client's connection, which shall linger, and hides it in the queue of another socket,
 * which it sends so many times.  The receiver's close is the last one of both, unless it refuses
 * them. */
static void sink(int client, unsigned count)
{
    const struct linger linger = {.l_onoff = 1, .l_linger = 60};
    static const char text[65536];
    int pair[2];

    (void)setsockopt(client, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    while (send(client, text, sizeof(text), MSG_DONTWAIT) > 0)
        ;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0 ||
        !send_descriptor(pair[0], client, 1))
        exit(5);
    (void)kill(getppid(), SIGSTOP); /* the dispatcher does not close them before this process */
    while (count > 1 && send_descriptor(STDIN_FILENO, pair[1], 1))
        count--;
    if (send_descriptor(STDIN_FILENO, pair[1], 1)) {
        (void)close(client);
        (void)close(pair[1]);
    } else {
        be_ready(1); /* a close here would wait, too */
    }
    (void)kill(getppid(), SIGCONT);
}

/* ---- books ---- */

static int lock(int places, short type, int place)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = place, .l_len = 1};

    return fcntl(places, F_SETLK, &lock);
}

/* Returns the place that it has locked; -1: none is free. */
static int enter(int places, int count)
{
    for (int i = 0; i < count; i++)
        if (lock(places, F_WRLCK, i) == 0)
            return i;
    return -1;
}

static const char *find(const char *block, size_t length, const char *name)
{
    for (const char *each = block; each < block + length; each += strlen(each) + 1)
        if (strncmp(each, name, strlen(name)) == 0)
            return each + strlen(name);
    return "-";
}

/* ---- answers ---- */

static void tell_variables(int client, const char *block, size_t length)
{
    for (const char *each = block; each < block + length; each += strlen(each) + 1) {
        say(client, each);
        say(client, "\n");
    }
}

static void tell_state(int client)
{
    DIR *directory = opendir("/proc/self/fd");
    const struct dirent *entry;

    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        char target[256] = "";
        char line[sizeof(entry->d_name) + sizeof(target) + 2];

        if (readlinkat(dirfd(directory), entry->d_name, target, sizeof(target) - 1) < 0 ||
            atoi(entry->d_name) == dirfd(directory) || atoi(entry->d_name) == client)
            continue;
        (void)snprintf(line, sizeof(line), "%s %s\n", entry->d_name, target);
        say(client, line);
    }
    for (char *const *each = environ; *each != NULL; each++) {
        say(client, *each);
        say(client, "\n");
    }
}

/* Returns true if the line was an order that is carried out before the client is closed. */
static bool obey(const char *line, int client, const char *block, size_t length)
{
    char text[64];

    if (strcmp(line, "late\n") == 0) {
        (void)signal(SIGTERM, SIG_IGN);
        pause_for(1000);
        say(client, line);
    } else if (strcmp(line, "hang\n") == 0 || strcmp(line, "stubborn\n") == 0) {
        if (line[0] == 's')
            (void)signal(SIGTERM, SIG_IGN);
        hang();
    } else if (strcmp(line, "crash\n") == 0) {
        (void)raise(SIGKILL);
    } else if (strcmp(line, "exit\n") == 0) {
        exit(3);
    } else if (strcmp(line, "who\n") == 0) {
        (void)snprintf(text, sizeof(text), "%d %u\n", getpid(), number);
        say(client, text);
    } else if (strcmp(line, "variables\n") == 0) {
        tell_variables(client, block, length);
    } else if (strcmp(line, "state\n") == 0) {
        tell_state(client);
    } else {
        return false;
    }
    return true;
}

/* Says that it is ready, as the line says. */
static void end(const char *line)
{
    if (strcmp(line, "long\n") == 0) {
        be_ready(2);
    } else if (strcmp(line, "twice\n") == 0) {
        (void)kill(getppid(), SIGSTOP); /* the dispatcher reads none before the other is sent */
        be_ready(1);
        be_ready(1);
        (void)kill(getppid(), SIGCONT);
    } else if (strcmp(line, "early\n") == 0) {
        be_ready(1);
        (void)poll(&(struct pollfd){.fd = STDIN_FILENO, .events = POLLIN}, 1, -1);
        be_ready(1);
        pause_for(1000);
    } else if (strcmp(line, "parent\n") == 0) {
        if (fork() == 0) {
            pause_for(5000);
            _exit(0);
        }
        be_ready(1);
    } else if (strcmp(line, "flood\n") == 0) {
        for (int i = 0; i < 1000; i++)
            be_ready(1);
    } else if (strcmp(line, "empty\n") == 0) {
        be_ready(0);
    } else if (strcmp(line, "descriptor\n") == 0) {
        be_ready_with_descriptor(STDERR_FILENO);
    } else if (strcmp(line, "shut\n") == 0) {
        (void)close(STDIN_FILENO);
        hang();
    } else {
        be_ready(1);
    }
    if (strcmp(line, "deaf\n") == 0)
        hang();
    stays = stays || strcmp(line, "stay\n") == 0;
    if (strcmp(line, "idle-crash\n") == 0) {
        pause_for(50);
        (void)raise(SIGKILL);
    }
}

static void read_line(int client, char *line, size_t size)
{
    size_t length = 0;

    while (length < size - 1 && read(client, line + length, 1) == 1)
        if (line[length++] == '\n')
            break;
    line[length] = '\0';
}

int main(int argc, char **argv)
{
    int log = argc < 3 ? -1 : open(argv[1], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    int places = open("places", O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    char block[BLOCK];
    size_t length;
    int client;

    if (log < 0 || places < 0)
        return 2;
    while ((client = take(block, &length)) >= 0) {
        int place = enter(places, atoi(argv[2]));
        char line[64];
        char entry[128];

        number++;
        if (kept >= 0)
            (void)close(kept);
        kept = -1;
        read_line(client, line, sizeof(line));
        if (argc > 3)
            pause_for(atol(argv[3]));
        (void)snprintf(entry, sizeof(entry), "%s %s", find(block, length, "DAMPENER_TICKET="),
                       place < 0 ? "too many\n" : line);
        say(log, entry);
        if (place >= 0)
            (void)lock(places, F_UNLCK, place);
        if (!obey(line, client, block, length))
            say(client, line);
        if (strcmp(line, "sink\n") == 0 || strcmp(line, "sinks\n") == 0) {
            sink(client, line[4] == 's' ? 2 : 1);
            continue;
        }
        if (strcmp(line, "keep\n") == 0)
            kept = client;
        else
            (void)close(client);
        end(line);
    }
    if (stays)
        hang();
    return 0;
}
