/*
 * program.h - for probes: an executable file of their own, which is the probe itself, and whose
 * exec can be made to hang for a while by a lease (fcntl(2), F_SETLEASE).
 */
#ifndef TESTS_SHARED_PROGRAM_H
#define TESTS_SHARED_PROGRAM_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

/* Writes it to the current directory.  Ends the probe if that cannot be done. */
static inline void program_copy(const char *name)
{
    int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int to = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    struct stat status;
    ssize_t copied = 1;

    if (from < 0 || to < 0 || fstat(from, &status) != 0)
        copied = -1;
    for (off_t left = copied < 0 ? 0 : status.st_size; left > 0 && copied > 0; left -= copied)
        copied = sendfile(to, from, NULL, (size_t)left);
    if (copied <= 0 || close(from) != 0 || close(to) != 0) {
        perror(name);
        exit(1);
    }
}

/* From now on each exec of it hangs; returns what program_release() takes.  The file must not be
 * open or running; who has just ended may count as if it were, for a moment. */
static inline int program_hold(const char *name)
{
    enum { LOOKS = 500 };
    int file = open(name, O_RDONLY | O_CLOEXEC);
    int result = -1;

    /* SIGIO comes as soon as somebody hangs. */
    if (file >= 0 && signal(SIGIO, SIG_IGN) != SIG_ERR)
        for (int look = 0;
             (result = fcntl(file, F_SETLEASE, F_WRLCK)) != 0 && errno == EAGAIN && look < LOOKS;
             look++)
            (void)usleep(10000);
    if (result == 0)
        return file;
    perror(name);
    exit(1);
}

static inline void program_release(int file)
{
    if (fcntl(file, F_SETLEASE, F_UNLCK) != 0 || close(file) != 0)
        perror("release");
}

#endif
