/*
 * Tests strays.h: each connection is given to the client it came from, once, and the others in
 * order; whatever finds no room is closed.
 */
#include "supervisor/running/strays.h"

#include "supervisor/base/address.h"
#include "tests/shared/check.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS = 4 };

static struct strays strays;
static int listener;
static int clients[CONNECTIONS];
static int accepted[CONNECTIONS];
static struct endpoint remotes[CONNECTIONS];

static bool is_open(int descriptor)
{
    return fcntl(descriptor, F_GETFD) >= 0;
}

static void listen_here(struct sockaddr_in *address)
{
    socklen_t length = sizeof(*address);

    *address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(listener, (struct sockaddr *)address, length) == 0 && listen(listener, 8) == 0 &&
          getsockname(listener, (struct sockaddr *)address, &length) == 0);
}

static void connect_all(void)
{
    struct sockaddr_in address;

    listen_here(&address);
    for (int i = 0; i < CONNECTIONS; i++) {
        struct sockaddr_in peer = {0};
        socklen_t length = sizeof(peer);

        clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CHECK(connect(clients[i], (struct sockaddr *)&address, sizeof(address)) == 0);
        accepted[i] = accept4(listener, (struct sockaddr *)&peer, &length, SOCK_CLOEXEC);
        CHECK(accepted[i] >= 0);
        remotes[i] = (struct endpoint){.family = AF_INET, .port = ntohs(peer.sin_port)};
        memcpy(remotes[i].address, &peer.sin_addr, sizeof(peer.sin_addr));
    }
    (void)close(listener);
}

static int take(const struct endpoint *remote, int copy)
{
    const struct client client = {.remote = *remote, .descriptor = copy};

    return strays_take(&strays, &client);
}

static void check_taken(void)
{
    strays = (struct strays){0};
    CHECK(strays_next(&strays) == -1 && take(&remotes[0], -1) == -1);
    for (int i = 0; i < CONNECTIONS - 1; i++)
        strays_add(&strays, accepted[i]);
    CHECK(take(&remotes[CONNECTIONS - 1], -1) == -1);
    CHECK(take(&remotes[1], -1) == accepted[1]);
    CHECK(take(&remotes[1], -1) == -1);
    CHECK(strays_next(&strays) == accepted[0] && strays_next(&strays) == accepted[2]);
    CHECK(strays_next(&strays) == -1);
    for (int i = 0; i < CONNECTIONS; i++)
        CHECK(is_open(accepted[i])); /* the receiver owns them */
}

/* A connection that was reset has no address.  It must not pass for that of another client. */
static void check_reset(void)
{
    const struct linger at_once = {.l_onoff = 1};

    CHECK(setsockopt(clients[3], SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)) == 0);
    (void)close(clients[3]);
    strays_add(&strays, accepted[3]);
    CHECK(take(&remotes[0], -1) == -1);
    CHECK(strays_next(&strays) == accepted[3] && strays_next(&strays) == -1);
}

/* A copy tells connections apart that come from the same end. */
static void check_copy(void)
{
    int copy = fcntl(accepted[1], F_DUPFD_CLOEXEC, 3);

    for (int i = 0; i < CONNECTIONS - 1; i++)
        strays_add(&strays, accepted[i]);
    CHECK(copy >= 0 && take(&remotes[0], copy) == accepted[1]);
    CHECK(take(&remotes[0], copy) == -1);
    CHECK(strays_next(&strays) == accepted[0] && strays_next(&strays) == accepted[2]);
    (void)close(copy);
}

/* Two connections of one process to a Unix socket. */
static void check_unix(void)
{
    struct endpoint from[2];
    int pairs[2][2];

    for (int i = 0; i < 2; i++) {
        CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pairs[i]) == 0);
        CHECK(address_of_remote(pairs[i][0], &from[i]) == 0);
        strays_add(&strays, pairs[i][0]);
    }
    CHECK(take(&from[1], -1) == pairs[1][0]);
    CHECK(take(&from[1], -1) == -1);
    CHECK(take(&from[0], -1) == pairs[0][0]);
    for (int i = 0; i < 2; i++) {
        (void)close(pairs[i][0]);
        (void)close(pairs[i][1]);
    }
}

static void check_too_many(void)
{
    int more;

    for (int i = 0; i < STRAYS_MAXIMUM; i++)
        strays_add(&strays, fcntl(accepted[0], F_DUPFD_CLOEXEC, 3));
    more = fcntl(accepted[0], F_DUPFD_CLOEXEC, 3);
    strays_add(&strays, more);
    CHECK(strays.count == STRAYS_MAXIMUM && !is_open(more));
    CHECK(take(&remotes[1], -1) == -1);
    for (int last = 0; strays.count > 0;) {
        int descriptor = strays_next(&strays);

        CHECK(descriptor > last && is_open(descriptor));
        last = descriptor;
        (void)close(descriptor);
    }
}

int main(void)
{
    connect_all();
    check_taken();
    check_reset();
    check_copy();
    check_unix();
    check_too_many();
    return CHECK_RESULT();
}
