/*
 * Frames of the live view: what they show, at which size, and that nothing ever leaves them.
 */
#include "supervisor/dampenerctl/view.h"

#include "tests/shared/check.h"

#include <stdio.h>
#include <string.h>

/* Names and values, as the daemon writes them. */
static const char busy[] =
    "version 0.1.0\nprocess 1234\nstate serving\nuptime 1h02m\ncommand rsync\n"
    "listeners 0 0 2001:db8::1 port 873\naccepted 110\nqueued 95\nstarting 1\nrunning 8\n"
    "ended.served 4\nended.refused_queue 2\nended.refused_timeout 1\n"
    "held_back_by pressure on memory\nlimits.processes 8\nlimits.queue 100\n"
    "limits.rate 10 in 1.0s\nwaits.of 4\nwaits.p50 100ms\nwaits.p90 400ms\nwaits.p99 900ms\n"
    "waits.longest 1.2s\nruns.of 4\nruns.p50 1.0s\noldest 3.2s\nexits.success 3\n"
    "exits.failure 1\nexits.signal 0\nbusiest 60 1 2001:db8:1234:5678::/64\n"
    "busiest 2 1 192.0.2.1/32\nbusiest - - 192.0.2.2/32\nbusiest 0 0 192.0.2.3/32\n"
    "busiest 0 0 192.0.2.4/32\nbusiest 0 0 192.0.2.5/32\nbusiest 0 0 192.0.2.6/32\n"
    "busiest 0 0 192.0.2.7/32\nbusiest 0 0 192.0.2.8/32\nbusiest 0 0 192.0.2.9/32\n";

static struct screen screen;
static struct samples samples;
static struct answer answer;
static char frame[SCREEN_TEXT];

/* The frame as lines of ASCII. */
static void draw(const struct view *view, unsigned rows, unsigned columns)
{
    struct text text;

    screen_open(&screen, rows, columns);
    view_draw(&screen, view);
    text_open(&text, frame, sizeof(frame));
    screen_print(&screen, (struct screen_look){.placed = false}, &text);
    CHECK(!text.cut);
}

static bool shows(const char *words)
{
    return strstr(frame, words) != NULL;
}

/* Its lines are so many, and none is longer than that. */
static bool keeps_to(unsigned rows, unsigned columns)
{
    unsigned count = 0;

    for (const char *line = frame; *line != '\0'; line += strcspn(line, "\n") + 1) {
        if (strcspn(line, "\n") > columns)
            return false;
        count++;
    }
    return count <= rows;
}

static void read_answer(const char *bytes)
{
    CHECK(answer_open(&answer, bytes, strlen(bytes)));
}

static void begin(void)
{
    char bytes[100];

    samples = (struct samples){.count = 0};
    for (unsigned i = 0; i < 8; i++) {
        (void)snprintf(bytes, sizeof(bytes),
                       "version 1\nprocess 1234\nqueued %u\nended.served %u\nrunning 8\n", i * 10,
                       i * i);
        read_answer(bytes);
        samples_add(&samples, i, &answer);
    }
    read_answer(busy);
}

static void check_usual(void)
{
    struct view view = {&answer, &samples, NULL, true};

    draw(&view, 24, 80);
    CHECK(keeps_to(24, 80));
    CHECK(shows("serving  rsync  up 1h02m  2001:db8::1 port 873  process 1234"));
    CHECK(shows("running  8 of 8           [####################################]  starting 1"));
    CHECK(shows("queued   95 of 100        [##################################  ]  oldest 3.2s"));
    CHECK(shows("limit 10 in 1.0s") && shows("held back by pressure on memory"));
    CHECK(shows("queue                                                        _.-=+*#@ max 70\n"));
    CHECK(
        shows("served/s                                                      ..-=+*@ max 13.0\n"));
    CHECK(shows("waited   p50 100ms  p90 400ms  p99 900ms  longest 1.2s  of the last 4\n"));
    CHECK(shows("ran      p50 1.0s  p90 -  p99 -  longest -"));
    CHECK(shows("refused  queue full 2  timeout 1\n") && shows("failed   exits 1\n"));
    CHECK(
        shows("busiest  2001:db8:1234:5678::/64                      60 waiting       1 running"));
    CHECK(shows("         192.0.2.9/32 ") && shows("q quits\n"));
}

/* What matters least goes first. */
static void check_small(void)
{
    struct view view = {&answer, &samples, "no answer for 3 s", true};

    draw(&view, 10, 40);
    CHECK(keeps_to(10, 40));
    CHECK(shows("serving  rsync  up 1h02m\n") && shows("no answer for 3 s\n"));
    CHECK(shows("running  8 of 8") && shows("queued   95 of 100        [########### ]") &&
          shows("max 70\n"));
    CHECK(shows("held back by pressure on memory\n"));
    CHECK(shows("waited   p50 100ms  p90 400ms  p99 900ms\n"));
    CHECK(!shows("busiest") && !shows("q quits") && !shows("\n\n"));
    draw(&view, 14, 40);
    CHECK(shows("2001:db8:1234:5678::/64  60 wait   1 run\n"));
    draw(&view, 3, 80);
    CHECK(shows("no answer for 3 s") && shows("queued") && !shows("running"));
    draw(&view, 2, 80);
    CHECK(shows("serving") && shows("no answer for 3 s") && !shows("queued"));
}

