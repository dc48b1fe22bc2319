#!/usr/bin/env bats
# Scarce resources: descriptors, processes, room in the pipe of the log.

load ../shared/helpers
load ../shared/control

# Allows too few descriptors to accept a whole burst.
few_descriptors() {
    # shellcheck disable=SC2016
    WRAPPER=(bash -c 'ulimit -n 32; exec "$@"' bash)
}

@test "with 32 descriptors, every client is answered, without a busy loop" {
    few_descriptors
    start --address 127.0.0.1 --processes 2 0 "$ANSWER" "$ANSWERS" "$COUNTER" 10
    local before after
    before=$(processor_time "$(supervisor)")
    run "$BURST" "$ADDRESS" "$PORT" 300
    after=$(processor_time "$(supervisor)")
    [[ $output == "connected 300 answered 300 failed 0" ]]
    echo "ticks: $((after - before))"
    # The burst takes at least 1.5 s, and a busy loop would use all of it.  A second has 100 ticks.
    ((after - before <= 30))
    refute grep -q 'cannot accept' "$LOG" # the daemon stops accepting before a call fails
}

@test "with 32 descriptors, dispatchers can still be replaced while the queue is full" {
    few_descriptors
    start -vv --address 127.0.0.1 --processes 1 --dispatchers 2 0 "$ANSWER" "$ANSWERS" "$COUNTER" 300
    "$BURST" "$ADDRESS" "$PORT" 40 >burst &
    local client=$!
    await has_line 'ticket 1: started' "$LOG"
    # shellcheck disable=SC2046
    kill -KILL $(dispatchers)
    await has_line 'ticket 3: started' "$LOG"
    refute grep 'cannot start dispatcher' "$LOG"
    kill "$client"
    wait "$client" || true
    stop INT
}

@test "with 32 descriptors and a full queue, the clients of a killed dispatcher are served" {
    few_descriptors
    local reason client dispatcher
    reason=$(no_tracer)
    [[ -z $reason ]] || skip "$reason"
    start --address 127.0.0.1 --processes 8 --dispatchers 1 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    dispatcher=$(dispatchers)
    inject "$dispatcher" recvmsg:delay_enter=60s # it takes no START
    "$BURST" "$ADDRESS" "$PORT" 40 >burst &
    client=$!
    # The supervisor accepts no more clients; some wait in the backlog.
    await status_is starting 8
    await clients_are_in_the_backlog
    kill -KILL "$dispatcher"
    end_trace # which would wait for the end of the delay
    wait "$client"
    [[ $(cat burst) == "connected 40 answered 40 failed 0" ]]
    [[ $(sort -u "$ANSWERS" | wc -l) == 40 && $(wc -l <"$ANSWERS") == 40 ]]
    refute grep 'cannot accept' "$LOG"
}

clients_are_in_the_backlog() { (($(ss -Hltn "sport = :$PORT" | awk '{ print $2 }') > 0)); }

@test "a dispatcher never gets more clients at once than its own limit on descriptors allows" {
    # shellcheck disable=SC2016
    WRAPPER=(bash -c 'ulimit -Sn 18; exec "$@"' bash)
    start --address 127.0.0.1 --processes 32 --dispatchers 2 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    run "$BURST" "$ADDRESS" "$PORT" 500
    [[ $output == "connected 500 answered 500 failed 0" ]]
    refute grep 'cannot be given the descriptors' "$LOG"
}

@test "a limit too low for any client ends the start: status 1" {
    export ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0 # the leak checker would need more descriptors
    run bash -c 'ulimit -n 15; exec "$@"' bash "$DAMPENER" --address 127.0.0.1 --dispatchers 8 0 cat
    echo "$output"
    [[ $status == 1 ]]
    [[ $output == *"[ERROR] "* ]]
}

@test "a limit too low for dispatchers that are started later ends the start: status 1" {
    export ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0 # the leak checker would need more descriptors
    local limit
    # The keeper has too few descriptors to start all at once.
    for limit in 90 94 98 102 106 110; do
        # shellcheck disable=SC2016
        run timeout 5 bash -c 'ulimit -n "$1"; shift; exec "$@"' bash "$limit" \
            "$DAMPENER" --address 127.0.0.1 --dispatchers 64 0 cat
        tail -n 2 <<<"$output"
        [[ $status == 1 && $output == *"cannot start dispatcher "*": Too many open files; trying again"* ]]
        [[ $output == *"[ERROR] the limit on open descriptors, $limit, leaves none for clients with 64 dispatchers"* ]]
    done
}

