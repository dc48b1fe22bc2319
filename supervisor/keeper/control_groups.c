#include "supervisor/keeper/control_groups.h"

#include "supervisor/base/file.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Returns the control groups of a process, a line for each hierarchy, which the caller frees; or
 * NULL. */
static char *read_groups(const char *process)
{
    enum { MOST = 65536 /* bytes */ };
    char path[32];
    char error[FILE_ERROR_MAXIMUM];
    size_t length;

    (void)snprintf(path, sizeof(path), "/proc/%s/cgroup", process);
    return file_read(path, MOST, &length, error);
}

bool control_groups_have(pid_t process)
{
    char number[16];
    char *ours = read_groups("self");
    char *its;
    bool have;

    (void)snprintf(number, sizeof(number), "%d", (int)process);
    its = read_groups(number);
    have = ours == NULL || (its != NULL && strcmp(ours, its) == 0);
    free(ours);
    free(its);
    return have;
}

/* Finds the unit in the path of a control group: what follows the slices.  Changes the path. */
static void find_unit(char *path, char unit[NAME_MAX + 1])
{
    char *rest = NULL;
    const char *name = strtok_r(path, "/", &rest);

    while (name != NULL && fnmatch("?*.slice", name, 0) == 0)
        name = strtok_r(NULL, "/", &rest);
    (void)snprintf(unit, NAME_MAX + 1, "%s", name == NULL ? "" : name);
}

/* systemd manages the hierarchy of version 2, or one that is called after it. */
void control_groups_unit(char unit[NAME_MAX + 1])
{
    char *text = read_groups("self");
    char *rest = NULL;
    char *line;

    unit[0] = '\0';
    for (line = text == NULL ? NULL : strtok_r(text, "\n", &rest); line != NULL && unit[0] == '\0';
         line = strtok_r(NULL, "\n", &rest)) {
        char *path = strchr(line, '/');
        bool is_systemd =
            strstr(line, ":name=systemd:") != NULL || strncmp(line, "0::", strlen("0::")) == 0;

        if (is_systemd && path != NULL)
            find_unit(path, unit);
    }
    free(text);
}
