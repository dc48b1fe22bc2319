/*
 * lock FILE - makes FILE, and keeps its first byte locked until this process ends.
 *
 * That is how a daemon locks the name of a file (supervisor/base/file.h).  Prints "locked" once the
 * lock is taken.
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct flock byte = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
    int file = argc == 2 ? open(argv[1], O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;

    if (file < 0 || fcntl(file, F_OFD_SETLK, &byte) != 0) {
        perror("lock");
        return 1;
    }
    (void)puts("locked");
    (void)fflush(stdout);
    for (;;)
        (void)pause(); /* a signal ends it */
}
