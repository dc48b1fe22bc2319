#!/usr/bin/env bats
# Tests that nobody notices when the supervisor is killed: the standby clones another, which finds every
# client and every count.
# shellcheck disable=SC2016,SC2030,SC2031,SC2153 # $ is awk's; tests are subshells of helpers.bash

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

# ---- clients that wait ----

@test "a single handler serves clients in order of arrival while the supervisor is killed again and again" {
    local clients
    clients=$(count 800 5000)
    start_controlled --processes 1 0 "$ANSWER" "$ANSWERS" "$COUNTER" 1
    keep_asking observed -r -p 5 ./control status
    survive "$clients" 20 200 supervisor
    hush
    diff <(seq "$clients" | awk '{ print $1, $1 }') "$ANSWERS"
    [[ $(most_handlers) == 1 ]]
    await fields_are served "$clients" accepted "$clients" running 0 queued 0
    has_dropped 0
    check_sums <observed
    # No count ever fell.
    grep -o '"accepted":[0-9]*' observed | sort -c -t : -k 2n
    grep -o '"served":[0-9]*' observed | sort -c -t : -k 2n
    grep -q "^\[WARNING\] the supervisor, process [0-9]*, was killed by signal 9: another takes its place$" "$LOG"
}

# The rest of the tests have more handlers, and so no order.
survive_with_books() {
    start_controlled --processes 8 --dispatchers 4 0 "$ANSWER" "$ANSWERS" "$COUNTER" 5
    survive "$@"
    (($(most_handlers) <= 8))
    await fields_are served "$1" accepted "$1" running 0
}

@test "each client is answered once, by no more handlers than allowed, while the supervisor is killed again and again" {
    survive_with_books "$(count 1000 9000)" 20 200 supervisor
}

@test "each client is answered once while the supervisor and a dispatcher are killed together" {
    survive_with_books "$(count 1000 9000)" 20 100 supervisor dispatcher
}

@test "each client is answered once while the supervisor and all dispatchers are killed together, or one of both" {
    survive_with_books "$(count 1000 9000)" 20 100 70 supervisor 70 dispatchers
}

# Kills the supervisor, and waits for the next one.
kill_supervisor() {
    local process
    process=$(supervisor)
    kill -KILL "$process"
    await is_replaced "$process"
}

has_standby() { [[ -n $(standby) ]]; }

# ---- what lasts ----

@test "after the death of the supervisor, pause, changed settings and counts are as before" {
    start_controlled --processes 4 --rate 1000 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    "$BURST" "$ADDRESS" "$PORT" 20 >burst
    await field_is served 20
    local began
    began=$(metric start_time_seconds)
    say set processes 1 >/dev/null
    say set queue 33 >/dev/null
    say pause >/dev/null
    "$BURST" "$ADDRESS" "$PORT" 30 >burst &
    local client=$!
    await field_is queued 30
    for _ in 1 2 3; do
        kill_supervisor
        await fields_are held_back_by paused queued 30 accepted 50 served 20 process "$DAEMON"
        [[ $(say status) == *'"limits":{"processes":1,"queue":33,'* ]]
        [[ $(say status) == *'"waits":{"of":20,'* && $(say status) == *'"rate":{"count":1000,"period":1}'* ]]
        [[ $(metric start_time_seconds) == "$began" ]]
    done
    rm "$COUNTER"
    say resume >/dev/null
    wait "$client"
    [[ $(most_handlers) == 1 ]]
    tail -n 30 "$ANSWERS" | diff <(seq 30 | awk '{ print $1 + 20, $1 }') -
    await fields_are served 50 accepted 50
}

@test "a drain goes on after the death of the supervisor" {
    start -v --address 127.0.0.1 --processes 2 --pid-file pid 0 "$ANSWER" "$ANSWERS" "$COUNTER" 20
    "$BURST" "$ADDRESS" "$PORT" 300 >burst &
    local client=$! process
    await status_is accepted 300
    kill -TERM "$DAEMON"
    await has_line 'ending: waiting for' "$LOG"
    for _ in 1 2 3; do kill_supervisor; done
    refute "$BURST" "$ADDRESS" "$PORT" 1
    wait "$client"
    finish
    ((STATUS == 0))
    each_answered_once 300
    [[ ! -e pid ]]
}

