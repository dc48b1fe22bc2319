/*
 * protocol.h - the whole contract between a dispatcher, the supervisor that it works for, and the
 * keeper that starts it.
 *
 * The keeper is the privileged process.  It is the parent of the dispatchers, and the child
 * subreaper (prctl(2)) of all processes.  The supervisor owns the clients, and gives each to a
 * dispatcher.  A dispatcher starts the handlers of its clients, and is their parent.
 *
 * COMMAND LINE
 *
 *     dispatcher ROLE FORMAT PATH ARGV0 [ARG]...
 *
 * The keeper executes this with the privileges that it was started with.
 *
 *     ROLE     what the process does, see below
 *     FORMAT   the format of its log: a word of log_format_words (log_line.h)
 *     PATH     the handler's executable
 *     ARGV0... the handler's argument vector
 *
 * It passes these descriptors:
 *
 *     PROTOCOL_ERRORS   the file that handlers get as standard error, if struct setup says so; it
 *                       takes the place of standard output, to which a dispatcher writes nothing
 *     PROTOCOL_SOCKET   one end of a SOCK_SEQPACKET pair
 *     PROTOCOL_LEDGER   a memory file with one struct ledger, which the dispatcher and the
 *                       supervisor map; `try` ignores it
 *     PROTOCOL_SETUP    a memory file with one struct setup, and nothing else
 *
 * The keeper seals both files against changes of their size, and PROTOCOL_SETUP against all
 * changes.
 *
 * A handler inherits from the dispatcher whatever struct setup does not set: limits, nice value,
 * environment.
 *
 * ROLES
 *
 *     try      Takes on the process state of handlers, finds PATH, and writes the path it found to
 *              the socket.  Then executes it with the longest variables that a connection can have,
 *              and kills it before its first instruction.  Exits with 0; or logs an error and exits
 *              with the status that the daemon must exit with.
 *     serve    Takes on the process state of handlers, gives its privileges up, and serves the
 *              supervisor at the other end of the socket.
 *
 * MESSAGES
 *
 *     from        message     meaning
 *     dispatcher  READY       once: can take work
 *     supervisor  START       run a handler; brings the client's descriptor, names a free slot
 *     dispatcher  STARTED     answers START: the handler's exec has succeeded; the slot is free
 *     dispatcher  FAILED      answers START: no handler runs; brings the client back; the slot is
 *                             free
 *     dispatcher  EXITED      once after STARTED: the handler has ended and was reaped; or a worker
 *                             has finished the client
 *     supervisor  SIGNAL      signal a handler, any number of times after STARTED
 *     dispatcher  SIGNALLED   answers SIGNAL
 *     supervisor  PING        any time
 *     dispatcher  PONG        answers PING: the dispatcher is alive and has reached this request
 *     supervisor  ROLL        any time: another supervisor has taken the place of the last one;
 *                             its ticket numbers the roll calls
 *     dispatcher  LISTED      answers ROLL, once for each handler and for each START under way
 *     dispatcher  ROLLED      answers ROLL, after all LISTED
 *
 * Each START gets exactly one answer, STARTED or FAILED.
 *
 * A packet of the socket carries one message or several in a row.  Their descriptors come in the
 * same order.
 *
 * CLIENT CONNECTIONS
 *
 * After START the supervisor holds the connection no longer.  The packet holds it: the dispatcher
 * looks at the packet with MSG_PEEK (recvmsg(2)), and takes it off the socket only when all of its
 * handlers are cloned.  From then on the handler alone holds the connection, so the client sees its
 * end as soon as the handler closes it.  If the kernel lacks the memory to show a packet's
 * descriptors for long, the dispatcher takes the packet off at once.
 *
 * FAILED returns the connection.  If no child could be cloned, the dispatcher sends FAILED before
 * it takes the packet off the socket.  If the exec failed, the child itself sends FAILED.  A child
 * that is killed between clone and FAILED counts as a handler that was killed.
 *
 * END
 *
 * A dispatcher exits when the supervisor shuts down or closes its end.  A live dispatcher never
 * closes its own end.
 *
 * The supervisor may not signal a dispatcher, because dispatchers run as another user.  The keeper
 * kills a dispatcher when the supervisor asks for it, and reports each death.  The handlers of a
 * dead dispatcher become children of the keeper.  The keeper reports the death of a dispatcher
 * before the end of any such handler, and starts another dispatcher with a new socket and ledger.
 *
 * LEDGER
 *
 * The ledger makes each START happen exactly once, even if the dispatcher is killed at any
 * instruction.  The supervisor clears a slot before it sends START.  The dispatcher clones the
 * handler with CLONE_PARENT_SETTID aimed at the slot, so the kernel writes the child's process id
 * there before the child runs (clone(2); kernel/fork.c, kernel_clone()).
 *
 * When a dispatcher is dead and all its messages are read, the slot of an unanswered START decides:
 *
 *     no process   There was no child.  The packet, with the connection, is still in the socket,
 *                  and the supervisor reads it from its copy of the dispatcher's end.
 *     a process    The child sends FAILED, or it is the handler and now a child of the keeper.
 *                  The supervisor knows which when no child is left between clone and exec.
 *
 * A worker (see below) gets its clients by sendmmsg(2).  The dispatcher clears `sent`, writes the
 * slot to `sending` and the worker to `worker`, and makes the call; the kernel itself writes the
 * length of the message to `sent`, after it has queued the message and before it acts on a signal
 * (net/socket.c, __sys_sendmmsg()).  Then the dispatcher writes the worker to the slot, and clears
 * `sent`.  ledger_process() reads both.
 *
 * No child is left between clone and exec when the supervisor's end reads end of file: each such
 * child holds the dispatcher's end, which is close-on-exec.  The keeper's copy is closed once the
 * supervisor has acted on the start of the dispatcher, and said so.
 *
 * WORKERS
 *
 * With `persistent` of struct setup, PATH is executed as a worker: it serves clients one after
 * another.  The dispatcher keeps one end of a SOCK_SEQPACKET pair, and descriptor 0 of the worker
 * is the other.  One message is one client: the variables of its connection, each ended by a NUL
 * (without variables: one NUL), and its descriptor.  The worker answers with one byte when it is
 * ready for the next client.  End of file tells it to leave.
 *
 * For the supervisor, a worker that has a client is a handler, and its byte is the handler's end:
 * STARTED names the worker, and EXITED says `finished`.  A worker that ends while it has a client
 * is a handler that ended.  Idle workers are the dispatcher's own business.  A SIGNAL for a client
 * reaches the worker only while it has that client; such a worker gets no other.
 *
 * The client of a new worker waits in the pair until the exec.  If the exec fails, the dispatcher
 * takes the client back and sends FAILED.  If the dispatcher is dead by then, the client counts as
 * served by a handler that failed.
 *
 * EXITED of a worker's client precedes the worker's next client: it was sent, not only prepared.
 *
 * ROLL CALL
 *
 * When a supervisor is killed, another one takes its place, and has the same descriptors: the
 * sockets to dispatchers stay as they are.  It does not know which messages the last one has read
 * or sent.  So it sends ROLL.  Messages arrive in order: a dispatcher that answers has received
 * every START that was sent, and what it has not listed has ended, or was never sent.  The slot in
 * the ledger tells the two apart.  FAILED of a child whose exec has failed precedes ROLLED.
 *
 * USERS
 *
 * If handlers run as another user than root, the keeper can give dispatchers a user of their own.
 * That is the real and saved user of a dispatcher; its effective one is the handlers': it may do
 * what a handler may, and may signal handlers.  The child that becomes a handler gives the
 * dispatchers' user up before its exec.
 *
 * Then a handler can neither signal nor trace a dispatcher, nor change its limits, because kill(2),
 * ptrace(2) and prlimit(2) compare with the real and the saved user.  It can still change how a
 * dispatcher is scheduled: sched_setscheduler(2) and setpriority(2) compare with the effective one.
 *
 * VERSION
 *
 * All processes run on one machine and come from one build, so structures travel as they are.
 * Raise PROTOCOL_VERSION with every change of a structure.
 */
