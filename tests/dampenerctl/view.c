/*
 * Frames of the live view: what they show, at which size, and that nothing ever leaves them.
 */
#include "supervisor/dampenerctl/view.h"

#include "tests/shared/check.h"

#include <stdlib.h>
#include <string.h>

static const char busy[] =
    "{\"version\":\"0.1.0\",\"process\":1234,\"state\":\"serving\",\"uptime\":3723,"
    "\"command\":\"rsync\",\"listeners\":[{\"address\":\"2001:db8::1\",\"port\":873}],"
    "\"accepted\":110,\"queued\":95,\"starting\":1,\"running\":8,"
    "\"ended\":{\"served\":4,\"refused_queue\":2,\"refused_timeout\":1},"
    "\"held_back_by\":\"memory-pressure\",\"limits\":{\"processes\":8,\"queue\":100,"
    "\"rate\":{\"count\":10,\"period\":1}},\"waits\":{\"of\":4,\"p50\":0.1,\"p90\":0.4,\"p99\":0.9,"
    "\"longest\":1.2},\"runs\":{\"of\":4,\"p50\":1},\"oldest\":3.2,"
    "\"exits\":{\"success\":3,\"failure\":1,\"signal\":0},\"busiest\":["
    "{\"source\":\"2001:db8:1234:5678::/64\",\"waiting\":60,\"running\":1},"
    "{\"source\":\"192.0.2.1/32\",\"waiting\":2,\"running\":1},{\"source\":\"192.0.2.2/32\"},"
    "{\"source\":\"192.0.2.3/32\"},{\"source\":\"192.0.2.4/32\"},{\"source\":\"192.0.2.5/32\"},"
    "{\"source\":\"192.0.2.6/32\"},{\"source\":\"192.0.2.7/32\"},{\"source\":\"192.0.2.8/32\"},"
    "{\"source\":\"192.0.2.9/32\"}]}";

static struct screen screen;
static struct samples samples;
static struct status status;
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

static void begin(void)
{
    CHECK(status_read(&status, busy, sizeof(busy) - 1));
    samples = (struct samples){.count = 0};
    for (unsigned i = 0; i < 8; i++) {
        struct status then = status;

        then.queued = i * 10;
        then.ended.served = i * i;
        samples_add(&samples, i, &then);
    }
}

static void check_usual(void)
{
    struct view view = {&status, &samples, NULL, true};

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
    struct view view = {&status, &samples, "no answer for 3 s", true};

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
    struct view view = {&status, &samples, "a trouble that is so long that it does not fit", true};

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
    struct view old = {&status, &samples, NULL, false};

    samples = (struct samples){.count = 0};
    draw(&nothing, 24, 80);
    CHECK(shows("socket-burst-dampener\ncannot connect\nq quits\n"));
    CHECK(status_read(&status, "{}", 2));
    draw(&old, 24, 80);
    CHECK(shows("-  -  up -") && shows("running  - of -"));
    CHECK(shows("held back by -\n") && shows("waited   p50 -  p90 -"));
    CHECK(!shows("refused") && !shows("failed") && !shows("[") && !shows("q quits"));
    CHECK(!shows("nan") && !shows("inf"));
}

static void check_unlimited(void)
{
    static const char text[] = "{\"queued\":0,\"running\":3,\"limits\":{\"processes\":null,"
                               "\"queue\":0,\"rate\":null},\"state\":\"draining\"}";
    struct view view = {&status, &samples, NULL, false};

    CHECK(status_read(&status, text, sizeof(text) - 1));
    draw(&view, 24, 80);
    CHECK(shows("DRAINING") && shows("running  3, no limit") && shows("queued   0 of 0"));
    CHECK(!shows("limit 1"));
}

/* Nothing that somebody says does anything to a terminal. */
static void check_hostile(void)
{
    static const char text[] =
        "{\"state\":\"a\\u001b[2J\",\"command\":\"b\\r\\n\\u009b1mc\","
        "\"held_back_by\":\"\\u0007\",\"busiest\":[{\"source\":\"\\u001b]0;x\"}],"
        "\"queued\":1e300,\"running\":-1e300,\"uptime\":-5}";
    struct view view = {&status, &samples, "x\033[31m\n\t\x9b", true};

    CHECK(status_read(&status, text, sizeof(text) - 1));
    draw(&view, 24, 80);
    CHECK(keeps_to(24, 80) && shows("a?[2J") && shows("b???1mc"));
    CHECK(shows("x?[31m???\n") && shows("?]0;x"));
    for (const char *at = frame; *at != '\0'; at++)
        CHECK(*at == '\n' || (*at >= ' ' && *at < 0x7f));
}

/* On a terminal: each row in its place, colours only where they are wanted, no newline at all. */
static void check_placed(void)
{
    struct view view = {&status, &samples, NULL, true};
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
