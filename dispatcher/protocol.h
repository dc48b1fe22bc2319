/*
 * protocol.h - the whole contract between the supervisor and a dispatcher.
 *
 * The supervisor starts a dispatcher, while it still has the privileges that it was started with,
 * as
 *
 *     dispatcher ROLE FORMAT PATH ARGV0 [ARG]...
 *
 * where FORMAT is that of its log, "text" or "json", PATH is the handler's executable and ARGV0 ...
 * its argument vector, with two descriptors: PROTOCOL_SOCKET, one end of a SOCK_SEQPACKET pair, in
 * which the first message is one struct setup; and PROTOCOL_LEDGER, a memory file of one struct
 * ledger that both map.  What struct setup leaves open of a handler's process state (limits, nice
 * value, environment) is the dispatcher's.
 *
 * ROLE is one of
 *
 *     try      takes on the process state of handlers, looks PATH up, executes it without letting
 *              it run, and writes the path that was found to the socket; its exit status is 0, or
 *              after a line in the log what the supervisor is to end with
 *     spare    takes no clients, so that nothing holds it up: it does for the others what needs no
 *              client, and forks them to begin with
 *
 * The others are never executed: they begin as what FORK has made.
 *
 * Sequence, for each dispatcher that serves or is the spare one:
 *
 *     dispatcher: READY        once, when it can take work
 *     supervisor: START        with the client's descriptor, for a ledger slot that is free
 *     dispatcher: STARTED      the handler's exec has succeeded     } exactly one of them,
 *                 or FAILED    no handler runs: the client is back  } and the slot is free again
 *     dispatcher: EXITED       once after STARTED; the handler has been reaped
 *     supervisor: SIGNAL       any number of times after STARTED
 *     dispatcher: SIGNALLED    once for each SIGNAL
 *     supervisor: FORK         with the socket and the ledger of a new dispatcher
 *     dispatcher: FORKED       once for each FORK: that runs, as a child of the supervisor
 *     supervisor: READ         for one of the files in struct setup
 *     dispatcher: CONTENT      once for each READ
 *     supervisor: PING         at any time
 *     dispatcher: PONG         once for each PING: it is alive, and has come to what it was asked
 *     supervisor: ROUSE        at any time; it says nothing, but comes with SIGCONT by the leash
 *
 * A packet of the socket carries one message, or several one right behind the other, of which those
 * that bring descriptors bring them in the same order.  FORK and CONTENT travel alone.
 *
 * A client's connection is not held by the supervisor once START is sent.  The packet has it, which
 * stays in the socket until all of its handlers are cloned (recvmsg(2), MSG_PEEK), unless the
 * kernel has lacked the memory to show them for long; and from a moment later on the handler alone.
 * So the client sees the end of its connection as soon as the handler closes it, whatever else the
 * two of us have to do.  FAILED brings the connection back. It comes from the dispatcher, if no
 * child could be cloned, and is then sent before the packet is taken off the socket; or else from
 * the child itself, whose exec has failed.
 *
 * A dispatcher ends when the supervisor shuts its end down or closes it.  It never closes its own
 * while it lives.
 *
 * The leash: the supervisor may not signal a dispatcher, which runs as somebody else.  But it keeps
 * a copy of the dispatcher's end, and each dispatcher makes itself the owner of that (fcntl(2),
 * F_SETOWN), with its own rights.  So when the supervisor sets F_SETSIG and O_ASYNC there, the next
 * message, or the end of the messages, sends the dispatcher that signal: SIGKILL, or SIGCONT if it
 * was stopped.  The kernel aims at the process and not at its number.
 *
 * Both processes run on one machine and come from one build, so the structures travel as they are.
 * A change of any of them raises PROTOCOL_VERSION.
 *
 * The ledger makes each START happen exactly once, even if the dispatcher is killed at any
 * instruction.  The supervisor clears a slot before it sends START.  The dispatcher clones the
 * handler with CLONE_PARENT_SETTID aimed at the slot, so that the kernel itself writes the child's
 * process id there before the child runs (clone(2); kernel/fork.c, kernel_clone()).  Once a
 * dispatcher is dead and what it has said was heard, the slot of a START that is not answered says
 * whether there was a child.  If it shows no process, there was none: the packet is still in the
 * socket, of which the supervisor keeps a copy of that end, and the connection with it.  If it
 * shows one, that either says FAILED or is the handler, a child of the supervisor now: which of the
 * two is known at the latest when no child of the dispatcher is left between clone and exec.
 *
 * A child that somebody kills between clone and FAILED counts as a handler that was killed.
 *
 * No child is left between clone and exec when the supervisor's end of the socket reads end of
 * file, as every such child still holds the dispatcher's end, which is close-on-exec.
 */
