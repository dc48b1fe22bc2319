/*
 * Sends more than its client will read, and asks the kernel to have whoever closes the connection
 * last wait until that is sent.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void)
{
    const struct linger linger = {.l_onoff = 1, .l_linger = 60};
    static char text[65536];

    memset(text, 'x', sizeof(text));
    if (setsockopt(STDOUT_FILENO, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) != 0)
        return 1;
    while (send(STDOUT_FILENO, text, sizeof(text), MSG_DONTWAIT) > 0)
        ;
    return 0;
}
