/*
 * janitor.h - a small child process that removes the supervisor's files when the supervisor ends.
 *
 * The supervisor itself cannot unlink or rename any more once it serves.  A file is given to the
 * janitor in its final place, or under a temporary name that janitor_publish() replaces with the
 * final one.  When the supervisor ends, in whatever way, the janitor removes all files, published
 * or not, except files that another process owns at that time.
 *
 * A file is identified by device and inode.  A name that stands for another file by now is left
 * alone.  Publishing and removing happen under file_lock_directory().  Without the lock, they
 * happen after a warning: any user who may read the directory could keep the lock.
 *
 * The janitor is a fork without exec.  It waits on a SOCK_SEQPACKET pair for requests or for the
 * end of the supervisor.  It keeps the user who started the daemon, but
 *   - its only descriptors are /dev/null, standard error, its end of the pair, the directories of
 *     its files, and the files as O_PATH, which allows neither reading nor writing;
 *   - its only capabilities are, as root, CAP_DAC_OVERRIDE and CAP_FOWNER, which removing requires;
 *   - it can gain no privileges and cannot be traced;
 *   - it blocks all signals, so a service manager that signals every process does not end it before
 *     the supervisor.
 *
 * After janitor_start(), these functions use only the system calls that jail/filter.c allows.  A
 * function that waits says so.
 */
#ifndef SUPERVISOR_KEEPER_JANITOR_H
#define SUPERVISOR_KEEPER_JANITOR_H

#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

enum { JANITOR_FILES = 8 };

struct janitor_file {
    const char *path; /* the caller's words; must stay */
    int directory;    /* owned; -1: closed */
    int file;         /* owned, O_PATH; while it is open, no other file gets the same inode */
    char name[NAME_MAX + 1];
    char temporary[NAME_MAX + 1]; /* the name until publication; "": published */
    struct stat ours;
    struct stat before; /* the file that has the place until publication; all zero: none */
    bool borrowed;      /* another process owns the file for now: it is not removed */
};

/* All zero: no files. */
struct janitor {
    struct janitor_file files[JANITOR_FILES];
    unsigned count;
    int socket;    /* owned; 0: no child */
    pid_t process; /* 0: no child, or it has been reaped */
};

/* Adds a file or socket that was just created, to be removed on exit; `path` must stay.  Returns 0,
 * or -1 after logging why and removing it at once. */
int janitor_add(struct janitor *janitor, const char *path);

/* Adds a socket of another process, which this process takes over with janitor_publish().  Until
 * then the janitor leaves it alone.  Returns 0, or -1 after logging why. */
int janitor_borrow(struct janitor *janitor, const char *path);

/* Adds a complete file that has the name `temporary` in the directory of `path`, to be published as
 * `path`.  Returns 0, or -1 after logging why. */
int janitor_add_temporary(struct janitor *janitor, const char *temporary, const char *path);

/* Forks the child if there are files, and waits until it is ready.  The child shows its name in
 * main()'s `argv`, if that is not NULL.  Returns 0, or -1 after logging what went wrong. */
int janitor_start(struct janitor *janitor, char **argv);

/* Puts all temporary files into their places, where each replaces only the file that was there when
 * it was added, and takes over borrowed files.  Waits up to 5 s.  Returns 0, or -1 with errno after
 * logging which file failed: EEXIST if a new file has taken its place. */
int janitor_publish(struct janitor *janitor);

/* Leaves the file that was given as `path` alone while it is lent to another process. */
void janitor_lend_path(struct janitor *janitor, const char *path, bool lent);

/* To be called for each child that was reaped.  Returns true if it was the janitor, after a
 * warning: the files will stay. */
bool janitor_reaped(struct janitor *janitor, pid_t process);

/* Has all files removed and waits for that, up to 2 s.  Without a child, this process removes
 * them. */
void janitor_close(struct janitor *janitor);

#endif
