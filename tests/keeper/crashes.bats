#!/usr/bin/env bats
# Tests what becomes of clients, and of the service, if the supervisor has a fault of its own and crashes:
# on one client, or whatever it does.  The fault is planted: tests/keeper/plant.c.
# shellcheck disable=SC2016,SC2030,SC2031,SC2153 # $ is awk's; tests are subshells of helpers.bash

load ../shared/helpers
load ../shared/control

# Makes DAMPENER the program with the planted fault, which does nothing yet.
prepare_plant() {
    mkdir programs
    cp "$BUILD/tests/keeper/plant" programs/socket-burst-dampener
    ln -s "$BUILD/dispatcher" programs/dispatcher
    DAMPENER=$PWD/programs/socket-burst-dampener
    export PLANT=$PWD/planted
    : >"$PLANT"
    plant none
}

# Makes the supervisor crash at PLACE from now on: PLACE [FAULT].  The daemon has mapped the file, so it
# must stay as long as it is.
plant() { printf '%-16s%-16s' "$1" "${2:-segv}" 1<>"$PLANT"; }

deaths() { grep -c 'the supervisor, process [0-9]*, was killed by signal' "$LOG" || true; }
have_died() { (($(deaths) >= $1)); }

# ---- on one client ----

# Starts the service with fault $2 at place $1.
start_poisoned() {
    prepare_plant
    start_controlled --processes 1 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    plant "$@"
}

# Lets 200 clients come at once, of which the sixth is the poisonous one.  Fails unless $1 are answered.
come_with_poison() {
    "$BURST" -f 127.0.66.1 -s 200 "$ADDRESS" "$PORT" 200 >burst 2>complaints || true
    [[ $(cat burst) == "connected 200 answered $1 failed $((200 - $1))" ]] || { cat burst; return 1; }
    await fields_are queued 0 starting 0 running 0
}

says_of_sixth() { [[ $(grep 'supervisors have died of' "$LOG") == "[ERROR] ticket 6: two supervisors have died of signal $1 while they dealt with this client: $2" ]]; }

# Fails unless the poisonous client was closed and counted after two deaths by signal $1, and all others
# were answered once and in order.
lost_only_poison() {
    await fields_are accepted 200 served 199
    has_dropped 1
    say status | check_sums
    cut -d ' ' -f 2 "$ANSWERS" | diff <(seq 200 | grep -vx 6) -
    [[ $(most_handlers) == 1 ]]
    says_of_sixth "$1" "closing it"
    [[ $(deaths) == 2 ]]
    health_is 200
}

@test "a client that supervisors crash on before they have a record of it is closed, and all others are served in order" {
    start_poisoned admit
    come_with_poison 199
    lost_only_poison 11
}

@test "a client that supervisors crash on as they enter it into the queue is closed, and all others are served in order" {
    start_poisoned enter
    come_with_poison 199
    lost_only_poison 11
}

@test "a client that supervisors crash on as they give it to a dispatcher is closed, and all others are served in order" {
    start_poisoned give
    come_with_poison 199
    lost_only_poison 11
}

@test "a client that supervisors abort on is closed, and all others are served in order" {
    start_poisoned give abrt
    come_with_poison 199
    lost_only_poison 6
}

# Fails unless all clients were served once and in order, and the daemon has forgotten the address of the
# poisonous one.
has_disarmed_poison() {
    await fields_are accepted 200 served 200
    has_dropped 0
    say status | check_sums
    cut -d ' ' -f 2 "$ANSWERS" | diff <(seq 200) -
    [[ $(most_handlers) == 1 ]]
    says_of_sixth 11 "leaving it to its handler, and forgetting its address"
    grep -q '^\[INFO\] ticket 6: ended process [0-9]* for ? port 0, ' "$LOG"
}

@test "a client whose handler supervisors crash on as it starts is served like all others" {
    start_poisoned started
    come_with_poison 200
    has_disarmed_poison
    [[ $(deaths) == 2 ]]
}

@test "a client whose handler supervisors crash on as it ends is served like all others" {
    start_poisoned ended
    come_with_poison 200
    has_disarmed_poison
    [[ $(deaths) == 2 ]]
}

@test "each of ten clients that supervisors crash on is closed, and the others are answered once, with eight handlers" {
    prepare_plant
    start_controlled --processes 8 --dispatchers 4 0 "$ANSWER" "$ANSWERS" "$COUNTER" 5
    plant give
    # Of three sources, the second is poisonous.
    "$BURST" -f 127.0.66.5 -s 3 "$ADDRESS" "$PORT" 30 >burst 2>complaints || true
    [[ $(cat burst) == "connected 30 answered 20 failed 10" ]] || { cat burst; return 1; }
    await fields_are queued 0 starting 0 running 0 accepted 30 served 20
    has_dropped 10
    cut -d ' ' -f 2 "$ANSWERS" | sort -n | diff <(seq 30 | awk '$1 % 3 != 2') -
    (($(most_handlers) <= 8))
    [[ $(grep -c 'two supervisors have died' "$LOG") == 10 ]]
}

@test "a client that supervisors are killed on from outside is not closed" {
    start_poisoned give kill
    "$BURST" -f 127.0.66.1 -s 20 "$ADDRESS" "$PORT" 20 >burst &
    local client=$!
    await have_died 5
    plant none
    wait "$client"
    cut -d ' ' -f 2 "$ANSWERS" | diff <(seq 20) -
    await fields_are accepted 20 served 20
    has_dropped 0
    refute grep 'supervisors have died of' "$LOG"
}
