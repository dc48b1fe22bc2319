#include "supervisor/server/users.h"

#include "dispatcher/shared/log.h"
#include "dispatcher/shared/privileges.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

/* Tries to become a user, in a process of its own. */
static bool can_become(const struct identity *identity)
{
    pid_t process = fork();
    int status = -1;

    if (process == 0)
        _exit(privileges_become(identity->user, identity->group, NULL, 0) != 0);
    while (process > 0 && waitpid(process, &status, 0) < 0)
        if (errno != EINTR)
            log_bug("waitpid: %m");
    return status == 0;
}

static bool find_supervisor(struct users *users, const struct options *options)
{
    const char *word = options->supervisor_user;
    struct identity *identity = &users->supervisor;

    if (!(word == NULL ? identity_of_role(identity, "dampener-supervisor", &users->handlers.user, 1)
                       : identity_of_owner(identity, "--supervisor-user", word)))
        return false;
    users->change = word != NULL || can_become(identity);
    if (!users->change)
        log_warning("root may not become another user here: every process runs as root, and a "
                    "handler can kill the daemon");
    else if (identity->user == users->handlers.user)
        log_warning("handlers and the supervisor are the same user, %u: a handler can kill the "
                    "supervisor; give --supervisor-user another user",
                    identity->user);
    return true;
}

/* Handlers that are root cannot be kept from anything. */
static bool find_dispatcher(struct users *users, const struct options *options)
{
    const char *word = options->dispatcher_user;
    const uid_t avoided[] = {users->handlers.user, users->supervisor.user};
    struct identity identity;

    if (!users->change || options->user == NULL || users->handlers.user == 0)
        return true;
    if (!(word == NULL ? identity_of_role(&identity, "dampener-dispatcher", avoided, 2)
                       : identity_of_user(&identity, "--dispatcher-user", word)))
        return false;
    users->dispatcher = identity.user;
    if (identity.user == 0)
        log_error("--dispatcher-user: '%s': expected a user other than root", word);
    if (identity.user == users->handlers.user)
        log_warning("handlers and dispatchers are the same user, %u: a handler can kill its "
                    "dispatcher; give --dispatcher-user another user",
                    identity.user);
    identity_free(&identity);
    return users->dispatcher != 0;
}

bool users_find(struct users *users, const struct options *options)
{
    if ((options->user != NULL || options->group != NULL) &&
        !identity_of_handlers(&users->handlers, options->user, options->group))
        return false;
    if (geteuid() == 0)
        return find_supervisor(users, options) && find_dispatcher(users, options);
    if (options->supervisor_user != NULL)
        log_warning("--supervisor-user is ignored: only root can become another user");
    if (options->dispatcher_user != NULL)
        log_warning("--dispatcher-user is ignored: only root can become another user");
    return true;
}
