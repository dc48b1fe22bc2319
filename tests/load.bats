#!/usr/bin/env bats
# --load-average, with a file of the test's own in the place of /proc/loadavg.

load helpers

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
    start_under_load 9.00 --address 127.0.0.1 --processes 8 --load-average 4 0 \
        "$ANSWER" "$ANSWERS" "$COUNTER" 4000
    "$BURST" "$ADDRESS" "$PORT" 6 >burst &
    local client=$!
    await status_is running 1
    sleep 1.5 # longer than the time after which the load is looked at again
    status_is running 1
    status_is queued 5
    set_load 1.00
    # None has had to end for it.
    await status_is running 6
    status_is served 0
    wait "$client"
    [[ $(cat burst) == "connected 6 answered 6 failed 0" ]]
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
        "$ANSWER" "$ANSWERS" "$COUNTER" 4000
    "$BURST" "$ADDRESS" "$PORT" 3 >burst &
    local client=$!
    await has_line 'ticket 1: started' "$LOG"
    sleep 0.5
    set_load 1.00
    await has_line 'ticket 3: started' "$LOG"
    refute grep 'ticket 1: ended' "$LOG"
    wait "$client"
}

@test "without anybody waiting the load average is not looked at" {
    start_under_load 9.00 --address 127.0.0.1 --load-average 4 0 /bin/cat
    [[ $(echo hello | nc -N 127.0.0.1 "$PORT") == hello ]]
    await status_is served 1
    local before
    before=$(processor_switches "$DAEMON")
    sleep 2.5 # two looks, were there any
    [[ $(processor_switches "$DAEMON") == "$before" ]]
}

processor_switches() { awk '/^voluntary_ctxt_switches/ { print $2 }' "/proc/$1/status"; }

@test "when the load falls the queue moves, though nothing else happens" {
    start_under_load 9.00 -v --address 127.0.0.1 --processes 8 --load-average 4 0 \
        "$ANSWER" "$ANSWERS" "$COUNTER" 4000
    "$BURST" "$ADDRESS" "$PORT" 6 >burst &
    local client=$!
    await has_line 'ticket 1: started' "$LOG"
    sleep 0.5
    set_load 1.00
    # Asking for the status would be an event itself.
    await has_line 'ticket 6: started' "$LOG"
    refute grep 'ticket 1: ended' "$LOG"
    wait "$client"
    [[ $(cat burst) == "connected 6 answered 6 failed 0" ]]
}
