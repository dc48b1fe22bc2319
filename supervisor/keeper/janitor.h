/*
 * janitor.h - files that must be gone when the supervisor is: they are left to a small child
 * process, as the supervisor can unlink and rename nothing any more once it serves.
 *
 * A file is given to the janitor as it is already in its place, or under a temporary name, from
 * which janitor_publish() puts it into its place.  When the supervisor ends, in whatever way, all
 * of them are removed, those that were never published, too: but only where the name still stands
 * for the very file that was given (device and inode), and not those that are another process' at
 * that time.  All that is done under directory_lock().
 *
 * The janitor is forked, without exec, and waits for requests, or for the end of them, on a
 * SOCK_SEQPACKET pair.  It stays who has started the daemon, but has no other descriptors than
 * /dev/null, standard error, its end, the directories of its files, and of the files themselves
 * such as can be neither read nor written to; no capabilities but, as root, CAP_DAC_OVERRIDE and
 * CAP_FOWNER, which removing takes; it gains no privileges, cannot be traced, and blocks all
 * signals, so that a service manager that signals every process does not end it before the
 * supervisor.
 *
 * After janitor_start(), nothing here takes more than the system calls of filter.h.  Functions that
 * wait say so.
 */
#ifndef SUPERVISOR_KEEPER_JANITOR_H
#define SUPERVISOR_KEEPER_JANITOR_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

enum { JANITOR_ITEMS = 8 };

struct janitor_item {
    const char *path; /* as it was given; stays */
    int directory;    /* owned, until janitor_start() has left it to the child; -1: closed */
    int file; /* likewise, opened with O_PATH: as long as that is so, its inode is no other file's
               */
    char name[NAME_MAX + 1];
    char temporary[NAME_MAX + 1]; /* what it is called until it is published; "": it has been */
    dev_t device;
    ino_t inode;
    bool borrowed; /* it is another process' until janitor_publish(), or while it is lent */
    bool replaces; /* another file had its place when this one was added */
    dev_t replaced_device;
    ino_t replaced_inode;
};

/* All zero: without files. */
struct janitor {
    struct janitor_item items[JANITOR_ITEMS];
    unsigned count;
    int socket;    /* owned; 0: there is no child */
    pid_t process; /* 0: there is none, or it has been reaped */
};

/* A file (or socket) that was made just now, to be removed in the end; `path` must stay.  Returns
 * its number; or -1 after logging why not, and removing it at once. */
int janitor_add(struct janitor *janitor, const char *path);

/* Likewise, but it is a socket of another process, whose place this one takes with
 * janitor_publish(): until then it is left alone. */
int janitor_borrow(struct janitor *janitor, const char *path);

/* Likewise, for a file that is ready under a temporary name in the same directory, and is to be
 * published as `path`. */
int janitor_add_temporary(struct janitor *janitor, const char *temporary, const char *path);

/* Forks the child if there is anything for it to do, and waits until it is ready.  `argv`, of main,
 * is what it overwrites to show its name; NULL: not.  Returns 0, or -1 after logging what went
 * wrong. */
int janitor_start(struct janitor *janitor, char **argv);

/* Puts all temporary files into their places, takes those that are borrowed, and waits some seconds
 * at most until that is done.  A file is replaced by this only if it was there already when ours
 * was added: EEXIST if another one has come since.  Returns 0, or -1 with errno after logging which
 * file it was. */
int janitor_publish(struct janitor *janitor);

/* The file that was given as `path`, if there is one, is left alone for as long as it is lent to
 * another process. */
void janitor_lend_path(struct janitor *janitor, const char *path, bool lent);

/* A child of this process was reaped.  Returns whether it was the janitor, after a warning: then
 * the files stay. */
bool janitor_reaped(struct janitor *janitor, pid_t process);

/* Has all removed, and waits for that, 2 s at most.  If there is no child (yet), this process does
 * it itself. */
void janitor_close(struct janitor *janitor);

#endif
