#include "supervisor/takeover/introduction.h"

#include "dispatcher/shared/log.h"
#include "dispatcher/shared/rights.h"
#include "supervisor/takeover/inheritance.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    ANSWER_WITHIN = 10, /* seconds, for each step */
    LINE = 256
};

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval within = {.tv_sec = ANSWER_WITHIN};

    if (connection < 0)
        return -1;
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    /* SO_SNDTIMEO also limits how long connect(2) waits for room in the backlog (unix(7)). */
    if (setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &within, sizeof(within)) == 0 &&
        setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &within, sizeof(within)) == 0 &&
        connect(connection, (struct sockaddr *)&address, sizeof(address)) == 0)
        return connection;
    (void)close(connection); /* keeps errno: it cannot fail */
    return -1;
}

/* Another user that listens there could make this process serve from sockets of that user, and see
 * its clients. */
static bool is_trusted(int connection, const char *path)
{
    struct ucred peer;
    socklen_t length = sizeof(peer);

    if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0)
        log_error("--takeover: %s: cannot find out which user listens there: %m", path);
    else if (peer.uid != 0 && peer.uid != geteuid())
        log_error("--takeover: %s: user %u listens there, and is neither root nor user %u", path,
                  peer.uid, geteuid());
    else
        return true;
    return false;
}

/* Asks for the link, in words of this version.  Returns its descriptor, or -1 after a log line;
 * *older instead of the line, if the old process does not know the version. */
static int ask(int connection, const char *path, int version, bool *older)
{
    static const char unknown[] = "another version of the takeover protocol";
    char line[LINE];
    int length = snprintf(line, sizeof(line), "takeover %d\n", version);
    int descriptor = -1;
    unsigned count = 1;
    int flags = 0;
    ssize_t got = -1;

    if (send(connection, line, (size_t)length, MSG_NOSIGNAL) == length)
        got = rights_receive(connection, line, sizeof(line) - 1, &descriptor, &count, &flags);
    if (descriptor >= 0)
        return descriptor;
    line[got > 0 ? got : 0] = '\0';
    line[strcspn(line, "\n")] = '\0';
    if (got >= 0)
        errno = EPROTO;
    *older = version > INHERITANCE_VERSION && strstr(line, unknown) != NULL;
    if (*older)
        return -1;
    if (line[0] == '\0')
        log_error("--takeover: %s: no answer from the daemon there: %m", path);
    else
        log_error("--takeover: %s: the daemon there answers: %s", path, line);
    return -1;
}

static int introduce_as(const char *path, int version, bool *older)
{
    int connection = connect_to(path);
    int descriptor = -1;

    *older = false;
    if (connection < 0) {
        log_error("--takeover: cannot connect to %s: %m; expected the --control socket of a daemon "
                  "that runs",
                  path);
        return -1;
    }
    if (is_trusted(connection, path))
        descriptor = ask(connection, path, version, older);
    (void)close(connection); /* nothing is left to be sent */
    return descriptor;
}

int introduction_make(const char *path)
{
    bool older;
    int descriptor = introduce_as(path, INHERITANCE_WITH_SETTING, &older);

    return older ? introduce_as(path, INHERITANCE_VERSION, &older) : descriptor;
}
