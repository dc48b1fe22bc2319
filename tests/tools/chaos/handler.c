/*
 * handler RECORDS BEGIN - the handler of the trial: does what its client says, and keeps records.
 *
 * To RECORDS it appends, with T in seconds since BEGIN (microseconds of CLOCK_MONOTONIC),
 *
 *     begin CLIENT TICKET PROCESS T       as the first thing it does
 *     end CLIENT TICKET PROCESS T HOW     as the last, if it is not killed
 *
 * CLIENT is its number, and PROCESS is PID.START, with the moment at which it began in clock ticks
 * since the machine was started (proc_pid_stat(5)), as numbers are used again.
 *
 * The client says "NUMBER WORD AMOUNT"; it gets "NUMBER WORD" back unless WORD is one of the first:
 *
 *     segv, abort   dies of that signal
 *     hang          does nothing, until it is ended by SIGTERM
 *     deaf          likewise, but ignores SIGTERM
 *     frozen        likewise, but stops itself, so that it cannot hear it
 *     answer, fail  answers after AMOUNT milliseconds; and exits with 0, or 3
 *     daemon, keep  answers at once, and leaves a process behind in a session of its own that lives
 *                   so long, and has closed the connection or keeps it
 *     close         closes the connection right behind its answer, and itself ends so much later
 *     much, flood   sends AMOUNT KiB more
 */
#include "tests/tools/chaos/record.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

enum { MILLISECOND = 1000, PATIENCE = 1200 * MILLISECOND, FOREVER = 60 * RECORD_SECOND };

static int records;
static int64_t begin;
static unsigned client; /* by its address */
static char process[48];
static const char *ticket;
static volatile sig_atomic_t terminated;

static void on_term(int signal_number)
{
    (void)signal_number;
    terminated = 1;
}

static void note_end(const char *how)
{
    record(records, "end %u %s %s %.6f %s\n", client, ticket, process, record_seconds(begin), how);
}

static _Noreturn void leave(const char *how, int status)
{
    note_end(how);
    _exit(status);
}

/* Until the connection is ready for these events, if there are any, or the time has come.  SIGTERM
 * is heard nowhere else. */
static bool await(int64_t until, short events)
{
    struct pollfd connection = {.fd = events == 0 ? -1 : STDIN_FILENO, .events = events};
    sigset_t none;
    int ready;

    (void)sigemptyset(&none);
    for (;;) {
        int64_t left = until - record_clock();
        struct timespec time = {.tv_sec = left / RECORD_SECOND,
                                .tv_nsec = (long)(left % RECORD_SECOND * 1000)};

        if (left <= 0)
            return false;
        ready = ppoll(&connection, 1, &time, &none);
        if (terminated)
            leave("term", 0);
        if (ready > 0)
            return true;
    }
}

static void pause_for(unsigned milliseconds)
{
    (void)await(record_clock() + (int64_t)milliseconds * MILLISECOND, 0);
}

static void listen_for_term(void)
{
    struct sigaction action = {.sa_handler = on_term};
    sigset_t term;

    (void)sigemptyset(&term);
    (void)sigaddset(&term, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &term, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
}

/* Ends it if there is no such line. */
static void read_line(char *line, size_t size)
{
    int64_t until = record_clock() + PATIENCE;
    size_t length = 0;

    while (length < size - 1 && (length == 0 || line[length - 1] != '\n')) {
        ssize_t got;

        if (!await(until, POLLIN))
            leave("silent", 1);
        got = recv(STDIN_FILENO, line + length, size - 1 - length, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN))
            leave(got == 0 ? "silent" : "reset", 1);
        length += got > 0 ? (size_t)got : 0;
    }
    line[length] = '\0';
}

/* Ends it if the client goes. */
static void send_all(const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(STDOUT_FILENO, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (sent < 0 && errno != EAGAIN)
            leave("gone", 1);
        bytes += sent > 0 ? sent : 0;
        size -= sent > 0 ? (size_t)sent : 0;
        if (size > 0)
            (void)await(record_clock() + FOREVER, POLLOUT);
    }
}

