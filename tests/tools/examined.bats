#!/usr/bin/env bats
# Tests that sanitized builds and builds for valgrind find a leak in each program.

load ../shared/helpers

setup_file() {
    # Leaks many times, in case the stack still holds a pointer to one block.
    cc -shared -fPIC -O0 -x c -o "$BATS_FILE_TMPDIR/leak.so" - <<'END'
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
__attribute__((constructor)) static void leak(void)
{
    for (int i = 0; i < 100; i++)
        if (strcmp(program_invocation_short_name, getenv("LEAKING")) == 0)
            *(volatile char *)malloc(1000) = 1;
}
END
}

# Makes programs named $1 leak from now on.
plant_leak() {
    is_sanitized || skip "this build does not look for leaks"
    WRAPPER=(env LEAKING="$1" LD_PRELOAD="$BATS_FILE_TMPDIR/leak.so"
        ASAN_OPTIONS="$ASAN_OPTIONS:verify_asan_link_order=0")
}

# A sanitizer reports on standard error, valgrind in a file.
is_found() {
    grep -q "LeakSanitizer: detected memory leaks" "$LOG" ||
        findings_of_test | xargs -r grep -q ' definitely lost in '
}

# Removes the findings, because teardown would fail the test for them.
forget_findings() {
    : >"$LOG"
    findings_of_test | xargs -r rm
}

@test "a leak in the supervisor is found at its exit" {
    plant_leak socket-burst-dampener
    start --address 127.0.0.1 0 true
    stop TERM
    is_found
    [[ $STATUS == 99 ]]
    forget_findings
}

@test "a leak in a dispatcher is found while it serves" {
    plant_leak dispatcher
    # The leak may be found before the daemon serves.
    start --address 127.0.0.1 0 true || true
    await is_found
    if is_alive "$DAEMON"; then kill "$DAEMON"; fi
    finish
    await nothing_is_left
    forget_findings
}

@test "a leak in dampenerctl or a probe is found at its exit" {
    local program status
    for program in "$BUILD/dampenerctl" "$BUILD/tests/base/backoff"; do
        plant_leak "${program##*/}"
        status=0
        "${WRAPPER[@]}" "$program" >/dev/null 2>>"$LOG" || status=$?
        ((status == 99))
        is_found
        forget_findings
    done
}
