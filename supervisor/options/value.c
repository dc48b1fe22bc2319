#include "supervisor/options/value.h"

#include "supervisor/admission/rate.h"
#include "supervisor/base/parse.h"
#include "supervisor/options/busy.h"
#include "supervisor/options/limit.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *value_backlog(struct options *options, char *word)
{
    (void)word; /* the Python program took any word */
    options->backlog = true;
    return NULL;
}

const char *value_when_full(struct options *options, char *word)
{
    options->refuse = strcmp(word, "refuse") == 0;
    return options->refuse || strcmp(word, "wait") == 0 ? NULL : "expected wait or refuse";
}

const char *value_busy_message(struct options *options, char *word)
{
    struct busy_message message;

    options->busy_message = word;
    return busy_parse(&message, word);
}

const char *value_order(struct options *options, char *word)
{
    options->fair = strcmp(word, "fair") == 0;
    return options->fair || strcmp(word, "arrival") == 0 ? NULL : "expected arrival or fair";
}

/* Reads "V4" or "V4,V6". */
const char *value_source_prefix(struct options *options, char *word)
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

const char *value_load_average(struct options *options, char *word)
{
    struct options_gate *gate = &options->gates[ADMISSION_GATE_LOAD];

    gate->given = parse_decimal(word, &gate->limit);
    return gate->given ? NULL : "expected a number of 0 or more, such as 4 or 2.5";
}

/* Reads "NAME=PERCENT" and enters it. */
static bool enter_pressure(struct options_gate *gates, const char *word)
{
    static const char *const names[ADMISSION_GATES] = {
        [ADMISSION_GATE_CPU] = "cpu=",
        [ADMISSION_GATE_MEMORY] = "memory=",
        [ADMISSION_GATE_IO] = "io=",
    };

    for (int i = ADMISSION_GATE_CPU; i < ADMISSION_GATES; i++) {
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
    struct options_gate gates[ADMISSION_GATES] = {[ADMISSION_GATE_LOAD] =
                                                      options->gates[ADMISSION_GATE_LOAD]};
    const char *rest = word;

    do {
        char one[32];
        size_t length = strcspn(rest, ",");

        (void)snprintf(one, sizeof(one), "%.*s", (int)length, rest);
        if (length >= sizeof(one) || !enter_pressure(gates, one))
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

const char *value_allow(struct options *options, char *word)
{
    return access_rules_add(&options->access, true, word, 0);
}

const char *value_deny(struct options *options, char *word)
{
    return access_rules_add(&options->access, false, word, 0);
}

const char *value_abandon(struct options *options, char *word)
{
    static const char *const names[] = {
        [WATCH_HANGUP] = "hangup", [WATCH_HALF_CLOSE] = "half-close", [WATCH_NOTHING] = "never"};

    for (int i = WATCH_HANGUP; i <= WATCH_NOTHING; i++) {
        if (strcmp(word, names[i]) != 0)
            continue;
        options->abandon = (enum watch_sign)i;
        return NULL;
    }
    return "expected hangup, half-close or never";
}

const char *value_umask(struct options *options, char *word)
{
    if (!parse_mode(word, &options->umask))
        return "expected an octal number from 0 to 777, such as 022";
    options->has_umask = true;
    return NULL;
}

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

const char *value_limit(struct options *options, char *word)
{
    return limit_parse(options->limits, word);
}

const char *value_standard_error(struct options *options, char *word)
{
    static const char *const names[] = {[SETUP_STANDARD_ERROR_INHERIT] = "inherit",
                                        [SETUP_STANDARD_ERROR_SOCKET] = "socket",
                                        [SETUP_STANDARD_ERROR_NULL] = "null"};

    for (int i = SETUP_STANDARD_ERROR_INHERIT; i <= SETUP_STANDARD_ERROR_NULL; i++) {
        if (strcmp(word, names[i]) != 0)
            continue;
        options->standard_error = (enum setup_standard_error)i;
        return NULL;
    }
    return "expected inherit, socket or null";
}

const char *value_log_format(struct options *options, char *word)
{
    options->log_format = strcmp(word, "json") == 0 ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT;
    return options->log_format == LOG_FORMAT_JSON || strcmp(word, "text") == 0
               ? NULL
               : "expected text or json";
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
