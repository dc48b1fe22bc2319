#include "supervisor/options/value.h"

#include "supervisor/base/parse.h"
#include "supervisor/options/busy.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Copies the first `length` letters of `from` to `part`; returns whether there are any, and they
 * fit. */
static bool cut(char *part, size_t size, const char *from, size_t length)
{
    if (length == 0 || length >= size)
        return false;
    memcpy(part, from, length);
    part[length] = '\0';
    return true;
}

/* ---- sockets ---- */

const char *value_place(struct options *options, char *word)
{
    static const char unix_prefix[] = "unix:";
    const char *path = word + strlen(unix_prefix);

    if (strcmp(word, "systemd") == 0) {
        options->place = OPTIONS_SYSTEMD;
    } else if (strncmp(word, unix_prefix, strlen(unix_prefix)) == 0) {
        if (*path == '\0' || strlen(path) > OPTIONS_SOCKET_PATH)
            return "expected the path of a socket behind unix:, of " PARSE_SPELLED(
                OPTIONS_SOCKET_PATH) " bytes at most";
        options->place = OPTIONS_UNIX;
        options->unix_path = path;
    } else if (!parse_port(word, &options->port)) {
        return "expected a number from 0 to 65535, the name of a TCP service, unix:PATH, or "
               "systemd";
    }
    return NULL;
}

const char *value_address(struct options *options, char *word)
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

/* Checks only that there is a port; what stands before it may be a host name. */
const char *value_metrics(struct options *options, char *word)
{
    const char *colon = strrchr(word, ':');
    bool bracketed = *word == '[';
    uint64_t port;

    if (colon == NULL || !parse_number(colon + 1, UINT16_MAX, &port) ||
        (bracketed ? colon < word + 2 || colon[-1] != ']' : colon != strchr(word, ':')))
        return "expected ADDRESS:PORT, such as 127.0.0.1:9100 or [::1]:9100; without ADDRESS it "
               "means every address of this machine";
    options->metrics = word;
    return NULL;
}

const char *value_ready_descriptor(struct options *options, char *word)
{
    uint64_t number;

    if (!parse_number(word, INT32_MAX, &number) || fcntl((int)number, F_GETFD) < 0 ||
        number == STDIN_FILENO || number == STDERR_FILENO)
        return "expected the number of an open descriptor, other than 0 and 2";
    options->ready_descriptor = (int)number;
    return NULL;
}

/* ---- admission ---- */

const char *value_allow(struct options *options, char *word)
{
    return access_rules_add(&options->access, true, word, 0);
}

const char *value_deny(struct options *options, char *word)
{
    return access_rules_add(&options->access, false, word, 0);
}

const char *value_busy_message(struct options *options, char *word)
{
    struct busy_message message;
    const char *wrong = busy_parse(&message, word);

    if (wrong == NULL)
        options->busy_message = word;
    return wrong;
}

/* Reads "V4" or "V4,V6". */
const char *value_source_prefix(struct options *options, char *word)
{
    size_t length = strcspn(word, ",");
    char ipv4[4];
    uint64_t bits;
    uint64_t ipv6_bits = options->ipv6_prefix;

    if (!cut(ipv4, sizeof(ipv4), word, length) || !parse_number(ipv4, 32, &bits) ||
        (word[length] == ',' && !parse_number(word + length + 1, 128, &ipv6_bits)))
        return "expected one or two prefix lengths, such as 32,64: up to 32 for IPv4, up to 128 "
               "for IPv6";
    options->ipv4_prefix = (uint32_t)bits;
    options->ipv6_prefix = (uint32_t)ipv6_bits;
    return NULL;
}

const char *value_load_average(struct options *options, char *word)
{
    struct options_gate gate = {.given = strcmp(word, "none") != 0};

    if (gate.given && !parse_decimal(word, &gate.limit))
        return "expected a number of 0 or more, such as 4 or 2.5";
    options->gates[OPTIONS_GATE_LOAD] = gate;
    return NULL;
}

/* Reads "NAME=PERCENT" and enters it. */
static bool enter_pressure(struct options_gate *gates, const char *word)
{
    static const char *const names[OPTIONS_GATES] = {
        [OPTIONS_GATE_CPU] = "cpu=",
        [OPTIONS_GATE_MEMORY] = "memory=",
        [OPTIONS_GATE_IO] = "io=",
    };

    for (int i = OPTIONS_GATE_CPU; i < OPTIONS_GATES; i++) {
        double percent;

        if (strncmp(word, names[i], strlen(names[i])) != 0)
            continue;
        if (gates[i].given || !parse_decimal(word + strlen(names[i]), &percent) || percent > 100)
            return false;
        gates[i] = (struct options_gate){.given = true, .limit = percent};
        return true;
    }
    return false;
}

const char *value_pressure(struct options *options, char *word)
{
    struct options_gate gates[OPTIONS_GATES] = {
        [OPTIONS_GATE_LOAD] = options->gates[OPTIONS_GATE_LOAD],
    };
    const char *rest = word;

    do {
        char pressure[32];
        size_t length = strcspn(rest, ",");

        if (!cut(pressure, sizeof(pressure), rest, length) || !enter_pressure(gates, pressure))
            return "expected one or more of cpu=P, memory=P and io=P with commas between, each "
                   "once, P a percentage up to 100";
        rest += length;
    } while (*rest++ == ',');
    memcpy(options->gates, gates, sizeof(gates));
    return NULL;
}

