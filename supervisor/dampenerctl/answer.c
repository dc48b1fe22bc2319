#include "supervisor/dampenerctl/answer.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool begins_with(const char *line, size_t length, const char *name)
{
    size_t own = strlen(name);

    return length > own && memcmp(line, name, own) == 0 && line[own] == ' ';
}

bool answer_open(struct answer *answer, const char *bytes, size_t length)
{
    *answer = (struct answer){bytes, length};
    return begins_with(bytes, length, "version") && bytes[length - 1] == '\n';
}

/* Copies the value of the line with this number among those with this name, cut to the size of the
 * buffer.  Returns how many lines with this name come before it. */
static size_t find(const struct answer *answer, const char *name, size_t number,
                   char value[ANSWER_TEXT])
{
    const char *line = answer->bytes;
    const char *end = line + answer->length;
    size_t before = 0;

    *value = '\0';
    while (line < end) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        size_t length = (size_t)((newline == NULL ? end : newline) - line);

        if (begins_with(line, length, name) && before++ == number) {
            (void)snprintf(value, ANSWER_TEXT, "%.*s", (int)(length - strlen(name) - 1),
                           line + strlen(name) + 1); /* cut, also at a 0 */
            return number;
        }
        line += length + 1;
    }
    return before;
}

/* Reads a word that is a number, and moves behind it and one blank. */
static double take_number(char **at)
{
    char *word = strsep(at, " ");
    char *end = word;
    double number = word == NULL ? 0 : strtod(word, &end);

    return end == word || *end != '\0' ? (double)NAN : number;
}

double answer_number(const struct answer *answer, const char *name)
{
    char value[ANSWER_TEXT];
    char *at = value;

    (void)find(answer, name, 0, value); /* an empty value is an unknown number */
    return strcmp(value, "no limit") == 0 ? (double)INFINITY : take_number(&at);
}

const char *answer_text(const struct answer *answer, const char *name, char text[ANSWER_TEXT])
{
    (void)find(answer, name, 0, text);
    return text;
}

size_t answer_rows(const struct answer *answer, const char *name)
{
    char value[ANSWER_TEXT];

    return find(answer, name, SIZE_MAX, value);
}

bool answer_row(const struct answer *answer, const char *name, size_t number, double counts[2],
                char text[ANSWER_TEXT])
{
    char value[ANSWER_TEXT];
    char *at = value;

    if (find(answer, name, number, value) < number || *value == '\0')
        return false;
    counts[0] = take_number(&at);
    counts[1] = take_number(&at);
    (void)snprintf(text, ANSWER_TEXT, "%s", at == NULL ? "" : at);
    return true;
}
