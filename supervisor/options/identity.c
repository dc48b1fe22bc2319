#include "supervisor/options/identity.h"

#include "supervisor/base/parse.h"

#include "dispatcher/shared/log.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* setresuid(2) and setresgid(2) take the next number for "keep". */
enum { NUMBER_MAXIMUM = UINT32_MAX - 1 };

static const char wanted[] = "expected the name or number of one";

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

/* Logs that a look-up found nothing. */
static bool absent(const struct given *given, const char *what, const char *expected)
{
    log_error("%s: '%s': there is no such %s; %s", given->option, given->word, what, expected);
    return false;
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
    if (!is_number)
        return absent(given, "user", wanted);
    identity->user = (uid_t)number;
    return has_group || absent(given, "user",
                               "a number without an entry is accepted together with a group only");
}

static bool take_group(struct identity *identity, const struct given *given, const char *group)
{
    const struct group *entry;
    uint64_t number = 0;

    errno = 0;
    entry = getgrnam(group);
    if (entry == NULL && !is_absent())
        return failed(given, "group");
    if (entry == NULL && !parse_number(group, NUMBER_MAXIMUM, &number))
        return absent(given, "group", wanted);
    identity->group = entry != NULL ? entry->gr_gid : (gid_t)number;
    return true;
}

/* A user without a name is in no group of the database. */
static bool take_groups(struct identity *identity, const struct given *given)
{
    int count = NGROUPS_MAX; /* the kernel takes no more */

    identity->groups = calloc(NGROUPS_MAX, sizeof(*identity->groups));
    if (identity->groups == NULL)
        return failed(given, "groups");
    errno = E2BIG;
    if (identity->name == NULL) {
        identity->groups[0] = identity->group;
        count = 1;
    } else if (getgrouplist(identity->name, identity->group, identity->groups, &count) < 0) {
        return failed(given, "groups");
    }
    identity->group_count = (size_t)count;
    return true;
}

/* Frees what was found, unless all was. */
static bool conclude(struct identity *identity, bool right)
{
    if (!right)
        identity_free(identity);
    return right;
}

bool identity_of_handlers(struct identity *identity, const char *user, const char *group)
{
    const struct given user_given = {.option = "--user", .word = user};
    const struct given group_given = {.option = "--group", .word = group};

    *identity = (struct identity){.user = geteuid()};
    return conclude(identity,
                    (user == NULL || take_user(identity, &user_given, user, group != NULL)) &&
                        (group == NULL || take_group(identity, &group_given, group)) &&
                        take_groups(identity, user == NULL ? &group_given : &user_given));
}

bool identity_of_owner(struct identity *identity, const char *option, const char *word)
{
    const struct given given = {.option = option, .word = word};
    const char *colon = strchr(word, ':');
    char *user = strndup(word, strcspn(word, ":"));
    bool right;

    *identity = (struct identity){0};
    if (user == NULL)
        return failed(&given, "user");
    right = take_user(identity, &given, user, colon != NULL) &&
            (colon == NULL || take_group(identity, &given, colon + 1));
    free(user);
    return conclude(identity, right);
}

bool identity_of_user(struct identity *identity, const char *option, const char *word)
{
    const struct given given = {.option = option, .word = word};

    *identity = (struct identity){0};
    return conclude(identity, take_user(identity, &given, word, true));
}

static bool is_among(uid_t user, const uid_t *users, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (users[i] == user)
            return true;
    return false;
}

bool identity_of_role(struct identity *identity, const char *name, const uid_t *avoided,
                      size_t count)
{
    /* Below 65536, so that containers have them; distributions give no account such a number. */
    enum { NUMBERS_FIRST = 65100, NUMBERS = 64 };
    const struct passwd *entry = getpwnam(name);

    *identity = (struct identity){0};
    if (entry != NULL && !is_among(entry->pw_uid, avoided, count)) {
        identity->user = entry->pw_uid;
        identity->group = entry->pw_gid;
        return true;
    }
    for (uid_t number = NUMBERS_FIRST; number < NUMBERS_FIRST + NUMBERS; number++) {
        if (is_among(number, avoided, count) || getpwuid(number) != NULL ||
            getgrgid(number) != NULL)
            continue;
        identity->user = number;
        identity->group = number;
        return true;
    }
    log_error("there is no account %s, and no number from %d to %d is free of accounts", name,
              NUMBERS_FIRST, NUMBERS_FIRST + NUMBERS - 1);
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
