#include "dispatcher/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* How to write without ever blocking depends on what standard error is.  O_NONBLOCK belongs to the
 * open file description, which handlers share, so it must not be set on descriptor 2 itself. */
enum log_method {
    LOG_PLAIN,    /* a regular file: writing it does not wait for a reader */
    LOG_REOPENED, /* a pipe or terminal: a description of our own, with O_NONBLOCK */
    LOG_SOCKET,   /* MSG_DONTWAIT */
    LOG_POLLED    /* could not be reopened: ask before each write */
};

static struct {
    enum log_level level;
    enum log_method method;
    int descriptor;
    unsigned long dropped;
} state = {.level = LOG_LEVEL_WARNING, .method = LOG_POLLED, .descriptor = STDERR_FILENO};

void log_open(enum log_level level)
{
    struct stat status;

    state.level = level;
    if (fstat(STDERR_FILENO, &status) != 0)
        return;
    if (S_ISREG(status.st_mode)) {
        state.method = LOG_PLAIN;
    } else if (S_ISSOCK(status.st_mode)) {
        state.method = LOG_SOCKET;
    } else {
        int descriptor =
            open("/proc/self/fd/2", O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (descriptor >= 0) {
            state.method = LOG_REOPENED;
            state.descriptor = descriptor;
        }
    }
}

bool log_enabled(enum log_level level)
{
    return level >= state.level;
}

/* Asks before writing.  That alone would not do, as handlers share standard error and may fill it
 * in between: so where the kernel knows how (for pipes since Linux 6.5), it is told not to wait. */
static bool put_polled(const char *line, size_t length)
{
    struct pollfd ready = {.fd = state.descriptor, .events = POLLOUT};
    struct iovec content = {.iov_base = (void *)(uintptr_t)line, .iov_len = length};
    const int no_wait = 0x8; /* RWF_NOWAIT of linux/fs.h */
    long written = syscall(SYS_pwritev2, state.descriptor, &content, 1L, -1L, -1L, no_wait);

    if (written >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL))
        return written == (long)length;
    if (poll(&ready, 1, 0) != 1 || (ready.revents & POLLOUT) == 0)
        return false;
    return write(state.descriptor, line, length) == (ssize_t)length;
}

static bool put(const char *line, size_t length)
{
    switch (state.method) {
    case LOG_SOCKET:
        return send(state.descriptor, line, length, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)length;
    case LOG_POLLED:
        return put_polled(line, length);
    case LOG_PLAIN:
    case LOG_REOPENED:
        break;
    }
    return write(state.descriptor, line, length) == (ssize_t)length;
}

static void report_dropped(void)
{
    char line[80];
    int length =
        snprintf(line, sizeof(line), "[WARNING] %lu log lines dropped: they could not be written\n",
                 state.dropped);

    if (length > 0 && put(line, (size_t)length))
        state.dropped = 0;
}

static void put_or_count(const char *line, size_t length)
{
    if (state.dropped > 0)
        report_dropped();
    if (state.dropped > 0 || !put(line, length))
        state.dropped++;
}

void log_plain(const char *line)
{
    char text[LOG_LINE_MAXIMUM];
    int error = errno;
    int length = snprintf(text, sizeof(text), "%.*s\n", LOG_LINE_MAXIMUM - 2, line);

    if (length > 0)
        put_or_count(text, (size_t)length);
    errno = error;
}

__attribute__((format(printf, 2, 0))) static void write_line(const char *level, const char *format,
                                                             va_list arguments)
{
    int error = errno;
    char line[LOG_LINE_MAXIMUM];
    size_t length = (size_t)snprintf(line, sizeof(line), "[%s] ", level);
    int added;

    errno = error; /* for %m */
    added = vsnprintf(line + length, sizeof(line) - length, format, arguments);
    if (added > 0)
        length += (size_t)added;
    if (length > sizeof(line) - 1)
        length = sizeof(line) - 1;
    line[length++] = '\n';

    put_or_count(line, length);
    errno = error;
}

void log_write(enum log_level level, const char *format, ...)
{
    static const char *const names[] = {
        [LOG_LEVEL_DEBUG] = "DEBUG", [LOG_LEVEL_INFO] = "INFO",   [LOG_LEVEL_WARNING] = "WARNING",
        [LOG_LEVEL_ERROR] = "ERROR", [LOG_LEVEL_ANSWER] = "INFO",
    };
    va_list arguments;

    if (!log_enabled(level))
        return;
    va_start(arguments, format);
    write_line(names[level], format, arguments);
    va_end(arguments);
}

void log_die(int status, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    write_line("ERROR", format, arguments);
    va_end(arguments);
    exit(status);
}

void log_bug(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    write_line("BUG", format, arguments);
    va_end(arguments);
    abort();
}
