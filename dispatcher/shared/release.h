/*
 * release.h - closes a descriptor that somebody else has or had, too, without waiting.
 *
 * Closing the last descriptor of a connection waits for what is unsent to be sent, if a handler has
 * asked for that (socket(7), SO_LINGER); and ours may turn out to be the last.
 */
#ifndef DISPATCHER_SHARED_RELEASE_H
#define DISPATCHER_SHARED_RELEASE_H

/* What was asked for is undone, but for a time of 0, which means a reset: what is unsent is sent in
 * the background.  Any descriptor will do. */
void release(int descriptor);

#endif
