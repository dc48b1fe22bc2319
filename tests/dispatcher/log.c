/*
 * log          - lines of the log, whatever they are to say: never too long, and always an object
 * log -c FILE  - whether each line of FILE is one object of JSON (RFC 8259), and nothing else; FILE
 *                must have lines.  Prints the first that is not.
 */
#include "dispatcher/shared/log_line.h"
#include "dispatcher/shared/text.h"

#include "tests/shared/check.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- a reader of its own, which takes nothing that the RFC does not ---- */

static bool take(const unsigned char **at, const char *expected)
{
    size_t length = strlen(expected);

    if (strncmp((const char *)*at, expected, length) != 0)
        return false;
    *at += length;
    return true;
}

static bool is_digit(unsigned char byte)
{
    return byte >= '0' && byte <= '9';
}

static bool take_digits(const unsigned char **at)
{
    if (!is_digit(**at))
        return false;
    while (is_digit(**at))
        ++*at;
    return true;
}

static bool take_number(const unsigned char **at)
{
    (void)take(at, "-");
    if (!take(at, "0") && !take_digits(at))
        return false;
    if (take(at, ".") && !take_digits(at))
        return false;
    return !is_digit(**at) && **at != 'e' && **at != 'E'; /* nobody here writes exponents */
}

/* One character beyond ASCII: only its shortest form, and no half of a UTF-16 pair (RFC 3629). */
static bool take_wide(const unsigned char **at)
{
    unsigned first = **at;
    unsigned more = first >= 0xc2 && first <= 0xdf   ? 1
                    : first >= 0xe0 && first <= 0xef ? 2
                    : first >= 0xf0 && first <= 0xf4 ? 3
                                                     : 0;
    unsigned second = more == 0 ? 0 : (*at)[1];

    if (more == 0 || (first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
        (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f))
        return false;
    for (++*at; more > 0; more--, ++*at)
        if (**at < 0x80 || **at > 0xbf)
            return false;
    return true;
}

static bool take_escape(const unsigned char **at)
{
    if (**at == 'u') {
        for (int i = 1; i <= 4; i++)
            if (strchr("0123456789abcdefABCDEF", (*at)[i]) == NULL || (*at)[i] == '\0')
                return false;
        *at += 5;
        return true;
    }
    if (**at == '\0' || strchr("\"\\/bfnrt", **at) == NULL)
        return false;
    ++*at;
    return true;
}

static bool take_string(const unsigned char **at)
{
    if (!take(at, "\""))
        return false;
    while (**at != '"') {
        if (**at < 0x20)
            return false;
        if (take(at, "\\")) {
            if (!take_escape(at))
                return false;
        } else if (**at >= 0x80) {
            if (!take_wide(at))
                return false;
        } else {
            ++*at;
        }
    }
    ++*at;
    return true;
}

/* Ours have strings and numbers in them only. */
static bool is_object(const char *line)
{
    const unsigned char *at = (const unsigned char *)line;

    if (!take(&at, "{"))
        return false;
    do {
        if (!take_string(&at) || !take(&at, ":") || (!take_string(&at) && !take_number(&at)))
            return false;
    } while (take(&at, ","));
    return take(&at, "}") && *at == '\0';
}

static bool has_members(const char *line)
{
    static const char *const names[] = {"time", "level", "process", "program", "message"};
    char member[32];

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        (void)snprintf(member, sizeof(member), "\"%s\":", names[i]);
        if (strstr(line, member) == NULL)
            return false;
    }
    return true;
}

static int check_file(const char *path)
{
    char line[LOG_LINE_MAXIMUM + 2];
    FILE *file = fopen(path, "r");
    bool good;
    int count = 0;

    if (file == NULL)
        return 1;
    for (; fgets(line, sizeof(line), file) != NULL; count++) {
        size_t length = strlen(line);

        if (length > LOG_LINE_MAXIMUM || line[length - 1] != '\n') {
            printf("too long, or no line: %s\n", line);
            break;
        }
        line[length - 1] = '\0';
        if (!is_object(line) || !has_members(line)) {
            printf("not an object of the log: %s\n", line);
            break;
        }
    }
    good = feof(file) != 0 && count > 0;
    return fclose(file) == 0 && good ? 0 : 1;
}

