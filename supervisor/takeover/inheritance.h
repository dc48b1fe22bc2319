/*
 * inheritance.h - the contract of a takeover: the messages between an old process, which serves,
 * and a new process, which takes its place (--takeover).
 *
 * The new process sends the line "takeover VERSION" over the control socket of the old one.  The
 * answer brings one end of a SOCK_SEQPACKET pair.  These messages follow:
 *
 *     old: HELLO         the number of LISTENERs
 *     old: LISTENER      one socket, with its descriptor; control and metrics sockets as well
 *          the new process prepares its service, within a minute; the old one serves on
 *     new: GO            the new process could serve from now on
 *          the old one starts no more handlers, waits until none is starting, and stops accepting
 *     old: RUNNING       some clients that have a handler; their handlers stay with the old process
 *     old: QUEUED        some waiting clients, in order of arrival, with their descriptors
 *     new: TAKEN         the answer to each RUNNING and each QUEUED
 *     old: SETTING       a limit that an operator has set; one message for each
 *     old: ALL           the clients are complete; counters and flags of the service
 *     new: READY         the new process has everything that it needs
 *     old: COMMITTED     the new process may serve; the old one serves again only if the new one
 *                        dies before SERVING
 *     new: SERVING       the new process serves
 *          the old one closes its copies, and only waits for its handlers
 *     old: LEFT          the service manager knows the new process and will listen to it
 *     new: SETTLED       the files of the new process are in their places; the old one may remove
 *                        its own files and leave
 *     old: ENDED         one handler of RUNNING has ended
 *     new: END           the service ends: send the handlers this signal
 *
 * Before COMMITTED, each side may abort: the new process by closing its end or by dying, the old
 * one by ABORTED.  The old process then serves on, because it has given away nothing but copies.
 *
 * After READY the new process waits without a deadline.  It may serve when COMMITTED comes, or when
 * the messages end: then the old supervisor and its standby are dead.  Another pair of the old
 * daemon does not serve if ALL may have been sent; it only waits for its handlers.
 *
 * Another supervisor of the old daemon may say COMMITTED again.  The new process answers with
 * SERVING, and with SETTLED and END if it has said them: they may have been lost.
 *
 * A client whose handler alone could not be started (running/aside.h) has its three tries anew: the
 * count stays behind, because the new process has another environment.
 *
 * The two may be of different builds.  Therefore messages have a fixed size and never change within
 * a version.  VERSION 2 is version 1 with SETTING, so its messages carry the number 1 as well; the
 * new process asks for version 1 if the old one does not know 2.  Times are microseconds of
 * CLOCK_MONOTONIC, which both processes read.
 */
#ifndef SUPERVISOR_TAKEOVER_INHERITANCE_H
#define SUPERVISOR_TAKEOVER_INHERITANCE_H

#include "dispatcher/protocol.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct client;

enum {
    INHERITANCE_VERSION = 1,      /* of the messages */
    INHERITANCE_WITH_SETTING = 2, /* the VERSION that a new process asks for */
    INHERITANCE_BATCH = 32,       /* clients in one message */
    INHERITANCE_LISTENERS = 64,   /* at most, control and metrics sockets included */
    INHERITANCE_SETTINGS = 16     /* at most */
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
    INHERITANCE_SETTING,
    INHERITANCE_TYPES
};

struct inheritance_header {
    uint16_t version;
    uint16_t type;
    uint32_t count; /* clients in the message */
};

struct inheritance_hello {
    struct inheritance_header header;
    int32_t process;    /* process id of the old process */
    uint32_t listeners; /* LISTENERs that follow */
};

enum inheritance_kind {
    INHERITANCE_SERVICE, /* accepts clients */
    INHERITANCE_CONTROL, /* `place` is the argument of --control */
    INHERITANCE_METRICS  /* `place` is the argument of --metrics */
};

struct inheritance_listener {
    struct inheritance_header header;
    uint32_t kind;   /* enum inheritance_kind */
    uint32_t passed; /* 1: a service manager has passed the socket, and keeps it; else 0 */
    char place[128]; /* the path of a Unix socket; else ""; terminated by 0 */
    char name[256];  /* the name that the service manager has given; else ""; terminated by 0 */
};

struct inheritance_client {
    uint64_t ticket;   /* rises among QUEUED */
    uint64_t accepted; /* time */
    uint64_t started;  /* time, in RUNNING only */
    struct endpoint remote;
    uint32_t reserved;
};

