#include "supervisor/dampenerctl/history.h"

#include "supervisor/dampenerctl/bars.h"
#include "supervisor/dampenerctl/words.h"

#include <math.h>

enum { SCALE_WIDTH = 11 /* " max 19000 " */ };

typedef double history_value(const struct samples *samples, enum samples_figure figure, size_t age);

static void draw(struct line *line, const char *label, history_value *value,
                 enum samples_figure figure)
{
    const struct samples *samples = line->view->samples;
    unsigned width = line->screen->columns > LINE_LABEL_WIDTH + SCALE_WIDTH
                         ? line->screen->columns - LINE_LABEL_WIDTH - SCALE_WIDTH
                         : 0;
    double most = STATUS_UNKNOWN;

    for (unsigned age = 0; age < width; age++)
        if (isnan(most) || value(samples, figure, age) > most)
            most = value(samples, figure, age);
    (void)screen_put(line->screen, line->row, 0, SCREEN_LABEL, label);
    for (unsigned age = 0; age < width; age++) {
        double at = value(samples, figure, age);

        if (!isnan(at))
            (void)screen_put_sign(line->screen, line->row, LINE_LABEL_WIDTH + width - 1 - age,
                                  SCREEN_GOOD, SCREEN_LEVEL + bars_level(at, most), 1);
    }
    line->column =
        screen_put(line->screen, line->row, LINE_LABEL_WIDTH + width + 1, SCREEN_FAINT, "max ");
    line->column =
        screen_put(line->screen, line->row, line->column, SCREEN_FAINT,
                   value == samples_rate ? words_rate(most).text : words_short(most).text);
}

void history_queued(struct line *line)
{
    draw(line, "queue", samples_figure, SAMPLES_QUEUED);
}

void history_served(struct line *line)
{
    draw(line, "served/s", samples_rate, SAMPLES_SERVED);
}
