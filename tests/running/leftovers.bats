#!/usr/bin/env bats
# --leftovers: what handlers leave in their process groups when they end.

load ../shared/helpers
load ../shared/control

# The leak checker cannot be traced.
export ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0

# Makes a handler that leaves a process behind for each of its words, and ends.  The process holds the
# connection, and is gentle, stubborn (it ignores SIGTERM), or away (in a session of its own).  The answer
# is their numbers.  At the word "wait" the handler waits for the file "go".
make_leaving_handler() {
    cat >leave <<'HANDLER'
#!/bin/bash
for word; do
    case $word in
    wait)
        until [[ -e go ]]; do sleep 0.05; done
        continue
        ;;
    gentle)
        sleep 1000 &
        ;;
    stubborn)
        trap "" TERM
        sleep 1000 &
        trap - TERM
        ;;
    away)
        setsid sleep 1000 &
        until [[ $(awk '{ print $6 }' /proc/$!/stat) == "$!" ]]; do sleep 0.01; done
        ;;
    esac
    echo $!
    echo $! >>members
done
HANDLER
    chmod +x leave
}

# Connects, and reads as many numbers as $1 says into MEMBERS.
connect_left() {
    local i
    connect_silently
    MEMBERS=()
    for ((i = 0; i < $1; i++)); do read -r -t 20 -u "$CLIENT" "MEMBERS[i]"; done
}

# Waits until the connection at descriptor $1 ends.
wait_for_end() { timeout 30 cat <&"$1" >/dev/null; }

# Prints how many processes of make_leaving_handler there are.
sleepers() { processes_of_test | grep -c '^[0-9]* sleep 1000 $' || true; }

has_sleepers() { (($(sleepers) == $1)); }

@test "--leftovers end: a client sees the end of its connection at once, although the handler left a process" {
    start -v --address 127.0.0.1 --processes 2 --leftovers end 0 bash -c 'sleep 1000 & echo x'
    local begin i
    begin=$(milliseconds)
    for i in 1 2 3 4 5 6; do [[ $(timeout 20 nc -N 127.0.0.1 "$PORT" </dev/null) == x ]]; done
    (($(milliseconds_since "$begin") < 500 * ${DAMPENER_PATIENCE:-20}))
    await status_says 'served 6' 'running 0'
    has_sleepers 0
    [[ $(grep -c '^\[INFO\] ticket [1-6]: process [0-9]* has ended: sending SIGTERM to the rest of its group$' "$LOG") == 6 ]]
    refute grep -e SIGKILL -e WARNING "$LOG"
}

@test "by default, what a handler leaves runs on and holds the connection, and its place is free" {
    make_leaving_handler
    start -v --address 127.0.0.1 --processes 1 0 ./leave gentle
    connect_left 1
    await status_says 'served 1' 'running 0'
    local first=${MEMBERS[0]}
    connect_left 1
    await status_says 'served 2' 'running 0'
    has_sleepers 2
    refute read -r -t 0.5 -u "$CLIENT" _
    kill "$first" "${MEMBERS[0]}"
    wait_for_end "$CLIENT"
}

@test "--leftovers end: a process that ignores SIGTERM keeps the place until --kill-after has passed" {
    make_leaving_handler
    start -v --address 127.0.0.1 --processes 1 --leftovers end --kill-after 2 0 ./leave stubborn gentle
    local begin first
    begin=$(milliseconds)
    connect_left 2
    first=$CLIENT
    await is_gone "${MEMBERS[1]}"
    connect_silently
    await status_says 'queued 1' 'running 1' 'served 0'
    is_alive "${MEMBERS[0]}"
    wait_for_end "$first"
    (($(milliseconds_since "$begin") >= 1950))
    read -r -t 20 -u "$CLIENT" _ # the next one has its handler now
    has_line '^\[INFO\] ticket 1: process [0-9]* has ended: sending SIGKILL to the rest of its group$' "$LOG"
    await status_says 'served 2' 'running 0'
    has_sleepers 0
    refute grep WARNING "$LOG"
}