@test "a supervisor that is killed as it exits ends the daemon with the status that it meant" {
    [[ -z $(no_tracer) ]] || skip "$(no_tracer)"
    start --address 127.0.0.1 --control control --pid-file pid 0 cat
    inject "$(supervisor)" exit_group:signal=KILL
    kill -TERM "$DAEMON"
    finish
    end_trace
    ((STATUS == 0))
    [[ ! -e pid && ! -e control ]]
    refute grep 'was killed' "$LOG"
}

@test "SIGTERM counts once, however often supervisors are killed" {
    start -v --address 127.0.0.1 --processes 1 --drain-timeout 30 0 "$ANSWER" "$ANSWERS" "$COUNTER" 100
    "$BURST" "$ADDRESS" "$PORT" 20 >burst &
    local client=$!
    await status_is accepted 20
    # The supervisor cannot take note before it is killed.
    kill -STOP "$(supervisor)"
    kill -TERM "$DAEMON"
    kill_supervisor
    kill_supervisor
    wait "$client"
    finish
    ((STATUS == 0))
    each_answered_once 20
    refute grep 'not drained' "$LOG"
}

@test "a handler's --timeout counts from its start, across supervisors" {
    start -v --address 127.0.0.1 --timeout 2.5 0 cat
    local begin
    begin=$(milliseconds)
    connect_silently
    await status_is running 1
    sleep 1
    kill_supervisor
    sleep 1
    kill_supervisor
    timeout 20 cat <&"$CLIENT"
    echo "took $(milliseconds_since "$begin") ms"
    (($(milliseconds_since "$begin") >= 2400 && $(milliseconds_since "$begin") < 4400))
    await status_is served 1
}

@test "a client that waits for too long is refused in time, across supervisors" {
    start -v --address 127.0.0.1 --processes 1 --queue-timeout 2 --busy-message 'busy\n' 0 cat
    connect_silently
    await status_is running 1
    local begin
    begin=$(milliseconds)
    "$BURST" -m 'busy\n' "$ADDRESS" "$PORT" 10 >burst &
    local client=$!
    await status_is queued 10
    sleep 1
    kill_supervisor
    wait "$client"
    echo "took $(milliseconds_since "$begin") ms"
    (($(milliseconds_since "$begin") >= 1900 && $(milliseconds_since "$begin") < 2900))
    [[ $(cat burst) == "connected 10 answered 0 refused 10 hungup 0 failed 0" ]]
    await status_is refused-timeout 10
    exec {CLIENT}>&-
}

# Prints what a client from address $1 gets.
served_from() { "$BURST" -f "$1" -m "$2" "$ADDRESS" "$PORT" 1; }

@test "after the death of the supervisor, the access rules and the busy message are the last ones that were read" {
    echo 'deny 127.0.1.1' >rules
    echo 'one' >busy
    start -v --address 127.0.0.1 --deny 127.0.3.0/24 --access-file rules --busy-message @busy \
        --queue 0 --when-full refuse --processes 1 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    echo 'deny 127.0.1.2' >rules
    printf 'two\n' >busy
    kill -HUP "$DAEMON"
    await has_line 'SIGHUP: files were read again' "$LOG"
    # The next supervisor must not let in a single client before it knows the rules.
    for _ in 1 2 3 4 5; do
        kill -KILL "$(supervisor)"
        [[ $(served_from 127.0.1.2 '') == *"refused 1 "* ]]
        [[ $(served_from 127.0.3.9 '') == *"refused 1 "* ]]
        [[ $(served_from 127.0.1.1 '') == *"answered 1 "* ]]
        await status_is running 0 # the answer comes before the end of the handler
    done
    connect_silently
    await status_is running 1
    kill_supervisor
    [[ $(served_from 127.0.0.1 'two\n') == *"refused 1 "* ]]
    echo >&"$CLIENT"
    # SIGHUP works as before.
    echo 'deny 127.0.1.3' >rules
    kill -HUP "$DAEMON"
    await is_denied 127.0.1.3
    [[ $(served_from 127.0.1.2 '') == *"answered 1 "* ]]
}

is_denied() { [[ $(served_from "$1" '') == *"refused 1 "* ]]; }

