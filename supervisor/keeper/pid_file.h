/*
 * pid_file.h - a file with the number of this process, locked while this process lives.
 *
 * The process takes the flock(2) before any other process can open the file.  So an unlocked file
 * belongs to a dead daemon, whatever number it holds, and is replaced.  The file is written under a
 * temporary name; files_publish() puts it into its place, so nobody sees half a file.  It is
 * removed on exit.
 */
#ifndef SUPERVISOR_KEEPER_PID_FILE_H
#define SUPERVISOR_KEEPER_PID_FILE_H

#include "supervisor/keeper/files.h"

#include <sys/types.h>

/* Writes the file and adds it to `files`.  A living process that has locked the file is `replaced`
 * if the file names that process; 0: none is.  For any other, this tries again for 2 s (backoff.h)
 * and then fails.  Waits another second at most for the lock of the directory.  Returns the locked
 * descriptor, which is close-on-exec and to be kept open for life; or -1 after logging why. */
int pid_file_open(const char *path, pid_t replaced, struct files *files);

#endif