/* No size is too small or too large; whatever is shown stays inside. */
static void check_all_sizes(void)
{
    struct view view = {&answer, &samples, "a trouble that is so long that it does not fit", true};

    for (unsigned rows = 0; rows < SCREEN_ROWS + 20; rows += rows < 30 ? 1 : 30)
        for (unsigned columns = 0; columns < SCREEN_COLUMNS + 50;
             columns += columns < 100 ? 1 : 50) {
            draw(&view, rows, columns);
            CHECK(screen.rows >= 1 && screen.rows <= SCREEN_ROWS);
            CHECK(keeps_to(rows == 0 ? 1 : rows, columns == 0 ? 1 : columns));
        }
}

static void check_unknown(void)
{
    struct view nothing = {NULL, &samples, "cannot connect", true};
    struct view old = {&answer, &samples, NULL, false};

    samples = (struct samples){.count = 0};
    draw(&nothing, 24, 80);
    CHECK(shows("socket-burst-dampener\ncannot connect\nq quits\n"));
    read_answer("version \n");
    draw(&old, 24, 80);
    CHECK(shows("-  -  up -") && shows("running  - of -"));
    CHECK(shows("held back by -\n") && shows("waited   p50 -  p90 -"));
    CHECK(!shows("refused") && !shows("failed") && !shows("[") && !shows("q quits"));
    CHECK(!shows("nan") && !shows("inf"));
}

static void check_unlimited(void)
{
    static const char text[] = "version 1\nqueued 0\nrunning 3\nlimits.processes no limit\n"
                               "limits.queue 0\nlimits.rate no limit\nstate DRAINING\n";
    struct view view = {&answer, &samples, NULL, false};

    read_answer(text);
    draw(&view, 24, 80);
    CHECK(shows("DRAINING") && shows("running  3, no limit") && shows("queued   0 of 0"));
    CHECK(!shows("limit 1"));
}

/* Nothing that somebody says does anything to a terminal. */
static void check_hostile(void)
{
    static const char text[] =
        "version 1\nstate a\033[2J\ncommand b\r\t\x9b\x31mc\nheld_back_by \a\n"
        "busiest nan -inf \033]0;x\nqueued 1e300\nrunning -1e300\nuptime -5\n";
    struct view view = {&answer, &samples, "x\033[31m\n\t\x9b", true};

    read_answer(text);
    draw(&view, 24, 80);
    CHECK(keeps_to(24, 80) && shows("a?[2J") && shows("b???1mc"));
    CHECK(shows("x?[31m???\n") && shows("?]0;x"));
    for (const char *at = frame; *at != '\0'; at++)
        CHECK(*at == '\n' || (*at >= ' ' && *at < 0x7f));
}

/* On a terminal: each row in its place, colours only where they are wanted, no newline at all. */
static void check_placed(void)
{
    struct view view = {&answer, &samples, NULL, true};
    struct text text;

    begin();
    screen_open(&screen, SCREEN_ROWS, SCREEN_COLUMNS);
    view_draw(&screen, &view);
    for (unsigned row = 0; row < SCREEN_ROWS; row++) /* the longest that there can be */
        for (unsigned column = 0; column < SCREEN_COLUMNS && row > 30; column++)
            (void)screen_put_sign(&screen, row, column, column % 2 == 0 ? SCREEN_BAD : SCREEN_LABEL,
                                  SCREEN_BAR, 1);
    text_open(&text, frame, sizeof(frame));
    screen_print(&screen, (struct screen_look){.placed = true, .colours = true, .blocks = true},
                 &text);
    CHECK(!text.cut && strchr(frame, '\n') == NULL);
    CHECK(strncmp(frame, "\033[1;1H\033[0;32mserving", 20) == 0);
    CHECK(shows("\033[0;32m\xe2\x96\x88\xe2\x96\x88") && shows("\xe2\x96\x81"));
    text_open(&text, frame, sizeof(frame));
    screen_print(&screen, (struct screen_look){.placed = true, .blocks = false}, &text);
    CHECK(!shows("\033[0"));
    CHECK(!shows("\x96") && shows("\033[K\033[2;1H"));
}

int main(void)
{
    begin();
    check_usual();
    check_small();
    check_all_sizes();
    check_unknown();
    check_unlimited();
    check_hostile();
    check_placed();
    return CHECK_RESULT();
}
