/*
 * Frames of the live view: what they show, at which size, and that nothing ever leaves them.
 */
#include "supervisor/dampenerctl/view.h"

#include "tests/shared/check.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Names and values, as the daemon writes them. */
static const char busy[] =
    "version 0.1.0\nprocess 1234\nstate serving\nuptime 1h02m\ncommand rsync\n"
    "listeners 0 0 2001:db8::1 port 873\naccepted 110\nqueued 95\nstarting 1\nrunning 8\n"
    "ended.served 4\nended.abandoned 5\nended.refused_queue 2\nended.refused_timeout 1\n"
    "held_back_by pressure on memory\nlimits.processes 8\nlimits.queue 100\n"
    "limits.rate 10 in 1.0s\ngates 1.52 4 load\ngates 70.25 60.5 io-pressure\n"
    "unserved.of 2\nunserved.p50 7ms\nunserved.longest 30s\n"
    "start_failures 1\nlast_start_error Permission denied, 2.0s ago\nwaits.of 4\nwaits.p50 "
    "100ms\nwaits.p90 400ms\nwaits.p99 900ms\n"
    "waits.longest 1.2s\nruns.of 4\nruns.p50 1.0s\noldest 3.2s\nexits.success 3\n"
    "exits.failure 1\nexits.signal 0\nbusiest 60 1 2001:db8:1234:5678::/64\n"
    "busiest 2 1 192.0.2.1/32\nbusiest - - 192.0.2.2/32\nbusiest 0 0 192.0.2.3/32\n"
    "busiest 0 0 192.0.2.4/32\nbusiest 0 0 192.0.2.5/32\nbusiest 0 0 192.0.2.6/32\n"
    "busiest 0 0 192.0.2.7/32\nbusiest 0 0 192.0.2.8/32\nbusiest 0 0 192.0.2.9/32\n";

static struct frame frame;
static struct samples samples;
static const char *answer;
static char shown[FRAME_TEXT];

/* The frame as lines of ASCII; an answer is the one that was read last. */
static void draw(struct view *view, unsigned rows, unsigned columns)
{
    if (view->answer != NULL)
        view->answer = answer;
    frame_open(&frame, (struct frame_look){.placed = false}, rows, columns, shown);
    view_draw(&frame, view);
    CHECK(!frame.text.cut);
}

static bool shows(const char *words)
{
    return strstr(shown, words) != NULL;
}

static unsigned lines(void)
{
    unsigned count = 0;

    for (const char *at = shown; *at != '\0'; at++)
        count += *at == '\n';
    return count;
}

/* Its lines are so many, and none is longer than that. */
static bool keeps_to(unsigned rows, unsigned columns)
{
    unsigned count = 0;

    for (const char *line = shown; *line != '\0'; line += strcspn(line, "\n") + 1) {
        if (strcspn(line, "\n") > columns)
            return false;
        count++;
    }
    return count <= rows;
}

static void read_answer(const char *bytes)
{
    CHECK(answer_is_sound(bytes));
    answer = bytes;
}

static void begin(void)
{
    char bytes[200];

    samples = (struct samples){.count = 0};
    for (unsigned i = 0; i < 8; i++) {
        (void)snprintf(bytes, sizeof(bytes),
                       "version 1\nprocess 1234\nqueued %u\nended.served %u\nrunning 8\n"
                       "ended.refused_queue %u\nended.refused_source 0\nended.refused_timeout 0\n",
                       i * 10, i * i, i);
        read_answer(bytes);
        samples_add(&samples, i, answer);
    }
    read_answer(busy);
}

static void check_usual(void)
{
    struct view view = {.answer = answer, .samples = &samples, .live = true};

    draw(&view, 30, 80);
    CHECK(keeps_to(30, 80));
    CHECK(shows("serving  rsync  up 1h02m  2001:db8::1 port 873  process 1234"));
    CHECK(shows("running  8 of 8           [####################################]  starting 1"));
    CHECK(shows("queued   95 of 100        [##################################  ]  oldest 3.2s"));
    CHECK(shows("limit 10 in 1.0s") && shows("held back by pressure on memory"));
    CHECK(shows("queue                                                        _.-=+*#@ max 70\n"));
    CHECK(
        shows("served/s                                                      ..-=+*@ max 13.0\n"));
    CHECK(shows("waited   p50 100ms  p90 400ms  p99 900ms  longest 1.2s  of the last 4\n"));
    CHECK(shows("ran      p50 1.0s  p90 -  p99 -  longest -"));
    CHECK(shows("in vain  p50 7ms  p90 -  p99 -  longest 30s  of the last 2\n"));
    CHECK(shows("machine  load 1.52 of 4  io-pressure 70.25 of 60.5\n"));
    CHECK(shows("unserved refused 1.0/s  queue full 2  timeout 1  gave up 5\n"));
    CHECK(shows("failed   starts 1  handlers 1\n"));
    CHECK(shows("error    Permission denied, 2.0s ago\n"));
    CHECK(shows("busiest     60 waiting     1 running  2001:db8:1234:5678::/64\n"));
    CHECK(shows("             0 waiting     0 running  192.0.2.9/32\n"));
    /* The keys are at the bottom. */
    CHECK(shows("q quits  p pauses  + - more or fewer handlers\n") && lines() == 30);
    draw(&view, 40, 80);
    CHECK(lines() == 40);
    CHECK(shows("queue                                                              -@ max 70\n"));
    CHECK(shows("                                                             _+######\n\nserved"));
    view.note = "do it?";
    draw(&view, 24, 80);
    CHECK(lines() == 24 && shows("\ndo it?\n") && !shows("q quits"));
}

