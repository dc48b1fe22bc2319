#!/usr/bin/env bats
# Environments that are nearly as long as the kernel takes (execve(2)): a quarter of the limit on the
# stack, for arguments, environment and a pointer to each.

bats_require_minimum_version 1.5.0
load ../shared/helpers
load ../shared/control

# The leak checker cannot be tried, and needs a process.
export ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0

# Makes "filled", which executes a command with $1 more bytes in its environment, under a limit on the
# stack that keeps that short; and "d", which is the daemon.
make_filled() {
    cat >filled <<'FILLED'
#!/bin/bash
left=$1
ulimit -S -s 1024
for ((i = 0; left > 0; i++)); do
    printf -v "FILLING_$i" '%*s' $((left < 100000 ? left : 100000)) ''
    export "FILLING_$i"
    left=$((left - 100000))
done
exec "${@:2}"
FILLED
    chmod +x filled
    ln -s "$DAMPENER" d
    DAMPENER=./d
}

# True unless bash says that it cannot execute the daemon.
can_be_executed() {
    local status=0
    ./filled "$1" "$DAMPENER" --help "${@:2}" >/dev/null 2>&1 || status=$?
    ((status != 126))
}

# Prints the most bytes with which the daemon can be executed with these arguments.  Its handlers then
# lack room for the variables of a connection.
most_for_the_daemon() {
    local least=1 most=300000 middle
    while ((most - least > 1)); do
        middle=$(((least + most) / 2))
        if can_be_executed "$middle" "$@"; then least=$middle; else most=$middle; fi
    done
    echo "$least"
}

