/* Values of options that tell of sockets, and of PORT. */
#include "supervisor/base/parse.h"
#include "supervisor/options/value.h"

#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *value_address(struct options *options, char *word)
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

const char *value_place(struct options *options, char *word)
{
    static const char unix_prefix[] = "unix:";
    const char *path = word + strlen(unix_prefix);

    if (strcmp(word, "systemd") == 0) {
        options->place = OPTIONS_SYSTEMD;
    } else if (strncmp(word, unix_prefix, strlen(unix_prefix)) == 0) {
        if (*path == '\0' || strlen(path) > OPTIONS_SOCKET_PATH)
            return "expected the path of a socket behind unix:, of 107 bytes at most";
        options->place = OPTIONS_UNIX;
        options->unix_path = path;
    } else if (!parse_port(word, &options->port)) {
        return "expected a number from 0 to 65535, the name of a TCP service, unix:PATH, or "
               "systemd";
    }
    return NULL;
}

const char *value_bind_to_device(struct options *options, char *word)
{
    if (*word == '\0' || strlen(word) >= IFNAMSIZ)
        return "expected the name of a network interface, of 15 bytes at most";
    options->device = word;
    return NULL;
}

const char *value_socket_mode(struct options *options, char *word)
{
    if (!parse_mode(word, &options->socket_mode))
        return "expected an octal number from 0 to 777, such as 660";
    options->has_socket_mode = true;
    return NULL;
}

/* Only that there is a port; what stands before it may be a host name. */
const char *value_metrics(struct options *options, char *word)
{
    const char *colon = strrchr(word, ':');
    bool bracketed = *word == '[';
    uint64_t port;

    if (colon == NULL || !parse_number(colon + 1, UINT16_MAX, &port) ||
        (bracketed ? colon < word + 2 || colon[-1] != ']' : colon != strchr(word, ':')))
        return "expected ADDRESS:PORT, such as 127.0.0.1:9100 or [::1]:9100; without ADDRESS it "
               "means all of this machine";
    options->metrics = word;
    return NULL;
}
