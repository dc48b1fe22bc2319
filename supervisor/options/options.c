#include "supervisor/options/options.h"

#include "supervisor/base/loop.h"
#include "supervisor/options/setting.h"
#include "supervisor/options/value.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

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

static const struct setting *setting_by_name(const char *name, size_t length)
{
    const struct setting *other;
    const struct setting *found = setting_named(name, length, &other);

    if (found == NULL)
        (void)wrong("--%.*s: no such option", (int)length, name);
    else if (other != NULL)
        (void)wrong("--%.*s: ambiguous, it could be --%s or --%s", (int)length, name,
                    setting_name(found), setting_name(other));
    return other == NULL ? found : NULL;
}

static bool apply(const struct setting *setting, struct options *options, char *word)
{
    char expected[SETTING_TEXT_MAXIMUM];

    return setting_apply(setting, options, word, expected) ||
           wrong("--%s: '%s': %s", setting_name(setting), word == NULL ? "" : word, expected);
}

/* "--name", "--name=word" or "--name word"; moves *argv past what it used. */
static bool parse_long(struct options *options, char *const **argv)
{
    char *name = *(*argv)++ + 2;
    size_t length = strcspn(name, "=");
    const struct setting *setting = setting_by_name(name, length);
    char *word = name[length] == '=' ? name + length + 1 : NULL;

    if (setting == NULL)
        return false;
    if (!setting_takes_word(setting) && word != NULL)
        return wrong("--%s: takes no value, but was given '%s'", setting_name(setting), word);
    if (setting_takes_word(setting) && word == NULL) {
        word = **argv;
        if (word == NULL)
            return wrong("--%s: needs a value", setting_name(setting));
        (*argv)++;
    }
    return apply(setting, options, word);
}

/* "-v", or several in one word: none of them takes a value. */
static bool parse_short(struct options *options, char *const **argv)
{
    for (const char *letter = *(*argv)++ + 1; *letter != '\0'; letter++) {
        const struct setting *setting = setting_lettered(*letter);
        if (setting == NULL)
            return wrong("-%c: no such option", *letter);
        if (!apply(setting, options, NULL))
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
    const char *expected;

    if (!parse_options(options, &argv))
        return false;
    if (options->help || options->version)
        return true;
    skip_separator(&argv);
    if (*argv == NULL)
        return wrong("PORT and CMD are missing");
    expected = value_place(options, *argv);
    if (expected != NULL)
        return wrong("PORT: '%s': %s", *argv, expected);
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

/* Which options mean nothing for which PORT. */
static bool check_place(const struct options *options)
{
    const bool tcp = options->place == OPTIONS_TCP;
    const bool local = options->place == OPTIONS_UNIX;
    const char *place = local ? "unix:PATH" : "systemd";
    const struct {
        const char *option;
        bool wrong;
    } given[] = {
        {"--address", !tcp && options->address_count > 0},
        {"--ipv4", !tcp && options->ipv4},
        {"--ipv6", !tcp && options->ipv6},
        {"--defer-accept", !tcp && options->defer_accept > 0},
        {"--reuse-port", !tcp && options->reuse_port},
        {"--free-bind", !tcp && options->free_bind},
        {"--bind-to-device", !tcp && options->device != NULL},
        {"--nodelay", local && options->no_delay},
        {"--allow, --deny", local && options->access.count > 0},
        {"--access-file", local && options->access_file != NULL},
    };

    for (size_t i = 0; i < sizeof(given) / sizeof(*given); i++)
        if (given[i].wrong)
            return wrong("%s: not with %s as PORT", given[i].option, place);
    if (!local && options->has_socket_mode)
        return wrong("--socket-mode: only with unix:PATH as PORT");
    return local || options->socket_owner == NULL ||
           wrong("--socket-owner: only with unix:PATH as PORT");
}

bool options_parse(struct options *options, char *const *argv)
{
    *options = (struct options){
        .processes = 1,
        .queue = OPTIONS_QUEUE_MAXIMUM,
        .per_source = OPTIONS_NONE,
        .per_source_queue = OPTIONS_NONE,
        .ipv4_prefix = 32,
        .ipv6_prefix = 64,
        .rate = OPTIONS_NONE,
        .kill_after = 5 * (uint64_t)LOOP_SECOND,
        .drain_timeout = 30 * (uint64_t)LOOP_SECOND,
        .ready_descriptor = -1,
    };
    return parse_words(options, argv + 1) &&
           (options->help || options->version || check_place(options));
}
