/*
 * clients SEED BEGIN PORT CONTROL FAR - the clients of the trial, all in one process.
 *
 * Does what it is told by lines on standard input, and when that ends, ends itself once every
 * client has:
 *
 *     burst FIRST COUNT SPREAD
 *         so many clients connect, SPREAD microseconds between two; how they behave follows from
 *         SEED and their numbers, see mix.h
 *     ambush FIRST COUNT DELAY PROCESS
 *         so many connect, and DELAY microseconds later the process is killed: it is a dispatcher,
 *         which may just be starting handlers for them
 *     vanish FIRST COUNT WAIT DOWN
 *         so many connect from the network namespace FAR (a path, as in /proc/PID/ns/net); after
 *         WAIT milliseconds its interface goes down, they end, every second one without a word
 *         even to the kernel, and after DOWN milliseconds it comes back
 *     pest MILLISECONDS
 *         somebody connects to the control socket at CONTROL, says half a line, and holds the
 *         connection so long
 *
 * Each client leaves a line on standard output when it is over:
 *
 *     client NUMBER PLACE SOURCE MANNER WORD CONNECTED ENDED OUTCOME BYTES
 *
 * PLACE counts those that have connected, from 1.  As connect(2) returns before the next one
 * begins, and all happens on one processor, whose queue of packets the kernel takes in order, that
 * is the order in which they come to the daemon.  SOURCE is 0 from afar.  OUTCOME is
 *
 *     answered     it got "NUMBER WORD" and all that belongs to it, and then the end
 *     busy         it got the busy message instead
 *     empty        it got nothing but the end; or "cut": not all of its answer
 *     reset        it got nothing but a reset
 *     left         it has gone by itself
 *     garbled      it got something else
 *     unconnected  it never came so far; PLACE is 0
 *     waiting      nothing has become of it
 */
#include "tests/tools/chaos/mix.h"
#include "tests/tools/chaos/record.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

enum {
    MILLISECOND = 1000,
    TICK = 4, /* milliseconds: how exactly pauses are kept */
    PATIENCE = 90 * RECORD_SECOND,
    EVENTS = 256,
    GOT = 48,
    PESTS = 64,
    LINE = 256
};

struct client {
    unsigned number; /* 0: not begun */
    struct mix mix;
    int descriptor; /* -1: over */
    unsigned place;
    int64_t connected;
    int64_t due; /* when it does what is next; 0: never */
    unsigned sent;
    char line[40]; /* that it says */
    char got[GOT]; /* the first that it has received */
    uint64_t bytes;
};

static struct {
    uint64_t seed;
    int64_t begin;
    uint16_t port;
    const char *control;
    int near; /* network namespaces */
    int far;
} trial;

static struct client *clients;
static unsigned first_living = 1; /* all before are over */
static unsigned last_begun;
static unsigned living;
static unsigned places;
static int epoll;

/* The burst under way. */
static struct {
    unsigned next;
    unsigned left;
    int64_t spread;
    int64_t due;
} burst;

/* Of those who vanish. */
static struct {
    unsigned first;
    unsigned count;
    int64_t down_at; /* 0: not */
    int64_t up_at;
} outage;

static struct {
    int descriptor;
    int64_t until;
} pests[PESTS];

static _Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "clients: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* ---- the end of one ---- */

static void note(const struct client *client, const char *outcome)
{
    record(STDOUT_FILENO, "client %u %u %u %s %s %.6f %.6f %s %llu\n", client->number,
           client->place, client->mix.source, mix_manners[client->mix.manner], client->mix.word,
           (double)(client->connected - trial.begin) / RECORD_SECOND, record_seconds(trial.begin),
           outcome, (unsigned long long)client->bytes);
}

static void end(struct client *client, const char *outcome)
{
    note(client, outcome);
    if (client->descriptor >= 0)
        (void)close(client->descriptor);
    client->descriptor = -1;
    living--;
}

