/*
 * observer CONTROL BEGIN - looks at the daemon from outside, ten times a second, until SIGTERM.
 *
 * It asks on the control socket how the service stands, and looks into /proc for what it is not
 * told: which handlers are alive, and what the processes of the daemon use.  On standard output it
 * leaves, with T in seconds since BEGIN (microseconds of CLOCK_MONOTONIC),
 *
 *     sample T LATENCY PROCESS FIELD...
 *         an answer, after LATENCY milliseconds, and its fields in the order of `fields` below; -1
 *         for null
 *     unanswered T LATENCY
 *         no answer, or none that is whole
 *     again T
 *         the connection was closed without an answer, as may happen while another daemon takes
 *         over; it is asked again at once, and LATENCY goes on
 *     alive T PROCESS...
 *         handlers that have been alive at T: each was so before and after; PROCESS is PID.START,
 *         as in handler.c
 *     process T ROLE PID DESCRIPTORS RESIDENT
 *         of each "keeper", "standby" and "supervisor"; RESIDENT is KiB
 *     used T MILLISECONDS
 *         of processor time, by all processes of all daemons, so far
 *     zombies T COUNT
 *         children of theirs that have not been reaped
 */
#include "tests/shared/proc.h"
#include "tests/tools/chaos/record.h"

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

enum {
    EVERY = 100 * 1000, /* microseconds */
    PATIENCE = 15 * RECORD_SECOND,
    PROCESSES = 1024, /* of one kind at a time */
    KNOWN = 8192,     /* processes whose time is counted, in all */
    ANSWER = 64 * 1024,
    LINE = 15 * 1024
};

static const char *const fields[] = {
    "accepted",    "queued",    "starting",      "running",        "lingering",       "served",
    "abandoned",   "denied",    "refused_queue", "refused_source", "refused_timeout", "dropped",
    "handed_over", "processes", "ready",         "wanted",
};

enum { FIELDS = sizeof(fields) / sizeof(*fields) };

struct set {
    int list[PROCESSES];
    unsigned long long starts[PROCESSES]; /* where it matters; numbers are used again */
    int count;
};

static const char *control;
static int64_t begin;
static struct set keepers;
static volatile sig_atomic_t ended;

static void on_term(int signal_number)
{
    (void)signal_number;
    ended = 1;
}

static void add(struct set *set, int process, unsigned long long start)
{
    if (set->count == PROCESSES)
        return;
    set->list[set->count] = process;
    set->starts[set->count++] = start;
}

static bool contains(const struct set *set, int process, unsigned long long start)
{
    for (int i = 0; i < set->count; i++)
        if (set->list[i] == process && set->starts[i] == start)
            return true;
    return false;
}

/* ---- what it is told ---- */

