#include "supervisor/dampenerctl/view.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    WIDE = 60,        /* columns that leave room for words */
    COUNT_WIDTH = 15, /* aligns the bars */
    BESIDE_BAR = 16,  /* for the words behind a bar */
    SCALE_WIDTH = 11, /* " max 19000 " */
    SOURCE_WIDTH = 45,
    SOURCES = 10, /* at most */
    RANKS = 104
};

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

/* `beside` is the figure behind the bar, and the word for it. */
static void draw_limited(struct drawing *drawing, enum frame_style style, const char *name,
                         const char *limit, const char *beside)
{
    const double most = number(drawing, limit);
    char text[2 * sizeof(struct words) + 8];

    (void)snprintf(text, sizeof(text), isinf(most) ? "%s, %s" : "%s of %s",
                   count_words(number(drawing, name)).text, count_words(most).text);
    frame_part(drawing->frame, FRAME_STRONG, "%-*s", COUNT_WIDTH, text);
    frame_bar(drawing->frame, style, number(drawing, name), most, drawing->wide ? BESIDE_BAR : 0);
    if (drawing->wide)
        draw_figure(drawing, FRAME_PLAIN, beside, beside);
}

static enum frame_style style_of_queue(const struct drawing *drawing)
{
    double full = number(drawing, "queued") / number(drawing, "limits.queue");

    return full >= 1 ? FRAME_BAD : full >= 0.8 ? FRAME_WARNING : FRAME_GOOD;
}

static void draw_rate(struct drawing *drawing, const char *name, enum samples_figure figure)
{
    frame_part(drawing->frame, FRAME_PLAIN, "%s %s/s", name,
               rate_words(samples_recent_rate(drawing->view->samples, figure)).text);
}

static void draw_rates(struct drawing *drawing)
{
    char limit[ANSWER_TEXT];

    draw_rate(drawing, "started", SAMPLES_STARTED);
    draw_rate(drawing, "served", SAMPLES_SERVED);
    draw_rate(drawing, "accepted", SAMPLES_ACCEPTED);
    if (*answer_text(drawing->answer, "limits.rate", limit) != '\0' &&
        strcmp(limit, "no limit") != 0)
        frame_part(drawing->frame, FRAME_FAINT, "limit %s", limit);
}

/* ---- the last minutes, a sample a column ---- */

/* The scale goes from 0 to the greatest value on the screen, which stands at the end. */
static void draw_history(struct drawing *drawing, enum samples_figure figure)
{
    const bool rates = figure != SAMPLES_QUEUED;
    struct frame *frame = drawing->frame;
    double values[FRAME_COLUMNS];
    double most = (double)NAN;
    unsigned width = 0;

    if (frame->columns > frame->first + SCALE_WIDTH)
        width = frame->columns - frame->first - SCALE_WIDTH;
    for (unsigned age = 0; age < width; age++) {
        values[age] = (rates ? samples_rate : samples_figure)(drawing->view->samples, figure, age);
        if (isnan(most) || values[age] > most)
            most = values[age];
    }
    for (unsigned age = width; age-- > 0;)
        frame_sign(frame, FRAME_GOOD,
                   isnan(values[age])
                       ? ' '
                       : FRAME_LEVEL + frame_filled(values[age], most, FRAME_LEVELS - 1),
                   1);
    frame->first = ++frame->column;
    frame_part(frame, FRAME_FAINT, "max %s", (rates ? rate_words : count_words)(most).text);
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

enum { PROBLEMS = 5 };

static const struct problem refusals[PROBLEMS] = {
    {"queue full", "ended.refused_queue", FRAME_BAD}, {"source", "ended.refused_source", FRAME_BAD},
    {"timeout", "ended.refused_timeout", FRAME_BAD},  {"denied", "ended.denied", FRAME_WARNING},
    {"dropped", "ended.dropped", FRAME_BAD},
};

static const struct problem failures[PROBLEMS] = {
    {"starts", "start_failures", FRAME_BAD},
    {"exits", "exits.failure", FRAME_WARNING},
    {"killed", "exits.signal", FRAME_WARNING},
    {"dispatchers", "dispatchers.restarts", FRAME_BAD},
    {"log lines", "log_lines_dropped", FRAME_WARNING},
};

static bool has_any(const struct drawing *drawing, const struct problem *problems)
{
    for (int i = 0; i < PROBLEMS; i++)
        if (number(drawing, problems[i].figure) > 0)
            return true;
    return false;
}

/* Shows only the counts above 0. */
static void draw_problems(struct drawing *drawing, const struct problem *problems)
{
    for (const struct problem *each = problems; each < problems + PROBLEMS; each++)
        if (number(drawing, each->figure) > 0)
            frame_part(drawing->frame, each->style, "%s %s", each->words,
                       count_words(number(drawing, each->figure)).text);
}

/* ---- sources ---- */

/* The counts stand in a column of their own, and cut a long name. */
static void draw_source(struct drawing *drawing, unsigned source)
{
    struct frame *frame = drawing->frame;
    double numbers[2];
    char name[ANSWER_TEXT];
    char counts[80];
    unsigned length;
    unsigned room = SOURCE_WIDTH;

    (void)answer_row(drawing->answer, "busiest", source, numbers, name);
    length = (unsigned)snprintf(counts, sizeof(counts),
                                drawing->wide ? " %6s waiting  %6s running" : " %3s wait%4s run",
                                count_words(numbers[0]).text, count_words(numbers[1]).text);
    if (frame->columns < frame->first + length) {
        frame_part(frame, FRAME_PLAIN, "%s", or_dash(name));
        return;
    }
    if (!drawing->wide || room > frame->columns - frame->first - length)
        room = frame->columns - frame->first - length;
    frame_part(frame, FRAME_PLAIN, "%.*s", (int)room, or_dash(name));
    frame->first = frame->column = frame->first + room; /* without a gap */
    frame_part(frame, FRAME_PLAIN, "%s", counts);
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
    frame_row(drawing->frame, label);
    return true;
}

static void draw_figures(struct drawing *drawing)
{
    const size_t sources = answer_rows(drawing->answer, "busiest");

    if (row(drawing, 3, "running"))
        draw_limited(drawing, FRAME_GOOD, "running", "limits.processes", "starting");
    if (row(drawing, 2, "queued"))
        draw_limited(drawing, style_of_queue(drawing), "queued", "limits.queue", "oldest");
    if (row(drawing, 6, "rates"))
        draw_rates(drawing);
    if (row(drawing, 4, "held back by"))
        draw_held_back(drawing);
    (void)row(drawing, 100, NULL); /* it is empty */
    if (row(drawing, 5, "queue"))
        draw_history(drawing, SAMPLES_QUEUED);
    if (row(drawing, 7, "served/s"))
        draw_history(drawing, SAMPLES_SERVED);
    if (row(drawing, 8, "waited"))
        draw_spread(drawing, "waits");
    if (row(drawing, 12, "ran"))
        draw_spread(drawing, "runs");
    if (has_any(drawing, refusals) && row(drawing, 9, "refused"))
        draw_problems(drawing, refusals);
    if (has_any(drawing, failures) && row(drawing, 10, "failed"))
        draw_problems(drawing, failures);
    (void)row(drawing, 101, NULL);
    for (unsigned i = 0; i < SOURCES && i < sources; i++)
        if (row(drawing, 20 + i, !drawing->wide ? NULL : i == 0 ? "busiest" : " "))
            draw_source(drawing, i);
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
    if (view->live && row(drawing, 90, NULL))
        frame_part(drawing->frame, FRAME_FAINT, "q quits");
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
