/*
 * answerer - stands in for the daemon at its control socket.
 *
 *   answerer PATH ANSWER REQUESTS
 *
 * Listens on the Unix socket PATH; once it does, there is the file REQUESTS.  What each client says
 * in its line is appended to that, and the content that the file ANSWER has then is the answer; if
 * there is no such file, there is none, and the connection is left open.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { CLIENT_BACKLOG = 4 };

static int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (snprintf(address.sun_path, sizeof(address.sun_path), "%s", path) >=
        (int)sizeof(address.sun_path))
        return -1;
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(listener, CLIENT_BACKLOG) < 0)
        return -1;
    return listener;
}

/* The line of a client, or of nobody: then there is at least the file. */
static void note(const char *requests, int client)
{
    FILE *file = fopen(requests, "ae");
    char byte = 0;

    if (file == NULL) {
        perror(requests);
        exit(1);
    }
    while (byte != '\n' && read(client, &byte, 1) == 1)
        (void)putc(byte, file);
    if (fclose(file) != 0)
        exit(1);
}

/* Returns whether there is an answer. */
static int send_answer(int client, const char *answer)
{
    int file = open(answer, O_RDONLY | O_CLOEXEC);
    char part[4096];
    ssize_t count;

    if (file < 0)
        return 0;
    while ((count = read(file, part, sizeof(part))) > 0)
        if (write(client, part, (size_t)count) != count)
            break; /* the client has had enough */
    (void)close(file);
    return 1;
}

int main(int count, char **words)
{
    int listener;
    int client;

    if (count != 4) {
        (void)fprintf(stderr, "Usage: answerer PATH ANSWER REQUESTS\n");
        return 2;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    listener = listen_at(words[1]);
    if (listener < 0) {
        perror(words[1]);
        return 1;
    }
    note(words[3], -1); /* from now on it can be asked */
    while ((client = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        note(words[3], client);
        if (send_answer(client, words[2]))
            (void)close(client);
    }
    perror("accept");
    return 1;
}
