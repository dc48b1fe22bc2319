/*
 * burst [OPTION]... ADDRESS PORT COUNT - COUNT clients that connect one right after the other and
 * then wait.
 *
 * ADDRESS is numeric; or unix:PATH or abstract:NAME, and then PORT is 0.
 *
 * Client N (from 1) sends the line "N" and expects exactly that back, and then the end of the
 * connection.  As each connect(2) returns before the next begins, N is also the order of arrival.
 * Prints "connected C answered A failed F" and exits 0 only if all were answered.
 *
 *   -f FIRST    binds each client to a source address; FIRST is the first, of ADDRESS's family
 *   -s N        uses N source addresses from FIRST on in turn: client 1 has FIRST, client 2 FIRST+1
 *   -e MS       lets MS milliseconds, 0 too, pass between the beginnings of two connects, and
 *               receives meanwhile what there is for the clients already connected
 *   -b BYTES    each client sends so many bytes more right behind its line, as they are taken.  If
 *               the other end closes first, that is no failure: as bytes that it did not read turn
 *               its close into a reset, a reset right behind the answer counts as the end.
 *   -m MESSAGE  a client that gets exactly this instead of its answer, and then the end of the
 *               connection or a reset, is refused and has not failed.  \n, \r and \\ mean what they
 *               mean in C.  If MESSAGE is empty, a client is refused that gets nothing at all.
 *   -h N        N clients, spread evenly, reset their connections as soon as all are connected.
 *               They never read, and so are hung up whatever the other end had to say.
 *   -H          they do so at SIGUSR1 instead, and not before the line "waiting" is printed, which
 *               says that all are connected
 *   -c          each client shuts down its sending side once it has sent everything
 *   -w          prints a second line "waits: shortest S ms, median M ms, p99 P ms, longest L ms",
 *               from before connect(2) to the end of the connection, of all clients that were
 *               answered or refused, or "waits: none".  Without -e nobody reads until all are
 *               connected, and no wait ends sooner.
 *   -t MS       gives up after so many milliseconds without any news; 120000 if not given
 *
 * With -m or -h the first line is "connected C answered A refused R hungup H failed F", and the
 * exit status is 0 only if none failed.  COUNT is always the sum of all but C.
 */
#include "tests/shared/address.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    ANSWER_MAXIMUM = 24,
    COMPLAINTS = 5,
    EVENTS = 256,
    FILLER = 64 * 1024,
    MILLISECOND = 1000 * 1000, /* in nanoseconds, as all times below */
    PATIENCE = 120 * 1000
};

struct client {
    int descriptor; /* -1: never connected, or done with */
    bool sending;
    unsigned unsent; /* filler */
    char *answer;
    size_t length;
    int64_t begin;
};

/* Nothing changes it once the command line is read. */
static struct {
    struct sockaddr_storage address;
    struct sockaddr_storage source; /* AF_UNSPEC without -f */
    socklen_t address_length;
    unsigned count;
    unsigned sources;
    unsigned filler;
    unsigned hangups;
    int pause; /* -1 without -e */
    int patience;
    const char *message; /* NULL without -m */
    bool long_report;
    bool half_close;
    bool hangs_up_at_signal;
    bool shows_waits;
} options;

static struct client *clients;
static size_t answer_size; /* who fills it has got too much, whatever was expected */
static int64_t *waits;     /* of the answered and the refused, as they ended */
static int epoll;          /* tells of a client by its index, and of the signal by COUNT */
static unsigned open_clients;
static unsigned connected;
static unsigned answered;
static unsigned refused;
static unsigned hung_up;

static _Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "burst: %s: %s\n", what, strerror(errno));
    exit(2);
}

static _Noreturn void usage(void)
{
    (void)fprintf(stderr,
                  "usage: burst [-f FIRST [-s N]] [-e MS] [-b BYTES] [-m MESSAGE] [-h N] [-H] [-c] "
                  "[-w] [-t MS] ADDRESS PORT COUNT\n");
    exit(2);
}

