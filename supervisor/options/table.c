#include "supervisor/options/table.h"

#include "supervisor/base/nearest.h"

#include <assert.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define AT(name)                                                                                   \
    .member = offsetof(struct options, name), .size = sizeof(((const struct options *)NULL)->name)
#define FLAG(name)             .read = value_flag, AT(name)
#define COUNT(name)            .read = value_count, AT(name)
#define NUMBER(name, from, to) .read = value_number, AT(name), .least = (from), .most = (to)
#define TIME(name, from)       .read = value_time, AT(name), .least = (from)
#define MODE(name, example)    .read = value_mode, AT(name), .what = (example)
#define TEXT(name, meaning, longest)                                                               \
    .read = value_text, AT(name), .what = (meaning), .most = (longest)
/* A path that fits into struct setup, which has room for the longest path of the kernel. */
#define PATH(name, meaning) TEXT(name, meaning, SETUP_PATH - 1)
/* A path that fits into the address of a socket. */
#define SOCKET(name)    TEXT(name, "the path of a socket", OPTIONS_SOCKET_PATH)
#define CHOICE(name)    .read = value_choice, AT(name)
#define OTHER(function) .read = (function)
#define WORDS(...)                                                                                 \
    .words = (const char *const[])                                                                 \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }
#define OPTION(option, part, value, ...)                                                           \
    {                                                                                              \
        .name = (option), .section = VALUE_##part, .placeholder = (value), __VA_ARGS__             \
    }
#define DEFAULT(word) .initial = (word)
#define HINT(place)   .hint = #place
#define LIFTED        .none = true
#define SETTABLE      .none = true, .settable = true
#define REPEATED      .repeated = true
#define OF_WORKERS    .of_workers = true
#define HELP(text)    .help = (text)
#define ONLY_TCP      .places = 1u << OPTIONS_TCP
#define ONLY_UNIX     .places = 1u << OPTIONS_UNIX
#define NOT_UNIX      .places = (1u << OPTIONS_TCP | 1u << OPTIONS_SYSTEMD)

/* scripts/lint.d/options reads these entries as text: a name, a help text and words are literals.
 */
