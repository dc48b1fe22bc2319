#!/usr/bin/env bats
# Status and metrics: what the daemon says of itself.

load ../shared/helpers
load ../shared/control

@test "in every status during a burst of 2,000 clients, the counts add up" {
    start_controlled --processes 8 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    mkfifo statuses
    check_sums <statuses >sums 3>&- 4>&- &
    local checker=$! looks waiting
    keep_asking statuses ./control status
    run "$BURST" "$ADDRESS" "$PORT" 2000
    hush
    wait "$checker"
    [[ $output == "connected 2000 answered 2000 failed 0" ]]
    cat statuses.times sums
    read -r looks waiting <sums
    echo "$looks looks, clients waited in $waiting"
    ((looks > 20 && waiting > 5))
    await field_is served 2000
    [[ $(say status | check_sums) == "1 0" ]]
    if command -v jq >/dev/null; then say status | jq -e .ended.served; fi
}

@test "during a burst, every answer to a scraper is strictly valid, and no counter falls" {
    start_controlled --processes 8 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    keep_asking socket -p 10 -0 ./control metrics
    keep_asking port -p 10 -0 "127.0.0.1:$METRICS" $'GET /metrics HTTP/1.0\r\n\r'
    run "$BURST" "$ADDRESS" "$PORT" 2000
    hush
    [[ $output == "connected 2000 answered 2000 failed 0" ]]
    cat socket.times port.times
    "$EXPOSITION" <socket
    "$EXPOSITION" <port
    (($(tr -cd '\0' <socket | wc -c) > 20))
    await metric_is 'connections_ended_total{how="served"}' 2000
    metric_is connections_accepted_total 2000
    metric_is run_seconds_count 2000
    metric_is 'wait_seconds_bucket{le="+Inf"}' 2000
}

@test "promtool accepts the metrics" {
    command -v promtool >/dev/null || skip "promtool is not installed"
    start_controlled 0 cat
    say metrics | promtool check metrics
}

# Changes a valid exposition with an expression of sed.  The reader must refuse it with these words.
refuses() {
    sed -E "$1" good >bad
    refute cmp -s good bad
    refute "$EXPOSITION" <bad 2>why
    grep -q -- "$2" why || { echo "$1: $(cat why)" >&2; return 1; }
}

