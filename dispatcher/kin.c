#include "dispatcher/kin.h"

#include "dispatcher/shared/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int proc = -1;    /* O_PATH */
static pid_t supervisor; /* getppid() differs from it after the supervisor's death */

void kin_open(void)
{
    supervisor = getppid();
    proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static int open_file(int32_t process, const char *name, int how)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "%" PRId32 "/%s", process, name);
    return openat(proc, path, how | O_CLOEXEC);
}

/* Returns true if `member` is in the group and the session `process`; sets its parent.  Reads
 * fields 4 to 6 of proc_pid_stat(5), behind the name, which may contain anything, and the state. */
static bool is_member(int32_t member, int32_t process, pid_t *parent)
{
    char text[512];
    char *end;
    long group;
    long session;
    int descriptor = open_file(member, "stat", O_RDONLY);
    ssize_t length = descriptor < 0 ? -1 : read(descriptor, text, sizeof(text) - 1);

    if (descriptor >= 0)
        (void)close(descriptor); /* it was only read */
    if (length <= 0)
        return false;
    text[length] = '\0';
    end = strrchr(text, ')');
    if (end == NULL || strlen(end) < sizeof(") S "))
        return false;
    end += sizeof(") S ") - 1;
    *parent = (pid_t)strtol(end, &end, 10);
    group = strtol(end, &end, 10);
    session = strtol(end, &end, 10);
    return group == process && session == process;
}

/* Searches the supervisor's children, "PID PID ...". */
static bool has_child_in(FILE *children, int32_t process)
{
    char *word = NULL;
    size_t size = 0;
    pid_t parent;
    bool found = false;

    while (!found && getdelim(&word, &size, ' ', children) > 0)
        found = is_member((int32_t)strtol(word, NULL, 10), process, &parent);
    free(word);
    return found;
}

static FILE *open_children(void)
{
    char name[32];
    int descriptor;
    FILE *children;

    (void)snprintf(name, sizeof(name), "task/%" PRId32 "/children", (int32_t)supervisor);
    descriptor = proc < 0 ? -1 : open_file((int32_t)supervisor, name, O_RDONLY);
    children = descriptor < 0 ? NULL : fdopen(descriptor, "r");
    if (children == NULL && descriptor >= 0)
        (void)close(descriptor); /* nothing was read */
    return children;
}

static bool has_kin_in(int32_t process)
{
    FILE *children;
    pid_t parent;
    bool found;

    /* Usually the leader still exists, and the search through all children is not needed. */
    if (proc >= 0 && is_member(process, process, &parent) && parent == supervisor)
        return true;
    children = open_children();
    if (children == NULL) {
        log_warning("dispatcher: /proc does not show the owner of process group %" PRId32
                    ": believing the supervisor",
                    process);
        /* A handler that still exists leads a session. */
        errno = 0;
        return getsid(process) == process || errno == ESRCH;
    }
    found = has_child_in(children, process);
    (void)fclose(children); /* it was only read */
    return found;
}

bool kin_is_group(int32_t process)
{
    /* After the supervisor's death its process id might be another's. */
    return has_kin_in(process) && getppid() == supervisor;
}

int kin_open_own(const char *name)
{
    return open_file((int32_t)getpid(), name, O_WRONLY);
}
