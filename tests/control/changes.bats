#!/usr/bin/env bats
# Commands that change a running daemon: pause, resume, drain and set.

load ../shared/helpers
load ../shared/control

# Makes a handler that appends its version to a file, and answers the burst.
make_handler() {
    # shellcheck disable=SC2016
    printf '#!/bin/sh\nread -r line\necho %s >>served\necho "$line"\n' "$1" >handler.new
    chmod +x handler.new
}

served_exceeds() { (($(wc -l <served) > $1)); }

# Pauses under load, and calls "$@" with the handler's file meanwhile.
pause_and_replace() {
    : >served
    make_handler old
    mv handler.new handler
    start_controlled --processes 4 0 ./handler
    "$BURST" -e 5 "$ADDRESS" "$PORT" 250 >burst 3>&- 4>&- &
    local client=$! more before
    await served_exceeds 20
    [[ $(say pause) == "paused: "* ]]
    await fields_are running 0 starting 0
    before=$(wc -l <served)
    "$@"
    # No handler starts, and the queue grows.  These 50 clients come even if all earlier ones have been
    # served.
    "$BURST" "$ADDRESS" "$PORT" 50 >burst.more 3>&- 4>&- &
    more=$!
    await field_exceeds queued 40
    (($(wc -l <served) == before))
    [[ $(field held_back_by) == paused ]]
    make_handler new
    mv handler.new handler
    [[ $(say resume) == "serving: "* ]]
    wait "$client"
    wait "$more"
    [[ $(cat burst) == "connected 250 answered 250 failed 0" ]]
    [[ $(cat burst.more) == "connected 50 answered 50 failed 0" ]]
    [[ $(head -n "$before" served | sort -u) == old ]]
    [[ $(tail -n +$((before + 1)) served | sort -u) == new ]]
    (($(wc -l <served) == 300))
    [[ $(field start_failures) == 0 ]]
}

@test "after pause, a new handler file and resume, no client fails, and the new handler serves" {
    pause_and_replace true
}

@test "while the daemon is paused, the handler's file may be missing" {
    pause_and_replace rm handler
}

@test "while paused, no handler starts although slots are free, and drain serves the waiting clients" {
    start_controlled --processes 20 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    say pause
    "$BURST" "$ADDRESS" "$PORT" 100 >burst 3>&- 4>&- &
    local client=$!
    await field_is queued 100
    field_is running 0
    field_is accepted 100
    [[ $(say drain) == "draining: 100 clients wait, 0 handlers run" ]]
    wait "$client"
    [[ $(cat burst) == "connected 100 answered 100 failed 0" ]]
    finish
    ((STATUS == 0))
}

@test "the queue timeout runs on while the daemon is paused" {
    start_controlled --queue-timeout 300ms --busy-message 'busy\n' 0 cat
    say pause
    [[ $("$BURST" -t 5000 -m 'busy\n' "$ADDRESS" "$PORT" 20) == "connected 20 answered 0 refused 20 hungup 0 failed 0" ]]
    field_is refused_timeout 20
    say resume
    [[ $(echo hello | nc -N 127.0.0.1 "$PORT") == hello ]]
}

@test "set processes: a higher limit takes effect at once, a lower limit as handlers end" {
    start_controlled --processes 2 0 cat
    connect_more 12
    await field_is running 2
    [[ $(say set processes 5) == "processes is 5 now" ]]
    await fields_are running 5 queued 7
    say set processes 2
    sleep 0.1
    field_is running 5 # running handlers are left alone
    hang_up 3
    await field_is served 3
    sleep 0.1
    field_is running 2
    field_is queued 7
    hang_up 1
    await field_is served 4
    await field_is running 2
    field_is queued 6
    say set processes none
    await field_is running 8
    [[ $(metric handlers_limit) == +Inf ]]
    hang_up
    await field_is served 12
    say set processes 64
    metric_is handlers_limit 64
}

most_is_reset() { printf '\0\0\0\0' | dd of="$COUNTER" bs=1 seek=4 conv=notrunc status=none; }

@test "limits that change under load hold, and no client is lost" {
    start_controlled --processes 8 0 "$ANSWER" "$ANSWERS" "$COUNTER" 4
    "$BURST" "$ADDRESS" "$PORT" 2000 >burst 3>&- 4>&- &
    local client=$! value
    await field_exceeds running 0
    # The rate is so low that clients remain even if this takes long.
    for value in 1 64 0 16 1 64 2; do
        say set processes "$value"
        say set queue $((value * 10))
        say set per-source $((value + 1))
        say set rate $((value + 100))
    done
    say set per-source none
    say set rate none
    await at_most_run 2
    most_is_reset
    sleep 0.5
    (($(most_handlers) <= 2))
    field_exceeds queued 5
    say set processes 64
    say set queue none
    wait "$client"
    [[ $(cat burst) == "connected 2000 answered 2000 failed 0" ]]
    (($(most_handlers) > 2))
}

