/*
 * load [OPTION]... ADDRESS PORT COUNT - COUNT clients, some of them at a time, and how long each
 * of them waited.
 *
 * ADDRESS is numeric.  Each client expects exactly one answer, and then the end of the connection.
 *
 *   -c N        so many clients are in flight at any time; 1 if not given.  If N is COUNT or more,
 *               all are begun at once, as fast as connect(2) goes.
 *   -a TEXT     the answer that is expected, with the escapes of C; "ok\n" if not given
 *   -l          each client sends its number, from 1, as a line, shuts down its sending side, and
 *               expects the line back
 *   -f FIRST    binds each client to a source address; FIRST is the first, of ADDRESS's family
 *   -s N        uses N source addresses from FIRST on in turn.  One has some 28,000 ports.
 *   -t SECONDS  gives up after so long without any news, 0.5 for example; 60 if not given
 *   -w FILE     writes a line "BEGUN CONNECTED FIRST DONE" per client, in the order in which they
 *               began: in microseconds since the first of all began, and "-" for what never was
 *
 * Prints, a line each: clients, answered, refused (ECONNREFUSED), reset, wrong (another answer),
 * and lost (no answer: given up, or an end without a word), where clients is the sum of the others;
 * seconds, from the first beginning to the last end; rate, the answered per second; and then
 * connect_median, connect_p90, connect_p99, connect_longest, and the same of first and done: the
 * microseconds from right before connect(2) until the connection was there, the first byte of the
 * answer, and the end of the connection, of all that were answered.  "-" if none was.
 *
 * Exits 0 if all were answered, 1 if not, 2 if it could not do its work.
 *
 * It shares its processors with the server that it measures, and so asks little of the kernel:
 * socket, connect twice, epoll_ctl, recv and close per client, and epoll_wait for many at a time.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/tools/bench/load/clients.h"
#include "tests/tools/bench/load/options.h"
#include "tests/tools/bench/load/report.h"

enum {
    BEGINNINGS = 16,           /* between two looks at what has become of the others */
    MILLISECOND = 1000 * 1000, /* in nanoseconds, as all times but those that say so */
    PROGRESS_AFTER = 2000,     /* in milliseconds */
    PROGRESS_EVERY = 500       /* likewise */
};

static struct options options;
static const struct clients *clients;
static int64_t last_news;
static int64_t next_progress; /* INT64_MAX if nobody is there to see it */

static bool can_begin(void)
{
    return clients->begun < clients->count && clients->begun - clients->ended < options.in_flight;
}

static void give_up(void)
{
    (void)fprintf(stderr, "load: no news for %g seconds: gave up %u in flight, and %u not begun\n",
                  options.patience / 1000.0, clients->begun - clients->ended,
                  clients->count - clients->begun);
    clients_lose_all();
}

/* A line that the next one overwrites. */
static void show_progress(int64_t now)
{
    next_progress = now + (int64_t)PROGRESS_EVERY * MILLISECOND;
    (void)fprintf(stderr, "\r\033[Kload: %u of %u answered, %u in flight", clients->answered,
                  clients->count, clients->begun - clients->ended);
}

static void erase_progress(void)
{
    (void)fprintf(stderr, "\r\033[K");
}

/* Takes what there is, and if nobody can begin, waits for it; but not for ever. */
static void take_turn(void)
{
    int64_t left = (last_news - clients_now()) / MILLISECOND + options.patience;
    int timeout = left > PROGRESS_EVERY ? PROGRESS_EVERY : (int)left;

    if (clients_take_turn(can_begin() || left <= 0 ? 0 : timeout))
        last_news = clients_now();
    else if (left <= 0)
        give_up();
}

static void run(void)
{
    bool is_seen = isatty(STDERR_FILENO) == 1;

    last_news = clients_now();
    next_progress = is_seen ? last_news + (int64_t)PROGRESS_AFTER * MILLISECOND : INT64_MAX;
    while (clients->ended < clients->count) {
        for (int i = 0; i < BEGINNINGS && can_begin(); i++)
            clients_begin_next();
        if (clients->begun > clients->ended)
            take_turn();
        if (clients_now() >= next_progress)
            show_progress(clients_now());
    }
    if (is_seen)
        erase_progress();
}

int main(int argc, char **argv)
{
    int64_t end;

    options_parse(&options, argc, argv);
    options_check_room(&options);
    clients = clients_prepare(&options);
    run();
    end = clients_now();
    if (options.timeline != NULL)
        report_write_timeline(clients->records, clients->count, options.timeline);
    report_print(clients->records, clients->count, end);
    return clients->answered == clients->count ? 0 : 1;
}
