/*
 * handover_link.h - the process that takes the place of this one, as far as others need to know of
 * it: what it is sent, what nobody may do meanwhile, and that it is told when handlers end.
 *
 * How the two go on from phase to phase is in handover.h.
 */
#ifndef SUPERVISOR_TAKEOVER_HANDOVER_LINK_H
#define SUPERVISOR_TAKEOVER_HANDOVER_LINK_H

#include "supervisor/base/loop.h"
#include "supervisor/takeover/inheritance.h"

#include <stdbool.h>
#include <stdint.h>

struct server;
struct client;

enum handover_phase {
    HANDOVER_NONE,
    HANDOVER_ANNOUNCED, /* GO is awaited */
    HANDOVER_SETTLING,  /* until nobody is starting */
    HANDOVER_SENDING,   /* those who run, and those who wait */
    HANDOVER_SENT,      /* READY is awaited */
    HANDOVER_COMMITTED, /* SERVING is awaited: there is no way back but its death */
    HANDOVER_DONE
};

struct handover {
    enum handover_phase phase;
    struct loop_source source;  /* the other one; descriptor -1: gone */
    struct loop_timer deadline; /* for what is awaited; once done, when to report again */
    struct client *next;        /* to be sent */
    bool waiting_sent;          /* those who run are sent first */
    uint32_t untaken;           /* messages with clients that were not answered yet */
    uint32_t owed;              /* ends that are still to be reported */
    int32_t successor;          /* the number of the other one, once that is READY */
    uint64_t used;              /* which listeners it has kept; likewise */
    bool left;                  /* LEFT was sent */
    bool settled;               /* it has said so */
    const char *reason;         /* for which it was given up; NULL: it was not */
    void (*end)(struct server *server, int signal_number);
};

/* Sends a message, as inheritance_send(). */
int handover_send(struct server *server, const union inheritance *message, const int *descriptors);

/* Says nothing any more, and hears nothing. */
void handover_close(struct server *server);

/* Whether nobody is to be started now, and whether nobody is to be accepted nor to leave the queue
 * either. */
bool handover_holds_starts(const struct server *server);
bool handover_holds_clients(const struct server *server);

/* Whether this process may leave, as far as the other one is concerned, and the service manager,
 * which is to be told of that. */
bool handover_is_over(const struct server *server);

/* The handler of a client has ended; `status` may be NULL.  Returns whether the client can be
 * forgotten; else that happens here, never at once but by the timer, when the other one has been
 * told, or is not to be any more. */
bool handover_ended(struct server *server, struct client *client, const int *status);

/* Reports those that are owed, as many as the other one takes; the timer is set for the rest. */
void handover_report_owed(struct server *server);

/* Once the manager knows, or if there is none: the new one may speak to it. */
void handover_leave(struct server *server);

/* They are not to be reported any more, and are forgotten. */
void handover_forget_owed(struct server *server);

#endif