static const struct value_entry entries[] = {
    OPTION("address", LISTENING, "ADDRESS", OTHER(value_address), ONLY_TCP, HINT(HOST), REPEATED,
           HELP("bind to ADDRESS; default: every address of this machine")),
    OPTION("ipv4", LISTENING, NULL, FLAG(ipv4), ONLY_TCP,
           HELP("listen on IPv4 addresses only; with --ipv6: on both families, as by default")),
    OPTION("ipv6", LISTENING, NULL, FLAG(ipv6), ONLY_TCP,
           HELP("listen on IPv6 addresses only; with --ipv4: on both families, as by default")),
    OPTION("defer-accept", LISTENING, "TIME", TIME(defer_accept, 1000), ONLY_TCP,
           HELP("accept a client once it sends something; at the latest after TIME")),
    OPTION("reuse-port", LISTENING, NULL, FLAG(reuse_port), ONLY_TCP,
           HELP("share the port with other processes that use this option")),
    OPTION("free-bind", LISTENING, NULL, FLAG(free_bind), ONLY_TCP,
           HELP("bind even to addresses that this machine does not have yet")),
    OPTION("nodelay", LISTENING, NULL, FLAG(no_delay), NOT_UNIX,
           HELP("send small answers at once (TCP_NODELAY)")),
    OPTION("bind-to-device", LISTENING, "IF",
           TEXT(device, "the name of a network interface", IFNAMSIZ - 1), ONLY_TCP, HINT(INTERFACE),
           HELP("accept only clients that come through the interface IF")),
    OPTION("socket-mode", LISTENING, "MODE", MODE(socket_mode, "660"), ONLY_UNIX,
           HELP("permissions of unix:PATH; octal, such as 660")),
    OPTION("socket-owner", LISTENING, "USER[:GROUP]",
           PATH(socket_owner, "a user, as USER or USER:GROUP"), ONLY_UNIX, HINT(USER),
           HELP("give unix:PATH to USER and GROUP; needs root")),

    OPTION("processes", ADMISSION, "N", NUMBER(processes, 0, OPTIONS_PROCESSES_MAXIMUM),
           DEFAULT("1"), .zero = "no limit", SETTABLE,
           HELP("run at most N handlers at once; 0: no limit")),
    OPTION("queue", ADMISSION, "N", NUMBER(queue, 0, OPTIONS_QUEUE_MAXIMUM), DEFAULT("none"),
           SETTABLE, HELP("let at most N clients wait; default: as many as descriptors allow")),
    OPTION("queue-timeout", ADMISSION, "TIME", TIME(queue_timeout, 1000), DEFAULT("none"), SETTABLE,
           HELP("refuse a client that has waited for TIME")),
    OPTION("when-full", ADMISSION, NULL, CHOICE(refuse), WORDS("wait", "refuse"), DEFAULT("wait"),
           HELP("with the queue full, leave clients in the kernel's backlog or refuse them")),
    OPTION(
        "busy-message", ADMISSION, "TEXT", OTHER(value_busy_message), HINT(AT_FILE),
        HELP("send TEXT to a refused client, with \\n, \\r and \\\\; @FILE reads it from a file")),
    OPTION("order", ADMISSION, NULL, CHOICE(fair), WORDS("arrival", "fair"), DEFAULT("arrival"),
           HELP("serve clients by arrival, or fair: sources take turns")),
    OPTION("per-source", ADMISSION, "N", NUMBER(per_source, 1, OPTIONS_PROCESSES_MAXIMUM),
           DEFAULT("none"), SETTABLE,
           HELP("run at most N handlers for one source; other clients overtake the rest")),
    OPTION("per-source-queue", ADMISSION, "N", NUMBER(per_source_queue, 0, OPTIONS_QUEUE_MAXIMUM),
           DEFAULT("none"), LIFTED,
           HELP("let at most N clients of one source wait; refuse the others")),
    OPTION("source-prefix", ADMISSION, "V4[,V6]", OTHER(value_source_prefix), DEFAULT("32,64"),
           HELP("take clients as one source whose addresses begin with the same V4 (or V6) bits")),
    OPTION("load-average", ADMISSION, "LOAD", OTHER(value_load_average), SETTABLE,
           HELP("start no second handler while the 1-minute load average is LOAD or more")),
    OPTION("pressure", ADMISSION, "cpu=P[,memory=P][,io=P]", OTHER(value_pressure),
           WORDS("cpu=", "memory=", "io="),
           HELP("start no second handler while tasks stall for P percent of the last 10 seconds")),
    OPTION("rate", ADMISSION, "N[/TIME]", OTHER(value_rate), DEFAULT("none"), SETTABLE,
           HELP("start at most N handlers per TIME; without TIME: per second")),
    OPTION("allow", ADMISSION, "CIDR", OTHER(value_allow), NOT_UNIX, WORDS("all"), REPEATED,
           HELP("serve these clients: an address, ADDRESS/LENGTH, a host name or all; the most "
                "specific rule decides")),
    OPTION("deny", ADMISSION, "CIDR", OTHER(value_deny), NOT_UNIX, WORDS("all"), REPEATED,
           HELP("disconnect these clients; CIDR as for --allow")),
    OPTION("access-file", ADMISSION, "FILE", PATH(files[OPTIONS_FILE_ACCESS], "the path of a file"),
           NOT_UNIX, HINT(FILE),
           HELP("take more rules from FILE; a line 'allow CIDR' or 'deny CIDR' each; SIGHUP reads "
                "it again")),
    OPTION("abandon", ADMISSION, NULL, CHOICE(abandon),
           WORDS([OPTIONS_ABANDON_HANGUP] = "hangup", [OPTIONS_ABANDON_HALF_CLOSE] = "half-close",
                 [OPTIONS_ABANDON_SILENT] = "silent", [OPTIONS_ABANDON_NEVER] = "never"),
           DEFAULT("hangup"), HELP("take a waiting client out of the queue at this sign")),

    OPTION(
        "user", HANDLERS, "USER", PATH(user, "the name or number of a user"), HINT(USER),
        HELP(
            "run handlers as USER, a name or number; needs root; default: the user of the daemon")),
    OPTION(
        "group", HANDLERS, "GROUP", PATH(group, "the name or number of a group"), HINT(GROUP),
        HELP("run handlers with GROUP, a name or number; needs root; default: the group of USER")),
    OPTION("chroot", HANDLERS, "DIR", PATH(root, "the path of a directory"), HINT(DIRECTORY),
           HELP("make DIR the root directory of handlers; CMD is looked up inside; needs root")),
    OPTION("chdir", HANDLERS, "DIR", PATH(directory, "the path of a directory"), HINT(DIRECTORY),
           HELP("start handlers in DIR, inside their root; default: that root, or without --chroot "
                "the directory of the daemon")),
    OPTION("umask", HANDLERS, "MODE", MODE(umask, "022"),
           HELP("set the umask of handlers; octal, such as 022")),
    OPTION("nice", HANDLERS, "N", OTHER(value_nice),
           HELP("set the nice value of handlers, -20 to 19; less than the daemon's needs root")),
    OPTION("limit", HANDLERS, "NAME=SOFT[:HARD]", OTHER(value_limit),
           WORDS([RLIMIT_AS] = "as=", [RLIMIT_CORE] = "core=", [RLIMIT_CPU] = "cpu=",
                 [RLIMIT_DATA] = "data=", [RLIMIT_FSIZE] = "fsize=", [RLIMIT_LOCKS] = "locks=",
                 [RLIMIT_MEMLOCK] = "memlock=", [RLIMIT_MSGQUEUE] = "msgqueue=",
                 [RLIMIT_NICE] = "nice=", [RLIMIT_NOFILE] = "nofile=", [RLIMIT_NPROC] = "nproc=",
                 [RLIMIT_RSS] = "rss=", [RLIMIT_RTPRIO] = "rtprio=", [RLIMIT_RTTIME] = "rttime=",
                 [RLIMIT_SIGPENDING] = "sigpending=", [RLIMIT_STACK] = "stack=",
                 [SETUP_LIMITS] = NULL),
           REPEATED,
           HELP("set a resource limit of handlers, such as nofile=256, cpu=60:90, as=512M or "
                "core=unlimited; NAME as in setrlimit(2)")),
    OPTION("timeout", HANDLERS, "TIME", TIME(timeout, 1000),
           HELP("send SIGTERM to a handler that has run for TIME; default: never")),
    OPTION("kill-after", HANDLERS, "TIME", TIME(kill_after, 0), DEFAULT("5s"),
           HELP("send SIGKILL TIME after such a SIGTERM")),
    OPTION("on-hangup", HANDLERS, NULL, CHOICE(end_on_hangup), WORDS("wait", "end"),
           DEFAULT("wait"),
           HELP("when a client resets its connection, let its handler run or end it")),
    OPTION("idle-timeout", HANDLERS, "TIME", TIME(idle_timeout, 1000), NOT_UNIX,
           HELP("end a handler when no byte has moved on its connection for TIME; default: never")),
    OPTION("linger", HANDLERS, "TIME", TIME(linger, 1000),
           HELP("when a handler has ended, let its client read the answer for up to TIME, even if "
                "it sends more")),
    OPTION("leftovers", HANDLERS, NULL, CHOICE(end_leftovers), WORDS("keep", "end"),
           DEFAULT("keep"),
           HELP("keep or end the processes that a handler has left in its group when it ends")),
    OPTION("stderr", HANDLERS, "inherit|socket|null|FILE", OTHER(value_stderr), AT(standard_error),
           WORDS([SETUP_STANDARD_ERROR_INHERIT] = "inherit",
                 [SETUP_STANDARD_ERROR_SOCKET] = "socket", [SETUP_STANDARD_ERROR_NULL] = "null"),
           HINT(FILE), DEFAULT("inherit"),
           HELP("send standard error of handlers to that of the daemon, the client, nothing, or "
                "FILE, a path with a /; FILE is appended to")),
    OPTION("no-env", HANDLERS, NULL, FLAG(no_environment),
           HELP("set no environment variables about client and user")),
    OPTION("no-new-privs", HANDLERS, NULL, FLAG(no_new_privileges),
           HELP("keep handlers from gaining privileges, as by set-user-ID programs")),
    OPTION("persistent", HANDLERS, NULL, FLAG(persistent),
           HELP("run CMD as a worker, which gets one client after another by its standard input")),
    OPTION("max-requests", HANDLERS, "N", NUMBER(max_requests, 1, OPTIONS_REQUESTS_MAXIMUM),
           DEFAULT("none"), LIFTED, OF_WORKERS,
           HELP("with --persistent: replace a worker after about N clients")),
    OPTION("spare", HANDLERS, "N", NUMBER(spare, 0, OPTIONS_PROCESSES_MAXIMUM), DEFAULT("none"),
           LIFTED, OF_WORKERS,
           HELP("with --persistent: keep N idle workers; default: as many as were needed at once")),
    OPTION("spare-timeout", HANDLERS, "TIME", TIME(spare_timeout, 1000), DEFAULT("60s"), OF_WORKERS,
           HELP("with --persistent: let other workers leave that have been idle for TIME")),

    OPTION("dispatchers", RUNNING, "N", NUMBER(dispatchers, 1, OPTIONS_DISPATCHERS_MAXIMUM),
           HELP("start handlers from N processes; default: one for each processor, from 2 to 8; "
                "with --persistent: 1")),
    OPTION("drain-timeout", RUNNING, "TIME", TIME(drain_timeout, 0), DEFAULT("30s"),
           HELP("let SIGTERM wait at most TIME for queue and handlers")),
    OPTION("supervisor-user", RUNNING, "USER[:GROUP]",
           PATH(supervisor_user, "a user, as USER or USER:GROUP"), HINT(USER),
           HELP("run the supervisor as USER if root starts it; default: an account of its own")),
    OPTION("dispatcher-user", RUNNING, "USER", PATH(dispatcher_user, "a user"), HINT(USER),
           HELP("keep dispatchers apart from --user as USER; default: an account of its own")),
    OPTION("control", RUNNING, "PATH", SOCKET(control), HINT(FILE),
           HELP("make a Unix socket for the operator at PATH; see: dampenerctl PATH help")),
    OPTION("metrics", RUNNING, "ADDRESS:PORT", OTHER(value_metrics),
           HELP("show metrics and status over HTTP; without ADDRESS: on every address")),
    OPTION("takeover", RUNNING, "PATH", SOCKET(takeover), HINT(FILE),
           HELP("take listeners and queue over from the daemon with the control socket PATH")),
    OPTION("ready-fd", RUNNING, "FD", OTHER(value_ready_descriptor),
           HELP("once serving, write a line 'ADDRESS PORT' for each listener to descriptor FD; "
                "then close it")),
    OPTION("pid-file", RUNNING, "FILE", PATH(pid_file, "the path of a file"), HINT(FILE),
           HELP("keep the process id in FILE, locked; remove FILE on exit")),
    OPTION(
        "log-format", RUNNING, NULL, CHOICE(log_format),
        WORDS([LOG_FORMAT_TEXT] = "text", [LOG_FORMAT_TIMED] = "timed", [LOG_FORMAT_JSON] = "json"),
        DEFAULT("text"),
        HELP("write log lines as text, as text after the time in UTC, or as JSON objects; the "
             "journal has its own time")),
    OPTION("verbose", RUNNING, NULL, .letter = 'v', COUNT(verbosity),
           HELP("log the start and end of each handler; -vv: log everything")),
    OPTION("check-config", RUNNING, NULL, FLAG(check),
           HELP("check options, files and CMD as at a start, say what is wrong, and exit; nothing "
                "listens, and nothing is changed")),
    OPTION("help", RUNNING, NULL, .letter = 'h', FLAG(help), HELP("show this help")),
    OPTION("version", RUNNING, NULL, FLAG(version), HELP("show the version")),

    OPTION("backlog", IGNORED, "N", FLAG(backlog),
           HELP("ignored, with a warning; the backlog is as long as net.core.somaxconn allows")),
};

