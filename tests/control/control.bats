#!/usr/bin/env bats
# The control socket and the metrics port: which clients they serve, and how.

load ../shared/helpers
load ../shared/control

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
