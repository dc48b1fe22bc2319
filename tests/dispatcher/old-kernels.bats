#!/usr/bin/env bats
# Tests workers (--persistent) on kernels before Linux 6.16, whose sockets cannot refuse descriptors: what
# workers and clients send must not make the dispatcher wait.
# shellcheck disable=SC2030,SC2031,SC2153 # tests are subshells of helpers.bash

load ../shared/helpers
load ../shared/control
load workers

SINKER=$BUILD/tests/programs/attackers/sinker
LEAVER=$BUILD/tests/programs/handlers/leaver

# Lets the worker obey "sink" or "sinks".  The last close of what it sends takes a minute.  Fails unless it
# is killed and another client is served before the supervisor could miss the dispatcher.
bears() {
    connect_silently
    echo "$1" >&"$CLIENT"
    await has_line 'sent something other than one byte for one client: killing it' "$LOG"
    [[ $(tell hello) == hello ]]
    await are_through 2
    refute grep -e 'has not answered' -e 'the dispatcher refuses descriptors' "$LOG"
    exec {CLIENT}>&-
}

require_tracer() {
    [[ -z $(no_tracer) ]] || skip "$(no_tracer)"
    if is_sanitized; then skip "a dispatcher that looks for leaks cannot be traced"; fi
}

# Starts the daemon for clients of a Unix socket, paused.
start_at_socket() {
    start -v --control control --persistent --dispatchers 1 --processes 8 "$@"
    say pause
}

# Lets 16 clients come, half of them at once.  Each sends along a file whose last close takes ten minutes.
# Fails unless all are served before the supervisor could miss the dispatcher.
bears_clients() {
    (close_descriptors; exec "$SINKER" "$PWD/socket" 16 >attack) &
    ATTACK=$!
    await field_is queued 16
    say resume
    await are_through 16
    [[ $(head -n 1 attack) == "sent 16 refused 0" ]]
    refute grep 'has not answered' "$LOG"
    kill -TERM "$ATTACK"
    wait "$ATTACK"
}

@test "many clients are each served once" {
    pretend_old_kernel
    serve_many 500
}

@test "a worker that sends a descriptor is killed and replaced, and that is logged" {
    pretend_old_kernel
    start_workers 1 0
    local first
    first=$(tell who | cut -d ' ' -f 1)
    [[ $(tell descriptor) == descriptor ]]
    await is_worker_gone "$first"
    grep -q "worker $first sent something other than one byte for one client: killing it" "$LOG"
    [[ $(tell who) == *" 1" ]]
    await are_through 3
    refute grep 'the dispatcher refuses descriptors' "$LOG"
}

@test "a dispatcher does not wait for a connection that it reads from a worker" {
    pretend_old_kernel
    start_workers 2 0
    bears sink
}

@test "a dispatcher does not wait for a connection that it finds when it closes the socket of a worker" {
    pretend_old_kernel
    start_workers 2 0
    bears sinks
}

@test "a dispatcher does not wait for files of clients whose workers wait for them" {
    pretend_old_kernel
    start_at_socket --timeout 300ms "unix:$PWD/socket" "$WORKER" "$ANSWERS" 8
    bears_clients
}

@test "a dispatcher does not wait for files of clients whose workers are dead" {
    require_tracer
    pretend_old_kernel
    start_at_socket "unix:$PWD/socket" "$LEAVER" take
    # The dispatcher lets go of its clients late.
    inject "$(dispatchers)" recvfrom:delay_enter=100ms
    bears_clients
    end_trace
}

# A child between clone and exec may have the last copy; tests/dispatcher/spawn.c holds one there.
@test "neither a dispatcher nor a start waits for files of clients that dead workers have left in their sockets" {
    pretend_old_kernel
    start_at_socket "unix:$PWD/socket" "$LEAVER"
    bears_clients
}

@test "a dispatcher's death disturbs no client of a worker" {
    pretend_old_kernel
    start_workers 3 500
    "$BURST" "$ADDRESS" "$PORT" 5 >burst &
    local client=$!
    await field_is running 3
    # shellcheck disable=SC2046
    kill_dispatchers $(dispatchers)
    wait "$client"
    each_answered_once 5
    await are_through 5
}