/* What matters least goes first. */
static void check_small(void)
{
    struct view view = {
        .answer = answer, .samples = &samples, .trouble = "no answer for 3 s", .live = true};

    draw(&view, 10, 40);
    CHECK(keeps_to(10, 40));
    CHECK(shows("serving  rsync  up 1h02m\n") && shows("no answer for 3 s\n"));
    CHECK(shows("running  8 of 8") && shows("queued   95 of 100        [########### ]") &&
          shows("max 70\n"));
    CHECK(shows("held back by pressure on memory\n"));
    CHECK(shows("waited   p50 100ms  p90 400ms  p99 900ms\n"));
    CHECK(!shows("busiest") && !shows("q quits") && !shows("\n\n"));
    draw(&view, 14, 40);
    CHECK(shows("machine  load 1.52 of 4\n") && !shows("busiest"));
    draw(&view, 22, 40);
    CHECK(shows("  60 wait    1 run  2001:db8:1234:5678::\n"));
    view.note = "do it?";
    draw(&view, 3, 40);
    CHECK(shows("serving") && shows("no answer for 3 s") && shows("do it?") && !shows("queued"));
    view.note = NULL;
    draw(&view, 3, 80);
    CHECK(shows("no answer for 3 s") && shows("queued") && !shows("running"));
    draw(&view, 2, 80);
    CHECK(shows("serving") && shows("no answer for 3 s") && !shows("queued"));
}

/* No size is too small or too large; whatever is shown stays inside. */
static void check_all_sizes(void)
{
    struct view view = {.answer = answer,
                        .samples = &samples,
                        .trouble = "a trouble that is so long that it does not fit",
                        .live = true};

    for (unsigned rows = 0; rows < FRAME_ROWS + 20; rows += rows < 30 ? 1 : 30)
        for (unsigned columns = 0; columns < FRAME_COLUMNS + 50;
             columns += columns < 100 ? 1 : 50) {
            draw(&view, rows, columns);
            CHECK(frame.rows >= 1 && frame.rows <= FRAME_ROWS);
            CHECK(keeps_to(rows == 0 ? 1 : rows, columns == 0 ? 1 : columns));
        }
}

static void check_unknown(void)
{
    struct view nothing = {.samples = &samples, .trouble = "cannot connect", .live = true};
    struct view old = {.answer = answer, .samples = &samples};

    samples = (struct samples){.count = 0};
    draw(&nothing, 4, 80);
    CHECK(shows("socket-burst-dampener\ncannot connect\n\nq quits  p pauses"));
    read_answer("version \n");
    draw(&old, 24, 80);
    CHECK(shows("-  -  up -") && shows("running  - of -"));
    CHECK(shows("held back by -\n") && !shows("waited") && !shows("max") && !shows("rates"));
    CHECK(!shows("unserved") && !shows("failed") && !shows("[") && !shows("q quits"));
    CHECK(!shows("oldest") && !shows("machine") && !shows("\n\n"));
    CHECK(!shows("nan") && !shows("inf"));
}

static void check_unlimited(void)
{
    static const char text[] = "version 1\nqueued 0\nrunning 3\nlimits.processes no limit\n"
                               "limits.queue 0\nlimits.rate no limit\nstate DRAINING\n";
    struct view view = {.answer = answer, .samples = &samples};

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
    struct view view = {
        .answer = answer, .samples = &samples, .trouble = "x\033[31m\n\t\x9b", .live = true};

    read_answer(text);
    draw(&view, 24, 80);
    CHECK(keeps_to(24, 80) && shows("a?[2J") && shows("b???1mc"));
    CHECK(shows("x?[31m???\n") && shows("?]0;x"));
    for (const char *at = shown; *at != '\0'; at++)
        CHECK(*at == '\n' || (*at >= ' ' && *at < 0x7f));
}

