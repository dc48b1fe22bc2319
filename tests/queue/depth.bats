#!/usr/bin/env bats
# As many waiting as descriptors allow: what it takes, and that one more costs no more.

load ../shared/helpers

# Microseconds of processor time that the daemon has used.
microseconds_used() {
    local nanoseconds
    read -r nanoseconds _ <"/proc/$DAEMON/schedstat"
    echo $((nanoseconds / 1000))
}

# The least that 500 more clients take, of $1 rounds; they overtake whoever waits.
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

# With order $1: lowers EMPTY and FULL to what it costs with none and with $2 waiting, sets MEMORY.
measure() {
    local crowd
    start --address 127.0.0.1 --processes 3 --per-source 1 --order "$1" 0 \
        "$ANSWER" "$ANSWERS" "$COUNTER"
    connect_silently # its source is at its limit now
    await status_is running 1
    cost_of_more 1 >/dev/null # whatever is done for the first time
    EMPTY=$(lesser "$(cost_of_more 5)" "$EMPTY")
    "$BURST" "$ADDRESS" "$PORT" "$2" >crowd 2>&1 &
    crowd=$!
    await_crowd status_is queued "$2"
    FULL=$(lesser "$(cost_of_more 5)" "$FULL")
    MEMORY=$(awk '/^VmRSS/ { print $2 }' "/proc/$DAEMON/status")
    status_is queued "$2"
    kill "$crowd"
    wait "$crowd" || true
    exec {CLIENT}>&-
    stop INT
    rm "$ANSWERS"
}

@test "19,000 waiting take 8 MiB at the most, and one more costs what it cost with none" {
    [[ -e /proc/self/schedstat ]] || skip "the kernel does not count processor time"
    local limit count tolerated=130 order orders=(fair)
    limit=$(ulimit -Hn)
    count=$((limit > 20000 ? 19000 : limit - 1000))
    ((count > 0)) || skip "too few descriptors"
    # Nothing is measured then, and it would take long.
    if is_sanitized && ((count > 3000)); then count=3000; fi
    if [[ -n ${DAMPENER_LONG:-} ]]; then
        tolerated=110
        orders+=(arrival)
    fi
    for order in "${orders[@]}"; do
        EMPTY=
        FULL=
        local pass
        for pass in 1 2 3 4; do # whatever else the machine does comes and goes
            measure "$order" "$count"
            if is_sanitized || ((FULL * 100 <= EMPTY * tolerated)); then break; fi
        done
        echo "$order: $EMPTY us for 500 with none waiting, $FULL us with $count; $MEMORY KiB"
        # A sanitizer takes memory, and time, of its own.
        if ! is_sanitized; then
            ((MEMORY <= 8192))
            ((FULL * 100 <= EMPTY * tolerated))
        fi
    done
}
