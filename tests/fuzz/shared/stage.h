/*
 * stage.h - a supervisor at work in this process.  The other ends of its sockets belong to the
 * target: clients, dispatchers, and the process that is to take over.  The keeper is part of the
 * stage, and does what it should.
 *
 * The supervisor runs as in the product, by server_run(), except that each round of its loop makes
 * a step of the target's.  After each round its books must balance; at the end it must have no
 * descriptor open that it should not have.
 */
#ifndef TESTS_FUZZ_SHARED_STAGE_H
#define TESTS_FUZZ_SHARED_STAGE_H

#include "supervisor/server/server.h"
#include "supervisor/server/state.h"

#include <stdbool.h>
#include <stdint.h>

enum { STAGE_DISPATCHERS = 3, STAGE_CLIENTS = 64 /* at most */ };

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

/* Returns the end that this dispatcher has; -1 if it is dead. */
int stage_dispatcher(unsigned index);

/* Returns its process, as the supervisor knows it. */
int32_t stage_process(unsigned index);

/* Returns how many dispatchers were started at this index. */
uint32_t stage_generation(unsigned index);

/* The dispatcher dies.  The keeper reports that, and starts another in the next round. */
void stage_kill(unsigned index);

/* The keeper dies. */
void stage_kill_keeper(void);

/* The next timer that is set, of the one with this number on, expires now. */
void stage_expire(unsigned number);

#endif
