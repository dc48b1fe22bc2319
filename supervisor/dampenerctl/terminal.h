/*
 * terminal.h - takes the whole terminal, and restores it on exit.
 *
 * While the terminal is taken, it shows the alternate screen, hides the cursor and does not wrap
 * lines.  Keys arrive at once and are not echoed (termios(3); control sequences of xterm, which
 * today's terminals share).  Standard output is the terminal; standard input may be a terminal.
 * Signals arrive through a descriptor.  A terminal that takes no output blocks nothing: the rest is
 * written when poll(2) allows it.
 */
#ifndef DAMPENERCTL_TERMINAL_H
#define DAMPENERCTL_TERMINAL_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <termios.h>

struct terminal {
    int output;    /* a description of the terminal of our own, which does not block */
    int signals;   /* signalfd(2) */
    bool is_input; /* standard input is a terminal, too */
    struct termios before;
    sigset_t mask_before;
    const char *pending; /* the rest of the caller's text, not written yet */
    size_t pending_length;
};

enum terminal_event {
    TERMINAL_NOTHING,
    TERMINAL_QUIT,   /* a signal asks to end the view */
    TERMINAL_CHANGED /* draw everything again: the size changed, or another process wrote */
};

/* Returns whether standard output is a terminal that can show a view. */
bool terminal_is_able(void);

/* Returns whether the terminal says that it has 256 colours. */
bool terminal_has_many_colours(void);

/* Takes the terminal.  Returns 0, or -1 with errno and no change. */
int terminal_open(struct terminal *terminal);

/* Restores the terminal.  Keeps errno. */
void terminal_close(struct terminal *terminal);

/* The size of the terminal; 24 by 80 if unknown. */
void terminal_size(unsigned *rows, unsigned *columns);

/* Handles a signal when `signals` is readable.  SIGTSTP restores the terminal, stops the process,
 * and takes the terminal again after SIGCONT. */
enum terminal_event terminal_signal(struct terminal *terminal);

/* Writes a text, which must stay until nothing is pending.  Nothing may be pending before.  Returns
 * 0, or -1 with errno if the terminal is gone. */
int terminal_write(struct terminal *terminal, const char *text, size_t length);

/* Writes more of the pending text, when `output` is writable. */
int terminal_flush(struct terminal *terminal);

#endif