static unsigned parse_number(const char *text, unsigned minimum, unsigned maximum)
{
    char *end;
    unsigned long number = strtoul(text, &end, 10);

    if (!isdigit((unsigned char)*text) || *end != '\0' || number < minimum || number > maximum)
        usage();
    return (unsigned)number;
}

static socklen_t parse_address(const char *text, unsigned port, struct sockaddr_storage *address)
{
    socklen_t length = address_parse(text, port, address);

    if (length > 0)
        return length;
    (void)fprintf(stderr, "burst: %s is no numeric address, nor unix:PATH, nor abstract:NAME\n",
                  text);
    exit(2);
}

/* In place, as each escape is longer than what it means. */
static const char *parse_message(char *text)
{
    char *to = text;

    for (const char *from = text; *from != '\0'; from++) {
        if (*from != '\\')
            *to++ = *from;
        else if (*++from == 'n')
            *to++ = '\n';
        else if (*from == 'r')
            *to++ = '\r';
        else if (*from == '\\')
            *to++ = '\\';
        else
            usage();
    }
    *to = '\0';
    return text;
}

static void parse_options(int argc, char **argv)
{
    char *words[UCHAR_MAX + 1] = {NULL}; /* of an option that takes none, any */
    int letter;

    while ((letter = getopt(argc, argv, "+f:s:e:b:m:h:Hcwt:")) != -1) {
        if (letter == '?')
            usage();
        words[letter] = optarg == NULL ? argv[0] : optarg;
    }
    if (argc - optind != 3 || (words['s'] != NULL && words['f'] == NULL))
        usage();
    argv += optind;
    options.address_length =
        parse_address(argv[0], parse_number(argv[1], 0, UINT16_MAX), &options.address);
    options.count = parse_number(argv[2], 1, INT_MAX);
    if (words['f'] != NULL)
        (void)parse_address(words['f'], 0, &options.source);
    if (words['f'] != NULL && options.source.ss_family != options.address.ss_family)
        usage();
    options.sources = words['s'] == NULL ? 1 : parse_number(words['s'], 1, UINT_MAX);
    options.pause = words['e'] == NULL ? -1 : (int)parse_number(words['e'], 0, INT_MAX);
    options.filler = words['b'] == NULL ? 0 : parse_number(words['b'], 0, UINT_MAX);
    options.hangups = words['h'] == NULL ? 0 : parse_number(words['h'], 0, options.count);
    options.patience = words['t'] == NULL ? PATIENCE : (int)parse_number(words['t'], 0, INT_MAX);
    options.message = words['m'] == NULL ? NULL : parse_message(words['m']);
    options.long_report = words['m'] != NULL || words['h'] != NULL;
    options.hangs_up_at_signal = words['H'] != NULL;
    options.half_close = words['c'] != NULL;
    options.shows_waits = words['w'] != NULL;
}

static void raise_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void prepare(void)
{
    size_t least = options.message == NULL ? 0 : strlen(options.message) + 1;
    char *answers;

    raise_limit();
    answer_size = least > ANSWER_MAXIMUM ? least : ANSWER_MAXIMUM;
    answers = calloc(options.count, answer_size);
    clients = calloc(options.count, sizeof(*clients));
    waits = calloc(options.count, sizeof(*waits));
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (answers == NULL || clients == NULL || waits == NULL || epoll < 0)
        die("cannot prepare");
    for (size_t i = 0; i < options.count; i++) {
        clients[i].descriptor = -1;
        clients[i].answer = answers + i * answer_size;
    }
}

/* Edge-triggered, as who is to hang up never reads, and would be told so again and again. */
static void watch(int descriptor, unsigned index, uint32_t events)
{
    struct epoll_event event = {.events = events | (uint32_t)EPOLLET, .data.u32 = index};

    if (epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) != 0)
        die("epoll_ctl");
}

static int64_t now(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000 * MILLISECOND + time.tv_nsec;
}

/* Only the first few: thousands may fail for one reason. */
static void complain(unsigned index, const char *what, const char *why)
{
    static int complaints;

    if (complaints++ < COMPLAINTS)
        (void)fprintf(stderr, "burst: client %u %s: %s\n", index + 1, what, why);
}

