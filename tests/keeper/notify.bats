#!/usr/bin/env bats
# Messages to a service manager: sd_notify(3).

load ../shared/helpers

NOTIFIED=$BUILD/tests/programs/clients/notified

# Starts a manager that listens at SOCKET and writes each message to the file "told".
manage() {
    SOCKET=${1:-$PWD/notify}
    (close_descriptors; exec "$NOTIFIED" "$SOCKET" told >>"$LOG" 2>&1 </dev/null) &
    MANAGER=$!
    await test -e told
    export NOTIFY_SOCKET=$SOCKET
}

# Ends the daemon and the manager; teardown checks what is left.
dismiss() {
    check_and_end_daemon
    kill -KILL "$MANAGER" 2>/dev/null || true
    wait "$MANAGER" || true
}

check_and_end_daemon() { if [[ -n $DAEMON ]]; then stop; fi; }

# Prints the fields of the messages, without the process: one message a line.
messages() { sed 's/^[0-9]* \/ //' told; }

# Prints the changes of state only, because statuses come at times of their own.
states() { messages | grep -o '^\(READY\|RELOADING\|STOPPING\|MAINPID\)=[0-9]*' || true; }

was_told() { messages | grep -q -- "$1"; }
last_is() { [[ $(messages | tail -n 1) == "$1" ]]; }
states_are() { [[ $(states | tr '\n' ' ') == "$1 " ]]; }

count_of() { grep -c -- "$1" told || true; }
is_more_than() { (($(count_of "$1") > $2)); }

# True if no such message arrives within half a second.  Await it, so that earlier messages are read
# first.
is_told_no_more() {
    local before
    before=$(count_of "$1")
    sleep 0.5
    [[ $(count_of "$1") == "$before" ]]
}

@test "the main process sends READY with the status once it serves, and STOPPING when it ends" {
    manage
    start --address 127.0.0.1 --processes 8 0 cat
    await was_told '^READY=1 / STATUS=0 waiting, 0 of 8 handlers running$'
    [[ $(head -n 1 told) == "$DAEMON / READY=1 / "* ]]
    # The daemon serves before READY.
    [[ $(echo hello | nc -N 127.0.0.1 "$PORT") == hello ]]
    stop
    ((STATUS == 0))
    await was_told '^STOPPING=1'
    states_are "READY=1 STOPPING=1"
    [[ $(cut -d ' ' -f 1 told | sort -u | wc -l) == 1 ]]
    dismiss
}

@test "a manager's socket may be abstract" {
    manage "@dampener-$$-$BATS_TEST_NUMBER"
    start --address 127.0.0.1 --processes 0 0 cat
    await was_told '^READY=1 / STATUS=0 waiting, 0 handlers running$'
    dismiss
}

@test "the status follows the numbers once a second at most, and the last change is sent" {
    manage
    start --address 127.0.0.1 --processes 1 0 cat
    connect_silently
    await last_is "STATUS=0 waiting, 1 of 1 handlers running"
    local first=$CLIENT
    connect_silently
    await last_is "STATUS=1 waiting, 1 of 1 handlers running"
    local before begin=$SECONDS
    before=$(wc -l <told)
    "$BURST" -t 800 "$ADDRESS" "$PORT" 50 >burst &
    local burst=$!
    sleep 0.3
    exec {first}>&- {CLIENT}>&-
    wait "$burst" || true
    await last_is "STATUS=0 waiting, 0 of 1 handlers running"
    (($(wc -l <told) - before <= SECONDS - begin + 3))
    dismiss
}

@test "while draining, the status says so" {
    manage
    start --address 127.0.0.1 --processes 1 0 cat
    connect_silently
    await last_is "STATUS=0 waiting, 1 of 1 handlers running"
    kill -TERM "$DAEMON"
    await last_is "STOPPING=1 / STATUS=draining: 0 waiting, 1 of 1 handlers running"
    exec {CLIENT}>&-
    finish
    ((STATUS == 0))
    states_are "READY=1 STOPPING=1"
    dismiss
}

