/*
 * The operator's connections, served to clients in processes of their own: good ones, hostile ones,
 * and both at once.
 */
#include "supervisor/control/control.h"

#include "dispatcher/shared/log.h"
#include "tests/shared/check.h"
#include "tests/shared/proc.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BIG = 100 << 10, GOOD_ROUNDS = 100, HOSTILE = 100, NOBODY = 65534 };

/* What is between the two sides: a socket of each kind, and where it is. */
struct side {
    struct control control;
    struct sockaddr_storage address;
    socklen_t length;
    int family;
    uint64_t answered; /* the round of the last answer */
};

static struct loop loop;
static struct side local;
static struct side remote;
static uint64_t rounds;
static char received[2 * CONTROL_ANSWER_MAXIMUM];

/* ---- the server's side ---- */

static void answer(void *context, const struct control_request *request,
                   struct control_answer *given)
{
    struct side *side = context;

    CHECK(side->answered != rounds); /* one a round */
    side->answered = rounds;
    CHECK(request->user == (side == &remote ? (uid_t)-1 : geteuid()));
    CHECK(request->http == (*request->words == '/'));
    if (strstr(request->words, "big") != NULL) {
        for (int i = 0; i < BIG / 16; i++)
            text_add(&given->text, "%015d\n", i);
    } else if (strstr(request->words, "endless") != NULL) {
        while (!given->text.cut)
            text_add(&given->text, "and so on\n");
    } else if (strstr(request->words, "pass") != NULL) {
        text_add(&given->text, "here\n");
        given->descriptor = open("/dev/null", O_RDONLY | O_CLOEXEC);
        CHECK(given->descriptor >= 0);
    } else if (strcmp(request->words, "sleep") == 0) {
        (void)usleep(100 * LOOP_MILLISECOND);
        text_add(&given->text, "slept\n");
    } else if (strcmp(request->words, "/missing") == 0) {
        given->status = 404;
        given->type = "text/none";
        text_add(&given->text, "none\n");
    } else {
        text_add(&given->text, "%s\n", request->words);
    }
}

static void after_round(void *context)
{
    (void)context;
    rounds++;
}

static void open_side(struct side *side, int family)
{
    union {
        struct sockaddr any;
        struct sockaddr_in ipv4;
    } address = {.ipv4 = {.sin_family = (sa_family_t)family}};
    int listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    address.ipv4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    side->family = family;
    side->length = sizeof(side->address);
    side->answered = UINT64_MAX;
    /* Of a Unix socket, an address so short means any name that is free (unix(7)). */
    if (listener < 0 ||
        bind(listener, &address.any,
             family == AF_UNIX ? sizeof(sa_family_t) : sizeof(address.ipv4)) != 0 ||
        listen(listener, 64) != 0 ||
        getsockname(listener, (struct sockaddr *)&side->address, &side->length) != 0 ||
        control_open(&side->control, &loop, listener, family != AF_UNIX, geteuid(), answer, side) !=
            0)
        abort();
}

static void on_end(void *context)
{
    (void)context;
    loop_stop(&loop);
}

/* Runs a client in another process.  It is killed with us. */
static pid_t begin(void (*client)(void), int *end)
{
    int ends[2];
    pid_t child;

    if (pipe2(ends, O_CLOEXEC) != 0)
        abort();
    child = fork();
    if (child < 0)
        abort();
    if (child == 0) {
        check_failures = 0;
        for (int i = STDERR_FILENO + 1; i < 256; i++)
            if (i != ends[1])
                (void)close(i); /* the other side of connections, too */
        client();
        _exit(CHECK_RESULT());
    }
    (void)close(ends[1]);
    *end = ends[0];
    return child;
}

