#include "dispatcher/environment.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

/* A connection has at most so many; the longest holds the path of a socket. */
enum { VARIABLES = 12, VARIABLE_MAXIMUM = 128 };

/* There is one for each handler that may be between clone and exec; their texts are apart, so that
 * those that are never needed take no memory. */
static char **places[PROTOCOL_SLOTS]; /* NULL-terminated: what was inherited, then texts */
static char texts[PROTOCOL_SLOTS][VARIABLES][VARIABLE_MAXIMUM];

static size_t kept; /* so much was inherited */
static bool bare;   /* nothing is added to it */

/* One that is being filled. */
struct environment {
    char **all;
    char (*texts)[VARIABLE_MAXIMUM];
    unsigned filled; /* of them */
};

/* What must not be inherited: sockets and notifications meant for the daemon (sd_listen_fds(3),
 * sd_notify(3)), and what an outer super-server said of another connection (UCSPI, systemd,
 * xinetd), which a handler would take for its own; nor what is said of this one below. */
static bool is_kept(const char *variable)
{
    static const char *const removed[] = {
        "LISTEN_FDS",      "LISTEN_PID",       "LISTEN_FDNAMES",  "LISTEN_PIDFDID",
        "NOTIFY_SOCKET",   "WATCHDOG_USEC",    "WATCHDOG_PID",    "PROTO",
        "TCPLOCALHOST",    "TCPLOCALIP",       "TCPLOCALPORT",    "TCPREMOTEHOST",
        "TCPREMOTEIP",     "TCPREMOTEPORT",    "TCPREMOTEINFO",   "REMOTE_ADDR",
        "REMOTE_HOST",     "REMOTE_PORT",      "IPCREMOTEPID",    "IPCREMOTEEUID",
        "IPCREMOTEEGID",   "IPCREMOTEPATH",    "IPCLOCALPATH",    "DAMPENER_WAIT_MS",
        "DAMPENER_QUEUED", "DAMPENER_RUNNING", "DAMPENER_TICKET",
    };

    for (size_t i = 0; i < sizeof(removed) / sizeof(*removed); i++) {
        size_t length = strlen(removed[i]);
        if (strncmp(variable, removed[i], length) == 0 && variable[length] == '=')
            return false;
    }
    return true;
}

int environment_prepare(char *const *inherited, bool is_bare)
{
    size_t count = 0;

    while (inherited[count] != NULL)
        count++;
    bare = is_bare;
    for (int i = 0; i < PROTOCOL_SLOTS; i++) {
        places[i] = calloc(count + VARIABLES + 1, sizeof(*places[i]));
        if (places[i] == NULL)
            return -1;
        kept = 0;
        for (size_t j = 0; j < count; j++)
            if (is_kept(inherited[j]))
                places[i][kept++] = inherited[j];
    }
    return 0;
}

/* The longest name with the path of a socket, and with an IPv6 address, fits: nothing is ever cut.
 */
static void add(struct environment *environment, const char *name, const char *value)
{
    char *text = environment->texts[environment->filled];
    size_t name_length = strlen(name);
    size_t value_length = strnlen(value, VARIABLE_MAXIMUM - name_length - sizeof("="));

    memcpy(text, name, name_length);
    text[name_length] = '=';
    memcpy(text + name_length + 1, value, value_length);
    text[name_length + 1 + value_length] = '\0';
    environment->all[kept + environment->filled++] = text;
}

/* Not by printf(3), which takes longer than all the rest. */
static void add_number(struct environment *environment, const char *name, uint64_t value)
{
    char digits[24];
    char *first = digits + sizeof(digits) - 1;

    *first = '\0';
    do {
        *--first = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    add(environment, name, first);
}

/* As UCSPI, systemd and xinetd say it. */
static void add_tcp(struct environment *environment, const struct message_start *start)
{
    char local[INET6_ADDRSTRLEN] = "";
    char remote[INET6_ADDRSTRLEN] = "";

    /* Fails only for a family that is none; the variable is empty then. */
    (void)inet_ntop(start->local.family, start->local.address, local, sizeof(local));
    (void)inet_ntop(start->remote.family, start->remote.address, remote, sizeof(remote));

    add(environment, "PROTO", "TCP");
    add(environment, "TCPLOCALIP", local);
    add_number(environment, "TCPLOCALPORT", start->local.port);
    add(environment, "TCPREMOTEIP", remote);
    add_number(environment, "TCPREMOTEPORT", start->remote.port);
    add(environment, "REMOTE_ADDR", remote);
    add_number(environment, "REMOTE_PORT", start->remote.port);
    add(environment, "REMOTE_HOST", remote);
}

/* As UCSPI says it.  A path need not end with 0; that of an abstract socket begins with one
 * (unix(7)). */
static void add_unix(struct environment *environment, const struct message_start *start, int client)
{
    struct sockaddr_un address = {0};
    socklen_t length = sizeof(address);
    char path[sizeof(address.sun_path) + 1] = "";
    struct endpoint_peer peer;

    memcpy(&peer, start->remote.address, sizeof(peer));
    /* Fails for no connected socket; the path is empty then. */
    if (getsockname(client, (struct sockaddr *)&address, &length) == 0)
        memcpy(path, address.sun_path, sizeof(address.sun_path));
    if (path[0] == '\0' && path[1] != '\0')
        path[0] = '@';

    add(environment, "PROTO", "IPC");
    add_number(environment, "IPCREMOTEPID", (uint64_t)peer.process);
    add_number(environment, "IPCREMOTEEUID", peer.user);
    add_number(environment, "IPCREMOTEEGID", peer.group);
    add(environment, "IPCLOCALPATH", path);
}

char **environment_for(const struct message_start *start, int client)
{
    struct environment environment = {.all = places[start->slot], .texts = texts[start->slot]};

    if (bare)
        return environment.all;
    if (start->remote.family == AF_UNIX)
        add_unix(&environment, start, client);
    else
        add_tcp(&environment, start);
    add_number(&environment, "DAMPENER_WAIT_MS", start->waited);
    add_number(&environment, "DAMPENER_QUEUED", start->queued);
    add_number(&environment, "DAMPENER_RUNNING", start->running);
    add_number(&environment, "DAMPENER_TICKET", start->header.ticket);
    environment.all[kept + environment.filled] = NULL;
    return environment.all;
}
