#include "dispatcher/environment.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In the order in which environment_for() fills them in. */
static const char *const variables[] = {
    "PROTO",           "TCPLOCALIP",       "TCPLOCALPORT",
    "TCPREMOTEIP",     "TCPREMOTEPORT",    "REMOTE_ADDR",
    "REMOTE_PORT",     "REMOTE_HOST",      "DAMPENER_WAIT_MS",
    "DAMPENER_QUEUED", "DAMPENER_RUNNING", "DAMPENER_TICKET",
};

enum { VARIABLES = sizeof(variables) / sizeof(*variables), VARIABLE_MAXIMUM = 80 };

static struct {
    char **all; /* NULL-terminated: pointers into text, then what was inherited */
    char text[VARIABLES][VARIABLE_MAXIMUM];
    bool bare; /* text is not among them */
} state;

/* What must not be inherited: sockets and notifications meant for the daemon (sd_listen_fds(3),
 * sd_notify(3)), and what an outer super-server said of another connection (UCSPI, systemd,
 * xinetd), which a handler would take for its own. */
static bool is_kept(const char *variable)
{
    static const char *const removed[] = {
        "LISTEN_FDS=",    "LISTEN_PID=",    "LISTEN_FDNAMES=", "LISTEN_PIDFDID=", "NOTIFY_SOCKET=",
        "WATCHDOG_USEC=", "WATCHDOG_PID=",  "TCPLOCALHOST=",   "TCPREMOTEHOST=",  "TCPREMOTEINFO=",
        "IPCREMOTEPID=",  "IPCREMOTEEUID=", "IPCREMOTEEGID=",  "IPCLOCALPATH=",   "IPCREMOTEPATH=",
    };

    for (size_t i = 0; i < sizeof(removed) / sizeof(*removed); i++)
        if (strncmp(variable, removed[i], strlen(removed[i])) == 0)
            return false;
    for (size_t i = 0; i < VARIABLES; i++) {
        size_t length = strlen(variables[i]);
        if (strncmp(variable, variables[i], length) == 0 && variable[length] == '=')
            return false;
    }
    return true;
}

int environment_prepare(char *const *inherited, bool bare)
{
    size_t count = 0;
    size_t filled = 0;

    while (inherited[count] != NULL)
        count++;
    state.all = calloc(VARIABLES + count + 1, sizeof(*state.all));
    if (state.all == NULL)
        return -1;
    state.bare = bare;
    for (size_t i = 0; !bare && i < VARIABLES; i++)
        state.all[filled++] = state.text[i];
    for (size_t i = 0; i < count; i++)
        if (is_kept(inherited[i]))
            state.all[filled++] = inherited[i];
    return 0;
}

static void set(unsigned index, const char *value)
{
    /* The longest value is an IPv6 address, INET6_ADDRSTRLEN: nothing is ever cut. */
    (void)snprintf(state.text[index], VARIABLE_MAXIMUM, "%s=%s", variables[index], value);
}

static void set_number(unsigned index, uint64_t value)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%" PRIu64, value);
    set(index, text);
}

char **environment_for(const struct message_start *start)
{
    char local[INET6_ADDRSTRLEN] = "";
    char remote[INET6_ADDRSTRLEN] = "";

    if (state.bare)
        return state.all;
    /* Fails only for a family that is none; the variable is empty then. */
    (void)inet_ntop(start->local.family, start->local.address, local, sizeof(local));
    (void)inet_ntop(start->remote.family, start->remote.address, remote, sizeof(remote));

    set(0, "TCP");
    set(1, local);
    set_number(2, start->local.port);
    set(3, remote);
    set_number(4, start->remote.port);
    set(5, remote);
    set_number(6, start->remote.port);
    set(7, remote);
    set_number(8, start->waited);
    set_number(9, start->queued);
    set_number(10, start->running);
    set_number(11, start->header.ticket);
    return state.all;
}
