/*
 * commands.h - what the operator can say over the control socket: a table of commands.
 *
 * An answer that begins with "error: " is one; nothing was changed then.
 */
#ifndef SUPERVISOR_SERVER_COMMANDS_H
#define SUPERVISOR_SERVER_COMMANDS_H

#include "supervisor/server/state.h"

/* Does what a line asks for, and fills in the answer. */
void commands_answer(struct server *server, const struct control_request *request,
                     struct control_answer *answer);

#endif
