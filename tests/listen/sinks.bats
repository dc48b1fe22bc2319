#!/usr/bin/env bats
# Tests that nobody waits for files that clients of a Unix socket have sent along.
# shellcheck disable=SC2016,SC2030,SC2031 # $ is for another shell; tests are subshells of helpers.bash

load ../shared/helpers
load ../shared/control

SINKER=$BUILD/tests/programs/attackers/sinker

# Begins an attack with $2 clients on the socket $1, and waits until all are connected.  Further
# arguments are those of sinker.
attack() {
    : >attack
    (close_descriptors; exec "$SINKER" "$@" >attack) &
    ATTACK=$!
    await test -s attack
}

hang_up_attack() {
    kill -USR1 "$ATTACK"
    await has_line hungup attack
}

end_attack() {
    kill -TERM "$ATTACK"
    wait "$ATTACK"
}

# Requires that the operator gets each of 20 answers soon: as a close that waits takes ten minutes, a
# loaded machine may take its time.
answers_soon() {
    local longest=0 begin passed i
    for ((i = 0; i < 20; i++)); do
        begin=$(milliseconds)
        say status >answer || return 1
        passed=$(milliseconds_since "$begin")
        if ((passed > longest)); then longest=$passed; fi
    done
    echo "longest answer: $longest ms"
    ((longest < 250 * ${DAMPENER_PATIENCE:-20}))
}

# Requires that the operator gets answers soon, and that other clients are served, while 100
# clients with sinks hang up, are refused, or are served.
bears() {
    attack "$PWD/socket" 100
    cat attack
    hang_up_attack
    answers_soon
    say resume >/dev/null
    "$BURST" "unix:$PWD/socket" 0 20 >burst
    [[ $(cat burst) == "connected 20 answered 20 failed 0" ]]
    answers_soon
    end_attack
}

# Starts a paused daemon, so that clients wait: arguments are options.
start_paused() {
    start -v --control control --processes 2 "$@" "unix:$PWD/socket" "$ANSWER" "$ANSWERS" "$COUNTER"
    say pause >/dev/null
}

@test "descriptors are refused where the kernel can: neither hang-ups nor handlers close any" {
    start_paused
    attack "$PWD/socket" 3
    [[ $(cat attack) == "sent 0 refused 3" ]] || skip "the kernel cannot refuse descriptors"
    end_attack
    bears
    [[ $(head -n 1 attack) == "sent 0 refused 100" ]]
}

@test "without that, the supervisor waits for no file of a client that hangs up" {
    pretend_old_kernel
    start_paused
    bears
    [[ $(head -n 1 attack) == "sent 100 refused 0" ]]
}

@test "without that, the supervisor waits for no file of a client that is refused" {
    pretend_old_kernel
    start_paused --queue 0 --when-full refuse
    attack "$PWD/socket" 100
    await field_exceeds refused_queue 97
    answers_soon
    hang_up_attack
    answers_soon
    end_attack
}

@test "without that, the supervisor waits for no file of a client that has waited for too long, or of a drain" {
    pretend_old_kernel
    start_paused --queue-timeout 0.5
    attack "$PWD/socket" 100
    await field_exceeds refused_timeout 99
    end_attack
    attack "$PWD/socket" 20
    local begin
    begin=$(milliseconds)
    kill -INT "$DAEMON"
    finish
    echo "took $(milliseconds_since "$begin") ms"
    (($(milliseconds_since "$begin") < 3000))
    end_attack
}

@test "without that, neither dispatcher nor supervisor waits for files of clients with a handler" {
    pretend_old_kernel
    start -v --control control --processes 200 --dispatchers 2 "unix:$PWD/socket" true
    attack "$PWD/socket" 100 hangup
    await fields_are queued 0 starting 0 running 0 accepted 100
    answers_soon
    refute grep 'has not answered' "$LOG"
    end_attack
}

@test "without that, the next supervisor waits for no file of a client" {
    pretend_old_kernel
    start_paused
    attack "$PWD/socket" 50
    local process
    process=$(supervisor)
    kill -STOP "$process"
    hang_up_attack
    kill -KILL "$process"
    await fields_are queued 0
    answers_soon
    end_attack
}

@test "clients of the control socket cannot make the supervisor wait" {
    start -v --control control --address 127.0.0.1 0 cat
    attack "$PWD/control" 10
    hang_up_attack
    answers_soon
    end_attack
    stop
    pretend_old_kernel
    start -v --control control --address 127.0.0.1 0 cat
    attack "$PWD/control" 10
    hang_up_attack
    answers_soon
    end_attack
}

# Fails unless the keeper has forked in the trace, and each time without a running timer.
forks_undisturbed() {
    awk '
        /setitimer\(/ { runs = !/it_value=\{tv_sec=0, tv_usec=0\}/ }
        /(fork|clone|clone3)\(/ { forks++; if (runs) { print; wrong = 1 } }
        END { exit wrong || forks < 2 }
    ' traced
}

@test "on old kernels, the keeper forks while no timer interrupts it, because fork(2) could begin again for ever" {
    [[ -z $(no_tracer) ]] || skip "$(no_tracer)"
    pretend_old_kernel
    echo busy >busy
    start -v --busy-message @busy --queue 9 --when-full refuse --dispatchers 1 "unix:$PWD/socket" cat
    trace "$DAEMON" -e trace=setitimer,fork,vfork,clone,clone3
    kill -HUP "$DAEMON"
    await has_line 'SIGHUP: files were read again' "$LOG"
    # shellcheck disable=SC2046
    kill_dispatchers $(dispatchers)
    await has_dispatchers 1
    end_trace
    grep "^$DAEMON " traced >keeper
    mv keeper traced
    has_line setitimer traced
    forks_undisturbed
}

@test "a socket that was passed with such clients in its backlog makes nobody wait" {
    WRAPPER=("$BUILD/tests/programs/clients/activate" "unix:$PWD/socket" -- bash -c
        '"$0" "$1" 30 >attack & until [[ -s attack ]]; do sleep 0.01; done; shift; exec "$@"' "$SINKER" "$PWD/socket")
    # A handler that reads what its client has sent waits itself.
    start -v --control "$PWD/control" --processes 40 systemd "$ANSWER" "$ANSWERS" "$COUNTER"
    [[ $(cat attack) == "sent 30 refused 0" ]]
    ATTACK=$(pgrep -f "^$SINKER $PWD/socket 30")
    hang_up_attack
    answers_soon
    "$BURST" "unix:$PWD/socket" 0 20 >burst
    [[ $(cat burst) == "connected 20 answered 20 failed 0" ]]
    kill -TERM "$ATTACK"
}
