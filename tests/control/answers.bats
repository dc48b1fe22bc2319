#!/usr/bin/env bats
# Answers to the operator that are long, or about many things.

load ../shared/helpers
load ../shared/control

ask() { echo "$1" | nc -NU control; }

has_status() { [[ $(ask status) == *"$1"* ]]; }

@test "an error about a very long name or value still lists all accepted ones" {
    local long
    long=$(printf '%01000d' 0)
    local shown=${long::64} # as much as the answer quotes
    start --address 127.0.0.1 --control control 0 cat
    [[ $(ask "set $long 1") == "error: '$shown' cannot be set: expected one of processes, queue, "* ]]
    [[ $(ask "set processes $long") == "error: processes: '$shown': expected a whole number from 0 "* ]]
}

@test "a mistyped command or limit gets the one that was probably meant" {
    start --address 127.0.0.1 --control control 0 cat
    [[ $(ask "staus") == "error: unknown command (did you mean status?); try help" ]]
    [[ $(ask "dance") == "error: unknown command; try help" ]]
    [[ $(ask "set per_source 1") == "error: 'per_source' cannot be set: expected one of "*" (did you mean per-source?)" ]]
    [[ $(ask "set user nobody") == "error: 'user' cannot be set: expected one of "*", rate" ]]
    [[ $(ask "set rate nnoe") == "error: rate: 'nnoe': expected "*", or none (did you mean none?)" ]]
}

@test "the status shows the busiest of many sources, and forgets those of the last answer" {
    ulimit -n 4096
    start --address 127.0.0.1 --control control 0 sleep 60
    "$BURST" -f 127.0.1.1 -s 1500 127.0.0.1 "$PORT" 1500 >crowd 3>&- 4>&- &
    local crowd=$!
    await has_status '"sources":1500,"busiest":[{"source":"127.0.'
    "$BURST" -f 127.0.0.2 127.0.0.1 "$PORT" 7 >few 3>&- 4>&- &
    local few=$!
    await has_status '"sources":1501,"busiest":[{"source":"127.0.0.2/32","waiting":7,"running":0},{'
    kill "$crowd" "$few"
    wait "$crowd" "$few" || true
    stop INT
}

@test "the status shows the number of open descriptors" {
    start --control control --pid-file pid --metrics 127.0.0.1:0 "unix:$PWD/socket" cat
    await counts_its_descriptors
}

@test "two listeners on the same address and port are one sample in the metrics" {
    start --reuse-port --address 127.0.0.1 0 cat
    local first=$DAEMON port=$PORT
    start --reuse-port --address 127.0.0.1 --address 127.0.0.1 --control control "$port" cat
    [[ $(wc -l <"$READY") == 2 ]]
    ask metrics >figures
    [[ $(grep '^dampener_listen_backlog' figures) == \
        "dampener_listen_backlog{address=\"127.0.0.1\",port=\"$port\"} 0" ]]
    kill "$first"
    await is_gone "$first"
}
