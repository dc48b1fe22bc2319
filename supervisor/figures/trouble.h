/*
 * trouble.h - what the log says of handlers that cannot be started, or that end as no handler
 * should: a few lines of each kind, and later how many were left out.
 */
#ifndef SUPERVISOR_FIGURES_TROUBLE_H
#define SUPERVISOR_FIGURES_TROUBLE_H

#include "supervisor/base/limiter.h"
#include "supervisor/base/loop.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct trouble {
    struct loop *loop;
    const char *command; /* for the reader only */
    struct limiter starts;
    struct limiter ends;
    struct loop_timer left_out; /* when to say how many lines were left out */
    bool starts_fail;           /* the last start failed */
};

/* `command` and `loop` must stay. */
void trouble_open(struct trouble *trouble, struct loop *loop, const char *command);

/* Logs that a handler could not be started, as errno says.  Its client waits, and the next attempt
 * comes after `delay` microseconds. */
void trouble_start_failed(struct trouble *trouble, uint64_t ticket, uint64_t delay);

/* Logs that handlers can be started again. */
void trouble_start_succeeded(struct trouble *trouble);

/* Logs the end of a handler if its status, as of wait(2), points to something that it lacked: the
 * status with which loaders and shells say that they could not begin, or a signal that the kernel
 * sends.  `told` says that we have sent it a signal ourselves. */
void trouble_ended(struct trouble *trouble, uint64_t ticket, pid_t process, bool told, int status);

/* Logs now how many lines were left out. */
void trouble_left_out(struct trouble *trouble);

#endif
