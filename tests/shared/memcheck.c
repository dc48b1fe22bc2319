/*
 * Linked into every program of a build with MEMCHECK=1 (see the Makefile): it starts itself anew
 * under valgrind, wherever and by whomever it is started, as the file that it is.  What it executes
 * is not under valgrind unless it is such a program, too; so handlers are not.
 *
 * Findings go to a file each in the folder findings, named after the test, and give the program an
 * exit status of its own.  That folder and the file memcheck.supp are in the folder that the
 * variable DAMPENER_EXAMINED names, or else in MEMCHECK_BUILD, which other users may not reach.
 */
#include <errno.h>
#include <linux/limits.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <valgrind/valgrind.h>

enum { ARGUMENTS_MAXIMUM = 4096 };

static const char *examined_folder(void)
{
    const char *folder = getenv("DAMPENER_EXAMINED");

    return folder == NULL ? MEMCHECK_BUILD : folder;
}

/* The folder of the test that this is a part of, with nothing in it that ends a file's name. */
static void findings_path(char *path, size_t size)
{
    const char *test = getenv("DAMPENER_TEST");
    int length = snprintf(path, size, "--log-file=%s/findings/", examined_folder());

    (void)snprintf(path + length, size - (size_t)length, "%s.%s.%%p", test == NULL ? "" : test,
                   program_invocation_short_name);
    for (char *character = path + length; *character != '\0'; character++)
        if (*character == '/')
            *character = '_';
}

static void start_under_valgrind(int argc, char **argv)
{
    static char file[PATH_MAX];
    static char findings[PATH_MAX + 64];
    static char suppressions[PATH_MAX + 64];
    static const char *arguments[ARGUMENTS_MAXIMUM] = {
        "valgrind",
        "--quiet",
        "--error-exitcode=99",
        "--leak-check=full",
        "--show-leak-kinds=definite",
        "--errors-for-leak-kinds=definite",
        "--num-callers=20",
        suppressions,
        "--vgdb=no",
        findings,
        file,
    };
    int count = 0;

    while (arguments[count] != NULL)
        count++;
    if (readlink("/proc/self/exe", file, sizeof(file) - 1) < 0 || argc > ARGUMENTS_MAXIMUM - count)
        return; /* it serves all the same; a test says whether valgrind has it */
    (void)snprintf(suppressions, sizeof(suppressions), "--suppressions=%s/memcheck.supp",
                   examined_folder());
    findings_path(findings, sizeof(findings));
    for (int i = 1; i < argc; i++)
        arguments[count++] = argv[i];
    (void)execv("/usr/bin/valgrind", (char *const *)(uintptr_t)arguments);
}

__attribute__((constructor)) static void begin(int argc, char **argv)
{
    if (RUNNING_ON_VALGRIND == 0)
        start_under_valgrind(argc, argv);
    else /* the name that the process would have, not valgrind's */
        (void)prctl(PR_SET_NAME, program_invocation_short_name, 0, 0, 0);
}

/* ---- clone(2), as far as valgrind knows it ---- */

/* Lets a child have its changes in common with us, or no longer. */
static void remap(void *start, size_t size, int kind)
{
    void *copy = malloc(size);

    if (copy == NULL)
        abort();
    memcpy(copy, start, size);
    if (mmap(start, size, PROT_READ | PROT_WRITE, kind | MAP_FIXED | MAP_ANONYMOUS, -1, 0) != start)
        abort();
    memcpy(start, copy, size);
    free(copy);
}

/* What libc has made clone(2) of, under its other name. */
int __clone(int (*function)(void *), void *stack, int flags, void *argument, ...);

/* Stands before libc's.  valgrind makes a child in the memory of its parent one with a copy of it.
 * So what the child leaves for the parent, behind its argument, is shared in another way, and the
 * parent waits for the exec, which is then over. */
int clone(int (*function)(void *), void *stack, int flags, void *argument, ...)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t start = (uintptr_t)argument & ~(page - 1);
    int32_t *parent_word;
    int32_t *child_word;
    int process;
    int error;
    size_t size;
    va_list rest;

    va_start(rest, argument);
    parent_word = va_arg(rest, int32_t *);
    (void)va_arg(rest, void *);
    child_word = va_arg(rest, int32_t *);
    va_end(rest);

    size = (((uintptr_t)child_word + 2 * sizeof(*child_word) - start) | (page - 1)) + 1;
    remap((void *)start, size, MAP_SHARED);
    process = __clone(function, stack, flags | CLONE_VM | CLONE_VFORK, argument, parent_word,
                      (void *)NULL, child_word);
    error = errno;
    remap((void *)start, size, MAP_PRIVATE);
    if (process > 0)
        *child_word = 0;
    errno = error;
    return process;
}