#ifndef DISPATCHER_PROTOCOL_H
#define DISPATCHER_PROTOCOL_H

#include <assert.h>
#include <stdint.h>

enum {
    PROTOCOL_VERSION = 6,
    PROTOCOL_SOCKET = 3,
    PROTOCOL_LEDGER = 4,
    PROTOCOL_LAST = PROTOCOL_LEDGER,

    /* How many STARTs may be unanswered per dispatcher: enough that it has several handlers between
     * clone and exec while others are on their way, few enough that a stopped dispatcher holds up
     * few clients. */
    PROTOCOL_SLOTS = 16,

    /* How many messages one packet carries at most. */
    PROTOCOL_BATCH = 16,

    /* How many descriptors a dispatcher has open at most, besides those of one packet: three that
     * handlers have, too, the socket, signals, two directories of files, /proc, its oom_score_adj
     * and /dev/null; the others are for what libc opens for a moment. */
    PROTOCOL_DESCRIPTORS = 14
};

enum message_type {
    MESSAGE_READY = 1,
    MESSAGE_START,
    MESSAGE_STARTED,
    MESSAGE_FAILED,
    MESSAGE_EXITED,
    MESSAGE_SIGNAL,
    MESSAGE_SIGNALLED,
    MESSAGE_FORK,
    MESSAGE_FORKED,
    MESSAGE_READ,
    MESSAGE_CONTENT,
    MESSAGE_PING,
    MESSAGE_PONG,
    MESSAGE_ROUSE,
    MESSAGE_TYPES /* one more than the last */
};

/* Every message begins with this.  `client` is the supervisor's own handle and `ticket` the number
 * of the connection, or whatever else the supervisor knows a request by; an answer gives both back
 * as they came. */
struct message_header {
    uint16_t version;
    uint16_t type;
    uint32_t client;
    uint64_t ticket;
};

struct message_ready {
    struct message_header header;
    int32_t process; /* its own */
    uint32_t reserved;
};

/* One end of a connection.  An IPv4-mapped IPv6 address is stored as the IPv4 address. */
struct endpoint {
    uint16_t family;     /* AF_INET, address in the first 4 bytes; AF_INET6; or AF_UNIX */
    uint16_t port;       /* host byte order; of AF_UNIX 0 */
    uint8_t address[16]; /* network byte order, as inet_ntop(3) takes it; of AF_UNIX, at the remote
                          * end, struct endpoint_peer in the first bytes, and else 0 */
};

/* Who has connected to a Unix socket, as SO_PEERCRED tells it (unix(7)); host byte order. */
struct endpoint_peer {
    int32_t process; /* 0 if it is in another process id namespace */
    uint32_t user;
    uint32_t group;
};

struct message_start {
    struct message_header header;
    uint32_t slot;    /* in the ledger, below PROTOCOL_SLOTS */
    uint32_t waited;  /* milliseconds from accept to START */
    uint32_t queued;  /* clients still waiting */
    uint32_t running; /* handlers running or starting, this one included */
    struct endpoint local;
    struct endpoint remote;
};

struct message_started {
    struct message_header header;
    int32_t process; /* also the handler's process group and session */
    uint32_t age;    /* microseconds since it was cloned, as this may be told later */
};

/* With the client's descriptor. */
struct message_failed {
    struct message_header header;
    int32_t error; /* errno of the step that failed, never 0 */
    uint32_t reserved;
};

struct message_exited {
    struct message_header header;
    int32_t status;       /* as wait(2) gives it */
    uint32_t memory;      /* largest resident set, KiB */
    uint64_t user_time;   /* microseconds */
    uint64_t system_time; /* microseconds */
};

/* Sent to a process group: SIGTERM or SIGKILL.  Ignored if the handler has ended already, as a
 * process id is never signalled after it was reaped.  With `adopted`, the group is that of a
 * handler whose dispatcher is dead, or what is left of it: it must have a child of the supervisor
 * in it.  The supervisor reaps no child until SIGNALLED has come, so that the group stays what it
 * is. */
struct message_signal {
    struct message_header header;
    int32_t process; /* that leads the group, or did */
    int32_t signal;
    uint32_t adopted; /* 0 or 1 */
    uint32_t reserved;
};

