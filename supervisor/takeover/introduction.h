/*
 * introduction.h - the new process of a takeover asks the old one, at its control socket, for the
 * link between them (inheritance.h).
 */
#ifndef SUPERVISOR_TAKEOVER_INTRODUCTION_H
#define SUPERVISOR_TAKEOVER_INTRODUCTION_H

/* Connects to the control socket at `path`, if root or our own user listens there, and asks for the
 * link; waits some seconds at most.  Returns its descriptor, which the caller owns, or -1 after a
 * log line. */
int introduction_make(const char *path);

#endif
