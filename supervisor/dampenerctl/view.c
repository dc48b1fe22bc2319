#include "supervisor/dampenerctl/view.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    WIDE = 60, /* columns that leave room for words */
    TALL = 36, /* rows that leave room for histories of HEIGHT rows */
    HEIGHT = 4,
    COUNT_WIDTH = 15, /* aligns the bars */
    BESIDE_BAR = 16,  /* for the words behind a bar */
    LABEL_WIDTH = 9,
    SCALE_WIDTH = 11, /* " max 19000 " */
    SOURCES = 10      /* at most */
};

/* Those of rows that other rows depend on. */
enum { RANK_NOTE = 2, RANK_SOURCE = 20, RANK_TALL = 30, RANK_KEYS = 90, RANKS = 104 };

/* A view while it is drawn: twice, first to learn which rows there are. */
struct drawing {
    struct frame *frame;
    const struct view *view;
    const char *answer; /* never NULL */
    bool wide;
    bool learning;
    bool ranks[RANKS]; /* which of them there are */
};

/* ---- words, in six characters unless there is no limit ---- */

/* In a function's result, the text lasts until the end of the statement (C11 6.2.4). */
struct words {
    char text[24];
};

/* A count such as 19000 or 1.2M, "no limit" for INFINITY, or "-" for NAN. */
static struct words count_words(double count)
{
    static const char *const units[] = {"", "M", "G", "T"};
    struct words words;
    size_t unit = 0;

    if (isfinite(count) && fabs(count) >= 999950)
        for (unit = 1, count /= 1e6; fabs(count) >= 999.95 && unit < 3; unit++)
            count /= 1e3;
    if (!isfinite(count))
        (void)snprintf(words.text, sizeof(words.text), isnan(count) ? "-" : "no limit");
    else if (unit == 3 && fabs(count) >= 999.95)
        (void)snprintf(words.text, sizeof(words.text), "many");
    else
        (void)snprintf(words.text, sizeof(words.text), "%.*f%s", unit == 0 ? 0 : 1, count,
                       units[unit]);
    return words;
}

/* A number of events in a second. */
static struct words rate_words(double rate)
{
    struct words words;

    if (!(rate < 99.95))
        return count_words(rate);
    (void)snprintf(words.text, sizeof(words.text), "%.1f", rate); /* rates are not negative */
    return words;
}

/* ---- figures ---- */

static double number(const struct drawing *drawing, const char *name)
{
    return answer_number(drawing->answer, name);
}

static bool is_known(const struct drawing *drawing, const char *name)
{
    char text[ANSWER_TEXT];

    return *answer_text(drawing->answer, name, text) != '\0' && strcmp(text, "-") != 0;
}

static const char *or_dash(const char *text)
{
    return *text == '\0' ? "-" : text;
}

/* Puts a part: words if there are any, and a figure as the daemon writes it. */
static void draw_figure(struct drawing *drawing, enum frame_style style, const char *words,
                        const char *name)
{
    char text[ANSWER_TEXT];

    frame_part(drawing->frame, style, "%s%s%s", words, *words == '\0' ? "" : " ",
               or_dash(answer_text(drawing->answer, name, text)));
}

/* ---- the service ---- */

static void draw_title(struct drawing *drawing)
{
    const char *answer = drawing->answer;
    struct frame *frame = drawing->frame;
    char text[ANSWER_TEXT];
    double counts[2];
    const size_t listeners = answer_rows(answer, "listeners");
    bool serving;

    if (drawing->view->answer == NULL) {
        frame_part(frame, FRAME_STRONG, "socket-burst-dampener");
        return;
    }
    serving = strcmp(answer_text(answer, "state", text), "serving") == 0;
    draw_figure(drawing, serving ? FRAME_GOOD : FRAME_WARNING, "", "state");
    draw_figure(drawing, FRAME_STRONG, "", "command");
    draw_figure(drawing, FRAME_PLAIN, "up", "uptime");
    if (answer_row(answer, "listeners", 0, counts, text))
        frame_part(frame, FRAME_PLAIN, "%s", text);
    if (listeners > 1)
        frame_part(frame, FRAME_PLAIN, "and %zu more", listeners - 1);
    draw_figure(drawing, FRAME_FAINT, "process", "process");
    draw_figure(drawing, FRAME_FAINT, "version", "version");
}

static void draw_held_back(struct drawing *drawing)
{
    char reason[ANSWER_TEXT];
    bool held = *answer_text(drawing->answer, "held_back_by", reason) != '\0' &&
                strcmp(reason, "nothing") != 0;

    frame_part(drawing->frame, held ? FRAME_WARNING : FRAME_PLAIN, "%s", or_dash(reason));
}

