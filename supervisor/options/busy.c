#include "supervisor/options/busy.h"

#include "supervisor/base/parse.h"

#include <string.h>

const char *busy_file(const char *word)
{
    if (*word != '@' || (word[1] != '/' && word[1] != '.' && strpbrk(word, " \t") != NULL))
        return NULL;
    return word + 1;
}

/* Returns the character that a backslash and `letter` stand for; 0 if there is none. */
static char unescaped(char letter)
{
    switch (letter) {
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case '\\':
    case '@':
        return letter;
    default:
        return '\0';
    }
}

const char *busy_parse(struct busy_message *message, const char *word)
{
    const char *expected =
        "expected a text of " PARSE_SPELLED(BUSY_MAXIMUM) " bytes at most, with \\n, \\r, \\\\ and "
                                                          "\\@ as the only escapes, or @FILE";

    message->length = 0;
    if (busy_file(word) != NULL)
        return *busy_file(word) == '\0' ? expected : NULL;
    for (; *word != '\0'; word++) {
        char letter = *word;

        if (letter == '\\')
            letter = unescaped(*++word);
        if (letter == '\0' || message->length == sizeof(message->text))
            return expected;
        message->text[message->length++] = letter;
    }
    return NULL;
}
