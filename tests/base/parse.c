/*
 * Words as values: what is taken, and how exactly.
 */
#include "supervisor/base/parse.h"

#include "tests/shared/check.h"

#include <stdlib.h>

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
    return CHECK_RESULT();
}
