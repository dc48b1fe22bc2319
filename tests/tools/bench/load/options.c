#include "tests/tools/bench/load/options.h"

#include "tests/shared/address.h"

#include <ctype.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    OTHER_DESCRIPTORS = 16, /* standard ones, epoll's, the timeline's, and what was inherited */
    PATIENCE_MAXIMUM = 24 * 60 * 60
};

static _Noreturn void usage(void)
{
    (void)fprintf(stderr, "usage: load [-c N] [-a TEXT | -l] [-f FIRST [-s N]] [-t SECONDS] "
                          "[-w FILE] ADDRESS PORT COUNT\n");
    exit(2);
}

static unsigned parse_number(const char *text, unsigned minimum, unsigned maximum)
{
    char *end;
    unsigned long number = strtoul(text, &end, 10);

    if (!isdigit((unsigned char)*text) || *end != '\0' || number < minimum || number > maximum) {
        (void)fprintf(stderr, "load: %s is not a number from %u to %u\n", text, minimum, maximum);
        exit(2);
    }
    return (unsigned)number;
}

/* Returns milliseconds. */
static int parse_seconds(const char *text)
{
    char *end;
    double seconds = strtod(text, &end);

    if (!isdigit((unsigned char)*text) || *end != '\0' || !(seconds >= 0.001) ||
        seconds > PATIENCE_MAXIMUM) {
        (void)fprintf(stderr, "load: %s is no time from 0.001 to %d seconds\n", text,
                      PATIENCE_MAXIMUM);
        exit(2);
    }
    return (int)(seconds * 1000);
}

static socklen_t parse_address(const char *text, unsigned port, struct sockaddr_storage *address)
{
    socklen_t length = address_numeric(text, port, address);

    if (length > 0)
        return length;
    (void)fprintf(stderr, "load: %s is no numeric address\n", text);
    exit(2);
}

/* Up to three octal digits, of which the first is there. */
static const char *parse_octal(const char *from, char *byte)
{
    unsigned value = 0;

    for (int digits = 0; digits < 3 && *from >= '0' && *from <= '7'; digits++)
        value = value * 8 + (unsigned)(*from++ - '0');
    if (value > UCHAR_MAX)
        usage();
    *byte = (char)value;
    return from;
}

/* Two hexadecimal digits at most. */
static const char *parse_hexadecimal(const char *from, char *byte)
{
    char digits[3] = "";

    for (size_t i = 0; i < 2 && isxdigit((unsigned char)*from); i++)
        digits[i] = *from++;
    if (digits[0] == '\0')
        usage();
    *byte = (char)strtoul(digits, NULL, 16);
    return from;
}

/* FROM stands behind the backslash; returns where the escape has ended. */
static const char *parse_escape(const char *from, char *byte)
{
    static const char letters[] = "abfnrtv\\\"'?";
    static const char meanings[] = "\a\b\f\n\r\t\v\\\"'?";
    const char *letter;

    if (*from >= '0' && *from <= '7')
        return parse_octal(from, byte);
    if (*from == 'x')
        return parse_hexadecimal(from + 1, byte);
    letter = *from == '\0' ? NULL : strchr(letters, *from);
    if (letter == NULL)
        usage();
    *byte = meanings[letter - letters];
    return from + 1;
}

/* In place, as each escape is longer than what it means. */
static void parse_answer(struct options *options, char *text)
{
    const char *from = text;
    char *to = text;

    while (*from != '\0') {
        if (*from == '\\')
            from = parse_escape(from + 1, to++);
        else
            *to++ = *from++;
    }
    options->answer = text;
    options->answer_length = (size_t)(to - text);
}

static void set_defaults(struct options *options)
{
    memset(options, 0, sizeof(*options));
    options->answer = "ok\n";
    options->answer_length = 3;
    options->sources = 1;
    options->in_flight = 1;
    options->patience = 60 * 1000;
}

static void parse_option(struct options *options, int letter, char *word)
{
    switch (letter) {
    case 'c':
        options->in_flight = parse_number(word, 1, INT_MAX);
        break;
    case 'a':
        parse_answer(options, word);
        break;
    case 'l':
        options->sends_line = true;
        break;
    case 'f':
        (void)parse_address(word, 0, &options->source);
        break;
    case 's':
        options->sources = parse_number(word, 1, INT_MAX);
        break;
    case 't':
        options->patience = parse_seconds(word);
        break;
    case 'w':
        options->timeline = word;
        break;
    default:
        usage();
    }
}

void options_parse(struct options *options, int argc, char **argv)
{
    int letter;

    set_defaults(options);
    while ((letter = getopt(argc, argv, "+c:a:lf:s:t:w:")) != -1)
        parse_option(options, letter, optarg);
    if (argc - optind != 3)
        usage();
    argv += optind;
    options->address_length =
        parse_address(argv[0], parse_number(argv[1], 1, UINT16_MAX), &options->address);
    options->count = parse_number(argv[2], 1, INT_MAX);
    if (options->in_flight > options->count)
        options->in_flight = options->count;
    if (options->source.ss_family == AF_UNSPEC && options->sources > 1)
        usage();
    if (options->source.ss_family != AF_UNSPEC &&
        options->source.ss_family != options->address.ss_family) {
        (void)fprintf(stderr, "load: source and destination are not of one family\n");
        exit(2);
    }
}

/* What one source address has for one destination. */
static unsigned count_ports(void)
{
    unsigned first = 1;
    unsigned last = UINT16_MAX;
    FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");

    if (file == NULL)
        return UINT16_MAX;
    if (fscanf(file, "%u %u", &first, &last) != 2 || last < first) {
        first = 1;
        last = UINT16_MAX;
    }
    (void)fclose(file);
    return last - first + 1;
}

void options_check_room(const struct options *options)
{
    struct rlimit limit;
    unsigned ports = count_ports();

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        perror("load: cannot tell how many descriptors there may be");
        exit(2);
    }
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        perror("load: cannot raise the limit on descriptors");
        exit(2);
    }
    if ((rlim_t)options->in_flight + OTHER_DESCRIPTORS > limit.rlim_max) {
        (void)fprintf(stderr,
                      "load: %u at once do not fit: the hard limit on descriptors is %llu\n",
                      options->in_flight, (unsigned long long)limit.rlim_max);
        exit(2);
    }
    if (options->in_flight > (uint64_t)ports * options->sources) {
        (void)fprintf(stderr,
                      "load: %u at once do not fit: a source address has %u ports; use more "
                      "addresses (-f and -s)\n",
                      options->in_flight, ports);
        exit(2);
    }
}
