/*
 * reader.h - a disposable process that reads a file of the operator: its file system may not
 * answer, nor may the name servers that it asks for hosts in the access file.
 */
#ifndef SUPERVISOR_KEEPER_READER_H
#define SUPERVISOR_KEEPER_READER_H

#include "supervisor/keeper/state.h"

#include <sys/types.h>

/* Forks a process that reads file `index`, an enum options_file that the options name, sends it as
 * CONTENT (link.h), and ends, or dies with the keeper.  It sends nothing if it is killed.  Before
 * it looks hosts up, it gives up all privileges, and closes all descriptors but the link. Returns
 * it, or -1 with errno. */
pid_t reader_start(const struct keeper *keeper, unsigned index);

#endif