static void leave(struct client *client)
{
    static const struct linger reset = {.l_onoff = 1};

    if (client->mix.manner == MIX_RESET)
        (void)setsockopt(client->descriptor, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    end(client, "left");
}

/* What it got is an answer, a refusal, or what else. */
static const char *judge(const struct client *client, bool was_reset)
{
    char answer[GOT];
    uint64_t length =
        (uint64_t)snprintf(answer, sizeof(answer), "%u %s\n", client->number, client->mix.word);
    uint64_t all = length;

    if (strcmp(client->mix.word, "much") == 0)
        all += client->mix.amount * 1024ull;
    if (client->bytes == 0)
        return was_reset ? "reset" : "empty";
    if (client->bytes == 5 && memcmp(client->got, "busy\n", 5) == 0)
        return "busy";
    if (memcmp(client->got, answer, (size_t)(client->bytes < length ? client->bytes : length)) !=
            0 ||
        client->bytes > all)
        return "garbled";
    return client->bytes == all ? "answered" : "cut";
}

/* ---- what one does ---- */

static bool reads(const struct client *client)
{
    return client->mix.manner <= MIX_HALF;
}

static void receive(struct client *client)
{
    static char block[65536];
    ssize_t got;

    while ((got = recv(client->descriptor, block, sizeof(block), MSG_DONTWAIT)) > 0) {
        if (client->bytes < GOT)
            memcpy(client->got + client->bytes, block,
                   (size_t)got < GOT - (size_t)client->bytes ? (size_t)got
                                                             : GOT - (size_t)client->bytes);
        client->bytes += (uint64_t)got;
    }
    if (got == 0 || errno != EAGAIN)
        end(client, judge(client, got < 0));
}

/* If nobody listens any more, what is received tells why. */
static void say(struct client *client, size_t most)
{
    size_t left = strlen(client->line) - client->sent;
    size_t size = left < most ? left : most;

    (void)send(client->descriptor, client->line + client->sent, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    client->sent += (unsigned)size;
}

static void go_on(struct client *client)
{
    if (!reads(client)) {
        leave(client);
        return;
    }
    say(client, 1);
    client->due = client->line[client->sent] == '\0'
                      ? 0
                      : record_clock() + (int64_t)client->mix.pause * MILLISECOND;
}

static void introduce(struct client *client)
{
    struct epoll_event event = {.events = EPOLLIN | (uint32_t)EPOLLET, .data.u32 = client->number};

    if (client->mix.manner != MIX_TRICKLE && client->mix.manner != MIX_SILENT)
        say(client, sizeof(client->line));
    if (client->mix.manner == MIX_HALF)
        (void)shutdown(client->descriptor, SHUT_WR);
    if (client->mix.manner == MIX_TRICKLE || !reads(client))
        client->due = client->connected + (int64_t)client->mix.pause * MILLISECOND + 1;
    if (client->mix.manner == MIX_VANISH)
        client->due = 0; /* with the network */
    if (reads(client) && epoll_ctl(epoll, EPOLL_CTL_ADD, client->descriptor, &event) != 0)
        die("epoll_ctl");
}

/* ---- its beginning ---- */

static struct sockaddr_in address(unsigned a, unsigned b, unsigned c, unsigned d, uint16_t port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons(port),
                                .sin_addr.s_addr = htonl(a << 24 | b << 16 | c << 8 | d)};
}

/* Waits until it is connected.  Returns the descriptor or -1. */
static int connect_from(const struct sockaddr_in *own, const struct sockaddr_in *other)
{
    static const int yes = 1;
    static const struct timeval patience = {.tv_sec = 10};
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (descriptor >= 0 &&
        setsockopt(descriptor, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof(yes)) == 0 &&
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) == 0 &&
        setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)) == 0 &&
        bind(descriptor, (const struct sockaddr *)own, sizeof(*own)) == 0 &&
        connect(descriptor, (const struct sockaddr *)other, sizeof(*other)) == 0)
        return descriptor;
    (void)fprintf(stderr, "clients: cannot connect: %s\n", strerror(errno));
    if (descriptor >= 0)
        (void)close(descriptor);
    return -1;
}

static void begin(unsigned number, bool afar)
{
    struct client *client = &clients[number];
    struct mix mix = mix_of(trial.seed, number);
    struct sockaddr_in own = address(127, mix.source, number / 256, number % 256, 0);
    struct sockaddr_in other = address(127, 0, 0, 1, trial.port);

    if (afar) {
        own = address(10, 77, number / 256, number % 256, 0);
        other = address(10, 78, 0, 1, trial.port);
        mix.manner = MIX_VANISH;
        mix.source = 0;
    }
    *client = (struct client){.number = number, .mix = mix, .descriptor = -1};
    (void)snprintf(client->line, sizeof(client->line), "%u %s %u\n", number, mix.word, mix.amount);
    client->descriptor = connect_from(&own, &other);
    client->connected = record_clock();
    last_begun = number;
    living++;
    if (client->descriptor < 0) {
        end(client, "unconnected");
        return;
    }
    client->place = ++places;
    introduce(client);
}

