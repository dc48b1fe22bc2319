/*
 * limit.h - a limit on what a process may use: the value of --limit.
 */
#ifndef SUPERVISOR_OPTIONS_LIMIT_H
#define SUPERVISOR_OPTIONS_LIMIT_H

#include "dispatcher/protocol.h"

/* Reads "NAME=SOFT" or "NAME=SOFT:HARD" and enters it in the place of that resource.  SOFT alone is
 * both.  Returns NULL, or what is wrong with the word, and nothing is entered then. */
const char *limit_parse(struct setup_limit limits[SETUP_LIMITS], const char *word);

#endif
