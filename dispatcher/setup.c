#include "dispatcher/setup.h"

#include "dispatcher/shared/kernel_call.h"
#include "dispatcher/shared/log.h"
#include "dispatcher/shared/privileges.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The old calls of 32-bit processors take ids of 16 bits. */
#ifdef SYS_setresuid32
#define CALL_SETRESUID SYS_setresuid32
#else
#define CALL_SETRESUID SYS_setresuid
#endif

static int error_output = -1; /* standard error of handlers; -1: the dispatcher's */

const struct setup *setup_map(void)
{
    const struct setup *setup;
    struct stat status;
    uint64_t size;

    if (fstat(PROTOCOL_SETUP, &status) != 0)
        log_die(1, "dispatcher: cannot examine its setup: %m");
    size = (uint64_t)status.st_size;
    if (size < sizeof(*setup))
        log_die(1, "dispatcher: its version differs from its keeper's");
    /* Kernels before 6.7 refuse MAP_SHARED for a file that is sealed against writing. */
    setup = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, PROTOCOL_SETUP, 0);
    if (setup == MAP_FAILED)
        log_die(1, "dispatcher: cannot map its setup: %m");
    if (setup->version != PROTOCOL_VERSION ||
        size != sizeof(*setup) + setup->group_count * (uint64_t)sizeof(*setup->groups))
        log_die(1, "dispatcher: its version differs from its keeper's");
    (void)close(PROTOCOL_SETUP); /* the mapping stays */
    return setup;
}

/* ---- with the privileges that the daemon was started with ---- */

/* A handler can lower a hard limit, but not raise it. */
static void raise_hard_limits(const struct setup *setup)
{
    static_assert(sizeof(struct rlimit) == 2 * sizeof(uint64_t), "limits have 64 bits");

    for (unsigned i = 0; i < SETUP_LIMITS; i++) {
        const struct setup_limit *wanted = &setup->limits[i];
        struct rlimit limit;
        rlim_t old;

        /* Not prlimit(3): each libc gives the resource another type. */
        if (wanted->given == 0 || syscall(SYS_prlimit64, 0, i, NULL, &limit) != 0 ||
            limit.rlim_max >= wanted->hard)
            continue;
        old = limit.rlim_max;
        limit.rlim_max = wanted->hard;
        if (syscall(SYS_prlimit64, 0, i, &limit, NULL) != 0)
            log_die(1,
                    "--limit: cannot raise a hard limit of %llu to %llu: %m; this requires "
                    "CAP_SYS_RESOURCE",
                    (unsigned long long)old, (unsigned long long)wanted->hard);
    }
}

/* A handler can raise its nice value, but not lower it. */
static void lower_nice(const struct setup *setup)
{
    if (setup->has_nice != 0 && setup->nice < getpriority(PRIO_PROCESS, 0) &&
        setpriority(PRIO_PROCESS, 0, setup->nice) != 0)
        log_die(1, "--nice: cannot set the nice value %d: %m; lowering it requires CAP_SYS_NICE",
                setup->nice);
}

static void open_error_output(const struct setup *setup)
{
    if (setup->standard_error == SETUP_STANDARD_ERROR_FILE)
        error_output = PROTOCOL_ERRORS;
    if (setup->standard_error != SETUP_STANDARD_ERROR_NULL)
        return;
    error_output = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (error_output < 0)
        log_die(1, "--stderr: cannot open /dev/null: %m");
}

static void change_root(const struct setup *setup)
{
    if (setup->root[0] != '\0' && (chroot(setup->root) != 0 || chdir("/") != 0))
        log_die(1,
                "--chroot: cannot make '%s' the root directory: %m; this requires root "
                "(CAP_SYS_CHROOT) and a directory",
                setup->root);
}

/* ---- giving up privileges ---- */

