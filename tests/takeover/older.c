/*
 * older PATH CONTROL - stands at the control socket PATH, in front of the daemon at CONTROL, like a
 * daemon that knows only version 1 of the takeover protocol.  Prints each request, and passes on
 * the daemon's answer to "takeover 1" with its descriptor; then it ends.
 */
#include "dispatcher/shared/rights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const char unknown[] = "error: cannot be taken over now: this daemon speaks another version "
                              "of the takeover protocol\n";

static int open_socket(struct sockaddr_un *address, const char *path)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    (void)snprintf(address->sun_path, sizeof(address->sun_path), "%s", path);
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* Passes the request on, and the answer back. */
static void relay(int client, const char *path, const char *line)
{
    struct sockaddr_un address;
    int daemon = open_socket(&address, path);
    int descriptor = -1;
    unsigned count = 1;
    int flags = 0;
    char answer[256];
    ssize_t got;

    if (connect(daemon, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        send(daemon, line, strlen(line), 0) < 0)
        die(path);
    got = rights_receive(daemon, answer, sizeof(answer), &descriptor, &count, &flags);
    if (got <= 0 || count != 1 ||
        rights_send(client, answer, (size_t)got, &descriptor, 1, 0) != got)
        die("no descriptor comes");
}

int main(int argc, char **argv)
{
    struct sockaddr_un address;
    int listener;

    if (argc != 3)
        return 2;
    listener = open_socket(&address, argv[1]);
    if (bind(listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(listener, 4) != 0)
        die(argv[1]);
    printf("listening\n");
    for (;;) {
        char line[256] = "";
        int client;

        (void)fflush(stdout);
        client = accept(listener, NULL, NULL);
        if (client < 0 || recv(client, line, sizeof(line) - 1, 0) <= 0)
            die("accept");
        printf("%s", line);
        if (strcmp(line, "takeover 1\n") == 0) {
            relay(client, argv[2], line);
            return 0;
        }
        (void)send(client, unknown, strlen(unknown), 0);
        (void)close(client);
    }
}
