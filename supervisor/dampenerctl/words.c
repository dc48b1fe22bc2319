#include "supervisor/dampenerctl/words.h"

#include <math.h>
#include <stdio.h>

struct words words_count(double count)
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

struct words words_rate(double rate)
{
    struct words words;

    if (!(rate < 99.95))
        return words_count(rate);
    (void)snprintf(words.text, sizeof(words.text), "%.1f", rate); /* rates are not negative */
    return words;
}