static void send_much(unsigned kibibytes)
{
    static char block[1024];

    memset(block, 'm', sizeof(block));
    while (kibibytes-- > 0)
        send_all(block, sizeof(block));
}

/* The name comes first, so that nobody takes it for a handler. */
static void leave_behind(bool keeps_connection, unsigned milliseconds)
{
    (void)prctl(PR_SET_NAME, "left-behind");
    if (fork() == 0) {
        (void)setsid();
        if (!keeps_connection) {
            (void)close(STDIN_FILENO);
            (void)close(STDOUT_FILENO);
        }
        (void)close(records);
        (void)usleep(milliseconds * MILLISECOND);
        _exit(0);
    }
    (void)prctl(PR_SET_NAME, "handler");
}

/* What ends without an answer. */
static void do_worse(const char *word)
{
    if (strcmp(word, "segv") == 0 || strcmp(word, "abort") == 0) {
        note_end(word);
        (void)raise(strcmp(word, "segv") == 0 ? SIGSEGV : SIGABRT);
    } else if (strcmp(word, "hang") == 0) {
        (void)await(record_clock() + FOREVER, 0);
    } else if (strcmp(word, "deaf") == 0) {
        (void)signal(SIGTERM, SIG_IGN);
        (void)await(record_clock() + FOREVER, 0);
    } else if (strcmp(word, "frozen") == 0) {
        (void)raise(SIGSTOP);
    }
}

static int do_it(const char *line, const char *word, unsigned amount)
{
    char answer[64];
    int length = snprintf(answer, sizeof(answer), "%u %s\n", (unsigned)atoi(line), word);

    do_worse(word);
    if (strcmp(word, "answer") == 0 || strcmp(word, "fail") == 0)
        pause_for(amount);
    send_all(answer, (size_t)length);
    if (strcmp(word, "much") == 0 || strcmp(word, "flood") == 0)
        send_much(amount);
    if (strcmp(word, "daemon") == 0 || strcmp(word, "keep") == 0)
        leave_behind(word[0] == 'k', amount);
    if (strcmp(word, "close") == 0) {
        (void)close(STDIN_FILENO);
        (void)close(STDOUT_FILENO);
        pause_for(amount);
    }
    return strcmp(word, "fail") == 0 ? 3 : 0;
}

/* 127.SOURCE.H.L */
static unsigned number_of(const char *address)
{
    unsigned high = 0;
    unsigned low = 0;

    (void)sscanf(address, "%*u.%*u.%u.%u", &high, &low);
    return high * 256 + low;
}

/* Its name has no spaces. */
static void name_process(void)
{
    FILE *file = fopen("/proc/self/stat", "re");
    unsigned long long start = 0;

    if (file == NULL ||
        fscanf(file,
               "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d "
               "%*d %llu",
               &start) != 1)
        exit(71);
    (void)fclose(file);
    (void)snprintf(process, sizeof(process), "%d.%llu", getpid(), start);
}

int main(int argc, char **argv)
{
    const struct rlimit none = {0};
    const char *address = getenv("TCPREMOTEIP");
    char line[64];
    char word[16] = "";
    unsigned amount = 0;
    int status;

    ticket = getenv("DAMPENER_TICKET");
    if (argc != 3 || address == NULL || ticket == NULL)
        return 2;
    begin = atoll(argv[2]);
    client = number_of(address);
    records = open(argv[1], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    listen_for_term();
    name_process();
    record(records, "begin %u %s %s %.6f\n", client, ticket, process, record_seconds(begin));
    (void)setrlimit(RLIMIT_CORE, &none);
    read_line(line, sizeof(line));
    if (sscanf(line, "%*u %15s %u", word, &amount) != 2)
        leave("unclear", 2);
    status = do_it(line, word, amount);
    leave(status == 0 ? "done" : "failed", status);
}
