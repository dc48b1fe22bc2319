/*
 * files.h - the files and sockets that the daemon leaves in directories, and removes on exit.
 *
 * A file is in its final place from the start, or has a temporary name that files_publish()
 * replaces with the final one.  On exit all files are removed, published or not, except files that
 * another daemon owns at that time.
 *
 * A file is identified by device and inode.  A name that stands for another file by now is left
 * alone.  Publishing and removing happen under file_lock(), for which they wait up to a second.
 * Without the lock, they happen after a warning.
 */
#ifndef SUPERVISOR_KEEPER_FILES_H
#define SUPERVISOR_KEEPER_FILES_H

#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>

enum { FILES_MAXIMUM = 8 };

struct files_entry {
    const char *path; /* the caller's words; must stay */
    int directory;    /* owned; -1: closed */
    int file;         /* owned, O_PATH; while it is open, no other file gets the same inode */
    char name[NAME_MAX + 1];
    char temporary[NAME_MAX + 1]; /* the name until publication; "": published */
    struct stat ours;
    struct stat before; /* the file that has the place until publication; all zero: none */
    bool borrowed;      /* another daemon owns the file for now: it is not removed */
};

/* All zero: no files. */
struct files {
    struct files_entry list[FILES_MAXIMUM];
    unsigned count;
    int held; /* owned: the lock of the pid file's name (pid_file.h); 0: none */
};

/* Adds a file or socket that was just created, to be removed on exit; `path` must stay.  Returns 0,
 * or -1 after logging why and removing it at once. */
int files_add(struct files *files, const char *path);

/* Adds a socket of another daemon, which this daemon takes over with files_publish().  Until then
 * it is left alone.  Returns 0, or -1 after logging why. */
int files_borrow(struct files *files, const char *path);

/* Adds a complete file that has the name `temporary` in the directory of `path`, to be published as
 * `path`.  Returns 0, or -1 after logging why. */
int files_add_temporary(struct files *files, const char *temporary, const char *path);

/* Puts all temporary files into their places, where each replaces only the file that was there when
 * it was added, and takes over borrowed files.  Returns 0, or an errno after logging which file
 * failed: EEXIST if a new file has taken its place. */
int files_publish(struct files *files);

/* Returns the index of the file that was given as `path`; the number of files if there is none. */
unsigned files_find(const struct files *files, const char *path);

/* Leaves a file alone while it is lent to another daemon.  Returns false if there is no such file.
 */
bool files_lend(struct files *files, unsigned index, bool lent);

/* Stops to hold the name of the pid file, if the daemon that has taken over holds it as well. */
void files_yield(struct files *files);

/* Removes all files, and stops to hold the name of the pid file. */
void files_remove(struct files *files);

/* Closes what was opened to identify and to hold the files, in a process that does not remove them.
 */
void files_close(struct files *files);

#endif
