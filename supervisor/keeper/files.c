#include "supervisor/keeper/files.h"

#include "dispatcher/shared/log.h"
#include "supervisor/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *name_now(const struct files_entry *file)
{
    return file->temporary[0] != '\0' ? file->temporary : file->name;
}

static int open_file(struct files_entry *file, const char *path, const char *temporary)
{
    const char *name;

    *file = (struct files_entry){
        .path = path, .directory = file_open_directory(path, &name), .file = -1};
    if (file->directory < 0)
        return -1;
    strcpy(file->name, name); /* file_open_directory() has checked its length */
    errno = ENAMETOOLONG;
    if (snprintf(file->temporary, sizeof(file->temporary), "%s", temporary) > NAME_MAX)
        return -1;
    /* If another file has the place now, publishing replaces that file alone. */
    if (fstatat(file->directory, name, &file->before, AT_SYMLINK_NOFOLLOW) != 0 && errno != ENOENT)
        return -1;
    file->file = openat(file->directory, name_now(file), O_PATH | O_NOFOLLOW | O_CLOEXEC);
    return file->file < 0 ? -1 : fstat(file->file, &file->ours);
}

static void close_file(struct files_entry *file)
{
    if (file->directory >= 0)
        (void)close(file->directory); /* it was only read */
    if (file->file >= 0)
        (void)close(file->file); /* O_PATH: not even read */
    file->directory = -1;
    file->file = -1;
}

/* Returns true if the name stands for this file.  Otherwise sets errno: ESTALE for another file. */
static bool is_at(const struct files_entry *file, const char *name, const struct stat *expected)
{
    struct stat status;

    if (fstatat(file->directory, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return false;
    errno = ESTALE;
    return status.st_dev == expected->st_dev && status.st_ino == expected->st_ino;
}

/* Returns true if the place is empty or still has the file that ours replaces.  Otherwise sets
 * errno: EEXIST for another file. */
static bool is_place_free(const struct files_entry *file)
{
    if (is_at(file, file->name, &file->before) || errno == ENOENT)
        return true;
    if (errno == ESTALE)
        errno = EEXIST;
    return false;
}

/* Waits up to *wait milliseconds; after waiting in vain, the next lock is not waited for. */
static int lock(const struct files_entry *file, unsigned *wait)
{
    int lock = file_lock(file->directory, file->name, *wait);

    if (lock >= 0)
        return lock;
    log_warning("cannot lock the name %s, going on without: %m", file->name);
    *wait = 0;
    return lock;
}

/* Renames a temporary file into its place.  Returns 0, or an errno after logging it. */
static int publish(struct files_entry *file, unsigned *wait)
{
    int error = 0;
    int held;

    if (file->temporary[0] == '\0')
        return 0;
    held = lock(file, wait);
    if (is_at(file, file->temporary, &file->ours) && is_place_free(file) &&
        renameat(file->directory, file->temporary, file->directory, file->name) == 0)
        file->temporary[0] = '\0';
    else
        error = errno;
    file_unlock(file->directory, file->name, held);
    errno = error;
    if (error == EEXIST)
        log_error("cannot put %s into its place: another process has just put its own there",
                  file->name);
    else if (error != 0)
        log_error("cannot put %s into its place: %m", file->name);
    return error;
}

int files_publish(struct files *files)
{
    unsigned wait = FILE_LOCK_WAIT;
    int error = 0;

    for (unsigned i = 0; i < files->count && error == 0; i++)
        error = publish(&files->list[i], &wait);
    /* Also after a failure: no other process would remove them now. */
    for (unsigned i = 0; i < files->count; i++)
        files->list[i].borrowed = false;
    return error;
}

/* A file that cannot be examined stays, after an error in the log. */
static bool is_to_go(const struct files_entry *file)
{
    if (is_at(file, name_now(file), &file->ours))
        return true;
    if (errno != ESTALE && errno != ENOENT)
        log_error("cannot remove %s, because it cannot be examined: %m", name_now(file));
    return false;
}

static void stop_holding(struct files *files)
{
    if (files->held > 0)
        (void)close(files->held); /* nothing was written */
    files->held = 0;
}

void files_yield(struct files *files)
{
    if (files->held > 0 && file_is_held(files->held))
        stop_holding(files);
}

void files_remove(struct files *files)
{
    unsigned wait = FILE_LOCK_WAIT;

    stop_holding(files); /* otherwise the lock file would stay */
    for (unsigned i = 0; i < files->count; i++) {
        const struct files_entry *file = &files->list[i];
        int held;

        /* Before the lock: a daemon that has replaced the file must not wait for us. */
        if (file->borrowed || !is_to_go(file))
            continue;
        held = lock(file, &wait);
        if (is_to_go(file) && unlinkat(file->directory, name_now(file), 0) != 0)
            log_error("cannot remove %s: %m", name_now(file));
        file_unlock(file->directory, file->name, held);
    }
}

int files_add_temporary(struct files *files, const char *temporary, const char *path)
{
    struct files_entry *file = &files->list[files->count];

    if (files->count == FILES_MAXIMUM)
        log_bug("there are too many files to remove: %s", path);
    if (open_file(file, path, temporary) == 0) {
        files->count++;
        return 0;
    }
    log_error("cannot arrange for the removal of %s on exit: %m",
              temporary[0] == '\0' ? path : temporary);
    close_file(file);
    return -1;
}

int files_add(struct files *files, const char *path)
{
    if (files_add_temporary(files, "", path) == 0)
        return 0;
    (void)unlink(path); /* no remedy if it fails */
    return -1;
}

int files_borrow(struct files *files, const char *path)
{
    struct stat status;

    if (lstat(path, &status) != 0 || !S_ISSOCK(status.st_mode)) {
        log_error("%s is no socket here: give its path from the root directory on", path);
        return -1;
    }
    if (files_add_temporary(files, "", path) != 0)
        return -1;
    files->list[files->count - 1].borrowed = true;
    return 0;
}

unsigned files_find(const struct files *files, const char *path)
{
    unsigned i = 0;

    while (i < files->count && strcmp(files->list[i].path, path) != 0)
        i++;
    return i;
}

bool files_lend(struct files *files, unsigned index, bool lent)
{
    if (index < files->count)
        files->list[index].borrowed = lent;
    return index < files->count;
}

void files_close(struct files *files)
{
    stop_holding(files);
    for (unsigned i = 0; i < files->count; i++)
        close_file(&files->list[i]);
}
