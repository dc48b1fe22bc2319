/*
 * janitor_process.h - the janitor's side of janitor.h: what is done with the files, and the process
 * that does it.
 */
#ifndef SUPERVISOR_KEEPER_JANITOR_PROCESS_H
#define SUPERVISOR_KEEPER_JANITOR_PROCESS_H

#include "supervisor/keeper/janitor.h"

#include <stdint.h>

enum janitor_request_type { JANITOR_PUBLISH = 1, JANITOR_LEND, JANITOR_RETURN };

struct janitor_request {
    uint32_t type;
    uint32_t item; /* 0 of JANITOR_PUBLISH */
};

/* Once when it is ready, and once for each JANITOR_PUBLISH. */
struct janitor_answer {
    int32_t error; /* errno, or 0 */
    uint32_t item; /* that it was for */
};

/* The life of the child, which has just been forked: ends when the other end of `socket` is closed,
 * or shut down for writing, after removing all that is left. */
_Noreturn void janitor_process_run(struct janitor *janitor, int socket, char **argv);

/* Removes all files that still are what they were, under their temporary or their own name. */
void janitor_process_remove(const struct janitor *janitor);

#endif
