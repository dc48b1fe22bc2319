#!/usr/bin/env bats
# Tests refusals, their messages and their cost: --queue, --queue-timeout, --when-full, --busy-message,
# --per-source-queue.

load ../shared/helpers
load ../shared/control

BUSY='sorry, busy\r\n'

refuses_the_rest() { [[ $1 == "connected $2 answered $3 refused $4 hungup 0 failed 0" ]]; }

@test "--when-full refuse serves as many clients as fit in order, and refuses the rest with the message" {
    start --address 127.0.0.1 --queue 10 --when-full refuse --busy-message "$BUSY" 0 \
        "$ANSWER" "$ANSWERS" "$COUNTER" 300
    connect_silently
    await status_is running 1
    "$BURST" -m "$BUSY" "$ADDRESS" "$PORT" 200 >burst &
    local client=$!
    await status_is accepted 201
    status_is queued 10
    echo >&"$CLIENT"
    wait "$client"
    refuses_the_rest "$(cat burst)" 200 10 190
    # The first ten clients are served.
    [[ $(tail -n +2 "$ANSWERS") == "$(seq 10 | awk '{ print $1 + 1, $1 }')" ]]
    status_is refused-queue 190
    await status_is lingering 0
}

@test "--queue 0 --when-full refuse refuses clients whose handler cannot start at once" {
    start --address 127.0.0.1 --queue 0 --processes 3 --when-full refuse --busy-message "$BUSY" 0 \
        "$ANSWER" "$ANSWERS" "$COUNTER" 2000
    run "$BURST" -m "$BUSY" "$ADDRESS" "$PORT" 50
    refuses_the_rest "$output" 50 3 47
}

@test "a moment of busy dispatchers refuses no client" {
    # 40 handlers may run, but one dispatcher starts only a few at a time.  A dispatcher that lags by a
    # second may cause refusals, so the test has few clients.
    start --address 127.0.0.1 --queue 0 --processes 40 --dispatchers 1 --when-full refuse \
        --per-source-queue 0 0 "$ANSWER" "$ANSWERS" "$COUNTER" 2000
    run "$BURST" -m '' "$ADDRESS" "$PORT" 40
    refuses_the_rest "$output" 40 40 0
}

@test "a moment of busy dispatchers refuses no client in a later burst either" {
    local round
    start --address 127.0.0.1 --queue 0 --processes 20 --dispatchers 1 --when-full refuse 0 \
        "$ANSWER" "$ANSWERS" "$COUNTER" 1500
    for round in 1 2; do
        # The daemon finds all clients at once, more than its dispatcher has room for.
        kill -STOP "$(supervisor)"
        "$BURST" -m '' "$ADDRESS" "$PORT" 20 >burst &
        await backlog_is "$PORT" 20
        kill -CONT "$(supervisor)"
        wait $!
        echo "burst $round: $(cat burst)"
        refuses_the_rest "$(cat burst)" 20 20 0
        await status_is running 0
    done
}

@test "--when-full refuse without --queue refuses clients when descriptors run out" {
    # shellcheck disable=SC2016
    WRAPPER=(bash -c 'ulimit -n 128; exec "$@"' bash)
    start --address 127.0.0.1 --when-full refuse --busy-message "$BUSY" 0 \
        "$ANSWER" "$ANSWERS" "$COUNTER" 300
    connect_silently
    await status_is running 1
    "$BURST" -m "$BUSY" "$ADDRESS" "$PORT" 300 >burst &
    local client=$! queued
    await status_is accepted 301
    queued=$(status_of queued)
    echo "queued: $queued"
    ((queued >= 60 && queued <= 110))
    exec {CLIENT}>&-
    kill -INT "$DAEMON"
    wait "$client" || true
    grep -q "refused $((300 - queued)) " burst
    finish
}

@test "a refused client that has sent 64 KiB can still read the message" {
    start --address 127.0.0.1 --queue 0 --when-full refuse --busy-message "$BUSY" 0 \
        "$ANSWER" "$ANSWERS" "$COUNTER"
    connect_silently
    await status_is running 1
    run "$BURST" -b 65536 -m "$BUSY" "$ADDRESS" "$PORT" 50
    echo "$output"
    refuses_the_rest "$output" 50 0 50
    exec {CLIENT}>&-
}