/* Serves until the client has ended by itself. */
static void serve(void (*client)(void))
{
    struct loop_source source = {.ready = on_end};
    pid_t child = begin(client, &source.descriptor);
    int status;

    if (loop_watch(&loop, &source) != 0)
        abort();
    loop_run(&loop, after_round, NULL);
    loop_ignore(&loop, &source);
    (void)close(source.descriptor);
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* ---- the clients' side ---- */

static void sleep_milliseconds(int time)
{
    (void)poll(NULL, 0, time);
}

static int reach(const struct side *side)
{
    struct timeval patience = {.tv_sec = 15};
    int descriptor = socket(side->family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (descriptor < 0 ||
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) != 0 ||
        connect(descriptor, (const struct sockaddr *)&side->address, side->length) != 0)
        abort();
    return descriptor;
}

static void say(int descriptor, const char *words)
{
    CHECK(send(descriptor, words, strlen(words), MSG_NOSIGNAL) == (ssize_t)strlen(words));
}

/* All up to the end of the connection, which must be orderly; its length. */
static size_t hear(int descriptor)
{
    size_t length = 0;
    ssize_t got;

    while ((got = recv(descriptor, received + length, sizeof(received) - 1 - length, 0)) > 0)
        length += (size_t)got;
    CHECK(got == 0);
    received[length] = '\0';
    (void)close(descriptor);
    return length;
}

static const char *ask(const struct side *side, const char *words)
{
    int descriptor = reach(side);

    say(descriptor, words);
    (void)hear(descriptor);
    return received;
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static const char *body(const char *text)
{
    const char *end = strstr(text, "\r\n\r\n");

    return end != NULL ? end + 4 : "(none)";
}

static bool is_big(const char *text)
{
    char line[17];

    if (strlen(text) != BIG)
        return false;
    for (int i = 0; i < BIG / 16; i++) {
        (void)snprintf(line, sizeof(line), "%015d\n", i);
        if (memcmp(text + i * 16, line, 16) != 0)
            return false;
    }
    return true;
}

static void ask_lines(void)
{
    int descriptor;

    CHECK(strcmp(ask(&local, "hello\n"), "hello\n") == 0);
    CHECK(strcmp(ask(&local, " hello  you\t\r\nmore\n"), "hello  you\n") == 0);
    CHECK(strcmp(ask(&local, "\n"), "error: empty request; try help\n") == 0);
    CHECK(begins(ask(&local, "a\x01z\n"), "error: a request is a line of text"));
    CHECK(begins(ask(&local, "endless\n"), "error: the answer is too long\n"));
    CHECK(begins(ask(&local, "endless\n"), "error: the answer is too long\n"));
    CHECK(is_big(ask(&local, "big\n")));
    descriptor = reach(&local);
    say(descriptor, "hello");
    CHECK(shutdown(descriptor, SHUT_WR) == 0);
    (void)hear(descriptor);
    CHECK(strcmp(received, "hello\n") == 0);
    descriptor = reach(&local);
    CHECK(shutdown(descriptor, SHUT_WR) == 0);
    CHECK(hear(descriptor) == 0);
}

static void ask_in_pieces(void)
{
    static const char request[] = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
    int descriptor = reach(&remote);

    for (const char *at = request; *at != '\0'; at++) {
        CHECK(send(descriptor, at, 1, MSG_NOSIGNAL) == 1);
        (void)usleep(200);
    }
    (void)hear(descriptor);
    CHECK(strcmp(body(received), "/a\n") == 0);
}

static void ask_http(const struct side *side)
{
    static char request[CONTROL_REQUEST_MAXIMUM + 100];

    CHECK(strcmp(ask(side, "GET /hi?x HTTP/1.1\r\nHost: a\r\n\r\n"),
                 "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n"
                 "Content-Length: 4\r\nConnection: close\r\nCache-Control: no-store\r\n\r\n"
                 "/hi\n") == 0);
    CHECK(begins(ask(side, "HEAD /hi HTTP/1.0\r\n\r\n"), "HTTP/1.1 200 OK\r\n"));
    CHECK(strstr(received, "\r\nContent-Length: 4\r\n") != NULL && *body(received) == '\0');
    CHECK(begins(ask(side, "GET /missing HTTP/1.0\r\n\r\n"), "HTTP/1.1 404 Not Found\r\n"));
    CHECK(strstr(received, "\r\nContent-Type: text/none\r\n") != NULL);
    CHECK(is_big(body(ask(side, "GET /big HTTP/1.0\r\n\r\n"))));
    CHECK(begins(ask(side, "GET /endless HTTP/1.0\r\n\r\n"), "HTTP/1.1 500 "));
    CHECK(begins(ask(side, "POST / HTTP/1.0\r\nContent-Length: 9\r\n\r\nsome body"),
                 "HTTP/1.1 405 "));
    CHECK(strstr(received, "\r\nAllow: GET, HEAD\r\n") != NULL);
    CHECK(begins(ask(side, "GET / HTTP/2.0\r\n\r\n"), "HTTP/1.1 505 "));
    CHECK(begins(ask(side, "GET x HTTP/1.0\r\n\r\n"), "HTTP/1.1 400 "));
    memset(request, 'a', sizeof(request) - 1);
    memcpy(request, "GET /", 5);
    CHECK(begins(ask(side, request), "HTTP/1.1 431 "));
}

/* While one is answered the requests of others become complete; none of them is lost. */
static void ask_together(void)
{
    int descriptors[CONTROL_CLIENTS];

    for (unsigned i = 0; i < CONTROL_CLIENTS; i++)
        descriptors[i] = reach(&local);
    sleep_milliseconds(50); /* so that, as a rule, all are accepted before the first one asks */
    for (unsigned i = 0; i < CONTROL_CLIENTS; i++) {
        say(descriptors[i], i == 0 ? "sleep\n" : "hello\n");
        CHECK(shutdown(descriptors[i], SHUT_WR) == 0);
    }
    for (unsigned i = 0; i < CONTROL_CLIENTS; i++) {
        (void)hear(descriptors[i]);
        CHECK(strcmp(received, i == 0 ? "slept\n" : "hello\n") == 0);
    }
}

/* Whoever sends without end is not listened to for ever. */
static void send_garbage(const struct side *side)
{
    static char garbage[1 << 20];
    int descriptor = reach(side);
    ssize_t sent = 1;

    memset(garbage, 'x', sizeof(garbage));
    for (int i = 0; i < 64 && sent > 0; i++)
        sent = send(descriptor, garbage, sizeof(garbage), MSG_NOSIGNAL);
    CHECK(sent < 0);
    (void)close(descriptor);
}

/* Sends junk in pieces, each once the server has read the one before. */
static void send_junk(int descriptor, int kilobytes)
{
    static const char junk[1 << 10];

    for (int i = 0; i < kilobytes; i++) {
        uint64_t begun = loop_clock();
        int unread = 1;

        CHECK(send(descriptor, junk, sizeof(junk), MSG_NOSIGNAL) == (ssize_t)sizeof(junk));
        while (unread > 0 && loop_clock() - begun < CONTROL_LIFE) {
            CHECK(ioctl(descriptor, SIOCOUTQ, &unread) == 0);
            (void)usleep(50);
        }
        CHECK(unread == 0);
    }
}

/* Sends, after an answer, nearly as much as the server discards before it ends a client. */
static void send_much_junk(void)
{
    int descriptor = reach(&local);

    say(descriptor, "hello\n");
    CHECK(recv(descriptor, received, sizeof(received), MSG_WAITALL) == 6);
    send_junk(descriptor, 63);
    (void)close(descriptor);
}

static void ask_well(void)
{
    uint64_t begun = loop_clock();

    ask_lines();
    ask_in_pieces();
    ask_together();
    ask_http(&local);
    ask_http(&remote);
    CHECK(begins(ask(&remote, "hello\n"), "HTTP/1.1 400 "));
    CHECK(strcmp(body(received), "error: only HTTP is served here\n") == 0);
    send_garbage(&local);
    send_garbage(&remote);
    CHECK(loop_clock() - begun < CONTROL_LIFE); /* nothing had to be waited for */
}

static void take_descriptor(void)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(4 * sizeof(int))];
    } rights = {0};
    char bytes[16] = "";
    struct iovec content = {.iov_base = bytes, .iov_len = sizeof(bytes)};
    struct msghdr envelope = {.msg_iov = &content,
                              .msg_iovlen = 1,
                              .msg_control = &rights,
                              .msg_controllen = sizeof(rights)};
    int descriptor = reach(&local);

    say(descriptor, "pass\n");
    CHECK(recvmsg(descriptor, &envelope, 0) == 5 && memcmp(bytes, "here\n", 5) == 0);
    CHECK(rights.header.cmsg_type == SCM_RIGHTS && rights.header.cmsg_len == CMSG_LEN(sizeof(int)));
    CHECK(hear(descriptor) == 0);
    CHECK(strcmp(body(ask(&local, "GET /pass HTTP/1.0\r\n\r\n")), "here\n") == 0);
    CHECK(strcmp(body(ask(&remote, "GET /pass HTTP/1.0\r\n\r\n")), "here\n") == 0);
}

