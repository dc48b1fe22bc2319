/*
 * The value of one option, on the first line its name and then the value: what is taken is within
 * what is said to be accepted, and read again as it is printed; of what is not, a sentence says
 * what would be.
 */
#include "supervisor/options/table.h"

#include "supervisor/base/parse.h"

#include "tests/fuzz/shared/fuzz.h"
#include "tests/fuzz/shared/options.h"

#include <inttypes.h>
#include <math.h>
#include <sys/resource.h>

/* ---- printed and read again ---- */

static void check_number(const char *word)
{
    char printed[24];
    uint64_t number = 0;
    uint64_t again = 1;

    if (!parse_number(word, UINT64_MAX, &number))
        return;
    (void)snprintf(printed, sizeof(printed), "%" PRIu64, number);
    HOLDS(parse_number(printed, number, &again) && again == number);
    HOLDS(number == 0 || !parse_number(printed, number - 1, &again));
}

static void check_decimal(const char *word)
{
    double number = 0;
    double again = -1;
    char printed[64];

    if (!parse_decimal(word, &number))
        return;
    HOLDS(isfinite(number) && number >= 0);
    (void)snprintf(printed, sizeof(printed), "%" PRIu64, (uint64_t)number);
    HOLDS(parse_decimal(printed, &again) && again <= number && again > number - 1);
}

/* To the millisecond, which is what is promised to be told apart. */
static void check_time(const char *word)
{
    uint64_t time = 0;
    uint64_t again = 1;
    char printed[40];

    if (!parse_time(word, &time))
        return;
    (void)snprintf(printed, sizeof(printed), "%" PRIu64 "ms", time / 1000);
    HOLDS(parse_time(printed, &again) && again == time / 1000 * 1000);
}

static void check_mode(const char *word)
{
    uint32_t mode = 0;
    uint32_t again = 1;
    char printed[16];

    if (!parse_mode(word, &mode))
        return;
    HOLDS(mode <= 0777);
    (void)snprintf(printed, sizeof(printed), "%o", mode);
    HOLDS(parse_mode(printed, &again) && again == mode);
}

static void print_limit(char *printed, size_t size, uint64_t value)
{
    if (value == RLIM_INFINITY)
        (void)snprintf(printed, size, "unlimited");
    else
        (void)snprintf(printed, size, "%" PRIu64, value);
}

static bool enters(struct options *options, const char *name, char *word)
{
    char expected[TABLE_EXPECTED_MAXIMUM];
    const struct value_entry *other;

    return table_apply(table_named(name, strlen(name), &other), options, word, expected);
}

static void check_limit(char *word)
{
    struct options options = {0};
    struct options again = {0};
    char soft[24];
    char hard[24];
    char printed[80];

    if (!enters(&options, "limit", word)) {
        HOLDS(memcmp(options.limits, again.limits, sizeof(again.limits)) == 0);
        return;
    }
    for (int i = 0; i < SETUP_LIMITS; i++) {
        const struct setup_limit *limit = &options.limits[i];

        if (limit->given == 0)
            continue;
        print_limit(soft, sizeof(soft), limit->soft);
        print_limit(hard, sizeof(hard), limit->hard);
        (void)snprintf(printed, sizeof(printed), "%.*s=%s:%s", (int)strcspn(word, "="), word, soft,
                       hard);
        HOLDS(enters(&again, "limit", printed));
    }
    HOLDS(memcmp(options.limits, again.limits, sizeof(again.limits)) == 0);
}

static void check_message(char *word)
{
    static char escaped[2 * OPTIONS_BUSY_MAXIMUM + 1];
    static struct options options;
    static struct options again;
    const struct options_busy *busy = &options.busy;
    size_t length = 0;

    if (!enters(&options, "busy-message", word) || options.files[OPTIONS_FILE_BUSY] != NULL)
        return;
    for (size_t i = 0; i < busy->length; i++) {
        char byte = busy->text[i];

        if (byte == '\n' || byte == '\r' || byte == '\\' || byte == '@')
            escaped[length++] = '\\';
        escaped[length++] = (char)(byte == '\n' ? 'n' : byte == '\r' ? 'r' : byte);
    }
    escaped[length] = '\0';
    HOLDS(enters(&again, "busy-message", escaped) && again.files[OPTIONS_FILE_BUSY] == NULL);
    HOLDS(again.busy.length == busy->length &&
          memcmp(again.busy.text, busy->text, busy->length) == 0);
}

/* ---- as an option ---- */

static void check_entry(const char *name, char *word)
{
    const struct value_entry *other;
    const struct value_entry *entry = table_named(name, strlen(name), &other);
    struct options options;
    char expected[TABLE_EXPECTED_MAXIMUM] = "";

    HOLDS(entry != NULL || other == NULL);
    if (entry == NULL)
        return;
    HOLDS(strncmp(entry->name, name, strlen(name)) == 0);
    table_defaults(&options);
    if (table_apply(entry, &options, table_takes_value(entry) ? word : NULL, expected))
        options_check(&options);
    else
        HOLDS(strncmp(expected, "expected ", 9) == 0 || strstr(expected, "prefix length") != NULL ||
              strstr(expected, ": expected ") != NULL);
    options_forget(&options);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    char *name = fuzz_take_string(&input);
    char *word = fuzz_take_string(&input);

    check_entry(name, word);
    check_number(word);
    check_decimal(word);
    check_time(word);
    check_mode(word);
    check_limit(word);
    check_message(word);
    free(name);
    free(word);
    return 0;
}
