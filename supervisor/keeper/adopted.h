/*
 * adopted.h - children that the supervisor has named in ADOPT (link.h) before they led a session.
 *
 * One that dies without having led a session has not become a handler, and counts for nothing; but
 * the supervisor waits for its end.
 */
#ifndef SUPERVISOR_KEEPER_ADOPTED_H
#define SUPERVISOR_KEEPER_ADOPTED_H

#include "supervisor/keeper/state.h"

/* Notes a child, with the mark of ADOPT.  Returns false if there is no room for another. */
bool adopted_note(struct keeper *keeper, pid_t process, uint32_t mark);

/* Forgets a child that was reaped.  Returns true, and the mark, if it was noted. */
bool adopted_forget(struct keeper *keeper, pid_t process, uint32_t *mark);

#endif
