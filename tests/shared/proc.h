/*
 * proc.h - reads what the kernel shows of a process (proc(5)).
 */
#ifndef TESTS_SHARED_PROC_H
#define TESTS_SHARED_PROC_H

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/types.h>
#include <unistd.h>

/* Reads a file of the process as a string.  Returns its length; 0: the file is empty or gone. */
static inline size_t proc_read(pid_t process, const char *name, char *text, size_t size)
{
    char path[64];
    size_t length = 0;
    ssize_t got = 0;
    int file;

    (void)snprintf(path, sizeof(path), "/proc/%d/%s", process, name);
    file = open(path, O_RDONLY | O_CLOEXEC);
    if (file >= 0) {
        while ((got = read(file, text + length, size - 1 - length)) > 0)
            length += (size_t)got;
        (void)close(file); /* it was only read */
    }
    text[length] = '\0';
    return length;
}

/* Reads the process ids of the children of the main thread, separated by spaces. */
static inline size_t proc_children(pid_t process, char *text, size_t size)
{
    char name[32];

    (void)snprintf(name, sizeof(name), "task/%d/children", process);
    return proc_read(process, name, text, size);
}

/* Counts the open descriptors of the process; for the caller's own process, the count includes the
 * descriptor that reads the directory.  Returns -1 if the process is gone. */
static inline int proc_descriptors(pid_t process)
{
    char path[64];
    DIR *directory;
    int count = 0;

    (void)snprintf(path, sizeof(path), "/proc/%d/fd", process);
    directory = opendir(path);
    if (directory == NULL)
        return -1;
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;)
        count += entry->d_name[0] != '.';
    (void)closedir(directory); /* it was only read */
    return count;
}

#endif
