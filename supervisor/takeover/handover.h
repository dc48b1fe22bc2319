/*
 * handover.h - the old process of a takeover (inheritance.h): it hands its listeners and clients
 * over to a new process.
 *
 * Until SERVING nothing changes here for good:
 *
 *     ANNOUNCED   the new process has the listeners; we serve as before
 *     SETTLING    no handler is started, until none is starting
 *     SENDING     no client is accepted, and none leaves; copies of all clients are sent
 *     DONE        the new process serves; we wait for our handlers and report each end, so that the
 *                 two processes together never run more than are allowed
 *
 * Nothing here blocks.
 */
#ifndef SUPERVISOR_TAKEOVER_HANDOVER_H
#define SUPERVISOR_TAKEOVER_HANDOVER_H

#include "supervisor/base/loop.h"
#include "supervisor/listen/accept.h"
#include "supervisor/queue/queue.h"
#include "supervisor/takeover/inheritance.h"
#include "supervisor/takeover/offer.h"

#include <stdbool.h>
#include <stdint.h>

enum handover_phase {
    HANDOVER_NONE,
    HANDOVER_ANNOUNCED, /* GO is awaited */
    HANDOVER_SETTLING,
    HANDOVER_SENDING,
    HANDOVER_SENT,      /* READY is awaited; the new process serves if supervisor and standby die */
    HANDOVER_COMMITTED, /* SERVING is awaited; only the death of the new process leads back */
    HANDOVER_DONE
};

struct handover {
    struct loop *loop;
    struct queue *queue;
    struct acceptor *acceptor;
    const bool *paused; /* by the operator */
    const struct inheritance_settings *settings;
    struct takeover_events events;
    struct offer offer;

    enum handover_phase phase;
    struct loop_source source;  /* the link to the new process; descriptor -1: there is none */
    struct loop_timer deadline; /* of the message that is awaited; when DONE, of the next report */
    struct client *next;        /* to be sent */
    bool queued;                /* `next` waits; clients with a handler are sent first */
    bool tells_settings;        /* the new process knows SETTING */
    uint32_t setting;           /* the next to be sent */
    uint32_t untaken;           /* messages with clients that lack a TAKEN */
    uint32_t owed;              /* handlers whose end has to be reported */
    int32_t successor;          /* process id of the new process, from READY on */
    uint64_t used;              /* the sockets that it keeps, from READY on */
    bool unsaid;                /* repeat COMMITTED */
    bool resumed;               /* an earlier supervisor may have read SERVING, and not noted it */
    bool left;                  /* LEFT was sent, or nobody is left to hear it */
    bool settled;               /* SETTLED was received */
    bool ending;                /* the service ends: no process may take over any more */
    const char *reason;         /* why the handover is being aborted; NULL: it is not */
};

/* Opens the module, all zero or from an earlier supervisor; what is passed must stay.  Offers the
 * sockets of the acceptor; the caller may add others to `offer`. */
void handover_open(struct handover *handover, struct loop *loop, struct queue *queue,
                   struct acceptor *acceptor, const bool *paused,
                   const struct inheritance_settings *settings,
                   const struct takeover_events *events);

/* Goes on with the handover of an earlier supervisor, or aborts it. */
void handover_resume(struct handover *handover);

/* Begins a handover to a process that asks for this version.  Returns the descriptor for the new
 * process, which the caller owns.  Returns -1 if nothing can be handed over; *error says why. */
int handover_begin(struct handover *handover, uint64_t version, const char **error);

/* Goes on with the handover, after each round of events. */
void handover_advance(struct handover *handover);

/* Ends the handover because the service ends: before COMMITTED by aborting it; later by completing
 * it, unless the new process is dead. */
void handover_end(struct handover *handover);

/* Returns whether no handler may be started now. */
bool handover_holds_starts(const struct handover *handover);

/* Returns whether no client may be accepted, or leave the queue, now. */
bool handover_holds_clients(const struct handover *handover);

/* Tells the new process, once, that the service manager will listen to it.  To be called after each
 * round: a message that cannot be sent is sent later. */
void handover_leave(struct handover *handover);

/* Returns whether the new process, if one serves, needs this process no more. */
bool handover_is_over(const struct handover *handover);

/* Takes the end of a handler; `status` may be NULL.  Returns true if the caller may end the client.
 * Otherwise the client ends here, later, when the end has been reported. */
bool handover_ended(struct handover *handover, struct client *client, const int *status);

#endif