@test "a refused client that still sends gets the message over a network with a delay" {
    [[ $(id -u) == 0 ]] || skip "a network namespace needs root"
    # shellcheck disable=SC2016
    unshare --net bash -c 'ip link set lo up; tc qdisc add dev lo root netem delay 50ms' 2>/dev/null ||
        skip "the kernel cannot delay packets"
    # shellcheck disable=SC2016
    unshare --net bash -euo pipefail -c '
        ip link set lo up
        tc qdisc add dev lo root netem delay 50ms
        "$0" --ready-fd 7 --address 127.0.0.1 --queue 0 --when-full refuse --busy-message busy 0 \
            sleep 100 7>ready 2>>log </dev/null >/dev/null &
        while [[ ! -s ready ]]; do sleep 0.02; done
        read -r address port <ready
        nc 127.0.0.1 "$port" </dev/null >/dev/null &
        until grep -q "running 1" log; do
            kill -USR1 %1
            sleep 0.05
        done
        "$1" -b 262144 -m busy 127.0.0.1 "$port" 10 >burst
        kill -INT %1
        wait %1 || true
        kill %2 2>/dev/null || true' "$DAMPENER" "$BURST" 3>&- 4>&-
    cat burst
    refuses_the_rest "$(cat burst)" 10 0 10
}

@test "the daemon closes refused clients after two seconds, or earlier if more than 256 linger" {
    start --address 127.0.0.1 --queue 0 --when-full refuse --busy-message busy 0 sleep 100
    connect_silently
    await status_is running 1
    local keep i fds=()
    for ((i = 0; i < 400; i++)); do
        exec {keep}<>"/dev/tcp/127.0.0.1/$PORT"
        fds+=("$keep")
    done
    await status_is refused-queue 400
    (($(status_of lingering) <= 256))
    (($(open_descriptors "$(supervisor)") <= DESCRIPTORS + 256))
    local begin
    begin=$(milliseconds)
    await status_is lingering 0
    (($(milliseconds_since "$begin") < 5000))
    has_its_descriptors
    # The oldest client, which had to make room, has the message too.
    [[ $(timeout 5 cat <&"${fds[0]}") == busy ]]
    for keep in "${fds[@]}"; do exec {keep}>&-; done
    stop INT
}

@test "the daemon cuts off a refused client that sends without end before two seconds" {
    start --address 127.0.0.1 --queue 0 --when-full refuse --busy-message busy 0 sleep 100
    connect_silently
    await status_is running 1
    await is_cut_off_early # a loaded machine may delay an attempt
    status_is lingering 0
    stop INT
}

is_cut_off_early() {
    local begin took
    begin=$(milliseconds)
    timeout 10 nc 127.0.0.1 "$PORT" </dev/zero >/dev/null || true
    took=$(milliseconds_since "$begin")
    echo "$took ms"
    ((took < 1500))
}

@test "refused clients that close make room at once for more refusals" {
    start --address 127.0.0.1 --queue 0 --when-full refuse --busy-message busy 0 sleep 100
    connect_silently
    await status_is running 1
    local refused
    await are_forgotten_early # a loaded machine may delay an attempt
    # A client that does not read its message yet may still linger.
    exec {refused}<>"/dev/tcp/127.0.0.1/$PORT"
    await status_is lingering 1
    exec {refused}>&-
    stop INT
}

are_forgotten_early() {
    local before
    before=$(grep -c '^\[INFO\] status: ' "$LOG")
    "$BURST" -m busy "$ADDRESS" "$PORT" 600 || return 1
    sleep 0.3 # far less than two seconds, after which lingering clients are closed
    kill -USR1 "$DAEMON"
    await status_lines_exceed "$before"
    grep '^\[INFO\] status: ' "$LOG" | tail -n 1 | grep ' lingering 0,'
}

@test "--queue-timeout refuses a client with the message after its time, even if it has sent 64 KiB" {
    local bytes shortest longest
    for bytes in 0 65536; do
        start --address 127.0.0.1 --queue-timeout 1 --busy-message "$BUSY" 0 \
            "$ANSWER" "$ANSWERS" "$COUNTER"
        connect_silently
        await status_is running 1
        "$BURST" -e 0 -w -b "$bytes" -m "$BUSY" "$ADDRESS" "$PORT" 20 >burst
        cat burst
        refuses_the_rest "$(head -n 1 burst)" 20 0 20
        read -r _ _ shortest _ _ _ _ _ _ _ _ longest _ <<<"$(tail -n 1 burst)"
        ((shortest >= 1000 && longest <= 4000))
        status_is refused-timeout 20
        exec {CLIENT}>&-
        stop
        [[ $STATUS == 0 ]]
    done
}