enum { ENTRIES = sizeof(entries) / sizeof(*entries) };

static_assert(ENTRIES <= 64, "there is a bit for each option");
static_assert((int)RLIM_NLIMITS == SETUP_LIMITS, "the words of --limit are not all resources");

const struct value_entry *table_at(size_t i)
{
    return i < ENTRIES ? &entries[i] : NULL;
}

const struct value_entry *table_lettered(char letter)
{
    for (size_t i = 0; i < ENTRIES; i++)
        if (entries[i].letter == letter)
            return &entries[i];
    return NULL;
}

const struct value_entry *table_named(const char *name, size_t length,
                                      const struct value_entry **other)
{
    const struct value_entry *found = NULL;

    *other = NULL;
    for (size_t i = 0; i < ENTRIES; i++) {
        if (strncmp(entries[i].name, name, length) != 0)
            continue;
        if (entries[i].name[length] == '\0') {
            *other = NULL;
            return &entries[i];
        }
        if (found == NULL)
            found = &entries[i];
        else if (*other == NULL)
            *other = &entries[i];
    }
    return found;
}

void table_give(const struct value_entry *entry, struct options *options)
{
    options->given |= UINT64_C(1) << (entry - entries);
}

bool table_is_given(const struct value_entry *entry, const struct options *options)
{
    return (options->given >> (entry - entries) & 1) != 0;
}

