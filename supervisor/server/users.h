/*
 * users.h - the users that the processes of the daemon become.
 */
#ifndef SUPERVISOR_SERVER_USERS_H
#define SUPERVISOR_SERVER_USERS_H

#include "supervisor/options/identity.h"
#include "supervisor/options/options.h"

#include <stdbool.h>
#include <sys/types.h>

struct users {
    struct identity handlers;   /* empty if they keep the user of the daemon */
    bool change;                /* the daemon is root, and can become another user */
    struct identity supervisor; /* if the daemon changes its user */
    uid_t dispatcher;           /* of dispatchers; 0: that of the handlers */
};

/* Looks all of them up.  Tries, in another process, whether this one can become the supervisor's.
 * Logs warnings about users that are not kept apart.  Returns false after logging what is wrong. */
bool users_find(struct users *users, const struct options *options);

#endif
