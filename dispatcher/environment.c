#include "dispatcher/environment.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Variables of a connection at most, and bytes of each; the longest has the path of a socket. */
enum { VARIABLES = 12, VARIABLE_MAXIMUM = 128 };

/* One for each handler that can be between clone and exec.  Untouched texts use no memory. */
static char **places[PROTOCOL_SLOTS]; /* NULL-terminated: inherited strings, then texts */
static char texts[PROTOCOL_SLOTS][VARIABLES][VARIABLE_MAXIMUM];

static size_t inherited; /* number of strings */
static bool bare;        /* no variables of the connection */

/* An environment under construction. */
struct environment {
    char **all;
    char (*texts)[VARIABLE_MAXIMUM];
    unsigned filled; /* number of texts in use */
};

/* A handler must not inherit sockets and notifications meant for the daemon (sd_listen_fds(3),
 * sd_notify(3)), nor the variables of an outer super-server (UCSPI, systemd, xinetd): it would take
 * them for its own connection's. */
static const char *const removed[] = {
    "LISTEN_FDS",       "LISTEN_PID",      "LISTEN_FDNAMES", "LISTEN_PIDFDID",   "NOTIFY_SOCKET",
    "WATCHDOG_USEC",    "WATCHDOG_PID",    "PROTO",          "TCPLOCALHOST",     "TCPLOCALIP",
    "TCPLOCALPORT",     "TCPREMOTEHOST",   "TCPREMOTEIP",    "TCPREMOTEPORT",    "TCPREMOTEINFO",
    "REMOTE_ADDR",      "REMOTE_HOST",     "REMOTE_PORT",    "IPCREMOTEPID",     "IPCREMOTEEUID",
    "IPCREMOTEEGID",    "IPCREMOTEPATH",   "IPCLOCALPATH",   "DAMPENER_WAIT_MS", "DAMPENER_QUEUED",
    "DAMPENER_RUNNING", "DAMPENER_TICKET",
};

int environment_prepare(bool is_bare)
{
    bare = is_bare;
    for (size_t i = 0; i < sizeof(removed) / sizeof(*removed); i++)
        (void)unsetenv(removed[i]); /* cannot fail for these names */
    for (inherited = 0; environ[inherited] != NULL; inherited++)
        ;
    for (int i = 0; i < PROTOCOL_SLOTS; i++) {
        places[i] = calloc(inherited + VARIABLES + 1, sizeof(*places[i]));
        if (places[i] == NULL)
            return -1;
        memcpy(places[i], environ, inherited * sizeof(*environ));
    }
    return 0;
}

/* Never cuts: the longest name fits with the path of a socket and with an IPv6 address. */
static void add(struct environment *environment, const char *name, const char *value)
{
    char *text = environment->texts[environment->filled];
    size_t name_length = strlen(name);
    size_t value_length = strnlen(value, VARIABLE_MAXIMUM - name_length - sizeof("="));

    memcpy(text, name, name_length);
    text[name_length] = '=';
    memcpy(text + name_length + 1, value, value_length);
    text[name_length + 1 + value_length] = '\0';
    environment->all[inherited + environment->filled++] = text;
}

/* Without printf(3), which would take longer than everything else here. */
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