/* ---- those who vanish ---- */

static void enter(int space)
{
    if (setns(space, CLONE_NEWNET) != 0)
        die("setns");
}

static void set_interface(bool up)
{
    struct ifreq request = {.ifr_name = "far"};
    int descriptor;

    enter(trial.far);
    descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0 || ioctl(descriptor, SIOCGIFFLAGS, &request) != 0)
        die("far");
    request.ifr_flags = (short)(up ? request.ifr_flags | IFF_UP : request.ifr_flags & ~IFF_UP);
    if (ioctl(descriptor, SIOCSIFFLAGS, &request) != 0)
        die("far");
    (void)close(descriptor); /* it was there for this */
    enter(trial.near);
}

/* A connection under repair is closed without a packet, now and later. */
static void vanish(struct client *client)
{
    static const int yes = 1;

    if (client->descriptor < 0)
        return;
    if (client->number % 2 == 0 &&
        setsockopt(client->descriptor, IPPROTO_TCP, TCP_REPAIR, &yes, sizeof(yes)) != 0)
        die("TCP_REPAIR");
    end(client, "left");
}

static void advance_outage(int64_t now)
{
    if (outage.down_at != 0 && outage.down_at <= now) {
        outage.down_at = 0;
        set_interface(false);
        for (unsigned i = 0; i < outage.count; i++)
            vanish(&clients[outage.first + i]);
    }
    if (outage.down_at == 0 && outage.up_at != 0 && outage.up_at <= now) {
        outage.up_at = 0;
        set_interface(true);
    }
}

/* The one before has come to its end, even if that is early: the network is up. */
static void begin_outage(unsigned first, unsigned count, unsigned wait, unsigned down)
{
    advance_outage(INT64_MAX);
    outage.first = first;
    outage.count = count;
    enter(trial.far);
    for (unsigned i = 0; i < count; i++)
        begin(first + i, true);
    enter(trial.near);
    outage.down_at = record_clock() + (int64_t)wait * MILLISECOND;
    outage.up_at = outage.down_at + (int64_t)down * MILLISECOND;
}

/* ---- pests ---- */