@test "after the death of supervisor and standby, no client gets in before the access rules are read again" {
    echo 'deny 127.0.1.1' >rules
    start -v --address 127.0.0.1 --access-file rules 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    echo 'deny 127.0.1.2' >rules
    kill -HUP "$DAEMON"
    await has_line 'SIGHUP: files were read again' "$LOG"
    for _ in 1 2 3; do
        kill -KILL "$(standby)" "$(supervisor)"
        [[ $(served_from 127.0.1.2 '') == *"refused 1 "* ]]
        [[ $(served_from 127.0.1.1 '') == *"answered 1 "* ]]
    done
    # Of this pair, the next supervisor has the rules.
    kill_supervisor
    [[ $(served_from 127.0.1.2 '') == *"refused 1 "* ]]
    [[ $(served_from 127.0.1.1 '') == *"answered 1 "* ]]
}

# ---- refusals and Unix sockets ----

@test "each client is answered or refused with the message while the supervisor is killed" {
    start_controlled --processes 4 --queue 20 --when-full refuse --busy-message 'busy\n' 0 \
        "$ANSWER" "$ANSWERS" "$COUNTER" 30
    begin_killing 20 60 supervisor
    "$BURST" -m 'busy\n' -e 1 "$ADDRESS" "$PORT" 1200 >burst
    end_killing 10
    cat burst
    [[ $(cat burst) == "connected 1200 answered "*" hungup 0 failed 0" ]]
    [[ $(cat burst) =~ answered\ ([0-9]+)\ refused\ ([0-9]+) ]]
    ((BASH_REMATCH[2] > 0))
    # Each that has an answer had one handler.
    [[ $(cut -d ' ' -f 2 "$ANSWERS" | sort | uniq -d) == "" ]]
    await fields_are running 0 queued 0 accepted 1200
    has_dropped 0
}

@test "clients of a Unix socket are answered once while the supervisor is killed" {
    start -v --control control --processes 4 "unix:$PWD/socket" "$ANSWER" "$ANSWERS" "$COUNTER" 2
    ADDRESS="unix:$PWD/socket" PORT=0 survive 1200 20 100 supervisor
    (($(most_handlers) <= 4))
    await fields_are served 1200 accepted 1200
}

# ---- the standby ----

@test "after the death of the standby service goes on, and the next pair begins once nobody waits" {
    start_controlled --processes 1 0 "$ANSWER" "$ANSWERS" "$COUNTER" 20
    local old process
    old=$(standby) process=$(supervisor)
    say pause >/dev/null
    "$BURST" "$ADDRESS" "$PORT" 40 >burst &
    local client=$!
    await field_is queued 40
    kill -KILL "$old"
    await has_line "^\[WARNING\] the standby, process $old, was killed by signal 9" "$LOG"
    say resume >/dev/null
    await field_exceeds served 5
    # Clients wait, and so the pair stays incomplete.
    [[ $(supervisor) == "$process" && -z $(standby) ]]
    wait "$client"
    each_answered_once 40
    await has_standby
    await is_replaced "$process"
    [[ -n $(children_named "$(standby)" supervisor) ]]
    await fields_are served 40 accepted 40
    has_dropped 0
    [[ $(grep -c '^\[WARNING\] the standby' "$LOG") == 1 ]]
    # A killed supervisor loses nobody again.
    : >"$ANSWERS"
    rm "$COUNTER"
    say pause >/dev/null
    "$BURST" "$ADDRESS" "$PORT" 40 >burst &
    client=$!
    await field_is queued 40
    kill_supervisor
    say resume >/dev/null
    wait "$client"
    each_answered_once 40
    [[ $(most_handlers) == 1 ]]
    await fields_are served 80 accepted 80
    has_dropped 0
}

@test "a handler that runs is not disturbed when the next pair begins" {
    start -v --control control --address 127.0.0.1 --processes 2 0 cat
    connect_more 2
    await status_is running 2
    local process line
    process=$(supervisor)
    kill -KILL "$(standby)"
    await has_standby
    await is_replaced "$process"
    await fields_are running 2 accepted 2
    kill_supervisor
    await fields_are running 2 accepted 2
    echo hello >&"${CLIENTS[1]}"
    read -r -t 20 line <&"${CLIENTS[1]}"
    [[ $line == hello ]]
    hang_up
    await fields_are served 2 running 0
}

