#include "supervisor/listen/passed.h"

#include "dispatcher/shared/log.h"
#include "supervisor/base/parse.h"
#include "supervisor/base/socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262 /* linux/in.h; some libcs lack it */
#endif

/* Returns what is wrong with the descriptor; NULL: nothing. */
static const char *defect(int descriptor)
{
    int family = socket_get(descriptor, SOL_SOCKET, SO_DOMAIN);
    int protocol = socket_get(descriptor, SOL_SOCKET, SO_PROTOCOL);

    if (family < 0)
        return "is no open socket";
    if (socket_get(descriptor, SOL_SOCKET, SO_TYPE) != SOCK_STREAM)
        return "is no stream socket (ListenStream=)";
    if (family != AF_UNIX && ((family != AF_INET && family != AF_INET6) ||
                              (protocol != IPPROTO_TCP && protocol != IPPROTO_MPTCP)))
        return "is neither a TCP socket nor a Unix socket";
    if (socket_get(descriptor, SOL_SOCKET, SO_ACCEPTCONN) != 1)
        return "does not listen; if it is a connection, make the service manager pass the "
               "listening socket instead (Accept=no)";
    return NULL;
}

static int add(struct listeners *passed, const char *name)
{
    int descriptor = PASSED_FIRST + (int)passed->count;
    const char *wrong = defect(descriptor);

    if (wrong != NULL) {
        log_error("PORT: 'systemd': descriptor %d, passed as '%s', %s", descriptor,
                  name == NULL ? "" : name, wrong);
        return -1;
    }
    if (listeners_add(
            passed, (struct listener){.descriptor = descriptor, .name = name, .passed = true}) == 0)
        return 0;
    log_error("PORT: 'systemd': cannot take descriptor %d: %m", descriptor);
    return -1;
}

/* Takes `count` sockets.  `names` is NULL, or has a name for each; it is cut into strings. */
static int add_all(struct listeners *passed, size_t count, char *names)
{
    bool named = names != NULL;

    while (passed->count < count) {
        const char *name = strsep(&names, ":"); /* NULL after the last one */

        if (named && name == NULL)
            break;
        if (add(passed, name) != 0)
            return -1;
    }
    if (passed->count == count && names == NULL)
        return 0;
    log_error("LISTEN_FDNAMES: expected %zu names, one for each socket of LISTEN_FDS", count);
    return -1;
}

static int read_variables(struct listeners *passed)
{
    const char *word = getenv("LISTEN_FDS");
    const char *process_word = getenv("LISTEN_PID");
    const char *names_word = getenv("LISTEN_FDNAMES");
    char *names = NULL;
    uint64_t count;
    uint64_t process;

    if (word == NULL)
        return 0;
    if (process_word == NULL || !parse_number(process_word, INT32_MAX, &process) ||
        process != (uint64_t)getpid()) {
        log_error(
            "LISTEN_PID: '%s': expected %d, this process: the sockets of LISTEN_FDS belong to "
            "another process",
            process_word == NULL ? "" : process_word, (int)getpid());
        return -1;
    }
    if (!parse_number(word, PASSED_MAXIMUM, &count) || count == 0) {
        log_error("LISTEN_FDS: '%s': expected a whole number from 1 to %d", word, PASSED_MAXIMUM);
        return -1;
    }
    if (names_word != NULL && (names = strdup(names_word)) == NULL) {
        log_error("LISTEN_FDNAMES: cannot read it: %m");
        return -1;
    }
    if (add_all(passed, (size_t)count, names) == 0)
        return 0;
    free(names);
    return -1;
}

int passed_read(struct listeners *passed, bool wanted)
{
    static const char *const variables[] = {"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES",
                                            "LISTEN_PIDFDID"};
    int result;

    *passed = (struct listeners){0};
    result = wanted ? read_variables(passed) : 0;
    for (size_t i = 0; i < sizeof(variables) / sizeof(*variables); i++)
        (void)unsetenv(variables[i]); /* it fails only for an invalid name */
    return result;
}