/* ---- hostile ones ---- */

static int reach_at_once(const struct side *side)
{
    int descriptor = socket(side->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (descriptor < 0)
        abort();
    if (connect(descriptor, (const struct sockaddr *)&side->address, side->length) != 0 &&
        errno != EINPROGRESS) {
        (void)close(descriptor);
        return -1;
    }
    return descriptor;
}

/* What each of them does every time; returns false once its connection is over. */
static bool act(int descriptor, unsigned kind)
{
    static char garbage[1 << 20];
    static const char *const words[] = {"", "GET", "big\n", "GET /big HTTP/1.0\r\n\r\n"};
    const char *said = kind < 4 ? words[kind] : garbage;
    struct pollfd end = {.fd = descriptor};

    if (garbage[0] == '\0')
        memset(garbage, 'x', sizeof(garbage));
    if (send(descriptor, said, kind < 4 ? strlen(said) : sizeof(garbage),
             MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
        errno != EAGAIN)
        return false;
    return poll(&end, 1, 0) == 0;
}

/* Many at once, who come back whenever they are ended; for ever. */
static void be_hostile(void)
{
    int descriptors[HOSTILE];

    memset(descriptors, -1, sizeof(descriptors));
    for (;;) {
        for (unsigned i = 0; i < HOSTILE; i++) {
            if (descriptors[i] == -1)
                descriptors[i] = reach_at_once(i % 2 == 0 ? &local : &remote);
            if (descriptors[i] == -1 || act(descriptors[i], i / 2 % 5))
                continue;
            (void)close(descriptors[i]);
            descriptors[i] = -1;
        }
        sleep_milliseconds(5);
    }
}

/* Whether one request was answered.  Whoever is slow while others come may have to ask again. */
static bool is_served(const struct side *side)
{
    int descriptor = reach(side);
    const char *request = side == &local ? "big\n" : "GET /big HTTP/1.0\r\n\r\n";
    size_t length = 0;
    ssize_t got = send(descriptor, request, strlen(request), MSG_NOSIGNAL);

    while (got > 0) {
        got = recv(descriptor, received + length, sizeof(received) - 1 - length, 0);
        length += got > 0 ? (size_t)got : 0;
    }
    (void)close(descriptor);
    received[length] = '\0';
    return got == 0 && is_big(side == &local ? received : body(received));
}

static void ask_among_hostile(void)
{
    for (unsigned i = 0; i < 2; i++) {
        const struct side *side = i == 0 ? &local : &remote;
        unsigned served = 0;
        unsigned attempts = 0;

        for (; served < GOOD_ROUNDS && attempts < 2 * GOOD_ROUNDS; attempts++)
            served += is_served(side);
        CHECK(served == GOOD_ROUNDS);
    }
}

static void check_hostile(void)
{
    int end;
    pid_t hostile = begin(be_hostile, &end);

    serve(ask_among_hostile);
    CHECK(hostile > 0 && kill(hostile, SIGKILL) == 0 && waitpid(hostile, NULL, 0) == hostile);
    (void)close(end);
}

/* ---- slow ones ---- */

static int reach_with_little_room(void)
{
    const int size = 1;
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (descriptor < 0 || setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)) != 0 ||
        connect(descriptor, (const struct sockaddr *)&remote.address, remote.length) != 0)
        abort();
    say(descriptor, "GET /big HTTP/1.0\r\n\r\n");
    return descriptor;
}

