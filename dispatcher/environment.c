#include "dispatcher/environment.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

/* A connection has at most so many; the longest holds the path of a socket. */
enum { VARIABLES = 12, VARIABLE_MAXIMUM = 128 };

static struct {
    char **all;      /* NULL-terminated: what was inherited, then pointers into text */
    size_t kept;     /* so much was inherited */
    unsigned filled; /* of text */
    char text[VARIABLES][VARIABLE_MAXIMUM];
    bool bare; /* text is not among them */
} state;

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

int environment_prepare(char *const *inherited, bool bare)
{
    size_t count = 0;

    while (inherited[count] != NULL)
        count++;
    state.all = calloc(count + VARIABLES + 1, sizeof(*state.all));
    if (state.all == NULL)
        return -1;
    state.bare = bare;
    for (size_t i = 0; i < count; i++)
        if (is_kept(inherited[i]))
            state.all[state.kept++] = inherited[i];
    return 0;
}

static void add(const char *name, const char *value)
{
    char *text = state.text[state.filled];

    /* The longest name with the path of a socket, and with an IPv6 address, fits: nothing is ever
     * cut. */
    (void)snprintf(text, VARIABLE_MAXIMUM, "%s=%s", name, value);
    state.all[state.kept + state.filled++] = text;
}

static void add_number(const char *name, uint64_t value)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%" PRIu64, value);
    add(name, text);
}

/* As UCSPI, systemd and xinetd say it. */
static void add_tcp(const struct message_start *start)
{
    char local[INET6_ADDRSTRLEN] = "";
    char remote[INET6_ADDRSTRLEN] = "";

    /* Fails only for a family that is none; the variable is empty then. */
    (void)inet_ntop(start->local.family, start->local.address, local, sizeof(local));
    (void)inet_ntop(start->remote.family, start->remote.address, remote, sizeof(remote));

    add("PROTO", "TCP");
    add("TCPLOCALIP", local);
    add_number("TCPLOCALPORT", start->local.port);
    add("TCPREMOTEIP", remote);
    add_number("TCPREMOTEPORT", start->remote.port);
    add("REMOTE_ADDR", remote);
    add_number("REMOTE_PORT", start->remote.port);
    add("REMOTE_HOST", remote);
}

/* As UCSPI says it.  A path need not end with 0; that of an abstract socket begins with one
 * (unix(7)). */
static void add_unix(const struct message_start *start, int client)
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

    add("PROTO", "IPC");
    add_number("IPCREMOTEPID", (uint64_t)peer.process);
    add_number("IPCREMOTEEUID", peer.user);
    add_number("IPCREMOTEEGID", peer.group);
    add("IPCLOCALPATH", path);
}

char **environment_for(const struct message_start *start, int client)
{
    if (state.bare)
        return state.all;
    state.filled = 0;
    if (start->remote.family == AF_UNIX)
        add_unix(start, client);
    else
        add_tcp(start);
    add_number("DAMPENER_WAIT_MS", start->waited);
    add_number("DAMPENER_QUEUED", start->queued);
    add_number("DAMPENER_RUNNING", start->running);
    add_number("DAMPENER_TICKET", start->header.ticket);
    state.all[state.kept + state.filled] = NULL;
    return state.all;
}
