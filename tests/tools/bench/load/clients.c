#include "tests/tools/bench/load/clients.h"

#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    COMPLAINTS = 5,
    EVENTS = 256,
    LINE_MAXIMUM = 16,
    PIECE = 4096 /* of an answer */
};

/* What is needed of a client while it is in flight. */
struct flight {
    int descriptor;    /* -1 before and after */
    unsigned received; /* bytes of the answer, all as expected */
};

struct text {
    const char *bytes;
    size_t length;
};

static const struct options *options;
static struct clients clients;
static struct flight *flights;
static int epoll; /* tells of a client by its index */

static _Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(2);
}

int64_t clients_now(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000 * 1000 * 1000 + time.tv_nsec;
}

const struct clients *clients_prepare(const struct options *given)
{
    options = given;
    clients.count = options->count;
    clients.records = calloc(clients.count, sizeof(*clients.records));
    flights = calloc(clients.count, sizeof(*flights));
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (clients.records == NULL || flights == NULL || epoll < 0)
        die("cannot prepare");
    for (unsigned i = 0; i < clients.count; i++)
        flights[i].descriptor = -1;
    return &clients;
}

static void end(unsigned index, enum outcome outcome)
{
    if (flights[index].descriptor >= 0)
        (void)close(flights[index].descriptor);
    flights[index].descriptor = -1;
    clients.records[index].outcome = outcome;
    clients.ended++;
    clients.answered += outcome == ANSWERED;
}

/* Says why, but only of the first few: thousands may fail for one reason. */
static void end_badly(unsigned index, enum outcome outcome, const char *why)
{
    static int complaints;

    if (complaints++ < COMPLAINTS)
        (void)fprintf(stderr, "load: client %u: %s\n", index + 1, why);
    end(index, outcome);
}

static void end_by_error(unsigned index, int error)
{
    if (error == ECONNREFUSED)
        end_badly(index, REFUSED, strerror(error));
    else if (error == ECONNRESET || error == EPIPE)
        end_badly(index, RESET, strerror(error));
    else
        end_badly(index, LOST, strerror(error));
}

void clients_lose_all(void)
{
    for (unsigned i = 0; i < clients.count; i++) {
        if (clients.records[i].outcome == UNENDED)
            end(i, LOST);
    }
    clients.begun = clients.count;
}

/* Valid until the next call. */
static struct text make_line(unsigned index)
{
    static char line[LINE_MAXIMUM];
    int length = snprintf(line, sizeof(line), "%u\n", index + 1);

    return (struct text){.bytes = line, .length = (size_t)length};
}

static struct text expected_of(unsigned index)
{
    if (options->sends_line)
        return make_line(index);
    return (struct text){.bytes = options->answer, .length = options->answer_length};
}

/* Whether this is how the answer goes on. */
static bool take_piece(unsigned index, const char *bytes, size_t size)
{
    struct text expected = expected_of(index);
    unsigned received = flights[index].received;

    if (size > expected.length - received || memcmp(bytes, expected.bytes + received, size) != 0)
        return false;
    flights[index].received += (unsigned)size;
    return true;
}

static void end_of_connection(unsigned index)
{
    if (flights[index].received == expected_of(index).length) {
        clients.records[index].at[DONE] = clients_now();
        end(index, ANSWERED);
    } else if (flights[index].received > 0) {
        end_badly(index, WRONG, "the answer was cut short");
    } else {
        end_badly(index, LOST, "the connection ended without an answer");
    }
}

/* Notes a piece of the answer; returns whether the client is still in flight. */
static bool hear(unsigned index, const char *bytes, size_t size)
{
    struct record *record = &clients.records[index];

    if (record->at[FIRST] == 0)
        record->at[FIRST] = clients_now();
    if (take_piece(index, bytes, size))
        return true;
    end_badly(index, WRONG, "another answer than expected");
    return false;
}

/* Asks as often as it must, as nothing is told twice: once, if all of the answer is there, and the
 * events say whether the end is too; but an error shows only behind the answer. */
