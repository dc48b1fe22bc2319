#!/usr/bin/env bats
# What holds handlers back for a while: load average and pressure, with files of the test's own in the
# place of the kernel's, and the rate.

load ../shared/helpers

# All that was to be shown was: nobody needs the rest of what long handlers do.
break_off() {
    kill "$1"
    wait "$1" || true
    stop INT
}

# Three clients come; asking for the status would be an event itself, so the log has to tell.
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

# In place and of constant length: it is never seen empty.
set_load() { printf '%s 0.50 0.50 1/100 12345\n' "$1" 1<>loadavg; }

start_under_load() {
    [[ $(id -u) == 0 ]] || skip "a mount namespace needs root"
    set_load "$1"
    shift
    # shellcheck disable=SC2016
    WRAPPER=(unshare --mount sh -c 'mount --bind loadavg /proc/loadavg && exec "$@"' sh)
    start "$@"
}

@test "above the load average exactly one handler runs; below it the queue moves by itself" {
    start_under_load 9.00 -v --address 127.0.0.1 --processes 8 --load-average 4 0 \
        "$ANSWER" "$ANSWERS" "$COUNTER" 60000
    "$BURST" "$ADDRESS" "$PORT" 3 >burst &
    local client=$!
    await status_says 'queued 2' 'running 1'
    sleep 1.5 # longer than the time after which the load is looked at again
    status_says 'queued 2' 'starting 0' 'running 1' 'held back by load'
    set_load 1.00
    # None has had to end for it; but they do not come in all at once.
    await status_says 'running 2' 'held back by opening'
    [[ $(grep '^\[INFO\] load average ' "$LOG") == "[INFO] load average 9.00, limit 4.00: no second handler is started
[INFO] load average 1.00, limit 4.00: handlers come in gradually" ]]
    await status_is running 3
    status_is served 0
    break_off "$client"
}

@test "a load of exactly the limit holds back, as in the Python program" {
    start_under_load 4.00 --address 127.0.0.1 --processes 8 --load-average 4 0 \
        "$ANSWER" "$ANSWERS" "$COUNTER" 20
    run "$BURST" "$ADDRESS" "$PORT" 20
    [[ $output == "connected 20 answered 20 failed 0" ]]
    [[ $(most_handlers) == 1 ]]
}

@test "with a queue of 0 the backlog moves when the load falls, though nothing else happens" {
    start_under_load 9.00 -v --address 127.0.0.1 --processes 8 --queue 0 --load-average 4 0 \
        "$ANSWER" "$ANSWERS" "$COUNTER" 60000
    moves_when_the_load_falls
}

@test "without anybody waiting the load average is not looked at" {
    start_under_load 9.00 --address 127.0.0.1 --load-average 4 0 /bin/cat
    [[ $(echo hello | nc -N 127.0.0.1 "$PORT") == hello ]]
    await status_is served 1
    local before
    await is_asleep "$DAEMON" # no more to do: it has written the line, and yet to wait for the next
    before=$(switches "$DAEMON")
    sleep 2.5 # two looks, were there any
    [[ $(switches "$DAEMON") == "$before" ]]
}

@test "when the load falls the queue moves, though nothing else happens" {
    start_under_load 9.00 -v --address 127.0.0.1 --processes 8 --load-average 4 0 \
        "$ANSWER" "$ANSWERS" "$COUNTER" 60000
    moves_when_the_load_falls
}

# ---- pressure ----

# $1: cpu, memory or io; $2: its average over ten seconds.  In place, as set_load().
set_pressure() {
    printf 'some avg10=%5.2f avg60=0.00 avg300=0.00 total=0\n%s\n' "$2" \
        'full avg10=0.00 avg60=0.00 avg300=0.00 total=0' 1<>"pressure.$1"
}

# $1: the pressure, $2: its value; the rest: words.
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

@test "above each of the pressures exactly one handler runs; below it the queue moves by itself" {
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

@test "a pressure of exactly the limit holds back, and other pressures do not matter" {
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

@test "without pressure stall information --pressure is an error at the start" {
    [[ $(id -u) == 0 ]] || skip "a mount namespace needs root"
    # shellcheck disable=SC2016
    run unshare --mount sh -c 'mount -t tmpfs none "$0" && exec "$@"' /proc/pressure \
        "$DAMPENER" --pressure memory=10 0 cat
    echo "$output"
    [[ $status == 1 ]]
    [[ $output == *"[ERROR] --pressure: cannot read /proc/pressure/memory: No such file or directory; "* ]]
    # A kernel that has it, but not at work.
    : >empty
    # shellcheck disable=SC2016
    run unshare --mount sh -c 'mount --bind empty "$0" && exec "$@"' /proc/pressure/memory \
        "$DAMPENER" --pressure memory=10 0 cat
    echo "$output"
    [[ $status == 1 ]]
    [[ $output == *"[ERROR] --pressure: cannot read /proc/pressure/memory: No data available; "* ]]
}

@test "a pressure that cannot be read any more holds nobody back, and is logged once" {
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


@test "--rate 20/1s: 100 clients take 4 seconds, and not twice that, and none is refused" {
    start --address 127.0.0.1 --processes 8 --rate 20/1s 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    local begin took
    begin=$(milliseconds)
    "$BURST" "$ADDRESS" "$PORT" 100 >burst
    took=$(milliseconds_since "$begin")
    echo "$took ms"
    [[ $(cat burst) == "connected 100 answered 100 failed 0" ]]
    ((took >= 4000 && took < 8000))
}

@test "--rate holds the first handler back, too, and lets it in when it is time" {
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

@test "--rate without a time counts per second" {
    start --address 127.0.0.1 --rate 2 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    local begin took
    begin=$(milliseconds)
    "$BURST" "$ADDRESS" "$PORT" 4
    took=$(milliseconds_since "$begin")
    echo "$took ms"
    ((took >= 900 && took <= 5000))
}

@test "--pressure does not take back --load-average" {
    [[ -e /proc/pressure/cpu ]] || skip "the kernel has no pressure stall information"
    start_under_load 9.00 --address 127.0.0.1 --processes 8 --load-average 4 --pressure cpu=100 0 \
        "$ANSWER" "$ANSWERS" "$COUNTER" 20
    "$BURST" "$ADDRESS" "$PORT" 10
    [[ $(most_handlers) == 1 ]]
}

@test "a gate opens from as many as run" {
    start_under_load 1.00 -v --address 127.0.0.1 --processes 8 --load-average 4 0 sleep 100
    local i
    for ((i = 0; i < 4; i++)); do connect_silently; done
    await status_is running 4
    set_load 9.00
    sleep 0.6 # longer than a figure is kept
    for ((i = 0; i < 4; i++)); do connect_silently; done
    await status_is queued 4
    await has_line 'load average 9.00' "$LOG"
    set_load 1.00
    await has_line 'load average 1.00' "$LOG"
    await status_says 'queued 2' 'starting 0' 'running 6' 'held back by opening'
    sleep 0.5 # and it stays like that, for a good while
    status_says 'queued 2' 'starting 0' 'running 6' 'held back by opening'
    stop INT
}

@test "after load and pressure together, the gates open in the steps of the load" {
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
    # The question wakes the daemon, which looks at both gates: they are closed still.
    status_says 'queued 2' 'running 1'
    set_pressure io 1
    set_load 1.00
    # The second handler starts when the gates open, the third one step later.  The kernel renews the
    # load every 5 s, a pressure every 2 s.
    await has_line 'ticket 3: started' "$LOG"
    took=$(milliseconds_since "$begin")
    echo "$took ms"
    ((took >= 5000))
    stop INT
}

@test "a gate that was closed long ago does not hold back the next burst" {
    start_under_pressure io 99 --address 127.0.0.1 --processes 8 --pressure io=40 0 \
        "$ANSWER" "$ANSWERS" "$COUNTER" 1000
    "$BURST" "$ADDRESS" "$PORT" 2
    [[ $(most_handlers) == 1 ]]
    set_pressure io 1
    sleep 6 # three steps, in which nobody looks
    "$BURST" "$ADDRESS" "$PORT" 8
    (($(most_handlers) >= 4))
}

@test "--rate does not count a start that has failed" {
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