static int connect_control(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", control);
    if (descriptor >= 0 &&
        connect(descriptor, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return descriptor;
    if (descriptor >= 0)
        (void)close(descriptor);
    return -1;
}

/* Until the end of the line; returns whether it came in time. */
static bool receive_line(int descriptor, char *answer, size_t size, int64_t until)
{
    struct pollfd source = {.fd = descriptor, .events = POLLIN};
    size_t length = 0;

    while (length < size - 1) {
        int64_t left = until - record_clock();
        ssize_t got;

        if (left <= 0 || poll(&source, 1, (int)(left / 1000) + 1) <= 0)
            return false;
        got = recv(descriptor, answer + length, size - 1 - length, MSG_DONTWAIT);
        if (got <= 0)
            return false;
        length += (size_t)got;
        answer[length] = '\0';
        if (answer[length - 1] == '\n')
            return true;
    }
    return false;
}

/* The first of that name, but for what is said of listeners; what is null is -1. */
static double field(const char *answer, const char *name)
{
    const char *clients_begin = strstr(answer, "\"accepted\":");
    char quoted[64];
    const char *found;

    (void)snprintf(quoted, sizeof(quoted), "\"%s\":", name);
    found = strstr(strcmp(name, "process") == 0 || clients_begin == NULL ? answer : clients_begin,
                   quoted);
    if (found == NULL || strncmp(found + strlen(quoted), "null", 4) == 0)
        return -1;
    return atof(found + strlen(quoted));
}

static void note_answer(const char *answer, double latency)
{
    char line[1024];
    size_t length = 0;
    int process = (int)field(answer, "process");

    for (int i = 0; i < FIELDS; i++)
        length += (size_t)snprintf(line + length, sizeof(line) - length, " %.0f",
                                   field(answer, fields[i]));
    record(STDOUT_FILENO, "sample %.6f %.3f %d%s\n", record_seconds(begin), latency, process, line);
    if (process > 1 && !contains(&keepers, process, 0))
        add(&keepers, process, 0);
}

static bool ask_once(char *answer, int64_t until)
{
    int descriptor = connect_control();
    bool answered = descriptor >= 0 && send(descriptor, "status\n", 7, MSG_NOSIGNAL) == 7 &&
                    receive_line(descriptor, answer, ANSWER, until);

    if (descriptor >= 0)
        (void)close(descriptor);
    return answered;
}

static void ask(void)
{
    static char answer[ANSWER];
    int64_t asked = record_clock();
    bool answered = ask_once(answer, asked + PATIENCE);
    double latency;

    if (!answered && !ended) {
        record(STDOUT_FILENO, "again %.6f\n", record_seconds(begin));
        answered = ask_once(answer, asked + PATIENCE);
    }
    latency = (double)(record_clock() - asked) / 1000;
    if (answered)
        note_answer(answer, latency);
    else if (!ended)
        record(STDOUT_FILENO, "unanswered %.6f %.3f\n", record_seconds(begin), latency);
}

/* ---- what it sees ---- */

/* From /proc/PID/stat (proc_pid_stat(5)). */
struct look {
    char name[32];
    char state;
    unsigned long ticks; /* of processor time */
    unsigned long long start;
};

static bool look_at(int process, struct look *look)
{
    char text[1024];
    const char *name;
    const char *rest;
    unsigned long user;
    unsigned long system;

    if (proc_read(process, "stat", text, sizeof(text)) == 0 || (name = strchr(text, '(')) == NULL ||
        (rest = strrchr(text, ')')) == NULL)
        return false;
    (void)snprintf(look->name, sizeof(look->name), "%.*s", (int)(rest - name - 1), name + 1);
    if (sscanf(rest + 1,
               " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d %*d %*d %llu",
               &look->state, &user, &system, &look->start) != 4)
        return false;
    look->ticks = user + system;
    return true;
}

static void children_of(int process, struct set *children)
{
    char text[32 * 1024];
    char *rest = NULL;

    children->count = 0;
    (void)proc_children(process, text, sizeof(text));
    for (char *word = strtok_r(text, " \n", &rest); word != NULL;
         word = strtok_r(NULL, " \n", &rest))
        add(children, atoi(word), 0);
}

/* The supervisor is a child of the standby, so what that has is added. */
static void children_of_daemon(int keeper, struct set *children)
{
    struct set of_standby;
    struct look look;
    int count;

    children_of(keeper, children);
    count = children->count;
    for (int i = 0; i < count; i++) {
        if (!look_at(children->list[i], &look) || strcmp(look.name, "standby") != 0)
            continue;
        children_of(children->list[i], &of_standby);
        for (int j = 0; j < of_standby.count; j++)
            add(children, of_standby.list[j], 0);
    }
}

/* What the processes of the daemon have used, those that have ended included. */
static struct {
    int process;
    unsigned long ticks;
} known[KNOWN];
static int known_count;

static void count_time(int process, unsigned long ticks)
{
    for (int i = known_count - 1; i >= 0; i--)
        if (known[i].process == process && known[i].ticks <= ticks) {
            known[i].ticks = ticks;
            return;
        }
    if (known_count < KNOWN) {
        known[known_count].process = process;
        known[known_count++].ticks = ticks;
    }
}

static double milliseconds_used(void)
{
    double ticks = 0;

    for (int i = 0; i < known_count; i++)
        ticks += (double)known[i].ticks;
    return ticks * 1000 / (double)sysconf(_SC_CLK_TCK);
}

static void add_handlers_of(int dispatcher, struct set *handlers, int *zombies)
{
    struct set children;
    struct look look;

    children_of(dispatcher, &children);
    for (int i = 0; i < children.count; i++) {
        if (!look_at(children.list[i], &look))
            continue;
        if (look.state == 'Z' || look.state == 'X')
            ++*zombies;
        else if (strcmp(look.name, "handler") == 0)
            add(handlers, children.list[i], look.start);
    }
}

/* Those of dispatchers, and those that the keeper has adopted.  Before its exec a handler has
 * the name of its dispatcher; so has what a leak checker makes, to look at a dispatcher from
 * outside. */
static void find_handlers(struct set *handlers, int *zombies)
{
    struct set children;
    struct look look;

    handlers->count = 0;
    *zombies = 0;
    for (int i = 0; i < keepers.count; i++) {
        if (look_at(keepers.list[i], &look))
            count_time(keepers.list[i], look.ticks);
        children_of_daemon(keepers.list[i], &children);
        for (int j = 0; j < children.count; j++) {
            if (!look_at(children.list[j], &look))
                continue;
            if (look.state == 'Z' || look.state == 'X') {
                ++*zombies;
            } else if (strcmp(look.name, "dispatcher") == 0) {
                count_time(children.list[j], look.ticks);
                add_handlers_of(children.list[j], handlers, zombies);
            } else if (strcmp(look.name, "supervisor") == 0 || strcmp(look.name, "standby") == 0) {
                count_time(children.list[j], look.ticks);
            } else if (strcmp(look.name, "handler") == 0) {
                add(handlers, children.list[j], look.start);
            }
        }
    }
}

/* Between two looks, those were alive that both have seen. */
static void note_handlers(void)
{
    struct set before;
    struct set after;
    char line[LINE] = "";
    size_t length = 0;
    double between;
    int zombies;

    find_handlers(&before, &zombies);
    between = record_seconds(begin);
    find_handlers(&after, &zombies);
    for (int i = 0; i < before.count && length < sizeof(line) - 40; i++)
        if (contains(&after, before.list[i], before.starts[i]))
            length += (size_t)snprintf(line + length, sizeof(line) - length, " %d.%llu",
                                       before.list[i], before.starts[i]);
    record(STDOUT_FILENO, "alive %.6f%s\n", between, line);
    record(STDOUT_FILENO, "zombies %.6f %d\n", between, zombies);
    record(STDOUT_FILENO, "used %.6f %.0f\n", between, milliseconds_used());
}

/* Returns false if it has ended. */
static bool note_process(const char *role, int process)
{
    char text[4096];
    int descriptors = proc_descriptors(process);
    const char *resident;

    if (descriptors < 0 || proc_read(process, "status", text, sizeof(text)) == 0 ||
        (resident = strstr(text, "VmRSS:")) == NULL)
        return false;
    record(STDOUT_FILENO, "process %.6f %s %d %d %d\n", record_seconds(begin), role, process,
           descriptors, atoi(resident + 6));
    return true;
}

/* Forgets keepers that have ended. */
static void note_processes(void)
{
    struct set left = {.count = 0};
    struct set children;
    struct look look;

    for (int i = 0; i < keepers.count; i++) {
        if (!note_process("keeper", keepers.list[i]))
            continue;
        add(&left, keepers.list[i], 0);
        children_of_daemon(keepers.list[i], &children);
        for (int j = 0; j < children.count; j++)
            if (look_at(children.list[j], &look) &&
                (strcmp(look.name, "supervisor") == 0 || strcmp(look.name, "standby") == 0))
                (void)note_process(look.name, children.list[j]);
    }
    keepers = left;
}

int main(int argc, char **argv)
{
    int64_t next = record_clock();

    if (argc != 3 || signal(SIGTERM, on_term) == SIG_ERR) {
        (void)fprintf(stderr, "usage: observer CONTROL BEGIN\n");
        return 2;
    }
    control = argv[1];
    begin = atoll(argv[2]);
    while (!ended) {
        int64_t left;

        ask();
        note_handlers();
        note_processes();
        next += EVERY;
        left = next - record_clock();
        if (left > 0)
            (void)usleep((useconds_t)left);
        else
            next = record_clock();
    }
    return 0;
}