static bool hangs_up(uint64_t index)
{
    return (index + 1) * options.hangups / options.count > index * options.hangups / options.count;
}

static void leave(struct client *client)
{
    (void)close(client->descriptor);
    client->descriptor = -1;
    open_clients--;
}

/* Nothing may wait for what the other end does not take. */
static void send_filler(struct client *client)
{
    static const char filler[FILLER] = {[0 ... FILLER - 1] = '.'};

    if (!client->sending)
        return;
    while (client->unsent > 0) {
        size_t size = client->unsent < sizeof(filler) ? client->unsent : sizeof(filler);
        ssize_t sent = send(client->descriptor, filler, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN)
            return;
        client->unsent -= sent < 0 ? client->unsent : (unsigned)sent;
    }
    client->sending = false;
    if (options.half_close)
        (void)shutdown(client->descriptor, SHUT_WR);
}

static bool has_got(const struct client *client, const char *expected)
{
    return client->length == strlen(expected) &&
           memcmp(client->answer, expected, client->length) == 0;
}

/* The count that the client belongs to, now that its connection is over; NULL if it failed. */
static unsigned *judge(const struct client *client, unsigned index, bool end, bool reset)
{
    char line[ANSWER_MAXIMUM];

    (void)snprintf(line, sizeof(line), "%u\n", index + 1);
    if (has_got(client, line) && (end || (reset && options.filler > 0)))
        return &answered;
    if (options.message != NULL && has_got(client, options.message) && (end || reset))
        return &refused;
    return NULL;
}

static void serve(unsigned index)
{
    struct client *client = &clients[index];
    unsigned *counter;
    ssize_t got;

    if (client->descriptor < 0)
        return;
    send_filler(client);
    if (hangs_up(index))
        return;
    do {
        got = recv(client->descriptor, client->answer + client->length,
                   answer_size - client->length, MSG_DONTWAIT);
        client->length += got > 0 ? (size_t)got : 0;
    } while (got > 0 && client->length < answer_size);
    if (got < 0 && errno == EAGAIN)
        return;
    counter = judge(client, index, got == 0, got < 0 && errno == ECONNRESET);
    if (counter == NULL) {
        complain(index, "was not answered", got < 0 ? strerror(errno) : "not what it sent");
    } else {
        waits[answered + refused] = now() - client->begin;
        ++*counter;
    }
    leave(client);
}

