#include "supervisor/options/setting.h"

#include "supervisor/base/parse.h"
#include "supervisor/options/value.h"
#include "supervisor/pool/pool.h"

#include <stdio.h>
#include <string.h>

enum setting_kind {
    SETTING_FLAG,   /* a bool becomes true */
    SETTING_COUNT,  /* a uint32_t becomes one more */
    SETTING_NUMBER, /* a uint32_t, from `least` to `most` */
    SETTING_TIME,   /* a uint64_t of microseconds, from `least` on */
    SETTING_TEXT,   /* a const char *, not empty, of up to `most` bytes */
    SETTING_OTHER   /* as `value` does it */
};

struct setting {
    const char *name;
    char letter; /* the short form; 0: none */
    enum setting_kind kind;
    size_t member; /* of struct options: where it is */
    uint32_t least;
    uint32_t most;
    const char *remark; /* for messages: on the lowest number; on a text, what it is */
    /* See value.h. */
    const char *(*value)(struct options *options, char *word);
};

#define AT(name)           .member = offsetof(struct options, name)
#define FLAG(name)         .kind = SETTING_FLAG, AT(name)
#define COUNT(name)        .kind = SETTING_COUNT, AT(name)
#define NUMBER(name, a, b) .kind = SETTING_NUMBER, AT(name), .least = (a), .most = (b)
#define TIME(name, a)      .kind = SETTING_TIME, AT(name), .least = (a)
/* Paths that fit into struct setup, which is as long as the kernel takes them. */
#define TEXT(name, what) .kind = SETTING_TEXT, AT(name), .remark = (what), .most = SETUP_PATH - 1
/* Paths that fit into the address of a socket. */
#define SOCKET(name)                                                                               \
    .kind = SETTING_TEXT, AT(name), .remark = "the path of a socket", .most = OPTIONS_SOCKET_PATH
#define OTHER(function) .kind = SETTING_OTHER, .value = (function)

static const struct setting settings[] = {
    {.name = "address", OTHER(value_address)},
    {.name = "ipv4", FLAG(ipv4)},
    {.name = "ipv6", FLAG(ipv6)},
    {.name = "backlog", OTHER(value_backlog)},
    {.name = "defer-accept", TIME(defer_accept, 1000)},
    {.name = "reuse-port", FLAG(reuse_port)},
    {.name = "free-bind", FLAG(free_bind)},
    {.name = "nodelay", FLAG(no_delay)},
    {.name = "bind-to-device", OTHER(value_bind_to_device)},
    {.name = "socket-mode", OTHER(value_socket_mode)},
    {.name = "socket-owner", TEXT(socket_owner, "a user, as USER or USER:GROUP")},
    {.name = "processes", NUMBER(processes, 0, OPTIONS_PROCESSES_MAXIMUM), .remark = " (no limit)"},
    {.name = "queue", NUMBER(queue, 0, OPTIONS_QUEUE_MAXIMUM)},
    {.name = "queue-timeout", TIME(queue_timeout, 1000)},
    {.name = "when-full", OTHER(value_when_full)},
    {.name = "busy-message", OTHER(value_busy_message)},
    {.name = "order", OTHER(value_order)},
    {.name = "per-source", NUMBER(per_source, 1, OPTIONS_PROCESSES_MAXIMUM)},
    {.name = "per-source-queue", NUMBER(per_source_queue, 0, OPTIONS_QUEUE_MAXIMUM)},
    {.name = "source-prefix", OTHER(value_source_prefix)},
    {.name = "load-average", OTHER(value_load_average)},
    {.name = "pressure", OTHER(value_pressure)},
    {.name = "rate", OTHER(value_rate)},
    {.name = "allow", OTHER(value_allow)},
    {.name = "deny", OTHER(value_deny)},
    {.name = "access-file", TEXT(access_file, "the path of a file")},
    {.name = "abandon", OTHER(value_abandon)},
    {.name = "user", TEXT(user, "the name or number of a user")},
    {.name = "group", TEXT(group, "the name or number of a group")},
    {.name = "chroot", TEXT(root, "the path of a directory")},
    {.name = "chdir", TEXT(directory, "the path of a directory")},
    {.name = "umask", OTHER(value_umask)},
    {.name = "nice", OTHER(value_nice)},
    {.name = "limit", OTHER(value_limit)},
    {.name = "timeout", TIME(timeout, 1000)},
    {.name = "kill-after", TIME(kill_after, 0)},
    {.name = "stderr", OTHER(value_standard_error)},
    {.name = "no-env", FLAG(no_environment)},
    {.name = "no-new-privs", FLAG(no_new_privileges)},
    {.name = "dispatchers", NUMBER(dispatchers, 1, POOL_MAXIMUM)},
    {.name = "drain-timeout", TIME(drain_timeout, 0)},
    {.name = "supervisor-user", TEXT(supervisor_user, "a user, as USER or USER:GROUP")},
    {.name = "control", SOCKET(control)},
    {.name = "metrics", OTHER(value_metrics)},
    {.name = "takeover", SOCKET(takeover)},
    {.name = "ready-fd", OTHER(value_ready_descriptor)},
    {.name = "pid-file", TEXT(pid_file, "the path of a file")},
    {.name = "log-format", OTHER(value_log_format)},
    {.name = "verbose", .letter = 'v', COUNT(verbosity)},
    {.name = "help", .letter = 'h', FLAG(help)},
    {.name = "version", FLAG(version)},
};

