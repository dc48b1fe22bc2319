/*
 * reader.h - a disposable process that reads a file of the operator: its file system may not
 * answer.
 */
#ifndef SUPERVISOR_KEEPER_READER_H
#define SUPERVISOR_KEEPER_READER_H

#include <sys/types.h>

/* Forks a process that copies the file to a sealed memory file, sends it to `link` as CONTENT of
 * file `index` (link.h), and ends, or dies with the keeper.  It sends nothing if it is killed.
 * Returns it, or -1 with errno. */
pid_t reader_start(const char *path, unsigned index, int link);

#endif