@test "SIGINT and a second SIGTERM send STOPPING once" {
    manage
    start --address 127.0.0.1 0 cat
    stop INT
    await states_are "READY=1 STOPPING=1"
    start --address 127.0.0.1 0 cat
    connect_silently
    await status_is running 1
    kill -TERM "$DAEMON"
    await states_are "READY=1 STOPPING=1 READY=1 STOPPING=1"
    stop
    exec {CLIENT}>&-
    states_are "READY=1 STOPPING=1 READY=1 STOPPING=1"
    dismiss
}

@test "SIGHUP sends RELOADING with the time, and READY when the files were read" {
    manage
    echo 'deny 127.0.0.9' >rules
    chmod 644 rules
    start --address 127.0.0.1 --access-file rules 0 cat
    local before after time
    read -r before _ </proc/uptime
    kill -HUP "$DAEMON"
    await states_are "READY=1 RELOADING=1 READY=1"
    read -r after _ </proc/uptime
    # CLOCK_MONOTONIC is not ahead of the time since boot, which also counts suspend.
    time=$(messages | sed -n 's/^RELOADING=1 \/ MONOTONIC_USEC=\([0-9]*\) \/ STATUS=.*/\1/p')
    ((time > 0))
    ((time / 10000 <= ${after/./}))
    # An error in a file does not prevent READY.
    echo nonsense >rules
    kill -HUP "$DAEMON"
    await states_are "READY=1 RELOADING=1 READY=1 RELOADING=1 READY=1"
    dismiss
}

@test "SIGHUP without files to read sends RELOADING and READY, too" {
    manage
    start --address 127.0.0.1 0 cat
    kill -HUP "$DAEMON"
    await states_are "READY=1 RELOADING=1 READY=1"
    dismiss
}

@test "SIGHUP while draining sends nothing" {
    manage
    start --address 127.0.0.1 0 cat
    connect_silently
    await status_is running 1
    kill -TERM "$DAEMON"
    await states_are "READY=1 STOPPING=1"
    kill -HUP "$DAEMON"
    status_is running 1
    exec {CLIENT}>&-
    finish
    states_are "READY=1 STOPPING=1"
    dismiss
}

@test "the watchdog is fed regularly, except while the supervisor or the keeper is stopped" {
    manage
    export WATCHDOG_USEC=200000
    start --address 127.0.0.1 0 cat
    await is_more_than WATCHDOG=1 3
    local before process
    for process in "$(supervisor)" "$DAEMON"; do
        kill -STOP "$process"
        await is_stopped "$process"
        await is_told_no_more WATCHDOG=1
        before=$(count_of WATCHDOG=1)
        kill -CONT "$process"
        await is_more_than WATCHDOG=1 "$((before + 3))"
    done
    [[ $(echo hello | nc -N 127.0.0.1 "$PORT") == hello ]]
    dismiss
}

