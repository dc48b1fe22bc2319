#!/usr/bin/env bats
# Tests what becomes of the service if a pair cannot begin in the place of another.
# shellcheck disable=SC2030,SC2031,SC2153 # tests are subshells of helpers.bash

load ../shared/helpers
load ../shared/control

# Has each file that a process of the daemon is about to open fail, as if the system had no room for it.
exhaust_files() {
    [[ -z $(no_tracer) ]] || skip "$(no_tracer)"
    inject "$DAEMON" openat:error=ENFILE
}

has_failed() { (($(grep -c "$1" "$LOG") >= $2)); }

# The keeper takes a shorter life of the first pair for a failure as well, and waits longer.
has_lived_long() { (($(milliseconds_since "$STARTED") >= 100)); }

has_supervisor() { [[ -n $(supervisor) ]]; }

GAUGE='cannot read /proc/loadavg: Too many open files in system'

# Kills standby and supervisor at once, and waits until other pairs could not begin.
lose_pair() {
    local both
    mapfile -t both < <(standby; supervisor)
    ((${#both[@]} == 2))
    kill -KILL "${both[@]}"
    await has_failed "$GAUGE" 3
}

@test "a pair that cannot begin for want of files is tried again, later and later, and then serves" {
    start -v --address 127.0.0.1 --load-average 1000 0 cat
    STARTED=$(milliseconds)
    exhaust_files
    await has_lived_long
    local begin
    begin=$(milliseconds)
    lose_pair
    has_line 'no supervisor could begin in the place of the last one: trying again in 100 ms' "$LOG"
    # The second and the third attempt follow 100 and 200 ms after the ones before.
    (($(milliseconds_since "$begin") >= 280))
    end_trace
    await has_supervisor
    connect_silently
    local line
    echo hello >&"$CLIENT"
    read -r -t 20 line <&"$CLIENT"
    [[ $line == hello ]]
    exec {CLIENT}>&-
}

@test "a second SIGTERM ends a daemon whose pair cannot begin, with status 1" {
    start -v --address 127.0.0.1 --load-average 1000 --pid-file "$PWD/pid" 0 cat
    exhaust_files
    lose_pair
    local failures
    failures=$(grep -c "$GAUGE" "$LOG")
    kill -TERM "$DAEMON"
    # Two signals that nobody has read yet are one.  The keeper reads the first one before it begins
    # the second pair from now on.
    await has_failed "$GAUGE" $((failures + 2))
    kill -TERM "$DAEMON"
    finish
    end_trace
    ((STATUS == 1))
    [[ ! -e pid ]]
    has_line 'told to end once more' "$LOG"
}