struct message_signalled {
    struct message_header header;
    uint32_t adopted; /* as it came */
    uint32_t reserved;
};

struct message_fork {
    struct message_header header;
    uint32_t spare; /* the new one is to be the spare one: 0 or 1 */
    uint32_t reserved;
};

struct message_forked {
    struct message_header header;
    int32_t process; /* of the new one; 0 if there is none */
    int32_t error;   /* errno, or 0 */
};

enum protocol_file { PROTOCOL_FILE_ACCESS, PROTOCOL_FILE_BUSY, PROTOCOL_FILES };

/* A file that is read is at most so long: of a longer one, only so much comes. */
enum { PROTOCOL_CONTENT_MAXIMUM = (16 << 20) + 1 };

struct message_read {
    struct message_header header;
    uint32_t file; /* enum protocol_file */
    uint32_t reserved;
};

/* With the content in a memory file that is sealed against all changes, so that reading it neither
 * waits nor changes under the reader; or with nothing, and an error. */
struct message_content {
    struct message_header header;
    uint32_t file;
    int32_t error; /* errno, or 0; EINVAL if it is no regular file */
};

union message {
    struct message_header header;
    struct message_ready ready;
    struct message_start start;
    struct message_started started;
    struct message_failed failed;
    struct message_exited exited;
    struct message_signal signal;
    struct message_signalled signalled;
    struct message_fork fork;
    struct message_forked forked;
    struct message_read read;
    struct message_content content;
};

struct ledger_slot {
    int32_t process; /* written by the kernel at clone */
    uint32_t reserved;
};

struct ledger {
    struct ledger_slot slots[PROTOCOL_SLOTS];
};

enum setup_standard_error {
    SETUP_STANDARD_ERROR_INHERIT,
    SETUP_STANDARD_ERROR_SOCKET, /* the client */
    SETUP_STANDARD_ERROR_NULL
};

enum { SETUP_LIMITS = 16, SETUP_PATH = 4096 /* PATH_MAX of linux/limits.h */ };

struct setup_limit {
    uint32_t given; /* 0 or 1 */
    uint32_t reserved;
    uint64_t soft; /* RLIM_INFINITY for none, as in getrlimit(2) */
    uint64_t hard;
};

/* What becomes of a process before it is a handler. */
struct setup {
    uint32_t version;
    uint32_t has_identity; /* 0: user and groups stay as they are */
    uint32_t user;
    uint32_t group;
    uint32_t has_nice;
    int32_t nice;
    uint32_t has_umask;
    uint32_t umask;
    uint32_t standard_error; /* enum setup_standard_error */
    uint32_t no_environment;
    uint32_t no_new_privileges;
    int32_t oom_score; /* oom_score_adj for handlers (proc_pid_oom_score_adj(5)) */
    struct setup_limit limits[SETUP_LIMITS]; /* by the numbers RLIMIT_* */
    char root[SETUP_PATH];                   /* chroot(2) to it; "": not */
    char directory[SETUP_PATH];              /* in there; "": as it is */
    char files[PROTOCOL_FILES][SETUP_PATH];  /* outside of it; "": none */
    uint32_t group_count;                    /* supplementary groups */
    uint32_t groups[];
};

/* No padding anywhere: what is sent is what was filled in.  And all lengths are multiples of 8, so
 * that in a packet each message lies where a structure may. */
static_assert(sizeof(struct message_header) == 16, "message_header has padding");
static_assert(sizeof(struct endpoint) == 20, "endpoint has padding");
static_assert(sizeof(struct endpoint_peer) == 12, "endpoint_peer has padding");
static_assert(sizeof(struct message_start) == 72, "message_start has padding");
static_assert(sizeof(struct message_started) == 24, "message_started has padding");
static_assert(sizeof(struct message_failed) == 24, "message_failed has padding");
static_assert(sizeof(struct message_exited) == 40, "message_exited has padding");
static_assert(sizeof(struct message_ready) == 24, "message_ready has padding");
static_assert(sizeof(struct message_signal) == 32, "message_signal has padding");
static_assert(sizeof(struct message_signalled) == 24, "message_signalled has padding");
static_assert(sizeof(struct message_fork) == 24, "message_fork has padding");
static_assert(sizeof(struct message_forked) == 24, "message_forked has padding");
static_assert(sizeof(struct message_read) == 24, "message_read has padding");
static_assert(sizeof(struct message_content) == 24, "message_content has padding");
static_assert(sizeof(struct setup_limit) == 24, "setup_limit has padding");

#endif
