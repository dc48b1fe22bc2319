/*
 * identity.h - users and groups of the command line as the numbers that the kernel knows.
 *
 * A look-up may block as long as the name services do (nsswitch.conf(5)), so all of them happen at
 * the start, before the first client is accepted.
 *
 * A user or group is a name; or a number, if no entry has it as its name.  A user that is a number
 * without an entry has no group of its own, so a group must be given.
 */
#ifndef SUPERVISOR_OPTIONS_IDENTITY_H
#define SUPERVISOR_OPTIONS_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct identity {
    uid_t user;
    gid_t group;
    gid_t *groups; /* supplementary groups, for setgroups(2) */
    size_t group_count;
    /* From passwd(5); all NULL for a user without an entry. */
    char *name;
    char *directory; /* home */
    char *shell;
};

/* Each of these fills in *identity and returns true; identity_free() releases it.  On failure they
 * log a line that names the option and its value, and return false; *identity is empty then. */

/* Looks up the values of --user and --group.  One of them may be NULL: without a group, the user's
 * own group counts; without a user, the effective user of this process, which has no other groups
 * then. The supplementary groups are the group and all groups that the database has the user in. */
bool identity_of_handlers(struct identity *identity, const char *user, const char *group);

/* Looks up "USER" or "USER:GROUP", the value of `option`; without GROUP, the group is the user's
 * own. There are no supplementary groups. */
bool identity_of_owner(struct identity *identity, const char *option, const char *word);

/* Looks up "USER", the value of `option`, where groups do not matter. */
bool identity_of_user(struct identity *identity, const char *option, const char *word);

/* Finds a user for a process of the daemon if the operator names none: the account `name`, if the
 * system has it, or else a number that no account has.  The user is none of the `count` users in
 * `avoided`.  There are no supplementary groups. */
bool identity_of_role(struct identity *identity, const char *name, const uid_t *avoided,
                      size_t count);

void identity_free(struct identity *identity);

#endif