static void read_slowly(void)
{
    int descriptor = reach_with_little_room();
    size_t length = 0;
    ssize_t got;

    sleep_milliseconds(100);
    while ((got = recv(descriptor, received + length, 4096, 0)) > 0)
        length += (size_t)got;
    CHECK(got == 0);
    received[length] = '\0';
    CHECK(is_big(body(received)));
}

static void set_room(int size)
{
    CHECK(setsockopt(remote.control.source.descriptor, SOL_SOCKET, SO_SNDBUF, &size,
                     sizeof(size)) == 0);
}

enum { SLOW = 6 };

/* None of them ends by itself. */
static void be_slow(void)
{
    int descriptors[SLOW] = {reach(&local), reach(&remote), reach(&local)};

    sleep_milliseconds(300); /* not all of one age */
    descriptors[3] = reach(&local);
    descriptors[4] = reach(&local);
    descriptors[5] = reach_with_little_room();
    say(descriptors[2], "hello\n");
    say(descriptors[3], "big\n");
    for (;;) {
        (void)send(descriptors[4], "x", 1, MSG_NOSIGNAL);
        sleep_milliseconds(50);
    }
}

static uint32_t number_of_clients(void)
{
    return control_descriptors(&local.control) + control_descriptors(&remote.control);
}

static uint32_t most;
static bool sent_in_parts;
static uint64_t slow_since;

