#!/usr/bin/env bats
# System calls that fail while the service runs, or succeed only in part: the service goes on, and
# recovers.

load ../shared/helpers
load ../shared/privileges

export ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0 # the leak checker cannot be traced

require_tracer() { [[ -z $(no_tracer) ]] || skip "$(no_tracer)"; }

# Starts the daemon with one dispatcher.
start_small() { start -v --address 127.0.0.1 --dispatchers 1 "$@" 0 cat; }

answers_hello() { [[ $(echo hello | timeout 20 nc -N 127.0.0.1 "$PORT") == hello ]]; }

@test "a dispatcher that cannot be replaced at once is replaced later" {
    require_tracer
    local fault
    start_small
    for fault in memfd_create:error=ENFILE:when=1..2 clone:error=EAGAIN:when=1; do
        : >"$LOG"
        inject "$DAEMON" "$fault"
        kill -KILL "$(dispatchers)"
        await has_line 'cannot start dispatcher 0: .*; trying again' "$LOG"
        await has_dispatchers 1
        end_trace
        answers_hello
    done
}

@test "the keeper reaps the handler of a dead dispatcher, even if it is interrupted while it looks for it" {
    require_tracer
    start_small --processes 2
    { until [[ -e go ]]; do sleep 0.02; done; echo hello; } | timeout 60 nc -N 127.0.0.1 "$PORT" >answer &
    local client=$!
    await status_is running 1
    kill -KILL "$(dispatchers)"
    await has_line 'was killed by signal 9: replacing it' "$LOG"
    answers_hello # by the next dispatcher
    await status_is served 1
    inject "$DAEMON" waitid:error=EINTR:when=1
    touch go
    wait "$client"
    await status_is served 2
}

@test "a dispatcher without a descriptor for its client ends, and the next dispatcher serves the client" {
    command -v prlimit >/dev/null || skip "prlimit is not installed"
    sees_daemons || skip "/proc does not show processes that hide"
    start_small
    local dispatcher
    dispatcher=$(dispatchers)
    prlimit --pid "$dispatcher" --nofile=5:20000
    echo hello | timeout 20 nc -N 127.0.0.1 "$PORT" >answer &
    local client=$!
    wait "$client"
    [[ $(cat answer) == hello ]]
    grep -q '^\[ERROR\] dispatcher: cannot receive the descriptors of clients; is its limit too low?$' "$LOG"
    [[ $(dispatchers) != "$dispatcher" ]]
}

@test "a dispatcher for which the supervisor has no descriptors is replaced until it has some" {
    command -v prlimit >/dev/null || skip "prlimit is not installed"
    [[ $(id -u) == 0 ]] || skip "the supervisor must run as root, so that the test may change its limit"
    start_small --supervisor-user root
    prlimit --pid "$(supervisor)" --nofile=5:20000
    kill -KILL "$(dispatchers)"
    await has_line 'there is no room for the descriptors of dispatcher 0' "$LOG"
    prlimit --pid "$(supervisor)" --nofile=20000:20000
    answers_hello
}

@test "a dispatcher lives if poll fails for a moment, and is replaced if recvmsg always fails" {
    require_tracer
    start_small
    local dispatcher
    dispatcher=$(dispatchers)
    inject "$dispatcher" poll:error=ENOMEM:when=1..3
    answers_hello
    end_trace
    [[ $(dispatchers) == "$dispatcher" ]]
    inject "$dispatcher" recvmsg:error=EPERM
    answers_hello
    await has_line "cannot receive from the supervisor: Operation not permitted" "$LOG"
    end_trace
}

@test "a signal that cannot be sent to a handler is logged, and a second one follows" {
    require_tracer
    start_small --timeout 300ms --kill-after 300ms
    inject "$(dispatchers)" kill:error=EPERM:when=1
    connect_silently
    await has_line 'cannot send signal 15 to process group .*: Operation not permitted' "$LOG"
    await status_is served 1 # by the second signal
    end_trace
    exec {CLIENT}>&-
}

@test "a reload keeps the old rules if the supervisor has no descriptor for the file" {
    command -v prlimit >/dev/null || skip "prlimit is not installed"
    [[ $(id -u) == 0 ]] || skip "the supervisor must run as root, so that the test may change its limit"
    echo 'deny 127.0.1.1' >rules
    start_small --supervisor-user root --access-file rules
    echo 'deny 127.0.0.1' >rules
    prlimit --pid "$(supervisor)" --nofile=5:20000
    kill -HUP "$DAEMON"
    await has_line 'cannot read rules: Too many open files' "$LOG"
    prlimit --pid "$(supervisor)" --nofile=20000:20000
    answers_hello
}

nobody_listens() { [[ -z $(ss -Hltn "sport = :$PORT") ]]; }

@test "a drain frees the port although the keeper could not be told at first" {
    require_tracer
    start_small
    connect_silently
    await status_is running 1
    inject "$(supervisor)" sendmsg:error=EAGAIN
    kill -TERM "$DAEMON"
    await has_line '^\[INFO\] ending: ' "$LOG"
    refute nobody_listens
    end_trace
    await nobody_listens
    is_alive "$DAEMON"
    exec {CLIENT}>&-
    finish
    ((STATUS == 0))
}
