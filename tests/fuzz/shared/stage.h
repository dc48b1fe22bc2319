/*
 * stage.h - a supervisor at work in this process, with nobody at the other ends but the target:
 * clients, dispatchers and the process that is to take over are sockets here.
 *
 * It runs as in the product, by server_run(), but that a step of the target's comes in each round
 * of its loop.  After each round its books are held against what always holds, and in the end it
 * has no descriptor open but those it should have.
 */
#ifndef TESTS_FUZZ_SHARED_STAGE_H
#define TESTS_FUZZ_SHARED_STAGE_H

#include "supervisor/server/server.h"
#include "supervisor/server/state.h"

#include <stdbool.h>
#include <stdint.h>

enum { STAGE_DISPATCHERS = 3 /* the spare is the last */, STAGE_CLIENTS = 64 /* at most */ };

/* A service, with these words between the name of the program and PORT, of 8 at most; NULL ends
 * them. */
struct server *stage_open(const char *const *words);

/* Runs it.  `step` is called once in each round, and returns whether there is another. */
void stage_run(bool (*step)(void *context), void *context);

/* The service has failed, and the process would end: what is left open is closed by stage_close().
 */
void stage_forgive(void);

/* Frees and closes what a process leaves to its end. */
void stage_close(void);

/* ---- what a step can do ---- */

/* A client comes from there. */
void stage_connect(const struct endpoint *remote);

/* A client, by its number among those that came, is gone. */
void stage_hang_up(unsigned number);

/* The end that this dispatcher has, if it lives; else -1. */
int stage_dispatcher(unsigned index);

/* Its process, as the supervisor knows it. */
int32_t stage_process(unsigned index);

/* It dies, and is reaped. */
void stage_kill(unsigned index);

/* The next timer that is set, of the one with this number on, expires now. */
void stage_expire(unsigned number);

#endif
