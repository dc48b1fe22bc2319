/*
 * --busy-message: what is a text, what is a file, and what is neither.
 */
#include "supervisor/options/busy.h"

#include "tests/shared/check.h"

#include <stdbool.h>
#include <string.h>

static struct busy_message message;

static bool is_text(const char *word, const char *text, size_t length)
{
    return busy_file(word) == NULL && busy_parse(&message, word) == NULL &&
           message.length == length && memcmp(message.text, text, length) == 0;
}

static bool is_file(const char *word)
{
    return busy_parse(&message, word) == NULL && busy_file(word) != NULL &&
           strcmp(busy_file(word), word + 1) == 0 && message.length == 0;
}

int main(void)
{
    static char longest[BUSY_MAXIMUM + 2];

    CHECK(is_text("", "", 0));
    CHECK(is_text("busy", "busy", 4));
    CHECK(is_text("a\\r\\nb\\\\n", "a\r\nb\\n", 6));
    CHECK(is_text("\\@file", "@file", 5));
    CHECK(is_text("@ERROR: try again later\\n", "@ERROR: try again later\n", 24));
    CHECK(is_file("@file"));
    CHECK(is_file("@/a b"));
    CHECK(is_file("@./a b"));
    CHECK(is_file("@../a b"));
    CHECK(busy_parse(&message, "@") != NULL);
    CHECK(busy_parse(&message, "\\") != NULL);
    CHECK(busy_parse(&message, "a\\") != NULL);
    CHECK(busy_parse(&message, "\\t") != NULL);
    memset(longest, 'x', BUSY_MAXIMUM);
    CHECK(is_text(longest, longest, BUSY_MAXIMUM));
    longest[BUSY_MAXIMUM] = 'x';
    CHECK(busy_parse(&message, longest) != NULL);
    return CHECK_RESULT();
}
