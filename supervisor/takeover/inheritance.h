/*
 * inheritance.h - the whole contract between a supervisor that serves and another one that is to
 * take its place (--takeover), and the messages of it, sent and received.
 *
 * The new one says the line "takeover VERSION" over the control socket of the old one, and is
 * answered with one end of a SOCK_SEQPACKET pair.  In there:
 *
 *     old: HELLO         how many LISTENERs follow
 *     old: LISTENER      each with its descriptor; those of control and metrics, too
 *          the new one gets ready with them, for as long as it takes up to a minute; the old one
 *          serves on
 *     new: GO            it could serve from now on
 *          the old one starts no more handlers, waits until none is starting, and stops accepting
 *     old: RUNNING       any number of times: those who have a handler; they stay the old one's
 *     old: QUEUED        any number of times: those who wait, in order of arrival, with their
 *                        descriptors
 *     new: TAKEN         once for each of these two
 *     old: ALL           that was everybody, and how things stand
 *     new: READY         it has all, and holds what it needs
 *     old: COMMITTED     the new one may serve, and the old one will not any more
 *     new: SERVING       it does, from now on
 *          from here on the old one is done: it closes its copies, and only waits for its handlers
 *     old: LEFT          and has told its service manager who has its place, so that the new one is
 *                        listened to
 *     new: SETTLED       its files are in their places: the old one may remove its own, and leave
 *     old: ENDED         once for each of RUNNING, when its handler has ended
 *     new: END           the handlers are to be sent a signal, as the service ends
 *
 * Before COMMITTED either side may end this by closing its end, or be killed: the old one goes on
 * as if nothing had happened, as it has given nothing away but copies.  It does so, too, if the new
 * one is gone without having said SERVING.  Having said READY, the new one waits for as long as it
 * takes: it may serve when COMMITTED comes, or when the old one is dead, which the end of the
 * messages says; ABORTED, which may come at any time before COMMITTED, tells it that it may not,
 * since the old one has given up.
 *
 * The two may be of different builds, so what travels is of fixed size and never changes within a
 * version.  Times are microseconds of CLOCK_MONOTONIC, which both read.
 */
#ifndef SUPERVISOR_TAKEOVER_INHERITANCE_H
#define SUPERVISOR_TAKEOVER_INHERITANCE_H

#include "dispatcher/protocol.h"

#include <assert.h>
#include <stdint.h>

enum {
    INHERITANCE_VERSION = 1,
    INHERITANCE_BATCH = 32,    /* clients in one message */
    INHERITANCE_LISTENERS = 64 /* at most */
};

enum inheritance_type {
    INHERITANCE_HELLO = 1,
    INHERITANCE_LISTENER,
    INHERITANCE_GO,
    INHERITANCE_RUNNING,
    INHERITANCE_QUEUED,
    INHERITANCE_TAKEN,
    INHERITANCE_ALL,
    INHERITANCE_READY,
    INHERITANCE_COMMITTED,
    INHERITANCE_SERVING,
    INHERITANCE_SETTLED,
    INHERITANCE_ABORTED,
    INHERITANCE_ENDED,
    INHERITANCE_END,
    INHERITANCE_LEFT,
    INHERITANCE_TYPES
};

struct inheritance_header {
    uint16_t version;
    uint16_t type;
    uint32_t count; /* of clients; 0 where there are none */
};

struct inheritance_hello {
    struct inheritance_header header;
    int32_t process;    /* the old one's number */
    uint32_t listeners; /* so many follow */
};

enum inheritance_kind {
    INHERITANCE_SERVICE, /* clients come from there */
    INHERITANCE_CONTROL, /* `place` is as --control has it */
    INHERITANCE_METRICS  /* as --metrics */
};

struct inheritance_listener {
    struct inheritance_header header;
    uint32_t kind;   /* enum inheritance_kind */
    uint32_t passed; /* 0 or 1: a service manager keeps it */
    char place[128]; /* of a Unix socket, its path; ends with a 0 */
    char name[256];  /* what a service manager calls it; likewise, "": nothing */
};

struct inheritance_client {
    uint64_t ticket;   /* rising among QUEUED */
    uint64_t accepted; /* when */
    uint64_t started;  /* when, of RUNNING */
    struct endpoint remote;
    uint32_t reserved;
};

struct inheritance_clients {
    struct inheritance_header header;
    struct inheritance_client list[INHERITANCE_BATCH]; /* as many as `count` says are sent */
};

struct inheritance_all {
    struct inheritance_header header;
    uint64_t last_ticket; /* that was ever given */
    uint64_t judged;      /* up to this one, nobody is refused any more because too many wait */
    uint32_t paused;      /* 0 or 1: nobody is to be started until the operator says so */
    uint32_t reserved;
};

struct inheritance_ready {
    struct inheritance_header header;
    int32_t process; /* the new one's number */
    uint32_t reserved;
    uint64_t used; /* which listeners it has kept: bit N for the one that came as N, from 0 */
};

struct inheritance_ended {
    struct inheritance_header header;
    uint64_t ticket;
    int32_t status; /* as wait(2) gives it */
    uint32_t known; /* 0 or 1: whether `status` is */
};

struct inheritance_end {
    struct inheritance_header header;
    int32_t signal; /* SIGTERM or SIGKILL */
    uint32_t reserved;
};

union inheritance {
    struct inheritance_header header;
    struct inheritance_hello hello;
    struct inheritance_listener listener;
    struct inheritance_clients clients;
    struct inheritance_all all;
    struct inheritance_ready ready;
    struct inheritance_ended ended;
    struct inheritance_end end;
};

static_assert(sizeof(struct inheritance_hello) == 16, "inheritance_hello has padding");
static_assert(sizeof(struct inheritance_listener) == 400, "inheritance_listener has padding");
static_assert(sizeof(struct inheritance_client) == 48, "inheritance_client has padding");
static_assert(sizeof(struct inheritance_all) == 32, "inheritance_all has padding");
static_assert(sizeof(struct inheritance_ready) == 24, "inheritance_ready has padding");
static_assert(sizeof(struct inheritance_ended) == 24, "inheritance_ended has padding");
static_assert(sizeof(struct inheritance_end) == 16, "inheritance_end has padding");

/* An empty message of a type. */
void inheritance_begin(union inheritance *message, enum inheritance_type type);

/* Sends it without waiting: LISTENER with one descriptor, QUEUED with `count`, which the caller
 * keeps; else NULL.  Returns 0, or -1 with errno. */
int inheritance_send(int socket, const union inheritance *message, const int *descriptors);

enum inheritance_result {
    INHERITANCE_MESSAGE,
    INHERITANCE_EMPTY,    /* nothing there now */
    INHERITANCE_CLOSED,   /* the other one is gone */
    INHERITANCE_MALFORMED /* not a message of this contract, or not permitted now: errno EPROTO; or
                           * without its descriptors, as there was no room for them: EMFILE */
};

/* A set of types, for `permitted`. */
#define INHERITANCE_SET(type) (1u << (type))

/* Receives one without waiting.  What does not pass every check is closed.  The descriptors that
 * come with it, as many as above, are close-on-exec and the caller's. */
enum inheritance_result inheritance_receive(int socket, unsigned permitted,
                                            union inheritance *message,
                                            int descriptors[INHERITANCE_BATCH]);

#endif
