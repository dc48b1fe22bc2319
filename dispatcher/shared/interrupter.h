/*
 * interrupter.h - keeps close(2) and recv(2) from waiting for a file that a client has sent along.
 *
 * A client of a Unix socket can send descriptors (unix(7), SCM_RIGHTS).  Whoever closes the
 * connection, or reads past them, closes those files, too; and the last close of a TCP socket with
 * SO_LINGER waits for minutes, as long as no signal is pending (net/ipv4/tcp.c,
 * sk_stream_wait_close()).
 *
 * Since Linux 6.16 a socket can refuse descriptors (SO_PASSRIGHTS).  Where it does not, a signal
 * every INTERRUPTER_PERIOD ends such a wait.  It means nothing else.
 */
#ifndef DISPATCHER_SHARED_INTERRUPTER_H
#define DISPATCHER_SHARED_INTERRUPTER_H

#include <stdbool.h>

enum { INTERRUPTER_PERIOD = 100 /* microseconds */ };

/* Has a socket refuse descriptors: sendmsg(2) then fails with EPERM at the other end.  Connections
 * of a listener take the setting over when they are made.  Without support it does nothing. */
void interrupter_refuse_descriptors(int descriptor);

/* Whether descriptors may have come, or may come, by a socket. */
bool interrupter_is_needed(int descriptor);

/* Prepares this process for the next two, or undoes that.  A handler of the signal must not run on
 * the small stack of a child that is about to execute something (spawn.c). */
void interrupter_prepare(bool on);

/* Begins and ends to interrupt what waits: it fails with EINTR, or is done without waiting.  A
 * system call each.  A child does not inherit the timer. */
void interrupter_begin(void);
void interrupter_end(void);

#endif
