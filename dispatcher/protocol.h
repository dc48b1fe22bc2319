/*
 * protocol.h - the whole contract between the supervisor and a dispatcher.
 *
 * The supervisor starts each dispatcher as
 *
 *     dispatcher PATH ARGV0 [ARG]...
 *
 * where PATH is the handler's executable and ARGV0 ... its argument vector, with two descriptors:
 * PROTOCOL_SOCKET, one end of a SOCK_SEQPACKET pair that only the supervisor has the other end of,
 * and PROTOCOL_LEDGER, a memory file of one struct ledger that both map.  The process state of the
 * dispatcher (limits, nice value, umask, working directory, environment) is what handlers inherit.
 *
 * Sequence, for each dispatcher:
 *
 *     dispatcher: READY        once, when it can take work
 *     supervisor: START        with the client's descriptor, for a ledger slot that is free
 *     dispatcher: STARTED      the handler's exec has succeeded   } exactly one of them,
 *                 or FAILED    no handler runs for this client    } and the slot is free again
 *     supervisor: SIGNAL       any number of times after STARTED
 *     dispatcher: EXITED       once after STARTED; the handler has been reaped
 *
 * A dispatcher ends when the supervisor closes its end.  It never closes its own while it lives.
 *
 * Both processes run on one machine and come from one build, so the structures travel as they are.
 * A change of any of them raises PROTOCOL_VERSION.
 *
 * The ledger makes each START happen exactly once, even if the dispatcher is killed at any
 * instruction.  The supervisor clears a slot before it sends START.  The dispatcher clones the
 * handler with CLONE_PARENT_SETTID aimed at the slot, so that the kernel itself writes the child's
 * process id there before the child runs (clone(2); kernel/fork.c, kernel_clone()).  A child whose
 * exec fails leaves the error beside it.  Once a dispatcher is dead, and no child of its is left
 * between clone and exec, a slot says all there is to know:
 *
 *     process 0              no handler was started
 *     process, error 0       the handler was started; it is now a child of the supervisor
 *     process, error         the exec failed; no handler was started
 *
 * A child that somebody kills between clone and exec counts as a handler that was killed.
 *
 * No child is left between clone and exec when the supervisor's end of the socket reads end of
 * file, as every such child still holds the dispatcher's end, which is close-on-exec.
 */
#ifndef DISPATCHER_PROTOCOL_H
#define DISPATCHER_PROTOCOL_H

#include <assert.h>
#include <stdint.h>

enum {
    PROTOCOL_VERSION = 1,
    PROTOCOL_SOCKET = 3,
    PROTOCOL_LEDGER = 4,

    /* How many STARTs may be unanswered per dispatcher: enough that it need not wait for the
     * supervisor between two of them, few enough that a stuck dispatcher holds up few clients. */
    PROTOCOL_SLOTS = 4
};

enum message_type {
    MESSAGE_READY = 1,
    MESSAGE_START,
    MESSAGE_STARTED,
    MESSAGE_FAILED,
    MESSAGE_EXITED,
    MESSAGE_SIGNAL,
    MESSAGE_TYPES /* one more than the last */
};

/* Every message begins with this; READY is nothing else.  `client` is the supervisor's own handle
 * and `ticket` the number of the connection; a dispatcher gives both back as they came. */
struct message_header {
    uint16_t version;
    uint16_t type;
    uint32_t client;
    uint64_t ticket;
};

/* One end of a connection.  An IPv4-mapped IPv6 address is stored as the IPv4 address. */
struct endpoint {
    uint16_t family;     /* AF_INET, address in the first 4 bytes; or AF_INET6 */
    uint16_t port;       /* host byte order */
    uint8_t address[16]; /* network byte order, as inet_ntop(3) takes it */
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
    uint32_t reserved;
};

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

/* Ignored if the handler has ended already: a process id is never signalled after it was reaped. */
struct message_signal {
    struct message_header header;
    int32_t process;
    int32_t signal; /* sent to the handler's process group */
};

union message {
    struct message_header header;
    struct message_start start;
    struct message_started started;
    struct message_failed failed;
    struct message_exited exited;
    struct message_signal signal;
};

struct ledger_slot {
    int32_t process; /* written by the kernel at clone */
    int32_t error;   /* written by the child, errno of a failed exec */
};

struct ledger {
    struct ledger_slot slots[PROTOCOL_SLOTS];
};

enum protocol_file { PROTOCOL_FILE_ACCESS, PROTOCOL_FILE_BUSY, PROTOCOL_FILES };

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

/* No padding anywhere: what is sent is what was filled in. */
static_assert(sizeof(struct message_header) == 16, "message_header has padding");
static_assert(sizeof(struct endpoint) == 20, "endpoint has padding");
static_assert(sizeof(struct message_start) == 72, "message_start has padding");
static_assert(sizeof(struct message_started) == 24, "message_started has padding");
static_assert(sizeof(struct message_failed) == 24, "message_failed has padding");
static_assert(sizeof(struct message_exited) == 40, "message_exited has padding");
static_assert(sizeof(struct message_signal) == 24, "message_signal has padding");
static_assert(sizeof(struct setup_limit) == 24, "setup_limit has padding");

#endif
