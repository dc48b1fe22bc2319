/*
 * options.h - the command line: what the operator wants, checked word by word.
 */
#ifndef SUPERVISOR_OPTIONS_OPTIONS_H
#define SUPERVISOR_OPTIONS_OPTIONS_H

#include "supervisor/admission/admission.h"
#include "supervisor/options/access_rules.h"
#include "supervisor/queue/watch.h"

#include "dispatcher/protocol.h"
#include "dispatcher/shared/log.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    OPTIONS_PROCESSES_MAXIMUM = 4194304, /* process ids there can be (proc_pid_max(5)) */
    OPTIONS_QUEUE_MAXIMUM = UINT32_MAX - 1,
    OPTIONS_NONE = UINT32_MAX, /* a limit that was not given */
    OPTIONS_SOCKET_PATH = 107  /* longest path of a Unix socket (unix(7)) */
};

/* The figure at which a gate closes: a load average, or a percentage of time. */
struct options_gate {
    bool given;
    double limit;
};

/* What PORT stands for. */
enum options_place {
    OPTIONS_TCP,    /* a port */
    OPTIONS_UNIX,   /* unix:PATH */
    OPTIONS_SYSTEMD /* the sockets that were passed */
};

struct options {
    /* listening */
    enum options_place place;
    uint16_t port;         /* of OPTIONS_TCP; 0: any that is free */
    const char *unix_path; /* of OPTIONS_UNIX; fits into a socket's address */
    char **addresses;
    size_t address_count;
    bool ipv4;
    bool ipv6;
    bool backlog;          /* given, and to be warned about */
    uint64_t defer_accept; /* microseconds; 0: not given */
    bool reuse_port;
    bool free_bind;
    bool no_delay;
    const char *device; /* NULL: any */
    bool has_socket_mode;
    uint32_t socket_mode;     /* of OPTIONS_UNIX */
    const char *socket_owner; /* as "USER" or "USER:GROUP"; NULL: not given */

    /* admission */
    uint32_t processes;        /* 0: no limit */
    uint32_t queue;            /* most clients waiting */
    uint64_t queue_timeout;    /* microseconds; 0: none */
    bool refuse;               /* with the queue full, instead of leaving clients in the backlog */
    const char *busy_message;  /* as given; NULL: none */
    bool fair;                 /* sources in turn */
    uint32_t per_source;       /* OPTIONS_NONE */
    uint32_t per_source_queue; /* OPTIONS_NONE */
    uint32_t ipv4_prefix;      /* what one source is: prefix lengths */
    uint32_t ipv6_prefix;
    struct options_gate gates[ADMISSION_GATES];
    uint32_t rate; /* starts per period; OPTIONS_NONE */
    uint64_t rate_period;
    struct access_rules access; /* as given; those of the file come on top */
    const char *access_file;    /* NULL: none */
    enum watch_sign abandon;    /* which sign takes a waiting client out of the queue */

    /* handlers */
    const char *user;      /* a name or a number; NULL: as this process */
    const char *group;     /* likewise; NULL: the user's own */
    const char *root;      /* NULL: none; these paths fit into struct setup */
    const char *directory; /* in there; NULL: not given */
    bool has_umask;
    uint32_t umask;
    bool has_nice;
    int32_t nice;
    struct setup_limit limits[SETUP_LIMITS]; /* by the numbers RLIMIT_* */
    uint64_t timeout;                        /* microseconds; 0: none */
    uint64_t kill_after;                     /* microseconds, from then on */
    enum setup_standard_error standard_error;
    bool no_environment; /* no variables of the connection, nor of the user */
    bool no_new_privileges;

    /* running */
    uint32_t dispatchers;        /* 0: not given */
    uint64_t drain_timeout;      /* microseconds */
    const char *supervisor_user; /* as "USER" or "USER:GROUP"; NULL: not given */
    const char *control;         /* the path of a socket; NULL: none */
    const char *metrics;         /* as "ADDRESS:PORT"; NULL: none */
    const char *takeover;        /* the path of another one's control socket; NULL: none */
    int ready_descriptor;        /* -1: none */
    const char *pid_file;        /* NULL: none */
    enum log_format log_format;
    uint32_t verbosity;

    bool help;
    bool version;

    char *const *command; /* CMD and its arguments, NULL-terminated */
};

/* Reads argv, whose strings *options refers to.  Returns false if a word was wrong; one line on
 * standard error has said then which, and what is accepted.  With `help` or `version` set, what
 * stands behind that option has not been looked at, and the rest need not be complete. */
bool options_parse(struct options *options, char *const *argv);

#endif
