#include "supervisor/server/handler_setup.h"

#include "dispatcher/shared/log.h"
#include "supervisor/options/identity.h"
#include "supervisor/queue/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool copy_path(char to[SETUP_PATH], const char *option, const char *path)
{
    if (path == NULL || snprintf(to, SETUP_PATH, "%s", path) < SETUP_PATH)
        return true;
    log_error("%s: the path is longer than %d bytes", option, SETUP_PATH - 1);
    return false;
}

/* `identity` is empty if handlers keep that of the daemon. */
static bool fill(struct setup *setup, const struct options *options,
                 const struct identity *identity, int oom_score)
{
    setup->version = PROTOCOL_VERSION;
    setup->has_identity = identity->group_count > 0;
    setup->user = identity->user;
    setup->group = identity->group;
    setup->has_nice = options->has_nice;
    setup->nice = options->nice;
    setup->has_umask = options->umask.given;
    setup->umask = options->umask.bits;
    setup->standard_error = options->standard_error;
    setup->no_environment = options->no_environment;
    setup->no_new_privileges = options->no_new_privileges;
    setup->oom_score = oom_score;
    memcpy(setup->limits, options->limits, sizeof(setup->limits));
    setup->group_count = (uint32_t)identity->group_count;
    for (size_t i = 0; i < identity->group_count; i++)
        setup->groups[i] = identity->groups[i];
    return copy_path(setup->root, "--chroot", options->root) &&
           copy_path(setup->directory, "--chdir", options->directory) &&
           copy_path(setup->files[PROTOCOL_FILE_ACCESS], "--access-file",
                     policy_file(options, PROTOCOL_FILE_ACCESS)) &&
           copy_path(setup->files[PROTOCOL_FILE_BUSY], "--busy-message",
                     policy_file(options, PROTOCOL_FILE_BUSY));
}

/* Programs find their user's files by these variables; the daemon's would lead them astray. */
static bool set_environment(const struct identity *identity)
{
    return identity->name == NULL ||
           (setenv("USER", identity->name, 1) == 0 && setenv("LOGNAME", identity->name, 1) == 0 &&
            setenv("HOME", identity->directory, 1) == 0 &&
            setenv("SHELL", identity->shell, 1) == 0);
}

struct setup *handler_setup(const struct options *options, uid_t supervisor, int oom_score,
                            size_t *size)
{
    struct identity identity = {0};
    struct setup *setup;

    if ((options->user != NULL || options->group != NULL) &&
        !identity_of_handlers(&identity, options->user, options->group))
        return NULL;
    if ((options->user != NULL ? identity.user : geteuid()) == supervisor)
        log_warning("handlers and the supervisor are the same user, %u: a handler can kill the "
                    "supervisor; give --supervisor-user another user",
                    supervisor);
    *size = sizeof(*setup) + identity.group_count * sizeof(*setup->groups);
    setup = calloc(1, *size);
    if (setup == NULL || (!options->no_environment && !set_environment(&identity))) {
        log_error("cannot prepare what handlers start with: %m");
        free(setup);
        setup = NULL;
    } else if (!fill(setup, options, &identity, oom_score)) {
        free(setup);
        setup = NULL;
    }
    identity_free(&identity);
    return setup;
}
