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

/* Has all files read again in the place of an earlier supervisor, which may have read newer ones
 * than this one has: no client is accepted meanwhile. */
void reload_resume(struct server *server);

/* Has all files read again. */
void reload_begin(struct server *server);

/* Takes the answer to READ: a sealed memory file; or -1 and the `value` of CONTENT (link.h). */
void reload_content(struct server *server, enum options_file file, int descriptor, int error);

#endif