static void until_nobody_is_left(void *context)
{
    after_round(context);
    /* Long before the first client is too old, the timer is set only for the rest of an answer. */
    sent_in_parts = sent_in_parts || (loop.now < slow_since + CONTROL_LIFE / 2 &&
                                      remote.control.timer.deadline > loop.now &&
                                      remote.control.timer.deadline < loop.now + LOOP_SECOND);
    if (number_of_clients() > most)
        most = number_of_clients();
    if (most == SLOW && number_of_clients() == 0)
        loop_stop(&loop);
}

static bool is_quiet(void)
{
    for (const struct loop_timer *timer = loop.timers; timer != NULL; timer = timer->next)
        if (timer->deadline != 0)
            return false;
    return true;
}

static void check_slow(void)
{
    uint64_t before = rounds;
    uint64_t took;
    pid_t slow;
    int end;

    set_room(1);
    serve(read_slowly);
    slow_since = loop_clock();
    slow = begin(be_slow, &end);
    loop_run(&loop, until_nobody_is_left, NULL);
    took = loop_clock() - slow_since;
    CHECK(took >= CONTROL_LIFE && took < 2 * (uint64_t)CONTROL_LIFE);
    CHECK(rounds - before < 1000);
    CHECK(sent_in_parts);
    CHECK(is_quiet());
    CHECK(slow > 0 && kill(slow, SIGKILL) == 0 && waitpid(slow, NULL, 0) == slow);
    (void)close(end);
    set_room(512 << 10);
}

/* ---- others ---- */

/* An answer that is sent in parts has its descriptor with the first part only. */
static void check_parts(void)
{
    static struct connection connection;
    struct text body;
    const int size = 1;
    size_t heard = 0;
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0 ||
        setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) != 0 ||
        write(ends[1], "question\n", 9) != 9)
        abort();
    connection_open(&connection, ends[0], false);
    connection_read(&connection);
    CHECK(connection.state == CONNECTION_ASKING);
    connection_prepare(&connection, &body);
    memset(body.bytes, 'x', BIG);
    connection_answer(&connection, BIG, 200, "text/plain", dup(STDIN_FILENO));
    CHECK(connection.state == CONNECTION_SENDING);
    CHECK(connection.passed == -1 && connection.left < BIG);
    while (heard < BIG) {
        ssize_t got = recv(ends[1], received + heard, sizeof(received) - heard, 0);

        if (got <= 0)
            abort();
        heard += (size_t)got;
        if (connection.state == CONNECTION_SENDING)
            connection_send(&connection);
        CHECK((connection.state == CONNECTION_LINGERING) == (connection.left == 0));
    }
    CHECK(received[0] == 'x' && received[BIG - 1] == 'x');
    CHECK(recv(ends[1], received, sizeof(received), 0) == 0);
    (void)close(ends[1]);
    connection_read(&connection);
    CHECK(connection.state == CONNECTION_OVER);
    connection_close(&connection);
}

/* An answer to a client that is gone ends the connection. */
static void check_gone(void)
{
    static struct connection connection;
    struct text body;
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0 ||
        write(ends[1], "question\n", 9) != 9)
        abort();
    connection_open(&connection, ends[0], false);
    connection_read(&connection);
    (void)close(ends[1]);
    connection_prepare(&connection, &body);
    text_add(&body, "x");
    connection_answer(&connection, body.length, 200, "text/plain", dup(STDIN_FILENO));
    CHECK(connection.state == CONNECTION_OVER && connection.passed != -1);
    connection_close(&connection);
    CHECK(connection.passed == -1);
}

/* Who they are is noted when they connect. */
static void be_stranger(void)
{
    int own = reach(&local);

    if (seteuid(NOBODY) != 0)
        abort();
    CHECK(begins(ask(&local, "hello\n"), "error: only root and user 0 may use this socket\n"));
    CHECK(begins(ask(&local, "GET / HTTP/1.0\r\n\r\n"), "HTTP/1.1 403 "));
    for (int i = 0; i < 3 * CONTROL_CLIENTS; i++)
        (void)reach(&local);
    CHECK(begins(ask(&local, "hello\n"), "error: only root"));
    say(own, "hello\n");
    (void)hear(own);
    CHECK(strcmp(received, "hello\n") == 0);
}

