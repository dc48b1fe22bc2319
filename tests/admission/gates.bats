#!/usr/bin/env bats
# The gates that hold handlers back for a while: load average, pressure and rate.  The tests bind files
# of their own over the kernel's.

load ../shared/helpers

# Ends the burst and the daemon early: the test has seen all that it checks.
break_off() {
    kill "$1"
    wait "$1" || true
    stop INT
}

# Starts three clients, and lowers the load.  A request for the status would wake the daemon, so this
# reads the log.
moves_when_the_load_falls() {
    "$BURST" "$ADDRESS" "$PORT" 3 >burst &
    local client=$!
    await has_line 'ticket 1: started' "$LOG"
    sleep 0.5
    set_load 1.00
    await has_line 'ticket 3: started' "$LOG"
    refute grep 'ticket 1: ended' "$LOG"
    break_off "$client"
}

# Overwrites the file in place with text of constant length: the daemon never reads an empty file.
set_load() { printf '%s 0.50 0.50 1/100 12345\n' "$1" 1<>loadavg; }

start_under_load() {
    [[ $(id -u) == 0 ]] || skip "a mount namespace needs root"
    set_load "$1"
    shift
    # shellcheck disable=SC2016
    WRAPPER=(unshare --mount sh -c 'mount --bind loadavg /proc/loadavg && exec "$@"' sh)
    start "$@"
}

