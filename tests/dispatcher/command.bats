#!/usr/bin/env bats
# Commands that cannot be executed: before the service starts, and while it runs.

bats_require_minimum_version 1.5.0
load ../shared/helpers

@test "a missing command ends the start before the daemon listens: status 127" {
    run -127 "$DAMPENER" 0 no-such-command-here
    [[ $output == *"'no-such-command-here'"*"No such file"* ]]
    run -127 "$DAMPENER" 0 ./no/such/path
}

@test "a command without permission to execute ends the start before the daemon listens: status 126" {
    echo 'echo' >plain
    run -126 "$DAMPENER" 0 ./plain
    [[ $output == *"'./plain'"*"Permission denied"* ]]
    run -126 "$DAMPENER" 0 "$PWD"
    PATH=$PWD:$PATH run -126 "$DAMPENER" 0 plain
}

@test "a command without a slash is searched for in PATH, past a file that is not executable" {
    mkdir first second
    echo >first/greet
    printf '#!/bin/sh\necho found\n' >second/greet
    chmod +x second/greet
    PATH=$PWD/first:$PWD/second:$PATH start --address 127.0.0.1 0 greet
    [[ $(nc -N 127.0.0.1 "$PORT" </dev/null) == found ]]
}

# Makes the command unusable while clients come.  $1 takes it away, $2 brings it back, and $3 is the
# logged reason.
survives_absence() {
    cp "$ANSWER" handler
    start -v --address 127.0.0.1 --processes 2 0 ./handler "$ANSWERS" "$COUNTER"
    "$1"
    "$BURST" "$ADDRESS" "$PORT" 30 >burst &
    local client=$!
    await has_line "cannot start a handler, './handler': $3; the client waits" "$LOG"
    await has_line "next attempt in 400 ms" "$LOG"
    # Several starts may fail before the first failure is known; after that the daemon tries one at a
    # time.
    (($(sed '/next attempt in 400 ms/q' "$LOG" | grep -c 'cannot start a handler') <= 5))
    await status_is queued 30
    "$2"
    wait "$client"
    cat burst
    [[ $(cat burst) == "connected 30 answered 30 failed 0" ]]
    await has_line 'handlers can be started again' "$LOG"
}

remove_handler() { mv handler hidden; }
restore_handler() { mv hidden handler; }
forbid_handler() { chmod a-x handler; }
allow_handler() { chmod a+x handler; }

@test "while the command is removed, clients wait, and service resumes when it is back" {
    survives_absence remove_handler restore_handler "No such file or directory"
}

@test "while the command is not executable, clients wait, and service resumes when it is again" {
    survives_absence forbid_handler allow_handler "Permission denied"
}

@test "clients that waited for the command are served in order of arrival" {
    cp "$ANSWER" handler
    start --address 127.0.0.1 --processes 1 0 ./handler "$ANSWERS" "$COUNTER"
    remove_handler
    "$BURST" "$ADDRESS" "$PORT" 50 >burst &
    local client=$!
    await has_line 'next attempt in 200 ms' "$LOG"
    restore_handler
    wait "$client"
    diff <(seq 50 | awk '{ print $1, $1 }') "$ANSWERS"
}

# Makes the process that tries the command kill its dispatcher before it calls function $1, ptrace or
# execve.
make_assassin() {
    cc -shared -fPIC -x c -o assassin.so - -ldl <<'SOURCE'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <unistd.h>

static void kill_dispatcher(const char *function)
{
    pid_t parent = getppid();

    if (strcmp(program_invocation_short_name, "dispatcher") != 0 || strcmp(getenv("KILLED_AT"), function) != 0)
        return;
    kill(parent, SIGKILL);
    while (getppid() == parent)
        usleep(1000);
}

long ptrace(enum __ptrace_request request, ...)
{
    long (*real)(enum __ptrace_request, long, long, long) = dlsym(RTLD_NEXT, "ptrace");
    __builtin_va_list rest;
    long words[3];

    __builtin_va_start(rest, request);
    for (int i = 0; i < 3; i++)
        words[i] = __builtin_va_arg(rest, long);
    __builtin_va_end(rest);
    if (request == PTRACE_TRACEME)
        kill_dispatcher("ptrace");
    return real(request, words[0], words[1], words[2]);
}

int execve(const char *path, char *const *arguments, char *const *variables)
{
    int (*real)(const char *, char *const *, char *const *) = dlsym(RTLD_NEXT, "execve");

    kill_dispatcher("execve");
    return real(path, arguments, variables);
}
SOURCE
}

@test "if the dispatcher that tries the command is killed, the command is not executed, and nothing is left" {
    if is_sanitized; then skip "a sanitizer must be the first library"; fi
    local function
    make_assassin
    printf '#!/bin/sh\necho >>"%s/executed"\n' "$PWD" >handler
    chmod +x handler
    for function in ptrace execve; do
        WRAPPER=(env KILLED_AT="$function" LD_PRELOAD="$PWD/assassin.so")
        start --address 127.0.0.1 0 ./handler
        has_line '^\[WARNING\] the dispatcher ended while it tried the command, with status 9' "$LOG"
        stop
        await nothing_is_left
        [[ ! -e executed ]]
        : >"$LOG"
    done
}
