#include "supervisor/base/parse.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

/* Most digits of a decimal: with more, a double cannot tell neighbours apart. */
enum { DECIMAL_MAXIMUM = 15 };

static const char *skip_digits(const char *word)
{
    while (isdigit((unsigned char)*word))
        word++;
    return word;
}

bool parse_number(const char *word, uint64_t most, uint64_t *number)
{
    unsigned long long value;

    if (*word == '\0' || *skip_digits(word) != '\0')
        return false;
    errno = 0;
    value = strtoull(word, NULL, 10);
    if (errno != 0 || value > most)
        return false;
    *number = value;
    return true;
}

/* Returns the end of the decimal at the beginning of `word`, or NULL if there is none. */
static const char *decimal_end(const char *word)
{
    const char *end = skip_digits(word);

    if (end == word)
        return NULL;
    if (*end == '.') {
        if (skip_digits(end + 1) == end + 1)
            return NULL;
        end = skip_digits(end + 1);
    }
    return end - word > DECIMAL_MAXIMUM ? NULL : end;
}

bool parse_decimal(const char *word, double *number)
{
    const char *end = decimal_end(word);

    if (end == NULL || *end != '\0')
        return false;
    *number = strtod(word, NULL); /* in the C locale, because no other was set */
    return true;
}

bool parse_time(const char *word, uint64_t *time)
{
    static const struct {
        const char *unit;
        double microseconds;
    } units[] = {{"", 1e6}, {"ms", 1e3}, {"s", 1e6}, {"m", 60e6}, {"h", 3600e6}};
    const double year = 366 * 24 * 3600e6;
    const char *end = decimal_end(word);

    if (end == NULL)
        return false;
    for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
        double value = strtod(word, NULL) * units[i].microseconds;
        if (strcmp(end, units[i].unit) != 0)
            continue;
        if (value > year)
            return false;
        *time = (uint64_t)value;
        return true;
    }
    return false;
}

bool parse_mode(const char *word, uint32_t *mode)
{
    uint32_t bits = 0;

    if (*word == '\0')
        return false;
    for (; *word != '\0'; word++) {
        if (*word < '0' || *word > '7')
            return false;
        bits = bits << 3 | (uint32_t)(*word - '0');
        if (bits > 0777)
            return false;
    }
    *mode = bits;
    return true;
}

bool parse_port(const char *word, uint16_t *port)
{
    uint64_t number;
    const struct servent *service;

    if (parse_number(word, UINT16_MAX, &number)) {
        *port = (uint16_t)number;
        return true;
    }
    /* Some resolvers would take digits as the name of a service: a number that is too large is
     * wrong. */
    if (*word == '\0' || *skip_digits(word) == '\0')
        return false;
    service = getservbyname(word, "tcp");
    if (service == NULL)
        return false;
    *port = ntohs((uint16_t)service->s_port);
    return true;
}