static void hang_up(void)
{
    static const struct linger reset = {.l_onoff = 1};

    for (unsigned i = 0; i < options.count; i++) {
        if (clients[i].descriptor < 0 || !hangs_up(i))
            continue;
        (void)setsockopt(clients[i].descriptor, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        leave(&clients[i]);
        hung_up++;
    }
}

/* Whether there was news within so many milliseconds. */
static bool take_turn(int timeout)
{
    struct epoll_event events[EVENTS];
    int ready = epoll_wait(epoll, events, EVENTS, timeout);

    if (ready < 0 && errno != EINTR)
        die("epoll_wait");
    for (int i = 0; i < ready; i++) {
        if (events[i].data.u32 == options.count)
            hang_up();
        else
            serve(events[i].data.u32);
    }
    return ready != 0;
}

/* The address, in either family, is one long number in network byte order. */
static bool bind_source(int descriptor, unsigned index)
{
    static const int yes = 1;
    struct sockaddr_storage source = options.source;
    bool ipv4 = source.ss_family == AF_INET;
    unsigned char *bytes = ipv4 ? (void *)&((struct sockaddr_in *)(void *)&source)->sin_addr
                                : (void *)&((struct sockaddr_in6 *)(void *)&source)->sin6_addr;
    uint64_t carry = index % options.sources;

    for (int i = ipv4 ? 3 : 15; i >= 0; i--) {
        carry += bytes[i];
        bytes[i] = (unsigned char)(carry & 0xff);
        carry >>= 8;
    }
    /* The port is chosen at connect(2), and so need not be free for every other end as well. */
    (void)setsockopt(descriptor, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof(yes));
    return bind(descriptor, (const struct sockaddr *)&source, options.address_length) == 0;
}

/* Who is refused may find the connection closed before it has said a word. */
static bool send_line(int descriptor, unsigned index)
{
    char line[ANSWER_MAXIMUM];
    int size = snprintf(line, sizeof(line), "%u\n", index + 1);

    return send(descriptor, line, (size_t)size, MSG_NOSIGNAL) == size ||
           (options.message != NULL && (errno == EPIPE || errno == ECONNRESET));
}

static void connect_one(unsigned index)
{
    const struct sockaddr *address = (const struct sockaddr *)&options.address;
    struct client *client = &clients[index];
    int descriptor;

    client->begin = now();
    descriptor = socket(address->sa_family, SOCK_STREAM, 0);
    if (descriptor < 0 ||
        (options.source.ss_family != AF_UNSPEC && !bind_source(descriptor, index)) ||
        connect(descriptor, address, options.address_length) != 0 ||
        !send_line(descriptor, index)) {
        complain(index, "cannot connect", strerror(errno));
        if (descriptor >= 0)
            (void)close(descriptor);
        return;
    }
    connected++;
    open_clients++;
    client->descriptor = descriptor;
    client->sending = true;
    client->unsent = options.filler;
    send_filler(client);
    watch(descriptor, index, client->sending ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

/* Once at least, as even a pause that is over already may have brought answers. */
static void serve_until(int64_t end)
{
    int64_t left;

    do {
        left = end - now();
        (void)take_turn(left > 0 ? (int)((left + MILLISECOND - 1) / MILLISECOND) : 0);
    } while (left > 0);
}

static void connect_all(void)
{
    for (unsigned i = 0; i < options.count; i++) {
        if (i > 0 && options.pause >= 0)
            serve_until(clients[i - 1].begin + (int64_t)options.pause * MILLISECOND);
        connect_one(i);
    }
}

/* As a descriptor, which keeps a signal that comes too early until it is watched. */
static int open_signal(void)
{
    sigset_t signals;
    int descriptor;

    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGUSR1);
    (void)sigprocmask(SIG_BLOCK, &signals, NULL);
    descriptor = signalfd(-1, &signals, SFD_CLOEXEC);
    if (descriptor < 0)
        die("signalfd");
    return descriptor;
}

static int compare_waits(const void *left, const void *right)
{
    int64_t difference = *(const int64_t *)left - *(const int64_t *)right;

    return (difference > 0) - (difference < 0);
}

/* The least wait, in milliseconds, that so many of a hundred clients did not exceed. */
static long percentile(size_t percent)
{
    size_t count = answered + refused;

    return (long)(waits[(count * percent + 99) / 100 - 1] / MILLISECOND);
}

static void report_waits(void)
{
    if (answered + refused == 0) {
        printf("waits: none\n");
        return;
    }
    qsort(waits, answered + refused, sizeof(*waits), compare_waits);
    printf("waits: shortest %ld ms, median %ld ms, p99 %ld ms, longest %ld ms\n",
           (long)(waits[0] / MILLISECOND), percentile(50), percentile(99), percentile(100));
}

static int report(void)
{
    unsigned failed = options.count - answered - refused - hung_up;

    if (options.long_report)
        printf("connected %u answered %u refused %u hungup %u failed %u\n", connected, answered,
               refused, hung_up, failed);
    else
        printf("connected %u answered %u failed %u\n", connected, answered, failed);
    if (options.shows_waits)
        report_waits();
    return failed == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    int signals = -1;

    parse_options(argc, argv);
    prepare();
    if (options.hangs_up_at_signal)
        signals = open_signal();
    connect_all();
    if (signals >= 0) {
        printf("waiting\n");
        (void)fflush(stdout);
        watch(signals, options.count, EPOLLIN);
    } else {
        hang_up();
    }
    while (open_clients > 0 && take_turn(options.patience))
        ;
    return report();
}
