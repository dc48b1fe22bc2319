/*
 * state - a handler that tells the client in which process state it was started, a line a fact.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* In a root directory without /proc. */
static void try_descriptors(void)
{
    for (int descriptor = 0; descriptor < 65536; descriptor++)
        if (fcntl(descriptor, F_GETFD) >= 0)
            printf(" %d", descriptor);
}

/* Without the one that reads the directory. */
static void print_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    struct dirent *entry;

    printf("descriptors");
    if (directory == NULL)
        try_descriptors();
    while (directory != NULL && (entry = readdir(directory)) != NULL)
        if (entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(directory))
            printf(" %s", entry->d_name);
    printf("\n");
    if (directory != NULL)
        (void)closedir(directory); /* it was only read */
}

static void print_signals(void)
{
    sigset_t mask;
    struct sigaction action;

    printf("blocked");
    (void)sigprocmask(SIG_BLOCK, NULL, &mask);
    for (int number = 1; number <= SIGRTMAX; number++)
        if (sigismember(&mask, number) == 1)
            printf(" %d", number);
    printf("\nignored");
    for (int number = 1; number <= SIGRTMAX; number++)
        if (sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_DFL)
            printf(" %d", number);
    printf("\n");
}

static void print_limit(uint64_t limit)
{
    if (limit == UINT64_MAX)
        printf(" unlimited");
    else
        printf(" %llu", (unsigned long long)limit);
}

static void print_limits(void)
{
    static const char *const names[RLIM_NLIMITS] = {
        [RLIMIT_AS] = "as",
        [RLIMIT_CORE] = "core",
        [RLIMIT_CPU] = "cpu",
        [RLIMIT_DATA] = "data",
        [RLIMIT_FSIZE] = "fsize",
        [RLIMIT_LOCKS] = "locks",
        [RLIMIT_MEMLOCK] = "memlock",
        [RLIMIT_MSGQUEUE] = "msgqueue",
        [RLIMIT_NICE] = "nice",
        [RLIMIT_NOFILE] = "nofile",
        [RLIMIT_NPROC] = "nproc",
        [RLIMIT_RSS] = "rss",
        [RLIMIT_RTPRIO] = "rtprio",
        [RLIMIT_RTTIME] = "rttime",
        [RLIMIT_SIGPENDING] = "sigpending",
        [RLIMIT_STACK] = "stack",
    };

    for (int i = 0; i < (int)RLIM_NLIMITS; i++) {
        uint64_t limits[2]; /* soft and hard */

        /* Not every libc agrees with the others on the type of getrlimit's first argument. */
        if (names[i] == NULL || syscall(SYS_prlimit64, 0, i, NULL, limits) != 0)
            continue;
        printf("limit %s", names[i]);
        print_limit(limits[0]);
        print_limit(limits[1]);
        printf("\n");
    }
}

static void print_ids(void)
{
    uid_t users[3] = {0};
    gid_t groups[3] = {0};
    gid_t supplementary[1024];
    int count = getgroups(1024, supplementary);

    (void)getresuid(&users[0], &users[1], &users[2]);
    (void)getresgid(&groups[0], &groups[1], &groups[2]);
    printf("uid %u %u %u\n", users[0], users[1], users[2]);
    printf("gid %u %u %u\n", groups[0], groups[1], groups[2]);
    printf("groups");
    for (int i = 0; i < count; i++)
        printf(" %u", supplementary[i]);
    printf("\n");
}

static void print_privileges(void)
{
    static const char *const names[] = {"effective", "permitted", "inheritable"};
    uint32_t header[2] = {0x20080522, 0}; /* capget(2): version 3, of this process */
    uint32_t sets[2][3] = {{0}};          /* the low words, and the high ones */

    (void)syscall(SYS_capget, header, sets);
    for (int i = 0; i < 3; i++)
        printf("%s %08x%08x\n", names[i], sets[1][i], sets[0][i]);
    printf("new privileges %s\n", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? "no" : "yes");
    printf("dumpable %d\n", prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
}

static void print_priority(void)
{
    FILE *score = fopen("/proc/self/oom_score_adj", "re");
    int value;
    mode_t mask = umask(0);

    (void)umask(mask);
    printf("umask %03o\n", mask);
    printf("nice %d\n", getpriority(PRIO_PROCESS, 0));
    if (score != NULL && fscanf(score, "%d", &value) == 1)
        printf("oom_score_adj %d\n", value);
    if (score != NULL)
        (void)fclose(score); /* it was only read */
}

static void print_directories(void)
{
    char path[PATH_MAX];
    struct dirent **entries = NULL;
    int count = scandir("/", &entries, NULL, alphasort);

    printf("cwd %s\n", getcwd(path, sizeof(path)) == NULL ? "unknown" : path);
    printf("root");
    for (int i = 0; i < count; i++)
        if (entries[i]->d_name[0] != '.')
            printf(" %s", entries[i]->d_name);
    printf("\n");
}

static void print_session(void)
{
    printf("session %s\n", getsid(0) == getpid() ? "own" : "shared");
    printf("group %s\n", getpgrp() == getpid() ? "own" : "shared");
    printf("blocking %s %s\n", (fcntl(0, F_GETFL) & O_NONBLOCK) != 0 ? "no" : "yes",
           (fcntl(1, F_GETFL) & O_NONBLOCK) != 0 ? "no" : "yes");
}

static void print_same_socket(void)
{
    struct stat in;
    struct stat out;
    struct stat error;

    if (fstat(0, &in) == 0 && fstat(1, &out) == 0 && fstat(2, &error) == 0)
        printf("socket %s\nstderr %s\n",
               S_ISSOCK(in.st_mode) && in.st_ino == out.st_ino ? "0=1" : "no",
               in.st_ino == error.st_ino ? "client" : "other");
}

static void print_option(const char *name, int level, int option)
{
    int value;
    socklen_t length = sizeof(value);

    if (getsockopt(STDIN_FILENO, level, option, &value, &length) == 0)
        printf("option %s %d\n", name, value);
}

static void print_socket_options(void)
{
    char device[IFNAMSIZ] = "";
    socklen_t length = sizeof(device);

    print_option("nodelay", IPPROTO_TCP, TCP_NODELAY);
    print_option("keepalive", SOL_SOCKET, SO_KEEPALIVE);
    print_option("keepidle", IPPROTO_TCP, TCP_KEEPIDLE);
    if (getsockopt(STDIN_FILENO, SOL_SOCKET, SO_BINDTODEVICE, device, &length) == 0)
        printf("option device %s\n", device);
}

int main(int argc, char **argv)
{
    print_descriptors();
    print_signals();
    print_limits();
    print_ids();
    print_privileges();
    print_priority();
    print_directories();
    print_session();
    print_same_socket();
    print_socket_options();
    for (int i = 0; i < argc; i++)
        printf("argument %s\n", argv[i]);
    for (char **variable = environ; *variable != NULL; variable++)
        printf("environment %s\n", *variable);
    return fflush(stdout) == 0 ? 0 : 1;
}