static void change_user(const struct setup *setup)
{
    const uid_t own = setup->has_dispatcher_user != 0 ? setup->dispatcher_user : setup->user;

    if (setup->has_identity != 0 && privileges_become_apart(own, setup->user, setup->group,
                                                            setup->groups, setup->group_count) != 0)
        log_die(1,
                "--user, --group: cannot become user %u with group %u: %m; this requires root "
                "(CAP_SETUID and CAP_SETGID)",
                setup->user, setup->group);
}

/* After change_user(): the user must be able to reach the directory. */
static void change_directory(const struct setup *setup)
{
    if (setup->directory[0] != '\0' && chdir(setup->directory) != 0)
        log_die(1, "--chdir: cannot change to the directory '%s'%s%s: %m", setup->directory,
                setup->root[0] == '\0' ? "" : " below ", setup->root);
}

void setup_apply(const struct setup *setup)
{
    raise_hard_limits(setup);
    lower_nice(setup);
    open_error_output(setup);
    change_root(setup);
    change_user(setup);
    change_directory(setup);
    if (setup->has_umask != 0)
        (void)umask(setup->umask); /* a dispatcher creates no files */
    if (setup->no_new_privileges != 0 && privileges_gain_none() != 0)
        log_die(1, "--no-new-privs: %m");
    if (privileges_hide() != 0)
        log_die(1, "dispatcher: cannot hide from other processes: %m");
}

void setup_rest(void)
{
    if (geteuid() == 0 && privileges_rest(1u << CAP_KILL) != 0)
        log_die(1, "dispatcher: cannot give up capabilities: %m");
}

/* ---- in each handler ---- */

/* A hanging exec must not hold the connections of other clients.  The socket stays open until the
 * exec: the rule of the ledger needs its last copy.  Kernels before 5.9 lack this call; there only
 * the exec closes the others. */
KERNEL_CALL_ONLY static void close_others(void)
{
#ifdef SYS_close_range
    (void)kernel_call(SYS_close_range, PROTOCOL_SOCKET + 1, (long)UINT32_MAX, 0, 0);
#endif
}

/* Standard error comes first: what it copies may be in the place of standard output. */
KERNEL_CALL_ONLY long setup_descriptors(const struct setup *setup, int client)
{
    int error = setup->standard_error == SETUP_STANDARD_ERROR_SOCKET ? client : error_output;
    int output = setup->persistent == 0 ? client : STDERR_FILENO;
    long result;

    if ((error >= 0 && (result = kernel_call(SYS_dup3, error, STDERR_FILENO, 0, 0)) < 0) ||
        (result = kernel_call(SYS_dup3, client, STDIN_FILENO, 0, 0)) < 0 ||
        (result = kernel_call(SYS_dup3, output, STDOUT_FILENO, 0, 0)) < 0)
        return result;
    close_others();
    return 0;
}

/* The effective user stays the same, so the kernel leaves the memory, which is the dispatcher's, as
 * hidden as it is (kernel/cred.c, commit_creds()). */
KERNEL_CALL_ONLY long setup_user(const struct setup *setup)
{
    const long user = (long)setup->user;

    return setup->has_dispatcher_user == 0 ? 0 : kernel_call(CALL_SETRESUID, user, user, user, 0);
}

static_assert(offsetof(struct setup_limit, hard) ==
                  offsetof(struct setup_limit, soft) + sizeof(uint64_t),
              "soft and hard form the struct that prlimit(2) reads");

KERNEL_CALL_ONLY long setup_limits(const struct setup *setup)
{
    long result;

    for (unsigned i = 0; i < SETUP_LIMITS; i++) {
        const struct setup_limit *wanted = &setup->limits[i];

        if (wanted->given != 0 &&
            (result = kernel_call(SYS_prlimit64, 0, (long)i, (long)&wanted->soft, 0)) < 0)
            return result;
    }
    return setup->has_nice == 0 ? 0 : kernel_call(SYS_setpriority, PRIO_PROCESS, 0, setup->nice, 0);
}
