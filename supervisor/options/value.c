#include "supervisor/options/value.h"

#include "supervisor/base/parse.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static void *member(const struct value *value)
{
    return (char *)value->options + value->entry->member;
}

static bool is_none(const struct value *value)
{
    return value->entry->none && strcmp(value->word, "none") == 0;
}

static bool expect(const struct value *value, const char *accepted)
{
    text_add(value->expected, "%s", accepted);
    return false;
}

/* ---- values of a single member ---- */

bool value_flag(const struct value *value)
{
    *(bool *)member(value) = true;
    return true;
}

bool value_count(const struct value *value)
{
    ++*(uint32_t *)member(value);
    return true;
}

bool value_number(const struct value *value)
{
    const struct value_entry *entry = value->entry;
    uint64_t number = 0;
    bool none = is_none(value);

    if (none || (parse_number(value->word, entry->most, &number) && number >= entry->least)) {
        none = none || (entry->zero != NULL && number == 0);
        *(uint32_t *)member(value) = none ? UNLIMITED : (uint32_t)number;
        return true;
    }
    text_add(value->expected, "expected a whole number from %u", entry->least);
    if (entry->zero != NULL)
        text_add(value->expected, " (%s)", entry->zero);
    text_add(value->expected, " to %u", entry->most);
    return false;
}

bool value_time(const struct value *value)
{
    const struct value_entry *entry = value->entry;
    uint64_t time = 0;

    if (is_none(value) || (parse_time(value->word, &time) && time >= entry->least)) {
        *(uint64_t *)member(value) = time;
        return true;
    }
    text_add(value->expected, "expected a time ");
    if (entry->least > 0)
        text_add(value->expected, "from %ums ", entry->least / 1000);
    return expect(value, "up to a year, such as 30, 500ms, 1.5m or 2h");
}

bool value_mode(const struct value *value)
{
    struct options_mode *mode = member(value);

    if (parse_mode(value->word, &mode->bits)) {
        mode->given = true;
        return true;
    }
    text_add(value->expected, "expected an octal number from 0 to 777, such as %s",
             value->entry->what);
    return false;
}

/* A text that would not fit later is refused here, where the message can name the option. */
bool value_text(const struct value *value)
{
    bool fits = strlen(value->word) <= value->entry->most;

    if (fits && *value->word != '\0') {
        *(const char **)member(value) = value->word;
        return true;
    }
    text_add(value->expected, "expected %s", value->entry->what);
    if (!fits)
        text_add(value->expected, ", of %u bytes at most", value->entry->most);
    return false;
}

/* A choice between two words may be a bool; the enums of the others are as large as unsigned. */
bool value_choice(const struct value *value)
{
    const char *const *words = value->entry->words;

    (void)expect(value, "expected ");
    for (unsigned i = 0; words[i] != NULL; i++) {
        bool last = words[i + 1] == NULL;

        text_add(value->expected, "%s%s", i == 0 ? "" : last ? " or " : ", ", words[i]);
        if (strcmp(value->word, words[i]) != 0)
            continue;
        if (value->entry->size == sizeof(bool))
            *(bool *)member(value) = i != 0;
        else
            *(unsigned *)member(value) = i;
        return true;
    }
    return false;
}

/* ---- parts of a word ---- */

/* Copies what stands before the separator to `part`, and moves *word behind it; to NULL if there is
 * none.  Returns false if the part is empty or does not fit. */
static bool cut(const char **word, const char *separator, char *part, size_t size)
{
    size_t length = strcspn(*word, separator);

    if (length == 0 || length >= size)
        return false;
    memcpy(part, *word, length);
    part[length] = '\0';
    *word = (*word)[length] == '\0' ? NULL : *word + length + 1;
    return true;
}

/* Returns the number of the entry's word that *word begins with, and moves *word behind it; or -1.
 */
static int cut_name(const struct value *value, const char **word)
{
    const char *const *words = value->entry->words;

    for (int i = 0; words[i] != NULL; i++) {
        if (strncmp(*word, words[i], strlen(words[i])) != 0)
            continue;
        *word += strlen(words[i]);
        return i;
    }
    return -1;
}

/* ---- sockets ---- */

const char *value_place(struct options *options, const char *word)
{
    static const char unix_prefix[] = "unix:";
    const char *path = word + strlen(unix_prefix);

    if (strcmp(word, "systemd") == 0) {
        options->place = OPTIONS_SYSTEMD;
    } else if (strncmp(word, unix_prefix, strlen(unix_prefix)) == 0) {
        if (*path == '\0' || strlen(path) > OPTIONS_SOCKET_PATH)
            return "expected the path of a socket behind unix:, of " PARSE_SPELLED(
                OPTIONS_SOCKET_PATH) " bytes at most";
        options->place = OPTIONS_UNIX;
        options->unix_path = path;
    } else if (!parse_port(word, &options->port)) {
        return "expected a number from 0 to 65535, the name of a TCP service, unix:PATH, or "
               "systemd";
    }
    return NULL;
}

