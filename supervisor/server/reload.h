/*
 * reload.h - the files of the command line, read again at SIGHUP.
 *
 * A child of the keeper reads them, looks up hosts, and compiles the access rules: this process may
 * not open anything, and may not wait for file systems and name servers.  A file that cannot be
 * read, or is not right, keeps its old content.
 */
#ifndef SUPERVISOR_SERVER_RELOAD_H
#define SUPERVISOR_SERVER_RELOAD_H

#include "supervisor/server/state.h"

/* Opens the module. */
void reload_open(struct server *server);

/* Goes on in the place of an earlier supervisor, which may have read newer files than those of the
 * start.  Takes the access rules that it has left.  The other files are read again, before a client
 * is accepted. */
void reload_resume(struct server *server);

/* Returns true if no client may be accepted now. */
bool reload_holds_clients(const struct server *server);

/* Expects no files any more: the keeper is dead. */
void reload_give_up(struct server *server);

/* Has all files read again. */
void reload_begin(struct server *server);

/* Takes the answer to READ: a sealed memory file; or -1 and the `value` of CONTENT (link.h). */
void reload_content(struct server *server, enum options_file file, int descriptor, int error);

#endif
