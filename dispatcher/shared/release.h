/*
 * release.h - closes a shared socket without blocking.
 *
 * If a handler has set SO_LINGER, the last close(2) of its connection waits until all data is sent
 * (socket(7)).  Ours may be the last one.
 */
#ifndef DISPATCHER_SHARED_RELEASE_H
#define DISPATCHER_SHARED_RELEASE_H

/* Clears SO_LINGER, so that the kernel sends the rest in the background, and closes.  Keeps a
 * linger time of 0, which means a reset.  Takes any descriptor. */
void release(int descriptor);

#endif
