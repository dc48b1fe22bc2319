#!/usr/bin/env bats
# Tests the programs of the bench: load, spawn, bare, relay, static and worker.

load ../shared/helpers

CLIENTS=() # descriptors of clients
BENCH=$BUILD/tests/tools/bench

# Starts bare at address $1.
start_bare() { start_server bare "${1:-127.0.0.1}"; }

# Starts relay with $1 workers, by default those that answer "ok"; else $2 and its arguments.
start_relay() { start_server relay 127.0.0.1 "$1" "${@:2}"; }

# The worker that keeps books, and does what a client says.
start_relay_obeying() { start_relay "$1" "$BUILD/tests/programs/handlers/worker" books "$1"; }

# Starts a program that prints "ADDRESS PORT"; sets SERVER, ADDRESS and PORT.
start_server() {
    rm -f listening
    (
        close_descriptors
        exec "$BENCH/$1" "${@:2}" >listening 2>messages </dev/null
    ) &
    SERVER=$!
    await has_content listening
    read -r ADDRESS PORT <listening
}

stop_server() {
    kill -KILL "$SERVER"
    wait "$SERVER" || true
    SERVER=
}

# Connects a client that says nothing, until descriptor CLIENT is closed.
hold_worker() {
    connect_silently
    CLIENTS+=("$CLIENT")
}

end_others() {
    local client
    for client in "${CLIENTS[@]}"; do exec {client}>&-; done
    [[ -z ${SERVER:-} ]] || stop_server
}

# Runs load against the running server.  The output goes to "result", messages to "complaints", the exit
# status to STATUS.  Requires that each client has an outcome.
measure() {
    STATUS=0
    "$BENCH/load" -t 30 "${@:1:$#-1}" "$ADDRESS" "$PORT" "${@: -1}" >result 2>complaints || STATUS=$?
    cat result complaints
    local sum=0 outcome
    for outcome in answered refused reset wrong lost; do ((sum += $(value "$outcome"))) || true; done
    ((sum > 0 && sum == $(value clients)))
}

value() { awk -v name="$1" '$1 == name { print $2 }' result; }

# Requires that all $1 clients ended with outcome $2.
all() {
    local count=$1 outcome=$2
    [[ $(value clients) == "$count" && $(value "$outcome") == "$count" ]]
    [[ $outcome == answered || $STATUS == 1 ]]
}

# Prints the times in column $1 of the timeline, counted from each client's beginning.
times_of() { awk -v column="$1" '{ print $column - $1 }' timeline | sort -n; }

# Succeeds if both numbers are equal except for rounding.
is_about() { (($1 - $2 <= 1 && $2 - $1 <= 1)); }

@test "load: bare answers every client, one by one, some at a time and all at once" {
    local in_flight
    start_bare
    for in_flight in 1 32 1000 5000; do
        measure -c "$in_flight" 1000
        all 1000 answered
        [[ $STATUS == 0 ]]
    done
    [[ ! -s complaints ]]
}