@test "above the limit on the load average, exactly one handler runs; below it the queue moves by itself" {
    start_under_load 9.00 -v --address 127.0.0.1 --processes 8 --load-average 4 0 \
        "$ANSWER" "$ANSWERS" "$COUNTER" 60000
    "$BURST" "$ADDRESS" "$PORT" 3 >burst &
    local client=$!
    await status_says 'queued 2' 'running 1'
    sleep 1.5 # longer than the daemon waits before it reads the load again
    status_says 'queued 2' 'starting 0' 'running 1' 'held back by load'
    set_load 1.00
    # No handler had to end for the gate to open; the waiting clients start gradually.
    await status_says 'running 2' 'held back by opening'
    [[ $(grep '^\[INFO\] load average ' "$LOG") == "[INFO] load average 9.00, limit 4.00: no second handler is started
[INFO] load average 1.00, limit 4.00: handlers come in gradually" ]]
    await status_is running 3
    status_is served 0
    break_off "$client"
}

@test "a load average equal to the limit holds handlers back, as in the Python program" {
    start_under_load 4.00 --address 127.0.0.1 --processes 8 --load-average 4 0 \
        "$ANSWER" "$ANSWERS" "$COUNTER" 20
    run "$BURST" "$ADDRESS" "$PORT" 20
    [[ $output == "connected 20 answered 20 failed 0" ]]
    [[ $(most_handlers) == 1 ]]
}

@test "with a queue of 0, the backlog moves when the load falls, without any other event" {
    start_under_load 9.00 -v --address 127.0.0.1 --processes 8 --queue 0 --load-average 4 0 \
        "$ANSWER" "$ANSWERS" "$COUNTER" 60000
    moves_when_the_load_falls
}

@test "while no client waits, the daemon does not read the load average" {
    start_under_load 9.00 --address 127.0.0.1 --load-average 4 0 /bin/cat
    [[ $(echo hello | nc -N 127.0.0.1 "$PORT") == hello ]]
    await status_is served 1
    local before
    await is_asleep "$(supervisor)" # the daemon has written the line, and goes to sleep next
    before=$(switches "$(supervisor)")
    sleep 2.5 # time for two readings of the load, if there were any
    [[ $(switches "$(supervisor)") == "$before" ]]
}

@test "when the load falls, the queue moves without any other event" {
    start_under_load 9.00 -v --address 127.0.0.1 --processes 8 --load-average 4 0 \
        "$ANSWER" "$ANSWERS" "$COUNTER" 60000
    moves_when_the_load_falls
}

# ---- pressure ----

# $1: cpu, memory or io; $2: its average over ten seconds.  Overwrites the file in place, as set_load()
# does.
set_pressure() {
    printf 'some avg10=%5.2f avg60=0.00 avg300=0.00 total=0\n%s\n' "$2" \
        'full avg10=0.00 avg60=0.00 avg300=0.00 total=0' 1<>"pressure.$1"
}

# $1: the kind of pressure, $2: its value; the rest: arguments of the daemon.
start_under_pressure() {
    [[ $(id -u) == 0 ]] || skip "a mount namespace needs root"
    [[ -e /proc/pressure/$1 ]] || skip "the kernel has no pressure stall information"
    set_pressure "$1" "$2"
    # shellcheck disable=SC2016
    WRAPPER=(unshare --mount sh -c 'mount --bind "$0" "$1" && shift && exec "$@"' \
        "pressure.$1" "/proc/pressure/$1")
    shift 2
    start "$@"
}

@test "above the limit of each pressure, exactly one handler runs; below it the queue moves by itself" {
    local pressure
    for pressure in cpu memory io; do
        start_under_pressure "$pressure" 60 -v --address 127.0.0.1 --processes 8 \
            --pressure "$pressure=40.5" 0 "$ANSWER" "$ANSWERS" "$COUNTER" 60000
        "$BURST" "$ADDRESS" "$PORT" 3 >burst &
        local client=$!
        await status_says 'queued 2' 'running 1'
        sleep 1.2
        status_says 'queued 2' 'starting 0' 'running 1' "held back by $pressure-pressure"
        set_pressure "$pressure" 40.49
        await has_line 'ticket 3: started' "$LOG"
        refute grep 'ticket 1: ended' "$LOG"
        break_off "$client"
        : >"$LOG"
    done
}

@test "a pressure equal to its limit holds handlers back, and other pressures do not matter" {
    start_under_pressure io 40.50 --address 127.0.0.1 --processes 8 --pressure cpu=100,io=40.5 0 \
        "$ANSWER" "$ANSWERS" "$COUNTER" 20
    "$BURST" "$ADDRESS" "$PORT" 20
    [[ $(most_handlers) == 1 ]]
    stop
    rm "$COUNTER"
    start_under_pressure io 99 --address 127.0.0.1 --processes 8 --pressure memory=100 0 \
        "$ANSWER" "$ANSWERS" "$COUNTER" 3000
    "$BURST" "$ADDRESS" "$PORT" 8
    [[ $(most_handlers) == 8 ]]
}

@test "the daemon refuses to start with --pressure if the kernel has no pressure stall information" {
    [[ $(id -u) == 0 ]] || skip "a mount namespace needs root"
    # shellcheck disable=SC2016
    run unshare --mount sh -c 'mount -t tmpfs none "$0" && exec "$@"' /proc/pressure \
        "$DAMPENER" --pressure memory=10 0 cat
    echo "$output"
    [[ $status == 1 ]]
    [[ $output == *"[ERROR] --pressure: cannot read /proc/pressure/memory: No such file or directory; "* ]]
    # Now the file exists, but the kernel's accounting is off.
    : >empty
    # shellcheck disable=SC2016
    run unshare --mount sh -c 'mount --bind empty "$0" && exec "$@"' /proc/pressure/memory \
        "$DAMPENER" --pressure memory=10 0 cat
    echo "$output"
    [[ $status == 1 ]]
    [[ $output == *"[ERROR] --pressure: cannot read /proc/pressure/memory: No data available; "* ]]
}

@test "a pressure that becomes unreadable holds no handler back, and is logged once" {
    start_under_pressure io 99 --address 127.0.0.1 --processes 2 --pressure io=40 0 \
        "$ANSWER" "$ANSWERS" "$COUNTER" 60000
    "$BURST" "$ADDRESS" "$PORT" 3 >burst &
    local client=$!
    await status_is running 1
    : >pressure.io
    await status_is running 2
    sleep 1.2
    [[ $(grep -c 'cannot read /proc/pressure/io' "$LOG") == 1 ]]
    break_off "$client"
}

# ---- rate ----


@test "--rate 20/1s lets 100 clients through in 4 to 8 seconds, and refuses none" {
    start --address 127.0.0.1 --processes 8 --rate 20/1s 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    local begin took
    begin=$(milliseconds)
    "$BURST" "$ADDRESS" "$PORT" 100 >burst
    took=$(milliseconds_since "$begin")
    echo "$took ms"
    [[ $(cat burst) == "connected 100 answered 100 failed 0" ]]
    ((took >= 4000 && took < 8000))
}

@test "--rate holds back the first handler, too, and starts it when its time has come" {
    start --address 127.0.0.1 --rate 1/3s 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    local begin
    begin=$(milliseconds)
    "$BURST" "$ADDRESS" "$PORT" 1
    "$BURST" "$ADDRESS" "$PORT" 1 &
    local client=$!
    await status_says 'queued 1' 'held back by rate'
    wait "$client"
    (($(milliseconds_since "$begin") >= 3000))
}

@test "--rate without a period counts per second" {
    start --address 127.0.0.1 --rate 2 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    local begin took
    begin=$(milliseconds)
    "$BURST" "$ADDRESS" "$PORT" 4
    took=$(milliseconds_since "$begin")
    echo "$took ms"
    ((took >= 900 && took <= 5000))
}

@test "--pressure leaves --load-average in force" {
    [[ -e /proc/pressure/cpu ]] || skip "the kernel has no pressure stall information"
    start_under_load 9.00 --address 127.0.0.1 --processes 8 --load-average 4 --pressure cpu=100 0 \
        "$ANSWER" "$ANSWERS" "$COUNTER" 20
    "$BURST" "$ADDRESS" "$PORT" 10
    [[ $(most_handlers) == 1 ]]
}

@test "a gate opens gradually from the number of running handlers" {
    start_under_load 1.00 -v --address 127.0.0.1 --processes 8 --load-average 4 0 sleep 100
    local i
    for ((i = 0; i < 4; i++)); do connect_silently; done
    await status_is running 4
    set_load 9.00
    sleep 0.6 # longer than the daemon keeps a figure
    for ((i = 0; i < 4; i++)); do connect_silently; done
    await status_is queued 4
    await has_line 'load average 9.00' "$LOG"
    set_load 1.00
    await has_line 'load average 1.00' "$LOG"
    await status_says 'queued 2' 'starting 0' 'running 6' 'held back by opening'
    sleep 0.5 # the numbers stay the same for a while
    status_says 'queued 2' 'starting 0' 'running 6' 'held back by opening'
    stop INT
}

@test "after load and pressure closed together, the gates open in the steps of the load" {
    [[ $(id -u) == 0 ]] || skip "a mount namespace needs root"
    [[ -e /proc/pressure/io ]] || skip "the kernel has no pressure stall information"
    set_load 9.00
    set_pressure io 99
    # shellcheck disable=SC2016
    WRAPPER=(unshare --mount sh -c 'mount --bind loadavg /proc/loadavg &&
        mount --bind pressure.io /proc/pressure/io && exec "$@"' sh)
    start -v --address 127.0.0.1 --processes 8 --load-average 4 --pressure io=40 0 sleep 100
    local begin took i
    for ((i = 0; i < 3; i++)); do connect_silently; done
    await status_says 'queued 2' 'running 1' 'held back by load'
    begin=$(milliseconds)
    # The request for the status wakes the daemon: it reads both gates, which are still closed.
    status_says 'queued 2' 'running 1'
    set_pressure io 1
    set_load 1.00
    # The second handler starts when the gates open, the third one step later.  The kernel updates the
    # load every 5 s, and a pressure every 2 s.
    await has_line 'ticket 3: started' "$LOG"
    took=$(milliseconds_since "$begin")
    echo "$took ms"
    ((took >= 5000))
    stop INT
}

@test "a gate that closed long ago does not hold back the next burst" {
    start_under_pressure io 99 --address 127.0.0.1 --processes 8 --pressure io=40 0 \
        "$ANSWER" "$ANSWERS" "$COUNTER" 1000
    "$BURST" "$ADDRESS" "$PORT" 2
    [[ $(most_handlers) == 1 ]]
    set_pressure io 1
    sleep 6 # three steps, in which the daemon does not read the pressure
    "$BURST" "$ADDRESS" "$PORT" 8
    (($(most_handlers) >= 4))
}

@test "--rate does not count a failed start" {
    cp "$ANSWER" handler
    start --address 127.0.0.1 --rate 1/24h 0 ./handler "$ANSWERS" "$COUNTER"
    mv handler hidden
    "$BURST" "$ADDRESS" "$PORT" 1 >burst &
    local client=$!
    await has_line 'cannot start a handler' "$LOG"
    mv hidden handler
    wait "$client"
    [[ $(cat burst) == "connected 1 answered 1 failed 0" ]]
}
