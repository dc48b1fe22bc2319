/*
 * lease FILE - whoever executes FILE hangs until this process ends (program.h).
 *
 * Prints "held" once that is so.  Who hangs stays with that file, whatever has its name by then.
 */
#include "tests/shared/program.h"

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    (void)program_hold(argv[1]);
    (void)puts("held");
    (void)fflush(stdout);
    for (;;)
        (void)pause(); /* a signal ends it */
}