@test "the reader of metrics refuses each kind of mistake" {
    cat >good <<'GOOD'
# HELP a_total Some.
# TYPE a_total counter
a_total{x="1",y="q\"\\\n"} 3
a_total{x="2",y=""} 0
# HELP b:c One.
# TYPE b:c gauge
b:c -1.5e-3
# HELP h Long.
# TYPE h histogram
h_bucket{le="0.5"} 1
h_bucket{le="1"} 2
h_bucket{le="+Inf"} 4
h_sum 7.5
h_count 4
GOOD
    [[ $("$EXPOSITION" <good) == "8 samples" ]]
    refuses '1d' 'does not follow its HELP'
    refuses '2d' 'does not stand behind'
    refuses '1,2d' 'does not stand behind'
    refuses '2p' 'second TYPE'
    refuses '5,6s/b:c/a_total/' 'second HELP'
    refuses '1s/Some.//' 'not explained'
    refuses '1s/Some/S\\ome/' 'no escape'
    refuses '2s/counter/summary/' 'no type'
    refuses '3s/^/\n/' 'no name'
    refuses '3i# free comment' 'no name'
    refuses '3s/a_total/1_total/' 'no name'
    refuses '7s/b:c/b-c/' 'no blank and value'
    refuses '3s/x=/x:=/' 'has no value'
    refuses '3s/x=/__x=/' 'reserved'
    refuses '3s/"1"/1/' 'not quoted'
    refuses '3s/y=.*/y="/' 'has no end'
    refuses '3s/"1"/"\\t"/' 'no escape'
    refuses '3s/y=/x=/' 'label x is there twice'
    refuses '3s/\} / /' 'labels have no end'
    refuses '4s/2",y=""/1",y="q\\"\\\\\\n"/' 'sample is there twice'
    refuses '7p' 'sample is there twice'
    refuses '4s/x="2",y=""/y="q\\"\\\\\\n",x="1"/' 'sample is there twice'
    refuses '3s/ 3/ -3/' 'counts, and is'
    refuses '3s/ 3/ NaN/' 'counts, and is'
    refuses '3s/ 3/ 0x3/' 'no value'
    refuses '3s/ 3/ 3 1700000000/' 'no value'
    refuses '3s/ 3/  3/' 'no value'
    refuses '3s/ 3/ inf/' 'no value'
    refuses '3s/ 3/ 1e999/' 'no value'
    refuses '3s/ 3//' 'no blank and value'
    refuses '1,4s/a_total/a/' 'counters end in _total'
    refuses '5,7s/b:c/b_total/' 'counters end in _total'
    refuses '5,7s/b:c/b_count/' 'like a part of a histogram'
    refuses '10s/ 1/ 3/' 'not cumulative'
    refuses '10s/ 1/ 0.5/' 'no whole number'
    refuses '11s/"1"/"0.5"/' 'do not rise'
    refuses '11s/"1"/"0.2"/' 'do not rise'
    refuses '11s/\}/,x="1"}/' 'other labels than le'
    refuses '12d' 'not its count'
    refuses '14s/4/5/' 'not its count'
    refuses '13d' 'no _sum or no _count'
    refuses '14d' 'no _sum or no _count'
    refuses '14s/h_count/h/' 'no part of a histogram'
    refuses '12,14d' 'no bucket of +Inf'
    refuses '7s/$/\r/' 'control character'
    head -c -1 good >bad
    refute "$EXPOSITION" <bad 2>why
    grep -q 'last line has no end' why
    refute "$EXPOSITION" </dev/null
    # Two expositions in sequence.
    { cat good; printf '\0'; cat good; } >both
    [[ $("$EXPOSITION" <both) == "16 samples" ]]
    { cat good; printf '\0'; sed '3s/ 3/ 2/' good; } >both
    refute "$EXPOSITION" <both
    { cat good; printf '\0'; sed '13s/7.5/7/' good; } >both
    refute "$EXPOSITION" <both
    { cat good; printf '\0'; sed '7s/-1/-2/' good; } >both
    "$EXPOSITION" <both
}

