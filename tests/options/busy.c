/*
 * --busy-message: what is a text, what is a file, and what is neither.
 */
#include "supervisor/options/table.h"

#include "tests/shared/check.h"

#include <stdbool.h>
#include <string.h>

static struct options options;

static bool enters(const char *word)
{
    static char copy[OPTIONS_BUSY_MAXIMUM + 2];
    char expected[TABLE_EXPECTED_MAXIMUM];
    const struct value_entry *other;

    strcpy(copy, word);
    return table_apply(table_named("busy-message", 12, &other), &options, copy, expected);
}

static bool is_text(const char *word, const char *text, size_t length)
{
    return enters(word) && options.files[OPTIONS_FILE_BUSY] == NULL &&
           options.busy.length == length && memcmp(options.busy.text, text, length) == 0;
}

static bool is_file(const char *word)
{
    return enters(word) && options.files[OPTIONS_FILE_BUSY] != NULL &&
           strcmp(options.files[OPTIONS_FILE_BUSY], word + 1) == 0 && options.busy.length == 0;
}

int main(void)
{
    static char longest[OPTIONS_BUSY_MAXIMUM + 2];

    CHECK(is_text("", "", 0));
    CHECK(is_text("busy", "busy", 4));
    CHECK(is_text("a\\r\\nb\\\\n", "a\r\nb\\n", 6));
    CHECK(is_text("\\@file", "@file", 5));
    CHECK(is_text("@ERROR: try again later\\n", "@ERROR: try again later\n", 24));
    CHECK(is_file("@file"));
    CHECK(is_file("@/a b"));
    CHECK(is_file("@./a b"));
    CHECK(is_file("@../a b"));
    CHECK(is_text("busy", "busy", 4));
    CHECK(!enters("@"));
    CHECK(!enters("\\"));
    CHECK(!enters("a\\"));
    CHECK(!enters("\\t"));
    CHECK(options.busy.length == 4 && options.files[OPTIONS_FILE_BUSY] == NULL); /* as it was */
    memset(longest, 'x', OPTIONS_BUSY_MAXIMUM);
    CHECK(is_text(longest, longest, OPTIONS_BUSY_MAXIMUM));
    longest[OPTIONS_BUSY_MAXIMUM] = 'x';
    CHECK(!enters(longest));
    return CHECK_RESULT();
}
