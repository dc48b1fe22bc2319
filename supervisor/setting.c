#include "supervisor/setting.h"

#include "supervisor/busy.h"
#include "supervisor/parse.h"
#include "supervisor/pool.h"
#include "supervisor/rate.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum setting_kind {
    SETTING_FLAG,   /* a bool becomes true */
    SETTING_COUNT,  /* a uint32_t becomes one more */
    SETTING_NUMBER, /* a uint32_t, from `least` to `most` */
    SETTING_TIME,   /* a uint64_t of microseconds, from `least` on */
    SETTING_TEXT,   /* a const char * */
    SETTING_OTHER   /* as `apply` does it */
};

struct setting {
    const char *name;
    char letter; /* the short form; 0: none */
    enum setting_kind kind;
    size_t member; /* of struct options: where it is */
    uint32_t least;
    uint32_t most;
    const char *remark; /* on the lowest number, for messages */
    /* Returns NULL, or what would have been accepted. */
    const char *(*apply)(struct options *options, char *word);
};

/* ---- options with a grammar of their own ---- */

static const char *apply_address(struct options *options, char *word)
{
    size_t count = options->address_count;
    char **addresses;

    if (*word == '\0')
        return "expected an address or host name";
    addresses = realloc(options->addresses, (count + 1) * sizeof(*addresses));
    if (addresses == NULL)
        return "out of memory";
    addresses[count] = word;
    options->addresses = addresses;
    options->address_count = count + 1;
    return NULL;
}

static const char *apply_backlog(struct options *options, char *word)
{
    (void)word; /* the Python program took any word */
    options->backlog = true;
    return NULL;
}

static const char *apply_when_full(struct options *options, char *word)
{
    options->refuse = strcmp(word, "refuse") == 0;
    return options->refuse || strcmp(word, "wait") == 0 ? NULL : "expected wait or refuse";
}

static const char *apply_busy_message(struct options *options, char *word)
{
    struct busy_message message;

    options->busy_message = word;
    return busy_parse(&message, word);
}

static const char *apply_order(struct options *options, char *word)
{
    options->fair = strcmp(word, "fair") == 0;
    return options->fair || strcmp(word, "arrival") == 0 ? NULL : "expected arrival or fair";
}

/* Reads "V4" or "V4,V6". */
static const char *apply_source_prefix(struct options *options, char *word)
{
    const char *expected = "expected one or two prefix lengths, such as 32,64: up to 32 for IPv4, "
                           "up to 128 for IPv6";
    const char *comma = strchr(word, ',');
    char ipv4[4] = "";
    uint64_t number;

    (void)snprintf(ipv4, sizeof(ipv4), "%.*s", (int)strcspn(word, ","), word);
    if (strcspn(word, ",") >= sizeof(ipv4) || !parse_number(ipv4, 32, &number))
        return expected;
    options->ipv4_prefix = (uint32_t)number;
    if (comma == NULL)
        return NULL;
    if (!parse_number(comma + 1, 128, &number))
        return expected;
    options->ipv6_prefix = (uint32_t)number;
    return NULL;
}

static const char *apply_load_average(struct options *options, char *word)
{
    if (!parse_decimal(word, &options->load_average))
        return "expected a number of 0 or more, such as 4 or 2.5";
    options->load_limited = true;
    return NULL;
}

/* Reads "NAME=PERCENT" and enters it. */
static bool apply_one_pressure(struct options_pressure *pressures, const char *word)
{
    static const char *const names[ADMISSION_PRESSURES] = {
        [ADMISSION_CPU] = "cpu=", [ADMISSION_MEMORY] = "memory=", [ADMISSION_IO] = "io="};

    for (int i = 0; i < ADMISSION_PRESSURES; i++) {
        double percent;

        if (strncmp(word, names[i], strlen(names[i])) != 0)
            continue;
        if (pressures[i].limited || !parse_decimal(word + strlen(names[i]), &percent) ||
            percent > 100)
            return false;
        pressures[i] = (struct options_pressure){.limited = true, .percent = percent};
        return true;
    }
    return false;
}

static const char *apply_pressure(struct options *options, char *word)
{
    struct options_pressure pressures[ADMISSION_PRESSURES] = {{.limited = false}};
    const char *rest = word;

    do {
        char one[32];
        size_t length = strcspn(rest, ",");

        (void)snprintf(one, sizeof(one), "%.*s", (int)length, rest);
        if (length >= sizeof(one) || !apply_one_pressure(pressures, one))
            return "expected one or more of cpu=P, memory=P and io=P with commas between, each "
                   "once, P a percentage up to 100";
        rest += length;
    } while (*rest++ == ',');
    memcpy(options->pressures, pressures, sizeof(pressures));
    return NULL;
}