# A starting handler counts as a running one.
at_most_run() {
    local status
    status=$(say status)
    [[ $status =~ \"starting\":([0-9]+),\"running\":([0-9]+) ]] || return 1
    ((BASH_REMATCH[1] + BASH_REMATCH[2] <= $1))
}

@test "set queue: a higher limit accepts more clients at once, a full queue refuses new ones" {
    start_controlled --processes 1 --queue 3 --when-full refuse --busy-message 'busy\n' 0 cat
    connect_more 4
    await field_is queued 3
    [[ $("$BURST" -m 'busy\n' "$ADDRESS" "$PORT" 1) == *"refused 1 "* ]]
    say set queue 5
    field_is queue 5
    connect_more 2
    await field_is queued 5
    say set queue 1
    sleep 0.1
    field_is queued 5 # waiting clients are left alone
    [[ $("$BURST" -m 'busy\n' "$ADDRESS" "$PORT" 1) == *"refused 1 "* ]]
    metric_is connections_queued_limit 1
    say set queue none
    connect_more 5
    await field_is queued 10
    hang_up
    await field_is served 11
    field_is refused_queue 2
}

@test "set queue: clients in the backlog are accepted at once" {
    start_controlled --processes 1 --queue 0 0 cat
    connect_more 6
    await field_is running 1
    field_is queued 0
    say set queue 3
    await field_is queued 3
    say set queue none
    await field_is queued 5
    hang_up
    await field_is served 6
}

@test "set queue-timeout: the time counts from a client's arrival, and none lifts the limit" {
    start_controlled --processes 1 0 cat
    connect_more 3
    await field_is queued 2
    sleep 0.4
    [[ $(say set queue-timeout 300ms) == "queue-timeout is 300ms now" ]]
    await field_is refused_timeout 2
    field_is queue_timeout 0.3
    say set queue-timeout none
    field_is queue_timeout null
    connect_more 1
    await field_is queued 1
    sleep 0.5
    field_is queued 1
    hang_up
}

@test "set per-source: without --per-source the limit can be set, raised, lowered and lifted" {
    start_controlled --processes 20 0 cat
    [[ $(say set per-source 2) == "per-source is 2 now" ]]
    connect_more 8
    await fields_are running 2 queued 6 held_back_by per-source
    say set per-source 4
    await field_is running 4
    say set per-source 1
    hang_up 3
    await field_is served 3
    sleep 0.1
    field_is running 1
    field_is queued 4
    say set per-source none
    await field_is running 5
    field_is per_source null
    hang_up
    await field_is sources 0
}

@test "set per-source: a limit of --per-source can be raised" {
    start_controlled --processes 20 --per-source 1 --order fair 0 cat
    connect_more 4
    await field_is running 1
    say set per-source 3
    await field_is running 3
    hang_up
}

@test "set load-average: without --load-average the limit can be set, raised and lifted" {
    [[ $(id -u) == 0 ]] || skip "a mount namespace needs root"
    printf '9.00 0.50 0.50 1/100 12345\n' >loadavg
    # shellcheck disable=SC2016
    WRAPPER=(unshare --mount sh -c 'mount --bind loadavg /proc/loadavg && exec "$@"' sh)
    start_controlled --processes 20 0 cat
    say set load-average 5
    connect_more 14
    await field_is held_back_by load
    [[ $(say table) == *$'\n''gates           load                             now 9, limit 5'$'\n'* ]]
    await field_is running 1
    [[ $(say set load-average 9.5) == "load-average is 9.5 now" ]]
    await field_is held_back_by opening # the figure lags, so handlers start gradually
    say set load-average 5
    await field_is held_back_by load
    local begin=$SECONDS
    say set load-average none
    await field_is running 14
    ((SECONDS - begin < 15)) # a gate would take longer: it lets in half as many more every 5 s
    field_is load_average null
    [[ $(say status) == *'"gates":[],'* ]]
    hang_up
}

@test "set rate: the limit can be lowered, raised and lifted" {
    start_controlled --processes 0 0 true
    [[ $(say set rate 3/1h) == "rate is 3/1h now" ]]
    connect_more 8
    await fields_are served 3 queued 5 held_back_by rate
    # A new rate of the same period frees no token.
    say set rate 3/1h
    say set rate 5/1h
    sleep 0.1
    field_is queued 5
    say set rate 20/1s
    await field_is queued 0
    say set rate none
    field_is rate null
    await field_is served 8
    hang_up
}

@test "wrong names and values get an error, and change nothing" {
    start_controlled --processes 3 --queue 7 --per-source 4 --rate 9/1m --load-average 800 0 cat
    local before after word long
    before=$(say status | grep -o '"limits":{.*}},"waits')
    for word in 'processes -1' 'processes 4194305' 'processes 1x' 'processes 99999999999999999999' \
        'processes 0x10' 'processes +1' 'queue -1' 'queue 4294967296' 'queue 1.5' 'queue-timeout 0' \
        'queue-timeout 5 x' 'queue-timeout 5x' 'per-source 0' 'per-source all' 'load-average x' \
        'load-average -1' 'load-average inf' 'load-average nan' 'rate 0' 'rate 5/0' 'rate /5' \
        'rate 5/25h' 'rate 1000001' 'processes NONE' 'processes' '' 'proc 5' 'timeout 5' 'user root' \
        'processes 5 5' 'Processes 5' 'queue_timeout 5' '-- 5' '--processes 5'; do
        say "set $word" >answer
        [[ $(wc -l <answer) == 1 ]]
        [[ $(cat answer) == "error: "?* ]] || { echo "$word: $(cat answer)" >&2; return 1; }
    done
    long=$(printf '%0600d' 5)
    for word in "processes $long" "$long 5"; do
        say "set $word" >answer
        [[ $(wc -l <answer) == 1 && $(cat answer) == "error: "*"expected "* ]]
    done
    for word in '' ' ' status1 'status now' STATUS 'pause now' 'GET /pause' '%s%n'; do
        [[ $(say "$word") == "error: "?* ]] || { echo "accepted: $word" >&2; return 1; }
    done
    after=$(say status | grep -o '"limits":{.*}},"waits')
    [[ $before == "$after" && -n $before ]]
    field_is state serving
    [[ $(say help) == *"NAME is one of processes, queue, queue-timeout, per-source, load-average, rate."* ]]
}
