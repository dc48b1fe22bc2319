/*
 * reader.h - a disposable process that reads a file of the operator: its file system may not
 * answer, nor may the name servers that it asks for hosts in the access file.
 */
#ifndef SUPERVISOR_KEEPER_READER_H
#define SUPERVISOR_KEEPER_READER_H

#include "supervisor/keeper/state.h"

#include <stdbool.h>
#include <sys/types.h>

/* Forks a process that reads file `index`, an enum options_file that the options name, into a
 * memory file, and ends, or dies with the keeper.  It has nothing to do with the pair: it gives up
 * the memory that they share.  Before it looks hosts up, it also gives up all privileges, and
 * closes all descriptors but that file and the log.  An earlier reader of that file is killed, and
 * its end means nothing.  Returns 0, or -1 with errno. */
int reader_start(struct keeper *keeper, unsigned index);

/* Reports what a dead process has read; `status` is that of wait(2).  Returns false if it was no
 * reader. */
bool reader_ended(struct keeper *keeper, pid_t process, int status);

/* Kills all readers: a file system or a name server does not answer, and the service must not wait
 * for ever.  The context is the keeper. */
void reader_kill_all(void *context);

#endif