@test "the status shows listeners, limits, sources and the longest wait" {
    start -v --address 127.0.0.1 --address ::1 --control control --processes 1 --queue 50 \
        --queue-timeout 1.5h --per-source 7 --load-average 900.5 --rate 30/2m --order fair 0 cat
    connect_more 3
    await fields_are running 1 queued 2
    sleep 0.3
    local status
    status=$(say status)
    echo "$status"
    [[ $status == *'"state":"serving"'* && $status == *"\"process\":$DAEMON,"* ]]
    [[ $status == *'"listeners":[{"address":"127.0.0.1","port":'"$PORT"',"backlog":0,"dropped":0},{"address":"::1",'* ]]
    [[ $status == *'"limits":{"processes":1,"queue":50,"queue_timeout":5400,"per_source":7,"load_average":900.5,"rate":{"count":30,"period":120}}'* ]]
    [[ $status == *'"sources":1,"busiest":[{"source":"127.0.0.1/32","waiting":2,"running":1}]}' ]]
    [[ $status == *'"held_back_by":"processes"'* && $status == *'"command":"cat"'* ]]
    [[ $status =~ \"oldest\":(0\.[3-9]|[1-9]) ]]
    metric_is handlers_limit 1
    metric_is sources 1
    metric_is connections_queued 2
    metric_is 'held_back{by="processes"}' 1
    metric_is 'held_back_words{by="processes",words="--processes: as many handlers run as it allows"}' 1
    [[ $status == *'"held_back_words":"--processes: as many handlers run as it allows","gates":[{"gate":"load","now":'* ]]
    [[ $status == *',"limit":900.5}],'* ]]
    metric_is 'gate_limit{gate="load"}' 900.5
    [[ $(metric 'gate{gate="load"}') =~ ^[0-9.]+$ ]]
    [[ $(metric oldest_wait_seconds) =~ ^(0\.[3-9]|[1-9]) ]]
    hang_up
}

@test "the table for people and the lines for dampenerctl show the figures of the status" {
    start_controlled --processes 1 --queue 50 0 cat
    connect_more 3
    await fields_are running 1 queued 2
    say figures >lines
    say table >rows
    local line
    for line in 'queued 2' 'running 1' 'limits.queue 50' 'held_back_by --processes: as many handlers run as it allows' \
        "listeners 0 0 127.0.0.1 port $PORT" 'busiest 2 1 127.0.0.1/32' 'limits.rate no limit' 'last_start_error none'; do
        grep -qxF "$line" lines || { echo "not there: $line" >&2; cat lines >&2; false; }
    done
    grep -qx 'queued          2 of 50' rows
    grep -qx 'running         1 of 1' rows
    grep -qx 'held back by    --processes: as many handlers run as it allows' rows
    [[ $(head -n 1 lines) == "version "* && $(head -n 1 rows) == "state "* ]]
    # Each field of the status has a line whose name ends in the name of the field.
    local field
    for field in $(say status | grep -o '"[a-z_0-9]*":[0-9n]' | cut -d '"' -f 2 | sort -u); do
        [[ " port backlog dropped waiting count period ago " == *" $field "* ]] ||
            grep -qE "^([a-z]*\.)?$field " lines || { echo "no line: $field" >&2; false; }
    done
    [[ $(say help) == *$'\n'table\ * && $(say help) == *$'\n'figures\ * ]]
    [[ $(say table now) == "error: too many words; try help" ]]
    hang_up
}

@test "the figures show how long handlers waited and ran, and how they ended" {
    cat >handler <<'HANDLER'
#!/bin/bash
read -r what
case $what in
short) ;;
long) sleep 0.25 ;;
held) until [[ -e let-go ]]; do sleep 0.02; done ;;
fail) exit 3 ;;
signal) kill -KILL $$ ;;
esac
HANDLER
    chmod +x handler
    start_controlled --processes 2 0 ./handler
    local what
    for what in short short long fail signal; do echo "$what" | nc -N 127.0.0.1 "$PORT"; done
    await field_is served 5
    metric_is 'handler_exits_total{status="success"}' 3
    metric_is 'handler_exits_total{status="failure"}' 1
    metric_is 'handler_exits_total{status="signal"}' 1
    metric_is 'handler_exits_total{status="unknown"}' 0
    metric_is run_seconds_count 5
    # Only the handler that slept takes longer than 0.1 s; a slow machine may delay more.
    (($(metric 'run_seconds_bucket{le="0.1"}') <= 4))
    metric run_seconds_sum | awk '{ exit !($1 >= 0.25 && $1 < 20) }'
    [[ $(say status) =~ \"runs\":\{\"of\":5,.*\"longest\":0?([0-9]*\.[0-9]+)\} ]]
    # Two clients wait while two handlers run.
    local clients=()
    for what in 1 2 3 4; do
        echo held | nc -N 127.0.0.1 "$PORT" &
        clients+=($!)
    done
    await fields_are running 2 queued 2
    sleep 0.15
    touch let-go
    await field_is served 9
    wait "${clients[@]}"
    [[ $(say status) =~ \"waits\":\{\"of\":9,\"p50\":([0-9.e-]+),\"p90\":([0-9.e-]+),\"p99\":([0-9.e-]+),\"longest\":([0-9.e-]+)\} ]]
    printf '%s %s %s %s\n' "${BASH_REMATCH[@]:1}" |
        awk '{ print; exit !($1 < $2 && $2 <= $3 && $3 <= $4 && $4 > 0.1 && $4 < 20) }'
}

@test "clients that get no handler have a histogram of their own, which outlives the supervisor" {
    start_controlled --processes 1 --queue-timeout 300ms --abandon half-close --deny 127.0.0.9 0 cat
    connect_more 1
    await field_is running 1
    "$BURST" -f 127.0.0.9 -m '' "$ADDRESS" "$PORT" 1 >/dev/null 2>&1 || true # it does not wait
    await field_is denied 1
    metric_is unserved_wait_seconds_count 0
    connect_more 2
    await field_is refused_timeout 2
    connect_silently
    await field_is queued 1
    exec {CLIENT}>&-
    await field_is abandoned 1
    local look
    for look in before after; do
        echo "$look"
        await metric_is unserved_wait_seconds_count 3
        metric_is 'unserved_wait_seconds_bucket{le="+Inf"}' 3
        # Two have waited for 0.3 s, and the third may have.
        (($(metric 'unserved_wait_seconds_bucket{le="0.1"}') <= 1))
        metric unserved_wait_seconds_sum | awk '{ exit !($1 >= 0.6 && $1 < 20) }'
        metric_is wait_seconds_count 1
        [[ $(say status) =~ \"unserved\":\{\"of\":3,\"p50\":0\.3 ]]
        say table | grep -qE '^waited in vain  p50 3[0-9]{2}ms, .* of 3$'
        kill -KILL "$(supervisor)"
        await field_is denied 1
    done
    hang_up
}

@test "failed starts and replaced dispatchers are counted" {
    cp "$(command -v cat)" handler
    mkfifo pipe
    exec {HELD}<>pipe
    start --address 127.0.0.1 --control control --processes 4 --dispatchers 2 0 ./handler
    metric_is start_failures_total 0
    [[ $(say status) == *'"last_start_error":null,'* ]]
    metric_is dispatchers 2
    metric_is dispatcher_restarts_total 0
    mv handler away
    connect_more 1
    await metric_exceeds start_failures_total 0
    await field_is held_back_by failure
    [[ $(say status) =~ \"last_start_error\":\{\"error\":\"No\ such\ file\ or\ directory\",\"ago\":[0-9.e-]+\} ]]
    (($(metric 'last_start_error_timestamp_seconds{error="No such file or directory"}' | cut -d . -f 1) >= EPOCHSECONDS - 60))
    mv away handler
    await field_is running 1
    metric_is 'held_back{by="failure"}' 0
    kill -KILL "$(dispatchers | head -n 1)"
    await metric_is dispatcher_restarts_total 1
    await metric_is dispatchers_ready 2
    [[ $(field restarts) == 1 ]]
    hang_up
    await field_is served 1
    exec {HELD}>&-
}

metric_exceeds() { (($(metric "$1") > $2)); }

@test "log lines that a full pipe does not take are counted" {
    mkfifo pipe
    exec {HELD}<>pipe
    LOG=$BATS_TEST_TMPDIR/pipe
    start -vv --address 127.0.0.1 --control control --processes 4 0 true
    LOG=$BATS_TEST_TMPDIR/log
    [[ $(field log_lines_dropped) == 0 ]]
    "$BURST" "$ADDRESS" "$PORT" 1500 >/dev/null 2>&1 || true
    await field_is running 0
    (($(field log_lines_dropped) > 0))
    (($(metric log_lines_dropped_total) > 0))
    stop
    ((STATUS == 0))
    exec {HELD}>&-
}

@test "a full backlog in the kernel shows as overflows" {
    [[ $(id -u) == 0 ]] || skip "a network namespace needs root"
    # shellcheck disable=SC2016
    WRAPPER=(unshare --net sh -c 'ip link set lo up && sysctl -qw net.core.somaxconn=4 && exec "$@"' sh)
    unshare --net sh -c 'ip link set lo up && sysctl -qw net.core.somaxconn=4' ||
        skip "ip is not installed, or somaxconn cannot be set"
    start --address 127.0.0.1 --control control --drain-timeout 1 --processes 1 --queue 0 0 sleep 100
    local place="{address=\"127.0.0.1\",port=\"$PORT\"}"
    metric_is "listen_overflows_total$place" 0
    nsenter --net="/proc/$DAEMON/ns/net" "$BURST" "$ADDRESS" "$PORT" 1 >/dev/null 2>&1 &
    local clients=($!)
    await field_is running 1
    while ((${#clients[@]} < 10)); do
        nsenter --net="/proc/$DAEMON/ns/net" "$BURST" "$ADDRESS" "$PORT" 1 >/dev/null 2>&1 &
        clients+=($!)
    done
    await metric_exceeds "listen_overflows_total$place" 0
    # The kernel queues one connection more than somaxconn (sk_acceptq_is_full()).  A client may overflow
    # earlier: it tries again, and no client gives up meanwhile.
    await metric_is "listen_backlog$place" 5
    [[ $(field backlog) == 5 ]]
    kill "${clients[@]}"
    wait "${clients[@]}" || true
    stop INT
}

@test "listeners on one address and port are one sample" {
    # Another daemon finds a free port, and keeps it.
    start --reuse-port --address 127.0.0.1 0 cat
    local other=$DAEMON
    start --reuse-port --address 127.0.0.1 --address 127.0.0.1 --control control "$PORT" cat
    kill "$other"
    wait "$other"
    say metrics >answer
    "$EXPOSITION" <answer
    grep '^dampener_listen' answer
    (($(grep -c '^dampener_listen_backlog{' answer) == 1))
    (($(say status | grep -o '"backlog":0' | wc -l) == 2))
}

@test "two ports of one address are two samples, each with its own backlog" {
    WRAPPER=("$BUILD/tests/programs/clients/activate" 127.0.0.1 127.0.0.1 --)
    start --control control --processes 1 --queue 0 systemd sleep 100
    local first=$PORT second
    await has_lines 2 "$READY"
    second=$(tail -n 1 "$READY")
    second=${second#* }
    connect_silently
    await field_is running 1
    PORT=$second connect_silently # this client waits in the backlog of the second port
    await backlog_is "$second" 1
    say metrics >answer
    "$EXPOSITION" <answer
    grep '^dampener_listen' answer
    [[ $(grep '^dampener_listen_backlog{' answer | sort) == "$(sort <<END
dampener_listen_backlog{address="127.0.0.1",port="$first"} 0
dampener_listen_backlog{address="127.0.0.1",port="$second"} 1
END
    )" ]]
    (($(grep -c '^dampener_listen_overflows_total{' answer) == 2))
    stop INT
}

measures_its_descriptors() { metric_is descriptors_used "$(($(open_descriptors "$(supervisor)") + 1))"; }

@test "the number of descriptors is right with clients and without" {
    start_controlled 0 --processes 2 cat
    await counts_its_descriptors
    connect_more 5
    await field_is queued 3
    await counts_its_descriptors
    await measures_its_descriptors
    hang_up
    await field_is served 5
    await counts_its_descriptors
    # Draining closes the listener, too.
    connect_more 1
    await field_is running 1
    say drain
    await counts_its_descriptors
    hang_up
    finish
}

@test "the number of descriptors is right with a --ready-fd far above the others" {
    WRAPPER=(bash -c 'exec 700>&7; exec "$@"' wrapper)
    start_controlled 0 --ready-fd 700 cat
    await counts_its_descriptors
}

# Asks ten times; each answer must arrive within 200 ms.
answers_at_once() {
    "$ASK" -n 10 ./control "$1" >/dev/null 2>speed || return 1
    cat speed
    awk '{ exit !($4 <= 200000) }' speed
}

@test "with 10,000 sources, a status arrives within 200 ms" {
    start_controlled 0 true
    say pause
    "$BURST" -f 127.1.0.1 -s 10000 -h 10000 -H "$ADDRESS" "$PORT" 10000 >burst 3>&- 4>&- &
    local client=$!
    await has_line waiting burst
    await field_is queued 10000
    [[ $(field sources) == 10000 ]]
    # A machine that pauses delays some answers, but not one in every series of ten.
    await answers_at_once status
    await answers_at_once metrics
    kill -USR1 "$client"
    wait "$client"
    await field_is abandoned 10000
}
