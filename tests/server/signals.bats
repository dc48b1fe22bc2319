#!/usr/bin/env bats
# Tests how signals end the service.

load ../shared/helpers


@test "SIGTERM with 50 clients waiting and 4 handlers running answers all 54, status 0" {
    # shellcheck disable=SC2016
    start -v --address 127.0.0.1 --processes 4 0 \
        bash -c 'until [[ -e go ]]; do sleep 0.02; done; exec "$@"' bash "$ANSWER" "$ANSWERS" "$COUNTER" 20
    "$BURST" "$ADDRESS" "$PORT" 54 >burst &
    local client=$!
    await status_is accepted 54
    kill -TERM "$DAEMON"
    await has_line 'ending: waiting for' "$LOG"
    touch go
    finish
    wait "$client"
    [[ $(cat burst) == "connected 54 answered 54 failed 0" ]]
    [[ $STATUS == 0 ]]
    grep -q 'ending: waiting for [1-9][0-9]* clients in the queue and [1-4] handler' "$LOG"
}

@test "SIGTERM serves the clients in the kernel's backlog and accepts no others" {
    # shellcheck disable=SC2016
    start --address 127.0.0.1 --processes 1 --queue 3 0 \
        bash -c 'until [[ -e go ]]; do sleep 0.02; done; exec "$@"' bash "$ANSWER" "$ANSWERS" "$COUNTER" 20
    "$BURST" "$ADDRESS" "$PORT" 20 >burst &
    local client=$!
    await all_have_come 20
    # Other clients try to connect while the daemon drains.
    (close_descriptors; while nc -z 127.0.0.1 "$PORT" 2>/dev/null; do :; done) &
    local others=$!
    kill -TERM "$DAEMON"
    touch go
    finish
    wait "$client"
    wait "$others" || true
    cat burst
    [[ $(cat burst) == "connected 20 answered 20 failed 0" ]]
    [[ $STATUS == 0 ]]
}

# Reads the counter first: a client accepted in between is missed rather than counted twice.
all_have_come() { (($(status_of accepted) + $(backlog) == $1)); }

backlog() { ss -Hltn "sport = :$PORT" | awk '{ print $2 }'; }

@test "SIGTERM closes the listener, so that a successor can take the port" {
    start --address 127.0.0.1 0 sleep 60
    connect_silently
    await status_is running 1
    local first=$DAEMON port=$PORT
    kill -TERM "$first"
    await cannot_connect "$port"
    start --address 127.0.0.1 "$port" cat
    [[ $(echo hello | nc -N 127.0.0.1 "$port") == hello ]]
    stop
    DAEMON=$first
    stop INT
}

cannot_connect() { ! nc -z 127.0.0.1 "$1" 2>/dev/null; }

@test "SIGTERM ends an idle service at once, even with --drain-timeout 0, status 0" {
    start --address 127.0.0.1 --drain-timeout 0 0 cat
    stop TERM
    [[ $STATUS == 0 ]]
    [[ ! -s $LOG ]]
}

