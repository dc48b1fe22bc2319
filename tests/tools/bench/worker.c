/*
 * worker - the cheapest persistent handler there is: writes "ok\n" to each client that it is given.
 *
 * As static.c is the cheapest handler, of which each client needs one of its own.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Returns the next client's connection; -1 at end of file. */
static int receive(void)
{
    char block[4096];
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = {block, sizeof block};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    int client;

    if (recvmsg(STDIN_FILENO, &message, 0) <= 0 || message.msg_controllen < CMSG_LEN(sizeof client))
        return -1;
    memcpy(&client, CMSG_DATA(&control.header), sizeof client);
    return client;
}

int main(void)
{
    int client;

    while ((client = receive()) >= 0) {
        ssize_t written = send(client, "ok\n", 3, MSG_NOSIGNAL);

        (void)close(client);
        if (written != 3 || write(STDIN_FILENO, "", 1) != 1)
            return 1;
    }
    return 0;
}
