/*
 * sinker PATH COUNT [hangup] - COUNT clients of a Unix socket, each of which sends along a TCP
 * socket whose last close(2) waits for ten minutes: it has SO_LINGER, and a full send buffer.
 *
 * Prints "sent N refused M" once all are connected: how many descriptors the kernel took, and how
 * many it refused.  Then waits for SIGUSR1, and hangs up; with `hangup` it does so at once.  Ends
 * at SIGTERM, and keeps the other ends of the TCP sockets until then.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { LINGER = 600 /* seconds */, MOST = 1000 };

static _Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "sinker: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* Returns one end of a connection that nobody reads, filled; the other end stays open. */
static int make_sink(int listener, const struct sockaddr_in *address)
{
    static const char filler[65536];
    const struct linger linger = {.l_onoff = 1, .l_linger = LINGER};
    int descriptor = socket(AF_INET, SOCK_STREAM, 0);

    if (descriptor < 0 ||
        connect(descriptor, (const struct sockaddr *)address, sizeof(*address)) != 0 ||
        accept(listener, NULL, NULL) < 0 ||
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) != 0)
        die("cannot make a connection");
    while (send(descriptor, filler, sizeof(filler), MSG_DONTWAIT) > 0)
        continue;
    return descriptor;
}

static int open_listener(struct sockaddr_in *address)
{
    socklen_t length = sizeof(*address);
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    *address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (listener < 0 || bind(listener, (struct sockaddr *)address, length) != 0 ||
        listen(listener, MOST) != 0 ||
        getsockname(listener, (struct sockaddr *)address, &length) != 0)
        die("cannot listen");
    return listener;
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int descriptor = socket(AF_UNIX, SOCK_STREAM, 0);

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    if (descriptor < 0 || connect(descriptor, (struct sockaddr *)&address, sizeof(address)) != 0)
        die(path);
    return descriptor;
}

/* Sends a descriptor along with a line.  Returns whether the kernel took it. */
static int send_along(int connection, int descriptor)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {.space = {0}};
    char line[] = "status\n";
    struct iovec content = {.iov_base = line, .iov_len = sizeof(line) - 1};
    struct msghdr envelope = {.msg_iov = &content,
                              .msg_iovlen = 1,
                              .msg_control = &control,
                              .msg_controllen = sizeof(control)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&envelope);

    *header = (struct cmsghdr){
        .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
    memcpy(CMSG_DATA(header), &descriptor, sizeof(descriptor));
    if (sendmsg(connection, &envelope, MSG_NOSIGNAL) >= 0)
        return 1;
    if (errno != EPERM && errno != EPIPE && errno != ECONNRESET)
        die("cannot send a descriptor");
    return 0;
}

static void do_nothing(int number)
{
    (void)number;
}

/* Ours may be the last close: a signal every millisecond ends the wait. */
static void interrupt_waits(void)
{
    const struct itimerval timer = {.it_interval.tv_usec = 1000, .it_value.tv_usec = 1000};
    const struct sigaction action = {.sa_handler = do_nothing, .sa_flags = SA_RESTART};

    if (sigaction(SIGALRM, &action, NULL) != 0 || setitimer(ITIMER_REAL, &timer, NULL) != 0)
        die("cannot set a timer");
}

int main(int argc, char **argv)
{
    int connections[MOST];
    struct sockaddr_in address;
    int count = argc > 2 ? atoi(argv[2]) : 0;
    int listener;
    int sent = 0;
    int number = SIGUSR1;
    sigset_t set;

    if (count < 1 || count > MOST)
        return 2;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGUSR1);
    (void)sigaddset(&set, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    interrupt_waits();
    listener = open_listener(&address);
    for (int i = 0; i < count; i++) {
        int sink = make_sink(listener, &address);

        connections[i] = connect_to(argv[1]);
        if (!send_along(connections[i], sink))
            continue; /* to close it would take ten minutes */
        (void)close(sink);
        sent++;
    }
    printf("sent %d refused %d\n", sent, count - sent);
    (void)fflush(stdout);
    if (argc == 3)
        (void)sigwait(&set, &number);
    if (number == SIGTERM)
        return 0;
    for (int i = 0; i < count; i++)
        (void)close(connections[i]);
    printf("hungup\n");
    (void)fflush(stdout);
    (void)sigwait(&set, &number);
    return 0;
}