#ifndef DISPATCHER_PROTOCOL_H
#define DISPATCHER_PROTOCOL_H

#include <stdint.h>

enum {
    PROTOCOL_VERSION = 12,
    PROTOCOL_ERRORS = 1,
    PROTOCOL_SOCKET = 3,
    PROTOCOL_LEDGER = 4,
    PROTOCOL_SETUP = 5,
    PROTOCOL_LAST = PROTOCOL_SETUP,

    /* Unanswered STARTs per dispatcher.  Enough for several handlers between clone and exec while
     * other STARTs are on their way; few enough that a stopped dispatcher holds up few clients. */
    PROTOCOL_SLOTS = 16,

    /* Messages per packet. */
    PROTOCOL_BATCH = 16,

    /* Descriptors that a dispatcher has open at most, besides those of one packet and of workers:
     * standard input, output and error, the socket, signals, the events of workers, its
     * oom_score_adj and /dev/null; the rest is for libc's temporary ones. */
    PROTOCOL_DESCRIPTORS = 11,

    /* Descriptors that a dispatcher cannot use for workers: the above, one packet's, and the far
     * ends of workers that have not begun.  Each worker takes one of the others. */
    PROTOCOL_NOT_FOR_WORKERS = PROTOCOL_DESCRIPTORS + 2 * PROTOCOL_SLOTS
};