struct inheritance_clients {
    struct inheritance_header header;
    struct inheritance_client list[INHERITANCE_BATCH]; /* only the first `count` are sent */
};

/* A limit, as an operator has set it.  Both texts are terminated by 0. */
struct inheritance_limit {
    char name[32]; /* of the option, without dashes */
    char value[64];
};

struct inheritance_setting {
    struct inheritance_header header;
    struct inheritance_limit limit;
};

struct inheritance_all {
    struct inheritance_header header;
    uint64_t last_ticket; /* the newest ticket that was given */
    uint64_t judged;      /* clients up to this ticket are not refused for the queue's length */
    uint32_t paused;      /* 1: the operator has paused the service; else 0 */
    uint32_t reserved;
};

struct inheritance_ready {
    struct inheritance_header header;
    int32_t process; /* process id of the new process */
    uint32_t reserved;
    uint64_t used; /* the sockets that the new process keeps: bit N for LISTENER N, from 0 */
};

struct inheritance_ended {
    struct inheritance_header header;
    uint64_t ticket;
    int32_t status; /* of wait(2) */
    uint32_t known; /* 1: `status` is valid; else 0 */
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
    struct inheritance_setting setting;
    struct inheritance_all all;
    struct inheritance_ready ready;
    struct inheritance_ended ended;
    struct inheritance_end end;
};

static_assert(sizeof(struct inheritance_hello) == 16, "inheritance_hello has padding");
static_assert(sizeof(struct inheritance_listener) == 400, "inheritance_listener has padding");
static_assert(sizeof(struct inheritance_client) == 48, "inheritance_client has padding");
static_assert(sizeof(struct inheritance_setting) == 104, "inheritance_setting has padding");
static_assert(sizeof(struct inheritance_all) == 32, "inheritance_all has padding");
static_assert(sizeof(struct inheritance_ready) == 24, "inheritance_ready has padding");
static_assert(sizeof(struct inheritance_ended) == 24, "inheritance_ended has padding");
static_assert(sizeof(struct inheritance_end) == 16, "inheritance_end has padding");

/* All limits that operators have set, each once. */
struct inheritance_settings {
    uint32_t count;
    struct inheritance_limit list[INHERITANCE_SETTINGS];
};

/* Notes that a limit was set, in place of an earlier value.  A text that is too long, or one limit
 * too many, is not noted. */
void inheritance_note(struct inheritance_settings *settings, const char *name, const char *value);

/* Sends a message without blocking, after setting version and type.  The caller keeps the
 * descriptors: one for LISTENER, `count` for QUEUED; not used for other types.  Returns 0, or -1
 * with errno. */
int inheritance_send(int socket, enum inheritance_type type, union inheritance *message,
                     const int *descriptors);

/* Sends a message that is only a header. */
int inheritance_say(int socket, enum inheritance_type type);

/* Makes a set of types, for `permitted`. */
#define INHERITANCE_SET(type) (1u << (type))

/* Receives a message without blocking.  The caller owns its descriptors, which are close-on-exec:
 * one with LISTENER, `count` with QUEUED.  Returns its type, or 0 with errno:
 *
 *     EAGAIN       there is no message now
 *     ECONNRESET   the other side is gone
 *     EMFILE       this process had no room for the descriptors of a message
 *     EPROTO       not a message of this contract, or not permitted now
 *
 * Closes the descriptors of a message that it does not return. */
enum inheritance_type inheritance_receive(int socket, unsigned permitted,
                                          union inheritance *message,
                                          int descriptors[INHERITANCE_BATCH]);

/* ---- what this room tells server/ ---- */

struct takeover_events {
    /* In the old process: while a path is lent, its file must stay when this process ends. */
    void (*lend)(void *context, const char *path, bool lent);
    /* In the old process: the new process serves; this process only waits for its handlers. */
    void (*handed_over)(void *context, pid_t successor);
    /* In the old process: the new process ends the service; send this signal to all handlers. */
    void (*end_handlers)(void *context, int signal_number);

    /* In the new process: the client's handler has ended in the old process, or died with it.
     * `status` is NULL if it is unknown. */
    void (*ended)(void *context, struct client *client, const int *status);
    /* In the new process: the link to the old process is closed. */
    void (*closed)(void *context);
    /* In the new process: there is no way back, this process serves. */
    void (*serves)(void *context);
    /* In the new process, before it serves: returns true if it must end. */
    bool (*is_to_end)(void *context);
    void *context;
    pid_t process; /* of this daemon, as operators and service managers know it */
};

#endif
