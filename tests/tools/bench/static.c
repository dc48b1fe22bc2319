/*
 * static - the cheapest handler there is: writes "ok\n" to the connection and ends.
 *
 * Linked statically, as a dynamic linker would take longer than all the rest of its life; and where
 * it knows how to call the kernel, without a libc.  That of GNU asks the processor about all its
 * features before main(), and on a virtual machine each question is one to the host.
 */
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__) || defined(__aarch64__)

static long call(long number, long first, const void *second, long third)
{
#if defined(__x86_64__)
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(first), "S"(second), "d"(third)
                     : "rcx", "r11", "memory");
    return result;
#else
    register long x0 __asm__("x0") = first;
    register const void *x1 __asm__("x1") = second;
    register long x2 __asm__("x2") = third;
    register long x8 __asm__("x8") = number;

    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x1), "r"(x2), "r"(x8) : "memory");
    return x0;
#endif
}

/* The linker wants the name.  NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl*) */
_Noreturn void _start(void);
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl*) */

_Noreturn void _start(void)
{
    long written = call(SYS_write, STDOUT_FILENO, "ok\n", 3);

    for (;;)
        (void)call(SYS_exit_group, written == 3 ? 0 : 1, NULL, 0);
}

#else

int main(void)
{
    return write(STDOUT_FILENO, "ok\n", 3) == 3 ? 0 : 1;
}

#endif
