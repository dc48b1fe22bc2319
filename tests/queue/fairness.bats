#!/usr/bin/env bats
# Tests which of several sources is served next: --order, --per-source, --source-prefix.

load ../shared/helpers

# Prints the longest wait of a client of the second source, in milliseconds.  The first source brings
# 2,000 clients at once, the second a client every 800 ms.  The two handlers run 400 ms each, so that a
# busy processor hardly matters.
longest_wait_beside_a_crowd() {
    start --address 127.0.0.1 --processes 2 "$@" 0 "$ANSWER" "$ANSWERS" "$COUNTER" 400
    "$BURST" -f 127.0.0.2 "$ADDRESS" "$PORT" 2000 >crowd 3>&- &
    local crowd=$!
    await status_is accepted 2000
    "$BURST" -f 127.0.0.3 -e 800 -w "$ADDRESS" "$PORT" 8 >single
    kill "$crowd" # is no longer needed
    wait "$crowd" || true
    stop INT
    [[ $(head -n 1 single) == "connected 8 answered 8 failed 0" ]]
    cat single >&2
    sed -n 's/^waits: .* longest \([0-9]*\) ms$/\1/p' single
}

@test "--order fair: beside 2,000 clients of another source no client waits longer than 5 handler times" {
    local wait
    wait=$(longest_wait_beside_a_crowd --order fair)
    ((wait <= 2000))
}

@test "--order arrival: a client waits until the clients of another source that came earlier are served" {
    # 2,000 clients would take 2,000 * 400 ms / 2 = 400 s, so 500 clients and shorter handlers stand in
    # for them.
    start --address 127.0.0.1 --processes 2 0 "$ANSWER" "$ANSWERS" "$COUNTER" 5
    "$BURST" -f 127.0.0.2 "$ADDRESS" "$PORT" 500 >crowd &
    local crowd=$!
    await status_is accepted 500
    "$BURST" -f 127.0.0.3 "$ADDRESS" "$PORT" 1
    wait "$crowd"
    # The client is among the last two: two handlers run at once and note themselves in any order.
    tail -n 2 "$ANSWERS" | grep -qx '501 1'
}

