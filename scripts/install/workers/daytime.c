/*
 * daytime - sends each client its address and the time (RFC 867): a worker for
 * socket-burst-dampener --persistent.
 *
 *     cc -O2 -o daytime daytime.c
 *     socket-burst-dampener --persistent --processes 8 --timeout 30 daytime ./daytime
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Waits for the next client.  Returns its connection, and fills `block` with its variables; returns
 * -1 at end of file. */
static int receive(char *block, size_t size)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = {block, size};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    int client;

    memset(block, 0, size);
    if (recvmsg(STDIN_FILENO, &message, 0) <= 0 || message.msg_controllen < CMSG_LEN(sizeof client))
        return -1;
    memcpy(&client, CMSG_DATA(&control.header), sizeof client);
    return client;
}

/* Finds a variable in a block of NAME=VALUE strings. */
static const char *variable(const char *block, const char *name)
{
    for (; *block != '\0'; block += strlen(block) + 1)
        if (strncmp(block, name, strlen(name)) == 0 && block[strlen(name)] == '=')
            return block + strlen(name) + 1;
    return "somewhere";
}

int main(void)
{
    char block[4097]; /* the longest block and the NUL behind its last string */
    int client;

    (void)signal(SIGPIPE, SIG_IGN); /* a client that has left must not end the worker */
    while ((client = receive(block, sizeof block)) >= 0) {
        time_t now = time(NULL);

        dprintf(client, "%s, %.24s\r\n", variable(block, "REMOTE_ADDR"), ctime(&now));
        close(client);
        if (write(STDIN_FILENO, "", 1) != 1) /* ready for the next client */
            break;                           /* the dispatcher has died; the client was served */
    }
    return 0;
}
