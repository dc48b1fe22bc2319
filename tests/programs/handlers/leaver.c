/*
 * leaver [take] - a worker for --persistent that exits without a byte.
 *
 * It leaves its client in its socket, which it only looks into, unless it is to take the client.
 * Before, it sends more than the client will read, and asks the kernel to have whoever closes the
 * connection last wait until that is sent.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    const struct linger linger = {.l_onoff = 1, .l_linger = 60};
    static char text[65536];
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec content = {.iov_base = text, .iov_len = sizeof(text)};
    struct msghdr message = {.msg_iov = &content,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    int client;

    (void)argv;
    if (recvmsg(STDIN_FILENO, &message, argc > 1 ? 0 : MSG_PEEK) <= 0 ||
        message.msg_controllen < CMSG_LEN(sizeof(client)))
        return 1;
    memcpy(&client, CMSG_DATA(&control.header), sizeof(client));
    if (setsockopt(client, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) != 0)
        return 1;
    while (send(client, text, sizeof(text), MSG_DONTWAIT) > 0)
        ;
    return 0;
}