@test "the next pair begins only once no connection is kept for a handler that runs" {
    start_controlled --linger 5 --processes 2 0 \
        bash -c 'until [[ -e go ]]; do sleep 0.02; done; echo hello'
    local old process line
    old=$(standby) process=$(supervisor)
    connect_more 2
    await fields_are running 2
    kill -KILL "$old"
    await has_line "^\[WARNING\] the standby, process $old, was killed by signal 9" "$LOG"
    sleep 1
    [[ $(supervisor) == "$process" && -z $(standby) ]]
    touch go
    read -r -t 20 line <&"${CLIENTS[1]}"
    [[ $line == hello ]]
    hang_up
    await has_standby
    await is_replaced "$process"
    await fields_are served 2 accepted 2
    refute has_line 'no longer holds' "$LOG"
}

@test "after a minute the next pair begins although connections are kept, and the log says what that costs" {
    [[ -n ${DAMPENER_LONG:-} ]] || skip "takes a minute; scripts/check --long runs it"
    start -v --control control --address 127.0.0.1 --linger 5 --processes 2 0 cat
    local process line
    connect_more 2
    await fields_are running 2
    process=$(supervisor)
    kill -KILL "$(standby)"
    await_crowd has_standby
    await is_replaced "$process"
    has_line '^\[WARNING\] making room for another supervisor with a standby: --linger, --on-hangup and --idle-timeout no longer hold for 2 clients that are being served$' "$LOG"
    echo hello >&"${CLIENTS[1]}"
    read -r -t 20 line <&"${CLIENTS[1]}"
    [[ $line == hello ]]
    hang_up
    await fields_are served 2 running 0
}

