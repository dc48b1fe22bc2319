/*
 * A worker for --persistent that leaves its client in its socket.  It looks at the client without
 * receiving it, sends more than the client will read, and asks the kernel to have whoever closes
 * the connection last wait until that is sent.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void)
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

    if (recvmsg(STDIN_FILENO, &message, MSG_PEEK) <= 0 ||
        message.msg_controllen < CMSG_LEN(sizeof(client)))
        return 1;
    memcpy(&client, CMSG_DATA(&control.header), sizeof(client));
    if (setsockopt(client, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) != 0)
        return 1;
    while (send(client, text, sizeof(text), MSG_DONTWAIT) > 0)
        ;
    return 0;
}
