#include "supervisor/base/nearest.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static int folded(char letter)
{
    if (letter == '_')
        return '-';
    return letter >= 'A' && letter <= 'Z' ? letter - 'A' + 'a' : letter;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Computes the next row of the table of distances between all beginnings of two words (optimal
 * string alignment).  `rows` are the row before the last, the last row, and the next row; `i` is
 * the number of the next. */
static void compute(const struct nearest *nearest, const char *word, size_t length, size_t i,
                    size_t *const rows[3])
{
    const char *typed = nearest->typed;

    rows[2][0] = i;
    for (size_t j = 1; j <= length; j++) {
        bool same = folded(typed[i - 1]) == folded(word[j - 1]);
        bool exchanged = i > 1 && j > 1 && folded(typed[i - 1]) == folded(word[j - 2]) &&
                         folded(typed[i - 2]) == folded(word[j - 1]);
        size_t distance = least(rows[1][j], rows[2][j - 1]) + 1;

        distance = least(distance, rows[1][j - 1] + !same);
        rows[2][j] = exchanged ? least(distance, rows[0][j - 2] + 1) : distance;
    }
}

static size_t distance_to(const struct nearest *nearest, const char *word, size_t length)
{
    size_t memory[3][NEAREST_LONGEST + 1];

    for (size_t j = 0; j <= length; j++)
        memory[0][j] = j;
    for (size_t i = 1; i <= nearest->length; i++)
        compute(nearest, word, length, i,
                (size_t *const[]){memory[(i + 1) % 3], memory[(i + 2) % 3], memory[i % 3]});
    return memory[nearest->length % 3][length];
}

/* Returns the largest distance at which a word is near. */
static size_t bound(size_t length)
{
    return length < 3 ? 0 : length < 5 ? 1 : length < 9 ? 2 : length / 3;
}

struct nearest nearest_to(const char *typed, size_t length)
{
    return (struct nearest){.typed = typed, .length = length};
}

void nearest_try(struct nearest *nearest, const char *word)
{
    size_t length = strlen(word);
    bool begins = nearest->length >= 3 && strncasecmp(word, nearest->typed, nearest->length) == 0;
    size_t distance;

    if (nearest->length > NEAREST_LONGEST || length > NEAREST_LONGEST ||
        (length == nearest->length && memcmp(word, nearest->typed, length) == 0))
        return;
    distance = distance_to(nearest, word, length);
    if (begins)
        distance = least(distance, 1);
    if (distance > bound(nearest->length) ||
        (nearest->word != NULL && distance >= nearest->distance))
        return;
    nearest->word = word;
    nearest->distance = distance;
}

const char *nearest_text(const struct nearest *nearest, const char *prefix, char text[NEAREST_TEXT])
{
    text[0] = '\0';
    if (nearest->word != NULL)
        (void)snprintf(text, NEAREST_TEXT, " (did you mean %s%s?)", prefix, nearest->word);
    return text;
}
