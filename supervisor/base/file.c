#include "supervisor/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Reads up to one byte more than allowed, which shows that the file is too long. */
static char *read_content(int descriptor, size_t most, size_t *length)
{
    char *content = malloc(most + 1);
    ssize_t got = 1;

    *length = 0;
    while (content != NULL && got > 0 && *length <= most) {
        got = read(descriptor, content + *length, most + 1 - *length);
        if (got < 0) {
            free(content);
            return NULL;
        }
        *length += (size_t)got;
    }
    return content;
}

static char *read_open(int descriptor, size_t most, size_t *length, char error[FILE_ERROR_MAXIMUM])
{
    struct stat status;
    char *content;

    if (fstat(descriptor, &status) == 0 && !S_ISREG(status.st_mode)) {
        (void)snprintf(error, FILE_ERROR_MAXIMUM, "it is not a regular file");
        return NULL;
    }
    content = read_content(descriptor, most, length);
    if (content == NULL) {
        (void)snprintf(error, FILE_ERROR_MAXIMUM, "%s", strerror(errno));
    } else if (*length > most) {
        (void)snprintf(error, FILE_ERROR_MAXIMUM, "it is longer than %zu bytes", most);
        free(content);
        content = NULL;
    }
    return content;
}

/* Only memory files have seals.  These keep everybody from changing or truncating the content. */
static bool is_sealed(int descriptor)
{
    const int wanted = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    int seals = fcntl(descriptor, F_GET_SEALS);

    return seals >= 0 && (seals & wanted) == wanted;
}

char *file_read_sealed(int descriptor, size_t most, size_t *length, char error[FILE_ERROR_MAXIMUM])
{
    char *content = NULL;

    if (is_sealed(descriptor))
        content = read_open(descriptor, most, length, error);
    else
        (void)snprintf(error, FILE_ERROR_MAXIMUM, "it does not come in sealed memory");
    return content;
}

char *file_read(const char *path, size_t most, size_t *length, char error[FILE_ERROR_MAXIMUM])
{
    /* O_NONBLOCK: opening a named pipe would wait for a writer. */
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    char *content;

    if (descriptor < 0) {
        (void)snprintf(error, FILE_ERROR_MAXIMUM, "%s", strerror(errno));
        return NULL;
    }
    content = read_open(descriptor, most, length, error);
    (void)close(descriptor); /* only read */
    return content;
}