# Expects that a daemon with these arguments refuses to start with $1 more bytes.  Sets EXCESS to the
# bytes that are too many, as the daemon says.
refuses_filled() {
    run -126 timeout 10 ./filled "$1" "$DAMPENER" "${@:2}"
    [[ $output =~ ^"[ERROR] CMD: cannot execute '"[^\']*"': with the variables of a connection, its \
arguments and environment are up to "([0-9]+)" bytes too long for the kernel; shorten them (the longest \
variable is FILLING_"[0-9]"), give --no-env, or raise the limit on the stack (ulimit -s)"$ ]]
    EXCESS=${BASH_REMATCH[1]}
}

# Starts a daemon with these arguments and as many more bytes as possible, which MOST says.
start_filled() {
    local refused
    refused=$(most_for_the_daemon "$@")
    refuses_filled "$refused" "$@"
    MOST=$((refused - EXCESS))
    refuses_filled $((MOST + 1)) "$@"
    ((EXCESS == 1))
    WRAPPER=(./filled "$MOST")
    start "$@"
    refute grep -v "^\[INFO\]" "$LOG"
}

@test "the longest variables of a TCP client fit, or the start is refused with the excess: status 126" {
    make_filled
    start_filled --address 127.0.0.1 0 cat
    [[ $(echo hello | nc -N 127.0.0.1 "$PORT") == hello ]]
    stop
    # An address of IPv6 has up to 39 characters, where one of IPv4 has 15; four variables have one.
    local ipv4=$MOST
    start_filled 0 cat
    ((ipv4 - MOST == 4 * (39 - 15)))
    [[ $(echo hello | nc -N 127.0.0.1 "$PORT") == hello ]]
    stop
    # A host name may stand for either.
    refuses_filled $((MOST + 1)) --address localhost 0 cat
}

@test "the longest variables of a Unix client fit, or the start is refused with the excess: status 126" {
    make_filled
    local short=service long=service-with-a-longer-path most
    start_filled "unix:$short" cat
    [[ $(echo hello | nc -NU "$short") == hello ]]
    stop
    most=$MOST
    start_filled "unix:$long" cat
    ((most - MOST == ${#long} - ${#short}))
}

@test "without the variables of a connection, all that the daemon can be executed with fits" {
    make_filled
    local arguments=(--no-env --address 127.0.0.1 0 cat)
    # --ready-fd takes room, too.
    WRAPPER=(./filled $(($(most_for_the_daemon "${arguments[@]}") - 100)))
    start "${arguments[@]}"
    [[ $(echo hello | nc -N 127.0.0.1 "$PORT") == hello ]]
}

@test "a --limit on the stack that leaves too little room for the variables is named" {
    make_filled
    run -126 timeout 10 ./filled 200000 "$DAMPENER" --address 127.0.0.1 --limit stack=600K 0 cat
    [[ $output == *"CMD: cannot execute 'cat': a limit of --limit is too low (Argument list too long)" ]]
    # A higher limit gives handlers more room than the daemon has.
    WRAPPER=(./filled "$(most_for_the_daemon --address 127.0.0.1 --limit stack=2M --ready-fd 7 0 cat)")
    start --address 127.0.0.1 --limit stack=2M 0 cat
    [[ $(echo hello | nc -N 127.0.0.1 "$PORT") == hello ]]
}

# ---- for one client alone ----

# Starts a daemon whose handlers run for clients with short addresses, and fail for those of far(): as
# if somebody had lowered the limit of the dispatchers.
start_tight() {
    make_filled
    start_filled -v --address 0.0.0.0 --control control "$@"
    lower_stack 55
}

# Lets handlers have $1 bytes less than the daemon was started with.
lower_stack() {
    local process
    for process in $(dispatchers); do
        prlimit --pid "$process" --stack=$((1024 * 1024 - 4 * $1)):
    done
}

# Prints how often the log has this line.
count_lines() { grep -c -- "$1" "$LOG" || true; }

has_failed() { (($(count_lines "$FAILED") >= $1)); }

CANNOT="^\\[WARNING\\] ticket [0-9]*: cannot start a handler for 127.100.100.100 port [0-9]*, '$ANSWER': Argument list too long"
FAILED="$CANNOT; others go first$"
CLOSED="$CANNOT; closing the connection, because other handlers could be started$"

# Connect $2 clients, whose result is in the file $1: with addresses that are too long, or short ones.
far() { connect "$@" -f 127.100.100.100 -m '' 127.100.100.100; }
near() { connect "$@" 127.0.0.1; }

connect() {
    : >"$1"
    "$BURST" -t 60000 "${@:3}" "$PORT" "$2" >"$1" &
}

are_closed() { [[ $(<"$1") == "connected $2 answered 0 refused $2 hungup 0 failed 0" ]]; }
are_answered() { [[ $(<"$1") == "connected $2 answered $2 "*"failed 0" ]]; }

@test "a client whose handler alone cannot be started steps aside, and is closed after three failures" {
    start_tight 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    say pause
    far far 1
    await field_is queued 1
    near near 20
    await field_is queued 21
    say resume
    await are_answered near 20
    await are_closed far 1
    # The others are served in the order of arrival.
    diff <(seq 20 | awk '{ print $1 + 1, $1 }') "$ANSWERS"
    [[ $(count_lines "$FAILED") == 2 && $(count_lines "$CLOSED") == 1 ]]
    await status_says 'accepted 21' 'served 20' 'dropped 1' 'queued 0'
    metric_is start_failures_total 3
    refute has_line 'handlers can be started again' "$LOG"
}

@test "300 clients whose handlers cannot be started delay another by a second at most" {
    start_tight --processes 4 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    say pause
    far far 300
    await field_is queued 300
    near near 1
    await field_is queued 301
    local begin
    begin=$(milliseconds)
    say resume
    await are_answered near 1
    (($(milliseconds_since "$begin") < 1000 * ${DAMPENER_PATIENCE:-20} / 20))
    # They fail alone, so nobody is closed before others are started.
    near others 5
    await are_answered others 5
    await are_closed far 300
    # Their lines are limited.
    await has_line '^\[WARNING\] 2[0-9][0-9] more clients were closed for failed starts, not logged one by one$' "$LOG"
    (($(count_lines "$CLOSED") <= 10))
}

@test "a client is not closed while no handler at all can be started, and others come first then" {
    start_tight 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    far far 1
    await has_failed 4
    status_says 'queued 1' 'dropped 0'
    field_is held_back_by failure
    # The next client does not wait for it, and is the proof that only this one fails.
    near near 1
    await are_answered near 1
    await are_closed far 1
    [[ $(count_lines "$CLOSED") == 1 ]]
}

@test "if the handlers of all clients fail, all are served in the order of arrival afterwards" {
    start_tight 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    far far 5
    await has_failed 5
    await metric_exceeds start_failures_total 15
    status_says 'queued 5' 'dropped 0'
    local before
    # The pauses grow: at 1.6 s each, there are at most ten failures in a second.
    sleep 1.5
    before=$(metric start_failures_total)
    sleep 1
    (($(metric start_failures_total) - before <= 10))
    lower_stack 0
    await are_answered far 5
    diff <(seq 5 | awk '{ print $1, $1 }') "$ANSWERS"
    status_says 'dropped 0'
}

metric_exceeds() { (($(metric "$1") > $2)); }

@test "a client's failures are not forgotten if the supervisor is killed" {
    start_tight 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    far far 1
    await has_failed 4
    local killed
    killed=$(supervisor)
    kill -KILL "$killed"
    await has_failed 5
    near near 1
    await are_answered near 1
    await are_closed far 1
    # Without its failures before, it would have been tried twice more.
    [[ $(sed -n '/: ended process/,$p' "$LOG" | grep -c "$FAILED") == 0 ]]
    await status_says 'accepted 2' 'served 1' 'dropped 1'
}

@test "a client that stepped aside is served by the process that takes over, if it can" {
    start_tight 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    far far 2
    await has_failed 4
    local first=$DAEMON
    WRAPPER=()
    start -v --address 0.0.0.0 --takeover control --control control "$PORT" "$ANSWER" "$ANSWERS" "$COUNTER"
    await are_answered far 2
    diff <(seq 2 | awk '{ print $1, $1 }') "$ANSWERS"
    await is_gone "$first"
    wait "$first"
}
