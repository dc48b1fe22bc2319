/*
 * Whole command lines, a word a line: what is taken is within what is said to be accepted, and what
 * is not gets one line that says so.
 */
#include "supervisor/options/command_line.h"

#include "tests/fuzz/shared/fuzz.h"
#include "tests/fuzz/shared/options.h"

#include <stdbool.h>

static const char beginning[] = "socket-burst-dampener: ";
static const char end[] = "; see --help\n";

/* ---- words ---- */

struct words {
    char **list; /* NULL-terminated */
    size_t count;
};

static struct words take_words(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    struct words words = {.list = calloc(size + 3, sizeof(*words.list))};

    HOLDS(words.list != NULL);
    words.list[words.count++] = fuzz_copy("dampener", sizeof("dampener"));
    while (input.left > 0)
        words.list[words.count++] = fuzz_take_string(&input);
    return words;
}

static void free_words(const struct words *words)
{
    for (size_t i = 0; i < words->count; i++)
        free(words->list[i]);
    free(words->list);
}

static bool is_among(char *const *command, const struct words *words)
{
    return command >= words->list && command < words->list + words->count;
}

/* ---- what is said of them ---- */

/* Where standard error is no variable, what is said is not looked at. */
#ifdef __GLIBC__
#define SAID_IS_KEPT   1
#define SAY_TO(stream) (stderr = (stream))
#else
#define SAID_IS_KEPT   0
#define SAY_TO(stream) ((void)(stream))
#endif

static bool parse(struct options *options, const struct words *words, char **said, size_t *length)
{
    FILE *before = stderr;
    FILE *stream = open_memstream(said, length);
    bool right;

    HOLDS(stream != NULL);
    SAY_TO(stream);
    right = command_line_parse(options, words->list);
    SAY_TO(before);
    HOLDS(fclose(stream) == 0);
    return right;
}

static void check_line(const char *said, size_t length)
{
    HOLDS(length > strlen(beginning) + strlen(end));
    HOLDS(strncmp(said, beginning, strlen(beginning)) == 0);
    HOLDS(strcmp(said + length - strlen(end), end) == 0);
    HOLDS(strchr(said, '\n') == said + length - 1);
}

/* Behind --check-config there may be a line for each wrong value. */
static void check_lines(char *said)
{
    char *rest = said;

    for (char *line = rest; *line != '\0'; line = rest) {
        rest += strcspn(rest, "\n") + 1;
        HOLDS(strncmp(line, beginning, strlen(beginning)) == 0);
    }
}

/* Taken or not, once more it is the same. */
static void check_again(const struct options *options, const struct words *words, bool right)
{
    struct options again;
    char *said = NULL;
    size_t length = 0;

    HOLDS(parse(&again, words, &said, &length) == right);
    HOLDS(again.address_count == options->address_count && again.command == options->command);
    HOLDS(again.access.count == options->access.count && again.processes == options->processes);
    options_forget(&again);
    free(said);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct words words = take_words(data, size);
    struct options options;
    char *said = NULL;
    size_t length = 0;
    bool right = parse(&options, &words, &said, &length);

    HOLDS(!right || length == 0);
    if (!right && SAID_IS_KEPT && options.check)
        check_lines(said);
    else if (!right && SAID_IS_KEPT)
        check_line(said, length);
    if (right && !options.help && !options.version)
        HOLDS(is_among(options.command, &words) && **options.command != '\0');
    if (right)
        options_check(&options);
    check_again(&options, &words, right);
    options_forget(&options);
    free(said);
    free_words(&words);
    return 0;
}
