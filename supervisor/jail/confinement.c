#include "supervisor/jail/confinement.h"

#include "dispatcher/shared/log.h"
#include "dispatcher/shared/privileges.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PATH_MAXIMUM = 64 };

/* Makes a new directory the root and removes it: it is empty, nothing can be created in it, and no
 * path leads to it.  Sets `path` for messages. */
static int enter_empty_directory(char path[PATH_MAXIMUM])
{
    static const char *const places[] = {"/run", "/tmp", "/var/tmp", "/dev/shm"};

    for (unsigned i = 0; i < sizeof(places) / sizeof(*places); i++) {
        (void)snprintf(path, PATH_MAXIMUM, "%s/socket-burst-dampener-XXXXXX", places[i]);
        if (mkdtemp(path) == NULL)
            continue;
        if (chdir(path) == 0 && rmdir(path) == 0 && chroot(".") == 0)
            return chdir("/");
        return -1;
    }
    (void)snprintf(path, PATH_MAXIMUM, "in /run, /tmp, /var/tmp or /dev/shm");
    return -1;
}

static void change_root(void)
{
    char path[PATH_MAXIMUM];
    int error;

    if (PRIVILEGES_SANITIZED || enter_empty_directory(path) == 0)
        return;
    error = errno;
    (void)rmdir(path); /* fails if it was removed or never made */
    if (chdir("/") != 0)
        log_warning("cannot change to the root directory: %m");
    errno = error;
    log_warning("cannot make an empty directory the root of the supervisor, %s: %m; going on "
                "without",
                path);
}

static int become(const struct identity *identity)
{
    change_root();
    (void)
        privileges_bound(); /* fails without CAP_SETPCAP; the supervisor executes nothing anyway */
    if (privileges_become(identity->user, identity->group, identity->groups,
                          identity->group_count) == 0)
        return 0;
    log_error(
        "--supervisor-user: cannot become user %u with group %u: %m; this requires CAP_SETUID and "
        "CAP_SETGID, or --supervisor-user root, which keeps no capabilities",
        identity->user, identity->group);
    return -1;
}

int confinement_enter(const struct identity *identity)
{
    if (identity != NULL && become(identity) != 0)
        return -1;
    /* A user other than root may have been given capabilities. */
    if (privileges_keep(0) != 0 || privileges_gain_none() != 0 || privileges_hide() != 0) {
        log_error("cannot give up privileges: %m");
        return -1;
    }
    return 0;
}
