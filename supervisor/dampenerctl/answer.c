#include "supervisor/dampenerctl/answer.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Returns the value of a line with this name, or NULL if the line has another name. */
static const char *value_of(const char *line, const char *name)
{
    size_t length = strlen(name);

    return strncmp(line, name, length) == 0 && line[length] == ' ' ? line + length + 1 : NULL;
}

bool answer_is_sound(const char *answer)
{
    return value_of(answer, "version") != NULL && answer[strlen(answer) - 1] == '\n';
}

/* Copies the value of the line with this number among those with this name, cut to the size of the
 * buffer.  Returns how many lines with this name come before it. */
static size_t find(const char *answer, const char *name, size_t number, char value[ANSWER_TEXT])
{
    size_t before = 0;

    *value = '\0';
    for (const char *line = answer; *line != '\0'; line += strcspn(line, "\n") + 1) {
        const char *found = value_of(line, name);

        if (found != NULL && before++ == number) {
            (void)snprintf(value, ANSWER_TEXT, "%.*s", (int)strcspn(found, "\n"), found);
            return number;
        }
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

double answer_number(const char *answer, const char *name)
{
    char value[ANSWER_TEXT];
    char *at = value;

    (void)find(answer, name, 0, value); /* an empty value is an unknown number */
    return strcmp(value, "no limit") == 0 ? (double)INFINITY : take_number(&at);
}

const char *answer_text(const char *answer, const char *name, char text[ANSWER_TEXT])
{
    (void)find(answer, name, 0, text);
    return text;
}

size_t answer_rows(const char *answer, const char *name)
{
    char value[ANSWER_TEXT];

    return find(answer, name, SIZE_MAX, value);
}

bool answer_row(const char *answer, const char *name, size_t number, double counts[2],
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
