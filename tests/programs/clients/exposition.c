/*
 * exposition - reads metrics from standard input, as exposition.h does.
 *
 * With bytes of 0 between them there may be several, of which each counter is to be no less than in
 * the one before.  Says on standard error in which line what is wrong, and exits with 1 then; else
 * prints how many samples there were in all.
 */
#include "tests/shared/exposition.h"

enum { TEXT = 64 << 20 };

static void compare(const struct exposition *before, const struct exposition *now)
{
    for (unsigned i = 0; i < now->count; i++) {
        const struct sample *sample = &now->samples[i];

        for (unsigned j = 0; j < before->count; j++)
            if (sample->rises && strcmp(before->samples[j].key, sample->key) == 0 &&
                sample->value < before->samples[j].value)
                refuse("%s has fallen from %g to %g", sample->key, before->samples[j].value,
                       sample->value);
    }
}

int main(void)
{
    static struct exposition read[2];
    char *text = malloc(TEXT);
    size_t length = text == NULL ? TEXT : fread(text, 1, TEXT - 1, stdin);
    unsigned samples = 0;
    int now = 0;

    if (length >= TEXT - 1)
        refuse("there is too much");
    text[length] = '\0';
    if (length == 0)
        refuse("there is nothing");
    for (size_t at = 0; at < length; now = 1 - now) {
        size_t size = strlen(text + at);

        read_exposition(&read[now], text + at);
        compare(&read[1 - now], &read[now]);
        samples += read[now].count;
        at += size + 1;
    }
    printf("%u samples\n", samples);
    free(text);
    return 0;
}