@test "--leftovers end: what 40 handlers leave never exceeds --processes" {
    make_leaving_handler
    # Each handler also counts the processes that are there before it leaves its own.
    cat >count <<'HANDLER'
#!/bin/bash
alive=0
for each in $(cat members); do
    if kill -0 "$each" 2>/dev/null; then alive=$((alive + 1)); fi
done
echo "$alive" >>alive
exec ./leave stubborn
HANDLER
    chmod +x count
    : >members
    start --address 127.0.0.1 --processes 2 --leftovers end --kill-after 100ms 0 ./count
    local i
    for ((i = 0; i < 40; i++)); do
        nc -N 127.0.0.1 "$PORT" </dev/null >/dev/null 3>&- 4>&- &
    done
    await status_is served 40
    sort alive | uniq -c
    has_lines 40 alive
    [[ $(sort -n alive | tail -n 1) == 1 ]] # itself not counted
    has_sleepers 0
}

@test "--leftovers end: processes that have left the group run on" {
    make_leaving_handler
    start --address 127.0.0.1 --leftovers end 0 ./leave away gentle
    connect_left 2
    await status_is served 1
    is_gone "${MEMBERS[1]}"
    is_alive "${MEMBERS[0]}"
    kill "${MEMBERS[0]}"
    wait_for_end "$CLIENT"
}

@test "--leftovers end: a process that leaves the group at SIGTERM frees the place after --kill-after" {
    # shellcheck disable=SC2016
    start --address 127.0.0.1 --leftovers end --kill-after 1 0 bash -c '
        bash -c "trap \"sleep 0.5; exec setsid sleep 1000\" TERM; echo \$\$; while :; do sleep 0.1; done" &
        sleep 0.5'
    connect_left 1
    local first=${MEMBERS[0]}
    connect_left 1 # the status would have the keeper look, too
    is_alive "$first"
    await status_is served 2
    kill "$first" "${MEMBERS[0]}"
    wait_for_end "$CLIENT"
}

@test "--leftovers end: handlers that leave nothing cost the keeper nothing" {
    start -v --address 127.0.0.1 --leftovers end 0 cat
    local before i
    await is_asleep "$DAEMON"
    before=$(switches "$DAEMON")
    for ((i = 0; i < 20; i++)); do [[ $(echo hello | nc -N 127.0.0.1 "$PORT") == hello ]]; done
    await has_line 'ticket 20: ended' "$LOG"
    [[ $(switches "$DAEMON") == "$before" ]]
    refute grep SIGTERM "$LOG"
}

@test "without --leftovers, a dispatcher makes no call for what handlers leave" {
    command -v strace >/dev/null || skip "strace is not installed"
    start -v --address 127.0.0.1 --dispatchers 1 0 bash -c 'sleep 0.5 & echo x'
    trace "$(dispatchers)" -e trace=kill
    [[ $(nc -N 127.0.0.1 "$PORT" </dev/null) == x ]]
    await has_line 'ticket 1: ended' "$LOG"
    end_trace
    refute grep 'kill(' traced
}

# ---- whoever dies ----

@test "--leftovers end holds for a handler whose dispatcher was killed" {
    make_leaving_handler
    start -vv --address 127.0.0.1 --leftovers end --kill-after 1 0 ./leave stubborn gentle wait
    connect_left 2
    # shellcheck disable=SC2046
    kill_dispatchers $(dispatchers)
    await has_line 'ticket 1: adopted process' "$LOG"
    touch go
    wait_for_end "$CLIENT"
    await status_says 'served 1' 'running 0'
    has_sleepers 0
}

@test "--leftovers end holds if the dispatchers are killed while it waits" {
    make_leaving_handler
    start -v --address 127.0.0.1 --leftovers end --kill-after 2 0 ./leave stubborn
    connect_left 1
    await has_line 'sending SIGTERM to the rest' "$LOG"
    # shellcheck disable=SC2046
    kill_dispatchers $(dispatchers)
    status_says 'served 0' 'running 1'
    wait_for_end "$CLIENT"
    await status_says 'served 1' 'running 0'
    has_sleepers 0
}

@test "--leftovers end holds if the supervisor is killed while it waits" {
    make_leaving_handler
    start -v --address 127.0.0.1 --leftovers end --kill-after 3 0 ./leave stubborn
    local begin
    begin=$(milliseconds)
    connect_left 1
    await has_line 'sending SIGTERM to the rest' "$LOG"
    kill -KILL "$(supervisor)"
    await status_says 'served 0' 'running 1'
    wait_for_end "$CLIENT"
    (($(milliseconds_since "$begin") >= 2950))
    await status_says 'accepted 1' 'served 1' 'running 0'
    has_sleepers 0
}

