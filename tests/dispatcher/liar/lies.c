#include "tests/dispatcher/liar/lies.h"

#include "dispatcher/shared/log.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static const struct lie *find(const char *word)
{
    static const struct lie *const lists[] = {ready_lies,   start_lies,    packet_lies,
                                              conduct_lies, question_lies, NULL};

    for (const struct lie *const *list = lists; *list != NULL; list++)
        for (const struct lie *each = *list; each->word != NULL; each++)
            if (strcmp(each->word, word) == 0)
                return each;
    log_die(2, "liar: no such lie: %s", word);
}

const struct lie *lie_of(unsigned place)
{
    const char *words = getenv("LIARS");
    char *rest = words == NULL ? NULL : strdup(words);
    char *word = rest == NULL ? NULL : strtok(rest, " ");
    const struct lie *found;

    for (unsigned i = place; i > 0 && word != NULL; i--)
        word = strtok(NULL, " ");
    found = word == NULL ? NULL : find(word);
    free(rest);
    return found;
}
