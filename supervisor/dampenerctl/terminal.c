#include "supervisor/dampenerctl/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

enum { CLOSING_PATIENCE = 500 /* milliseconds for the last bytes to a slow terminal */ };

/* To the alternate screen; an empty screen without cursor and wrapping; and back. */
static const char enter[] = "\033[?1049h";
static const char clear[] = "\033[?25l\033[?7l\033[0m\033[H\033[2J";
static const char leave[] = "\033[0m\033[?7h\033[?25h\033[?1049l";

bool terminal_is_able(void)
{
    const char *type = getenv("TERM");

    return isatty(STDOUT_FILENO) && type != NULL && *type != '\0' && strcmp(type, "dumb") != 0;
}

bool terminal_has_many_colours(void)
{
    const char *type = getenv("TERM");
    const char *colours = getenv("COLORTERM");

    return (type != NULL && strstr(type, "256color") != NULL) ||
           (colours != NULL && *colours != '\0');
}

void terminal_size(unsigned *rows, unsigned *columns)
{
    struct winsize size = {.ws_row = 0};

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0)
        size = (struct winsize){.ws_row = 0};
    *rows = size.ws_row == 0 ? 24 : size.ws_row;
    *columns = size.ws_col == 0 ? 80 : size.ws_col;
}

/* ---- taking it and giving it back ---- */

static void set_modes(const struct termios *modes)
{
    /* TCSANOW: pending output may never drain.  Without a terminal there is nothing to set. */
    while (tcsetattr(STDIN_FILENO, TCSANOW, modes) < 0 && errno == EINTR)
        ;
}

/* Writes a short sequence; waits a little for a slow terminal. */
static void write_briefly(struct terminal *terminal, const char *text)
{
    struct pollfd wanted = {.fd = terminal->output, .events = POLLOUT};

    terminal->pending = text;
    terminal->pending_length = strlen(text);
    while (terminal->pending_length > 0 && poll(&wanted, 1, CLOSING_PATIENCE) > 0)
        if (terminal_flush(terminal) < 0)
            break;
    terminal->pending_length = 0;
}

static void set_view_modes(const struct terminal *terminal)
{
    if (terminal->is_input) {
        struct termios modes = terminal->before;

        modes.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        /* Ctrl-S would stop the output, and the screen could not be restored. */
        modes.c_iflag &= ~(tcflag_t)IXON;
        modes.c_cc[VMIN] = 1;
        modes.c_cc[VTIME] = 0;
        set_modes(&modes);
    }
}

static void take(struct terminal *terminal)
{
    set_view_modes(terminal); /* first, because Ctrl-S may have stopped the output */
    write_briefly(terminal, enter);
    write_briefly(terminal, clear);
}

static void give_back(struct terminal *terminal)
{
    write_briefly(terminal, leave);
    if (terminal->is_input)
        set_modes(&terminal->before);
}

/* Opens a description of the terminal of its own, because the shell shares the other one.  After
 * su(1) the terminal cannot be opened again: then the shared description serves. */
static int open_output(void)
{
    int output = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

    return output >= 0 ? output : fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
}

int terminal_open(struct terminal *terminal)
{
    static const int wanted[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT, SIGWINCH};
    sigset_t mask;

    *terminal = (struct terminal){.output = -1};
    terminal->is_input = tcgetattr(STDIN_FILENO, &terminal->before) == 0;
    (void)sigemptyset(&mask); /* neither call fails for a valid signal */
    for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
        (void)sigaddset(&mask, wanted[i]);
    terminal->output = open_output();
    if (terminal->output < 0)
        return -1;
    terminal->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    if (terminal->signals < 0) {
        int error = errno;

        (void)close(terminal->output);
        errno = error;
        return -1;
    }
    (void)sigprocmask(SIG_BLOCK, &mask, &terminal->mask_before);
    take(terminal);
    return 0;
}

void terminal_close(struct terminal *terminal)
{
    int error = errno;

    give_back(terminal);
    (void)close(terminal->output); /* the last write has succeeded or failed already */
    (void)close(terminal->signals);
    (void)sigprocmask(SIG_SETMASK, &terminal->mask_before, NULL);
    errno = error;
}

/* ---- signals ---- */

/* Stops by SIGTSTP itself, as the shell expects.  The signal is pending until it is unblocked. */
static void stop_here(struct terminal *terminal)
{
    const struct timespec no_time = {0};
    sigset_t stop;
    sigset_t go_on;

    give_back(terminal);
    (void)sigemptyset(&stop);
    (void)sigaddset(&stop, SIGTSTP);
    (void)raise(SIGTSTP);
    (void)sigprocmask(SIG_UNBLOCK, &stop, NULL);
    (void)sigprocmask(SIG_BLOCK, &stop, NULL);
    (void)sigemptyset(&go_on);
    (void)sigaddset(&go_on, SIGCONT);
    (void)sigtimedwait(&go_on, NULL, &no_time); /* takes the SIGCONT that woke this process */
    if (terminal->is_input)
        (void)tcgetattr(STDIN_FILENO, &terminal->before); /* on failure the old modes stay valid */
    take(terminal);
}

enum terminal_event terminal_signal(struct terminal *terminal)
{
    struct signalfd_siginfo signal;

    if (read(terminal->signals, &signal, sizeof(signal)) != (ssize_t)sizeof(signal))
        return TERMINAL_NOTHING;
    switch (signal.ssi_signo) {
    case SIGTSTP:
        stop_here(terminal);
        return TERMINAL_CHANGED;
    case SIGCONT: /* after SIGSTOP, which gave no warning, the shell has used the terminal */
        set_view_modes(terminal);
        write_briefly(terminal, clear);
        return TERMINAL_CHANGED;
    case SIGWINCH:
        return TERMINAL_CHANGED;
    default:
        return TERMINAL_QUIT;
    }
}

/* ---- output ---- */

int terminal_flush(struct terminal *terminal)
{
    while (terminal->pending_length > 0) {
        ssize_t written = write(terminal->output, terminal->pending, terminal->pending_length);

        if (written < 0)
            return errno == EAGAIN || errno == EINTR ? 0 : -1;
        terminal->pending += written;
        terminal->pending_length -= (size_t)written;
    }
    return 0;
}

int terminal_write(struct terminal *terminal, const char *text, size_t length)
{
    terminal->pending = text;
    terminal->pending_length = length;
    return terminal_flush(terminal);
}