@test "--queue-timeout counts for each client from its arrival" {
    start --address 127.0.0.1 --queue-timeout 600ms 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    connect_silently
    await status_is running 1
    # The clients arrive over four seconds.
    "$BURST" -e 200 -w -m '' "$ADDRESS" "$PORT" 20 >burst
    cat burst
    [[ $(tail -n 1 burst) =~ shortest\ ([0-9]+)\ ms.*longest\ ([0-9]+)\ ms ]]
    ((BASH_REMATCH[1] >= 600 && BASH_REMATCH[2] <= 2600))
    exec {CLIENT}>&-
}

@test "--queue-timeout affects neither an idle daemon nor running handlers" {
    start --address 127.0.0.1 --queue-timeout 300ms 0 "$ANSWER" "$ANSWERS" "$COUNTER" 1000
    run "$BURST" "$ADDRESS" "$PORT" 1
    [[ $output == "connected 1 answered 1 failed 0" ]]
}

@test "--per-source-queue refuses the newest clients of a source and no others" {
    start --address 127.0.0.1 --per-source-queue 5 --busy-message "$BUSY" 0 \
        "$ANSWER" "$ANSWERS" "$COUNTER" 5
    connect_silently
    await status_is running 1
    "$BURST" -f 127.0.0.2 -m "$BUSY" "$ADDRESS" "$PORT" 30 >first &
    local first=$!
    await status_is accepted 31
    "$BURST" -f 127.0.0.3 -m "$BUSY" "$ADDRESS" "$PORT" 3 >second &
    local second=$!
    await status_is accepted 34
    status_is queued 8
    status_is refused-source 25
    status_is sources 3
    echo >&"$CLIENT"
    wait "$first" "$second"
    refuses_the_rest "$(cat first)" 30 5 25
    refuses_the_rest "$(cat second)" 3 3 0
}

@test "--per-source-queue counts neither running handlers nor the clients of other sources" {
    start --address 127.0.0.1 --processes 3 --per-source-queue 2 --queue 4 --when-full refuse 0 \
        "$ANSWER" "$ANSWERS" "$COUNTER"
    local first second third
    exec {first}<>"/dev/tcp/127.0.0.1/$PORT" {second}<>"/dev/tcp/127.0.0.1/$PORT" \
        {third}<>"/dev/tcp/127.0.0.1/$PORT"
    await status_is running 3
    # Three handlers of this source run; still two more of its clients may wait.
    "$BURST" -m '' "$ADDRESS" "$PORT" 3 >same &
    local same=$!
    await status_is accepted 6
    status_is queued 2
    status_is refused-source 1
    # Four clients may wait in total: two of these five, each of its own source.
    "$BURST" -f 127.0.0.2 -s 5 -m '' "$ADDRESS" "$PORT" 5 >others &
    local others=$!
    await status_is accepted 11
    status_is queued 4
    status_is refused-queue 3
    echo >&"$first"
    echo >&"$second"
    echo >&"$third"
    wait "$same" "$others"
    refuses_the_rest "$(cat same)" 3 2 1
    refuses_the_rest "$(cat others)" 5 2 3
}

@test "without --busy-message a refused client sees the end of the connection, and no reset" {
    start --address 127.0.0.1 --queue 0 --when-full refuse 0 sleep 100
    connect_silently
    await status_is running 1
    local refused
    exec {refused}<>"/dev/tcp/127.0.0.1/$PORT"
    echo hello >&"$refused"
    run cat <&"$refused"
    [[ $status == 0 && -z $output ]]
    exec {refused}>&-
    stop INT
}

@test "--busy-message @FILE is read at the start and at SIGHUP, and a bad file leaves the old message" {
    printf 'one\n' >message
    start -v --address 127.0.0.1 --queue 0 --when-full refuse --busy-message @message 0 sleep 100
    connect_silently
    await status_is running 1
    [[ $(nc 127.0.0.1 "$PORT" </dev/null) == one ]]
    printf 'two\n' >message
    kill -HUP "$DAEMON"
    await has_line 'SIGHUP: files were read again' "$LOG"
    [[ $(nc 127.0.0.1 "$PORT" </dev/null) == two ]]
    head -c 4097 /dev/zero >message
    kill -HUP "$DAEMON"
    await has_line 'SIGHUP: a file that could not be read keeps its old content' "$LOG"
    grep -q 'ERROR. --busy-message: cannot read message: it is longer than 4096 bytes' "$LOG"
    [[ $(nc 127.0.0.1 "$PORT" </dev/null) == two ]]
    rm message
    mkfifo message # opening it must not block
    kill -HUP "$DAEMON"
    await has_line 'message: it is not a regular file' "$LOG"
    [[ $(nc 127.0.0.1 "$PORT" </dev/null) == two ]]
    stop INT
}

