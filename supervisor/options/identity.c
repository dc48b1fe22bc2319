#include "supervisor/options/identity.h"

#include "supervisor/base/parse.h"

#include "dispatcher/shared/log.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    NUMBER_MAXIMUM =
        UINT32_MAX - 1, /* setresuid(2) and setresgid(2) take the next one for "keep" */
    GROUPS_MINIMUM = 32
};

/* The option and its value, for messages. */
struct given {
    const char *option;
    const char *word;
};

/* Returns whether a look-up that set errno found no entry, rather than failed (getpwnam(3)). */
static bool is_absent(void)
{
    return errno == 0 || errno == ENOENT || errno == ESRCH || errno == EBADF || errno == EPERM;
}

/* Logs that a look-up has failed, with errno. */
static bool failed(const struct given *given, const char *what)
{
    log_error("%s: '%s': cannot look up the %s: %m", given->option, given->word, what);
    return false;
}

static bool take_entry(struct identity *identity, const struct given *given,
                       const struct passwd *entry)
{
    identity->user = entry->pw_uid;
    identity->group = entry->pw_gid;
    identity->name = strdup(entry->pw_name);
    identity->directory = strdup(entry->pw_dir);
    identity->shell = strdup(entry->pw_shell);
    return (identity->name != NULL && identity->directory != NULL && identity->shell != NULL) ||
           failed(given, "user");
}

/* Takes a number that has no entry in the database. */
static bool take_number(struct identity *identity, const struct given *given, uid_t number,
                        bool has_group)
{
    if (!has_group)
        log_error("%s: '%s': there is no such user; a number without an entry is accepted "
                  "together with a group only",
                  given->option, given->word);
    identity->user = number;
    return has_group;
}

static bool take_user(struct identity *identity, const struct given *given, const char *user,
                      bool has_group)
{
    uint64_t number;
    bool is_number = parse_number(user, NUMBER_MAXIMUM, &number);
    const struct passwd *entry;

    errno = 0;
    entry = getpwnam(user);
    if (entry == NULL && is_number && is_absent()) {
        errno = 0;
        entry = getpwuid((uid_t)number);
    }
    if (entry != NULL)
        return take_entry(identity, given, entry);
    if (!is_absent())
        return failed(given, "user");
    if (is_number)
        return take_number(identity, given, (uid_t)number, has_group);
    log_error("%s: '%s': there is no such user; expected the name or number of one", given->option,
              given->word);
    return false;
}

static bool take_group(struct identity *identity, const struct given *given, const char *group)
{
    const struct group *entry;
    uint64_t number;

    errno = 0;
    entry = getgrnam(group);
    if (entry == NULL && !is_absent())
        return failed(given, "group");
    if (entry == NULL && !parse_number(group, NUMBER_MAXIMUM, &number)) {
        log_error("%s: '%s': there is no such group; expected the name or number of one",
                  given->option, given->word);
        return false;
    }
    identity->group = entry != NULL ? entry->gr_gid : (gid_t)number;
    return true;
}

/* Fills in the groups; a user without a name is in no group of the database.  Returns false with
 * the number of groups in *count if there is no room for them. */
static bool list_groups(struct identity *identity, int *count)
{
    if (identity->name != NULL)
        return getgrouplist(identity->name, identity->group, identity->groups, count) >= 0;
    identity->groups[0] = identity->group;
    *count = 1;
    return true;
}

static bool take_groups(struct identity *identity, const struct given *given)
{
    int capacity = 0;
    int count = GROUPS_MINIMUM;

    do {
        gid_t *groups;

        if (count <= capacity) /* there was room, so something else failed */
            return failed(given, "groups");
        capacity = count;
        groups = reallocarray(identity->groups, (size_t)capacity, sizeof(*groups));
        if (groups == NULL)
            return failed(given, "groups");
        identity->groups = groups;
    } while (!list_groups(identity, &count));
    identity->group_count = (size_t)count;
    return true;
}

bool identity_of_handlers(struct identity *identity, const char *user, const char *group)
{
    const struct given user_given = {.option = "--user", .word = user};
    const struct given group_given = {.option = "--group", .word = group};

    *identity = (struct identity){.user = geteuid()};
    if ((user == NULL || take_user(identity, &user_given, user, group != NULL)) &&
        (group == NULL || take_group(identity, &group_given, group)) &&
        take_groups(identity, user == NULL ? &group_given : &user_given))
        return true;
    identity_free(identity);
    return false;
}

static bool take_words(struct identity *identity, const struct given *given, char *user)
{
    char *colon = strchr(user, ':');

    if (colon != NULL)
        *colon = '\0';
    return take_user(identity, given, user, colon != NULL) &&
           (colon == NULL || take_group(identity, given, colon + 1));
}

bool identity_of_owner(struct identity *identity, const char *option, const char *word)
{
    const struct given given = {.option = option, .word = word};
    char *copy = strdup(word);
    bool taken;

    *identity = (struct identity){0};
    taken = copy == NULL ? failed(&given, "user") : take_words(identity, &given, copy);
    free(copy);
    if (!taken)
        identity_free(identity);
    return taken;
}

bool identity_of_supervisor(struct identity *identity, const char *word)
{
    return identity_of_owner(identity, "--supervisor-user", word == NULL ? "nobody" : word);
}

void identity_free(struct identity *identity)
{
    free(identity->groups);
    free(identity->name);
    free(identity->directory);
    free(identity->shell);
    *identity = (struct identity){0};
}
