/*
 * signals.h - receives signals through a descriptor, without signal handlers.
 */
#ifndef SUPERVISOR_BASE_SIGNALS_H
#define SUPERVISOR_BASE_SIGNALS_H

/* Blocks signals that the daemon causes itself, by writing to a pipe without a reader (SIGPIPE), to
 * a full file (SIGXFSZ) or to a terminal (SIGTTOU), and signals that nobody sends on purpose.  Call
 * it first of all. */
void signals_prepare(void);

/* Blocks the signals of signals_open(), because from now on there are files to remove before an
 * exit. */
void signals_hold(void);

/* Opens the descriptor for SIGTERM, SIGINT, SIGHUP, SIGUSR1 and SIGCHLD.  Returns it, non-blocking
 * and close-on-exec, or -1 with errno. */
int signals_open(void);

/* Returns the next signal that has come; 0: none. */
int signals_next(int descriptor);

/* Ends this process by a signal, which shows its parent why. */
_Noreturn void signals_die_of(int signal_number);

#endif
