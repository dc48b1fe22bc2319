#include "supervisor/options/limit.h"

#include "supervisor/base/parse.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>

/* One more than the most letters of a value: 20 digits and a unit. */
enum { VALUE_MAXIMUM = 22 };

static_assert((int)RLIM_NLIMITS == SETUP_LIMITS, "the names below are not all resources");

static const char expected[] =
    "expected NAME=SOFT or NAME=SOFT:HARD, each limit a whole number, with or without K, M, G or T "
    "behind it, or unlimited, and NAME one of as, core, cpu, data, fsize, locks, memlock, "
    "msgqueue, nice, nofile, nproc, rss, rtprio, rttime, sigpending and stack";

/* The number of the resource whose name is the first `length` letters of `name`; or SETUP_LIMITS.
 */
static size_t resource_named(const char *name, size_t length)
{
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

/* How many bits a unit shifts a number; 0 if the letter is none. */
static unsigned unit_bits(char letter)
{
    switch (letter) {
    case 'K':
        return 10;
    case 'M':
        return 20;
    case 'G':
        return 30;
    case 'T':
        return 40;
    default:
        return 0;
    }
}

/* Reads the first `length` letters of `text`. */
static bool parse_value(const char *text, size_t length, uint64_t *value)
{
    char word[VALUE_MAXIMUM];
    unsigned bits;
    uint64_t number;

    if (length == 0 || length >= sizeof(word))
        return false;
    memcpy(word, text, length);
    word[length] = '\0';
    if (strcmp(word, "unlimited") == 0) {
        *value = RLIM_INFINITY;
        return true;
    }
    bits = unit_bits(word[length - 1]);
    if (bits != 0)
        word[length - 1] = '\0';
    /* The number that means no limit is nobody's limit. */
    if (!parse_number(word, (RLIM_INFINITY - 1) >> bits, &number))
        return false;
    *value = number << bits;
    return true;
}

const char *limit_parse(struct setup_limit limits[SETUP_LIMITS], const char *word)
{
    size_t length = strcspn(word, "=");
    size_t resource = resource_named(word, length);
    struct setup_limit limit = {.given = 1};
    const char *soft = word + length + 1;
    size_t soft_length;

    if (word[length] == '\0' || resource == SETUP_LIMITS)
        return expected;
    soft_length = strcspn(soft, ":");
    if (!parse_value(soft, soft_length, &limit.soft))
        return expected;
    limit.hard = limit.soft;
    if (soft[soft_length] == ':' &&
        !parse_value(soft + soft_length + 1, strlen(soft + soft_length + 1), &limit.hard))
        return expected;
    if (limit.soft > limit.hard)
        return "the soft limit is above the hard one: expected NAME=SOFT:HARD, the lower one first";
    limits[resource] = limit;
    return NULL;
}
