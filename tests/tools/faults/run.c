/*
 * run - lets one system call of a daemon fail, and looks whether the daemon holds.
 *
 *   run errors            prints the table of system calls and the errors that are tried for each
 *   run record BUILD      runs it undisturbed and prints what it calls: a line
 *                         "ACTOR PHASE CALL COUNT" each, CALL being a number where the table has
 *                         none; and "usual CALLS DESCRIPTORS DESCRIPTORS DESCRIPTORS", in all, of
 *                         the keeper, of the supervisor and of a dispatcher
 *   run try BUILD CALLS DESCRIPTORS DESCRIPTORS DESCRIPTORS
 *                         reads faults, a line "ACTOR:PHASE:CALL:ERROR:WHEN" each, and prints for
 *                         each, after "survived", "refused", "not-hit" or "failed", the
 *                         milliseconds taken, the clients cut off, served twice, and refused
 *                         without being told, the fault, and what there is to say
 *
 * In the current folder, where a file "handler" is for anybody to execute.  Exit status 2: it could
 * not be tried.
 */
#include "tests/tools/faults/run/scenario.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

static int64_t now(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static int index_of(const char *const *names, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    (void)fprintf(stderr, "faults: unknown: %s\n", name);
    exit(2);
}

/* ---- record ---- */

static void print_counts(const struct observed *observed)
{
    for (int actor = 0; actor < ACTORS; actor++)
        for (int phase = 0; phase < PHASES; phase++)
            for (unsigned kind = 0; kind < CALLS_KINDS; kind++) {
                const struct call *call = calls_by_kind(kind);
                unsigned count = observed->counts[actor][phase][kind];

                if (count == 0)
                    continue;
                (void)printf("%s %s ", tracer_actors[actor], tracer_phases[phase]);
                if (call == NULL)
                    (void)printf("%u", kind - CALLS_ROWS);
                else
                    (void)printf("%s", call->name);
                (void)printf(" %u\n", count);
            }
}

static int record(const char *build, struct observed *observed)
{
    const struct fault none = {.call = NULL};
    struct measure usual = {0};
    struct outcome outcome = scenario_run(build, &none, observed, &usual, true);

    if (outcome.verdict == VERDICT_SURVIVED && outcome.cut > 0)
        (void)snprintf(outcome.why, sizeof(outcome.why), "%u clients were cut off", outcome.cut);
    if (outcome.why[0] == '\0') {
        print_counts(observed);
        (void)fflush(stdout); /* or the child would say it, too */
        outcome = scenario_ask(build, &none, observed);
    }
    if (outcome.why[0] != '\0') {
        (void)fprintf(stderr, "faults: without a fault: %s\n", outcome.why);
        return 2;
    }
    print_counts(observed);
    (void)printf("usual %u %d %d %d\n", usual.calls, usual.keeper, usual.supervisor,
                 usual.dispatcher);
    return 0;
}

/* ---- try ---- */

/* Takes the line apart. */
static struct fault read_fault(char *line)
{
    char *words[5] = {NULL};
    unsigned count = 0;
    struct fault fault = {0};

    for (char *word = strtok(line, ":"); word != NULL && count < 5; word = strtok(NULL, ":"))
        words[count++] = word;
    if (count == 5) {
        fault.actor = (enum actor)index_of(tracer_actors, ACTORS, words[0]);
        fault.phase = (enum phase)index_of(tracer_phases, PHASES, words[1]);
        fault.call = calls_by_name(words[2]);
        fault.error = calls_error(words[3]);
        fault.when = (unsigned)strtoul(words[4], NULL, 10);
    }
    if (fault.call == NULL || fault.error == 0 || fault.when == 0) {
        (void)fputs("faults: a fault is ACTOR:PHASE:CALL:ERROR:WHEN, of those known\n", stderr);
        exit(2);
    }
    return fault;
}

static int try_all(const char *build, struct measure *usual, struct observed *observed)
{
    static const char *const verdicts[] = {[VERDICT_SURVIVED] = "survived",
                                           [VERDICT_REFUSED] = "refused",
                                           [VERDICT_NOT_HIT] = "not-hit",
                                           [VERDICT_FAILED] = "failed"};
    char line[256];

    while (fgets(line, sizeof(line), stdin) != NULL) {
        char name[256];
        struct fault fault;
        struct outcome outcome;
        int64_t begun = now();

        line[strcspn(line, "\n")] = '\0';
        strcpy(name, line);
        fault = read_fault(line);
        outcome = fault.actor == ACTOR_OPERATOR
                      ? scenario_ask(build, &fault, observed)
                      : scenario_run(build, &fault, observed, usual, false);
        for (char *end = outcome.why; (end = strchr(end, '\n')) != NULL;)
            *end = ' ';
        (void)printf("%s %d %u %u %u %s %s\n", verdicts[outcome.verdict], (int)(now() - begun),
                     outcome.cut, outcome.twice, outcome.untold, name, outcome.why);
        (void)fflush(stdout);
    }
    return 0;
}

/* Those of whoever has started this: neither the daemon nor its handlers are to have them. */
static void close_descriptors(void)
{
    for (int descriptor = 3; descriptor < 100; descriptor++)
        (void)close(descriptor); /* most are not open */
}

int main(int argc, char **argv)
{
    struct observed *observed = tracer_memory();

    close_descriptors();
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) {
        perror("faults: prctl");
        return 2;
    }
    if (argc == 2 && strcmp(argv[1], "errors") == 0) {
        calls_print();
        return 0;
    }
    if (argc == 3 && strcmp(argv[1], "record") == 0)
        return record(argv[2], observed);
    if (argc == 7 && strcmp(argv[1], "try") == 0)
        return try_all(argv[2],
                       &(struct measure){.calls = (unsigned)strtoul(argv[3], NULL, 10),
                                         .keeper = atoi(argv[4]),
                                         .supervisor = atoi(argv[5]),
                                         .dispatcher = atoi(argv[6])},
                       observed);
    (void)fputs("usage: run errors | run record BUILD | run try BUILD CALLS DESCRIPTORS "
                "DESCRIPTORS DESCRIPTORS\n",
                stderr);
    return 2;
}