/* ---- figures and their limits ---- */

/* `beside` is the figure behind the bar, if it is known, and the word for it. */
static void draw_limited(struct drawing *drawing, enum frame_style style, const char *name,
                         const char *limit, const char *beside)
{
    const double most = number(drawing, limit);
    char text[2 * sizeof(struct words) + 8];

    (void)snprintf(text, sizeof(text), isinf(most) ? "%s, %s" : "%s of %s",
                   count_words(number(drawing, name)).text, count_words(most).text);
    frame_part(drawing->frame, FRAME_STRONG, "%-*s", COUNT_WIDTH, text);
    frame_bar(drawing->frame, style, number(drawing, name), most, drawing->wide ? BESIDE_BAR : 0);
    if (drawing->wide && is_known(drawing, beside))
        draw_figure(drawing, FRAME_PLAIN, beside, beside);
}

static bool is_full(const struct drawing *drawing, const char *name, const char *limit)
{
    return number(drawing, name) >= number(drawing, limit);
}

static enum frame_style style_of_queue(const struct drawing *drawing)
{
    double full = number(drawing, "queued") / number(drawing, "limits.queue");

    return full >= 1 ? FRAME_BAD : full >= 0.8 ? FRAME_WARNING : FRAME_GOOD;
}

static void draw_rate(struct drawing *drawing, const char *name, enum samples_figure figure)
{
    const double rate = samples_recent_rate(drawing->view->samples, figure);

    if (drawing->view->live || !isnan(rate))
        frame_part(drawing->frame, figure == SAMPLES_REFUSED && rate > 0 ? FRAME_BAD : FRAME_PLAIN,
                   "%s %s/s", name, rate_words(rate).text);
}

/* The answer has it if there is a limit. */
static bool has_rate_limit(const struct drawing *drawing, char limit[ANSWER_TEXT])
{
    return *answer_text(drawing->answer, "limits.rate", limit) != '\0' &&
           strcmp(limit, "no limit") != 0;
}

/* One answer is too few for a rate. */
static bool has_rates(const struct drawing *drawing)
{
    char limit[ANSWER_TEXT];

    return drawing->view->live || has_rate_limit(drawing, limit) ||
           !isnan(samples_recent_rate(drawing->view->samples, SAMPLES_SERVED));
}

static void draw_rates(struct drawing *drawing)
{
    char limit[ANSWER_TEXT];

    draw_rate(drawing, "started", SAMPLES_STARTED);
    draw_rate(drawing, "served", SAMPLES_SERVED);
    draw_rate(drawing, "accepted", SAMPLES_ACCEPTED);
    if (has_rate_limit(drawing, limit))
        frame_part(drawing->frame, FRAME_FAINT, "limit %s", limit);
}

/* The load average and the pressures that are limited. */
static void draw_gates(struct drawing *drawing)
{
    char name[ANSWER_TEXT];
    double numbers[2];

    for (size_t i = 0; answer_row(drawing->answer, "gates", i, numbers, name); i++)
        frame_part(drawing->frame, numbers[0] >= numbers[1] ? FRAME_WARNING : FRAME_PLAIN,
                   "%s %.2f of %.15g", or_dash(name), numbers[0], numbers[1]);
}

/* ---- rows of figures ---- */

static void draw_spread(struct drawing *drawing, const char *spread)
{
    static const char *const parts[] = {"p50", "p90", "p99", "longest"};
    char name[32];

    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
        (void)snprintf(name, sizeof(name), "%s.%s", spread, parts[i]);
        draw_figure(drawing, FRAME_PLAIN, parts[i], name);
    }
    (void)snprintf(name, sizeof(name), "%s.of", spread);
    draw_figure(drawing, FRAME_FAINT, "of the last", name);
}

/* A count that should be 0. */
struct problem {
    const char *words, *figure;
    enum frame_style style;
};

enum { PROBLEMS = 6 /* at most */ };

static const struct problem unserved[PROBLEMS] = {
    {"queue full", "ended.refused_queue", FRAME_BAD},
    {"source full", "ended.refused_source", FRAME_BAD},
    {"timeout", "ended.refused_timeout", FRAME_BAD},
    {"gave up", "ended.abandoned", FRAME_WARNING},
    {"denied", "ended.denied", FRAME_WARNING},
    {"dropped", "ended.dropped", FRAME_BAD},
};

static const struct problem failures[PROBLEMS] = {
    {"starts", "start_failures", FRAME_BAD},
    {"handlers", "exits.failure", FRAME_WARNING},
    {"killed", "exits.signal", FRAME_WARNING},
    {"dispatchers", "dispatchers.restarts", FRAME_BAD},
    {"log lines", "log_lines_dropped", FRAME_WARNING},
};

