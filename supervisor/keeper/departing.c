#include "supervisor/keeper/departing.h"

#include "dispatcher/shared/log.h"
#include "supervisor/base/loop.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum {
    PAUSE = 10, /* milliseconds */
    WITHIN = 10 * LOOP_SECOND,
    NAME = 16,     /* with the NUL behind it (prctl(2)) */
    LINE = 1024,   /* of /proc/PID/stat, whose fields have an end */
    EXITING = 0x4, /* PF_EXITING of the kernel's flags; since Linux 2.6 */
    KILLED = 1 << (SIGKILL - 1)
};

/* Reads /proc/PID/stat; an empty line if that process has gone. */
static void read_line(int directory, const char *process, char line[LINE])
{
    char path[NAME_MAX + sizeof("/stat")];
    ssize_t length;
    int file;

    line[0] = '\0';
    (void)snprintf(path, sizeof(path), "%s/stat", process);
    file = openat(directory, path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return;
    length = read(file, line, LINE - 1);
    line[length > 0 ? length : 0] = '\0';
    (void)close(file); /* it was only read */
}

/* Whether it will not come back, but has not closed all it had, by what stands behind the name
 * (proc(5)). */
static bool tells_of_departure(char *fields)
{
    enum { STATE = 3, FLAGS = 9, PENDING = 31 };
    unsigned long flags = 0;
    unsigned long pending = 0;
    char state = 'X';
    char *rest;
    char *field = strtok_r(fields, " ", &rest);

    for (int number = STATE; field != NULL && number <= PENDING; number++) {
        if (number == STATE)
            state = *field;
        else if (number == FLAGS)
            flags = strtoul(field, NULL, 10);
        else if (number == PENDING)
            pending = strtoul(field, NULL, 10);
        field = strtok_r(NULL, " ", &rest);
    }
    return state != 'Z' && state != 'X' && ((flags & EXITING) != 0 || (pending & KILLED) != 0);
}

static bool is_departing(char *line, const char *name)
{
    const char *begin = strchr(line, '(');
    char *end = strrchr(line, ')'); /* there may be others in the name */

    return begin != NULL && end != NULL && (size_t)(end - begin - 1) == strlen(name) &&
           memcmp(begin + 1, name, strlen(name)) == 0 && tells_of_departure(end + 1);
}

static bool somebody_is_departing(const char *name)
{
    DIR *directory = opendir("/proc");
    const struct dirent *entry;
    bool found = false;

    if (directory == NULL)
        return false; /* it is not to be found out */
    while (!found && (entry = readdir(directory)) != NULL) {
        char line[LINE];

        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        read_line(dirfd(directory), entry->d_name, line);
        found = is_departing(line, name);
    }
    (void)closedir(directory);
    return found;
}

void departing_await(void)
{
    uint64_t deadline = loop_clock() + WITHIN; /* to look takes long, too, at many processes */
    bool said = false;
    char name[NAME] = "";

    if (prctl(PR_GET_NAME, name) != 0)
        return; /* likewise */
    while (loop_clock() < deadline && somebody_is_departing(name)) {
        if (!said)
            log_info("waiting until a daemon that was killed is gone");
        said = true;
        (void)poll(NULL, 0, PAUSE); /* nothing says when */
    }
}
