/*
 * plan SEED SECONDS - prints what the trial does, a line per action, in order:
 *
 *     MILLISECONDS ACTION WORDS...
 *
 * with the time since its beginning.  All of it follows from the two arguments.  The actions are
 *
 *     burst, vanish, pest             as clients.c takes them
 *     ambush FIRST COUNT DELAY CHOICE likewise; CHOICE says which dispatcher
 *     kill COUNT CHOICE               SIGKILL to so many dispatchers
 *     crash CHOICE                    SIGKILL to the supervisor of a daemon
 *     stop CHOICE NAME                SIGSTOP to a dispatcher
 *     continue NAME                   SIGCONT to it; NAME is a number
 *     reload SOURCE                   SIGHUP, with an access file that denies a source; 0: none
 *     reload bad                      SIGHUP, with a file that is no access file
 *     set NAME VALUE, pause, resume   as dampenerctl takes them
 *     takeover PROCESSES QUEUE WHEN   a new daemon, with these --processes, --queue and
 *                                     --when-full, takes the place of the one that serves
 *     quiet                           nothing, for a while
 *
 * Cards are drawn from a deck that has each action, but for takeovers, as often as it is to come;
 * so even a short plan has most of them.
 */
#include "tests/tools/chaos/mix.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    SHORT = 60, /* seconds: a shorter trial has no time to lose */
    LINES = 20000,
    WORDS = 64,
    BURST_MOST = 900
};

struct line {
    unsigned at;
    unsigned number; /* as it was planned, for those at the same time */
    char words[WORDS];
};

static struct {
    uint64_t seed;
    unsigned length; /* milliseconds */
    struct chance chance;
    unsigned now;
    unsigned pause;  /* between two actions, on average */
    unsigned client; /* the next number */
    unsigned name;   /* of the last one that was stopped */
    /* What is on the way, so that the queue never grows for ever. */
    unsigned processes;
    double work;         /* milliseconds of handlers */
    unsigned patience;   /* milliseconds that the last one may have to wait */
    unsigned held_until; /* paused */
    unsigned takeover_at;
    bool access_is_bad; /* with such a file no daemon starts */
    unsigned vanished_until;
} plan;

static struct line lines[LINES];
static unsigned count;

static unsigned between(unsigned least, unsigned most)
{
    return chance_between(&plan.chance, least, most);
}

/* ---- lines ---- */

/* What would come behind the end comes at it. */
static void add_at(unsigned at, const char *words)
{
    struct line *line;

    if (count == LINES)
        exit(1);
    line = &lines[count];
    *line = (struct line){.at = at < plan.length ? at : plan.length, .number = count};
    (void)snprintf(line->words, sizeof(line->words), "%s", words);
    count++;
}

#define ADD(at, ...)                                                                               \
    do {                                                                                           \
        char words[WORDS];                                                                         \
        (void)snprintf(words, sizeof(words), __VA_ARGS__);                                         \
        add_at(at, words);                                                                         \
    } while (0)

static int compare(const void *left, const void *right)
{
    const struct line *one = left;
    const struct line *other = right;

    if (one->at != other->at)
        return one->at < other->at ? -1 : 1;
    return one->number < other->number ? -1 : 1;
}

/* ---- actions ---- */

/* As many of these as are done in time. */
static unsigned affordable(unsigned wanted)
{
    double most = (double)plan.patience * plan.processes;
    unsigned number = 0;

    while (number < wanted && (plan.work < most || number == 0))
        plan.work += mix_of(plan.seed, plan.client + number++).work;
    return number;
}

static void plan_burst(void)
{
    unsigned kind = between(0, 9);
    unsigned wanted = kind < 4   ? between(1, 5)
                      : kind < 8 ? between(5, 60)
                                 : between(60, BURST_MOST);
    unsigned spread = between(0, 2) == 0 ? between(200, 4000) : 0;
    unsigned number = affordable(wanted);

    if (plan.client + number > MIX_NUMBERS)
        return;
    ADD(plan.now, "burst %u %u %u", plan.client, number, spread);
    plan.client += number;
}

static void plan_ambush(void)
{
    unsigned delay = between(0, 3) == 0 ? between(0, 300) : between(300, 4000);
    unsigned number = affordable(between(4, 24));

    if (plan.client + number > MIX_NUMBERS)
        return;
    ADD(plan.now, "ambush %u %u %u %u", plan.client, number, delay, between(0, 1000));
    plan.client += number;
}

/* Only one at a time: the network to all of them goes down. */
static void plan_vanish(void)
{
    unsigned wait = between(0, 60);
    unsigned down = between(100, 800);
    unsigned number = affordable(between(2, 20));

    if (plan.now < plan.vanished_until || plan.client + number > MIX_NUMBERS)
        return;
    ADD(plan.now, "vanish %u %u %u %u", plan.client, number, wait, down);
    plan.client += number;
    plan.vanished_until = plan.now + wait + down + 500;
}

static void plan_pest(void)
{
    ADD(plan.now, "pest %u", between(200, 3000));
}

static void plan_kill(void)
{
    ADD(plan.now, "kill %u %u", between(1, 4), between(0, 1000));
}

static void plan_crash(void)
{
    ADD(plan.now, "crash %u", between(0, 1000));
}

/* The longest is longer than the keeper leaves a dispatcher stopped. */
static void plan_stop(void)
{
    bool long_one = plan.length >= SHORT * 1000 && between(0, 7) == 0;
    unsigned milliseconds = long_one ? between(5000, 13000) : between(50, 900);

    plan.name++;
    ADD(plan.now, "stop %u %u", between(0, 1000), plan.name);
    ADD(plan.now + milliseconds, "continue %u", plan.name);
}