# Changes a limit as the user of the process, because root may lack the capability.
limit_descriptors_of() {
    local process=$1 limit=$2 user group
    user=$(awk '$1 == "Uid:" { print $2 }' "/proc/$process/status")
    group=$(awk '$1 == "Gid:" { print $2 }' "/proc/$process/status")
    if [[ $user == "$(id -u)" ]]; then
        prlimit --pid "$process" --nofile="$limit"
    else
        setpriv --reuid "$user" --regid "$group" --clear-groups \
            prlimit --pid "$process" --nofile="$limit"
    fi
}

@test "accept that always fails is repeated seldom, and no client is lost" {
    start --address 127.0.0.1 --processes 2 0 "$ANSWER" "$ANSWERS" "$COUNTER" 10
    local before after
    # The limit is below the number of open descriptors, so the end of a client frees none.
    limit_descriptors_of "$(supervisor)" 5:4096
    before=$(processor_time "$(supervisor)")
    "$BURST" "$ADDRESS" "$PORT" 30 >burst &
    local client=$!
    await has_line 'cannot accept connections: Too many open files' "$LOG"
    sleep 1
    after=$(processor_time "$(supervisor)")
    echo "ticks: $((after - before))"
    ((after - before <= 20))
    # Attempts follow after 100, 200, 400 and 800 ms.
    (($(grep -c 'cannot accept' "$LOG") <= 5))
    limit_descriptors_of "$(supervisor)" 4096:4096
    wait "$client"
    [[ $(cat burst) == "connected 30 answered 30 failed 0" ]]
}

@test "accept that fails again after a success is repeated as soon as the first time" {
    start --address 127.0.0.1 0 cat
    local client round
    for round in 1 2; do
        : >"$LOG"
        limit_descriptors_of "$(supervisor)" 5:4096
        echo "$round" | nc -N 127.0.0.1 "$PORT" >answer &
        client=$!
        await has_line 'cannot accept connections: Too many open files' "$LOG"
        limit_descriptors_of "$(supervisor)" 4096:4096
        wait "$client"
        [[ $(cat answer) == "$round" ]]
        [[ $(grep -m 1 'cannot accept' "$LOG") == *', next attempt in 100 ms' ]]
    done
}

@test "when no process can be forked, clients wait, and are served later" {
    [[ $(id -u) == 0 ]] || skip "becoming another user requires root"
    local user=64123
    # Use a user of its own, because the limit counts all processes of a user.
    chmod 777 .
    chmod o+x .. "$BATS_RUN_TMPDIR"
    chmod 666 "$LOG" "$ANSWERS"
    local become=(setpriv --reuid "$user" --regid "$user" --clear-groups)
    WRAPPER=("${become[@]}")
    cp "$BUILD/socket-burst-dampener" "$BUILD/dispatcher" "$ANSWER" .
    DAMPENER=$PWD/socket-burst-dampener
    start --address 127.0.0.1 --dispatchers 2 --processes 4 0 ./answer "$ANSWERS" "$COUNTER"
    local process
    for process in $(dispatchers); do "${become[@]}" prlimit --pid "$process" --nproc=3:; done
    "$BURST" "$ADDRESS" "$PORT" 10 >burst &
    local client=$!
    await has_line "cannot start a handler, './answer': Resource temporarily unavailable" "$LOG"
    # On a busy machine one of them may have made room by now.
    for process in $(dispatchers); do
        "${become[@]}" prlimit --pid "$process" --nproc=100: || [[ ! -e /proc/$process ]]
    done
    wait "$client"
    [[ $(cat burst) == "connected 10 answered 10 failed 0" ]]
}

@test "service goes on when standard error is an unread pipe, and dropped lines are counted" {
    start_unread -vv --address 127.0.0.1 --processes 8 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    # Each client causes two lines of some hundred bytes: together far more than a pipe holds.
    run "$BURST" "$ADDRESS" "$PORT" 1500
    [[ $output == "connected 1500 answered 1500 failed 0" ]]
    cat <&8 >what-was-read 3>&- 4>&- &
    local reader=$!
    await tells_what_was_dropped
    refute grep -x '' what-was-read # only a line that a full disk has cut needs another newline
    kill "$reader"
    wait "$reader" || true
    exec 8>&-
}

