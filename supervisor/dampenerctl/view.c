#include "supervisor/dampenerctl/view.h"

#include "supervisor/dampenerctl/draw.h"
#include "supervisor/dampenerctl/words.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    WIDE = 60,        /* columns that leave room for words */
    COUNT_WIDTH = 15, /* aligns the bars */
    BESIDE_BAR = 16,  /* for the words behind a bar */
    SCALE_WIDTH = 11, /* " max 19000 " */
    SOURCE_WIDTH = 45,
    SOURCES = 10 /* at most */
};

/* A line while it is drawn. */
struct line {
    struct draw draw;
    const struct view *view;
    const struct answer *answer; /* never NULL */
    const struct part *parts;    /* of rows that consist of such parts */
    size_t source;               /* number of the next source */
    bool wide;
};

/* A figure in a row: the words before it, and its name. */
struct part {
    const char *words, *figure;
    enum screen_style style;
};

enum { PARTS = 5 };

static double number(const struct line *line, const char *name)
{
    return answer_number(line->answer, name);
}

static const char *or_dash(const char *text)
{
    return *text == '\0' ? "-" : text;
}

/* Puts a part: words, and a figure as the daemon writes it. */
static void draw_figure(struct line *line, enum screen_style style, const char *words,
                        const char *name)
{
    char text[ANSWER_TEXT];

    draw_part(&line->draw, style, "%s%s", words, or_dash(answer_text(line->answer, name, text)));
}

/* ---- the service ---- */

static void draw_title(struct line *line)
{
    const struct answer *answer = line->answer;
    struct draw *draw = &line->draw;
    char text[ANSWER_TEXT];
    double counts[2];
    const size_t listeners = answer_rows(answer, "listeners");
    bool serving;

    if (line->view->answer == NULL) {
        draw_part(draw, SCREEN_STRONG, "socket-burst-dampener");
        return;
    }
    serving = strcmp(answer_text(answer, "state", text), "serving") == 0;
    draw_figure(line, serving ? SCREEN_GOOD : SCREEN_WARNING, "", "state");
    draw_figure(line, SCREEN_STRONG, "", "command");
    draw_figure(line, SCREEN_PLAIN, "up ", "uptime");
    if (answer_row(answer, "listeners", 0, counts, text))
        draw_part(draw, SCREEN_PLAIN, "%s", text);
    if (listeners > 1)
        draw_part(draw, SCREEN_PLAIN, "and %zu more", listeners - 1);
    draw_figure(line, SCREEN_FAINT, "process ", "process");
    draw_figure(line, SCREEN_FAINT, "version ", "version");
}

static void draw_trouble(struct line *line)
{
    draw_part(&line->draw, SCREEN_BAD, "%s", line->view->trouble);
}

static void draw_held_back(struct line *line)
{
    char reason[ANSWER_TEXT];
    bool held = *answer_text(line->answer, "held_back_by", reason) != '\0' &&
                strcmp(reason, "nothing") != 0;

    draw_part(&line->draw, held ? SCREEN_WARNING : SCREEN_PLAIN, "%s", or_dash(reason));
}

static void draw_keys(struct line *line)
{
    draw_part(&line->draw, SCREEN_FAINT, "q quits");
}

/* ---- figures and their limits ---- */

static void draw_limited(struct line *line, const char *name, const char *limit,
                         enum screen_style style)
{
    const double most = number(line, limit);
    char text[2 * WORDS_SIZE + 8];

    (void)snprintf(text, sizeof(text), isinf(most) ? "%s, %s" : "%s of %s",
                   words_count(number(line, name)).text, words_count(most).text);
    draw_part(&line->draw, SCREEN_STRONG, "%-*s", COUNT_WIDTH, text);
    draw_bar(&line->draw, style, number(line, name), most, line->wide ? BESIDE_BAR : 0);
}

static void draw_queued(struct line *line)
{
    double full = number(line, "queued") / number(line, "limits.queue");

    draw_limited(line, "queued", "limits.queue",
                 full >= 1     ? SCREEN_BAD
                 : full >= 0.8 ? SCREEN_WARNING
                               : SCREEN_GOOD);
    if (line->wide)
        draw_figure(line, SCREEN_PLAIN, "oldest ", "oldest");
}

static void draw_running(struct line *line)
{
    draw_limited(line, "running", "limits.processes", SCREEN_GOOD);
    if (line->wide)
        draw_figure(line, SCREEN_PLAIN, "starting ", "starting");
}

