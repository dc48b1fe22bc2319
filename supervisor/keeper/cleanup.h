/*
 * cleanup.h - a file that must be gone when the supervisor ends: how it gets into its place, and
 * how it is removed.
 *
 * A file is identified by device and inode.  A name that stands for another file by now is left
 * alone.  Publishing and removing happen under directory_lock(); if the lock cannot be had, they
 * happen without it, after a warning: any user who may read the directory could keep the lock.
 */
#ifndef SUPERVISOR_KEEPER_CLEANUP_H
#define SUPERVISOR_KEEPER_CLEANUP_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

struct cleanup_file {
    const char *path; /* the caller's words; must stay */
    int directory;    /* owned; -1: closed */
    int file;         /* owned, O_PATH; while it is open, no other file gets the same inode */
    char name[NAME_MAX + 1];
    char temporary[NAME_MAX + 1]; /* the name until publication; "": published */
    dev_t device;
    ino_t inode;
    bool borrowed; /* another process owns it for now: it is not removed */
    bool replaces; /* another file, the one below, has the place until publication */
    dev_t replaced_device;
    ino_t replaced_inode;
};

/* Opens an existing file: `path`, or `temporary` in the same directory, to be published as `path`.
 * Returns 0, or -1 with errno; cleanup_close() is needed in both cases. */
int cleanup_open(struct cleanup_file *file, const char *path, const char *temporary);

void cleanup_close(struct cleanup_file *file);

/* Renames a temporary file into its place.  Replaces only the file that had the place at the time
 * of cleanup_open(); EEXIST if another one has come since.  Waits for the lock up to *wait
 * milliseconds, and sets *wait to 0 if that was in vain.  Returns 0 or an errno. */
int cleanup_publish(struct cleanup_file *file, unsigned *wait);

/* Removes the file under its temporary or its final name.  Waits as cleanup_publish() does. */
void cleanup_remove(const struct cleanup_file *file, unsigned *wait);

#endif
