#!/usr/bin/env bats
# Tests the cost of a queue as long as descriptors allow: its memory, and the time for one more client.

load ../shared/helpers

# Prints the daemon's processor time in microseconds.
microseconds_used() {
    local nanoseconds
    read -r nanoseconds _ <"/proc/$(supervisor)/schedstat"
    echo $((nanoseconds / 1000))
}

# Prints the least processor time for 500 more clients in $1 rounds; these clients overtake the queue.
cost_of_more() {
    local round before cost least=
    for ((round = 0; round < $1; round++)); do
        before=$(microseconds_used)
        "$BURST" -f 127.0.0.9 "$ADDRESS" "$PORT" 500 >/dev/null
        cost=$(($(microseconds_used) - before))
        least=$(lesser "$cost" "$least")
    done
    echo "$least"
}

lesser() { if [[ -z $2 ]] || (($1 < $2)); then echo "$1"; else echo "$2"; fi; }

# Measures with --order $1.  Lowers EMPTY and FULL to the cost with an empty queue and with $2 waiting
# clients; sets MEMORY.
measure() {
    local crowd
    start --address 127.0.0.1 --processes 3 --per-source 1 --order "$1" 0 \
        "$ANSWER" "$ANSWERS" "$COUNTER"
    connect_silently # brings its source to the limit
    await status_is running 1
    cost_of_more 1 >/dev/null # excludes work that the daemon does once only
    EMPTY=$(lesser "$(cost_of_more 5)" "$EMPTY")
    "$BURST" "$ADDRESS" "$PORT" "$2" >crowd 2>&1 &
    crowd=$!
    await_crowd status_is queued "$2"
    FULL=$(lesser "$(cost_of_more 5)" "$FULL")
    MEMORY=$(awk '/^VmRSS/ { print $2 }' "/proc/$(supervisor)/status")
    status_is queued "$2"
    kill "$crowd"
    wait "$crowd" || true
    exec {CLIENT}>&-
    stop INT
    rm "$ANSWERS"
}

@test "a queue of 19,000 clients takes at most 8 MiB and makes another client no more expensive" {
    [[ -e /proc/self/schedstat ]] || skip "the kernel does not count processor time"
    local limit count tolerated=130 order orders=(fair)
    limit=$(ulimit -Hn)
    count=$((limit > 20000 ? 19000 : limit - 1000))
    ((count > 0)) || skip "too few descriptors"
    # A sanitized build is not judged below, and 19,000 clients would take long.
    if is_sanitized && ((count > 3000)); then count=3000; fi
    if [[ -n ${DAMPENER_LONG:-} ]]; then
        tolerated=110
        orders+=(arrival)
    fi
    for order in "${orders[@]}"; do
        EMPTY=
        FULL=
        local pass
        for pass in 1 2 3 4; do # other load on the machine comes and goes
            measure "$order" "$count"
            if is_sanitized || ((FULL * 100 <= EMPTY * tolerated)); then break; fi
        done
        echo "$order: $EMPTY us for 500 with none waiting, $FULL us with $count; $MEMORY KiB"
        # A sanitizer uses additional memory and time.
        if ! is_sanitized; then
            ((MEMORY <= 8192))
            ((FULL * 100 <= EMPTY * tolerated))
        fi
    done
}
