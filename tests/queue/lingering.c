/*
 * Tests lingering.h: a connection that has something to report, though nothing to read, costs no
 * round after round until its time is over.
 */
#include "supervisor/queue/lingering.h"

#include "tests/shared/check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REPORTS = 8, ROUNDS_MOST = 32 };

static struct lingering lingering;
static struct loop loop;
static int known[LINGERING_MAXIMUM];
static unsigned rounds;

static void after(void *context)
{
    (void)context;
    rounds++;
    if (lingering.active.length == 0 || rounds > ROUNDS_MOST)
        loop_stop(&loop);
}

/* Connects two sockets by TCP. */
static void connect_both(int *client, int *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(bind(listener, (struct sockaddr *)&address, length) == 0 && listen(listener, 8) == 0 &&
          getsockname(listener, (struct sockaddr *)&address, &length) == 0);
    *client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(connect(*client, (struct sockaddr *)&address, sizeof(address)) == 0);
    *server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    CHECK(*server >= 0);
    (void)close(listener);
}

/* Sends as a handler does that does not wait for the reports, and waits until there are some.
 * Returns false where the kernel cannot send like this. */
static bool send_without_copy(int server, int client)
{
    static char answer[8192]; /* stays: the kernel reads it later */
    struct pollfd event = {.fd = server};
    const int on = 1;

    if (setsockopt(server, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof(on)) != 0)
        return false;
    for (int i = 0; i < REPORTS; i++) {
        if (send(server, answer, sizeof(answer), MSG_ZEROCOPY) != (ssize_t)sizeof(answer))
            return false;
        CHECK(recv(client, answer, sizeof(answer), MSG_WAITALL) == (ssize_t)sizeof(answer));
    }
    return poll(&event, 1, 1000 /* milliseconds */) == 1;
}

static void check_reports(void)
{
    int client;
    int server;
    char byte;

    connect_both(&client, &server);
    if (!send_without_copy(server, client)) {
        (void)fprintf(stderr, "not tested: MSG_ZEROCOPY: %s\n", strerror(errno));
        return;
    }
    rounds = 0;
    lingering_begin(&lingering, server, LOOP_SECOND / 2, UINT64_MAX);
    CHECK(lingering.active.length == 1);
    loop_run(&loop, after, NULL);
    CHECK(rounds <= ROUNDS_MOST && lingering.active.length == 0);
    CHECK(recv(client, &byte, 1, 0) == 0);
    (void)close(client);
}

int main(void)
{
    CHECK(loop_open(&loop) == 0);
    lingering_open(&lingering, &loop, known, LINGERING_MAXIMUM, LOOP_SECOND, UINT64_MAX);
    check_reports();
    loop_close(&loop);
    return CHECK_RESULT();
}
