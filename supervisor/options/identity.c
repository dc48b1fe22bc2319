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
    NUMBER_MAXIMUM = UINT32_MAX - 1, /* the last one means none, for setuid(2) and its like */
    BUFFER_MINIMUM = 1024,           /* of one entry of a database */
    BUFFER_MAXIMUM = 1 << 26,        /* a group names its members, which may be very many */
    GROUPS_MINIMUM = 32
};

/* What an identity is made of, for messages. */
struct given {
    const char *option;
    const char *word;
};

/* Makes it the next size that is tried. */
static bool grow(char **buffer, size_t *size)
{
    free(*buffer);
    *size = *size == 0 ? BUFFER_MINIMUM : *size * 2;
    *buffer = *size > BUFFER_MAXIMUM ? NULL : malloc(*size);
    return *buffer != NULL;
}

/* The error of a look-up that has found nothing: ENOENT if there is no such entry, which has many
 * names (getpwnam(3)). */
static int absence(int error)
{
    return error == 0 || error == ESRCH || error == EBADF || error == EPERM ? ENOENT : error;
}

/* By name; or, if that is NULL, by number.  Returns 0, ENOENT if there is none, or another errno.
 * *buffer is to be freed in any case. */
static int find_user(struct passwd *entry, char **buffer, const char *name, uid_t number)
{
    struct passwd *found = NULL;
    size_t size = 0;
    int error;

    *buffer = NULL;
    do {
        if (!grow(buffer, &size))
            return ENOMEM;
        error = name == NULL ? getpwuid_r(number, entry, *buffer, size, &found)
                             : getpwnam_r(name, entry, *buffer, size, &found);
    } while (error == ERANGE);
    return found == NULL ? absence(error) : 0;
}

/* Returns 0, ENOENT if there is none, or another errno. */
static int find_group(const char *name, gid_t *number)
{
    struct group entry;
    struct group *found = NULL;
    char *buffer = NULL;
    size_t size = 0;
    int error = ERANGE;

    while (error == ERANGE)
        error = grow(&buffer, &size) ? getgrnam_r(name, &entry, buffer, size, &found) : ENOMEM;
    if (found != NULL)
        *number = found->gr_gid;
    free(buffer);
    return found == NULL ? absence(error) : 0;
}

static bool failed(const struct given *given, const char *what, int error)
{
    errno = error;
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
           failed(given, "user", ENOMEM);
}

/* The user is a number that has no entry. */
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
    struct passwd entry;
    char *buffer;
    uint64_t number;
    bool is_number = parse_number(user, NUMBER_MAXIMUM, &number);
    int error = find_user(&entry, &buffer, user, 0);
    bool taken = false;

    if (error == ENOENT && is_number) {
        free(buffer);
        error = find_user(&entry, &buffer, NULL, (uid_t)number);
    }
    if (error == 0)
        taken = take_entry(identity, given, &entry);
    else if (error != ENOENT)
        (void)failed(given, "user", error);
    else if (is_number)
        taken = take_number(identity, given, (uid_t)number, has_group);
    else
        log_error("%s: '%s': there is no such user; expected the name or number of one",
                  given->option, given->word);
    free(buffer);
    return taken;
}

static bool take_group(struct identity *identity, const struct given *given, const char *group)
{
    uint64_t number;
    int error = find_group(group, &identity->group);

    if (error == 0)
        return true;
    if (error != ENOENT)
        return failed(given, "group", error);
    if (!parse_number(group, NUMBER_MAXIMUM, &number)) {
        log_error("%s: '%s': there is no such group; expected the name or number of one",
                  given->option, given->word);
        return false;
    }
    identity->group = (gid_t)number;
    return true;
}

/* Who has no name is in no group of the database. */
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

        if (count <= capacity) /* it was no want of room */
            return failed(given, "groups", ENOMEM);
        capacity = count;
        groups = reallocarray(identity->groups, (size_t)capacity, sizeof(*groups));
        if (groups == NULL)
            return failed(given, "groups", ENOMEM);
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

/* Who is nobody, if the operator did not say it. */
static bool take_nobody(struct identity *identity)
{
    const struct given given = {.option = "--supervisor-user", .word = "nobody"};
    struct passwd entry;
    char *buffer;
    int error = find_user(&entry, &buffer, given.word, 0);
    bool taken = false;

    if (error == 0)
        taken = take_entry(identity, &given, &entry);
    else if (error == ENOENT)
        log_error("there is no user 'nobody' for the supervisor to become: name another one with "
                  "--supervisor-user USER[:GROUP]");
    else
        (void)failed(&given, "user", error);
    free(buffer);
    return taken;
}

bool identity_of_owner(struct identity *identity, const char *option, const char *word)
{
    const struct given given = {.option = option, .word = word};
    char *copy = strdup(word);
    bool taken;

    *identity = (struct identity){0};
    taken = copy == NULL ? failed(&given, "user", ENOMEM) : take_words(identity, &given, copy);
    free(copy);
    if (!taken)
        identity_free(identity);
    return taken;
}

bool identity_of_supervisor(struct identity *identity, const char *word)
{
    if (word != NULL)
        return identity_of_owner(identity, "--supervisor-user", word);
    *identity = (struct identity){0};
    if (take_nobody(identity))
        return true;
    identity_free(identity);
    return false;
}

void identity_free(struct identity *identity)
{
    free(identity->groups);
    free(identity->name);
    free(identity->directory);
    free(identity->shell);
    *identity = (struct identity){0};
}
