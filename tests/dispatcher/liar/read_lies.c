#include "tests/dispatcher/liar/lies.h"

#include "tests/dispatcher/liar/liar.h"
#include "tests/dispatcher/liar/speech.h"
#include "tests/dispatcher/liar/surroundings.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static int open_memory(off_t size, bool sealed)
{
    int memory = memfd_create("lie", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (ftruncate(memory, size) == 0 && sealed)
        (void)fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
    return memory;
}

static void content_pipe(void)
{
    say_content(liar.request.read.file, 0, open_pipe());
}

static void content_unsealed(void)
{
    say_content(liar.request.read.file, 0, open_memory(0, false));
}

static void content_huge(void)
{
    say_content(liar.request.read.file, 0, open_memory((off_t)1 << 40, true));
}

static void content_directory(void)
{
    say_content(liar.request.read.file, 0, open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static void content_path(void)
{
    say_content(liar.request.read.file, 0, open("/", O_PATH | O_CLOEXEC));
}

static void content_nothing(void)
{
    say_content(liar.request.read.file, 0, -1);
}

static void content_other_file(void)
{
    say_content(PROTOCOL_FILE_BUSY, 0, open_memory(0, true));
}

static void content_no_file(void)
{
    say_content(UINT32_MAX, 0, open_memory(0, true));
}

static void content_negative(void)
{
    say_content(liar.request.read.file, -1, open_memory(0, true));
}

static void content_twice(void)
{
    say_content(liar.request.read.file, EIO, -1);
    say_content(liar.request.read.file, EIO, -1);
}

static void content_two(void)
{
    union message message = answer(MESSAGE_CONTENT);

    message.content.file = liar.request.read.file;
    say_raw(&message, sizeof(message.content), open_memory(0, true), 2);
}

/* Whoever closes this last waits until all is sent, which the other end never takes. */
static void content_lingering(void)
{
    static const char bytes[1 << 16];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int lingering = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct linger linger = {.l_onoff = 1, .l_linger = 60};

    (void)bind(listener, (struct sockaddr *)&address, sizeof(address));
    (void)listen(listener, 1);
    (void)getsockname(listener, (struct sockaddr *)&address, &length);
    (void)connect(lingering, (struct sockaddr *)&address, sizeof(address));
    (void)setsockopt(lingering, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    while (send(lingering, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
        ;
    say_content(liar.request.read.file, 0, lingering);
    (void)close(lingering);
}

const struct lie read_lies[] = {
    {"content-pipe", MESSAGE_READ, content_pipe},
    {"content-unsealed", MESSAGE_READ, content_unsealed},
    {"content-huge", MESSAGE_READ, content_huge},
    {"content-directory", MESSAGE_READ, content_directory},
    {"content-path", MESSAGE_READ, content_path},
    {"content-nothing", MESSAGE_READ, content_nothing},
    {"content-other-file", MESSAGE_READ, content_other_file},
    {"content-no-file", MESSAGE_READ, content_no_file},
    {"content-negative", MESSAGE_READ, content_negative},
    {"content-twice", MESSAGE_READ, content_twice},
    {"content-two", MESSAGE_READ, content_two},
    {"content-lingering", MESSAGE_READ, content_lingering},
    {NULL, 0, NULL},
};