@test "a missing file for --busy-message is an error at the start" {
    run "$DAMPENER" --busy-message @missing 0 cat
    echo "$output"
    [[ $status == 1 ]]
    [[ $output == *"[ERROR] --busy-message: cannot read missing: No such file or directory;"* ]]
}

@test "the log shows each refusal with its reason, or the first few of many and the number of the others" {
    start --address 127.0.0.1 --queue 0 --when-full refuse --deny 127.0.0.9 0 sleep 100
    connect_silently
    await status_is running 1
    "$BURST" -m '' "$ADDRESS" "$PORT" 50
    "$BURST" -f 127.0.0.9 -m '' "$ADDRESS" "$PORT" 3
    [[ $(grep -c '^\[WARNING\] refused 127.0.0.1 port [0-9]*: the queue is full$' "$LOG") == 5 ]]
    [[ $(grep -c '^\[WARNING\] denied 127.0.0.9 port [0-9]* by the access rules$' "$LOG") == 3 ]]
    await has_line '^.WARNING. refused 45 more, not logged one by one: the queue is full$' "$LOG"
    stop INT
}

@test "--queue-timeout alone makes room for clients in the backlog" {
    start --address 127.0.0.1 --queue 1 --queue-timeout 500ms --abandon never 0 \
        "$ANSWER" "$ANSWERS" "$COUNTER"
    connect_silently
    await status_is running 1
    local begin took first second
    begin=$(milliseconds)
    # The first client does not close, so the daemon forgets it only after two seconds.
    exec {first}<>"/dev/tcp/127.0.0.1/$PORT" {second}<>"/dev/tcp/127.0.0.1/$PORT"
    cat <&"$second"
    took=$(milliseconds_since "$begin")
    echo "$took ms"
    ((took >= 1000 && took <= 2800)) # waiting until the first is forgotten would take three seconds
    exec {first}>&- {second}>&-
    echo >&"$CLIENT"
}

# Serves one client and refuses another, which does not close.  `refused` is the descriptor of the
# latter, `begin` the time before it connected.
leave_one_lingering() {
    connect_silently
    await status_is running 1
    begin=$(milliseconds)
    exec {refused}<>"/dev/tcp/127.0.0.1/$PORT"
    await status_is lingering 1
    echo >&"$CLIENT"
    await status_is served 1
}

@test "a drain waits for refused clients, and these do not use up --drain-timeout" {
    start --address 127.0.0.1 --queue 0 --when-full refuse --busy-message busy --drain-timeout 200ms 0 \
        "$ANSWER" "$ANSWERS" "$COUNTER"
    local refused begin
    leave_one_lingering
    stop
    [[ $STATUS == 0 ]]
    [[ $(cat <&"$refused") == busy ]]
    exec {refused}>&-
}

@test "the queue stays bounded and lets clients leave while dispatchers are stuck" {
    start --address 127.0.0.1 --queue 5 --when-full refuse --processes 40 --dispatchers 2 \
        --control control 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    local client
    hold_dispatchers
    # Dispatchers hold 32 clients; 8 more may start, and 5 may wait.
    "$BURST" -H -h 60 -m '' "$ADDRESS" "$PORT" 60 >burst &
    client=$!
    await field_is accepted 60
    (($(field queued) <= 13))
    # A client that may start but cannot is refused after a moment.
    await field_is queued 5
    field_is starting 32
    await has_line waiting burst
    kill -USR1 "$client"
    wait "$client"
    await field_is abandoned 5
    release_dispatchers
    await status_is starting 0
}

@test "on exit the daemon logs how many refusals it has not logged one by one" {
    start --address 127.0.0.1 --queue 0 --when-full refuse 0 sleep 100
    connect_silently
    await status_is running 1
    "$BURST" -m '' "$ADDRESS" "$PORT" 50
    stop INT
    grep -q '^.WARNING. refused 45 more, not logged one by one: the queue is full$' "$LOG"
}

@test "clients beyond --per-source-queue take no place in the queue" {
    start --address 127.0.0.1 --queue 3 --per-source-queue 1 --when-full refuse 0 \
        "$ANSWER" "$ANSWERS" "$COUNTER" 5
    connect_silently
    await status_is running 1
    kill -STOP "$(supervisor)" # the daemon finds all clients in one round
    "$BURST" -f 127.0.0.2 -m '' "$ADDRESS" "$PORT" 5 >first &
    local first=$!
    sleep 0.3
    "$BURST" -f 127.0.0.3 -m '' "$ADDRESS" "$PORT" 1 >second &
    local second=$!
    sleep 0.3
    kill -CONT "$(supervisor)"
    await status_is accepted 7
    status_is refused-source 4
    status_is refused-queue 0
    status_is queued 2
    echo >&"$CLIENT"
    wait "$first" "$second"
}

