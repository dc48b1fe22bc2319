#include "supervisor/keeper/cleanup.h"

#include "dispatcher/shared/log.h"
#include "supervisor/base/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Records the file that has the place now, if there is one. */
static int note_replaced(struct cleanup_file *file)
{
    struct stat status;

    file->replaces = fstatat(file->directory, file->name, &status, AT_SYMLINK_NOFOLLOW) == 0;
    if (!file->replaces)
        return errno == ENOENT ? 0 : -1;
    file->replaced_device = status.st_dev;
    file->replaced_inode = status.st_ino;
    return 0;
}

static int note_temporary(struct cleanup_file *file, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;

    errno = ENAMETOOLONG;
    if (strlen(name) > NAME_MAX)
        return -1;
    strcpy(file->temporary, name);
    return note_replaced(file);
}

static const char *name_now(const struct cleanup_file *file)
{
    return file->temporary[0] != '\0' ? file->temporary : file->name;
}

int cleanup_open(struct cleanup_file *file, const char *path, const char *temporary)
{
    const char *name;
    struct stat status;

    *file =
        (struct cleanup_file){.path = path, .directory = directory_open(path, &name), .file = -1};
    if (file->directory < 0)
        return -1;
    strcpy(file->name, name); /* directory_open() has checked its length */
    if (temporary != NULL && note_temporary(file, temporary) != 0)
        return -1;
    file->file = openat(file->directory, name_now(file), O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (file->file < 0 || fstat(file->file, &status) != 0)
        return -1;
    file->device = status.st_dev;
    file->inode = status.st_ino;
    return 0;
}

void cleanup_close(struct cleanup_file *file)
{
    if (file->directory >= 0)
        (void)close(file->directory); /* it was only read */
    if (file->file >= 0)
        (void)close(file->file); /* O_PATH: not even read */
    file->directory = -1;
    file->file = -1;
}

static bool lock(const struct cleanup_file *file, unsigned *wait)
{
    if (directory_lock(file->directory, *wait))
        return true;
    log_warning("cannot lock the directory of %s, going on without: %m", file->name);
    *wait = 0;
    return false;
}

static bool is_file(const struct stat *status, dev_t device, ino_t inode)
{
    return status->st_dev == device && status->st_ino == inode;
}

/* Otherwise sets errno: ESTALE if the name stands for another file. */
static bool is_ours(const struct cleanup_file *file)
{
    struct stat status;

    if (fstatat(file->directory, name_now(file), &status, AT_SYMLINK_NOFOLLOW) != 0)
        return false;
    errno = ESTALE;
    return is_file(&status, file->device, file->inode);
}

/* Returns true if the place is empty or still has the file that ours replaces.  Otherwise sets
 * errno. */
static bool is_place_free(const struct cleanup_file *file)
{
    struct stat status;

    if (fstatat(file->directory, file->name, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT;
    errno = EEXIST;
    return file->replaces && is_file(&status, file->replaced_device, file->replaced_inode);
}

int cleanup_publish(struct cleanup_file *file, unsigned *wait)
{
    bool locked;
    int error = 0;

    if (file->directory < 0 || file->temporary[0] == '\0')
        return 0;
    locked = lock(file, wait);
    if (!is_ours(file) || !is_place_free(file) ||
        renameat(file->directory, file->temporary, file->directory, file->name) != 0)
        error = errno;
    else
        file->temporary[0] = '\0';
    if (locked)
        directory_unlock(file->directory);
    return error;
}

/* A file that cannot be examined stays, after an error in the log. */
static bool is_to_go(const struct cleanup_file *file)
{
    if (is_ours(file))
        return true;
    if (errno != ESTALE && errno != ENOENT)
        log_error("cannot remove %s, because it cannot be examined: %m", name_now(file));
    return false;
}

void cleanup_remove(const struct cleanup_file *file, unsigned *wait)
{
    bool locked;

    /* Before the lock: a daemon that has replaced the file must not wait for us. */
    if (file->directory < 0 || file->borrowed || !is_to_go(file))
        return;
    locked = lock(file, wait);
    if (is_to_go(file) && unlinkat(file->directory, name_now(file), 0) != 0)
        log_error("cannot remove %s: %m", name_now(file));
    if (locked)
        directory_unlock(file->directory);
}