bool value_address(const struct value *value)
{
    struct options *options = value->options;
    char **addresses;

    if (*value->word == '\0')
        return expect(value, "expected an address or host name");
    addresses = reallocarray(options->addresses, options->address_count + 1, sizeof(*addresses));
    if (addresses == NULL)
        return expect(value, "out of memory");
    addresses[options->address_count++] = value->word;
    options->addresses = addresses;
    return true;
}

/* Checks only that there is a port; what stands before it may be a host name. */
bool value_metrics(const struct value *value)
{
    const char *word = value->word;
    const char *colon = strrchr(word, ':');
    bool bracketed = *word == '[';
    uint64_t port;

    if (colon == NULL || !parse_number(colon + 1, UINT16_MAX, &port) ||
        (bracketed ? colon < word + 2 || colon[-1] != ']' : colon != strchr(word, ':')))
        return expect(value, "expected ADDRESS:PORT, such as 127.0.0.1:9100 or [::1]:9100; without "
                             "ADDRESS it means every address of this machine");
    value->options->metrics = word;
    return true;
}

bool value_ready_descriptor(const struct value *value)
{
    uint64_t number;

    if (!parse_number(value->word, INT32_MAX, &number) || fcntl((int)number, F_GETFD) < 0 ||
        number == STDIN_FILENO || number == STDERR_FILENO)
        return expect(value, "expected the number of an open descriptor, other than 0 and 2");
    value->options->ready_descriptor = (int)number;
    return true;
}

/* ---- admission ---- */

static bool add_rule(const struct value *value, bool allow)
{
    const char *accepted = access_add(&value->options->access, allow, value->word, 0);

    return accepted == NULL || expect(value, accepted);
}

bool value_allow(const struct value *value)
{
    return add_rule(value, true);
}

bool value_deny(const struct value *value)
{
    return add_rule(value, false);
}

/* Returns the character that a backslash and `letter` stand for; 0 if there is none. */
static char unescaped(char letter)
{
    switch (letter) {
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case '\\':
    case '@':
        return letter;
    default:
        return '\0';
    }
}

/* "@FILE" refers to a file, except that a value with a blank, and neither "/" nor "." behind the
 * "@", is a text: errors of rsync begin with "@". */
bool value_busy_message(const struct value *value)
{
    const char *word = value->word;
    bool file = *word == '@' && (word[1] == '/' || word[1] == '.' || strpbrk(word, " \t") == NULL);
    bool right = !file || word[1] != '\0';
    struct options_busy busy = {.length = 0};

    for (const char *from = word; !file && right && *from != '\0'; from++) {
        char letter = *from;

        if (letter == '\\')
            letter = unescaped(*++from);
        right = letter != '\0' && busy.length < sizeof(busy.text);
        if (right)
            busy.text[busy.length++] = letter;
    }
    if (!right)
        return expect(value, "expected a text of " PARSE_SPELLED(
                                 OPTIONS_BUSY_MAXIMUM) " bytes at most, with \\n, \\r, \\\\ and "
                                                       "\\@ as the only escapes, or @FILE");
    value->options->busy = busy;
    value->options->files[OPTIONS_FILE_BUSY] = file ? word + 1 : NULL;
    return true;
}

/* Reads "V4" or "V4,V6". */
bool value_source_prefix(const struct value *value)
{
    struct options *options = value->options;
    const char *rest = value->word;
    char ipv4[4];
    uint64_t bits;
    uint64_t ipv6_bits = options->ipv6_prefix;

    if (!cut(&rest, ",", ipv4, sizeof(ipv4)) || !parse_number(ipv4, 32, &bits) ||
        (rest != NULL && !parse_number(rest, 128, &ipv6_bits)))
        return expect(value, "expected one or two prefix lengths, such as 32,64: up to 32 for "
                             "IPv4, up to 128 for IPv6");
    options->ipv4_prefix = (uint32_t)bits;
    options->ipv6_prefix = (uint32_t)ipv6_bits;
    return true;
}

bool value_load_average(const struct value *value)
{
    struct options_gate gate = {.given = !is_none(value)};

    if (gate.given && !parse_decimal(value->word, &gate.limit))
        return expect(value, "expected a number of 0 or more, such as 4 or 2.5");
    value->options->gates[OPTIONS_GATE_LOAD] = gate;
    return true;
}

