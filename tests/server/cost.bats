#!/usr/bin/env bats
# What a connection costs today, before the guard against one that becomes dearer.

load ../shared/helpers
load ../shared/bench-check

@test "a connection takes no more system calls and instructions than recorded" {
    is_sanitized && skip "a sanitizer makes everything dearer"
    command -v strace >/dev/null || skip "strace is not installed"
    # In a burst it depends a little on the machine's load how much each process finds together.
    # Who has become dearer is that each time.
    local attempt
    for attempt in 1 2 3; do
        run bench_check --quick --build "$BUILD"
        echo "$output"
        if ((status == 77)); then skip "it cannot be measured here"; fi
        if ((status == 0)); then break; fi
    done
    [[ $status == 0 ]]
    [[ $output == *"burst: supervisor, system calls"* ]]
    expect_no_stale_figures
}
