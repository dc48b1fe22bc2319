/*
 * signals.h - signals as a descriptor: nothing of ours ever runs inside a signal handler.
 */
#ifndef SUPERVISOR_SERVER_SIGNALS_H
#define SUPERVISOR_SERVER_SIGNALS_H

/* To be called first of all.  From now on no signal ends or stops this process that has its origin
 * in the daemon's own doings, such as writing to a pipe that nobody reads (SIGPIPE), to a file that
 * may not grow (SIGXFSZ) or to a terminal (SIGTTOU), or that nobody would send a daemon on purpose.
 */
void signals_prepare(void);

/* From now on SIGTERM and its like wait until the service looks at them: there is something that
 * would be left behind. */
void signals_hold(void);

/* The service takes the rest over: SIGTERM, SIGINT, SIGHUP, SIGUSR1 and SIGCHLD.  Returns the
 * descriptor to read them from (non-blocking, close-on-exec), or -1 with errno. */
int signals_open(void);

/* The next signal that has come, or 0 for none. */
int signals_next(int descriptor);

/* Ends this process by a signal, so that whoever started it sees why. */
_Noreturn void signals_die_of(int signal_number);

#endif