static void plan_reload(void)
{
    plan.access_is_bad = between(0, 3) == 0;
    if (plan.access_is_bad)
        ADD(plan.now, "reload bad");
    else
        ADD(plan.now, "reload %u", between(0, 1) * between(1, MIX_SOURCES));
}

static unsigned some_processes(void)
{
    static const unsigned choices[] = {1, 2, 3, 4, 4, 6, 8, 12};

    return choices[between(0, sizeof(choices) / sizeof(*choices) - 1)];
}

static void plan_processes(void)
{
    plan.processes = some_processes();
    ADD(plan.now, "set processes %u", plan.processes);
}

/* A limit for a while. */
static void limit(const char *name, const char *value, unsigned milliseconds)
{
    ADD(plan.now, "set %s %s", name, value);
    ADD(plan.now + milliseconds, "set %s none", name);
}

static void plan_limit(void)
{
    char value[16];

    switch (between(0, 3)) {
    case 0:
        (void)snprintf(value, sizeof(value), "%u", between(1, 40));
        limit("queue", value, between(200, 2000));
        break;
    case 1:
        (void)snprintf(value, sizeof(value), "%u/100ms", between(3, 10));
        limit("rate", value, between(200, 2000));
        break;
    case 2:
        (void)snprintf(value, sizeof(value), "%ums", between(100, 3000));
        limit("queue-timeout", value, between(200, 2000));
        break;
    default:
        (void)snprintf(value, sizeof(value), "%u", between(1, 3));
        limit("per-source", value, between(200, 2000));
    }
}

static void plan_pause(void)
{
    unsigned milliseconds = between(50, 1200);

    ADD(plan.now, "pause");
    ADD(plan.now + milliseconds, "resume");
    if (plan.held_until < plan.now + milliseconds)
        plan.held_until = plan.now + milliseconds;
}

/* The last one is to serve for a good while. */
static void plan_takeover(void)
{
    bool refuses = between(0, 3) == 0;
    char queue[16] = "none";

    plan.takeover_at = plan.now + plan.pause * between(5, 50);
    if (plan.now > plan.length / 10 * 7)
        return;
    if (refuses || between(0, 3) == 0)
        (void)snprintf(queue, sizeof(queue), "%u", between(0, 150));
    if (plan.access_is_bad && (plan.length < SHORT * 1000 || between(0, 1) == 0)) {
        ADD(plan.now, "reload 0");
        plan.access_is_bad = false;
    }
    plan.processes = some_processes();
    ADD(plan.now, "takeover %u %s %s", plan.processes, queue, refuses ? "refuse" : "wait");
}

static void plan_quiet(void)
{
    ADD(plan.now, "quiet");
    plan.now += plan.pause * between(2, 8);
}

static void (*const cards[])(void) = {
    plan_burst,  plan_burst,  plan_burst,  plan_burst,     plan_burst,     plan_burst, plan_burst,
    plan_burst,  plan_burst,  plan_burst,  plan_burst,     plan_vanish,    plan_pest,  plan_ambush,
    plan_ambush, plan_ambush, plan_ambush, plan_kill,      plan_kill,      plan_kill,  plan_stop,
    plan_stop,   plan_reload, plan_reload, plan_processes, plan_processes, plan_limit, plan_limit,
    plan_limit,  plan_pause,  plan_quiet,  plan_crash,     plan_crash,
};

enum { CARDS = sizeof(cards) / sizeof(*cards) };

/* ---- all of it ---- */

/* A shuffled deck is drawn to its end before it is shuffled again. */
static void (*draw(void))(void)
{
    static unsigned deck[CARDS];
    static unsigned left;

    if (left == 0)
        for (; left < CARDS; left++) {
            unsigned place = between(0, left);

            deck[left] = deck[place];
            deck[place] = left;
        }
    return cards[deck[--left]];
}

/* Not all places are always taken. */
static void pass(unsigned milliseconds)
{
    unsigned begin = plan.now > plan.held_until ? plan.now : plan.held_until;

    plan.now += milliseconds;
    if (plan.now > begin)
        plan.work -= (plan.now - begin) * plan.processes * 0.7;
    if (plan.work < 0)
        plan.work = 0;
}

static void plan_all(void)
{
    plan_burst();
    while (plan.now < plan.length) {
        pass(between(0, 3) == 0 ? between(0, 20) : between(0, plan.pause * 2));
        if (plan.now >= plan.takeover_at)
            plan_takeover();
        if (plan.now < plan.length)
            draw()();
    }
}

int main(int argc, char **argv)
{
    unsigned seconds = argc == 3 ? (unsigned)atoi(argv[2]) : 0;

    if (seconds == 0) {
        (void)fprintf(stderr, "usage: plan SEED SECONDS\n");
        return 2;
    }
    plan.seed = strtoull(argv[1], NULL, 10);
    plan.length = seconds * 1000;
    plan.chance = chance_of(plan.seed, 0);
    plan.pause = seconds < SHORT ? 120 : 350;
    plan.patience = seconds < SHORT ? 1000 : 5000;
    plan.client = 1;
    plan.processes = 4;
    plan.takeover_at = plan.pause * between(4, 12);
    plan_all();
    qsort(lines, count, sizeof(*lines), compare);
    for (unsigned i = 0; i < count; i++)
        printf("%u %s\n", lines[i].at, lines[i].words);
    return 0;
}
