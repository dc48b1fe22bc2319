#include "dispatcher/shared/log.h"

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

/* The way to write without blocking depends on the type of standard error.  O_NONBLOCK belongs to
 * the open file description, which handlers share: descriptor 2 itself must not get it. */
enum log_method {
    LOG_WRITTEN, /* a regular file; or a pipe or terminal, reopened with O_NONBLOCK */
    LOG_SENT,    /* a socket: MSG_DONTWAIT */
    LOG_POLLED   /* reopening failed: poll before each write */
};

static struct {
    enum log_level level;
    enum log_method method;
    int descriptor;
    struct log_style style;
    unsigned long dropped; /* not yet reported */
    unsigned long dropped_ever;
    bool torn;   /* a full disk cut off the last line: the next one begins with a newline */
    bool stream; /* a stream socket: sending nothing shows if it is shut down */
    bool broken; /* the last attempt met one that takes no line any more */
    bool broke;  /* so the last dropped line was dropped for that reason */
} state = {.level = LOG_LEVEL_WARNING,
           .method = LOG_POLLED,
           .descriptor = STDERR_FILENO,
           .style = {.program = "supervisor"}};

static bool is_stream(void)
{
    int type = 0;
    socklen_t length = sizeof(type);

    return getsockopt(STDERR_FILENO, SOL_SOCKET, SO_TYPE, &type, &length) == 0 &&
           type == SOCK_STREAM;
}

void log_reopen(void)
{
    struct stat status;

    state.method = LOG_POLLED;
    state.descriptor = STDERR_FILENO;
    state.stream = false;
    if (fstat(STDERR_FILENO, &status) != 0)
        return;
    if (S_ISSOCK(status.st_mode)) {
        state.method = LOG_SENT;
        state.stream = is_stream();
        return;
    }
    if (!S_ISREG(status.st_mode))
        state.descriptor =
            open("/proc/self/fd/2", O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (state.descriptor >= 0)
        state.method = LOG_WRITTEN;
    else
        state.descriptor = STDERR_FILENO;
}

/* Returns true if standard error leads to the journal. */
static bool is_journal(void)
{
    const char *text = getenv("JOURNAL_STREAM");
    char expected[48];
    struct stat status;

    if (text == NULL || fstat(STDERR_FILENO, &status) != 0)
        return false;
    (void)snprintf(expected, sizeof(expected), "%ju:%ju", (uintmax_t)status.st_dev,
                   (uintmax_t)status.st_ino);
    return strcmp(text, expected) == 0;
}

void log_open(enum log_level level, enum log_format format, const char *program)
{
    state.level = level;
    state.style = (struct log_style){.format = format, .journal = is_journal(), .program = program};
    log_reopen();
}

void log_set_program(const char *program)
{
    state.style.program = program;
}

int log_descriptor(void)
{
    return state.descriptor;
}

bool log_enabled(enum log_level level)
{
    return level >= state.level;
}

unsigned long log_dropped(void)
{
    return state.dropped_ever;
}

/* Returns true if no later line will get through, either: a socket was shut down or reset, a pipe
 * has no reader, or a terminal is gone. */
static bool is_lasting(int error)
{
    return error == EPIPE || error == ECONNRESET || error == ENOTCONN || error == ETIMEDOUT ||
           error == EIO;
}

bool log_is_broken(void)
{
    return state.broken;
}

void log_probe(void)
{
    struct pollfd event = {.fd = state.descriptor};
    int error = errno;

    if (state.stream)
        state.broken =
            send(state.descriptor, "", 0, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && is_lasting(errno);
    else
        state.broken =
            poll(&event, 1, 0) == 1 && (event.revents & (POLLERR | POLLHUP | POLLNVAL)) != 0;
    errno = error;
}

/* poll(2) before write(2) is not enough: handlers share standard error and may fill it in between.
 * So RWF_NOWAIT comes first; kernels support it for pipes since Linux 6.5. */
static ssize_t write_polled(const char *line, size_t length)
{
    struct pollfd ready = {.fd = state.descriptor, .events = POLLOUT};
    struct iovec content = {.iov_base = (void *)(uintptr_t)line, .iov_len = length};
    const int no_wait = 0x8; /* RWF_NOWAIT of linux/fs.h */
    long written = syscall(SYS_pwritev2, state.descriptor, &content, 1L, -1L, -1L, no_wait);

    /* Some containers answer EPERM to unknown calls. */
    if (written >= 0 ||
        (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL && errno != EPERM))
        return written;
    if (poll(&ready, 1, 0) != 1 || (ready.revents & POLLOUT) == 0)
        return -1;
    return write(state.descriptor, line, length);
}

static ssize_t write_at_once(const char *line, size_t length)
{
    ssize_t written = state.method == LOG_SENT
                          ? send(state.descriptor, line, length, MSG_DONTWAIT | MSG_NOSIGNAL)
                      : state.method == LOG_POLLED ? write_polled(line, length)
                                                   : write(state.descriptor, line, length);

    state.broken = written < 0 && is_lasting(errno);
    return written;
}

/* Returns true if the whole line was written.  Half a line stays, because others write there,
 * too. */
static bool put(const char *line, size_t length)
{
    ssize_t written;

    if (state.torn && write_at_once("\n", 1) != 1)
        return false;
    written = write_at_once(line, length);
    state.torn = written > 0 && written < (ssize_t)length;
    return written == (ssize_t)length;
}

static void report_dropped(void)
{
    const struct log_field lines = LOG_NUMBER("lines", state.dropped);
    char message[80];
    char line[LOG_LINE_MAXIMUM];
    const struct log_content content = {
        LOG_LEVEL_WARNING, message, "lines-dropped", &lines, 1,
    };

    (void)snprintf(message, sizeof(message), "%lu log line%s dropped: standard error was %s",
                   state.dropped, state.dropped == 1 ? "" : "s",
                   state.broke ? "shut down" : "full");
    if (put(line, log_line(line, &state.style, &content)))
        state.dropped = 0;
}

/* Writes a line whose message is `format`, or counts it as dropped. */
__attribute__((format(printf, 2, 0))) static void write_line(struct log_content content,
                                                             const char *format, va_list arguments)
{
    int error = errno;
    char message[LOG_LINE_MAXIMUM];
    char line[LOG_LINE_MAXIMUM];

    if (vsnprintf(message, sizeof(message), format, arguments) < 0)
        message[0] = '\0'; /* an empty line is better than none */
    content.message = message;
    if (state.dropped > 0)
        report_dropped();
    if (state.dropped > 0 || !put(line, log_line(line, &state.style, &content))) {
        state.broke = state.broken;
        state.dropped++;
        state.dropped_ever++;
    }
    errno = error;
}

void log_event(enum log_level level, const char *event, const struct log_field *fields,
               size_t count, const char *format, ...)
{
    va_list arguments;

    if (!log_enabled(level))
        return;
    va_start(arguments, format);
    write_line((struct log_content){level, NULL, event, fields, count}, format, arguments);
    va_end(arguments);
}

void log_die(int status, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    write_line((struct log_content){.level = LOG_LEVEL_ERROR}, format, arguments);
    va_end(arguments);
    exit(status);
}

void log_bug(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    write_line((struct log_content){.level = LOG_LEVEL_BUG}, format, arguments);
    va_end(arguments);
    abort();
}
