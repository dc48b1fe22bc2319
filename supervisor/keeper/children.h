/*
 * children.h - the keeper's children.
 *
 * A dispatcher that dies is replaced, and a dispatcher that stays stopped is killed.  The pair, the
 * readers of files, and processes that handlers leave behind are reaped.  The supervisor gets
 * reports about them (link.h).
 */
#ifndef SUPERVISOR_KEEPER_CHILDREN_H
#define SUPERVISOR_KEEPER_CHILDREN_H

#include "supervisor/keeper/state.h"

#include <sys/wait.h>

/* Prepares a dispatcher that does not exist yet. */
void children_open(struct keeper *keeper, unsigned index);

/* Starts a dispatcher, and reports it.  Returns 0, or -1 with errno. */
int children_start(struct keeper_dispatcher *dispatcher);

/* Kills one dispatcher that began at `moment` or earlier, so that another takes its place; none
 * while a dispatcher is absent.  Returns false once no such dispatcher is left. */
bool children_replace(struct keeper *keeper, uint64_t moment);

/* Takes note of dispatchers that were stopped or continued, and reaps children that have died,
 * dispatchers before what they left behind, as far as the outbox takes the reports; `again` goes on
 * with it.  The context is the keeper. */
void children_go_on(void *context);

/* Kills all dispatchers, and waits a second at most.  Before that, gives dispatchers of workers a
 * second to exit by themselves.  Kills handlers as well if the keeper gives up. */
void children_end(struct keeper *keeper);

/* Returns true if the process is the keeper's child, dead or alive; or, with P_PGID, if one of its
 * children is in that group. */
bool children_has(idtype_t type, pid_t process);

/* Returns true if the process is a child that is dead, and was not reaped. */
bool children_is_dead(pid_t process);

/* Returns true if ADOPT and SIGNAL must not name the process: the keeper has started it, or its
 * process group is the keeper's. */
bool children_is_ours(const struct keeper *keeper, pid_t process);

/* Once `pair` was reaped, returns the supervisor if that has become our child; otherwise 0. */
pid_t children_find_supervisor(const struct keeper *keeper);

/* Reports the end of a process that ADOPT has named with this mark, and that counts for nothing. */
void children_report_none(struct keeper *keeper, pid_t process, uint32_t mark);

/* Reports this group, if GROUP has named it and it is empty.  Its last process may have left it,
 * which no signal tells. */
void children_look_at_group(struct keeper *keeper, pid_t group);

#endif
