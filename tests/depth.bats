#!/usr/bin/env bats
# As many waiting as descriptors allow: what it takes, and that one more costs no more.

load helpers

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
        if [[ -z $least ]] || ((cost < least)); then least=$cost; fi
    done
    echo "$least"
}

@test "19,000 waiting take 8 MiB at the most, and one more costs what it cost with none" {
    [[ -e /proc/self/schedstat ]] || skip "the kernel does not count processor time"
    local limit count rounds=5 tolerated=130 order orders=(fair)
    limit=$(ulimit -Hn)
    count=$((limit > 20000 ? 19000 : limit - 1000))
    ((count > 0)) || skip "too few descriptors"
    if [[ -n ${DAMPENER_LONG:-} ]]; then
        rounds=20
        tolerated=110
        orders+=(arrival)
    fi
    for order in "${orders[@]}"; do
        start --address 127.0.0.1 --processes 3 --per-source 1 --order "$order" 0 \
            "$ANSWER" "$ANSWERS" "$COUNTER"
        connect_silently # its source is at its limit now
        await status_is running 1
        local empty full memory crowd
        cost_of_more 1 >/dev/null # whatever is done for the first time
        empty=$(cost_of_more "$rounds")
        "$BURST" "$ADDRESS" "$PORT" "$count" >crowd 2>&1 &
        crowd=$!
        await status_is queued "$count"
        full=$(cost_of_more "$rounds")
        memory=$(awk '/^VmRSS/ { print $2 }' "/proc/$DAEMON/status")
        status_is queued "$count"
        echo "$order: $empty us for 500 with none waiting, $full us with $count; $memory KiB"
        # A sanitizer takes memory, and time, of its own.
        if [[ $BUILD != *sanitize* ]]; then
            ((memory <= 8192))
            ((full * 100 <= empty * tolerated))
        fi
        kill "$crowd"
        wait "$crowd" || true
        exec {CLIENT}>&-
        stop INT
        rm "$ANSWERS"
    done
}