@test "the watchdog is not fed while no dispatcher answers, and is fed again by those that replace them" {
    manage
    export WATCHDOG_USEC=200000
    start -vv --address 127.0.0.1 --dispatchers 2 0 cat
    await is_more_than WATCHDOG=1 1
    local before all
    mapfile -t all < <(dispatchers)
    ((${#all[@]} == 2))
    # One living dispatcher is enough.
    kill -STOP "${all[0]}"
    await is_stopped "${all[0]}"
    before=$(count_of WATCHDOG=1)
    await is_more_than WATCHDOG=1 "$((before + 3))"
    kill -STOP "${all[1]}"
    await has_line '^\[WARNING\] no dispatcher answers' "$LOG"
    await is_told_no_more WATCHDOG=1
    before=$(count_of WATCHDOG=1)
    # After ten seconds, both are killed.
    await is_more_than WATCHDOG=1 "$((before + 3))"
    await is_gone "${all[0]}"
    [[ $(echo hello | nc -N 127.0.0.1 "$PORT") == hello ]]
    dismiss
}

@test "a supervisor that takes the place of another feeds the watchdog once a dispatcher has answered it" {
    manage
    export WATCHDOG_USEC=3000000
    start --address 127.0.0.1 0 cat
    await is_more_than WATCHDOG=1 0
    local before begin process
    process=$(standby)
    kill -STOP "$process"
    await is_stopped "$process"
    kill -KILL "$(supervisor)"
    sleep 1.6 # its successor finds that the watchdog should have been fed
    before=$(count_of WATCHDOG=1)
    begin=$(milliseconds)
    kill -CONT "$process"
    await is_more_than WATCHDOG=1 "$before"
    echo "fed after $(milliseconds_since "$begin") ms"
    (($(milliseconds_since "$begin") < 1400))
    refute has_line 'no dispatcher answers' "$LOG"
    refute was_told 'not serving'
    dismiss
}

@test "dispatchers that answer a ping wrongly are killed, and the service lives" {
    manage
    export WATCHDOG_USEC=200000 LIARS="pong-twice pong-otherwise"
    mkdir programs
    cp "$BUILD/socket-burst-dampener" programs/
    cp "$BUILD/tests/dispatcher/liar" programs/dispatcher
    cp "$BUILD/dispatcher" programs/honest
    DAMPENER=$PWD/programs/socket-burst-dampener
    BYSTANDER=$$ start -vv --address 127.0.0.1 --dispatchers 3 0 cat
    await has_line '^\[WARNING\] liar: pong-twice$' "$LOG"
    await has_line '^\[WARNING\] liar: pong-otherwise$' "$LOG"
    are_replaced() { [[ $(grep -c 'was killed by signal 9: replacing it$' "$LOG") == 2 ]]; }
    await are_replaced
    [[ $(grep -c '^\[ERROR\] dispatcher [0-9]* violated the protocol: killing it$' "$LOG") == 2 ]]
    local before
    before=$(count_of WATCHDOG=1)
    await is_more_than WATCHDOG=1 "$((before + 2))"
    [[ $(echo hello | nc -N 127.0.0.1 "$PORT") == hello ]]
    dismiss
}

@test "a watchdog of another process is not fed" {
    manage
    export WATCHDOG_USEC=100000 WATCHDOG_PID=$$
    start --address 127.0.0.1 0 cat
    await was_told '^READY=1'
    sleep 0.4
    refute was_told WATCHDOG
    dismiss
}

@test "a manager that does not read delays no client, and gets the important messages later" {
    manage
    kill -STOP "$MANAGER"
    await is_stopped "$MANAGER"
    "$NOTIFIED" fill "$SOCKET"
    export WATCHDOG_USEC=40000
    start -v --address 127.0.0.1 0 cat
    kill -HUP "$DAEMON"
    [[ $(echo hello | nc -N 127.0.0.1 "$PORT") == hello ]]
    await status_is served 1
    connect_silently
    await status_is running 1
    kill -TERM "$DAEMON"
    await has_line '^\[[A-Z]*\] SIGHUP: ' "$LOG"
    kill -CONT "$MANAGER"
    await was_told '^STOPPING=1'
    exec {CLIENT}>&-
    finish
    ((STATUS == 0))
    dismiss
}

@test "a manager that is gone does not end the service, and is logged once" {
    manage
    start --address 127.0.0.1 0 cat
    await was_told '^READY=1'
    kill -KILL "$MANAGER"
    await is_gone "$MANAGER"
    kill -HUP "$DAEMON"
    await has_line 'cannot send to the service manager' "$LOG"
    kill -HUP "$DAEMON"
    [[ $(echo hello | nc -N 127.0.0.1 "$PORT") == hello ]]
    [[ $(grep -c 'cannot send to the service manager' "$LOG") == 1 ]]
    dismiss
}

@test "a wrong NOTIFY_SOCKET causes a warning, and the daemon serves" {
    local wrong
    for wrong in relative "$PWD/nobody" "vsock:2:3" "@" "/$(printf 'x%.0s' {1..107})"; do
        NOTIFY_SOCKET=$wrong start --address 127.0.0.1 0 cat
        grep -q '^\[WARNING\] NOTIFY_SOCKET: ' "$LOG"
        [[ $(echo hello | nc -N 127.0.0.1 "$PORT") == hello ]]
        stop
        : >"$LOG"
    done
}

@test "dispatchers and handlers have neither the manager's variables nor its socket" {
    manage
    export WATCHDOG_USEC=10000000
    start --address 127.0.0.1 0 "$STATE"
    ask_state
    refute grep -q 'environment \(NOTIFY_SOCKET\|WATCHDOG\)' state
    local process
    for process in $(dispatchers); do
        refute grep -qz '^\(NOTIFY_SOCKET\|WATCHDOG_\)' "/proc/$process/environ"
    done
    dismiss
}

all_switches() { switches "$DAEMON"; switches "$(supervisor)"; }

@test "with a manager without watchdog, nothing wakes an idle daemon" {
    manage
    start --address 127.0.0.1 0 cat
    [[ $(echo hello | nc -N 127.0.0.1 "$PORT") == hello ]]
    await status_is served 1
    settled() {
        local before
        before=$(all_switches)
        sleep 1.2
        [[ $(all_switches) == "$before" ]]
    }
    await settled
    local before
    before=$(all_switches)
    sleep 2
    [[ $(all_switches) == "$before" ]]
    dismiss
}

@test "after a takeover, the old process waits until the manager knows the new one" {
    manage
    start --address 127.0.0.1 --control control 0 cat
    await was_told '^READY=1'
    kill -STOP "$MANAGER"
    await is_stopped "$MANAGER"
    "$NOTIFIED" fill "$SOCKET"
    (
        unset NOTIFY_SOCKET
        close_descriptors
        exec "$BUILD/tests/takeover/successor" control GO take READY until COMMITTED SERVING SETTLED
    ) >said &
    local successor=$!
    await has_line "process $successor took over" "$LOG"
    sleep 0.1 # time to leave, if the old process did not wait
    is_alive "$DAEMON"
    kill -CONT "$MANAGER"
    await was_told "^MAINPID=$successor$"
    finish
    ((STATUS == 0))
    wait "$successor"
    dismiss
}

told_by() { sed -n "s/^$1 \/ //p" told; }

@test "in a takeover, the old process names the new one, which sends READY; neither sends STOPPING" {
    manage
    start --address 127.0.0.1 --processes 8 --control control 0 cat
    local old=$DAEMON
    await was_told '^READY=1'
    connect_silently
    await last_is "STATUS=0 waiting, 1 of 8 handlers running"
    start --takeover control --address 127.0.0.1 --processes 4 --control control "$PORT" cat
    await last_is "READY=1 / STATUS=0 waiting, 1 of 4 handlers running"
    states_are "READY=1 MAINPID=$DAEMON READY=1"
    # The manager no longer cares about the old process, which still has a client.
    kill -HUP "$old"
    exec {CLIENT}>&-
    await is_gone "$old"
    await last_is "STATUS=0 waiting, 0 of 4 handlers running"
    [[ $(told_by "$old" | tail -n 1) == MAINPID=* ]]
    [[ $(told_by "$DAEMON" | head -n 1) == READY=1* ]]
    states_are "READY=1 MAINPID=$DAEMON READY=1"
    local new=$DAEMON
    stop
    await states_are "READY=1 MAINPID=$new READY=1 STOPPING=1"
    dismiss
}

@test "if the old process dies before the manager knows the new one, the new process sends READY itself" {
    manage
    start --address 127.0.0.1 --control control 0 cat
    local old=$DAEMON
    await was_told '^READY=1'
    kill -STOP "$MANAGER"
    await is_stopped "$MANAGER"
    "$NOTIFIED" fill "$SOCKET"
    start --takeover control --address 127.0.0.1 --control control "$PORT" cat
    kill -KILL "$old" # the old process waits for the manager to read
    wait "$old" || true
    kill -CONT "$MANAGER"
    await was_told_by "$DAEMON" '^READY=1'
    refute was_told "^MAINPID="
    local new=$DAEMON
    stop
    await was_told_by "$new" '^STOPPING=1'
    dismiss
}

was_told_by() { told_by "$1" | grep -q -- "$2"; }