@test "load: rate and percentiles match the timeline" {
    local moment column
    start_bare
    measure -c 100 -w timeline 1000
    for moment in connect:2 first:3 done:4; do
        column=${moment#*:}
        is_about "$(value "${moment%:*}_median")" "$(times_of "$column" | sed -n 500p)"
        is_about "$(value "${moment%:*}_p90")" "$(times_of "$column" | sed -n 900p)"
        is_about "$(value "${moment%:*}_p99")" "$(times_of "$column" | sed -n 990p)"
        is_about "$(value "${moment%:*}_longest")" "$(times_of "$column" | sed -n 1000p)"
    done
    awk '{ value[$1] = $2 } END { ratio = value["rate"] * value["seconds"] / value["answered"]
        exit !(ratio > 0.999 && ratio < 1.001) }' result
    # The last client ends when the run ends.
    (($(cut -d ' ' -f 4 timeline | sort -n | tail -n 1) <= 10#$(value seconds | tr -d .) + 1))
}

@test "load: the timeline has a line for each client, in the order of their beginnings" {
    start_bare
    measure -c 2000 -w timeline 2000
    [[ $(wc -l <timeline) == 2000 && $(head -n 1 timeline) == "0 "* ]]
    grep -cxE '([0-9]+ ){3}[0-9]+' timeline | grep -qx 2000
    sort -n -c -k 1,1 timeline
    awk '$1 > $2 || $2 > $3 || $3 > $4 { exit 1 }' timeline
}

@test "load: times count from the client's beginning, and a delay appears where it happened" {
    # These delays exceed those of a busy machine.
    start --address 127.0.0.1 0 /bin/sh -c 'sleep 1.5; printf "o"; sleep 1.5; echo k'
    measure -c 2 2
    all 2 answered
    (($(value connect_longest) < 1400000))
    (($(value first_median) >= 1500000 && $(value first_median) < 2900000))
    (($(value done_median) >= 3000000 && $(value done_longest) >= 6000000))
}

@test "load: exactly the given number of clients is in flight" {
    start --address 127.0.0.1 --processes 0 0 "$ANSWER" "$ANSWERS" "$COUNTER" 200
    measure -l -c 7 70
    all 70 answered
    [[ $(most_handlers) == 7 ]]
}

@test "load: each client gets its own line back from cat behind the daemon" {
    start --address 127.0.0.1 --processes 4 0 /bin/cat
    measure -l -c 50 300
    all 300 answered
    await status_is served 300
}

@test "load: another client's line is a wrong answer" {
    start --address 127.0.0.1 --processes 4 0 /bin/sh -c 'read -r line; echo 7'
    measure -l -c 5 20
    [[ $(value answered) == 1 && $(value wrong) == 19 && $STATUS == 1 ]]
}

@test "load: a different, longer or shorter answer is wrong" {
    local answer
    for answer in 'no\n' 'ok\nok\n' 'ok'; do
        start --address 127.0.0.1 0 /usr/bin/printf "$answer"
        measure -c 5 20
        all 20 wrong
        [[ $(wc -l <complaints) == 5 ]]
        stop
    done
}

@test "load: the expected answer may contain escapes of C, and may be empty or long" {
    start --address 127.0.0.1 0 /usr/bin/printf 'a\tb\\\000\101\r\n'
    measure -a 'a\tb\\\0\x41\r\n' 5
    all 5 answered
    stop
    start --address 127.0.0.1 0 /bin/true
    measure -a '' 5
    all 5 answered
    [[ $(value first_median) == - ]]
    stop
    start --address 127.0.0.1 0 /usr/bin/printf '%020000d' 0
    measure -a "$(printf '%020000d' 0)" 5
    all 5 answered
}

@test "load: a client without a listener is refused" {
    start_bare 127.0.0.77
    stop_server
    measure -c 10 100
    all 100 refused
    [[ $(value connect_median) == - && $(value rate) == 0.0 ]]
    grep -q 'client 1: Connection refused' complaints
}

@test "load: a connection that is reset before the answer counts as reset" {
    # The handler leaves data unread, so its exit resets the connection.
    start --address 127.0.0.1 --processes 4 0 /bin/bash -c 'read -r -N 1'
    measure -l -c 10 50
    all 50 reset
}

@test "load: an end without an answer counts as lost" {
    start --address 127.0.0.1 --processes 4 0 /bin/true
    measure -c 10 50
    all 50 lost
}

@test "load: clients without an answer, and clients that could not begin, count as lost" {
    start_bare
    kill -STOP "$SERVER"
    measure -c 2 -t 2 -w timeline 5
    all 5 lost
    grep -q 'gave up 2 in flight, and 3 not begun' complaints
    [[ $(grep -cxE '[0-9]+ [0-9]+ - -' timeline) == 2 && $(grep -cx -- '- - - -' timeline) == 3 ]]
}

@test "load: an answer without an end counts as lost" {
    start --address 127.0.0.1 --drain-timeout 0 0 /bin/sh -c 'echo ok; exec sleep 600'
    measure -t 0.5 1
    all 1 lost
}

@test "load: clients use the source addresses in turn" {
    # shellcheck disable=SC2016 # the handler expands it
    start --address 127.0.0.1 0 /bin/sh -c 'echo "$TCPREMOTEIP" >>sources; echo ok'
    measure -f 127.0.0.254 -s 3 7
    all 7 answered
    diff <(printf "127.0.%s\n" 0.254 0.254 0.254 0.255 0.255 1.0 1.0) <(sort sources)
}

@test "load: IPv6 works" {
    [[ -e /proc/net/if_inet6 ]] || skip "the kernel has no IPv6"
    start_bare ::1
    measure -c 10 -f ::1 100
    all 100 answered
}

@test "load: more clients at once than descriptors allow are not begun" {
    start_bare
    (
        ulimit -n 100
        STATUS=0
        "$BENCH/load" -c 200 "$ADDRESS" "$PORT" 200 >result 2>complaints || STATUS=$?
        [[ $STATUS == 2 && ! -s result ]]
    )
    grep -qx 'load: 200 at once do not fit: the hard limit on descriptors is 100' complaints
    # The program raises its soft limit.
    (
        ulimit -Sn 50
        measure -c 200 200
        all 200 answered
    )
}

@test "load: invalid words are refused" {
    local words
    for words in "" "127.0.0.1 1" "127.0.0.1 0 1" "127.0.0.1 1 0" "localhost 1 1" "-c 0 127.0.0.1 1 1" \
        "-s 2 127.0.0.1 1 1" "-f ::1 127.0.0.1 1 1" "-a \\q 127.0.0.1 1 1" "-t 0 127.0.0.1 1 1" "-x 127.0.0.1 1 1"; do
        # shellcheck disable=SC2086 # they are words
        run "$BENCH/load" $words
        echo "$words: $output"
        [[ $status == 2 ]]
    done
}

@test "load: a long run shows its progress on a terminal" {
    command -v script >/dev/null || skip "script is not installed"
    start_bare
    kill -STOP "$SERVER"
    (
        close_descriptors
        script -qec "$BENCH/load -c 9 -t 2.6 $ADDRESS $PORT 9" seen </dev/null >/dev/null
    ) || true
    grep -q 'load: 0 of 9 answered, 9 in flight' seen
    grep -qa '^.*lost 9' seen
}

@test "spawn: all loops together run the given number of handlers, with empty standard input" {
    local loops
    for loops in 1 3; do
        : >runs
        # Each loop's first handler waits until all loops have begun, for some seconds at most.
        # shellcheck disable=SC2016 # the handler expands it
        run "$BENCH/spawn" -p "$loops" 40 /bin/sh -c \
            'read -r line; echo never seen; echo "$PPID" >>runs; looks=0
            until [ "$(sort -u runs | wc -l)" -ge "$1" ] || [ $((looks += 1)) = 250 ]; do
                sleep 0.02
            done' sh "$loops"
        [[ $status == 0 ]]
        [[ $output =~ ^rate\ [0-9]+\.[0-9]$ ]]
        [[ $(wc -l <runs) == 40 && $(sort -u runs | wc -l) == "$loops" ]]
    done
}

@test "spawn: failing handlers and handlers that cannot start are distinguished" {
    run "$BENCH/spawn" -p 1 10 /bin/false
    [[ $status == 1 && $output == *"spawn: 10 of 10 handlers failed"* ]]
    run "$BENCH/spawn" -p 1 10 ./absent
    [[ $status == 2 && $output == "spawn: ./absent: No such file or directory" ]]
}

@test "relay: every client gets its answer from a worker, one by one, some at a time and all at once" {
    local workers in_flight
    for workers in 1 32; do
        start_relay "$workers" "$BENCH/worker"
        for in_flight in 1 32 1000; do
            measure -c "$in_flight" 1000
            all 1000 answered
        done
        [[ $(processes_of_test | grep -cE "^[0-9]+ $BENCH/worker") == "$workers" ]]
        stop_server
        await nothing_is_left
    done
}

@test "relay: each client gets its own answer, and a worker that has a client gets no other" {
    start_relay_obeying 3
    hold_worker
    hold_worker
    measure -l -c 20 300
    all 300 answered
    has_lines 300 books
}

@test "relay: when all workers have a client, the next client waits until one is ready" {
    local worker first answer=
    start_relay_obeying 3
    for worker in 1 2 3; do hold_worker; done
    hold_worker
    echo hello >&"$CLIENT"
    refute read -r -t 1 answer <&"$CLIENT"
    first=${CLIENTS[0]}
    exec {first}>&-
    read -r -t 20 answer <&"$CLIENT"
    [[ $answer == hello ]]
}

@test "relay: ends, and says why, when a worker ends or cannot be executed" {
    local status=0
    start_relay_obeying 3
    hold_worker
    echo crash >&"$CLIENT"
    wait "$SERVER" || status=$?
    SERVER=
    cat messages
    [[ $status == 1 && $(<messages) == "relay: a worker has ended" ]]
    run "$BENCH/relay" 127.0.0.1 3 ./absent
    [[ $status == 1 && $output == "relay: ./absent: No such file or directory" ]]
}

@test "relay: invalid words are refused" {
    local words
    for words in "" "127.0.0.1 1" "127.0.0.1 0 $BENCH/worker" "127.0.0.1 201 $BENCH/worker"         "127.0.0.1 1x $BENCH/worker" "localhost 1 $BENCH/worker"; do
        # shellcheck disable=SC2086 # they are words
        run "$BENCH/relay" $words
        echo "$words: $output"
        [[ $status == 2 && $output == *relay* ]]
    done
}

@test "static: is linked statically, prints ok, and works behind the daemon" {
    refute ldd "$BENCH/static"
    [[ $("$BENCH/static") == ok ]]
    refute "$BENCH/static" >&-
    start --address 127.0.0.1 --processes 4 0 "$BENCH/static"
    measure -c 32 500
    all 500 answered
}
