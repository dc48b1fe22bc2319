#!/usr/bin/env bats
# Tests supervisors that take the place of others at unusual moments.

load ../shared/helpers
load ../shared/control

# Starts with handlers that answer once the file "go" exists.
start_waiting() {
    # shellcheck disable=SC2016
    start -v --address 127.0.0.1 "$@" 0 \
        bash -c 'until [[ -e go ]]; do sleep 0.02; done; exec "$@"' bash "$ANSWER" "$ANSWERS" "$COUNTER" 20
}

# Brings 3 clients: 1 has a handler, and 2 wait.
start_burst() {
    start_waiting --processes 1 --control control "$@"
    "$BURST" "$ADDRESS" "$PORT" 3 >burst &
    BURSTING=$!
    await status_is running 1
    await status_is queued 2
}

kill_supervisor() {
    local before
    before=$(supervisor)
    kill -KILL "$before"
    await is_gone "$before"
}

has_taken_its_place() {
    (($(grep -c '^\[INFO\] a supervisor takes the place of another: ' "$LOG") >= ${1:-1}))
}

all_are_served() {
    touch go
    wait "$BURSTING"
    [[ $(<burst) == "connected 3 answered 3 failed 0" ]]
}

@test "a supervisor that is killed while the service drains is replaced, and all clients are served" {
    start_burst --metrics 127.0.0.1:0
    kill -TERM "$DAEMON"
    await has_line '^\[INFO\] ending: ' "$LOG"
    kill_supervisor
    await has_taken_its_place
    all_are_served
    finish
    ((STATUS == 0))
}

@test "a supervisor that is killed after a takeover is replaced, and its handlers count in the new daemon" {
    local old
    start_burst
    old=$DAEMON
    start_waiting --takeover control --control control --processes 1
    await has_line '^\[INFO\] process [0-9]* took over' "$LOG"
    DAEMON=$old kill_supervisor
    await has_taken_its_place
    all_are_served
    await is_gone "$old"
    wait "$old"
    refute has_line 'handlers whose end remains unknown' "$LOG"
}

@test "a client sees the end as soon as its handler closes, although the supervisor was killed with a copy of the connection" {
    [[ -z $(no_tracer) ]] || skip "$(no_tracer)"
    # shellcheck disable=SC2016
    start -v --address 127.0.0.1 0 bash -c 'exec 0<&- 1>&-; until [[ -e go ]]; do sleep 0.02; done'
    # It has sent the connection to a dispatcher, and is about to close its own.
    inject "$(supervisor)" close:signal=KILL:when=1
    connect_silently
    await has_taken_its_place
    end_trace
    timeout 20 cat <&"$CLIENT"
    touch go
    await status_is served 1
    exec {CLIENT}>&-
}

@test "a client whose start fails after its dispatcher's death keeps its place although the supervisor is killed as it comes back" {
    [[ -z $(no_tracer) ]] || skip "$(no_tracer)"
    start -v --address 127.0.0.1 --dispatchers 1 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    local dispatcher first
    dispatcher=$(dispatchers)
    inject "$dispatcher" execve:error=ENOENT:delay_enter=3s
    first=$TRACER
    "$BURST" "$ADDRESS" "$PORT" 1 >burst &
    BURSTING=$!
    await status_is starting 1
    kill -KILL "$dispatcher"
    await has_line "^\[WARNING\] dispatcher 0, process $dispatcher, was killed by signal 9" "$LOG"
    # The call that checks whether the connection is that of the client.
    inject "$(supervisor)" getpeername:signal=KILL:when=1
    await has_taken_its_place
    end_trace
    TRACER=$first end_trace
    wait "$BURSTING"
    [[ $(<burst) == "connected 1 answered 1 failed 0" ]]
    [[ $(<"$ANSWERS") == "1 1" ]]
    await status_says 'accepted 1' 'served 1'
}

@test "if first the keeper and then the supervisor is killed, all waiting clients are served" {
    local standby
    echo 'allow all' >rules
    start_burst --access-file rules
    standby=$(standby)
    kill_keeper
    DAEMON=
    kill -KILL "$(children_named "$standby" supervisor)"
    await has_taken_its_place
    all_are_served
    await nothing_is_left
}

kill_keeper() {
    kill -KILL "$DAEMON"
    wait "$DAEMON" || true
    await has_line '^\[ERROR\] the keeper is dead' "$LOG"
}

@test "supervisors that die at once, without use to anybody, are replaced ever later" {
    local begin kill
    start -v --address 127.0.0.1 --control control 0 cat
    await "$BUILD/dampenerctl" control status >answer # it serves
    begin=$(milliseconds)
    for kill in {1..7}; do # delays of 10 to 640 ms
        kill_supervisor
        await has_taken_its_place "$kill"
    done
    (($(milliseconds_since "$begin") >= 1000))
}

@test "if all dispatchers are stopped when a supervisor is killed, the next one knows that none can serve" {
    start_controlled 0 cat
    dispatchers | xargs kill -STOP
    await health_is 503
    kill_supervisor
    await has_taken_its_place
    health_is 503
    dispatchers | xargs kill -CONT
    await health_is 200
}

@test "while dispatchers answer the roll call the service is healthy; after two seconds without an answer it is not" {
    start_controlled 0 cat
    hold_dispatchers
    kill_supervisor
    health_is 200
    await health_is 503
    release_dispatchers
    await health_is 200
}
