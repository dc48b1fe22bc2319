/*
 * clock.so - to be loaded before libc (ld.so(8), LD_PRELOAD): asks the kernel for the time.
 *
 * Libc asks what the kernel has put into each process for that (vdso(7)), which begins anew
 * whenever the clock has ticked meanwhile.  Taken one by one, its instructions last so long that it
 * does: how many there are would be chance, and more on a slow machine.
 */
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *now)
{
    return (int)syscall(SYS_clock_gettime, clock, now);
}
