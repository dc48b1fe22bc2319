/*
 * books.h - who came to the service, what each got, and which of them had a handler, by the
 * handlers' own account.
 *
 * The file "books" is written by tests/tools/faults/handler.c.
 */
#ifndef TESTS_TOOLS_FAULTS_RUN_BOOKS_H
#define TESTS_TOOLS_FAULTS_RUN_BOOKS_H

#include <stdbool.h>

enum { BOOKS_CLIENTS = 64 /* of one run, at most; and so many tickets */ };

/* What a client comes for. */
enum wish {
    WISH_ANSWER,
    WISH_STAY,  /* its handler is ended by the time limit */
    WISH_LEAVE, /* it resets the connection; whether it had a handler does not matter */
    WISH_DENIED,
    WISH_REFUSED /* the queue is full; but it may have become shorter */
};

struct books_client {
    enum wish wish;
    bool cut;        /* the connection ended without a word */
    unsigned served; /* handlers that have heard the client */
    bool late;       /* its time limit ended the handler before the answer */
};

struct books {
    unsigned count;
    struct books_client list[BOOKS_CLIENTS]; /* client N is N - 1 */
    unsigned began[BOOKS_CLIENTS + 1];       /* handlers, by ticket */
};

/* What has become of all. */
struct books_verdict {
    unsigned lost;   /* should have had an answer, or a handler, and had none */
    unsigned twice;  /* had more than one handler; the second one hears nothing, most times */
    unsigned untold; /* were refused, and not told */
    unsigned began;  /* handlers */
    bool strange;    /* a denied client had a handler, or a handler noted what nobody can be */
};

/* Adds a client, and returns its number, from 1 on; 0: there is no room. */
unsigned books_add(struct books *books, enum wish wish);

/* The connection of that client ended without a word. */
void books_cut(struct books *books, unsigned number);

/* Reads what the handlers have noted. */
struct books_verdict books_judge(struct books *books);

#endif
