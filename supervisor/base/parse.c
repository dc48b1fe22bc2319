#include "supervisor/base/parse.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS  "0123456789"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

enum {
    DECIMAL_MAXIMUM = 15, /* digits; with more, a double cannot tell neighbours apart */
    LABEL_MAXIMUM = 63    /* bytes of a part of a host name (RFC 1035) */
};

/* Reads a number that consists of `digits` only. */
static bool read_digits(const char *word, const char *digits, int base, uint64_t most,
                        uint64_t *number)
{
    size_t length = strspn(word, digits);
    unsigned long long value;

    if (length == 0 || word[length] != '\0')
        return false;
    errno = 0;
    value = strtoull(word, NULL, base);
    if (errno != 0 || value > most)
        return false;
    *number = value;
    return true;
}

bool parse_number(const char *word, uint64_t most, uint64_t *number)
{
    return read_digits(word, DIGITS, 10, most, number);
}

/* Reads the decimal at the beginning of `word`.  Returns its end, or NULL if there is none. */
static const char *read_decimal(const char *word, double *number)
{
    size_t length = strspn(word, DIGITS);

    if (length > 0 && word[length] == '.') {
        size_t fraction = strspn(word + length + 1, DIGITS);

        length = fraction == 0 ? 0 : length + 1 + fraction;
    }
    *number = strtod(word, NULL); /* in the C locale, because no other was set */
    return length == 0 || length > DECIMAL_MAXIMUM ? NULL : word + length;
}

bool parse_decimal(const char *word, double *number)
{
    const char *end = read_decimal(word, number);

    return end != NULL && *end == '\0';
}

bool parse_time(const char *word, uint64_t *time)
{
    static const struct {
        const char *unit;
        double microseconds;
    } units[] = {{"", 1e6}, {"ms", 1e3}, {"s", 1e6}, {"m", 60e6}, {"h", 3600e6}};
    const double year = 366 * 24 * 3600e6;
    double number;
    const char *end = read_decimal(word, &number);

    for (size_t i = 0; end != NULL && i < sizeof(units) / sizeof(*units); i++) {
        double value = number * units[i].microseconds;

        if (strcmp(end, units[i].unit) != 0 || value > year)
            continue;
        *time = (uint64_t)value;
        return true;
    }
    return false;
}

bool parse_mode(const char *word, uint32_t *mode)
{
    uint64_t bits;

    if (!read_digits(word, "01234567", 8, 0777, &bits))
        return false;
    *mode = (uint32_t)bits;
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
    if (word[strspn(word, DIGITS)] == '\0')
        return false;
    service = getservbyname(word, "tcp");
    if (service == NULL)
        return false;
    *port = ntohs((uint16_t)service->s_port);
    return true;
}

/* Reports whether the last label of a name is a number, which getaddrinfo(3) could take for a part
 * of an address: "0x7f" is one, too (inet_aton(3)). */
static bool is_number(const char *label, size_t length)
{
    bool hexadecimal = length >= 2 && label[0] == '0' && (label[1] == 'x' || label[1] == 'X');

    return hexadecimal ? strspn(label + 2, DIGITS "abcdefABCDEF") >= length - 2
                       : strcspn(label, LETTERS) >= length;
}

bool parse_is_host_name(const char *word)
{
    const char *label = word;
    size_t length;

    if (strlen(word) > PARSE_HOST_MAXIMUM)
        return false;
    for (;; label += length + 1) {
        length = strspn(label, LETTERS DIGITS "-");
        if (length == 0 || length > LABEL_MAXIMUM || label[0] == '-' || label[length - 1] == '-')
            return false;
        if (strcmp(label + length, "") == 0 || strcmp(label + length, ".") == 0)
            return !is_number(label, length);
        if (label[length] != '.')
            return false;
    }
}