/* Large counts and rates have a unit, and stay short. */
static void check_counts(void)
{
    static const struct {
        const char *count, *words;
    } counts[] = {
        {"0", "0"},         {"999949", "999949"}, {"999950", "1.0M"}, {"999960000", "1.0G"},
        {"1.5e12", "1.5T"}, {"1e300", "many"},    {"x", "-"}};
    struct view view = {.answer = answer, .samples = &samples};
    char bytes[100];
    char words[100];

    for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
        (void)snprintf(bytes, sizeof(bytes), "version 1\nqueued %s\nlimits.queue no limit\n",
                       counts[i].count);
        (void)snprintf(words, sizeof(words), "queued   %s, no limit\n", counts[i].words);
        read_answer(bytes);
        draw(&view, 24, 50);
        CHECK(shows(words));
    }
    samples = (struct samples){.count = 0};
    for (unsigned i = 0; i < 2; i++) {
        (void)snprintf(bytes, sizeof(bytes),
                       "version 1\nprocess 1\nended.served %u\nrunning 0\naccepted %u\n", i * 314,
                       i * 99);
        read_answer(bytes);
        samples_add(&samples, 1 + i, answer);
    }
    draw(&view, 24, 80);
    CHECK(shows("started 314/s  served 314/s  accepted 99.0/s\n"));
}

/* Whether the style comes between these two texts. */
static bool is_between(const char *from, const char *style, const char *to)
{
    const char *begin = strstr(shown, from);
    const char *found = begin == NULL ? NULL : strstr(begin, style);

    return found != NULL && strstr(begin, to) > found;
}

/* On a terminal: each row in its place, colours only where they are wanted, no newline at all. */
static void check_placed(void)
{
    struct view view = {.answer = answer, .samples = &samples, .live = true};

    begin();
    view.answer = answer;
    frame_open(&frame, (struct frame_look){.placed = true, .colours = true, .blocks = true}, 24, 80,
               shown);
    view_draw(&frame, &view);
    CHECK(!frame.text.cut && strchr(shown, '\n') == NULL);
    CHECK(strncmp(shown, "\033[1;1H\033[0;32mserving", 20) == 0);
    CHECK(is_between("8 of 8", "[\033[0;33m\xe2\x96\x88\xe2\x96\x88", "queued"));
    CHECK(shows("\xe2\x96\x81"));
    frame_open(&frame, (struct frame_look){.placed = true}, 30, 80, shown);
    view_draw(&frame, &view);
    CHECK(!shows("\033[0"));
    CHECK(!shows("\x96") && shows("\033[K\033[2;1H"));
    CHECK(shows("\033[K\033[30;1Hq quits  p pauses"));
    /* A full bar is amber, and legible colours are taken where there are enough. */
    frame_open(&frame,
               (struct frame_look){.placed = true, .colours = true, .many = true, .blocks = true},
               24, 80, shown);
    view_draw(&frame, &view);
    CHECK(is_between("8 of 8", "[\033[0;38;5;136m\xe2\x96\x88", "queued"));
    CHECK(!shows("\033[0;32m") && !shows("\033[0;33m"));
    /* What a larger frame has shown below is erased. */
    view.live = false;
    frame_open(&frame, (struct frame_look){.placed = true}, 30, 80, shown);
    view_draw(&frame, &view);
    CHECK(strcmp(shown + strlen(shown) - strlen("/32\033[K\033[24;1H\033[J"),
                 "/32\033[K\033[24;1H\033[J") == 0);
}

/* The longest frame that there can be. */
static void check_longest(void)
{
    frame_open(&frame,
               (struct frame_look){.placed = true, .colours = true, .many = true, .blocks = true},
               FRAME_ROWS, FRAME_COLUMNS, shown);
    for (unsigned row = 0; row < FRAME_ROWS; row++) {
        frame_row(&frame, NULL);
        for (unsigned column = 0; column < FRAME_COLUMNS; column++)
            frame_sign(&frame, column % 2 == 0 ? FRAME_BAD : FRAME_LABEL, FRAME_BAR, 1);
    }
    frame_close(&frame);
    CHECK(!frame.text.cut && frame.text.length > (size_t)FRAME_ROWS * FRAME_COLUMNS * 9);
}

static void check_bars(void)
{
    CHECK(frame_filled(0, 8, 40) == 0 && frame_filled(8, 8, 40) == 40);
    CHECK(frame_filled(9, 8, 40) == 40 && frame_filled(4, 8, 40) == 20);
    CHECK(frame_filled(1, 1e9, 40) == 1 && frame_filled(1e9 - 1, 1e9, 40) == 39);
    CHECK(frame_filled((double)NAN, 8, 40) == 0 && frame_filled(-1, 8, 40) == 0);
    CHECK(frame_filled(5, 8, 0) == 0 && frame_filled(5, 8, 1) == 0 && frame_filled(8, 8, 1) == 1);
    CHECK(frame_filled(0, 0, 40) == 0 && frame_filled(1, 0, 40) == 40);
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
    check_counts();
    check_placed();
    check_longest();
    check_bars();
    return CHECK_RESULT();
}
