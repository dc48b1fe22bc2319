/*
 * departing.h - a daemon that has been killed, and is not gone yet.
 *
 * The kernel closes what a process had open in the order of its own, and listening sockets last: so
 * with thousands of clients waiting they are there for a second after SIGKILL, as is the lock of
 * the pid file.  Service managers wait for the end, a person who types kill and start does not.
 */
#ifndef SUPERVISOR_KEEPER_DEPARTING_H
#define SUPERVISOR_KEEPER_DEPARTING_H

/* Waits, ten seconds at most, until no process of the name of this one is on its way out.  Whoever
 * has found something taken calls this, and then tries again, as that may be free by now. */
void departing_await(void);

#endif
