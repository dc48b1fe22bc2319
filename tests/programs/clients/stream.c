/*
 * stream MODE ARGUMENTS... - connects standard error to a socket, or listens at one.
 *
 *     listen SOCKET FILE         accepts connections, and writes what comes to FILE: each line
 *                                begins with the number of its connection
 *     to SOCKET COMMAND...       executes a command whose standard error is connected to SOCKET
 *     journal SOCKET COMMAND...  the same; JOURNAL_STREAM names the connection
 *     pair COMMAND...            executes a command whose standard error is a nameless socket
 *     datagrams COMMAND...       starts a command whose standard error is a datagram socket,
 *                                prints what comes, and exits with the command's status
 *     shut                       as a handler: shuts standard error down for all, and says so
 */
#include <err.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CONNECTIONS = 64 };

static struct sockaddr_un address_of(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof(address.sun_path))
        errx(1, "the path is too long");
    strcpy(address.sun_path, path);
    return address;
}

static void copy(FILE *file, int descriptor, unsigned number)
{
    static bool inside[CONNECTIONS]; /* a line */
    char bytes[4096];
    ssize_t length = read(descriptor, bytes, sizeof(bytes));

    for (ssize_t i = 0; i < length; i++) {
        if (!inside[number])
            (void)fprintf(file, "%u ", number);
        (void)fputc(bytes[i], file);
        inside[number] = bytes[i] != '\n';
    }
    (void)fflush(file);
}

__attribute__((noreturn)) static void listen_at(const char *path, const char *name)
{
    const struct sockaddr_un address = address_of(path);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct pollfd events[1 + CONNECTIONS];
    unsigned count = 0;
    FILE *file;

    if (listener < 0 || bind(listener, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        chmod(path, 0666) != 0 || listen(listener, CONNECTIONS) != 0)
        err(1, "%s", path);
    file = fopen(name, "w");
    if (file == NULL)
        err(1, "%s", name);
    events[0] = (struct pollfd){.fd = listener, .events = POLLIN};
    while (poll(events, count + 1, -1) > 0) {
        for (unsigned i = 1; i <= count; i++) {
            if ((events[i].revents & POLLIN) != 0)
                copy(file, events[i].fd, i);
            if ((events[i].revents & POLLHUP) != 0)
                events[i].fd = -1; /* others may still hold the other end */
        }
        if (events[0].revents != 0 && count < CONNECTIONS - 1)
            events[++count] = (struct pollfd){.fd = accept(listener, NULL, NULL), .events = POLLIN};
    }
    err(1, "poll");
}

static void connect_to(const char *path, bool journal)
{
    const struct sockaddr_un address = address_of(path);
    int descriptor = socket(AF_UNIX, SOCK_STREAM, 0);
    struct stat status;
    char text[48];

    if (descriptor < 0 ||
        connect(descriptor, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        fstat(descriptor, &status) != 0 || dup2(descriptor, STDERR_FILENO) < 0)
        err(1, "%s", path);
    (void)snprintf(text, sizeof(text), "%ju:%ju", (uintmax_t)status.st_dev,
                   (uintmax_t)status.st_ino);
    if (journal && setenv("JOURNAL_STREAM", text, 1) != 0)
        err(1, "setenv");
}

/* A process that is no child of the command reads to the end. */
static void make_pair(void)
{
    int pair[2];
    char bytes[4096];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        err(1, "socketpair");
    if (fork() == 0) {
        if (fork() == 0) {
            (void)close(pair[0]);
            while (read(pair[1], bytes, sizeof(bytes)) > 0)
                ;
        }
        _exit(0);
    }
    (void)wait(NULL);
    if (dup2(pair[0], STDERR_FILENO) < 0)
        err(1, "dup2");
}

/* Returns in the child. */
static void start_with_datagrams(void)
{
    int pair[2];
    int status;
    char bytes[4096];
    ssize_t length;

    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) != 0)
        err(1, "socketpair");
    if (fork() == 0) {
        if (dup2(pair[0], STDERR_FILENO) < 0)
            err(1, "dup2");
        return;
    }
    (void)wait(&status);
    while ((length = recv(pair[1], bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
        (void)fwrite(bytes, 1, (size_t)length, stdout);
    exit(WIFEXITED(status) ? WEXITSTATUS(status) : 99);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    int command = 2;

    if (strcmp(what, "shut") == 0) {
        (void)puts(shutdown(STDERR_FILENO, SHUT_RDWR) == 0 ? "shut" : "refused");
        return 0;
    }
    if (strcmp(what, "listen") == 0 && argc == 4) {
        listen_at(argv[2], argv[3]);
    } else if ((strcmp(what, "to") == 0 || strcmp(what, "journal") == 0) && argc > 3) {
        connect_to(argv[2], what[0] == 'j');
        command = 3;
    } else if (strcmp(what, "pair") == 0 && argc > 2) {
        make_pair();
    } else if (strcmp(what, "datagrams") == 0 && argc > 2) {
        start_with_datagrams();
    } else {
        errx(1, "usage: see the head of the source");
    }
    (void)execvp(argv[command], argv + command);
    err(1, "%s", argv[command]);
}
