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

# Starts a service without a fault as yet, and lets 20 clients wait.  Sets client, their process.
start_with_waiting() {
    prepare_plant
    start_controlled --processes 1 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    say pause >/dev/null
    "$BURST" "$ADDRESS" "$PORT" 20 >burst &
    client=$!
    await field_is queued 20
}

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

@test "a client for which supervisors make a forbidden system call is closed, and all others are served in order" {
    if is_sanitized; then skip "a build with sanitizers has no filter"; fi
    start_poisoned give call
    come_with_poison 199
    lost_only_poison 31
    [[ $(grep -c "is none of the supervisor's" "$LOG") == 2 ]]
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

# ---- between accept(2) and its record ----

# Starts the service with no room for waiting clients, and with a handler that runs until "go" exists.
# The supervisor will be killed as soon as it has accepted a client from 127.0.66.6.
start_with_one() {
    prepare_plant
    start_controlled --processes 1 --queue 0 0 \
        bash -c 'until [[ -e go ]]; do sleep 0.02; done; exec "$@"' bash "$ANSWER" "$ANSWERS" "$COUNTER"
    connect_silently
    echo 0 >&"$CLIENT"
    await field_is running 1
    plant admit kill
}

@test "a drain serves a client that the last supervisor was killed on when all others had been served" {
    start_with_one
    "$BURST" -f 127.0.66.6 "$ADDRESS" "$PORT" 1 >burst &
    local client=$!
    await backlog_is "$PORT" 1
    kill -TERM "$DAEMON"
    await has_line '^\[INFO\] ending: ' "$LOG"
    touch go
    await have_died 1
    plant none
    wait "$client"
    [[ $(<burst) == "connected 1 answered 1 failed 0" ]]
    finish
    ((STATUS == 0))
}

@test "a supervisor that knows a client which has no record yet cannot be taken over before that client waits" {
    start_with_one
    local version
    touch go
    exec {CLIENT}>&-
    await fields_are served 1 running 0
    hold_dispatchers # the roll call does not end
    "$BURST" -f 127.0.66.6 "$ADDRESS" "$PORT" 1 >burst &
    local client=$!
    await have_died 1
    plant none
    for version in 1 2; do
        [[ $(say takeover "$version") == "error: cannot be taken over now: a supervisor has just taken the place of another; try again" ]]
    done
    release_dispatchers
    wait "$client"
    [[ $(<burst) == "connected 1 answered 1 failed 0" ]]
    await fields_are accepted 2 served 2
}

@test "a client that has no record is served as soon as the roll is called, though nothing else happens" {
    start_with_one
    touch go
    exec {CLIENT}>&-
    await fields_are served 1 running 0
    "$BURST" -t 20000 -f 127.0.66.6 "$ADDRESS" "$PORT" 1 >burst &
    local client=$!
    await have_died 1
    plant none
    wait "$client"
}

# ---- between an answer of a dispatcher and its record ----

@test "what a handler leaves is ended although the supervisor that heard of its start and end was killed" {
    [[ -z $(no_tracer) ]] || skip "$(no_tracer)"
    prepare_plant
    start_controlled --leftovers end --dispatchers 1 0 bash -c 'sleep 1000 & echo $! >left'
    plant answer kill
    # The dispatcher is so slow that both are in one packet.
    inject "$(dispatchers)" '?poll,?ppoll:delay_enter=300000'
    "$BURST" -t 20000 -f 127.0.66.6 "$ADDRESS" "$PORT" 1 >burst 2>complaints &
    local client=$!
    await have_died 1
    plant none
    end_trace
    await fields_are running 0 served 1
    await is_gone "$(<left)"
    refute has_line 'process group 0' "$LOG"
    wait "$client" || true # nobody answers it
}

# ---- without memory ----

have_failed() { (($(grep -c '^\[ERROR\] cannot call the roll: ' "$LOG") >= $1)); }

@test "a supervisor that lacks memory for the roll call makes room for another, and each client is started once" {
    prepare_plant
    # With --on-hangup end, the supervisor keeps the connections of starting clients, too.
    start_controlled --on-hangup end --processes 3 --dispatchers 2 0 "$ANSWER" "$ANSWERS" "$COUNTER" 500
    hold_dispatchers
    "$BURST" "$ADDRESS" "$PORT" 9 >burst &
    local client=$!
    await fields_are starting 3 queued 6
    plant recall
    kill_supervisor
    await have_failed 2
    release_dispatchers
    await have_failed 3
    plant none
    wait "$client"
    [[ $(<burst) == "connected 9 answered 9 failed 0" ]]
    cut -d ' ' -f 2 "$ANSWERS" | sort -n | diff <(seq 9) -
    (($(most_handlers) <= 3))
    await fields_are accepted 9 served 9
    [[ $(deaths) == 1 ]]
}

# ---- whatever it does ----

# Prints a line "PROMISED TAKEN" for each delay that the log announces: the delay, and the milliseconds
# until the next supervisor had died.
delays() {
    sed -n 's/.*"time":"[^T]*T\([0-9]*\):\([0-9]*\):\([0-9.]*\).*\(killed by\|the next one begins in\) \([^"]*\).*/\1 \2 \3 \5/p' "$LOG" |
        awk '
            { time = (($1 * 60 + $2) * 60 + $3) * 1000 }
            $5 == "ms" { promised = $4; since = time; next }
            promised { printf "%d %d\n", promised, time - since }
            { promised = 0 }
        '
}

kill_supervisor() { kill -KILL "$(supervisor)"; }

# Fails unless there is no answer, or none but "not serving".  The supervisor that takes the request may
# die with it.
is_unhealthy() {
    local answer
    answer=$(printf 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n' |
        timeout 0.3 nc -N 127.0.0.1 "$METRICS" | tr -d '\r' | head -n 1) || true
    [[ $answer == "" || $answer == "HTTP/1.1 503 "* ]] || { echo "healthy: $answer"; return 1; }
}

@test "supervisors that die as they begin are replaced later and later, and then all who have waited are served in order" {
    local number=9 i
    # With --long, until the delay grows no more.
    if [[ -n ${DAMPENER_LONG:-} ]]; then number=13; fi
    prepare_plant
    start_controlled --log-format json --processes 1 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    METRICS=$(sed -n 's/.*"metrics on 127\.0\.0\.1 port \([0-9]*\)".*/\1/p' "$LOG")
    say pause >/dev/null
    "$BURST" "$ADDRESS" "$PORT" 300 >burst &
    local client=$!
    await field_is queued 300
    plant begin
    kill_supervisor
    await has_line 'not serving: 2 supervisors in a row' "$LOG"
    for i in 1 2 3; do is_unhealthy; done
    await have_died "$number"
    # Nobody is lost who comes meanwhile.
    "$BURST" -f 127.0.0.1 "$ADDRESS" "$PORT" 5 >late &
    local latecomer=$!
    plant none
    await field_is queued 305
    health_is 503 # paused
    say resume >/dev/null
    wait "$client" "$latecomer"
    [[ $(cat burst) == "connected 300 answered 300 failed 0" ]]
    [[ $(cat late) == "connected 5 answered 5 failed 0" ]]
    cut -d ' ' -f 2 "$ANSWERS" | diff <(seq 300; seq 5) -
    await fields_are accepted 305 served 305
    has_dropped 0
    health_is 200
    delays >kept
    cat kept
    # Twice as long each time, up to 5 s; and a supervisor takes a little to begin.
    awk -v least="$((number - 4))" '
        { expected = NR == 1 ? 20 : 2 * last; if (expected > 5000) expected = 5000; last = $1 }
        $1 != expected || $2 < $1 - 2 || $2 > $1 + 3000 { print "not kept: " $0; wrong = 1; exit }
        END { exit wrong || NR < least }
    ' kept
}

@test "a supervisor that takes the place of another may make no forbidden system call from its beginning on" {
    prepare_plant
    start -v --address 127.0.0.1 0 cat
    if is_sanitized || grep -q 'no filter of system calls' "$LOG"; then skip "no filter of system calls here"; fi
    plant begin call
    kill_supervisor
    await has_line "system call [0-9]* is none of the supervisor's" "$LOG"
    # The same in another pair.
    : >"$LOG"
    kill -KILL "$(standby)"
    await has_line "system call [0-9]* is none of the supervisor's" "$LOG"
    plant none
    connect_silently
    echo hello >&"$CLIENT"
    local line
    read -r -t 20 line <&"$CLIENT"
    [[ $line == hello ]]
    exec {CLIENT}>&-
}

@test "another pair whose first supervisors die as they begin counts whom the last pair has lost, and serves" {
    echo 'deny 127.0.1.1' >rules
    prepare_plant
    start_controlled --processes 1 --access-file rules 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    echo 'deny 127.0.1.2' >rules
    kill -HUP "$DAEMON"
    await has_line 'SIGHUP: files were read again' "$LOG"
    connect_silently # the handler waits for a line
    await field_is running 1
    "$BURST" "$ADDRESS" "$PORT" 20 >burst 2>complaints &
    local client=$! both line
    await field_is queued 20
    plant begin kill
    mapfile -t both < <(standby; supervisor)
    kill -KILL "${both[@]}"
    await have_died 2
    plant none
    refute wait "$client"
    await has_line '^\[ERROR\] waiting clients that were lost with the supervisor and its standby: 20$' "$LOG"
    await fields_are running 1 queued 0 accepted 21
    has_dropped 20
    # The handler was not disturbed.
    echo hello >&"$CLIENT"
    read -r -t 20 line <&"$CLIENT"
    [[ $line == hello ]]
    exec {CLIENT}>&-
    [[ $("$BURST" -f 127.0.1.1 "$ADDRESS" "$PORT" 1) == *" answered 1 "* ]]
    refute "$BURST" -f 127.0.1.2 "$ADDRESS" "$PORT" 1
    await fields_are running 0 served 2 accepted 23
}

@test "supervisors that die after each round close no waiting client, and the service is not serving meanwhile" {
    prepare_plant
    start_controlled --processes 1 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    say pause >/dev/null
    "$BURST" "$ADDRESS" "$PORT" 50 >burst &
    local client=$! i
    await field_is queued 50
    plant round
    kill -USR1 "$DAEMON" # begins a round
    await have_died 4
    for i in 1 2 3 4 5; do is_unhealthy; done
    await have_died 7
    plant none
    await fields_are queued 50 accepted 50
    say resume >/dev/null
    wait "$client"
    diff <(seq 50 | awk '{ print $1, $1 }') "$ANSWERS"
    has_dropped 0
    refute grep 'supervisors have died of' "$LOG"
}

@test "what a supervisor has damaged before it died kills none of the next ones, and loses no client" {
    local client
    start_with_waiting
    plant damage kill
    kill -USR1 "$DAEMON" # begins a round
    await have_died 1
    plant none
    await has_line 'a supervisor takes the place of another' "$LOG"
    refute grep 'was killed by signal [^9]' "$LOG"
    await fields_are queued 20 accepted 20
    has_line '^\[ERROR\] the record of ticket [0-9]* is damaged' "$LOG"
    say resume >/dev/null
    wait "$client"
    [[ $(cat burst) == "connected 20 answered 20 failed 0" ]]
    cut -d ' ' -f 2 "$ANSWERS" | sort -n | diff <(seq 20) -
    await fields_are served 20 accepted 20
    has_dropped 0
}

@test "a supervisor under attack that says that the service has not begun gets no successor without a jail" {
    prepare_plant
    start_controlled 0 cat
    plant disown
    kill -USR1 "$DAEMON" # begins a round
    finish
    ((STATUS == 1))
    [[ ! -e control ]]
    refute grep 'was killed' "$LOG" # by what it would read
}

# Starts a service manager that writes each message to the file "told".
manage() {
    export NOTIFY_SOCKET=$PWD/notify WATCHDOG_USEC=100000
    (close_descriptors; exec "$BUILD/tests/programs/clients/notified" "$NOTIFY_SOCKET" told >>"$LOG" 2>&1 </dev/null) &
    MANAGER=$!
    await test -e told
}

# Lets the daemon end.
end_others() {
    plant none
    if [[ -n ${MANAGER:-} ]]; then kill -KILL "$MANAGER"; fi
}

feeds() { grep -c 'WATCHDOG=1' told || true; }
is_fed_more() { (($(feeds) > $1)); }
last_status_is() { [[ $(sed -n 's/.*STATUS=//p' told | tail -n 1) == "$1" ]]; }

@test "while supervisors die one after the other, health and service manager are told so, and also that it is over" {
    prepare_plant
    manage
    start_controlled --processes 2 0 cat
    await is_fed_more 2
    # Each lives long enough to answer.
    plant later
    await has_line 'not serving: 4 supervisors in a row' "$LOG"
    await health_is 503
    [[ $(field state) == "not serving" ]]
    await last_status_is "not serving: 0 waiting, 0 of 2 handlers running"
    local before
    before=$(feeds)
    await has_line 'not serving: 6 supervisors in a row' "$LOG"
    [[ $(feeds) == "$before" ]]
    [[ $(grep -c "one supervisor after the other has died: not telling the service manager's watchdog" "$LOG") == 1 ]]
    # No client need come.
    plant none
    await last_status_is "0 waiting, 0 of 2 handlers running"
    await is_fed_more "$((before + 2))"
    health_is 200
}

@test "a second SIGTERM ends a daemon whose supervisors die as they begin, and its handlers" {
    prepare_plant
    start -v --address 127.0.0.1 --pid-file pid 0 bash -c 'sleep 1000 & wait'
    connect_silently
    await status_is running 1
    plant begin
    kill_supervisor
    await has_line 'not serving: 5 supervisors in a row' "$LOG"
    kill -TERM "$DAEMON"
    await have_died 8
    is_alive "$DAEMON"
    stop
    ((STATUS == 1))
    has_line '^\[ERROR\] told to end once more, and no supervisor lives long enough to do it: ending at once$' "$LOG"
    [[ ! -e pid ]]
    exec {CLIENT}>&-
}

has_taken_signals() { grep -q '^ShdPnd:.0*$' "/proc/$DAEMON/status"; }

@test "a second SIGTERM ends a daemon whose supervisors die as they begin, after more signals than it keeps for them" {
    prepare_plant
    start -v --address 127.0.0.1 0 cat
    plant begin
    kill_supervisor
    await has_line 'not serving: 5 supervisors in a row' "$LOG"
    local i
    for ((i = 0; i < 40; i++)); do
        kill -USR1 "$DAEMON"
        await has_taken_signals
    done
    kill -TERM "$DAEMON"
    await has_taken_signals
    kill -TERM "$DAEMON"
    finish
    ((STATUS == 1))
    has_line 'told to end once more' "$LOG"
}

@test "SIGTERM that comes while supervisors die as they begin drains once one of them lives" {
    local client
    start_with_waiting
    plant begin
    kill_supervisor
    await have_died 5
    kill -TERM "$DAEMON"
    await have_died 7
    plant none
    wait "$client"
    cut -d ' ' -f 2 "$ANSWERS" | diff <(seq 20) -
    finish
    ((STATUS == 0))
}

@test "after the death of the keeper, a pair whose supervisors die as they begin ends, too" {
    [[ -n ${DAMPENER_LONG:-} ]] || skip "takes 15 s; scripts/check --long runs it"
    prepare_plant
    start -v --address 127.0.0.1 0 cat
    plant begin
    kill_supervisor
    await have_died 3
    kill -KILL "$DAEMON"
    wait "$DAEMON" || true
    await nothing_is_left
    has_line '^\[ERROR\] the keeper is dead, and no supervisor lives long enough to serve: ending$' "$LOG"
}