/* With every place taken by the operator, a stranger is the one that has to go. */
static void be_one_too_many(void)
{
    int own[CONTROL_CLIENTS];

    for (int i = 0; i < CONTROL_CLIENTS; i++)
        own[i] = reach(&local);
    if (seteuid(NOBODY) != 0)
        abort();
    CHECK(hear(reach(&local)) == 0);
    for (int i = 0; i < CONTROL_CLIENTS; i++) {
        say(own[i], "hello\n");
        (void)hear(own[i]);
        CHECK(strcmp(received, "hello\n") == 0);
    }
}

static void check_strangers(void)
{
    if (geteuid() != 0)
        return;
    serve(be_stranger);
    CHECK(local.control.refused == 3 * CONTROL_CLIENTS + 3);
    serve(be_one_too_many);
    CHECK(local.control.refused == 3 * CONTROL_CLIENTS + 4);
}

static struct rlimit permitted;

static void permit(void *context)
{
    uint64_t *before = context;

    CHECK(rounds - *before < 10); /* it is no busy loop, and waits longer each time */
    CHECK(backoff_failing(&local.control.accepting));
    CHECK(setrlimit(RLIMIT_NOFILE, &permitted) == 0);
}

static void ask_once(void)
{
    CHECK(strcmp(ask(&local, "hello\n"), "hello\n") == 0);
}

static void wait_a_little(void)
{
    sleep_milliseconds(50);
    ask_once();
}

static void check_no_descriptors(void)
{
    static struct loop_timer timer = {.expired = permit};
    struct loop_source source = {.ready = on_end};
    struct rlimit limit;
    uint64_t before = rounds;
    int status;
    pid_t child = begin(wait_a_little, &source.descriptor);
    int lowest = dup(0);

    CHECK(getrlimit(RLIMIT_NOFILE, &permitted) == 0);
    limit = (struct rlimit){.rlim_cur = (rlim_t)lowest, .rlim_max = permitted.rlim_max};
    (void)close(lowest);
    timer.context = &before;
    timer.deadline = loop_clock() + 1400 * LOOP_MILLISECOND;
    loop_add_timer(&loop, &timer);
    if (loop_watch(&loop, &source) != 0 || setrlimit(RLIMIT_NOFILE, &limit) != 0)
        abort();
    loop_run(&loop, after_round, NULL);
    loop_ignore(&loop, &source);
    (void)close(source.descriptor);
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(!backoff_failing(&local.control.accepting));
}

/* Whoever has been given the socket, too, can do that; it cannot be undone. */
static void check_shut_down(void)
{
    static struct side deaf;
    static struct loop_timer timer = {.expired = on_end};
    uint64_t before = rounds;

    open_side(&deaf, AF_UNIX);
    timer.deadline = loop_clock() + 400 * LOOP_MILLISECOND;
    loop_add_timer(&loop, &timer);
    CHECK(shutdown(deaf.control.source.descriptor, SHUT_RDWR) == 0);
    loop_run(&loop, after_round, NULL);
    CHECK(rounds - before <= 3); /* it is left alone once that is known */
    control_close(&deaf.control);
}

static void until_all_are_there(void *context)
{
    after_round(context);
    if (control_descriptors(&local.control) == 4 && control_descriptors(&remote.control) == 2)
        loop_stop(&loop);
}

static void check_close(int before)
{
    int end;
    pid_t slow = begin(be_slow, &end);

    loop_run(&loop, until_all_are_there, NULL);
    for (unsigned i = 0; i < 2; i++) {
        control_close(&local.control);
        control_close(&remote.control);
    }
    CHECK(number_of_clients() == 0 && is_quiet());
    CHECK(slow > 0 && kill(slow, SIGKILL) == 0 && waitpid(slow, NULL, 0) == slow);
    (void)close(end);
    loop_close(&loop);
    CHECK(proc_descriptors(getpid()) == before);
}

int main(void)
{
    static struct control unopened;
    int before;

    log_open(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT, "supervisor");
    before = proc_descriptors(getpid());
    CHECK(before > 0);
    control_close(&unopened);
    CHECK(control_descriptors(&unopened) == 0);
    if (loop_open(&loop) != 0)
        abort();
    open_side(&local, AF_UNIX);
    open_side(&remote, AF_INET);
    serve(ask_well);
    CHECK(local.control.was_cut && remote.control.was_cut);
    serve(send_much_junk);
    serve(send_much_junk); /* the junk of the first client does not count for the second */
    serve(take_descriptor);
    check_parts();
    check_gone();
    check_strangers();
    check_no_descriptors();
    check_shut_down();
    check_hostile();
    check_slow();
    check_close(before);
    return CHECK_RESULT();
}