bool table_takes_value(const struct value_entry *entry)
{
    return entry->placeholder != NULL || entry->words != NULL;
}

/* Adds the word that the value, or the name before its "=", may have been meant to be. */
static void add_meant(struct text *text, const struct value_entry *entry, const char *value)
{
    size_t length = strcspn(value, "=");
    struct nearest nearest = nearest_to(value, length + (value[length] == '='));
    char meant[NEAREST_TEXT];

    for (size_t i = 0; entry->words != NULL && entry->words[i] != NULL; i++)
        nearest_try(&nearest, entry->words[i]);
    if (entry->none)
        nearest_try(&nearest, "none");
    text_add(text, "%s", nearest_text(&nearest, "", meant));
}

bool table_apply(const struct value_entry *entry, struct options *options, char *word,
                 char expected[TABLE_EXPECTED_MAXIMUM])
{
    struct text text;
    bool right;

    text_open(&text, expected, TABLE_EXPECTED_MAXIMUM);
    right = entry->read(&(struct value){entry, options, word, &text});
    if (!right && entry->none)
        text_add(&text, ", or none");
    if (!right && word != NULL)
        add_meant(&text, entry, word);
    return right;
}

void table_defaults(struct options *options)
{
    char expected[TABLE_EXPECTED_MAXIMUM];

    *options = (struct options){.ready_descriptor = -1};
    for (size_t i = 0; i < ENTRIES; i++) {
        char word[16];

        if (entries[i].initial == NULL)
            continue;
        (void)snprintf(word, sizeof(word), "%s", entries[i].initial);
        if (!table_apply(&entries[i], options, word, expected))
            log_bug("--%s: the default %s: %s", entries[i].name, word, expected);
    }
}