static void draw_rate(struct line *line, const char *name, enum samples_figure figure)
{
    draw_part(&line->draw, SCREEN_PLAIN, "%s %s/s", name,
              words_rate(samples_recent_rate(line->view->samples, figure)).text);
}

static void draw_rates(struct line *line)
{
    char limit[ANSWER_TEXT];

    draw_rate(line, "started", SAMPLES_STARTED);
    draw_rate(line, "served", SAMPLES_SERVED);
    draw_rate(line, "accepted", SAMPLES_ACCEPTED);
    if (*answer_text(line->answer, "limits.rate", limit) != '\0' && strcmp(limit, "no limit") != 0)
        draw_part(&line->draw, SCREEN_FAINT, "limit %s", limit);
}

/* ---- the last minutes, a sample a column ---- */

/* The scale goes from 0 to the greatest value on the screen, which stands at the end. */
static void draw_history(struct line *line, bool rates)
{
    const struct samples *samples = line->view->samples;
    const enum samples_figure figure = rates ? SAMPLES_SERVED : SAMPLES_QUEUED;
    struct draw *draw = &line->draw;
    double values[SCREEN_COLUMNS];
    double most = (double)NAN;
    unsigned width = 0;

    if (draw->screen->columns > draw->first + SCALE_WIDTH)
        width = draw->screen->columns - draw->first - SCALE_WIDTH;
    for (unsigned age = 0; age < width; age++) {
        values[age] = (rates ? samples_rate : samples_figure)(samples, figure, age);
        if (isnan(most) || values[age] > most)
            most = values[age];
    }
    draw->column += width;
    for (unsigned age = 0; age < width; age++)
        if (!isnan(values[age]))
            (void)screen_put_sign(draw->screen, draw->row, draw->column - 1 - age, SCREEN_GOOD,
                                  SCREEN_LEVEL + draw_level(values[age], most), 1);
    draw->first = ++draw->column;
    draw_part(draw, SCREEN_FAINT, "max %s", rates ? words_rate(most).text : words_count(most).text);
}

static void draw_queue(struct line *line)
{
    draw_history(line, false);
}

static void draw_served(struct line *line)
{
    draw_history(line, true);
}

/* ---- rows of figures ---- */

static const struct part waits[PARTS] = {
    {"p50 ", "waits.p50", SCREEN_PLAIN},        {"p90 ", "waits.p90", SCREEN_PLAIN},
    {"p99 ", "waits.p99", SCREEN_PLAIN},        {"longest ", "waits.longest", SCREEN_PLAIN},
    {"of the last ", "waits.of", SCREEN_FAINT},
};

static const struct part runs[PARTS] = {
    {"p50 ", "runs.p50", SCREEN_PLAIN},        {"p90 ", "runs.p90", SCREEN_PLAIN},
    {"p99 ", "runs.p99", SCREEN_PLAIN},        {"longest ", "runs.longest", SCREEN_PLAIN},
    {"of the last ", "runs.of", SCREEN_FAINT},
};

static void draw_spread(struct line *line)
{
    for (int i = 0; i < PARTS; i++)
        draw_figure(line, line->parts[i].style, line->parts[i].words, line->parts[i].figure);
}

static const struct part refusals[PARTS] = {
    {"queue full", "ended.refused_queue", SCREEN_BAD},
    {"source", "ended.refused_source", SCREEN_BAD},
    {"timeout", "ended.refused_timeout", SCREEN_BAD},
    {"denied", "ended.denied", SCREEN_WARNING},
    {"dropped", "ended.dropped", SCREEN_BAD},
};

static const struct part failures[PARTS] = {
    {"starts", "start_failures", SCREEN_BAD},
    {"exits", "exits.failure", SCREEN_WARNING},
    {"killed", "exits.signal", SCREEN_WARNING},
    {"dispatchers", "dispatchers.restarts", SCREEN_BAD},
    {"log lines", "log_lines_dropped", SCREEN_WARNING},
};

static bool has_any(const struct line *line, const struct part *parts)
{
    for (int i = 0; i < PARTS; i++)
        if (number(line, parts[i].figure) > 0)
            return true;
    return false;
}

/* Shows only the counts above 0. */
static void draw_problems(struct line *line)
{
    for (const struct part *part = line->parts; part < line->parts + PARTS; part++)
        if (number(line, part->figure) > 0)
            draw_part(&line->draw, part->style, "%s %s", part->words,
                      words_count(number(line, part->figure)).text);
}

