#!/usr/bin/env bats
# Tests that nobody notices when the supervisor is killed: the standby clones another, which finds every
# client and every count.
# shellcheck disable=SC2016 # $ is awk's

load ../shared/helpers
load ../shared/control

KILLER=$BUILD/tests/programs/attackers/killer

# Prints $1; or $2 in a long test.
count() { if [[ -n ${DAMPENER_LONG:-} ]]; then echo "$2"; else echo "$1"; fi; }

# Kills processes of the daemon in the background: arguments as those of killer behind SEED.
begin_killing() {
    SEED=${DAMPENER_SEED:-$RANDOM}
    echo "seed: $SEED"
    "$KILLER" "$DAEMON" "$SEED" "$@" >killed 3>&- 4>&- &
    KILLING=$!
}

# Ends that.  Fails if fewer than $1 processes were killed.
end_killing() {
    local number
    kill "$KILLING"
    wait "$KILLING"
    cat killed
    read -r _ number _ <killed
    ((number >= $1))
    refute grep 'violated the protocol' "$LOG"
}

each_answered_once() {
    [[ $(cat burst) == "connected $1 answered $1 failed 0" ]] || { cat burst; return 1; }
    # Each line is a ticket and the number that its client sent.
    diff <(seq "$1") <(awk '{ print $2 }' "$ANSWERS" | sort -n)
}

# Kills while $1 clients come at once, and wait.  Further arguments are those of killer behind SEED.
survive() {
    local clients=$1
    shift
    begin_killing "$@"
    "$BURST" "$ADDRESS" "$PORT" "$clients" >burst
    end_killing 5
    each_answered_once "$clients"
}

@test "a single handler serves clients in exactly the order of arrival while the supervisor is killed again and again" {
    local clients
    clients=$(count 1000 5000)
    start_controlled --processes 1 0 "$ANSWER" "$ANSWERS" "$COUNTER" 1
    keep_asking observed -r -p 5 ./control status
    survive "$clients" 20 200 supervisor
    hush
    diff <(seq "$clients" | awk '{ print $1, $1 }') "$ANSWERS"
    [[ $(most_handlers) == 1 ]]
    await fields_are served "$clients" accepted "$clients" running 0 queued 0 dropped 0
    check_sums <observed
    # No count ever fell.
    grep -o '"accepted":[0-9]*' observed | sort -c -t : -k 2n
    grep -o '"served":[0-9]*' observed | sort -c -t : -k 2n
    grep -q "^\[WARNING\] the supervisor, process [0-9]*, was killed by signal 9: another takes its place$" "$LOG"
}

@test "each client is answered once, by no more handlers than allowed, while the supervisor is killed again and again" {
    local clients
    clients=$(count 2000 9000)
    start_controlled --processes 8 0 "$ANSWER" "$ANSWERS" "$COUNTER" 5
    survive "$clients" 20 200 supervisor
    (($(most_handlers) <= 8))
    await fields_are served "$clients" accepted "$clients" running 0
}

has_no_signal() { grep -q '^ShdPnd:[[:space:]]*0*$' "/proc/$DAEMON/status"; }

@test "another pair serves although the one that was killed had not acted on any report" {
    local process reports=32 # as many as the keeper keeps
    start 0 "$ANSWER" "$ANSWERS" "$COUNTER" 1
    process=$(supervisor)
    kill -STOP "$process"
    while ((reports-- > 0)); do
        kill -USR1 "$DAEMON"
        await has_no_signal
    done
    kill -KILL "$(standby)" "$process"
    "$BURST" "$ADDRESS" "$PORT" 1 >burst
    each_answered_once 1
}
