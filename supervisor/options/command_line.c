#include "supervisor/options/command_line.h"

#include "supervisor/base/nearest.h"
#include "supervisor/options/table.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#ifndef VERSION
#error "VERSION must be set"
#endif

/* ---- reading ---- */

struct reader {
    struct options *options;
    char *const *argv; /* the words that are left */
    bool wrong;        /* a value was, and was reported */
};

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

/* Returns the option that a mistyped name may have been meant to be. */
static struct nearest near(const char *name, size_t length)
{
    struct nearest nearest = nearest_to(name, length);
    const struct value_entry *entry;

    for (size_t i = 0; (entry = table_at(i)) != NULL && entry->section != VALUE_IGNORED; i++)
        nearest_try(&nearest, entry->name);
    return nearest;
}

static void unknown_name(const char *name, size_t length)
{
    const struct nearest nearest = near(name, length);
    char meant[NEAREST_TEXT];

    (void)wrong("--%.*s: no such option%s", (int)length, name, nearest_text(&nearest, "--", meant));
}

static const struct value_entry *find(const char *name, size_t length)
{
    const struct value_entry *other;
    const struct value_entry *found = table_named(name, length, &other);

    if (found == NULL)
        unknown_name(name, length);
    else if (other != NULL)
        (void)wrong("--%.*s: ambiguous, it could be --%s or --%s", (int)length, name, found->name,
                    other->name);
    return other == NULL ? found : NULL;
}

/* Behind --check-config, a wrong value does not end the reading. */
static bool apply(struct reader *reader, const struct value_entry *entry, char *word)
{
    char expected[TABLE_EXPECTED_MAXIMUM];

    table_give(entry, reader->options);
    if (table_apply(entry, reader->options, word, expected))
        return true;
    reader->wrong = true;
    (void)wrong("--%s: '%s': %s", entry->name, word == NULL ? "" : word, expected);
    return reader->options->check;
}

/* Reads "--name", "--name=word" or "--name word". */
static bool parse_long(struct reader *reader)
{
    char *name = *reader->argv++ + 2;
    size_t length = strcspn(name, "=");
    const struct value_entry *entry = find(name, length);
    char *word = name[length] == '=' ? name + length + 1 : NULL;

    if (entry == NULL)
        return false;
    if (!table_takes_value(entry) && word != NULL)
        return wrong("--%s: takes no value, but was given '%s'", entry->name, word);
    if (table_takes_value(entry) && word == NULL) {
        word = *reader->argv;
        if (word == NULL)
            return wrong("--%s: needs a value", entry->name);
        reader->argv++;
    }
    return apply(reader, entry, word);
}

/* Reports a letter that is no option: a dash may be missing before a name. */
static bool unknown_letter(char letter, const char *name)
{
    size_t length = strcspn(name, "=");
    const struct value_entry *other;
    const struct value_entry *entry = length > 2 ? table_named(name, length, &other) : NULL;
    struct nearest nearest = near(name, length);
    char meant[NEAREST_TEXT];

    if (entry != NULL && other == NULL)
        nearest.word = entry->name;
    return wrong("-%c: no such option%s", letter, nearest_text(&nearest, "--", meant));
}

/* Reads "-v", or several letters in one word: no option with a letter has a value. */
static bool parse_short(struct reader *reader)
{
    const char *word = *reader->argv++ + 1;

    for (const char *letter = word; *letter != '\0'; letter++) {
        const struct value_entry *entry = table_lettered(*letter);
        if (entry == NULL)
            return unknown_letter(*letter, word);
        if (!apply(reader, entry, NULL))
            return false;
    }
    return true;
}

static bool is_option(const char *word)
{
    /* A negative number is a wrong PORT rather than an unknown option. */
    return word != NULL && word[0] == '-' && word[1] != '\0' &&
           strchr("0123456789.", word[1]) == NULL && strcmp(word, "--") != 0;
}

/* Reads options up to the first word that is no option, and skips a "--" there. */
static bool parse_options(struct reader *reader)
{
    const struct options *options = reader->options;

    while (is_option(*reader->argv) && !options->help && !options->version)
        if (!((*reader->argv)[1] == '-' ? parse_long(reader) : parse_short(reader)))
            return false;
    if (*reader->argv != NULL && strcmp(*reader->argv, "--") == 0)
        reader->argv++;
    return true;
}

/* Reads PORT. */
static bool parse_place(struct reader *reader)
{
    const char *word = *reader->argv++;
    const char *expected = value_place(reader->options, word);
    struct nearest nearest = nearest_to(word, strlen(word));
    char meant[NEAREST_TEXT];

    nearest_try(&nearest, "systemd");
    return expected == NULL ||
           wrong("PORT: '%s': %s%s", word, expected, nearest_text(&nearest, "", meant));
}

/* Refuses options that mean nothing for this kind of PORT. */
static bool check_places(const struct reader *reader)
{
    const enum options_place place = reader->options->place;
    const struct value_entry *entry;

    for (size_t i = 0; (entry = table_at(i)) != NULL; i++) {
        if (!table_is_given(entry, reader->options) || entry->places == 0 ||
            (entry->places >> place & 1) != 0)
            continue;
        if (entry->places == 1u << OPTIONS_UNIX)
            return wrong("--%s: only with unix:PATH as PORT", entry->name);
        return wrong("--%s: not with %s as PORT", entry->name,
                     place == OPTIONS_UNIX ? "unix:PATH" : "systemd");
    }
    return true;
}