static void receive(unsigned index, uint32_t events)
{
    bool failed = (events & EPOLLERR) != 0;
    bool end_has_come = (events & EPOLLRDHUP) != 0 && !failed;
    char bytes[PIECE];
    ssize_t got;

    do {
        got = recv(flights[index].descriptor, bytes, sizeof(bytes), 0);
        if (got < 0 && errno != EAGAIN)
            end_by_error(index, errno);
        if (got < 0 || (got > 0 && !hear(index, bytes, (size_t)got)))
            return;
    } while (got == sizeof(bytes) || (got > 0 && failed));
    if (got == 0 || end_has_come)
        end_of_connection(index);
}

/* If it cannot speak, neither will it hear: recv(2) tells why, and loses nothing said before. */
static void note_connected(unsigned index)
{
    struct text line;

    clients.records[index].at[CONNECTED] = clients_now();
    if (options->sends_line) {
        line = make_line(index);
        (void)send(flights[index].descriptor, line.bytes, line.length, MSG_NOSIGNAL);
        (void)shutdown(flights[index].descriptor, SHUT_WR);
    }
}

/* Edge-triggered, so that what has been told once need not be taken back. */
static void watch(unsigned index, uint32_t events)
{
    struct epoll_event event = {.events = events | EPOLLIN | EPOLLRDHUP | (uint32_t)EPOLLET,
                                .data.u32 = index};

    if (epoll_ctl(epoll, EPOLL_CTL_ADD, flights[index].descriptor, &event) != 0)
        die("epoll_ctl");
}

/* The address, in either family, is one long number in network byte order. */
static bool bind_source(int descriptor, unsigned index)
{
    static const int yes = 1;
    struct sockaddr_storage source = options->source;
    bool ipv4 = source.ss_family == AF_INET;
    unsigned char *bytes = ipv4 ? (void *)&((struct sockaddr_in *)(void *)&source)->sin_addr
                                : (void *)&((struct sockaddr_in6 *)(void *)&source)->sin6_addr;
    uint64_t carry = index % options->sources;

    for (int i = ipv4 ? 3 : 15; i >= 0; i--) {
        carry += bytes[i];
        bytes[i] = (unsigned char)(carry & 0xff);
        carry >>= 8;
    }
    /* The port is chosen at connect(2), and so need not be free for every other end as well. */
    (void)setsockopt(descriptor, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof(yes));
    return bind(descriptor, (const struct sockaddr *)&source, options->address_length) == 0;
}

static bool open_socket(unsigned index)
{
    int descriptor =
        socket(options->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    flights[index].descriptor = descriptor;
    return descriptor >= 0 &&
           (options->source.ss_family == AF_UNSPEC || bind_source(descriptor, index));
}

/* Returns 0, or why not. */
static int try_to_connect(unsigned index)
{
    const struct sockaddr *address = (const struct sockaddr *)&options->address;

    return connect(flights[index].descriptor, address, options->address_length) == 0 ? 0 : errno;
}

/* A first connect(2) that does not block says EINPROGRESS even if the other end has answered before
 * it returns, as it has on the loopback.  A second one knows, for less than an event would cost,
 * and at the very moment. */
void clients_begin_next(void)
{
    unsigned index = clients.begun++;
    bool is_open = open_socket(index);
    int error = is_open ? 0 : errno;

    clients.records[index].at[BEGUN] = clients_now();
    if (is_open)
        error = try_to_connect(index);
    if (error == EINPROGRESS)
        error = try_to_connect(index);
    if (error == 0) {
        note_connected(index);
        watch(index, 0);
    } else if (error == EALREADY) {
        watch(index, EPOLLOUT);
    } else {
        end_by_error(index, error);
    }
}

/* Without EPOLLERR there is no error, and with it recv(2) tells which. */
static void attend(unsigned index, uint32_t events)
{
    if (clients.records[index].at[CONNECTED] == 0 && (events & EPOLLERR) == 0)
        note_connected(index);
    if ((events & ~(uint32_t)EPOLLOUT) != 0)
        receive(index, events);
}

bool clients_take_turn(int timeout)
{
    struct epoll_event events[EVENTS];
    int ready = epoll_wait(epoll, events, EVENTS, timeout);

    if (ready < 0 && errno != EINTR)
        die("epoll_wait");
    for (int i = 0; i < ready; i++)
        attend(events[i].data.u32, events[i].events);
    return ready > 0;
}