/* ---- sources ---- */

/* The counts stand in a column of their own, and cut a long name. */
static void draw_source(struct line *line)
{
    struct draw *draw = &line->draw;
    const unsigned columns = draw->screen->columns;
    double numbers[2];
    char name[ANSWER_TEXT];
    char counts[80];
    unsigned length;
    unsigned column;

    (void)answer_row(line->answer, "busiest", line->source++, numbers, name);
    length = (unsigned)snprintf(counts, sizeof(counts),
                                line->wide ? " %6s waiting  %6s running" : " %3s wait%4s run",
                                words_count(numbers[0]).text, words_count(numbers[1]).text);
    draw_part(draw, SCREEN_PLAIN, "%s", or_dash(name));
    if (columns < draw->first + length)
        return;
    column = columns - length;
    if (line->wide && column > draw->first + SOURCE_WIDTH)
        column = draw->first + SOURCE_WIDTH;
    column = screen_put(draw->screen, draw->row, column, SCREEN_PLAIN, counts);
    (void)screen_put_sign(draw->screen, draw->row, column, SCREEN_PLAIN, ' ', columns);
}

/* ---- the frame ---- */

/* A line of the frame, from top to bottom. */
struct entry {
    void (*draw)(struct line *line); /* NULL: the line is empty */
    const char *label;               /* NULL: none */
    const struct part *parts;        /* for some */
    unsigned rank; /* lines with the lowest ranks stay on a small screen; no two are equal */
};

struct frame {
    struct entry list[16 + SOURCES];
    size_t count;
};

static void add(struct frame *frame, bool wanted, struct entry entry)
{
    if (wanted)
        frame->list[frame->count++] = entry;
}

static void collect(struct frame *frame, const struct line *line)
{
    const bool known = line->view->answer != NULL;
    double counts[2];
    char name[ANSWER_TEXT];

    frame->count = 0;
    add(frame, true, (struct entry){draw_title, NULL, NULL, 0});
    add(frame, line->view->trouble != NULL, (struct entry){draw_trouble, NULL, NULL, 1});
    add(frame, known, (struct entry){draw_running, "running", NULL, 3});
    add(frame, known, (struct entry){draw_queued, "queued", NULL, 2});
    add(frame, known, (struct entry){draw_rates, "rates", NULL, 6});
    add(frame, known, (struct entry){draw_held_back, "held back by", NULL, 4});
    add(frame, known, (struct entry){NULL, NULL, NULL, 100});
    add(frame, known, (struct entry){draw_queue, "queue", NULL, 5});
    add(frame, known, (struct entry){draw_served, "served/s", NULL, 7});
    add(frame, known, (struct entry){draw_spread, "waited", waits, 8});
    add(frame, known, (struct entry){draw_spread, "ran", runs, 12});
    add(frame, has_any(line, refusals), (struct entry){draw_problems, "refused", refusals, 9});
    add(frame, has_any(line, failures), (struct entry){draw_problems, "failed", failures, 10});
    add(frame, known, (struct entry){NULL, NULL, NULL, 101});
    for (unsigned i = 0; i < SOURCES && answer_row(line->answer, "busiest", i, counts, name); i++) {
        const char *label = i == 0 ? "busiest" : " ";

        add(frame, true, (struct entry){draw_source, line->wide ? label : NULL, NULL, 20 + i});
    }
    add(frame, line->view->live, (struct entry){draw_keys, NULL, NULL, 90});
}

static bool fits(const struct frame *frame, const struct entry *entry, unsigned rows)
{
    unsigned above = 0;

    for (size_t i = 0; i < frame->count; i++)
        above += frame->list[i].rank < entry->rank;
    return above < rows;
}

void view_draw(struct screen *screen, const struct view *view)
{
    static const struct answer nothing = {"", 0};
    struct frame frame;
    struct line line = {.draw = {.screen = screen},
                        .view = view,
                        .answer = view->answer != NULL ? view->answer : &nothing,
                        .wide = screen->columns >= WIDE};

    collect(&frame, &line);
    for (size_t i = 0; i < frame.count; i++) {
        const struct entry *entry = &frame.list[i];

        if (!fits(&frame, entry, screen->rows))
            continue;
        draw_row(&line.draw, entry->label);
        line.parts = entry->parts;
        if (entry->draw != NULL)
            entry->draw(&line);
        line.draw.row++;
    }
}
