#include "supervisor/server/greeting.h"

#include "dispatcher/shared/log.h"
#include "dispatcher/shared/text.h"
#include "supervisor/base/address.h"

#include <string.h>
#include <unistd.h>

bool greeting_is_wanted(const struct options *options)
{
    return options->log_format == LOG_FORMAT_TEXT && options->ready_descriptor < 0 &&
           isatty(STDERR_FILENO) == 1;
}

static bool is_wildcard(const struct endpoint *local)
{
    static const unsigned char none[sizeof(local->address)];

    return local->family != AF_UNIX && memcmp(local->address, none, sizeof(none)) == 0;
}

static void add_place(struct text *text, const struct listener *listener)
{
    char name[LISTENER_TEXT];

    if (is_wildcard(&listener->local))
        text_add(text, "port %u of every address", listener->local.port);
    else
        text_add(text, "%s", listener_text(listener, name));
}

static void write_place(const struct options *options, const struct listeners *listeners)
{
    char line[LOG_LINE_MAXIMUM];
    const char *separator = "listening on ";
    struct text text;

    text_open(&text, line, sizeof(line));
    for (size_t i = 0; i < listeners->count; i++) {
        if (listeners->list[i].retired)
            continue;
        text_add(&text, "%s", separator);
        add_place(&text, &listeners->list[i]);
        separator = ", ";
    }
    if (options->processes == UNLIMITED)
        text_add(&text, "; any number of handlers at a time");
    else
        text_add(&text, "; %u handler%s at a time (--processes)", options->processes,
                 options->processes == 1 ? "" : "s");
    log_write(LOG_LEVEL_PLAIN, "%s", line);
}

/* Returns the first listener that clients can find by themselves; NULL: all are abstract. */
static const struct listener *find(const struct listeners *listeners)
{
    for (size_t i = 0; i < listeners->count; i++) {
        const struct listener *each = &listeners->list[i];

        if (!each->retired && (each->path == NULL || *each->path != '@'))
            return each;
    }
    return NULL;
}

/* Writes an address that this machine reaches the listener by. */
static const char *reachable(const struct options *options, const struct endpoint *local,
                             char text[INET6_ADDRSTRLEN])
{
    bool ipv6_only = (options->ipv6 && !options->ipv4) || options->address_count > 1;

    if (!is_wildcard(local))
        return address_text(local, text);
    return local->family == AF_INET6 && ipv6_only ? "::1" : "127.0.0.1";
}

void greeting_write(const struct options *options, const struct listeners *listeners)
{
    const struct listener *listener = find(listeners);
    char text[INET6_ADDRSTRLEN];

    write_place(options, listeners);
    if (listener != NULL && listener->path != NULL)
        log_write(LOG_LEVEL_PLAIN, "try it:    nc -U %s", listener->path);
    else if (listener != NULL)
        log_write(LOG_LEVEL_PLAIN, "try it:    nc %s %u",
                  reachable(options, &listener->local, text), listener->local.port);
    if (options->control != NULL)
        log_write(LOG_LEVEL_PLAIN, "watch it:  dampenerctl %s top", options->control);
    else
        log_write(LOG_LEVEL_PLAIN, "watch it:  start it with --control PATH, then: dampenerctl "
                                   "PATH top");
    log_write(LOG_LEVEL_PLAIN, "end it:    Ctrl-C");
}