@test "--leftovers end holds if supervisor and standby are killed while it waits" {
    make_leaving_handler
    start -v --address 127.0.0.1 --leftovers end --kill-after 3 0 ./leave stubborn
    connect_left 1
    await has_line 'sending SIGTERM to the rest' "$LOG"
    kill -KILL "$(supervisor)" "$(standby)"
    await has_line 'takes the place of another: 0 clients wait, 1 have a handler' "$LOG"
    wait_for_end "$CLIENT"
    await status_says 'accepted 1' 'served 1' 'running 0'
    has_sleepers 0
}

@test "--leftovers end holds for handlers that end while no supervisor is there" {
    make_leaving_handler
    start -v --address 127.0.0.1 --dispatchers 2 --leftovers end --kill-after 1 0 ./leave gentle wait
    connect_left 1
    kill -STOP "$(standby)"
    kill -KILL "$(supervisor)"
    touch go
    await is_gone "$(handler_of "${MEMBERS[0]}")"
    kill -CONT "$(standby)"
    wait_for_end "$CLIENT"
    await status_says 'accepted 1' 'served 1' 'running 0'
    has_sleepers 0
}

@test "--leftovers end holds for a handler whose end was lost with the supervisor that read it" {
    local reason
    reason=$(no_tracer)
    [[ -z $reason ]] || skip "$reason"
    make_leaving_handler
    start -v --address 127.0.0.1 --leftovers end --kill-after 1 0 ./leave stubborn wait
    connect_left 1
    await has_line 'ticket 1: started' "$LOG"
    local killed
    killed=$(supervisor)
    inject "$killed" recvmsg:delay_exit=5000000:when=1
    touch go
    await has_line 'recvmsg(' traced
    sleep 0.2 # the kernel has taken the message off the socket
    kill -KILL "$killed"
    wait_for_end "$CLIENT"
    wait "$TRACER" || true # strace ends with the supervisor
    await status_says 'accepted 1' 'served 1' 'running 0'
    has_line 'ticket 1: ended process .*, status unknown$' "$LOG"
    has_sleepers 0
}

# Prints the leader of the session of a process.
handler_of() { awk '{ print $6 }' "/proc/$1/stat"; }

# ---- at the end ----

@test "--leftovers end: a process that takes over counts the place as taken until the group is empty" {
    make_leaving_handler
    start --address 127.0.0.1 --control control --leftovers end --kill-after 3 0 ./leave stubborn
    connect_left 1
    await has_no_handler
    local old=$DAEMON first=$CLIENT
    start --address 127.0.0.1 --takeover control --control control --leftovers end "$PORT" echo next
    connect_silently
    await fields_are queued 1 running 1
    wait_for_end "$first"
    await is_gone "$old"
    wait "$old"
    [[ $(timeout 20 cat <&"$CLIENT") == next ]]
    has_sleepers 0
}

has_no_handler() { [[ -z $(dispatchers | while read -r each; do children "$each"; done) ]]; }

@test "--leftovers end: a drain waits until nothing is left, status 0" {
    make_leaving_handler
    start --address 127.0.0.1 --leftovers end --kill-after 2 0 ./leave stubborn
    connect_left 1
    await has_no_handler
    stop TERM
    [[ $STATUS == 0 ]]
    nothing_is_left
}

@test "--leftovers end: a second SIGTERM kills what is left at once, status 1" {
    make_leaving_handler
    start -v --address 127.0.0.1 --leftovers end --kill-after 1h 0 ./leave stubborn
    connect_left 1
    await has_line 'sending SIGTERM to the rest' "$LOG"
    kill -TERM "$DAEMON"
    await has_line 'ending: waiting for 0 clients in the queue and 1 handlers' "$LOG"
    stop TERM
    [[ $STATUS == 1 ]]
    nothing_is_left
}

@test "--leftovers end ends processes of another user, and works with --timeout" {
    [[ $(id -u) == 0 ]] || skip "requires root"
    open_to_others
    make_leaving_handler
    start -v --address 127.0.0.1 --leftovers end --timeout 1h --kill-after 1 --user nobody \
        --supervisor-user 71000:71000 0 bash leave stubborn gentle
    connect_left 2
    wait_for_end "$CLIENT"
    await status_says 'served 1' 'running 0'
    has_sleepers 0
}
