/*
 * without_option NUMBER COMMAND [ARG]... - executes a command as on a kernel whose sockets lack an
 * option.
 *
 * getsockopt(2) and setsockopt(2) of the option NUMBER of SOL_SOCKET fail with ENOPROTOOPT in this
 * process and in all that descend from it.  All else is as the kernel does it.  Exits with 77 on a
 * processor whose calls it does not know.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__) && !defined(__ILP32__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#define ARCHITECTURE 0
#endif

#define FIELD(name)  ((uint32_t)offsetof(struct seccomp_data, name))
#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset)
/* Goes on with the next instruction if the value is that one, else skips so many. */
#define REQUIRE(value, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skip)

enum { OPTION = 8 /* the place of its number in the code */ };

/* The kernel takes the lower half of level and option: they are int.  Both processors are
 * little-endian. */
static struct sock_filter code[] = {
    LOAD(FIELD(arch)),
    REQUIRE(ARCHITECTURE, 8),
    LOAD(FIELD(nr)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getsockopt, 1, 0),
    REQUIRE(SYS_setsockopt, 5),
    LOAD(FIELD(args[1])),
    REQUIRE(SOL_SOCKET, 3),
    LOAD(FIELD(args[2])),
    REQUIRE(0, 1), /* OPTION */
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOPROTOOPT),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

static int fail(const char *what, int status)
{
    (void)fprintf(stderr, "without_option: %s: %s\n", what, strerror(errno));
    return status;
}

/* Without the right to do otherwise, only a process that will gain no privileges gets a filter. */
static int install(void)
{
    const struct sock_fprog program = {.len = sizeof(code) / sizeof(*code), .filter = code};

    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0)
        return 0;
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
               ? -1
               : prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

int main(int argc, char **argv)
{
    const int off = 0;
    const int option = argc < 3 ? 0 : (int)strtol(argv[1], NULL, 10);

    if (ARCHITECTURE == 0 || option <= 0)
        return 77;
    code[OPTION].k = (uint32_t)option;
    if (install() != 0)
        return fail("seccomp", 77);
    if (setsockopt(STDIN_FILENO, SOL_SOCKET, option, &off, sizeof(off)) == 0 ||
        errno != ENOPROTOOPT)
        return fail("the option is still there", 1);
    (void)execvp(argv[2], argv + 2);
    return fail(argv[2], 127);
}
