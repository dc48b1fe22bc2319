/*
 * handover.h - the side of inheritance.h that gives: another process takes the place of this one.
 *
 * Until that has said SERVING, nothing is changed here for good.  In this order: it is announced,
 * and has the listeners; once it could serve, no handler is started any more, until none is
 * starting; then nobody is accepted any more, and copies of all that wait are sent.  From SERVING
 * on this process only waits for its handlers, and says of each when it has ended, so that the two
 * together never run more than are allowed.
 */
#ifndef SUPERVISOR_TAKEOVER_HANDOVER_H
#define SUPERVISOR_TAKEOVER_HANDOVER_H

#include "supervisor/takeover/handover_link.h"

#include <stdint.h>

/* Sets up what the other functions need.  `end` is called when the other one ends, and our handlers
 * are to be sent this signal. */
void handover_open(struct server *server, void (*end)(struct server *server, int signal_number));

/* Begins it, for a process that asks for this version.  Returns the descriptor that it is to be
 * sent; or -1, and *error tells why not. */
int handover_begin(struct server *server, uint64_t version, const char **error);

/* Goes on with it, after each round of events. */
void handover_advance(struct server *server);

/* Ends it, as the service does: if it is not committed yet, all that is left is to be done here;
 * else nothing is any more, but to wait for handlers. */
void handover_end(struct server *server);

#endif
