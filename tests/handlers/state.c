/*
 * state - a handler that tells the client in which process state it was started, a line a fact.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

/* Without the one that reads the directory. */
static void print_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    struct dirent *entry;

    printf("descriptors");
    while (directory != NULL && (entry = readdir(directory)) != NULL)
        if (entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(directory))
            printf(" %s", entry->d_name);
    printf("\n");
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

static void print_limits(void)
{
    struct rlimit limit;
    mode_t mask = umask(0);

    (void)umask(mask);
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    printf("nofile %llu %llu\n", (unsigned long long)limit.rlim_cur,
           (unsigned long long)limit.rlim_max);
    (void)getrlimit(RLIMIT_CORE, &limit);
    printf("core %llu\n", (unsigned long long)limit.rlim_cur);
    printf("umask %03o\n", mask);
    printf("nice %d\n", getpriority(PRIO_PROCESS, 0));
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

int main(int argc, char **argv)
{
    print_descriptors();
    print_signals();
    print_limits();
    print_session();
    print_same_socket();
    for (int i = 0; i < argc; i++)
        printf("argument %s\n", argv[i]);
    for (char **variable = environ; *variable != NULL; variable++)
        printf("environment %s\n", *variable);
    return fflush(stdout) == 0 ? 0 : 1;
}