/* The names of UCSPI, systemd and xinetd. */
static void add_tcp(struct environment *environment, const struct message_start *start)
{
    char local[INET6_ADDRSTRLEN] = "";
    char remote[INET6_ADDRSTRLEN] = "";

    /* Fails only for an unknown family; the variable is empty then. */
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

/* Room for the path of a Unix socket, and a NUL. */
enum { PATH_ROOM = sizeof(((const struct sockaddr_un *)NULL)->sun_path) + 1 };

/* A path may lack a final NUL; an abstract one begins with NUL (unix(7)). */
static void read_path(int client, char path[PATH_ROOM])
{
    struct sockaddr_un address = {0};
    socklen_t length = sizeof(address);

    /* Cannot fail for a connected socket; if it does, the path is empty. */
    if (getsockname(client, (struct sockaddr *)&address, &length) == 0)
        memcpy(path, address.sun_path, sizeof(address.sun_path));
    if (path[0] == '\0' && path[1] != '\0')
        path[0] = '@';
}

/* The names of UCSPI. */
static void add_unix(struct environment *environment, const struct message_start *start,
                     const char *path)
{
    struct endpoint_peer peer;

    memcpy(&peer, start->remote.address, sizeof(peer));
    add(environment, "PROTO", "IPC");
    add_number(environment, "IPCREMOTEPID", (uint64_t)peer.process);
    add_number(environment, "IPCREMOTEEUID", peer.user);
    add_number(environment, "IPCREMOTEEGID", peer.group);
    add(environment, "IPCLOCALPATH", path);
}

/* Returns the environment of a client; `path` is that of a Unix socket. */
static char **build(const struct message_start *start, const char *path)
{
    struct environment environment = {.all = places[start->slot], .texts = texts[start->slot]};

    if (bare)
        return environment.all;
    if (start->remote.family == AF_UNIX)
        add_unix(&environment, start, path);
    else
        add_tcp(&environment, start);
    add_number(&environment, "DAMPENER_WAIT_MS", start->waited);
    add_number(&environment, "DAMPENER_QUEUED", start->queued);
    add_number(&environment, "DAMPENER_RUNNING", start->running);
    add_number(&environment, "DAMPENER_TICKET", start->header.ticket);
    environment.all[inherited + environment.filled] = NULL;
    return environment.all;
}

char **environment_for(const struct message_start *start, int client)
{
    char path[PATH_ROOM] = "";

    if (start->remote.family == AF_UNIX && !bare)
        read_path(client, path);
    return build(start, path);
}

static_assert((int)ENVIRONMENT_BLOCK >= (int)VARIABLES * (int)VARIABLE_MAXIMUM,
              "a block has room for all variables");

size_t environment_block(const struct message_start *start, int client,
                         char block[ENVIRONMENT_BLOCK])
{
    char *const *variable = environment_for(start, client) + inherited;
    size_t length = 0;

    for (; *variable != NULL; variable++)
        length = (size_t)(stpcpy(block + length, *variable) - block) + 1;
    if (length == 0)
        block[length++] = '\0';
    return length;
}

/* ---- the longest ---- */

size_t environment_size(char *const *environment)
{
    size_t size = 0;

    for (; *environment != NULL; environment++)
        size += strlen(*environment) + 1 + sizeof(*environment);
    return size;
}

/* Builds the longest environment of a family's clients, in a slot. */
static char **longest_of(uint16_t family, uint32_t slot, uint32_t path_length)
{
    /* No address and no number is longer as a text. */
    struct endpoint end = {.family = family, .port = UINT16_MAX};
    struct message_start start = {.header = {.ticket = UINT64_MAX},
                                  .slot = slot,
                                  .waited = UINT32_MAX,
                                  .queued = UINT32_MAX,
                                  .running = UINT32_MAX};
    char path[PATH_ROOM] = "";

    memset(end.address, UINT8_MAX, sizeof(end.address));
    if (family == AF_UNIX)
        memcpy(
            end.address,
            &(struct endpoint_peer){.process = INT32_MAX, .user = UINT32_MAX, .group = UINT32_MAX},
            sizeof(struct endpoint_peer));
    memset(path, 'p', path_length < PATH_ROOM ? path_length : PATH_ROOM - 1);
    start.local = end;
    start.remote = end;
    return build(&start, path);
}

char **environment_longest(const struct setup_clients *clients)
{
    char **tcp = longest_of((uint16_t)clients->tcp, 0, 0);
    char **local = longest_of(AF_UNIX, 1, clients->path);
    bool is_local = clients->path != 0 &&
                    (clients->tcp == 0 || environment_size(local) > environment_size(tcp));

    return is_local ? local : tcp;
}
