/*
 * bare ADDRESS - accepts, writes "ok\n" and closes, and starts nobody.
 *
 * What one process can serve at most to a given client; no server that starts handlers is faster.
 * ADDRESS is numeric.  Prints "ADDRESS PORT" once it listens, on a free port, and goes on until it
 * is killed.  As it never reads, a client that says something gets a reset behind the answer.
 */
#include "tests/tools/bench/listener.h"

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    int listener;

    if (argc != 2) {
        (void)fprintf(stderr, "usage: bare ADDRESS\n");
        return 2;
    }
    listener = listener_open(argv[1]);
    for (;;) {
        int client = accept(listener, NULL, NULL);
        /* A client that has left meanwhile is no reason to end. */
        if (client < 0 && errno != ECONNABORTED && errno != EINTR)
            err(1, "accept");
        if (client < 0)
            continue;
        (void)send(client, "ok\n", 3, MSG_NOSIGNAL);
        (void)close(client);
    }
}
