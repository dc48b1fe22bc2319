/*
 * A service manager's end of sd_notify(3), for tests.
 *
 *     notified SOCKET FILE    binds SOCKET, a path or @NAME, and appends a line to FILE for each
 *                             message: the sender's process, then its fields, " / " between them;
 *                             FILE is there once it listens
 *     notified fill SOCKET    sends to SOCKET until there is no room
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int fail(const char *what)
{
    perror(what);
    return 1;
}

static socklen_t address_of(const char *word, struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    (void)snprintf(address->sun_path, sizeof(address->sun_path), "%s", word);
    if (word[0] == '/')
        return sizeof(*address);
    address->sun_path[0] = '\0';
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(word));
}

static int fill(int channel, const struct sockaddr_un *address, socklen_t length)
{
    while (sendto(channel, "FILL=1", 6, MSG_DONTWAIT, (const struct sockaddr *)address, length) > 0)
        ;
    return errno == EAGAIN ? 0 : fail("sendto");
}

/* Returns the sender, which the kernel tells (unix(7), SCM_CREDENTIALS); 0 if it does not. */
static pid_t receive(int channel, char *text, size_t size)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(struct ucred))];
    } control = {0};
    struct iovec content = {.iov_base = text, .iov_len = size - 1};
    struct msghdr envelope = {.msg_iov = &content,
                              .msg_iovlen = 1,
                              .msg_control = &control,
                              .msg_controllen = sizeof(control)};
    ssize_t length = recvmsg(channel, &envelope, 0);
    const struct cmsghdr *header = CMSG_FIRSTHDR(&envelope);
    struct ucred sender = {0};

    text[length < 0 ? 0 : length] = '\0';
    if (length < 0 || header == NULL || header->cmsg_type != SCM_CREDENTIALS)
        return 0;
    memcpy(&sender, CMSG_DATA(header), sizeof(sender));
    return sender.pid;
}

static int keep(int channel, const char *path)
{
    FILE *file = fopen(path, "ae");
    const char *failing = path;
    int status;

    if (file == NULL)
        return fail(path);
    for (;;) {
        char text[4096];
        pid_t sender = receive(channel, text, sizeof(text));

        if (sender == 0) {
            failing = "recvmsg";
            break;
        }
        (void)fprintf(file, "%d", (int)sender);
        for (char *field = strtok(text, "\n"); field != NULL; field = strtok(NULL, "\n"))
            (void)fprintf(file, " / %s", field);
        (void)fputc('\n', file);
        if (fflush(file) != 0)
            break;
    }
    status = fail(failing);
    (void)fclose(file); /* that it ended with an error is known */
    return status;
}

int main(int argc, char **argv)
{
    int on = 1;
    struct sockaddr_un address;
    socklen_t length;
    int channel = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (argc != 3 || channel < 0)
        return fail("notified SOCKET FILE");
    length = address_of(argv[strcmp(argv[1], "fill") == 0 ? 2 : 1], &address);
    if (strcmp(argv[1], "fill") == 0)
        return fill(channel, &address, length);
    if (setsockopt(channel, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) != 0 ||
        bind(channel, (struct sockaddr *)&address, length) != 0)
        return fail(argv[1]);
    return keep(channel, argv[2]);
}
