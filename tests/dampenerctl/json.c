/*
 * JSON that is not trusted: what is taken, what is not, and the values by their paths.
 */
#include "supervisor/dampenerctl/json.h"

#include "supervisor/dampenerctl/status.h"
#include "tests/shared/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST = 1 << 16 };

/* The text stands at the end of its memory, so that a sanitizer sees a step beyond. */
static bool opens_bytes(const char *text, size_t length)
{
    char *copy = malloc(length == 0 ? 1 : length);
    struct json_value root;
    bool opens;

    if (copy == NULL)
        abort();
    memcpy(copy, text, length);
    opens = json_open(&root, copy, length);
    free(copy);
    return opens;
}

static bool opens(const char *text)
{
    return opens_bytes(text, strlen(text));
}

static struct json_value find(const char *text, const char *path)
{
    struct json_value root;

    CHECK(json_open(&root, text, strlen(text)));
    return json_find(root, path);
}

static double number(const char *text)
{
    struct json_value root;
    double value = -7;

    CHECK(json_open(&root, text, strlen(text)));
    CHECK(json_number(root, &value) || value < -6.9);
    return value;
}

static bool reads(const char *text, const char *expected)
{
    struct json_value root;
    char string[16];

    return json_open(&root, text, strlen(text)) && json_string(root, string, sizeof(string)) &&
           strcmp(string, expected) == 0;
}

static void check_good(void)
{
    static const char *const texts[] = {
        "null",
        " true ",
        "false",
        "0",
        "-0",
        "1.5e+10",
        "1E-3",
        "\"\"",
        "[]",
        "{}",
        "[ ]",
        "{ }",
        "\t\r\n[1, 2 ,\n3]",
        "{\"a\":{\"b\":[{},[],null]},\"c\":\"\\u00e4\\n\\\"\\\\\\/\"}",
        "\"\\ud83d\\ude00\"",
        "\"\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80\"",
        "\"\x7f\""};

    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        if (!opens(texts[i]))
            (void)fprintf(stderr, "good, but refused: %s\n", texts[i]);
        CHECK(opens(texts[i]));
    }
}

/* It is the table that is long.  NOLINTNEXTLINE(readability-function-size) */
static void check_bad(void)
{
    static const char *const texts[] = {"",
                                        " ",
                                        "nul",
                                        "nulll",
                                        "True",
                                        "tru",
                                        "01",
                                        "-",
                                        "+1",
                                        ".5",
                                        "1.",
                                        "1e",
                                        "1e+",
                                        "0x10",
                                        "NaN",
                                        "Infinity",
                                        "-Infinity",
                                        "1 2",
                                        "[",
                                        "]",
                                        "[1",
                                        "[1,",
                                        "[1,]",
                                        "[,1]",
                                        "[1 2]",
                                        "{",
                                        "}",
                                        "{\"a\"",
                                        "{\"a\":",
                                        "{\"a\":1",
                                        "{\"a\":1,",
                                        "{\"a\":1,}",
                                        "{,}",
                                        "{a:1}",
                                        "{1:1}",
                                        "{\"a\" 1}",
                                        "{\"a\":1 \"b\":2}",
                                        "[1}",
                                        "{\"a\":1]",
                                        "\"",
                                        "\"a",
                                        "\"\\\"",
                                        "\"\\",
                                        "\"\\x\"",
                                        "\"\\u\"",
                                        "\"\\u12\"",
                                        "\"\\u12g4\"",
                                        "\"\\U0041\"",
                                        "\"\\ud800\"",
                                        "\"\\ud800x\"",
                                        "\"\\ud800\\n\"",
                                        "\"\\ud800\\u0041\"",
                                        "\"\\udc00\"",
                                        "\"\\ud800\\ud800\"",
                                        "\"\n\"",
                                        "\"\t\"",
                                        "\"\x1b[2J\"",
                                        "\"\xff\"",
                                        "\"\xc3\"",
                                        "\"\xc0\x80\"",
                                        "\"\xe0\x80\x80\"",
                                        "\"\xed\xa0\x80\"",
                                        "\"\xf4\x90\x80\x80\"",
                                        "\"\xf8\x88\x80\x80\x80\"",
                                        "\"\x80\"",
                                        "'a'",
                                        "[1]]",
                                        "// x\n1",
                                        "\xef\xbb\xbf 1"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        if (opens(texts[i]))
            (void)fprintf(stderr, "bad, but taken: %s\n", texts[i]);
        CHECK(!opens(texts[i]));
    }
    CHECK(!opens_bytes("1\0", 2) && !opens_bytes("\"a\0b\"", 5) && !opens_bytes("[\0]", 3));
}

/* Every beginning of a good text is a bad one. */
static void check_truncated(void)
{
    static const char text[] =
        "{\"a\":[1.5e3,\"\\ud83d\\ude00\xe2\x82\xac\",{\"b\":null}],\"c\":true}";

    CHECK(opens(text));
    for (size_t length = 0; length < sizeof(text) - 1; length++)
        CHECK(!opens_bytes(text, length));
}

