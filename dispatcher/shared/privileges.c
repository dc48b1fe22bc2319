#include "dispatcher/shared/privileges.h"

#include "dispatcher/shared/kernel_call.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The permitted, effective and inheritable capabilities of this process. */
struct capability_sets {
    struct __user_cap_data_struct words[_LINUX_CAPABILITY_U32S_3];
};

static struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};

/* The sets before privileges_rest(). */
static struct capability_sets before;
static bool rest;

/* Leaves the capabilities of the set in permitted and effective; `sets` are all three then. */
static int narrow(struct capability_sets *sets, uint64_t kept, bool keep_inheritable)
{
    if (syscall(SYS_capget, &head, sets->words) != 0)
        return -1;
    for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
        sets->words[i].permitted &= (uint32_t)(kept >> (32 * i));
        sets->words[i].effective = sets->words[i].permitted;
        if (!keep_inheritable)
            sets->words[i].inheritable = 0; /* this clears the ambient set, too */
    }
    return (int)syscall(SYS_capset, &head, sets->words);
}

int privileges_keep(uint64_t kept)
{
    struct capability_sets sets = {0};
    struct capability_sets now = {0};

    if (narrow(&sets, kept, false) != 0 || syscall(SYS_capget, &head, now.words) != 0)
        return -1;
    errno = EPERM;
    return memcmp(&sets, &now, sizeof(now)) == 0 ? 0 : -1;
}

int privileges_limit(uint64_t kept)
{
    struct capability_sets sets = {0};

    return narrow(&sets, kept, true);
}

int privileges_rest(uint64_t in_effect)
{
    struct capability_sets sets = {0};

    if (syscall(SYS_capget, &head, before.words) != 0)
        return -1;
    sets = before;
    for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
        sets.words[i].effective &= (uint32_t)(in_effect >> (32 * i));
    rest = syscall(SYS_capset, &head, sets.words) == 0;
    return rest ? 0 : -1;
}

KERNEL_CALL_ONLY long privileges_wake(void)
{
    long result;

    if (!rest)
        return 0;
    result = kernel_call(SYS_capset, (long)&head, (long)before.words, 0, 0);
    return result < 0 ? result : 1;
}

int privileges_bound(void)
{
    /* Ends behind the last capability that this kernel knows. */
    for (unsigned long capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0;
         capability++)
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0)
            return -1;
    return 0;
}

/* Returns true if the real and saved user is `own`, the effective one `user`, and each group
 * `group`.
 */
static bool has_ids(uid_t own, uid_t user, gid_t group)
{
    uid_t users[3];
    gid_t groups[3];

    return getresuid(&users[0], &users[1], &users[2]) == 0 &&
           getresgid(&groups[0], &groups[1], &groups[2]) == 0 && users[0] == own &&
           users[1] == user && users[2] == own && groups[0] == group && groups[1] == group &&
           groups[2] == group;
}

static bool is_among(gid_t group, const gid_t *groups, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (groups[i] == group)
            return true;
    return false;
}

/* Returns true if the supplementary groups are these.  The process's own group makes no difference
 * among them. */
static bool has_groups(gid_t own, const gid_t *groups, size_t count)
{
    int number = getgroups(0, NULL);
    gid_t *now = number < 0 ? NULL : calloc((size_t)number + 1, sizeof(*now));
    bool same = now != NULL && getgroups(number, now) == number;

    for (size_t i = 0; same && i < (size_t)number; i++)
        same = is_among(now[i], groups, count);
    for (size_t i = 0; same && i < count; i++)
        same = groups[i] == own || is_among(groups[i], now, (size_t)number);
    free(now);
    return same;
}

/* Returns true if no id can be changed back to root. */
static bool is_for_good(uid_t user, gid_t group)
{
    return user == 0 ||
           (setresuid((uid_t)-1, 0, (uid_t)-1) != 0 && setuid(0) != 0 &&
            (group == 0 || setresgid((gid_t)-1, 0, (gid_t)-1) != 0) && setgroups(0, NULL) != 0);
}

int privileges_become_apart(uid_t own, uid_t user, gid_t group, const gid_t *groups, size_t count)
{
    /* A process that has these ids already may lack the right to set them. */
    bool is_already = has_ids(own, user, group) && has_groups(group, groups, count);

    if (!is_already && (setgroups(count, groups) != 0 || setresgid(group, group, group) != 0 ||
                        setresuid(own, user, own) != 0))
        return -1;
    if (user != 0 && privileges_keep(0) != 0)
        return -1;
    errno = EPERM;
    return has_ids(own, user, group) && is_for_good(user, group) ? 0 : -1;
}

int privileges_become(uid_t user, gid_t group, const gid_t *groups, size_t count)
{
    return privileges_become_apart(user, user, group, groups, count);
}

int privileges_gain_none(void)
{
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

int privileges_hide(void)
{
    return prctl(PR_SET_DUMPABLE, PRIVILEGES_SANITIZED, 0, 0, 0);
}
