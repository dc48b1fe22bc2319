/*
 * options.h - what the operator wants, as numbers and words: the result of reading the command
 * line.
 *
 * The room options/ turns the operator's words into struct options, once.
 *
 *     table.h         every option: name, value, least, most, default, help.  A new option is one
 *                     entry there and one member here.
 *     command_line.h  reads argv by that table, and prints --help from it
 *     value.h         the columns of that table, and a reader for each kind of value
 *     access.h        --allow, --deny and the lines of --access-file: which clients they mean
 *     rules.h         all of these together, read and looked up
 *     identity.h      --user, --group, --supervisor-user and --socket-owner as ids of the system
 *
 * Times are microseconds.  Texts point into argv, which must stay.  Nothing here blocks or writes
 * to the log, except identity.h, rules.h and access_look_up().
 */
#ifndef SUPERVISOR_OPTIONS_OPTIONS_H
#define SUPERVISOR_OPTIONS_OPTIONS_H

#include "supervisor/base/unlimited.h"
#include "supervisor/options/access.h"

#include "dispatcher/protocol.h"
#include "dispatcher/shared/log.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    OPTIONS_DISPATCHERS_MAXIMUM = 64,
    OPTIONS_PROCESSES_MAXIMUM = 4194304,   /* process ids of the kernel (proc_pid_max(5)) */
    OPTIONS_REQUESTS_MAXIMUM = 1000000000, /* clients of a worker */
    OPTIONS_QUEUE_MAXIMUM = UINT32_MAX - 1 /* the next number is UNLIMITED */
};

/* These stand in messages, too.  A count and a period of --rate, multiplied, fit into 64 bits. */
#define OPTIONS_SOCKET_PATH         107 /* longest path of a Unix socket, in bytes (unix(7)) */
#define OPTIONS_RATE_MAXIMUM        1000000
#define OPTIONS_RATE_PERIOD_MAXIMUM UINT64_C(86400000000) /* a day */

/* Bytes that the send buffer of a new connection takes at once, whatever the system's settings
 * (tcp(7), tcp_wmem: at least 4 KiB). */
#define OPTIONS_BUSY_MAXIMUM 4096

/* The figures that gates look at: the load average, and the pressures of Linux
 * (Documentation/accounting/psi.rst). */
enum options_gate_kind {
    OPTIONS_GATE_LOAD,
    OPTIONS_GATE_CPU,
    OPTIONS_GATE_MEMORY,
    OPTIONS_GATE_IO,
    OPTIONS_GATES
};

/* The figure at which a gate closes: a load average, or a percentage of time. */
struct options_gate {
    bool given;
    double limit;
};

/* Permissions, or a mask of them. */
struct options_mode {
    bool given;
    uint32_t bits;
};

/* A message for clients. */
struct options_busy {
    char text[OPTIONS_BUSY_MAXIMUM];
    size_t length;
};

/* What PORT stands for. */
enum options_place {
    OPTIONS_TCP,    /* a port */
    OPTIONS_UNIX,   /* unix:PATH */
    OPTIONS_SYSTEMD /* the sockets that the service manager passes */
};

/* The sign that takes a waiting client out of the queue. */
enum options_abandon {
    OPTIONS_ABANDON_HANGUP,     /* a reset, or a broken connection */
    OPTIONS_ABANDON_HALF_CLOSE, /* also the end of what the client sends */
    OPTIONS_ABANDON_SILENT,     /* the same, but only if the client has never sent a byte */
    OPTIONS_ABANDON_NEVER
};

/* Files that the operator may change while the service runs. */
enum options_file {
    OPTIONS_FILE_ACCESS, /* more access rules */
    OPTIONS_FILE_BUSY,   /* the message for refused clients */
    OPTIONS_FILES
};

/* Bytes of such a file that are read at most. */
enum { OPTIONS_CONTENT_MAXIMUM = (16 << 20) + 1 };