enum message_type {
    MESSAGE_READY = 1,
    MESSAGE_START,
    MESSAGE_STARTED,
    MESSAGE_FAILED,
    MESSAGE_EXITED,
    MESSAGE_SIGNAL,
    MESSAGE_SIGNALLED,
    MESSAGE_PING,
    MESSAGE_PONG,
    MESSAGE_ROLL,
    MESSAGE_LISTED,
    MESSAGE_ROLLED,
    MESSAGE_TYPES /* one more than the last */
};

/* Structures without padding send no stray memory, and every message in a packet is aligned. */
#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Wpadded"

/* Begins every message; READY, SIGNALLED, PING, PONG, ROLL and ROLLED consist of it.  `client` and
 * `ticket` are the supervisor's names for a request.  An answer returns both unchanged. */
struct message_header {
    uint16_t version;
    uint16_t type;
    uint32_t client;
    uint64_t ticket;
};

/* One end of a connection.  An IPv4-mapped IPv6 address is stored as the IPv4 address. */
struct endpoint {
    uint16_t family;     /* AF_INET, AF_INET6 or AF_UNIX */
    uint16_t port;       /* host byte order; 0 with AF_UNIX */
    uint8_t address[16]; /* AF_INET: network byte order, in the first 4 bytes; AF_INET6: network
                          * byte order; AF_UNIX: struct endpoint_peer at the remote end, else 0 */
};

/* The process that connected to a Unix socket (unix(7), SO_PEERCRED); host byte order. */
struct endpoint_peer {
    int32_t process; /* 0: in another process id namespace */
    uint32_t user;
    uint32_t group;
    uint32_t socket; /* tells connections of one process apart: the accepted end's SO_COOKIE, modulo
                      * 2^32; 0: unknown */
};

/* Brings the client's descriptor. */
struct message_start {
    struct message_header header;
    uint32_t slot;    /* in the ledger, below PROTOCOL_SLOTS */
    uint32_t waited;  /* milliseconds from accept to START */
    uint32_t queued;  /* clients still waiting */
    uint32_t running; /* running and starting handlers, with the handler of this START */
    struct endpoint local;
    struct endpoint remote;
};

struct message_started {
    struct message_header header;
    int32_t process; /* also the handler's process group and session */
    uint32_t age;    /* microseconds from clone to this message */
};

/* Brings the client's descriptor. */
struct message_failed {
    struct message_header header;
    int32_t error; /* errno of the step that failed, never 0 */
    uint32_t reserved;
};

struct message_exited {
    struct message_header header;
    int32_t status;       /* of wait(2) */
    uint32_t memory;      /* largest resident set, KiB */
    uint64_t user_time;   /* microseconds */
    uint64_t system_time; /* microseconds */
    uint32_t leftovers;   /* 1: processes are left in the handler's group; only if struct setup asks
                           * for it, else 0 */
    uint32_t finished;    /* 1: a worker has finished the client; the other fields are 0.  0: the
                           * process has ended */
};

/* Sends SIGTERM or SIGKILL to a handler's process group.  Does nothing if the handler was reaped,
 * because its process id may be another's by then. */
