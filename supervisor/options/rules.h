/*
 * rules.h - the access rules of the command line and of the access file, from words to what
 * access_allows() needs.
 *
 * Reading a file may wait for its file system, and looking up hosts for name servers: this is for
 * the start and for disposable processes.  Failures are logged.
 */
#ifndef SUPERVISOR_OPTIONS_RULES_H
#define SUPERVISOR_OPTIONS_RULES_H

#include "supervisor/options/options.h"

#include <stdbool.h>
#include <stddef.h>

/* Looks up the hosts of the command line.  Returns false after logging which has no address. */
bool rules_look_up(struct options *options);

/* Returns the text of the access file, which the caller frees; or NULL after logging why. */
char *rules_read(const struct options *options, size_t *length);

/* Makes `access`, whatever it was, the rules of the command line, whose hosts were looked up, and
 * of the text of the access file (NULL: none), and compiles them.  Returns false after logging what
 * is wrong; `access` is empty then. */
bool rules_build(struct access *access, const struct options *options, const char *text,
                 size_t length);

#endif
