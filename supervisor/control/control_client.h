/*
 * control_client.h - one connection of an operator's, from its first byte to its last; part of
 * control.c, which says who may come and who has to go.
 */
#ifndef SUPERVISOR_CONTROL_CONTROL_CLIENT_H
#define SUPERVISOR_CONTROL_CONTROL_CLIENT_H

#include "supervisor/control/control.h"
#include "supervisor/control/control_question.h"
#include "supervisor/control/control_reply.h"
#include "supervisor/control/http.h"

enum control_client_state {
    CONTROL_CLIENT_READING,  /* watched */
    CONTROL_CLIENT_ASKING,   /* the request is complete */
    CONTROL_CLIENT_SENDING,  /* some of the answer was not taken at once */
    CONTROL_CLIENT_LINGERING /* watched: all is sent, and what comes is discarded (refusal.h) */
};

struct control_client {
    struct list_entry entry; /* first: a list entry is the client */
    struct control *control;
    struct loop_source source;
    uint64_t until;
    enum control_client_state state;
    uid_t user;
    bool stranger; /* who may not speak */
    bool ended;    /* nothing more will come */
    size_t received;
    size_t discarded;
    struct control_question question;
    struct control_reply reply;

    char request[CONTROL_REQUEST_MAXIMUM + 1];
    char head[HTTP_HEAD_MAXIMUM];
    char body[CONTROL_ANSWER_MAXIMUM]; /* only as many pages are ever used as answers are long */
};

/* Takes one that is unused, of which there must be one; and the descriptor. */
void control_client_begin(struct control *control, int descriptor, uid_t user, bool stranger);

/* Answers the request of one that is asking. */
void control_client_answer(struct control_client *client);

/* Sends what is left of an answer, as far as it is taken. */
void control_client_send(struct control_client *client);

void control_client_end(struct control_client *client);

#endif