struct message_signal {
    struct message_header header;
    int32_t process; /* the handler */
    int32_t signal;
};

/* The START of that client and ticket has led to this process. */
struct message_listed {
    struct message_header header;
    int32_t process;
    uint32_t started; /* 1: STARTED was sent; 0: an answer will follow */
};

union message {
    struct message_header header;
    struct message_start start;
    struct message_started started;
    struct message_failed failed;
    struct message_exited exited;
    struct message_signal signal;
    struct message_listed listed;
};

struct ledger_slot {
    int32_t process; /* the kernel writes it at clone; 0: no child */
    uint32_t reserved;
};

struct ledger {
    uint32_t sent;    /* the kernel writes it at sendmmsg(2); 0: no client is being handed over */
    uint32_t sending; /* the slot of that client */
    int32_t worker;   /* the process that gets it */
    uint32_t reserved;
    struct ledger_slot slots[PROTOCOL_SLOTS];
};

#pragma GCC diagnostic pop

/* The standard error of handlers. */
enum setup_standard_error {
    SETUP_STANDARD_ERROR_INHERIT, /* the daemon's */
    SETUP_STANDARD_ERROR_SOCKET,  /* the client */
    SETUP_STANDARD_ERROR_NULL,    /* /dev/null */
    SETUP_STANDARD_ERROR_FILE     /* PROTOCOL_ERRORS */
};

enum { SETUP_LIMITS = 16, SETUP_PATH = 4096 /* PATH_MAX of linux/limits.h */ };

struct setup_limit {
    uint32_t given; /* 0 or 1 */
    uint32_t reserved;
    uint64_t soft; /* RLIM_INFINITY: unlimited (getrlimit(2)) */
    uint64_t hard;
};

/* The clients that the daemon may have, for the role `try`. */
struct setup_clients {
    uint32_t tcp;  /* AF_INET6 if any may come over IPv6, else AF_INET; 0: none come over TCP */
    uint32_t path; /* bytes of the longest path of a Unix socket; 0: there is none, but TCP */
};

/* The process state of handlers. */
struct setup {
    uint32_t version;
    uint32_t has_identity; /* 0: user and groups stay the daemon's */
    uint32_t user;
    uint32_t group;
    uint32_t has_dispatcher_user; /* 1 requires has_identity, and that neither user is root */
    uint32_t dispatcher_user;     /* real and saved user of the dispatcher */
    uint32_t has_nice;
    int32_t nice;
    uint32_t has_umask;
    uint32_t umask;
    uint32_t standard_error; /* enum setup_standard_error */
    uint32_t no_environment;
    uint32_t no_new_privileges;
    uint32_t find_leftovers; /* 1: EXITED says whether a handler leaves processes in its group */
    uint32_t persistent;     /* 1: handlers are workers */
    uint32_t max_requests;   /* clients of a worker, about; 0: no limit */
    uint32_t spare;          /* idle workers of a dispatcher that are kept; UINT32_MAX: all */
    uint32_t spare_timeout;  /* milliseconds until other idle workers leave */
    int32_t oom_score;       /* oom_score_adj of handlers (proc_pid_oom_score_adj(5)) */
    struct setup_clients clients;
    struct setup_limit limits[SETUP_LIMITS]; /* indexed by RLIMIT_* */
    char root[SETUP_PATH];                   /* for chroot(2); "": none */
    char directory[SETUP_PATH];              /* working directory inside root; "": unchanged */
    uint32_t group_count;                    /* supplementary groups */
    uint32_t groups[];
};

/* Returns the process that has got the client of a slot; 0: none. */
static inline int32_t ledger_process(const struct ledger *ledger, uint32_t slot)
{
    int32_t process = __atomic_load_n(&ledger->slots[slot].process, __ATOMIC_SEQ_CST);

    if (process == 0 && __atomic_load_n(&ledger->sending, __ATOMIC_SEQ_CST) == slot &&
        __atomic_load_n(&ledger->sent, __ATOMIC_SEQ_CST) != 0)
        process = __atomic_load_n(&ledger->worker, __ATOMIC_SEQ_CST);
    return process;
}

#endif
