#include "supervisor/options.h"

#include "supervisor/loop.h"
#include "supervisor/parse.h"
#include "supervisor/pool.h"

#include <assert.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* An apply function takes the option's word, NULL if the option has none, and returns NULL, or what
 * it would have accepted. */
typedef const char *apply_function(struct options *options, char *word);

struct rule {
    const char *name;
    char letter; /* the short form; 0: none */
    bool word;   /* it takes one */
    apply_function *apply;
};

static const char *apply_address(struct options *options, char *word)
{
    size_t count = options->address_count;
    char **addresses;

    if (*word == '\0')
        return "expected an address or host name";
    addresses = realloc(options->addresses, (count + 1) * sizeof(*addresses));
    if (addresses == NULL)
        return "out of memory";
    addresses[count] = word;
    options->addresses = addresses;
    options->address_count = count + 1;
    return NULL;
}

static const char *apply_ipv4(struct options *options, char *word)
{
    (void)word;
    options->ipv4 = true;
    return NULL;
}

static const char *apply_ipv6(struct options *options, char *word)
{
    (void)word;
    options->ipv6 = true;
    return NULL;
}

static const char *apply_backlog(struct options *options, char *word)
{
    (void)word; /* the Python program took any word */
    options->backlog = true;
    return NULL;
}

static const char *apply_processes(struct options *options, char *word)
{
    uint64_t number;

    static_assert(OPTIONS_PROCESSES_MAXIMUM == 4194304, "the text below names it");
    if (!parse_number(word, OPTIONS_PROCESSES_MAXIMUM, &number))
        return "expected a whole number from 0 (no limit) to 4194304";
    options->processes = (uint32_t)number;
    return NULL;
}

static const char *apply_queue(struct options *options, char *word)
{
    uint64_t number;

    static_assert(OPTIONS_QUEUE_UNLIMITED == 4294967294, "the text below names it");
    if (!parse_number(word, OPTIONS_QUEUE_UNLIMITED, &number))
        return "expected a whole number from 0 to 4294967294";
    options->queue = (uint32_t)number;
    return NULL;
}

static const char *apply_load_average(struct options *options, char *word)
{
    if (!parse_decimal(word, &options->load_average))
        return "expected a number of 0 or more, such as 4 or 2.5";
    options->load_limited = true;
    return NULL;
}

static const char *apply_dispatchers(struct options *options, char *word)
{
    uint64_t number;

    static_assert(POOL_MAXIMUM == 64, "the text below names it");
    if (!parse_number(word, POOL_MAXIMUM, &number) || number == 0)
        return "expected a whole number from 1 to 64";
    options->dispatchers = (unsigned)number;
    return NULL;
}

static const char *apply_drain_timeout(struct options *options, char *word)
{
    if (!parse_time(word, &options->drain_timeout))
        return "expected a time up to a year, such as 30, 500ms, 1.5m or 2h";
    return NULL;
}

static const char *apply_ready_descriptor(struct options *options, char *word)
{
    uint64_t number;

    if (!parse_number(word, INT32_MAX, &number) || fcntl((int)number, F_GETFD) < 0 ||
        number == STDIN_FILENO || number == STDERR_FILENO)
        return "expected the number of an open descriptor, other than 0 and 2";
    options->ready_descriptor = (int)number;
    return NULL;
}

static const char *apply_verbose(struct options *options, char *word)
{
    (void)word;
    options->verbosity++;
    return NULL;
}

static const char *apply_help(struct options *options, char *word)
{
    (void)word;
    options->help = true;
    return NULL;
}

static const char *apply_version(struct options *options, char *word)
{
    (void)word;
    options->version = true;
    return NULL;
}

static const struct rule rules[] = {
    {.name = "address", .word = true, .apply = apply_address},
    {.name = "ipv4", .apply = apply_ipv4},
    {.name = "ipv6", .apply = apply_ipv6},
    {.name = "backlog", .word = true, .apply = apply_backlog},
    {.name = "processes", .word = true, .apply = apply_processes},
    {.name = "queue", .word = true, .apply = apply_queue},
    {.name = "load-average", .word = true, .apply = apply_load_average},
    {.name = "dispatchers", .word = true, .apply = apply_dispatchers},
    {.name = "drain-timeout", .word = true, .apply = apply_drain_timeout},
    {.name = "ready-fd", .word = true, .apply = apply_ready_descriptor},
    {.name = "verbose", .letter = 'v', .apply = apply_verbose},
    {.name = "help", .letter = 'h', .apply = apply_help},
    {.name = "version", .apply = apply_version},
};

