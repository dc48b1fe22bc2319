/*
 * clock - prints the time on the clock that all records of the trial are kept by, in microseconds.
 */
#include "tests/tools/chaos/record.h"

int main(void)
{
    return printf("%lld\n", (long long)record_clock()) > 0 ? 0 : 1;
}
