/*
 * killer KEEPER SEED LEAST MOST NAME... - kills processes of a daemon until SIGTERM comes.
 *
 * Waits for LEAST to MOST milliseconds, a random number that SEED determines, and sends SIGKILL to
 * all children, and grandchildren, of KEEPER that have one of the NAMEs:
 *
 *     supervisor, standby   the process of that name
 *     dispatcher            a random one of the dispatchers
 *     dispatchers           all of them
 *     worker                a random child of a dispatcher, or of a dead one
 *     a number              what follows it is killed with so many percent
 *
 * Prints "killed N in R rounds", N without dispatchers and workers.
 */
#include "tests/shared/proc.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PROCESSES = 128 };

static pid_t keeper;
static struct kind {
    pid_t list[PROCESSES];
    unsigned count;
} supervisors, standbys, dispatchers, workers;

static void add(struct kind *kind, pid_t process)
{
    if (kind->count < PROCESSES)
        kind->list[kind->count++] = process;
}

/* A child between clone and exec looks like its dispatcher, but leads a session, or is about to: it
 * is the keeper's child only for a moment, after the death of its dispatcher. */
static bool leads_session(pid_t process)
{
    return getsid(process) == process;
}

/* Finds the children of the keeper, of the standby, or of a dispatcher: of the last, children that
 * are not workers yet are left alone.
 *
 * Goes no deeper than from keeper to standby to dispatcher.  NOLINTNEXTLINE(misc-no-recursion) */
static void find(pid_t parent, bool of_dispatcher)
{
    char children[4096];
    char *place = children;

    (void)proc_children(parent, children, sizeof(children));
    for (char *word; (word = strtok_r(place, " \n", &place)) != NULL;) {
        pid_t process = (pid_t)atoi(word);
        char name[32];

        (void)proc_read(process, "comm", name, sizeof(name));
        if (strcmp(name, "worker\n") == 0) {
            add(&workers, process);
        } else if (of_dispatcher) {
            continue;
        } else if (strcmp(name, "supervisor\n") == 0) {
            add(&supervisors, process);
        } else if (strcmp(name, "standby\n") == 0) {
            add(&standbys, process);
            find(process, false);
        } else if (strcmp(name, "dispatcher\n") == 0 && !leads_session(process)) {
            add(&dispatchers, process);
            find(process, true);
        }
    }
}

static void kill_any(const struct kind *kind)
{
    if (kind->count > 0)
        (void)kill(kind->list[(unsigned)rand() % kind->count], SIGKILL);
}

static unsigned kill_all(const struct kind *kind)
{
    unsigned count = 0;

    for (unsigned i = 0; i < kind->count; i++)
        count += kill(kind->list[i], SIGKILL) == 0;
    return count;
}

/* Returns how many processes were killed, without dispatchers. */
static unsigned kill_by_name(const char *name)
{
    if (strcmp(name, "supervisor") == 0)
        return kill_all(&supervisors);
    if (strcmp(name, "standby") == 0)
        return kill_all(&standbys);
    if (strcmp(name, "dispatchers") == 0)
        (void)kill_all(&dispatchers);
    else
        kill_any(strcmp(name, "worker") == 0 ? &workers : &dispatchers);
    return 0;
}

static unsigned attack(char **names)
{
    unsigned count = 0;
    bool chosen = true;

    supervisors.count = standbys.count = dispatchers.count = workers.count = 0;
    find(keeper, false);
    for (; *names != NULL; names++)
        if (isdigit((unsigned char)**names))
            chosen = rand() % 100 < atoi(*names);
        else if (chosen)
            count += kill_by_name(*names);
    return count;
}

/* Returns false once SIGTERM has come. */
static bool pause_for(long milliseconds)
{
    struct timespec time = {.tv_sec = milliseconds / 1000,
                            .tv_nsec = milliseconds % 1000 * 1000000};
    sigset_t signals;

    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &signals, NULL);
    return sigtimedwait(&signals, NULL, &time) < 0 && (errno == EAGAIN || errno == EINTR);
}

int main(int argc, char **argv)
{
    unsigned killed = 0;
    unsigned rounds = 0;
    long least;
    long most;

    if (argc < 6)
        return 2;
    keeper = (pid_t)atoi(argv[1]);
    srand((unsigned)atoi(argv[2]));
    least = atol(argv[3]);
    most = atol(argv[4]);
    while (pause_for(least + rand() % (most - least + 1))) {
        killed += attack(argv + 5);
        rounds++;
    }
    printf("killed %u in %u rounds\n", killed, rounds);
    return 0;
}