@test "after --drain-timeout handlers get SIGTERM and the daemon closes the queue, status 1" {
    make_noting_handler
    start --address 127.0.0.1 --processes 2 --drain-timeout 300ms 0 ./handler
    local i
    for i in 1 2; do
        connect_silently
        read -r -u "$CLIENT" _
    done
    connect_silently
    local waiting=$CLIENT
    await status_is queued 1
    local begin=$EPOCHREALTIME
    stop TERM
    [[ $STATUS == 1 ]]
    awk -v begin="$begin" -v end="$EPOCHREALTIME" 'BEGIN { exit !(end - begin >= 0.3 && end - begin < 20) }'
    [[ $(sort terminated) == "1
2" ]]
    # The waiting client sees the end of its connection and no data.
    [[ -z $(timeout 20 cat <&"$waiting") ]]
    grep -q 'closed 1 waiting connection' "$LOG"
}

@test "a handler that ignores SIGTERM is killed 5 s later" {
    make_noting_handler
    start --address 127.0.0.1 --drain-timeout 0 0 ./handler stubborn
    connect_silently
    read -r -u "$CLIENT" _
    local begin=$EPOCHREALTIME
    stop TERM
    [[ $STATUS == 1 ]]
    [[ $(cat terminated) == 1 ]]
    awk -v begin="$begin" -v end="$EPOCHREALTIME" 'BEGIN { exit !(end - begin >= 5 && end - begin < 20) }'
}

@test "a second SIGTERM ends everything at once, status 1" {
    make_noting_handler
    start -v --address 127.0.0.1 --processes 1 0 ./handler stubborn
    connect_silently
    read -r -u "$CLIENT" _
    connect_silently
    await status_is queued 1
    kill -TERM "$DAEMON"
    await has_line 'ending: waiting for' "$LOG"
    local begin=$EPOCHREALTIME
    stop TERM
    [[ $STATUS == 1 ]]
    awk -v begin="$begin" -v end="$EPOCHREALTIME" 'BEGIN { exit !(end - begin < 10) }'
    [[ ! -e terminated ]]
}

@test "after SIGINT the daemon ends handlers by SIGTERM, waits for them, logs that and dies of SIGINT" {
    make_noting_handler
    start --address 127.0.0.1 --processes 3 0 ./handler
    local i
    for i in 1 2 3; do
        connect_silently
        read -r -u "$CLIENT" _
    done
    connect_silently
    await status_is queued 1
    stop INT
    [[ $STATUS == $((128 + 2)) ]]
    [[ $(tail -n 1 "$LOG") == "interrupted." ]]
    [[ $(sort terminated) == "1
2
3" ]]
}

@test "SIGINT waits for a handler that ignores SIGTERM until a second SIGINT" {
    make_noting_handler
    start --address 127.0.0.1 0 ./handler stubborn
    connect_silently
    read -r -u "$CLIENT" _
    kill -INT "$DAEMON"
    await has_content terminated
    is_alive "$DAEMON"
    stop INT
    [[ $STATUS == $((128 + 2)) ]]
    [[ $(tail -n 1 "$LOG") == "interrupted." ]]
}

@test "SIGINT ends an idle service, even if SIGINT was ignored at its start" {
    # A shell without job control ignores SIGINT in background commands.
    # shellcheck disable=SC2016
    WRAPPER=(bash -c 'trap "" INT; exec "$@"' bash)
    start --address 127.0.0.1 0 cat
    stop INT
    [[ $STATUS == $((128 + 2)) ]]
}

@test "SIGINT ends handlers of a stopped dispatcher" {
    make_noting_handler
    start --address 127.0.0.1 --processes 1 0 ./handler
    connect_silently
    read -r -u "$CLIENT" _
    # shellcheck disable=SC2046
    kill -STOP $(dispatchers)
    stop INT
    [[ $STATUS == $((128 + 2)) ]]
    [[ $(cat terminated) == 1 ]]
}

@test "SIGINT ends a thousand handlers of one dispatcher, more than a socket holds messages for" {
    start --address 127.0.0.1 --processes 0 --dispatchers 1 0 \
        "$ANSWER" "$ANSWERS" "$COUNTER" 60000
    "$BURST" "$ADDRESS" "$PORT" 1000 >burst 2>&1 &
    local client=$!
    await status_is running 1000
    stop INT
    [[ $STATUS == $((128 + 2)) ]]
    wait "$client" || true
}

@test "a second SIGTERM ends 1,200 handlers whose dispatchers were killed" {
    start -v --address 127.0.0.1 --processes 0 0 "$ANSWER" "$ANSWERS" "$COUNTER" 60000
    "$BURST" "$ADDRESS" "$PORT" 1200 >burst 2>&1 &
    local client=$!
    await status_is running 1200
    # shellcheck disable=SC2046
    kill -KILL $(dispatchers)
    await has_line 'replacing it' "$LOG"
    kill -TERM "$DAEMON"
    await has_line 'ending: waiting for' "$LOG"
    stop TERM
    [[ $STATUS == 1 ]]
    refute grep 'could not be killed' "$LOG"
    wait "$client" || true
}

@test "SIGINT ends handlers and their groups after their dispatcher was killed" {
    start -v --address 127.0.0.1 --processes 1 0 bash -c 'sleep 1000 & echo started; wait'
    connect_silently
    read -r -u "$CLIENT" _
    # shellcheck disable=SC2046
    kill -KILL $(dispatchers)
    await has_line 'replacing it' "$LOG"
    stop INT
    [[ $STATUS == $((128 + 2)) ]]
    await nothing_is_left
}

@test "SIGINT drops a client whose start fails meanwhile" {
    cp "$ANSWER" handler
    start --address 127.0.0.1 --dispatchers 1 0 ./handler "$ANSWERS" "$COUNTER"
    local dispatcher
    dispatcher=$(dispatchers)
    kill -STOP "$dispatcher"
    connect_silently
    await status_is starting 1
    rm handler
    kill -INT "$DAEMON"
    status_is starting 1 # the supervisor handles signals in their order
    kill -CONT "$dispatcher"
    finish
    [[ $STATUS == $((128 + 2)) ]]
    grep -q 'ticket 1: cannot start a handler' "$LOG"
    # The client sees the end of its connection and no data.
    [[ -z $(timeout 20 cat <&"$CLIENT") ]]
}

@test "SIGHUP and SIGUSR1 do not end the service" {
    start -v --address 127.0.0.1 0 cat
    kill -HUP "$DAEMON"
    await has_line 'SIGHUP' "$LOG"
    status_is accepted 0
    [[ $(echo hello | nc -N 127.0.0.1 "$PORT") == hello ]]
}

@test "SIGTERM to the daemon and all dispatchers drains the service" {
    start --address 127.0.0.1 --processes 1 0 "$ANSWER" "$ANSWERS" "$COUNTER" 300
    "$BURST" "$ADDRESS" "$PORT" 3 >burst &
    local client=$!
    await status_is accepted 3
    # A service manager may signal every process that it knows; dispatchers must ignore that.
    # shellcheck disable=SC2046
    kill -TERM $(dispatchers)
    stop TERM
    wait "$client"
    [[ $(cat burst) == "connected 3 answered 3 failed 0" ]]
    [[ $STATUS == 0 ]]
}

@test "SIGINT during a drain ends handlers at once" {
    make_noting_handler
    start -v --address 127.0.0.1 0 ./handler
    connect_silently
    read -r -u "$CLIENT" _
    kill -TERM "$DAEMON"
    await has_line 'ending: waiting for' "$LOG"
    stop INT
    [[ $STATUS == $((128 + 2)) ]]
    [[ $(cat terminated) == 1 ]]
}

@test "SIGINT alone never kills a handler" {
    make_noting_handler
    start --address 127.0.0.1 0 ./handler stubborn
    connect_silently
    read -r -u "$CLIENT" _
    kill -INT "$DAEMON"
    sleep 6 # after SIGTERM the handler would be killed after 5 s
    is_alive "$DAEMON"
    stop INT
    [[ $STATUS == $((128 + 2)) ]]
}

@test "SIGINT ends handlers with their whole group" {
    start --address 127.0.0.1 --processes 1 0 bash -c 'sleep 1000 & echo started; wait'
    connect_silently
    read -r -u "$CLIENT" _
    stop INT
    await nothing_is_left
}

@test "the daemon notices ended children even if SIGCHLD was ignored at its start" {
    env --ignore-signal=CHLD true || skip "env cannot ignore signals"
    WRAPPER=(env --ignore-signal=CHLD)
    start -vv --address 127.0.0.1 --dispatchers 1 0 cat
    kill -KILL "$(dispatchers)"
    await has_line 'replacing it' "$LOG"
    [[ $(echo hello | nc -N 127.0.0.1 "$PORT") == hello ]]
}

@test "signals: whichever instruction is the last before a kill, a signal counts once" { "$BUILD/tests/server/signals"; }
