/*
 * calls.h - the table of system calls: by which errors each may plausibly fail.
 *
 * That is, for a program that uses them as these do: what the kernel says when memory, descriptors,
 * processes or rights are lacking, when a device fails, when a signal comes, or when a policy of
 * the system (seccomp, a security module, a container) does not permit it.  Not what only a
 * mistake in the program's own arguments brings about, such as EBADF, nor what would be a lie about
 * others, such as ECHILD.  A call that fails differently by what it is asked for has several rows,
 * "NAME/WHAT".
 */
#ifndef TESTS_TOOLS_FAULTS_RUN_CALLS_H
#define TESTS_TOOLS_FAULTS_RUN_CALLS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    CALLS_NUMBERS = 512, /* system calls have lower numbers */
    CALLS_ROWS = 160,    /* at most */
    CALLS_KINDS = CALLS_ROWS + CALLS_NUMBERS
};

/* Two that are tried for each call, as if they were errors.  No errno is so high. */
enum {
    CALLS_KILL = 4096, /* KILL: SIGKILL comes as the call begins, and it is not carried out */
    CALLS_KILL_AFTER   /* KILL_AFTER: it comes once the call is carried out, before it returns */
};

struct call {
    const char *name;
    long number;
    bool (*is_it)(pid_t process, const uint64_t *arguments); /* NULL: all that are left */
    bool carried_out;   /* it is all the same, and only its result says otherwise */
    const char *errors; /* names, with a space between them; empty: it cannot fail */
};

/* Which it is: the number of its row, or for one that has none, CALLS_ROWS and its own number. */
unsigned calls_kind(pid_t process, long number, const uint64_t *arguments);

/* NULL: not in the table. */
const struct call *calls_by_kind(unsigned kind);
const struct call *calls_by_name(const char *name);

/* 0: not known. */
int calls_error(const char *name);

/* Prints the table, a line each: the name, and the errors. */
void calls_print(void);

#endif
