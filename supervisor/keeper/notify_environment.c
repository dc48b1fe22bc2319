#include "supervisor/keeper/notify_environment.h"

#include "dispatcher/shared/log.h"
#include "supervisor/base/parse.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A sign of life is sent twice in the time that the manager waits.  More often than so, the signs
 * would be all there is to this process. */
enum { WATCHDOG_LEAST = 20000 /* microseconds */ };

/* Fills in the address; its length, or 0 if the word is none. */
static socklen_t read_address(const char *word, struct sockaddr_un *address)
{
    size_t length = strlen(word);

    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if ((word[0] != '/' && word[0] != '@') || length < 2 || length >= sizeof(address->sun_path))
        return 0;
    memcpy(address->sun_path, word, length);
    if (word[0] == '/')
        length++; /* the 0 behind it */
    else
        address->sun_path[0] = '\0'; /* a name that is no path (unix(7)) */
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

/* Returns the socket, or -1 with a warning logged. */
static int connect_to(const char *word)
{
    struct sockaddr_un address;
    socklen_t length = read_address(word, &address);
    int descriptor;

    if (length == 0) {
        log_warning("NOTIFY_SOCKET: '%s': expected an absolute path or @NAME, of %zu bytes at "
                    "most; the service manager is told nothing",
                    word, sizeof(address.sun_path) - 1);
        return -1;
    }
    descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor >= 0 && connect(descriptor, (struct sockaddr *)&address, length) == 0)
        return descriptor;
    log_warning("NOTIFY_SOCKET: cannot connect to '%s': %m; the service manager is told nothing",
                word);
    if (descriptor >= 0)
        (void)close(descriptor); /* nothing was sent */
    return -1;
}

static int read_watchdog(const char *period, const char *process, uint64_t *every)
{
    uint64_t number;

    if (process != NULL && (!parse_number(process, INT32_MAX, &number) || number == 0)) {
        log_warning("WATCHDOG_PID: '%s': expected the number of a process; the watchdog of the "
                    "service manager is told nothing",
                    process);
        return -1;
    }
    if (process != NULL && (pid_t)number != getpid())
        return 0; /* it is meant for another */
    if (!parse_number(period, INT64_MAX, &number) || number < WATCHDOG_LEAST) {
        log_warning("WATCHDOG_USEC: '%s': expected a number of microseconds, %d at least; the "
                    "watchdog of the service manager is told nothing",
                    period, WATCHDOG_LEAST);
        return -1;
    }
    *every = number / 2;
    return 0;
}

int notify_environment_take(struct notify_environment *environment)
{
    const char *word = getenv("NOTIFY_SOCKET");
    const char *period = getenv("WATCHDOG_USEC");
    int result = 0;

    *environment = (struct notify_environment){.descriptor = -1};
    if (word != NULL)
        environment->descriptor = connect_to(word);
    if (word != NULL && environment->descriptor < 0)
        result = -1;
    if (environment->descriptor >= 0 && period != NULL &&
        read_watchdog(period, getenv("WATCHDOG_PID"), &environment->watchdog_every) != 0)
        result = -1;
    /* They are meant for this process, and not for what it starts.  unsetenv(3) fails for no name
     * like these. */
    (void)unsetenv("NOTIFY_SOCKET");
    (void)unsetenv("WATCHDOG_USEC");
    (void)unsetenv("WATCHDOG_PID");
    return result;
}
