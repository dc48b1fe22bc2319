/*
 * kernel_call.h - system calls that change only registers, for a child in its parent's memory:
 * setting errno would change the parent's.
 *
 * kernel_call() returns the kernel's result, a negative errno after a failure.  On unknown
 * architectures KERNEL_CALL_IS_BARE is 0: kernel_call() changes errno, and a child must not run
 * beside its parent.
 */
#ifndef DISPATCHER_SHARED_KERNEL_CALL_H
#define DISPATCHER_SHARED_KERNEL_CALL_H

#include <sys/syscall.h>

/* For functions that run in a child in its parent's memory: a sanitizer's state is the parent's. */
#define KERNEL_CALL_ONLY __attribute__((no_sanitize("address", "undefined")))

/* Registers: see syscall(2). */
#if defined(__x86_64__) && defined(__LP64__)

#define KERNEL_CALL_IS_BARE 1

static inline long kernel_call(long number, long first, long second, long third, long fourth)
{
    register long r10 __asm__("r10") = fourth;
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(first), "S"(second), "d"(third), "r"(r10)
                     : "rcx", "r11", "memory");
    return result;
}

#elif defined(__aarch64__)

#define KERNEL_CALL_IS_BARE 1

static inline long kernel_call(long number, long first, long second, long third, long fourth)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = first;
    register long x1 __asm__("x1") = second;
    register long x2 __asm__("x2") = third;
    register long x3 __asm__("x3") = fourth;

    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
    return x0;
}

#else

#include <errno.h>
#include <unistd.h>

#define KERNEL_CALL_IS_BARE 0

static inline long kernel_call(long number, long first, long second, long third, long fourth)
{
    long result = syscall(number, first, second, third, fourth);

    return result < 0 ? -errno : result;
}

#endif

#endif
