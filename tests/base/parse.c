/*
 * Words as values: what is taken, and how exactly.
 */
#include "supervisor/base/parse.h"

#include "tests/shared/check.h"

#include <stdlib.h>
#include <string.h>

static void check_host_names(void)
{
    static const char *const names[] = {"localhost",
                                        "a",
                                        "mirror1.example.org",
                                        "example.org.",
                                        "3com.com",
                                        "10.0.0.x",
                                        "1.2.3.4a",
                                        "a-b.c--d",
                                        "0xg",
                                        "X",
                                        "10.example"};
    /* Addresses, mistyped ones, and what getaddrinfo(3) takes for one. */
    static const char *const others[] = {"",
                                         ".",
                                         "..",
                                         "a..b",
                                         ".a",
                                         "a...",
                                         "-a",
                                         "a-",
                                         "a.-b",
                                         "a_b",
                                         "a b",
                                         "a/8",
                                         "*.org",
                                         "10",
                                         "10.0.0",
                                         "10.0.0.",
                                         "10.0.0.0/8",
                                         "10.0.0/8",
                                         "300.1.1.1",
                                         "1.1.1.300",
                                         "0x7f",
                                         "0x7f.1",
                                         "0X7F",
                                         "0x",
                                         "1.0x2",
                                         "example.0xa",
                                         "10.0.0.0-10.0.0.255",
                                         "10.0.0.0-8",
                                         "::1",
                                         "fe80::1",
                                         "1::2::3",
                                         "[::1]",
                                         "a:b",
                                         "a.1",
                                         "\xc3\xa9.org",
                                         "a\n"};

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        CHECK(parse_is_host_name(names[i]) || fprintf(stderr, "%s\n", names[i]) < 0);
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        CHECK(!parse_is_host_name(others[i]) || fprintf(stderr, "%s\n", others[i]) < 0);
}

static void check_long_host_names(void)
{
    char longest[256];

    for (size_t i = 0; i < sizeof(longest); i++)
        longest[i] = i % 64 == 63 ? '.' : 'a';
    longest[253] = '\0';
    CHECK(parse_is_host_name(longest));
    longest[63] = 'a';
    CHECK(!parse_is_host_name(longest)); /* a label is too long */
    longest[63] = '.';
    longest[253] = 'a';
    longest[255] = '\0';
    CHECK(!parse_is_host_name(longest)); /* the name is */
}

int main(void)
{
    uint64_t number = 7;
    uint64_t time = 7;
    double decimal = 7;
    uint16_t port = 7;

    CHECK(parse_number("0", 10, &number) && number == 0);
    CHECK(parse_number("10", 10, &number) && number == 10);
    CHECK(parse_number("007", 10, &number) && number == 7);
    CHECK(!parse_number("11", 10, &number));
    CHECK(parse_number("18446744073709551615", UINT64_MAX, &number) && number == UINT64_MAX);
    CHECK(!parse_number("18446744073709551616", UINT64_MAX, &number));
    CHECK(!parse_number("", 10, &number) && !parse_number("-0", 10, &number));
    CHECK(!parse_number("+1", 10, &number) && !parse_number(" 1", 10, &number));
    CHECK(!parse_number("1 ", 10, &number) && !parse_number("0x1", 10, &number));
    CHECK(number == UINT64_MAX); /* what is not taken changes nothing */

    CHECK(parse_decimal("0", &decimal) && decimal >= 0 && decimal <= 0);
    CHECK(parse_decimal("2.5", &decimal) && decimal > 2.49 && decimal < 2.51);
    CHECK(!parse_decimal("2.", &decimal) && !parse_decimal(".5", &decimal));
    CHECK(!parse_decimal("inf", &decimal) && !parse_decimal("1e3", &decimal));
    CHECK(!parse_decimal("1234567890123456", &decimal));

    CHECK(parse_time("1", &time) && time == 1000000);
    CHECK(parse_time("1s", &time) && time == 1000000);
    CHECK(parse_time("250ms", &time) && time == 250000);
    CHECK(parse_time("1.5m", &time) && time == 90000000);
    CHECK(parse_time("2h", &time) && time == 7200000000);
    CHECK(parse_time("0", &time) && time == 0);
    CHECK(!parse_time("1d", &time) && !parse_time("1 s", &time) && !parse_time("s", &time));
    CHECK(!parse_time("8785h", &time)); /* more than a year */

    CHECK(parse_port("0", &port) && port == 0);
    CHECK(parse_port("65535", &port) && port == 65535);
    CHECK(!parse_port("65536", &port) && !parse_port("", &port) && !parse_port("12x", &port));
    check_host_names();
    check_long_host_names();
    return CHECK_RESULT();
}
