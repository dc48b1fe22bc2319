/*
 * retry.h - a start that finds a port, a Unix socket or a pid file in use tries again for a while.
 *
 * After SIGKILL the kernel closes the descriptors of a daemon one by one, and its listening sockets
 * last: with thousands of clients, that takes about a second.  Service managers wait for the end of
 * the daemon; a person who types kill and starts the next one does not.
 */
#ifndef SUPERVISOR_BASE_RETRY_H
#define SUPERVISOR_BASE_RETRY_H

#include <stdbool.h>
#include <stdint.h>

struct retry {
    uint64_t until; /* the end of the attempts, on loop_clock(); 0: none has failed yet */
};

/* Sleeps for 50 ms and returns true, or returns false once 2 s have passed since the first call.
 * The first call logs that what `format` names is in use.  Keeps errno.  Only the start may call
 * this, because it blocks. */
bool retry_pause(struct retry *retry, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