/* Reads "N" or "N/TIME". */
const char *value_rate(struct options *options, char *word)
{
    size_t length = strcspn(word, "/");
    uint64_t number;
    uint64_t period = 1000000;
    char count[8];

    if (strcmp(word, "none") == 0) {
        options->rate = UNLIMITED;
        return NULL;
    }
    if (!cut(count, sizeof(count), word, length) ||
        !parse_number(count, OPTIONS_RATE_MAXIMUM, &number) || number == 0 ||
        (word[length] == '/' && (!parse_time(word + length + 1, &period) || period < 1000 ||
                                 period > OPTIONS_RATE_PERIOD_MAXIMUM)))
        return "expected N or N/TIME, such as 20 or 100/1m, with N from 1 to " PARSE_SPELLED(
            OPTIONS_RATE_MAXIMUM) " and TIME from 1ms to 24h";
    options->rate = (uint32_t)number;
    options->rate_period = period;
    return NULL;
}

/* ---- handlers ---- */

const char *value_nice(struct options *options, char *word)
{
    bool negative = *word == '-';
    uint64_t number;

    if (!parse_number(negative ? word + 1 : word, negative ? 20 : 19, &number))
        return "expected a whole number from -20 to 19";
    options->nice = negative ? -(int32_t)number : (int32_t)number;
    options->has_nice = true;
    return NULL;
}

/* Returns the number of the resource whose name is the first `length` letters of `name`; or
 * SETUP_LIMITS. */
static size_t resource_named(const char *name, size_t length)
{
    static_assert((int)RLIM_NLIMITS == SETUP_LIMITS, "the names below are not all resources");
    static const char *const names[SETUP_LIMITS] = {
        [RLIMIT_AS] = "as",
        [RLIMIT_CORE] = "core",
        [RLIMIT_CPU] = "cpu",
        [RLIMIT_DATA] = "data",
        [RLIMIT_FSIZE] = "fsize",
        [RLIMIT_LOCKS] = "locks",
        [RLIMIT_MEMLOCK] = "memlock",
        [RLIMIT_MSGQUEUE] = "msgqueue",
        [RLIMIT_NICE] = "nice",
        [RLIMIT_NOFILE] = "nofile",
        [RLIMIT_NPROC] = "nproc",
        [RLIMIT_RSS] = "rss",
        [RLIMIT_RTPRIO] = "rtprio",
        [RLIMIT_RTTIME] = "rttime",
        [RLIMIT_SIGPENDING] = "sigpending",
        [RLIMIT_STACK] = "stack",
    };
    size_t i = 0;

    while (i < SETUP_LIMITS && (strlen(names[i]) != length || strncmp(names[i], name, length) != 0))
        i++;
    return i;
}

/* Reads the first `length` letters of `text`: a number of up to 20 digits, with or without a unit,
 * or "unlimited". */
static bool parse_limit(const char *text, size_t length, uint64_t *value)
{
    static const char units[] = "KMGT"; /* each 1024 times the one before */
    char word[22];
    const char *unit;
    unsigned bits = 0;
    uint64_t number;

    if (!cut(word, sizeof(word), text, length))
        return false;
    if (strcmp(word, "unlimited") == 0) {
        *value = RLIM_INFINITY;
        return true;
    }
    unit = strchr(units, word[length - 1]);
    if (unit != NULL) {
        bits = 10 * (unsigned)(unit - units + 1);
        word[length - 1] = '\0';
    }
    /* RLIM_INFINITY itself is no limit, so a number must be below it. */
    if (!parse_number(word, (RLIM_INFINITY - 1) >> bits, &number))
        return false;
    *value = number << bits;
    return true;
}

/* Reads "NAME=SOFT" or "NAME=SOFT:HARD".  SOFT alone is both limits. */
const char *value_limit(struct options *options, char *word)
{
    static const char expected[] =
        "expected NAME=SOFT or NAME=SOFT:HARD, each limit a whole number, with or without K, M, G "
        "or T behind it, or unlimited, and NAME one of as, core, cpu, data, fsize, locks, memlock, "
        "msgqueue, nice, nofile, nproc, rss, rtprio, rttime, sigpending and stack";
    size_t length = strcspn(word, "=");
    size_t resource = resource_named(word, length);
    struct setup_limit limit = {.given = 1};
    const char *soft = word + length + 1;
    size_t soft_length;

    if (word[length] == '\0' || resource == SETUP_LIMITS)
        return expected;
    soft_length = strcspn(soft, ":");
    if (!parse_limit(soft, soft_length, &limit.soft))
        return expected;
    limit.hard = limit.soft;
    if (soft[soft_length] == ':' &&
        !parse_limit(soft + soft_length + 1, strlen(soft + soft_length + 1), &limit.hard))
        return expected;
    if (limit.soft > limit.hard)
        return "the soft limit is above the hard one: expected NAME=SOFT:HARD, the lower one first";
    options->limits[resource] = limit;
    return NULL;
}