/* Reads "NAME=PERCENT", or several with commas between. */
bool value_pressure(const struct value *value)
{
    struct options_gate *gates = value->options->gates;
    struct options_gate given[OPTIONS_GATES] = {[OPTIONS_GATE_LOAD] = gates[OPTIONS_GATE_LOAD]};
    const char *rest = value->word;

    do {
        char part[32];
        const char *percent = part;
        double limit;
        int gate;

        if (!cut(&rest, ",", part, sizeof(part)) || (gate = cut_name(value, &percent)) < 0 ||
            given[OPTIONS_GATE_CPU + gate].given || !parse_decimal(percent, &limit) || limit > 100)
            return expect(value, "expected one or more of cpu=P, memory=P and io=P with commas "
                                 "between, each once, P a percentage up to 100");
        given[OPTIONS_GATE_CPU + gate] = (struct options_gate){.given = true, .limit = limit};
    } while (rest != NULL);
    memcpy(gates, given, sizeof(given));
    return true;
}

/* Reads "N" or "N/TIME". */
bool value_rate(const struct value *value)
{
    const char *rest = value->word;
    uint64_t number = UNLIMITED;
    uint64_t period = 1000000;
    char count[8];

    if (!is_none(value) && (!cut(&rest, "/", count, sizeof(count)) ||
                            !parse_number(count, OPTIONS_RATE_MAXIMUM, &number) || number == 0 ||
                            (rest != NULL && (!parse_time(rest, &period) || period < 1000 ||
                                              period > OPTIONS_RATE_PERIOD_MAXIMUM))))
        return expect(value,
                      "expected N or N/TIME, such as 20 or 100/1m, with N from 1 to " PARSE_SPELLED(
                          OPTIONS_RATE_MAXIMUM) " and TIME from 1ms to 24h");
    value->options->rate = (uint32_t)number;
    value->options->rate_period = period;
    return true;
}

/* ---- handlers ---- */

bool value_stderr(const struct value *value)
{
    if (strchr(value->word, '/') == NULL)
        return value_choice(value) || expect(value, ", or the path of a file, with a / in it");
    if (strlen(value->word) >= SETUP_PATH)
        return expect(value, "expected a path of " PARSE_SPELLED(4095) " bytes at most");
    value->options->standard_error = SETUP_STANDARD_ERROR_FILE;
    value->options->error_file = value->word;
    return true;
}

bool value_nice(const struct value *value)
{
    bool negative = *value->word == '-';
    uint64_t number;

    if (!parse_number(value->word + negative, negative ? 20 : 19, &number))
        return expect(value, "expected a whole number from -20 to 19");
    value->options->nice = negative ? -(int32_t)number : (int32_t)number;
    value->options->has_nice = true;
    return true;
}

/* Reads a number of up to 20 digits, with or without a unit, or "unlimited".  Cuts the unit off. */
static bool parse_limit(char *word, uint64_t *value)
{
    static const char units[] = "KMGT"; /* each 1024 times the one before */
    char *last = word + strlen(word) - 1;
    const char *unit = strchr(units, *last);
    unsigned bits = 0;
    uint64_t number;

    if (strcmp(word, "unlimited") == 0) {
        *value = RLIM_INFINITY;
        return true;
    }
    if (unit != NULL) {
        bits = 10 * (unsigned)(unit - units + 1);
        *last = '\0';
    }
    /* RLIM_INFINITY itself is no limit, so a number must be below it. */
    if (!parse_number(word, (RLIM_INFINITY - 1) >> bits, &number))
        return false;
    *value = number << bits;
    return true;
}

/* Reads "NAME=SOFT" or "NAME=SOFT:HARD".  SOFT alone is both limits. */
bool value_limit(const struct value *value)
{
    struct setup_limit limit = {.given = 1};
    const char *rest = value->word;
    int resource = cut_name(value, &rest);
    char soft[22];
    char hard[22];
    bool right =
        resource >= 0 && cut(&rest, ":", soft, sizeof(soft)) && parse_limit(soft, &limit.soft);

    limit.hard = limit.soft;
    if (right && rest != NULL)
        right =
            cut(&rest, ":", hard, sizeof(hard)) && rest == NULL && parse_limit(hard, &limit.hard);
    if (!right)
        return expect(value, "expected NAME=SOFT or NAME=SOFT:HARD, each limit a whole number, "
                             "with or without K, M, G or T behind it, or unlimited, and NAME one "
                             "of as, core, cpu, data, fsize, locks, memlock, msgqueue, nice, "
                             "nofile, nproc, rss, rtprio, rttime, sigpending and stack");
    if (limit.soft > limit.hard)
        return expect(value, "the soft limit is above the hard one: expected NAME=SOFT:HARD, the "
                             "lower one first");
    value->options->limits[resource] = limit;
    return true;
}
