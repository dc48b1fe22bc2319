/*
 * Limits on what a process may use: their names, their values, and what is neither.
 */
#include "supervisor/options/table.h"

#include "tests/shared/check.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

/* Enters the value of one --limit; returns NULL, or what is accepted. */
static const char *enter(struct options *options, const char *word)
{
    static char expected[TABLE_EXPECTED_MAXIMUM];
    const struct value_entry *other;
    char copy[128];

    (void)snprintf(copy, sizeof(copy), "%s", word);
    return table_apply(table_named("limit", 5, &other), options, copy, expected) ? NULL : expected;
}

/* Whether the word limits that resource, and no other, so. */
static bool gives(const char *word, int resource, uint64_t soft, uint64_t hard)
{
    struct options options = {0};
    const struct setup_limit *limits = options.limits;
    size_t given = 0;

    if (enter(&options, word) != NULL)
        return false;
    for (size_t i = 0; i < SETUP_LIMITS; i++)
        given += limits[i].given;
    return given == 1 && limits[resource].given == 1 && limits[resource].soft == soft &&
           limits[resource].hard == hard;
}

/* Whether it is not taken, changes nothing, and the message holds that text. */
static bool refuses(const char *word, const char *text)
{
    const struct options nothing = {0};
    struct options options = {0};
    const char *message = enter(&options, word);

    return message != NULL && strstr(message, text) != NULL &&
           memcmp(options.limits, nothing.limits, sizeof(nothing.limits)) == 0;
}

static void check_names(void)
{
    CHECK(gives("as=1", RLIMIT_AS, 1, 1));
    CHECK(gives("core=1", RLIMIT_CORE, 1, 1));
    CHECK(gives("cpu=1", RLIMIT_CPU, 1, 1));
    CHECK(gives("data=1", RLIMIT_DATA, 1, 1));
    CHECK(gives("fsize=1", RLIMIT_FSIZE, 1, 1));
    CHECK(gives("locks=1", RLIMIT_LOCKS, 1, 1));
    CHECK(gives("memlock=1", RLIMIT_MEMLOCK, 1, 1));
    CHECK(gives("msgqueue=1", RLIMIT_MSGQUEUE, 1, 1));
    CHECK(gives("nice=1", RLIMIT_NICE, 1, 1));
    CHECK(gives("nofile=1", RLIMIT_NOFILE, 1, 1));
    CHECK(gives("nproc=1", RLIMIT_NPROC, 1, 1));
    CHECK(gives("rss=1", RLIMIT_RSS, 1, 1));
    CHECK(gives("rtprio=1", RLIMIT_RTPRIO, 1, 1));
    CHECK(gives("rttime=1", RLIMIT_RTTIME, 1, 1));
    CHECK(gives("sigpending=1", RLIMIT_SIGPENDING, 1, 1));
    CHECK(gives("stack=1", RLIMIT_STACK, 1, 1));
    CHECK(refuses("file=1", "as, core, cpu, data, fsize, locks, memlock, msgqueue, nice, nofile, "
                            "nproc, rss, rtprio, rttime, sigpending and stack"));
    CHECK(refuses("no=1", "expected NAME=") && refuses("nofiles=1", "expected NAME="));
    CHECK(refuses("NOFILE=1", "expected NAME=") && refuses(" nofile=1", "expected NAME="));
    CHECK(refuses("=1", "expected NAME=") && refuses("", "expected NAME="));
    CHECK(refuses("nofile", "expected NAME=") && refuses("nofile:1", "expected NAME="));
}

/* The words that completions offer are the names of all resources. */
static void check_offered(void)
{
    const struct value_entry *other;
    const struct value_entry *entry = table_named("limit", strlen("limit"), &other);
    struct options options = {0};
    size_t given = 0;

    for (const char *const *word = entry->words; *word != NULL; word++) {
        char value[32];

        (void)snprintf(value, sizeof(value), "%s1", *word);
        CHECK(enter(&options, value) == NULL);
    }
    for (size_t i = 0; i < SETUP_LIMITS; i++)
        given += options.limits[i].given;
    CHECK(given == SETUP_LIMITS);
}