@test "--order fair: three sources take turns, and each is served in order of arrival" {
    start --address 127.0.0.1 --order fair 0 "$ANSWER" "$ANSWERS" "$COUNTER" 5
    connect_silently # occupies the only handler until all clients have come
    await status_is running 1
    local crowds=() first
    for first in 127.0.0.2 127.0.0.3 127.0.0.4; do
        "$BURST" -f "$first" "$ADDRESS" "$PORT" 10 >/dev/null &
        crowds+=($!)
        await status_is accepted $((1 + 10 * ${#crowds[@]}))
    done
    echo >&"$CLIENT"
    wait "${crowds[@]}"
    # Tickets 2 to 11 belong to the first source, 12 to 21 to the second, 22 to 31 to the third.
    diff <(for ((i = 2; i <= 11; i++)); do echo "$i"; echo $((i + 10)); echo $((i + 20)); done) \
        <(tail -n +2 "$ANSWERS" | cut -d ' ' -f 1)
}

@test "--order arrival: clients of a source at its limit are overtaken and keep their places" {
    start --address 127.0.0.1 --processes 2 --per-source 1 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    local first
    exec {first}<>"/dev/tcp/127.0.0.1/$PORT" # ticket 1, of 127.0.0.1, runs
    await status_is running 1
    "$BURST" "$ADDRESS" "$PORT" 3 >/dev/null & # tickets 2 to 4 wait
    local same=$!
    await status_is queued 3
    "$BURST" -f 127.0.0.2 "$ADDRESS" "$PORT" 3 >/dev/null # tickets 5 to 7 overtake them
    [[ $(status_of queued) == 3 ]]
    await status_is running 1
    echo >&"$first"
    wait "$same"
    exec {first}>&-
    diff <(printf '%s\n' 5 6 7 1 2 3 4) <(cut -d ' ' -f 1 "$ANSWERS")
}

# Starts the daemon with handlers that run $1 milliseconds and count themselves per client address and
# in total.
start_counting_sources() {
    local time=$1
    shift
    # shellcheck disable=SC2016
    start "$@" 0 "$BUILD/tests/programs/handlers/counted" "$COUNTER" bash -c \
        'exec "$0" "$1" "counter.$TCPREMOTEIP" "$2"' "$ANSWER" "$ANSWERS" "$time"
}

most_of_sources() {
    local file
    for file in counter.*; do COUNTER=$file most_handlers; done | sort -n | tail -n 1
}

@test "--per-source 2 with twenty sources never runs more than 2 handlers of one, and uses all of --processes" {
    start_counting_sources 400 --address 127.0.0.1 --processes 30 --per-source 2
    run "$BURST" -f 127.0.1.1 -s 20 "$ADDRESS" "$PORT" 400
    [[ $output == "connected 400 answered 400 failed 0" ]]
    [[ $(echo counter.* | wc -w) == 20 ]]
    [[ $(most_of_sources) == 2 ]]
    [[ $(most_handlers) == 30 ]]
    await status_is sources 0
}

@test "--per-source 2 with three sources runs 2 handlers of each and leaves the rest of --processes unused" {
    start_counting_sources 100 --address 127.0.0.1 --processes 10 --per-source 2 --order fair
    run "$BURST" -f 127.0.1.1 -s 3 "$ADDRESS" "$PORT" 90
    [[ $output == "connected 90 answered 90 failed 0" ]]
    [[ $(most_of_sources) == 2 ]]
    [[ $(most_handlers) == 6 ]]
}

@test "--source-prefix makes all addresses of a prefix one source" {
    start_counting_sources 100 --address 127.0.0.1 --processes 10 --per-source 2 --source-prefix 24
    run "$BURST" -f 127.0.1.254 -s 4 "$ADDRESS" "$PORT" 80 # two of 127.0.1.0/24, two of 127.0.2.0/24
    [[ $output == "connected 80 answered 80 failed 0" ]]
    [[ $(most_handlers) == 4 ]]
}

# Runs a command in a network namespace that has the addresses in $1.
with_addresses() {
    [[ $(id -u) == 0 ]] || skip "a network namespace needs root"
    # shellcheck disable=SC2016
    local script='ip link set lo up; for a in $0; do ip -6 address add "$a" dev lo nodad; done; exec "$@"'
    unshare --net bash -c "$script" "$@"
}

@test "IPv6 clients of one /64 are one source, and IPv4 clients of an IPv6 socket count by IPv4 address" {
    export -f counting_in_a_network
    export DAMPENER BURST ANSWER COUNTER BUILD
    with_addresses "2001:db8:0:1::1/128 2001:db8:0:1::2/128 2001:db8:0:2::1/128" \
        bash -euo pipefail -c counting_in_a_network 3>&- 4>&-
    [[ $(cat results) == "connected 40 answered 40 failed 0
connected 20 answered 20 failed 0
connected 40 answered 40 failed 0" ]]
    # The counts are of two addresses in one /64, one address of another /64, and two IPv4 sources.
    [[ $(cat most) == "2
2
4" ]]
}

# Runs in the namespace and writes its results to files.
counting_in_a_network() {
    local address port daemon
    "$DAMPENER" --ready-fd 7 --address :: --processes 10 --per-source 2 0 \
        "$ANSWER" answers "$COUNTER" 100 7>ready 2>>log </dev/null >/dev/null &
    daemon=$!
    while [[ ! -s ready ]]; do sleep 0.02; done
    read -r address port <ready
    most_here() { od -An -td4 -j4 -N4 "$COUNTER" | tr -d ' '; }
    count() {
        "$BURST" "$@" >>results
        most_here >>most
        rm "$COUNTER"
    }
    count -f 2001:db8:0:1::1 -s 2 ::1 "$port" 40
    count -f 2001:db8:0:2::1 ::1 "$port" 20
    count -f 127.0.0.2 -s 2 127.0.0.1 "$port" 40
    kill "$daemon"
    wait "$daemon"
}