@test "the daemon forgets many refused clients that reset at once" {
    start --address 127.0.0.1 --queue-timeout 500ms 0 sleep 100
    connect_silently
    await status_is running 1
    "$BURST" -H -h 200 "$ADDRESS" "$PORT" 200 >burst &
    local client=$!
    await status_is refused-timeout 200
    kill -STOP "$(supervisor)"
    kill -USR1 "$client"
    await has_line hungup burst
    kill -CONT "$(supervisor)"
    await status_is lingering 0
    wait "$client"
    stop INT
}

@test "a low --rate does not delay --queue-timeout" {
    start --address 127.0.0.1 --rate 1/10s --queue-timeout 500ms 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    "$BURST" "$ADDRESS" "$PORT" 1
    "$BURST" -e 0 -w -m '' "$ADDRESS" "$PORT" 3 >burst
    cat burst
    local longest
    read -r _ _ _ _ _ _ _ _ _ _ _ longest _ <<<"$(tail -n 1 burst)"
    ((longest <= 5000))
}

@test "failing starts do not delay --queue-timeout" {
    cp "$(type -P true)" missing
    # Attempts come about 3 and 6 s after the first, and --queue-timeout ends well between them.
    start --address 127.0.0.1 --queue-timeout 4 0 ./missing
    rm missing
    "$BURST" -e 0 -w -m '' "$ADDRESS" "$PORT" 1 >burst
    cat burst
    local longest
    read -r _ _ _ _ _ _ _ _ _ _ _ longest _ <<<"$(tail -n 1 burst)"
    ((longest >= 4000 && longest <= 6000))
}

@test "--per-source-queue alone gives refused clients time to read, too" {
    start --address 127.0.0.1 --per-source-queue 0 0 sleep 100
    connect_silently
    await status_is running 1
    local refused
    exec {refused}<>"/dev/tcp/127.0.0.1/$PORT"
    await status_says 'refused-source 1' 'lingering 1'
    exec {refused}>&-
    stop INT
}

@test "a drain waits up to two seconds for a refused client" {
    start --address 127.0.0.1 --queue 0 --when-full refuse --drain-timeout 10 0 \
        "$ANSWER" "$ANSWERS" "$COUNTER"
    local refused begin
    leave_one_lingering
    kill "$DAEMON"
    sleep 0.3
    # On a loaded machine the two seconds may be over by then.
    is_alive "$DAEMON" || (($(milliseconds_since "$begin") >= 2000))
    exec {refused}>&-
    finish
    [[ $STATUS == 0 ]]
}

# Succeeds if SIGINT ends the daemon before the two seconds of a refused client are over.
is_ended_early() {
    local refused begin
    start --address 127.0.0.1 --queue 0 --when-full refuse --busy-message 'busy\n' 0 sleep 100
    connect_silently
    await status_is running 1
    begin=$(milliseconds)
    exec {refused}<>"/dev/tcp/127.0.0.1/$PORT"
    read -r -t 20 -u "$refused" # the client has the message and lingers
    stop INT
    exec {refused}>&- {CLIENT}>&-
    (($(milliseconds_since "$begin") < 2000))
}

@test "SIGINT does not wait for refused clients" {
    await is_ended_early # a loaded machine may delay an attempt
}

@test "a bad access file at SIGHUP does not keep a new busy message out" {
    printf 'one\n' >message
    : >rules
    start --address 127.0.0.1 --queue 0 --when-full refuse --busy-message @message \
        --access-file rules 0 sleep 100
    connect_silently
    await status_is running 1
    printf 'two\n' >message
    echo nonsense >rules
    kill -HUP "$DAEMON"
    await has_line 'SIGHUP: a file that could not be read keeps its old content' "$LOG"
    [[ $(nc 127.0.0.1 "$PORT" </dev/null) == two ]]
    stop INT
}

@test "--busy-message @FILE accepts 4096 bytes" {
    head -c 4096 /dev/zero | tr '\0' x >message
    start --address 127.0.0.1 --queue 0 --when-full refuse --busy-message @message 0 sleep 100
    connect_silently
    await status_is running 1
    [[ $(nc 127.0.0.1 "$PORT" </dev/null | wc -c) == 4096 ]]
    stop INT
}