enum { RULES = sizeof(rules) / sizeof(*rules) };

__attribute__((format(printf, 1, 2))) static bool wrong(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)fputs("socket-burst-dampener: ", stderr);
    (void)vfprintf(stderr, format, arguments);
    (void)fputs("; see --help\n", stderr);
    va_end(arguments);
    return false;
}

static const struct rule *rule_by_letter(char letter)
{
    for (size_t i = 0; i < RULES; i++)
        if (rules[i].letter == letter)
            return &rules[i];
    return NULL;
}

/* The rule whose name is, or alone begins with, the first `length` letters of `name`. */
static const struct rule *rule_by_name(const char *name, size_t length)
{
    const struct rule *found = NULL;

    for (size_t i = 0; i < RULES; i++) {
        if (strncmp(rules[i].name, name, length) != 0)
            continue;
        if (rules[i].name[length] == '\0')
            return &rules[i];
        if (found != NULL) {
            (void)wrong("--%.*s: ambiguous, it could be --%s or --%s", (int)length, name,
                        found->name, rules[i].name);
            return NULL;
        }
        found = &rules[i];
    }
    if (found == NULL)
        (void)wrong("--%.*s: no such option", (int)length, name);
    return found;
}

static bool apply(const struct rule *rule, struct options *options, char *word)
{
    const char *expected = rule->apply(options, word);

    return expected == NULL ||
           wrong("--%s: '%s': %s", rule->name, word == NULL ? "" : word, expected);
}

/* "--name", "--name=word" or "--name word"; moves *argv past what it used. */
static bool parse_long(struct options *options, char *const **argv)
{
    char *name = *(*argv)++ + 2;
    size_t length = strcspn(name, "=");
    const struct rule *rule = rule_by_name(name, length);
    char *word = name[length] == '=' ? name + length + 1 : NULL;

    if (rule == NULL)
        return false;
    if (!rule->word && word != NULL)
        return wrong("--%s: takes no value, but was given '%s'", rule->name, word);
    if (rule->word && word == NULL) {
        word = **argv;
        if (word == NULL)
            return wrong("--%s: needs a value", rule->name);
        (*argv)++;
    }
    return apply(rule, options, word);
}

/* "-v", or several in one word: none of them takes a value. */
static bool parse_short(struct options *options, char *const **argv)
{
    for (const char *letter = *(*argv)++ + 1; *letter != '\0'; letter++) {
        const struct rule *rule = rule_by_letter(*letter);
        if (rule == NULL)
            return wrong("-%c: no such option", *letter);
        if (!apply(rule, options, NULL))
            return false;
    }
    return true;
}

/* Options up to the first word that is none.  "-" and what looks like a negative number is none. */
static bool parse_options(struct options *options, char *const **argv)
{
    while (**argv != NULL && (**argv)[0] == '-' && (**argv)[1] != '\0' &&
           strchr("0123456789.", (**argv)[1]) == NULL && strcmp(**argv, "--") != 0) {
        if (!((**argv)[1] == '-' ? parse_long(options, argv) : parse_short(options, argv)))
            return false;
        if (options->help || options->version)
            return true;
    }
    return true;
}

static void skip_separator(char *const **argv)
{
    if (**argv != NULL && strcmp(**argv, "--") == 0)
        (*argv)++;
}

static bool parse_words(struct options *options, char *const *argv)
{
    if (!parse_options(options, &argv))
        return false;
    if (options->help || options->version)
        return true;
    skip_separator(&argv);
    if (*argv == NULL)
        return wrong("PORT and CMD are missing");
    if (!parse_port(*argv, &options->port))
        return wrong("PORT: '%s': expected a number from 0 to 65535 or the name of a TCP service",
                     *argv);
    argv++;
    if (!parse_options(options, &argv))
        return false;
    if (options->help || options->version)
        return true;
    skip_separator(&argv);
    if (*argv == NULL)
        return wrong("CMD is missing: the command to run for each connection");
    if (**argv == '\0')
        return wrong("CMD: '': expected a command");
    options->command = argv;
    return true;
}

bool options_parse(struct options *options, char *const *argv)
{
    *options = (struct options){
        .processes = 1,
        .queue = OPTIONS_QUEUE_UNLIMITED,
        .drain_timeout = 30 * (uint64_t)LOOP_SECOND,
        .ready_descriptor = -1,
    };
    return parse_words(options, argv + 1);
}
