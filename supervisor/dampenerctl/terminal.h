/*
 * terminal.h - has the whole of a terminal for as long as it is open, and gives it back as it was.
 *
 * In between the alternate screen is shown, the cursor is hidden, lines are not wrapped, and keys
 * come at once and are not shown (termios(3); xterm's control sequences, which the terminals of
 * today have in common).  Standard output is the terminal; standard input may be one.  Signals that
 * concern the view come through a descriptor.  Nothing here waits for a terminal that takes no
 * output: writing is tried, and tried again when poll(2) says so.
 */
#ifndef DAMPENERCTL_TERMINAL_H
#define DAMPENERCTL_TERMINAL_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <termios.h>

struct terminal {
    int output;    /* our own description of the terminal, so that it can be set not to block */
    int signals;   /* signalfd(2) */
    bool is_input; /* standard input is a terminal, too */
    struct termios before;
    sigset_t mask_before;
    const char *pending; /* what is still to be written, of the caller's */
    size_t pending_length;
};

enum terminal_event {
    TERMINAL_NOTHING,
    TERMINAL_QUIT,   /* a signal asks for it */
    TERMINAL_CHANGED /* draw all of it again: another size, or somebody else has written */
};

/* Whether standard output is a terminal that can show a view. */
bool terminal_is_able(void);

/* Returns 0, or -1 with errno; then everything is as before. */
int terminal_open(struct terminal *terminal);

/* Gives the terminal back.  errno is kept. */
void terminal_close(struct terminal *terminal);

/* Of standard output; 24 by 80 if it does not know. */
void terminal_size(unsigned *rows, unsigned *columns);

/* To be called when `signals` can be read.  At SIGTSTP it gives the terminal back, stops, and takes
 * it again once continued. */
enum terminal_event terminal_signal(struct terminal *terminal);

/* Writes a text, that must stay until nothing is pending.  Only if nothing is pending.  Returns 0,
 * or -1 with errno if the terminal is gone. */
int terminal_write(struct terminal *terminal, const char *text, size_t length);

/* Goes on with that, when `output` can be written. */
int terminal_flush(struct terminal *terminal);

#endif
