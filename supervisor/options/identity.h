/*
 * identity.h - users and groups of the command line as the numbers that the kernel knows.
 *
 * Looking them up may block, for as long as name services like it (nsswitch.conf(5)): it is for the
 * start only, before anybody is served.
 */
#ifndef SUPERVISOR_OPTIONS_IDENTITY_H
#define SUPERVISOR_OPTIONS_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct identity {
    uid_t user;
    gid_t group;
    gid_t *groups; /* supplementary ones, as for setgroups(2) */
    size_t group_count;
    /* As passwd(5) has them; all NULL if the user is not to be known by a name. */
    char *name;
    char *directory; /* home */
    char *shell;
};

/* Each returns true with what was found in *identity, which identity_free() is for then; or false
 * after a line in the log that names the option, its value and what is accepted.
 *
 * A user or group is a name, or the number of one that nobody's name is.  A user that is a number
 * without an entry in the database has no group: it takes one to be given. */

/* Of --user and --group; either may be NULL, but not both.  Without a group, it is the user's own.
 * The supplementary groups are those that the database has the user in, and the group.  Without a
 * user, it is the effective one of this process, without a name, and with no group but that. */
bool identity_of_handlers(struct identity *identity, const char *user, const char *group);

/* Of --supervisor-user, as "USER" or "USER:GROUP"; NULL: nobody.  No supplementary groups. */
bool identity_of_supervisor(struct identity *identity, const char *word);

/* Of an option that names whose something is to be, as "USER" or "USER:GROUP", by which its
 * messages call it; the group is the user's own if none is given.  No supplementary groups. */
bool identity_of_owner(struct identity *identity, const char *option, const char *word);

void identity_free(struct identity *identity);

#endif
