#!/usr/bin/env bats
# The control socket and the metrics port: their answers, their clients, and the limits that they
# change.

load ../shared/helpers
load ../shared/control

# ---- answers ----

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
    for line in 'queued 2' 'running 1' 'limits.queue 50' 'held_back_by the limit on handlers' \
        "listeners 0 0 127.0.0.1 port $PORT" 'busiest 2 1 127.0.0.1/32' 'limits.rate no limit'; do
        grep -qxF "$line" lines || { echo "not there: $line" >&2; cat lines >&2; false; }
    done
    grep -qx 'queued          2 of 50' rows
    grep -qx 'running         1 of 1' rows
    grep -qx 'held back by    the limit on handlers' rows
    [[ $(head -n 1 lines) == "version "* && $(head -n 1 rows) == "state "* ]]
    # Each field of the status has a line whose name ends in the name of the field.
    local field
    for field in $(say status | grep -o '"[a-z_0-9]*":[0-9n]' | cut -d '"' -f 2 | sort -u); do
        [[ " port backlog dropped waiting count period " == *" $field "* ]] ||
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
    # Only the handler that slept takes longer than 0.2 s; a slow machine may delay more.
    (($(metric 'run_seconds_bucket{le="0.2"}') <= 4))
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

@test "failed starts and replaced dispatchers are counted" {
    cp "$(command -v cat)" handler
    mkfifo pipe
    exec {HELD}<>pipe
    start --address 127.0.0.1 --control control --processes 4 --dispatchers 2 0 ./handler
    metric_is start_failures_total 0
    metric_is dispatchers 2
    metric_is dispatcher_restarts_total 0
    mv handler away
    connect_more 1
    await metric_exceeds start_failures_total 0
    await field_is held_back_by failure
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

# ---- clients of the control socket and the metrics port ----

# Sets WORST and TOTAL: the p99 of the clients of a burst, and the duration of the burst, in
# milliseconds.
measure() {
    local begin result
    begin=$(milliseconds)
    result=$("$BURST" -w "$ADDRESS" "$PORT" 1500)
    TOTAL=$(milliseconds_since "$begin")
    [[ $result == "connected 1500 answered 1500 failed 0"* ]]
    [[ $result =~ p99\ ([0-9]+) ]]
    WORST=${BASH_REMATCH[1]}
}

# $1: the socket or port that the hostile clients connect to.
is_not_held_up_by_pests_at() {
    start_controlled --processes 8 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    measure
    local total=$TOTAL worst=$WORST
    "$PESTS" 100 "${1/PORT/$METRICS}" >pests 3>&- 4>&- &
    local pests=$!
    await has_line ready pests
    keep_asking statuses -r -p 20 ./control status
    keep_asking scrapes -r -p 20 -0 "127.0.0.1:$METRICS" $'GET /metrics HTTP/1.0\r\n\r'
    measure
    local bursts=2
    # A busy machine may delay one burst; hostile clients would delay every burst.
    while ((WORST > 3 * worst + 500 || TOTAL > 3 * total + 500)); do
        echo "alone: p99 $worst ms, total $total ms; with pests: p99 $WORST ms, total $TOTAL ms"
        ((bursts < 5))
        measure
        bursts=$((bursts + 1))
    done
    hush
    kill "$pests"
    wait "$pests"
    cat pests statuses.times scrapes.times
    echo "alone: p99 $worst ms, total $total ms; with pests: p99 $WORST ms, total $TOTAL ms"
    check_sums <statuses
    "$EXPOSITION" <scrapes
    (($(wc -l <statuses) > 3))
    await has_its_descriptors
    await field_is served $((1500 * bursts))
    await counts_its_descriptors
}

@test "100 hostile clients of the control socket hold up neither clients nor the operator" {
    is_not_held_up_by_pests_at ./control
}

@test "100 hostile clients of the metrics port hold up neither clients nor the operator" {
    is_not_held_up_by_pests_at 127.0.0.1:PORT
}

@test "healthz shows whether the daemon serves, is paused or drains" {
    start_controlled --processes 1 0 cat
    health_is 200
    say pause
    health_is 503
    [[ $(metric 'state{state="paused"}') == 1 && $(field state) == paused ]]
    say resume
    health_is 200
    connect_more 1
    await field_is running 1
    [[ $(say drain) == "draining: "*" 1 handlers run" ]]
    health_is 503
    [[ $(metric 'state{state="draining"}') == 1 && $(field state) == draining ]]
    [[ $(say pause) == "error: the service is draining: it cannot be paused" ]]
    [[ $(say resume) == "error: the service is draining: it is not paused" ]]
    hang_up
    finish
    ((STATUS == 0))
}

@test "HTTP serves known paths only, by GET and HEAD only" {
    start_controlled 0 cat
    local ask
    for ask in http_port http_socket; do
        [[ $($ask 'GET /metrics HTTP/1.1') == "HTTP/1.1 200 OK" ]]
        [[ $($ask 'GET /status HTTP/1.1') == "HTTP/1.1 200 OK" ]]
        [[ $($ask 'HEAD /status HTTP/1.1') == "HTTP/1.1 200 OK" ]]
        [[ $($ask 'GET /set/processes/5 HTTP/1.1') == "HTTP/1.1 404 Not Found" ]]
        [[ $($ask 'GET / HTTP/1.1') == "HTTP/1.1 404 Not Found" ]]
        [[ $($ask 'POST /pause HTTP/1.1') == "HTTP/1.1 405 Method Not Allowed" ]]
        [[ $($ask 'GET /pause HTTP/1.1') == "HTTP/1.1 404 Not Found" ]]
        [[ $($ask 'GET /metrics HTTP/3.0') == "HTTP/1.1 505 "* ]]
    done
    [[ $(printf 'HEAD /status HTTP/1.0\r\n\r\n' | nc -N 127.0.0.1 "$METRICS") != *accepted* ]]
    # The port accepts no commands.
    for ask in pause drain 'set processes 9' status takeover; do
        [[ $(echo "$ask" | nc -N 127.0.0.1 "$METRICS") == "HTTP/1.1 400 "* ]]
    done
    field_is state serving
    field_is processes 1
}

@test "curl gets answers from the socket and from the port" {
    command -v curl >/dev/null || skip "curl is not installed"
    start_controlled 0 cat
    curl -sSf --unix-socket control http://localhost/metrics | "$EXPOSITION"
    curl -sSf "http://127.0.0.1:$METRICS/metrics" | "$EXPOSITION"
    [[ $(curl -sSf --unix-socket control http://localhost/status) == '{"version":'* ]]
    [[ $(curl -sS -o /dev/null -w '%{http_code} %{content_type}' "http://127.0.0.1:$METRICS/metrics") == "200 text/plain; version=0.0.4; charset=utf-8" ]]
    [[ $(curl -sS -o /dev/null -w '%{http_code} %{content_type}' "http://127.0.0.1:$METRICS/status") == "200 application/json" ]]
    [[ $(curl -sSI -o /dev/null -w '%{http_code}' "http://127.0.0.1:$METRICS/healthz") == 200 ]]
    [[ $(curl -sS -o /dev/null -w '%{http_code}' -d x "http://127.0.0.1:$METRICS/healthz") == 405 ]]
}

mode_of() { stat -c '%a %u' "$1"; }

# Asks as user $1; errors go to the file "why".
ask_as() { run_as "$1" ./ask -n 1 ./control "$2" 2>why; }

may_ask() { [[ $(ask_as "$1" status) == '{"version":'* ]]; }

prepare_for_others() {
    [[ $(id -u) == 0 ]] || skip "becoming another user requires root"
    open_to_others
    install -m 755 "$ASK" ask
}

@test "by default, root alone may use the socket: even the daemon's own user may not" {
    prepare_for_others
    start_controlled 0 cat
    [[ $(mode_of control) == "600 0" ]]
    may_ask 0
    refute may_ask 65534
    refute may_ask 4321
    # The mode keeps other users out.  Without it, the daemon checks the user of the client.
    [[ -z $(ask_as 4321 status) && $(cat why) == *"cannot connect: Permission denied" ]]
    chmod 666 control
    [[ $(ask_as 4321 status) == "error: only root "* ]]
    [[ $(ask_as 65534 'set processes 50') == "error: only root "* ]]
    [[ $(run_as 4321 nc -NU ./control <<<$'GET /status HTTP/1.0\r\n\r') == "HTTP/1.1 403 "* ]]
    field_is processes 1
}

@test "the user that --supervisor-user names may ask, too" {
    prepare_for_others
    start --address 127.0.0.1 --control control --supervisor-user 4321:4321 0 cat
    [[ $(mode_of control) == "600 4321" ]]
    may_ask 0
    may_ask 4321
    refute may_ask 65534
    chmod 666 control
    refute may_ask 65534
}

@test "a daemon started by another user serves its socket to that user and root" {
    prepare_for_others
    mkdir own
    chown 4321 own
    WRAPPER=(setpriv --reuid=4321 --regid=4321 --clear-groups --)
    start --address 127.0.0.1 --control own/control 0 cat
    ln -s own/control control
    [[ $(mode_of own/control) == "600 4321" ]]
    may_ask 0
    may_ask 4321
    refute may_ask 65534
    chmod 666 own/control
    refute may_ask 65534
}

is_missing() { [[ ! -e $1 ]]; }

@test "the file of the socket is removed on exit, even after the supervisor was killed" {
    start --address 127.0.0.1 --control control 0 cat
    [[ -S control ]]
    stop
    is_missing control
    start --address 127.0.0.1 --control control 0 cat
    kill -KILL "$(supervisor)"
    await has_line 'another takes its place$' "$LOG"
    say status >/dev/null # the next supervisor has the same socket
    stop
    [[ $STATUS == 0 ]]
    is_missing control
    await nothing_is_left
}

@test "a stale socket file is replaced; a live socket and another kind of file are refused" {
    start --address 127.0.0.1 --control control 0 cat
    run "$DAMPENER" --address 127.0.0.1 --control control 0 cat
    ((status == 1))
    [[ $output == *"--control: 'control': another process listens there"* ]]
    say status >/dev/null
    ln control kept
    stop
    is_missing control
    [[ -S kept ]]
    mv kept control
    start --address 127.0.0.1 --control control 0 cat
    say status >/dev/null
    stop
    echo content >control
    run "$DAMPENER" --address 127.0.0.1 --control control 0 cat
    ((status == 1))
    [[ $output == *"is no socket"* && $(cat control) == content ]]
}

# ---- changes ----

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