# The daemon reports dropped lines before the next line; a request for the status causes one.
tells_what_was_dropped() {
    kill -USR1 "$DAEMON"
    has_line '^\[WARNING\] [0-9]* log lines\? dropped' what-was-read
}

@test "standard error that is closed or has lost its reader does not end the service" {
    mkfifo pipe
    cat <pipe >/dev/null &
    local reader=$!
    (
        close_descriptors
        exec "$DAMPENER" -vv --address 127.0.0.1 --ready-fd 7 0 cat 7>"$READY" 2>pipe </dev/null
    ) &
    DAEMON=$!
    await has_content "$READY"
    read -r ADDRESS PORT <"$READY"
    count_descriptors
    kill "$reader"
    wait "$reader" || true
    [[ $(echo hello | nc -N 127.0.0.1 "$PORT") == hello ]]
    stop
    [[ $STATUS == 0 ]]
    rm "$READY"
    (
        close_descriptors
        exec "$DAMPENER" -vv --address 127.0.0.1 --ready-fd 7 0 cat 7>"$READY" 0<&- 1>&- 2>&-
    ) &
    DAEMON=$!
    await has_content "$READY"
    read -r ADDRESS PORT <"$READY"
    count_descriptors
    [[ $(echo hello | nc -N 127.0.0.1 "$PORT") == hello ]]
}

@test "accept does not fail when waiting and refused clients take all of 64 descriptors" {
    # shellcheck disable=SC2016
    WRAPPER=(bash -c 'ulimit -n 64; exec "$@"' bash)
    start --address 127.0.0.1 --when-full refuse --busy-message busy 0 \
        "$ANSWER" "$ANSWERS" "$COUNTER" 300
    local client i clients=()
    kill -STOP "$(supervisor)" # the daemon finds all clients at once
    for ((i = 0; i < 150; i++)); do # no client closes its connection
        exec {client}<>"/dev/tcp/127.0.0.1/$PORT"
        clients+=("$client")
    done
    kill -CONT "$(supervisor)"
    await status_is accepted 150
    status_is abandoned 0
    # Check any status line so far: refused clients linger for two seconds at most.
    has_line ' lingering [1-9]' "$LOG"
    # The daemon can still replace a dispatcher, and read files again.
    kill -KILL "$(dispatchers | head -n 1)"
    kill -HUP "$DAEMON"
    await has_line 'replacing it' "$LOG"
    refute grep -e 'cannot accept' -e 'cannot start' "$LOG"
    for client in "${clients[@]}"; do exec {client}>&-; done
    stop INT
}

@test "clients are refused although handlers whose connections are kept take many descriptors" {
    # shellcheck disable=SC2016
    WRAPPER=(bash -c 'ulimit -n 96; exec "$@"' bash)
    start --address 127.0.0.1 --when-full refuse --busy-message busy --linger 5 --processes 20 0 \
        "$ANSWER" "$ANSWERS" "$COUNTER" 1000
    "$BURST" -m busy "$ADDRESS" "$PORT" 150 >burst
    cat burst
    # 20 start and fewer than 50 wait; all others are refused at once.
    [[ $(cat burst) =~ ^connected\ 150\ answered\ ([0-9]+)\ refused\ ([0-9]+)\ hungup\ 0\ failed\ 0$ ]]
    ((BASH_REMATCH[1] >= 20 && BASH_REMATCH[2] >= 50))
    refute grep -e 'cannot accept' -e 'cannot start' "$LOG"
}

@test "after set processes more handlers may run than the supervisor has descriptors" {
    # shellcheck disable=SC2016
    WRAPPER=(bash -c 'ulimit -n 96; exec "$@"' bash)
    start --address 127.0.0.1 --control control --processes 1 0 cat
    [[ $(say set processes 200) == "processes is 200 now" ]]
    connect_more 120
    await fields_are running 120 queued 0
    refute grep 'cannot accept' "$LOG"
    hang_up
    await field_is served 120
}