/* Refuses options that mean nothing with, or without, workers. */
static bool check_workers(const struct reader *reader)
{
    const struct options *options = reader->options;
    const struct value_entry *entry;

    if (options->persistent && options->standard_error == SETUP_STANDARD_ERROR_SOCKET)
        return wrong("--stderr: 'socket': not with --persistent, where a worker has many clients");
    for (size_t i = 0; !options->persistent && (entry = table_at(i)) != NULL; i++)
        if (entry->of_workers && table_is_given(entry, options))
            return wrong("--%s: only with --persistent", entry->name);
    return true;
}

bool command_line_parse(struct options *options, char *const *argv)
{
    struct reader reader = {.options = options, .argv = argv + 1};

    table_defaults(options);
    if (!parse_options(&reader))
        return false;
    if (options->help || options->version)
        return !reader.wrong;
    if (*reader.argv == NULL)
        return wrong("PORT and CMD are missing");
    if (!parse_place(&reader) || !parse_options(&reader))
        return false;
    if (options->help || options->version)
        return !reader.wrong;
    if (*reader.argv == NULL)
        return wrong("CMD is missing: the command to run for each connection");
    if (**reader.argv == '\0')
        return wrong("CMD: '': expected a command");
    options->command = reader.argv;
    return check_places(&reader) && check_workers(&reader) && !reader.wrong;
}

/* ---- help ---- */

enum { WIDTH = 79, INDENT = 24, TEXT_MAXIMUM = 512 };

static const char introduction[] =
    "Usage: socket-burst-dampener [OPTION]... PORT [OPTION]... [--] CMD [ARG]...\n"
    "\n"
    "Accepts every connection to PORT at once, queues it, and serves the queue in\n"
    "order of arrival with a bounded number of handlers: CMD, run for each\n"
    "connection as under inetd, with the client on standard input and output.\n"
    "\n"
    "  PORT                  a number, 0 for any free port; the name of a service;\n"
    "                        unix:PATH; or systemd, for sockets that systemd passes\n"
    "  CMD [ARG]...          from CMD on, every word belongs to the command\n"
    "\n"
    "TIME is a number with ms, s, m or h behind it, or of seconds.\n";

static const char example[] =
    "\n"
    "Example:\n"
    "  socket-burst-dampener 873 --processes $(nproc) --load-average $(nproc) \\\n"
    "      --abandon half-close -- rsync --daemon\n";

/* Prints the words of `text` in lines that begin at INDENT; the first one has begun. */
static void print_wrapped(const char *text, int column)
{
    while (*text != '\0') {
        int length = (int)strcspn(text, " ");

        if (column > INDENT && column + 1 + length > WIDTH)
            column = printf("\n%*s", INDENT, "") - 1;
        column += printf("%s%.*s", column > INDENT ? " " : "", length, text);
        text += length + (text[length] == ' ');
    }
}

/* Prints the name of an option and its value, up to the right column. */
static int print_name(const struct value_entry *entry)
{
    int column = entry->letter != 0 ? printf("  -%c, --%s", entry->letter, entry->name)
                                    : printf("  --%s", entry->name);

    if (entry->placeholder != NULL)
        column += printf(" %s", entry->placeholder);
    for (size_t i = 0;
         entry->placeholder == NULL && entry->words != NULL && entry->words[i] != NULL; i++)
        column += printf("%c%s", i == 0 ? ' ' : '|', entry->words[i]);
    if (column > INDENT - 2) {
        (void)putchar('\n');
        column = 0;
    }
    return column + printf("%*s", INDENT - column, "");
}

static void print_entry(const struct value_entry *entry)
{
    char text[TEXT_MAXIMUM];
    bool told = entry->initial != NULL && strcmp(entry->initial, "none") != 0;

    (void)snprintf(text, sizeof(text), "%s%s%s%s", entry->help,
                   entry->repeated ? "; may be given several times" : "", told ? "; default " : "",
                   told ? entry->initial : "");
    print_wrapped(text, print_name(entry));
    (void)putchar('\n');
}

/* Looks whether everything was written. */
static bool is_printed(void)
{
    return fflush(stdout) == 0 && ferror(stdout) == 0;
}

bool command_line_help(void)
{
    static const char *const titles[] = {
        [VALUE_LISTENING] = "Listening",
        [VALUE_ADMISSION] = "Admission",
        [VALUE_HANDLERS] = "Handlers",
        [VALUE_RUNNING] = "Running",
    };
    int section = -1;
    const struct value_entry *entry;

    (void)fputs(introduction, stdout);
    for (size_t i = 0; (entry = table_at(i)) != NULL && entry->section != VALUE_IGNORED; i++) {
        if ((int)entry->section != section)
            (void)printf("\n%s:\n", titles[entry->section]);
        section = (int)entry->section;
        print_entry(entry);
    }
    (void)fputs(example, stdout);
    return is_printed();
}

bool command_line_version(void)
{
    (void)puts("socket-burst-dampener " VERSION);
    return is_printed();
}