static void begin_pest(unsigned milliseconds)
{
    static const char half[] = "sta";
    struct sockaddr_un control = {.sun_family = AF_UNIX};
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(control.sun_path, sizeof(control.sun_path), "%s", trial.control);
    for (int i = 0; i < PESTS && descriptor >= 0; i++)
        if (pests[i].until == 0) {
            pests[i].descriptor = descriptor;
            pests[i].until = record_clock() + (int64_t)milliseconds * MILLISECOND;
            if (connect(descriptor, (const struct sockaddr *)&control, sizeof(control)) == 0)
                (void)send(descriptor, half, sizeof(half) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
            return;
        }
    die("pest");
}

static void end_pests(int64_t now)
{
    for (int i = 0; i < PESTS; i++)
        if (pests[i].until != 0 && pests[i].until <= now) {
            (void)close(pests[i].descriptor);
            pests[i].until = 0;
        }
}

/* ---- what it is told ---- */

static void finish_burst(void)
{
    while (burst.left > 0) {
        begin(burst.next++, false);
        burst.left--;
    }
}

static void ambush(unsigned first, unsigned count, unsigned delay, pid_t victim)
{
    for (unsigned i = 0; i < count; i++)
        begin(first + i, false);
    (void)usleep(delay);
    /* 0 would be all of the trial. */
    if (victim <= 0)
        die("ambush");
    (void)kill(victim, SIGKILL); /* it may have ended by itself */
}

static void obey(const char *line)
{
    unsigned first;
    unsigned count;
    unsigned third;
    unsigned fourth;

    if (sscanf(line, "burst %u %u %u", &first, &count, &third) == 3) {
        finish_burst(); /* numbers rise */
        burst.next = first;
        burst.left = count;
        burst.spread = third;
        burst.due = record_clock();
    } else if (sscanf(line, "vanish %u %u %u %u", &first, &count, &third, &fourth) == 4) {
        finish_burst();
        begin_outage(first, count, third, fourth);
    } else if (sscanf(line, "ambush %u %u %u %u", &first, &count, &third, &fourth) == 4) {
        finish_burst();
        ambush(first, count, third, (pid_t)fourth);
    } else if (sscanf(line, "pest %u", &third) == 1) {
        begin_pest(third);
    } else {
        errno = EINVAL;
        die(line);
    }
}

/* Takes what there is; false when nothing comes any more. */
static bool take_lines(void)
{
    static char text[LINE];
    static size_t length;
    ssize_t got = read(STDIN_FILENO, text + length, sizeof(text) - 1 - length);
    char *newline;

    if (got <= 0)
        return got < 0 && errno == EAGAIN;
    length += (size_t)got;
    text[length] = '\0';
    while ((newline = strchr(text, '\n')) != NULL) {
        *newline = '\0';
        obey(text);
        length -= (size_t)(newline + 1 - text);
        memmove(text, newline + 1, length + 1);
    }
    return true;
}

/* ---- all of it ---- */

static void advance_burst(int64_t now)
{
    while (burst.left > 0 && burst.due <= now) {
        begin(burst.next++, false);
        burst.left--;
        burst.due += burst.spread;
    }
}

static void advance_clients(int64_t now)
{
    while (first_living <= last_begun && clients[first_living].descriptor < 0)
        first_living++;
    for (unsigned i = first_living; i <= last_begun; i++)
        if (clients[i].descriptor >= 0 && clients[i].due != 0 && clients[i].due <= now)
            go_on(&clients[i]);
}

static void take_turn(int timeout, bool *told)
{
    struct epoll_event events[EVENTS];
    int ready = epoll_wait(epoll, events, EVENTS, timeout);

    if (ready < 0 && errno != EINTR)
        die("epoll_wait");
    for (int i = 0; i < ready; i++) {
        struct client *client = &clients[events[i].data.u32];

        if (events[i].data.u32 != 0 && client->descriptor >= 0)
            receive(client);
        else if (events[i].data.u32 == 0)
            *told = take_lines();
    }
}

static bool is_busy(void)
{
    return living > 0 || burst.left > 0 || outage.up_at != 0;
}

static void run(void)
{
    bool told = true;
    int64_t until = INT64_MAX;

    while (told || (is_busy() && record_clock() < until)) {
        int64_t now;

        take_turn(is_busy() ? TICK : 100, &told);
        if (!told && until == INT64_MAX) {
            (void)epoll_ctl(epoll, EPOLL_CTL_DEL, STDIN_FILENO, NULL); /* it is of no use */
            until = record_clock() + PATIENCE;
        }
        now = record_clock();
        advance_burst(now);
        advance_outage(now);
        advance_clients(now);
        end_pests(now);
    }
    for (unsigned i = first_living; i <= last_begun; i++)
        if (clients[i].descriptor >= 0)
            end(&clients[i], "waiting");
}

/* See PLACE. */
static void stay_on_one_processor(void)
{
    cpu_set_t processor;
    int current = sched_getcpu();

    CPU_ZERO(&processor);
    CPU_SET((size_t)current, &processor);
    if (current < 0 || sched_setaffinity(0, sizeof(processor), &processor) != 0)
        die("sched_setaffinity");
}

static void prepare(void)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = 0};
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    clients = calloc(MIX_NUMBERS + 1, sizeof(*clients));
    epoll = epoll_create1(EPOLL_CLOEXEC);
    trial.near = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (clients == NULL || trial.near < 0 || epoll < 0 ||
        fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK) != 0 ||
        epoll_ctl(epoll, EPOLL_CTL_ADD, STDIN_FILENO, &event) != 0)
        die("cannot begin");
    for (unsigned i = 0; i <= MIX_NUMBERS; i++)
        clients[i].descriptor = -1;
    stay_on_one_processor();
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        (void)fprintf(stderr, "usage: clients SEED BEGIN PORT CONTROL FAR\n");
        return 2;
    }
    trial.seed = strtoull(argv[1], NULL, 10);
    trial.begin = atoll(argv[2]);
    trial.port = (uint16_t)atoi(argv[3]);
    trial.control = argv[4];
    trial.far = open(argv[5], O_RDONLY | O_CLOEXEC);
    if (trial.far < 0)
        die(argv[5]);
    prepare();
    run();
    return 0;
}