/* What is taken for an object, and what must not be. */
static void check_reader(void)
{
    CHECK(is_object("{\"a\":1,\"b\":\"\\u000a\\\\\",\"c\":0.5}"));
    CHECK(is_object("{\"a\":\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"}"));
    CHECK(!is_object("{\"a\":1") && !is_object("{\"a\":\"}") && !is_object("{\"a\":01}"));
    CHECK(!is_object("{\"a\":1}}") && !is_object("{\"a\":1,}") && !is_object("{\"a\"}"));
    CHECK(!is_object("{\"a\":\"\n\"}") && !is_object("{\"a\":\"\\x\"}") && !is_object(""));
    CHECK(!is_object("{\"a\":\"\xff\"}") && !is_object("{\"a\":\"\xc3\"}"));
    CHECK(!is_object("{\"a\":\"\xed\xa0\x80\"}") && !is_object("{\"a\":\"\xc0\xaf\"}"));
    CHECK(!is_object("{\"a\":\"\\u00\"}") && !is_object("{\"a\":-}") && !is_object("{\"a\":1.}"));
}

/* ---- lines ---- */

/* Whether it is one line, and as an object what it should be. */
static bool is_line(char *line, size_t length, const char *prefix)
{
    if (length > LOG_LINE_MAXIMUM || length < strlen(prefix) + 2 || line[length - 1] != '\n')
        return false;
    line[length - 1] = '\0';
    return strlen(line) == length - 1 && strncmp(line, prefix, strlen(prefix)) == 0 &&
           is_object(line + strlen(prefix)) && has_members(line);
}

static void repeat(char *text, size_t size, const char *piece, size_t length)
{
    size_t piece_length = strlen(piece);

    for (size_t i = 0; i < length && i < size - 1; i++)
        text[i] = piece[i % piece_length];
    text[length < size - 1 ? length : size - 1] = '\0';
}

/* Texts that grow when they are written as strings, each of every length there can be. */
static void check_lengths(void)
{
    static const char *const pieces[] = {
        "a",           "\"",       "\\",         "\n",
        "\x01",        "\xff",     "\xc3\xa4",   "\xf0\x9f\x98\x80",
        "a\xc3",       "\xed\xa0", "\xe2\x82\\", "\x7f",
        "\"\xf0\x9f\\"};
    const struct log_style styles[] = {{LOG_FORMAT_JSON, false, "supervisor"},
                                       {LOG_FORMAT_JSON, true, "dispatcher"}};
    char message[LOG_LINE_MAXIMUM];
    char value[LOG_LINE_MAXIMUM];
    char line[LOG_LINE_MAXIMUM] = "";
    int failures = 0;

    for (size_t piece = 0; piece < sizeof(pieces) / sizeof(*pieces); piece++)
        for (size_t length = 0; length < LOG_LINE_MAXIMUM; length++) {
            const struct log_field fields[] = {LOG_TEXT("long", value), LOG_NUMBER("last", 7)};
            struct log_content content = {.level = LOG_LEVEL_WARNING, .message = message};

            repeat(message, sizeof(message), pieces[piece], length);
            repeat(value, sizeof(value), pieces[piece], length);
            failures += !is_line(line, log_line(line, &styles[0], &content), "");
            content = (struct log_content){LOG_LEVEL_BUG, message, "event", fields, 2};
            failures += !is_line(line, log_line(line, &styles[1], &content), "<2>");
            /* One that does not fit takes no room from others. */
            if (length == LOG_LINE_MAXIMUM - 1)
                failures += strstr(line, "\"last\":7,") == NULL;
        }
    CHECK(failures == 0);
}

static void check_fields(void)
{
    const struct log_style style = {LOG_FORMAT_JSON, false, "supervisor"};
    const struct log_field fields[] = {
        LOG_TEXT("text", "a\"b"),
        {.text = "none"},
        LOG_NUMBER("number", UINT64_MAX),
        LOG_SECONDS("seconds", 1002003),
    };
    struct log_content content = {LOG_LEVEL_INFO, "said", "started", fields, 4};
    char line[LOG_LINE_MAXIMUM];
    size_t length = log_line(line, &style, &content);

    CHECK(is_line(line, length, ""));
    CHECK(strstr(line, "\"level\":\"info\"") != NULL);
    CHECK(strstr(line, ",\"event\":\"started\",\"text\":\"a\\\"b\",\"number\":18446744073709551615,"
                       "\"seconds\":1.002003,\"message\":\"said\"}") != NULL);
    content = (struct log_content){LOG_LEVEL_ANSWER, "said", NULL, NULL, 0};
    length = log_line(line, &style, &content);
    CHECK(is_line(line, length, "") && strstr(line, "event") == NULL);
}

/* ---- text ---- */

static void check_text(void)
{
    const struct log_style plain = {LOG_FORMAT_TEXT, false, "supervisor"};
    const struct log_style journal = {LOG_FORMAT_TEXT, true, "supervisor"};
    static const char *const expected[LOG_LEVELS][2] = {
        [LOG_LEVEL_DEBUG] = {"[DEBUG] said\n", "<7>said\n"},
        [LOG_LEVEL_INFO] = {"[INFO] said\n", "<6>said\n"},
        [LOG_LEVEL_WARNING] = {"[WARNING] said\n", "<4>said\n"},
        [LOG_LEVEL_ERROR] = {"[ERROR] said\n", "<3>said\n"},
        [LOG_LEVEL_ANSWER] = {"[INFO] said\n", "<6>said\n"},
        [LOG_LEVEL_PLAIN] = {"said\n", "<6>said\n"},
        [LOG_LEVEL_BUG] = {"[BUG] said\n", "<2>said\n"},
    };
    char message[LOG_LINE_MAXIMUM];
    char line[LOG_LINE_MAXIMUM];

    for (int rank = 0; rank < LOG_LEVELS; rank++) {
        const struct log_content content = {.level = (enum log_level)rank, .message = "said"};

        for (int i = 0; i < 2; i++) {
            size_t length = log_line(line, i == 0 ? &plain : &journal, &content);

            CHECK(length == strlen(expected[rank][i]));
            CHECK(memcmp(line, expected[rank][i], length) == 0);
        }
    }
    repeat(message, sizeof(message), "x", sizeof(message));
    CHECK(log_line(line, &plain, &(struct log_content){.message = message}) == LOG_LINE_MAXIMUM);
    CHECK(line[LOG_LINE_MAXIMUM - 1] == '\n' && line[LOG_LINE_MAXIMUM - 2] == 'x');
}

/* Every 97th hour up to the year 2200, and around leap days. */
static void check_time(void)
{
    int failures = 0;

    for (int64_t seconds = 0; seconds < 7258118400; seconds += 97 * 3600 + 1) {
        const time_t time = (time_t)seconds;
        char expected[64];
        char bytes[64];
        struct text text;
        struct tm fields;

        text_open(&text, bytes, sizeof(bytes));
        text_add_time(&text, seconds, 7);
        if (gmtime_r(&time, &fields) == NULL ||
            strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%S.007Z", &fields) == 0)
            failures++;
        else
            failures += strcmp(bytes, expected) != 0;
    }
    CHECK(failures == 0);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "-c") == 0)
        return check_file(argv[2]);
    check_reader();
    check_lengths();
    check_fields();
    check_text();
    check_time();
    return CHECK_RESULT();
}