enum { SETTINGS = sizeof(settings) / sizeof(*settings) };

const char *setting_name(const struct setting *setting)
{
    return setting->name;
}

bool setting_takes_word(const struct setting *setting)
{
    return setting->kind != SETTING_FLAG && setting->kind != SETTING_COUNT;
}

const struct setting *setting_lettered(char letter)
{
    for (size_t i = 0; i < SETTINGS; i++)
        if (settings[i].letter == letter)
            return &settings[i];
    return NULL;
}

const struct setting *setting_named(const char *name, size_t length, const struct setting **other)
{
    const struct setting *found = NULL;

    *other = NULL;
    for (size_t i = 0; i < SETTINGS; i++) {
        if (strncmp(settings[i].name, name, length) != 0)
            continue;
        if (settings[i].name[length] == '\0') {
            *other = NULL;
            return &settings[i];
        }
        if (found == NULL)
            found = &settings[i];
        else if (*other == NULL)
            *other = &settings[i];
    }
    return found;
}

static bool apply_number(const struct setting *setting, uint32_t *value, const char *word,
                         char *expected)
{
    uint64_t number;

    (void)snprintf(expected, SETTING_TEXT_MAXIMUM, "expected a whole number from %u%s to %u",
                   setting->least, setting->remark == NULL ? "" : setting->remark, setting->most);
    if (!parse_number(word, setting->most, &number) || number < setting->least)
        return false;
    *value = (uint32_t)number;
    return true;
}

static bool apply_time(const struct setting *setting, uint64_t *value, const char *word,
                       char *expected)
{
    uint64_t time;

    (void)snprintf(expected, SETTING_TEXT_MAXIMUM,
                   "expected a time %sup to a year, such as 30, 500ms, 1.5m or 2h",
                   setting->least == 0 ? "" : "from 1ms ");
    if (!parse_time(word, &time) || time < setting->least)
        return false;
    *value = time;
    return true;
}

/* What would not fit later is refused here, where it can be told which option it was. */
static bool apply_text(const struct setting *setting, const char **value, const char *word,
                       char *expected)
{
    bool fits = strlen(word) <= setting->most;
    char length[40] = "";

    if (!fits)
        (void)snprintf(length, sizeof(length), ", of %u bytes at most", setting->most);
    (void)snprintf(expected, SETTING_TEXT_MAXIMUM, "expected %s%s", setting->remark, length);
    if (!fits || *word == '\0')
        return false;
    *value = word;
    return true;
}

static bool apply_other(const struct setting *setting, struct options *options, char *word,
                        char *expected)
{
    const char *text = setting->value(options, word);

    if (text != NULL)
        (void)snprintf(expected, SETTING_TEXT_MAXIMUM, "%s", text);
    return text == NULL;
}

bool setting_apply(const struct setting *setting, struct options *options, char *word,
                   char expected[SETTING_TEXT_MAXIMUM])
{
    void *value = (char *)options + setting->member;

    switch (setting->kind) {
    case SETTING_FLAG:
        *(bool *)value = true;
        return true;
    case SETTING_COUNT:
        ++*(uint32_t *)value;
        return true;
    case SETTING_NUMBER:
        return apply_number(setting, value, word, expected);
    case SETTING_TIME:
        return apply_time(setting, value, word, expected);
    case SETTING_TEXT:
        return apply_text(setting, value, word, expected);
    case SETTING_OTHER:
        break;
    }
    return apply_other(setting, options, word, expected);
}
