/*
 * signals.h - signals as a descriptor: nothing of ours ever runs inside a signal handler.
 */
#ifndef SUPERVISOR_SIGNALS_H
#define SUPERVISOR_SIGNALS_H

/* Blocks all that would end or stop the service, and SIGPIPE.  Returns the descriptor to read
 * signals from (non-blocking, close-on-exec), or -1 with errno. */
int signals_open(void);

/* The next signal that has come, or 0 for none. */
int signals_next(int descriptor);

/* Ends this process by a signal, so that whoever started it sees why. */
_Noreturn void signals_die_of(int signal_number);

#endif