# Kills standby and supervisor at once.  In the other order, the standby may replace the supervisor.
kill_pair() {
    local both
    mapfile -t both < <(standby; supervisor)
    ((${#both[@]} == 2))
    kill -KILL "${both[@]}"
}

@test "after the death of supervisor and standby another pair serves within a second, and shows how many clients were lost" {
    start -v --control control --address 127.0.0.1 --processes 1 --pid-file pid 0 \
        "$ANSWER" "$ANSWERS" "$COUNTER"
    connect_silently # the handler waits for a line
    await status_is running 1
    "$BURST" "$ADDRESS" "$PORT" 30 >burst 2>complaints &
    local client=$! begin line all
    await field_is queued 30
    begin=$(milliseconds)
    # A dispatcher that does not end by itself would keep the handler.
    mapfile -t all < <(dispatchers)
    kill -STOP "${all[@]}"
    kill_pair
    refute wait "$client"
    [[ $(cat burst) == "connected 30 answered 0 failed 30" ]]
    echo "they were told within $(milliseconds_since "$begin") ms"
    await field_is accepted 31
    echo "served again within $(milliseconds_since "$begin") ms"
    (($(milliseconds_since "$begin") < 1000))
    await has_line '^\[ERROR\] waiting clients that were lost with the supervisor and its standby: 30$' "$LOG"
    await fields_are running 1 served 0 accepted 31
    has_dropped 30
    metric_is unserved_wait_seconds_count 30
    [[ -e pid && -e control ]]
    # The handler was not disturbed, and still counts.
    "$BURST" "$ADDRESS" "$PORT" 5 >burst &
    client=$!
    await field_is queued 5
    : >"$ANSWERS"
    echo undisturbed >&"$CLIENT"
    read -r -t 20 line <&"$CLIENT"
    [[ $line == undisturbed ]]
    wait "$client"
    tail -n +2 "$ANSWERS" | diff <(seq 5 | awk '{ print $1 + 31, $1 }') -
    await fields_are running 0 served 6 accepted 36
    has_dropped 30
    await has_standby
}

@test "each client is answered, or lost and counted, while supervisors and standbys are killed" {
    start_controlled --processes 4 0 "$ANSWER" "$ANSWERS" "$COUNTER" 2
    begin_killing 30 200 90 supervisor 50 standby 30 dispatchers
    "$BURST" -e 1 "$ADDRESS" "$PORT" 1000 >burst 2>complaints || true
    end_killing 5
    cat burst
    (($(most_handlers) <= 4))
    await fields_are running 0 queued 0
    [[ $(cut -d ' ' -f 2 "$ANSWERS" | sort | uniq -d) == "" ]]
    say status >last
    check_sums <last || { cat last; return 1; }
    await has_standby
    "$BURST" "$ADDRESS" "$PORT" 20
}

# ---- the time without service ----

# Kills the supervisor, and prints how many milliseconds pass until the next one has started a handler.
# The first handler that ends then may have begun before; the second one, of a single one at a time, has
# not.
time_without_service() {
    local process before begin
    process=$(supervisor)
    before=$(wc -l <"$ANSWERS")
    begin=$(milliseconds)
    kill -KILL "$process"
    until (($(wc -l <"$ANSWERS") >= before + 2)); do
        if (($(milliseconds_since "$begin") > 20000)); then return 1; fi
    done
    milliseconds_since "$begin"
}

@test "with thousands of clients waiting, the next supervisor starts a handler within a second" {
    local crowd rounds times=()
    crowd=$(count 5000 19000) rounds=$(count 3 20)
    start --address 127.0.0.1 --control control --processes 1 0 "$ANSWER" "$ANSWERS" "$COUNTER" 1
    local most
    most=$(($(ulimit -Hn) - 1000))
    ((crowd <= most)) || crowd=$most
    say pause >/dev/null
    "$BURST" "$ADDRESS" "$PORT" "$crowd" >burst 2>complaints &
    local client=$!
    await_crowd field_is queued "$crowd"
    say resume >/dev/null
    await field_exceeds served 2
    for ((i = 0; i < rounds; i++)); do times+=("$(time_without_service)"); done
    echo "with $crowd waiting, in ms: ${times[*]}"
    mapfile -t times < <(printf '%s\n' "${times[@]}" | sort -n)
    ((times[-1] < 1000))
    if [[ -n ${DAMPENER_LONG:-} ]]; then ((times[rounds / 2] < 100)); fi
    # The rest need not be served.
    (($(field accepted) == crowd))
    kill -INT "$DAEMON"
    wait "$client" || true
    wait "$DAEMON" || true
    DAEMON=
}

# ---- at each system call ----

# The system calls that the supervisor may make, as its filter lists them.
calls() { sed -n 's/^ *\(SYS_\|{\.call = SYS_\)\([a-z0-9_]*\),.*/\2/p' "$ROOT/supervisor/jail/filter.c" | sort -u; }

# Has the supervisor killed as it begins the Nth call of that name, while clients come, wait, give up,
# are refused, and are served: CALL N.
survive_call() {
    local process clients=40
    : >"$ANSWERS"
    process=$(supervisor)
    inject "$process" "$1:signal=KILL:when=$2"
    # The client that the supervisor was about to send the message may get nothing.
    "$BURST" -m 'busy\n' "$ADDRESS" "$PORT" "$clients" >burst 2>&1 || [[ $(cat burst) == *" failed 1" ]] ||
        { cat burst; echo "at call $2 of $1" >&2; return 1; }
    if has_line ' failed 1$' burst; then UNTOLD=$((UNTOLD + 1)); fi
    await fields_are queued 0 running 0
    if [[ $(supervisor) != "$process" ]]; then KILLED=$((KILLED + 1)); fi
    end_trace
    [[ $(cat burst) =~ answered\ ([0-9]+) && $(wc -l <"$ANSWERS") == "${BASH_REMATCH[1]}" ]] ||
        { cat burst "$ANSWERS"; echo "at call $2 of $1" >&2; return 1; }
    has_dropped 0 || { cat burst; say status; echo "at call $2 of $1" >&2; return 1; }
}

@test "each client is answered or refused although the supervisor is killed at a certain system call" {
    [[ -z $(no_tracer) ]] || skip "$(no_tracer)"
    local calls=(accept4 sendmsg recvmsg close epoll_ctl sendto shutdown write) numbers=(2) call number
    if [[ -n ${DAMPENER_LONG:-} ]]; then mapfile -t calls < <(calls); numbers=(1 2 5); fi
    ((${#calls[@]} >= 8))
    start_controlled --processes 4 --queue 25 --when-full refuse --busy-message 'busy\n' 0 \
        "$ANSWER" "$ANSWERS" "$COUNTER" 1
    KILLED=0 UNTOLD=0
    for call in "${calls[@]}"; do
        for number in "${numbers[@]}"; do survive_call "$call" "$number"; done
    done
    echo "killed $KILLED times, $UNTOLD clients were not told that they are refused"
    ((KILLED >= 7 && UNTOLD <= 2 * ${#numbers[@]}))
    (($(most_handlers) <= 4))
    say status | check_sums
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

@test "a client of a Unix socket is served although the supervisor is killed before it takes note of it" {
    [[ -z $(no_tracer) ]] || skip "$(no_tracer)"
    start -v --control control --processes 4 "unix:$PWD/socket" "$ANSWER" "$ANSWERS" "$COUNTER"
    local number ADDRESS="unix:$PWD/socket" PORT=0
    KILLED=0 UNTOLD=0
    # The one call behind accept4(2) asks for the user of the client.
    for number in 1 2 5; do survive_call getsockopt "$number"; done
    ((KILLED == 3 && UNTOLD == 0))
    await fields_are served 120 accepted 120
}

has_failed() { (($(metric start_failures_total) > 0)); }

@test "a client whose handler could not be started keeps its place although the supervisor is killed as it comes back" {
    [[ -z $(no_tracer) ]] || skip "$(no_tracer)"
    cp "$ANSWER" handler
    start_controlled --processes 1 0 ./handler "$ANSWERS" "$COUNTER"
    local process number
    for number in 1 2 3; do
        : >"$ANSWERS"
        mv handler away
        process=$(supervisor)
        # The call that checks whether the connection is that of the client.
        inject "$process" "getpeername:signal=KILL:when=$number"
        "$BURST" "$ADDRESS" "$PORT" 10 >burst &
        await is_replaced "$process"
        end_trace
        mv away handler
        wait $!
        diff <(seq 10) <(cut -d ' ' -f 2 "$ANSWERS")
    done
    has_failed
    await fields_are served 30 accepted 30
    has_dropped 0
}

# Has the supervisor killed in a drain, as the connection of a client comes back whose handler could not be
# started.
survive_drain() {
    local process client
    mv handler away
    "$BURST" "$ADDRESS" "$PORT" 10 >burst &
    client=$!
    await status_is accepted 10
    kill -TERM "$DAEMON"
    await has_line 'ending: waiting for' "$LOG"
    process=$(supervisor)
    inject "$process" "$1:signal=KILL:when=1"
    await is_replaced "$process"
    end_trace
    mv away handler
    wait "$client"
    diff <(seq 10) <(cut -d ' ' -f 2 "$ANSWERS")
    finish
    ((STATUS == 0))
}

@test "a client whose handler could not be started is served although the supervisor is killed in a drain" {
    [[ -z $(no_tracer) ]] || skip "$(no_tracer)"
    cp "$ANSWER" handler
    start -v --address 127.0.0.1 --processes 1 0 ./handler "$ANSWERS" "$COUNTER"
    survive_drain getpeername
    : >"$ANSWERS"
    : >"$LOG"
    start -v --processes 1 unix:socket ./handler "$ANSWERS" "$COUNTER"
    ADDRESS=unix:socket PORT=0 survive_drain getpeername
}

# Has the dispatcher killed as it begins the call $1, and the supervisor as it begins the Nth call $2 after
# that: CALL CALL N.  The handler of a client cannot be started until then.
survive_both() {
    local process dispatcher tracer
    : >"$ANSWERS"
    mv handler away
    await has_dispatchers 1
    process=$(supervisor)
    dispatcher=$(dispatchers)
    inject "$dispatcher" "$1:signal=KILL:when=1"
    tracer=$TRACER
    inject "$process" "$2:signal=KILL:when=$3"
    "$BURST" "$ADDRESS" "$PORT" 1 >burst &
    await is_gone "$dispatcher"
    mv away handler
    wait $!
    TRACER=$tracer end_trace
    end_trace
    [[ $(<burst) == "connected 1 answered 1 failed 0" && $(wc -l <"$ANSWERS") == 1 ]] ||
        { cat burst "$ANSWERS"; echo "dispatcher killed at $1, supervisor at call $3 of $2" >&2; return 1; }
    if [[ $(supervisor) != "$process" ]]; then KILLED=$((KILLED + 1)); fi
}

@test "a client whose handler could not be started is served once although dispatcher and supervisor are killed as it comes back" {
    [[ -z $(no_tracer) ]] || skip "$(no_tracer)"
    cp "$ANSWER" handler
    start_controlled --processes 1 --dispatchers 1 0 ./handler "$ANSWERS" "$COUNTER"
    local number KILLED=0
    # The dispatcher takes the packet off its socket by recvfrom(2), once it has cloned a child.  The supervisor
    # calls getpeername(2) to look whose connection FAILED brings, and getsockopt(2) as it closes a copy.
    for number in 1 2 3 4 5 6; do
        survive_both recvfrom getsockopt "$number"
        survive_both recvfrom getpeername "$number"
    done
    echo "the supervisor was killed $KILLED times"
    ((KILLED >= 4))
    await fields_are served 12 accepted 12
    has_dropped 0
}