static bool has_any(const struct drawing *drawing, const struct problem *problems)
{
    for (int i = 0; i < PROBLEMS && problems[i].figure != NULL; i++)
        if (number(drawing, problems[i].figure) > 0)
            return true;
    return false;
}

/* Shows only the counts above 0. */
static void draw_problems(struct drawing *drawing, const struct problem *problems)
{
    for (const struct problem *each = problems; each < problems + PROBLEMS && each->figure != NULL;
         each++)
        if (number(drawing, each->figure) > 0)
            frame_part(drawing->frame, each->style, "%s %s", each->words,
                       count_words(number(drawing, each->figure)).text);
}

static void draw_error(struct drawing *drawing)
{
    char error[ANSWER_TEXT];

    frame_part(drawing->frame, FRAME_BAD, "%s",
               answer_text(drawing->answer, "last_start_error", error));
}

static bool has_error(const struct drawing *drawing)
{
    char error[ANSWER_TEXT];

    return *answer_text(drawing->answer, "last_start_error", error) != '\0' &&
           strcmp(error, "none") != 0;
}

/* ---- sources ---- */

/* The counts stand beside the name, which may be cut. */
static void draw_source(struct drawing *drawing, unsigned source)
{
    double numbers[2];
    char name[ANSWER_TEXT];

    (void)answer_row(drawing->answer, "busiest", source, numbers, name);
    frame_part(drawing->frame, FRAME_PLAIN,
               drawing->wide ? "%5s waiting %5s running  %s" : "%4s wait %4s run  %s",
               count_words(numbers[0]).text, count_words(numbers[1]).text, or_dash(name));
}

/* ---- the frame ---- */

/* Begins a row, and returns whether to draw it.  On a small screen the rows with the lowest ranks
 * stay.  No two rows have the same rank. */
static bool row(struct drawing *drawing, unsigned rank, const char *label)
{
    unsigned above = 0;

    drawing->ranks[rank] = true;
    for (unsigned i = 0; i < rank; i++)
        above += drawing->ranks[i];
    if (drawing->learning || above >= drawing->frame->rows)
        return false;
    if (rank == RANK_KEYS || rank == RANK_NOTE) /* the last row of the screen */
        while (drawing->frame->row + 1 < drawing->frame->rows)
            frame_row(drawing->frame, NULL);
    frame_row(drawing->frame, label);
    return true;
}

/* ---- the last minutes, a sample a column ---- */

/* A figure over time. */
struct history {
    double values[FRAME_COLUMNS]; /* by age */
    unsigned width;
    double most; /* NAN: no value is known */
    bool rates;
};

static void find_history(const struct drawing *drawing, enum samples_figure figure,
                         struct history *history)
{
    const struct frame *frame = drawing->frame;
    const unsigned beside = LABEL_WIDTH + SCALE_WIDTH;

    history->rates = figure != SAMPLES_QUEUED;
    history->most = (double)NAN;
    history->width = frame->columns > beside ? frame->columns - beside : 0;
    for (unsigned age = 0; age < history->width; age++) {
        double value =
            (history->rates ? samples_rate : samples_figure)(drawing->view->samples, figure, age);

        history->values[age] = value;
        if (isnan(history->most) || value > history->most)
            history->most = value;
    }
}

/* Draws the part of the columns that this row shows; `below` is how many rows are below it, out of
 * `height`. */
static void draw_columns(struct drawing *drawing, const struct history *history, unsigned below,
                         unsigned height)
{
    for (unsigned age = history->width; age-- > 0;) {
        const double value = history->values[age];
        /* The lowest level is that of 0. */
        unsigned level = 1 + frame_filled(value, history->most, height * FRAME_LEVELS - 1);
        unsigned sign = ' ';

        level -= level > below * FRAME_LEVELS ? below * FRAME_LEVELS : level;
        if (!isnan(value) && level > 0)
            sign = level > FRAME_LEVELS ? FRAME_BAR : FRAME_LEVEL + level - 1;
        frame_sign(drawing->frame, FRAME_GOOD, sign, 1);
    }
}

/* The scale goes from 0 to the greatest value on the screen, which stands at the end of the first
 * row. */
static void draw_history(struct drawing *drawing, enum samples_figure figure, unsigned rank,
                         const char *label)
{
    struct frame *frame = drawing->frame;
    const unsigned height = frame->rows >= TALL ? HEIGHT : 1;
    struct history history;

    find_history(drawing, figure, &history);
    for (unsigned below = height; below-- > 0;) {
        const bool first = below + 1 == height;

        if (!row(drawing, first ? rank : RANK_TALL + HEIGHT * rank + below, first ? label : " "))
            continue;
        draw_columns(drawing, &history, below, height);
        frame->first = ++frame->column;
        if (first)
            frame_part(frame, FRAME_FAINT, "max %s",
                       (history.rates ? rate_words : count_words)(history.most).text);
    }
}

