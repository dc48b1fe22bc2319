/*
 * Descriptors without close_range(2), with and without /proc: those that are open are closed or
 * counted, however high the limit.
 */
#include "supervisor/base/descriptors.h"

#include "tests/shared/check.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { KEPT = 5, LAST = 300, LIMIT = 200 };

static int kept_number = KEPT;
static int *const kept[] = {&kept_number};

static bool is_open(int descriptor)
{
    return fcntl(descriptor, F_GETFD) >= 0;
}

/* From here on the kernel says that it does not know close_range(2). */
static void forget_close_range(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_close_range, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {.len = sizeof(filter) / sizeof(*filter), .filter = filter};

    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
    CHECK(syscall(SYS_close_range, LAST, LAST, 0) == -1 && errno == ENOSYS);
}

static void check_only_kept_up_to(int last)
{
    for (int descriptor = 0; descriptor <= last; descriptor++)
        CHECK(is_open(descriptor) == (descriptor <= STDERR_FILENO || descriptor == KEPT));
}

/* The last one is above the limit, so whoever goes by that does not find it. */
static void check_closing(void)
{
    struct rlimit limit;

    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    for (int descriptor = STDERR_FILENO + 1; descriptor <= LAST; descriptor += KEPT - 3)
        CHECK(dup2(STDIN_FILENO, descriptor) == descriptor);
    CHECK(dup2(STDIN_FILENO, LAST) == LAST);
    limit.rlim_cur = LIMIT;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHECK(descriptors_close_others(kept, 1) == 0);
    check_only_kept_up_to(LAST);
}

static bool hide_proc(void)
{
    return unshare(CLONE_NEWNS) == 0 && mount("", "/", "", MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("none", "/proc", "tmpfs", 0, "") == 0;
}

/* Without /proc it goes by the limit. */
static int look_without_proc(uint32_t used)
{
    clock_t began = clock();

    if (!hide_proc()) /* which takes root */
        return 0;
    CHECK(descriptors_used(LIMIT) == used);
    CHECK(descriptors_used(INT32_MAX) == used);
    CHECK(clock() - began < CLOCKS_PER_SEC);
    for (int descriptor = KEPT + 1; descriptor < LIMIT; descriptor += 7)
        CHECK(dup2(STDIN_FILENO, descriptor) == descriptor);
    CHECK(descriptors_close_others(kept, 1) == 0);
    check_only_kept_up_to(LIMIT);
    return CHECK_RESULT();
}

/* Without /proc in a process that ends by _exit(): a leak checker could not look at the end. */
static void check_counting(void)
{
    uint32_t used = descriptors_used(LIMIT);
    int status = -1;
    pid_t process;

    CHECK(used == KEPT - 1); /* three, and what was kept */
    process = fork();
    if (process == 0)
        _exit(look_without_proc(used));
    CHECK(process > 0 && waitpid(process, &status, 0) == process && status == 0);
}

int main(void)
{
    forget_close_range();
    check_closing();
    check_counting();
    return CHECK_RESULT();
}