static void check_depth(void)
{
    static char text[LONGEST];

    for (unsigned depth = 1; depth <= LONGEST / 2; depth *= 2) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        CHECK(opens_bytes(text, 2 * (size_t)depth) == (depth <= JSON_DEPTH));
        CHECK(!opens_bytes(text, depth));
    }
    for (size_t i = 0; i + 5 <= sizeof(text); i += 5)
        memcpy(text + i, "{\"a\":", 5);
    CHECK(!opens_bytes(text, sizeof(text)));
}

static void check_paths(void)
{
    static const char text[] = "{\"a\":1,\"b\":{\"a\":2,\"b\":{\"c\":3}},\"\":4,\"d.e\":5,"
                               "\"\\u0066\":6,\"a\":7,\"g\":[8,[9],{\"h\":10}],\"i\":null}";
    struct json_value array = find(text, "g");
    double value;

    CHECK(json_number(find(text, "a"), &value) && value > 0.9 && value < 1.1); /* the first one */
    CHECK(json_number(find(text, "b.a"), &value) && value > 1.9 && value < 2.1);
    CHECK(json_number(find(text, "b.b.c"), &value) && value > 2.9 && value < 3.1);
    CHECK(json_number(find(text, "f"), &value) && value > 5.9 && value < 6.1);
    CHECK(find(text, "i").type == JSON_NULL);
    CHECK(find(text, "b.c").type == JSON_MISSING && find(text, "x").type == JSON_MISSING);
    CHECK(find(text, "a.a").type == JSON_MISSING && find(text, "g.h").type == JSON_MISSING);
    CHECK(find(text, "ab").type == JSON_MISSING && find("[1]", "a").type == JSON_MISSING);
    CHECK(json_number(json_element(array, 0), &value) && value > 7.9 && value < 8.1);
    CHECK(json_element(array, 1).type == JSON_ARRAY && json_element(array, 2).type == JSON_OBJECT);
    CHECK(json_element(array, 3).type == JSON_MISSING);
    CHECK(json_element(find(text, "b"), 0).type == JSON_MISSING);
    CHECK(json_find(json_find(find(text, "x"), "y"), "z").type == JSON_MISSING);
    CHECK(find(text, "x.y").start != NULL); /* a sanitizer of clang's minds arithmetic with it */
}

static void check_values(void)
{
    struct json_value root;
    char digits[200];

    CHECK(number("12.5") > 12.4 && number("12.5") < 12.6);
    CHECK(number("-1e3") < -999.0 && number("-1e3") > -1001.0);
    CHECK(number("1e999") < -6.9); /* not finite */
    CHECK(number("\"1\"") < -6.9 && number("null") < -6.9);
    memset(digits, '1', sizeof(digits));
    CHECK(json_open(&root, digits, sizeof(digits)) && !json_number(root, &(double){0}));

    CHECK(reads("\"rsync\"", "rsync") && reads("\"\"", ""));
    CHECK(reads("\"a\\u001b[2J\\n\"", "a?[2J?") && reads("\"\xc2\x9b"
                                                         "1m\\u009b\"",
                                                         "?1m?"));
    CHECK(reads("\"\\u0000x\\u007f\x7f\"", "?x??") && reads("\"\\\"\\\\\\/\"", "\"\\/"));
    CHECK(reads("\"0123456789abcdefghi\"", "0123456789abcde")); /* as much as fits */
    CHECK(!reads("12", "12"));
}

/* What an older daemon does not say is unknown, and what is wrong is no reason to refuse the rest.
 */
static void check_status(void)
{
    static const char text[] =
        "{\"queued\":3,\"running\":\"x\",\"limits\":{\"processes\":null,\"rate\":null},\"oldest\":"
        "null,"
        "\"state\":7,\"listeners\":[{\"path\":\"/run/x\",\"backlog\":null},3],"
        "\"busiest\":[{\"source\":\"a\\u001bb\"},0,0,0,0,0,0,0,0,0,0,0,0,0]}";
    struct status status;

    CHECK(status_read(&status, text, sizeof(text) - 1));
    CHECK(status.queued > 2.9 && isnan(status.running) && isnan(status.accepted));
    CHECK(isinf(status.limits.processes) && isnan(status.limits.queue) && isnan(status.oldest));
    CHECK(isinf(status.limits.rate_count) && isnan(status.limits.rate_period));
    CHECK(*status.state == '\0' && *status.version == '\0');
    CHECK(status.listener_count == 2 && strcmp(status.listeners[0].address, "/run/x") == 0);
    CHECK(isnan(status.listeners[0].port) && *status.listeners[1].address == '\0');
    CHECK(status.busiest_count == STATUS_BUSIEST);
    CHECK(strcmp(status.busiest[0].source, "a?b") == 0 && isnan(status.busiest[0].waiting));
    CHECK(!status_read(&status, "[]", 2) && !status_read(&status, text, sizeof(text) - 2));
}

int main(void)
{
    check_good();
    check_bad();
    check_truncated();
    check_depth();
    check_paths();
    check_values();
    check_status();
    return CHECK_RESULT();
}
