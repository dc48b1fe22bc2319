/*
 * reload.h - the files of the command line, read again: the spare dispatcher reads them, since this
 * process may not open anything, and its file system may make whoever reads wait.
 */
#ifndef SUPERVISOR_SERVER_RELOAD_H
#define SUPERVISOR_SERVER_RELOAD_H

#include "dispatcher/protocol.h"

#include <stdbool.h>
#include <stdint.h>

struct server;

struct reload {
    bool asked[PROTOCOL_FILES]; /* CONTENT is to come */
    bool again[PROTOCOL_FILES]; /* what comes may be older than the last time we were told to */
    bool owed[PROTOCOL_FILES];  /* the one to be asked could not be */
    bool died[PROTOCOL_FILES];  /* one that was asked: it may have been this file that held it up */
    uint64_t again_at;          /* when to try what is owed; 0: nothing is */
    bool wrong;                 /* one of them could not be read, or is not right */
};

/* Has all of them read again. */
void reload_begin(struct server *server);

/* One of them has come, with the server as context; takes over the descriptor, if it is not -1. */
void reload_content(void *context, enum protocol_file file, int descriptor, int error);

/* Asks for what could not be asked for when it should have been, once it is time; and when that is,
 * 0 for never. */
void reload_owed(struct server *server);
uint64_t reload_deadline(const struct server *server);

/* A dispatcher is dead: if it was reading, it may be for that. */
void reload_gone(struct server *server, unsigned dispatcher);

#endif