/* Reads "N" or "N/TIME". */
static const char *apply_rate(struct options *options, char *word)
{
    static_assert(RATE_COUNT_MAXIMUM == 1000000, "the text below names it");
    const char *expected = "expected N or N/TIME, such as 20 or 100/1m, with N from 1 to 1000000 "
                           "and TIME from 1ms to 24h";
    const char *slash = strchr(word, '/');
    uint64_t number;
    uint64_t period = 1000000;
    char count[8];

    (void)snprintf(count, sizeof(count), "%.*s", (int)strcspn(word, "/"), word);
    if (strcspn(word, "/") >= sizeof(count) || !parse_number(count, RATE_COUNT_MAXIMUM, &number) ||
        number == 0)
        return expected;
    if (slash != NULL &&
        (!parse_time(slash + 1, &period) || period < 1000 || period > RATE_PERIOD_MAXIMUM))
        return expected;
    options->rate = (uint32_t)number;
    options->rate_period = period;
    return NULL;
}

static const char *apply_allow(struct options *options, char *word)
{
    return access_add(&options->access, true, word, 0);
}

static const char *apply_deny(struct options *options, char *word)
{
    return access_add(&options->access, false, word, 0);
}

static const char *apply_abandon(struct options *options, char *word)
{
    static const char *const names[] = {[OPTIONS_ABANDON_HANGUP] = "hangup",
                                        [OPTIONS_ABANDON_HALF_CLOSE] = "half-close",
                                        [OPTIONS_ABANDON_NEVER] = "never"};

    for (int i = OPTIONS_ABANDON_HANGUP; i <= OPTIONS_ABANDON_NEVER; i++) {
        if (strcmp(word, names[i]) != 0)
            continue;
        options->abandon = (enum options_abandon)i;
        return NULL;
    }
    return "expected hangup, half-close or never";
}

static const char *apply_ready_descriptor(struct options *options, char *word)
{
    uint64_t number;

    if (!parse_number(word, INT32_MAX, &number) || fcntl((int)number, F_GETFD) < 0 ||
        number == STDIN_FILENO || number == STDERR_FILENO)
        return "expected the number of an open descriptor, other than 0 and 2";
    options->ready_descriptor = (int)number;
    return NULL;
}

/* ---- all of them ---- */

#define AT(name)           .member = offsetof(struct options, name)
#define FLAG(name)         .kind = SETTING_FLAG, AT(name)
#define COUNT(name)        .kind = SETTING_COUNT, AT(name)
#define NUMBER(name, a, b) .kind = SETTING_NUMBER, AT(name), .least = (a), .most = (b)
#define TIME(name, a)      .kind = SETTING_TIME, AT(name), .least = (a)
#define TEXT(name)         .kind = SETTING_TEXT, AT(name)
#define OTHER(function)    .kind = SETTING_OTHER, .apply = (function)

static const struct setting settings[] = {
    {.name = "address", OTHER(apply_address)},
    {.name = "ipv4", FLAG(ipv4)},
    {.name = "ipv6", FLAG(ipv6)},
    {.name = "backlog", OTHER(apply_backlog)},
    {.name = "processes", NUMBER(processes, 0, OPTIONS_PROCESSES_MAXIMUM), .remark = " (no limit)"},
    {.name = "queue", NUMBER(queue, 0, OPTIONS_QUEUE_MAXIMUM)},
    {.name = "queue-timeout", TIME(queue_timeout, 1000)},
    {.name = "when-full", OTHER(apply_when_full)},
    {.name = "busy-message", OTHER(apply_busy_message)},
    {.name = "order", OTHER(apply_order)},
    {.name = "per-source", NUMBER(per_source, 1, OPTIONS_PROCESSES_MAXIMUM)},
    {.name = "per-source-queue", NUMBER(per_source_queue, 0, OPTIONS_QUEUE_MAXIMUM)},
    {.name = "source-prefix", OTHER(apply_source_prefix)},
    {.name = "load-average", OTHER(apply_load_average)},
    {.name = "pressure", OTHER(apply_pressure)},
    {.name = "rate", OTHER(apply_rate)},
    {.name = "allow", OTHER(apply_allow)},
    {.name = "deny", OTHER(apply_deny)},
    {.name = "access-file", TEXT(access_file)},
    {.name = "abandon", OTHER(apply_abandon)},
    {.name = "dispatchers", NUMBER(dispatchers, 1, POOL_MAXIMUM)},
    {.name = "drain-timeout", TIME(drain_timeout, 0)},
    {.name = "ready-fd", OTHER(apply_ready_descriptor)},
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

static bool apply_other(const struct setting *setting, struct options *options, char *word,
                        char *expected)
{
    const char *text = setting->apply(options, word);

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
        *(const char **)value = word;
        (void)snprintf(expected, SETTING_TEXT_MAXIMUM, "expected the path of a file");
        return *word != '\0';
    case SETTING_OTHER:
        break;
    }
    return apply_other(setting, options, word, expected);
}