/* What was a moment ago: one answer alone has no such rows. */
static void draw_histories(struct drawing *drawing)
{
    (void)row(drawing, 100, NULL); /* it is empty */
    draw_history(drawing, SAMPLES_QUEUED, 6, "queue");
    if (drawing->frame->rows >= TALL)
        (void)row(drawing, 102, NULL);
    draw_history(drawing, SAMPLES_SERVED, 8, "served/s");
    if (drawing->frame->rows >= TALL)
        (void)row(drawing, 103, NULL);
}

/* Clients that a full queue has refused have not waited. */
static bool have_waited_in_vain(const struct drawing *drawing)
{
    char longest[ANSWER_TEXT];

    return number(drawing, "unserved.of") > 0 &&
           strcmp(answer_text(drawing->answer, "unserved.longest", longest), "0ms") != 0;
}

static void draw_troubles(struct drawing *drawing)
{
    if (number(drawing, "waits.of") > 0 && row(drawing, 9, "waited"))
        draw_spread(drawing, "waits");
    if (have_waited_in_vain(drawing) && row(drawing, 15, "in vain"))
        draw_spread(drawing, "unserved");
    if (number(drawing, "runs.of") > 0 && row(drawing, 14, "ran"))
        draw_spread(drawing, "runs");
    if (has_any(drawing, unserved) && row(drawing, 10, "unserved")) {
        draw_rate(drawing, "refused", SAMPLES_REFUSED);
        draw_problems(drawing, unserved);
    }
    if (has_any(drawing, failures) && row(drawing, 12, "failed"))
        draw_problems(drawing, failures);
    if (has_error(drawing) && row(drawing, 13, "error"))
        draw_error(drawing);
}

static void draw_figures(struct drawing *drawing)
{
    const size_t sources = answer_rows(drawing->answer, "busiest");

    if (row(drawing, 4, "running"))
        draw_limited(drawing,
                     is_full(drawing, "running", "limits.processes") ? FRAME_WARNING : FRAME_GOOD,
                     "running", "limits.processes", "starting");
    if (row(drawing, 3, "queued"))
        draw_limited(drawing, style_of_queue(drawing), "queued", "limits.queue", "oldest");
    if (has_rates(drawing) && row(drawing, 7, "rates"))
        draw_rates(drawing);
    if (answer_rows(drawing->answer, "gates") > 0 && row(drawing, 11, "machine"))
        draw_gates(drawing);
    if (row(drawing, 5, "held back by"))
        draw_held_back(drawing);
    if (drawing->view->live)
        draw_histories(drawing);
    draw_troubles(drawing);
    if (sources > 0)
        (void)row(drawing, 101, NULL);
    for (unsigned i = 0; i < SOURCES && i < sources; i++)
        if (row(drawing, RANK_SOURCE + i, !drawing->wide ? NULL : i == 0 ? "busiest" : " "))
            draw_source(drawing, i);
}

/* The last row of the screen. */
static void draw_keys(struct drawing *drawing)
{
    const struct view *view = drawing->view;
    struct frame *frame = drawing->frame;
    char state[ANSWER_TEXT];
    const bool paused = strcmp(answer_text(drawing->answer, "state", state), "PAUSED") == 0;

    if (!row(drawing, view->note != NULL ? RANK_NOTE : RANK_KEYS, NULL))
        return;
    if (view->note != NULL) {
        frame_part(frame, view->asks ? FRAME_WARNING : FRAME_GOOD, "%s", view->note);
        return;
    }
    frame_part(frame, FRAME_FAINT, "q quits");
    frame_part(frame, FRAME_FAINT, paused ? "r resumes" : "p pauses");
    frame_part(frame, FRAME_FAINT, "+ - more or fewer handlers");
}

static void draw(struct drawing *drawing)
{
    const struct view *view = drawing->view;

    if (row(drawing, 0, NULL))
        draw_title(drawing);
    if (view->trouble != NULL && row(drawing, 1, NULL))
        frame_part(drawing->frame, FRAME_BAD, "%s", view->trouble);
    if (view->answer != NULL)
        draw_figures(drawing);
    if (view->live)
        draw_keys(drawing);
}

void view_draw(struct frame *frame, const struct view *view)
{
    struct drawing drawing = {.frame = frame,
                              .view = view,
                              .answer = view->answer != NULL ? view->answer : "",
                              .wide = frame->columns >= WIDE,
                              .learning = true};

    draw(&drawing);
    drawing.learning = false;
    draw(&drawing);
    frame_close(frame);
}