struct options {
    /* listening */
    enum options_place place;
    uint16_t port;         /* of OPTIONS_TCP; 0: any free port */
    const char *unix_path; /* of OPTIONS_UNIX; fits into the address of a socket */
    char **addresses;
    size_t address_count;
    bool ipv4;
    bool ipv6;
    bool backlog; /* given: needs a warning, because it has no effect */
    uint64_t defer_accept;
    bool reuse_port;
    bool free_bind;
    bool no_delay;
    const char *device;              /* NULL: any */
    struct options_mode socket_mode; /* of OPTIONS_UNIX */
    const char *socket_owner;        /* as "USER" or "USER:GROUP"; NULL: not given */

    /* admission */
    uint32_t processes;               /* most handlers, or UNLIMITED */
    uint32_t queue;                   /* most waiting clients, or UNLIMITED */
    uint64_t queue_timeout;           /* 0: none */
    bool refuse;                      /* refuse clients while the queue is full */
    struct options_busy busy;         /* for refused clients; empty if a file holds it */
    const char *files[OPTIONS_FILES]; /* NULL: none */
    bool fair;                        /* sources take turns */
    uint32_t per_source;              /* most handlers of a source, or UNLIMITED */
    uint32_t per_source_queue;        /* most waiting clients of a source, or UNLIMITED */
    uint32_t ipv4_prefix;             /* bits of an address that name its source */
    uint32_t ipv6_prefix;
    struct options_gate gates[OPTIONS_GATES];
    uint32_t rate; /* starts per period, or UNLIMITED */
    uint64_t rate_period;
    struct access access; /* of the command line; a file adds more */
    enum options_abandon abandon;

    /* handlers */
    const char *user;      /* a name or a number; NULL: the user of this process */
    const char *group;     /* a name or a number; NULL: the group of the user */
    const char *root;      /* NULL: none; this path and the next fit into struct setup */
    const char *directory; /* inside of root; NULL: not given */
    struct options_mode umask;
    bool has_nice;
    int32_t nice;
    struct setup_limit limits[SETUP_LIMITS]; /* by the numbers RLIMIT_* */
    uint64_t timeout;                        /* 0: none */
    uint64_t kill_after;                     /* from such a SIGTERM to SIGKILL */
    bool end_on_hangup;                      /* when the client has */
    uint64_t idle_timeout;                   /* 0: none */
    uint64_t linger;                         /* 0: close at once */
    bool end_leftovers;                      /* end what handlers leave in their process groups */
    enum setup_standard_error standard_error;
    const char *error_file; /* of SETUP_STANDARD_ERROR_FILE */
    bool no_environment;    /* set no variables about client and user */
    bool no_new_privileges;
    bool persistent;        /* handlers are workers (dispatcher/protocol.h) */
    uint32_t max_requests;  /* clients of a worker, or UNLIMITED */
    uint32_t spare;         /* idle workers that are kept, or UNLIMITED */
    uint64_t spare_timeout; /* until other idle workers leave */

    /* running */
    uint32_t dispatchers; /* 0: not given */
    uint64_t drain_timeout;
    const char *supervisor_user; /* as "USER" or "USER:GROUP"; NULL: not given */
    const char *dispatcher_user; /* a name or a number; NULL: not given */
    const char *control;         /* the path of a socket; NULL: none */
    const char *metrics;         /* as "ADDRESS:PORT"; NULL: none */
    const char *takeover;        /* the path of the predecessor's control socket; NULL: none */
    int ready_descriptor;        /* -1: none */
    const char *pid_file;        /* NULL: none */
    enum log_format log_format;
    uint32_t verbosity;

    bool check; /* say what a start would find wrong, and exit */
    bool help;
    bool version;

    uint64_t given; /* on the command line: table_is_given() */

    char *const *command; /* CMD and its arguments, NULL-terminated */
};

/* Whether the supervisor keeps a descriptor of a connection while its handler runs. */
static inline bool options_keep_connections(const struct options *options)
{
    return options->end_on_hangup || options->idle_timeout > 0 || options->linger > 0;
}

#endif
