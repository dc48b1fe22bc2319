/*
 * An operator's request, of a line or of HTTP: the same question whatever pieces it comes in, and
 * nothing in it that could not be shown.
 */
#include "supervisor/control/question.h"

#include "tests/fuzz/shared/fuzz.h"

static bool is_status(unsigned status)
{
    return status == 200 || status == 400 || status == 405 || status == 431 || status == 505;
}

static void check_words(const struct question *question, const char *bytes, size_t size)
{
    size_t length = strlen(question->words);

    /* An address without a path means this one. */
    HOLDS((question->words >= bytes && question->words + length <= bytes + size) ||
          strcmp(question->words, "/") == 0);
    HOLDS(length > 0);
    for (size_t i = 0; i < length; i++)
        HOLDS((unsigned char)question->words[i] >= ' ' || question->words[i] == '\t');
    if (question->http)
        HOLDS(*question->words == '/' && strchr(question->words, '?') == NULL &&
              strchr(question->words, ' ') == NULL);
}

/* Whether it is complete with these bytes, of which `bytes` has room for one more. */
static bool read_question(struct question *question, char *bytes, size_t size, bool ended,
                          bool only_http)
{
    if (!question_read(question, bytes, size, ended, only_http))
        return false;
    HOLDS((question->words == NULL) == (question->error != NULL));
    HOLDS(is_status(question->status) && (question->status == 200) == (question->error == NULL));
    HOLDS(question->http || !only_http);
    HOLDS(question->http || !question->only_head);
    if (question->error == NULL)
        check_words(question, bytes, size);
    return true;
}

static bool is_same(const struct question *one, const struct question *other)
{
    return one->status == other->status && one->http == other->http &&
           one->only_head == other->only_head && one->error == other->error &&
           (one->words == NULL) == (other->words == NULL) &&
           (one->words == NULL || strcmp(one->words, other->words) == 0);
}

/* All that there is room for, and then the end. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    uint8_t first = fuzz_take_byte(&input);
    size_t step = 1 + first % 64;
    bool only_http = (first & 0x80) != 0;
    size_t length = input.left < QUESTION_MAXIMUM ? input.left : QUESTION_MAXIMUM;
    char *whole = malloc(length + 1);
    char *pieces = malloc(length + 1);
    struct question at_once;
    struct question in_pieces;
    size_t came = 0;

    HOLDS(whole != NULL && pieces != NULL);
    if (length > 0) {
        memcpy(whole, input.at, length);
        memcpy(pieces, input.at, length);
    }
    HOLDS(read_question(&at_once, whole, length, true, only_http));
    do {
        came = came + step < length ? came + step : length;
    } while (!read_question(&in_pieces, pieces, came, false, only_http) && came < length);
    if (came == length)
        memcpy(pieces, input.at, length);
    if (came < length || read_question(&in_pieces, pieces, length, true, only_http))
        HOLDS(is_same(&at_once, &in_pieces));
    free(whole);
    free(pieces);
    return 0;
}