static void check_values(void)
{
    CHECK(gives("nofile=64:256", RLIMIT_NOFILE, 64, 256));
    CHECK(gives("core=0:unlimited", RLIMIT_CORE, 0, RLIM_INFINITY));
    CHECK(gives("core=unlimited", RLIMIT_CORE, RLIM_INFINITY, RLIM_INFINITY));
    CHECK(gives("core=unlimited:unlimited", RLIMIT_CORE, RLIM_INFINITY, RLIM_INFINITY));
    CHECK(gives("as=1K:1M", RLIMIT_AS, 1024, 1048576));
    CHECK(gives("as=1G:1T", RLIMIT_AS, 1073741824, 1099511627776));
    CHECK(gives("as=1023K:1M", RLIMIT_AS, 1047552, 1048576));
    CHECK(gives("as=0T", RLIMIT_AS, 0, 0));
    CHECK(refuses("as=2:1", "soft limit is above the hard"));
    CHECK(refuses("as=unlimited:1T", "soft limit is above the hard"));
    CHECK(refuses("as=1M:1023K", "soft limit is above the hard"));
    CHECK(refuses("as=", "expected NAME=") && refuses("as=:", "expected NAME="));
    CHECK(refuses("as=1:", "expected NAME=") && refuses("as=:1", "expected NAME="));
    CHECK(refuses("as=1:2:3", "expected NAME=") && refuses("as==1", "expected NAME="));
    CHECK(refuses("as=-1", "expected NAME=") && refuses("as=+1", "expected NAME="));
    CHECK(refuses("as= 1", "expected NAME=") && refuses("as=1 ", "expected NAME="));
    CHECK(refuses("as=1k", "expected NAME=") && refuses("as=1KB", "expected NAME="));
    CHECK(refuses("as=K", "expected NAME=") && refuses("as=1.5G", "expected NAME="));
    CHECK(refuses("as=0x1", "expected NAME=") && refuses("as=Unlimited", "expected NAME="));
    CHECK(refuses("as=unlimitedK", "expected NAME=") && refuses("as=infinity", "expected NAME="));
}

/* The largest limit there is, and what does not fit. */
static void check_range(void)
{
    CHECK(gives("as=18446744073709551614", RLIMIT_AS, RLIM_INFINITY - 1, RLIM_INFINITY - 1));
    CHECK(refuses("as=18446744073709551615", "expected NAME=")); /* the number of "unlimited" */
    CHECK(refuses("as=18446744073709551616", "expected NAME="));
    CHECK(refuses("as=100000000000000000000000000000", "expected NAME="));
    CHECK(gives("as=16777215T", RLIMIT_AS, 16777215ULL << 40, 16777215ULL << 40));
    CHECK(refuses("as=16777216T", "expected NAME="));
    CHECK(refuses("as=18014398509481984K", "expected NAME="));
    CHECK(refuses("as=1:18446744073709551616", "expected NAME="));
}

/* Each resource has a limit of its own; of one that is given again, the last counts. */
static void check_repetition(void)
{
    struct options options = {0};
    const struct setup_limit *limits = options.limits;

    CHECK(enter(&options, "nofile=1:2") == NULL);
    CHECK(enter(&options, "core=3") == NULL);
    CHECK(enter(&options, "nofile=4") == NULL);
    CHECK(enter(&options, "nofile=5:x") != NULL);
    CHECK(limits[RLIMIT_NOFILE].soft == 4 && limits[RLIMIT_NOFILE].hard == 4);
    CHECK(limits[RLIMIT_CORE].soft == 3 && limits[RLIMIT_CORE].hard == 3);
}

int main(void)
{
    check_names();
    check_offered();
    check_values();
    check_range();
    check_repetition();
    return CHECK_RESULT();
}
