#!/usr/bin/env bats
# Tests that a takeover which fails leaves the old process, its clients and its files as they were.
# shellcheck disable=SC2030,SC2031,SC2153 # each test is a subshell, and helpers.bash has the variables

load ../shared/helpers
load takeover

# ---- the new process fails ----

# Starts a paused service with so many waiting clients that a takeover requires several messages.
WAITING=70
start_with_waiting() {
    start --address 127.0.0.1 --processes 2 --dispatchers 2 --control control --pid-file pid 0 \
        "$ANSWER" "$ANSWERS" "$COUNTER"
    ask_control pause
    (close_descriptors; exec "$BURST" 127.0.0.1 "$PORT" "$WAITING" >burst) &
    BURST_CLIENT=$!
    await control_says "\"queued\":$WAITING"
    PLACE=("$(inode control)" "$(inode pid)")
}

# Succeeds if the old process has lost neither clients nor files.
is_as_before() {
    control_says '"state":"paused"' "\"queued\":$WAITING" &&
        [[ $(inode control) == "${PLACE[0]}" && $(inode pid) == "${PLACE[1]}" ]] &&
        [[ $(cat pid) == "$DAEMON" ]]
}

all_are_served() {
    ask_control resume
    wait "$BURST_CLIENT"
    [[ $(cat burst) == "connected $WAITING answered $WAITING failed 0" ]]
    cut -d ' ' -f 1 "$ANSWERS" | sort -n | awk '$1 != NR { exit 1 }'
    (($(most_handlers) <= 2))
}

@test "a new process that cannot start leaves the old process unchanged" {
    start_with_waiting
    fail_to_take_over --address 192.0.2.1 --control control --pid-file pid 0 cat
    is_as_before
    fail_to_take_over --address 127.0.0.1 --control /nonexistent/control "$PORT" cat
    local status=0
    "$DAMPENER" --takeover control --control control "$PORT" nonexistent-command 2>>"$LOG" || status=$?
    ((status == 127))
    status=0
    "$DAMPENER" --takeover control --control control --processes x "$PORT" cat 2>>"$LOG" || status=$?
    ((status == 2))
    is_as_before
    all_are_served
}

@test "the new process says that there is no daemon to take over from" {
    start --address 127.0.0.1 0 cat
    fail_to_take_over 0 cat
    has_line "--takeover: cannot connect to control: No such file or directory" refused
    (close_descriptors; exec nc -lNU "$PWD/control" >/dev/null </dev/null) &
    await is_listened_at "$PWD/control"
    fail_to_take_over 0 cat
    has_line "--takeover: control: no answer from the daemon there" refused
}

# Kills the new keeper or the new supervisor, whichever comes first, at its first call of $1, then at its
# second, and so on.  Ends once the old process has left because the takeover succeeded; requires more
# than $2 attempts.
kill_at_each() {
    command -v strace >/dev/null || skip "strace is not installed"
    start_with_waiting
    local number
    for ((number = 1; number < 100; number++)); do
        OLD=$DAEMON
        WRAPPER=(strace -D -f -b execve -qq -o /dev/null -e "trace=$1"
            -e "inject=$1:signal=KILL:when=$number")
        take_over --address 127.0.0.1 --processes 2 --dispatchers 1 --control control \
            --pid-file pid "$PORT" cat && break
        DAEMON=$OLD
        await has_left_or_is_as_before
        if has_line "process [0-9]* took over" "$LOG"; then break; fi
    done
    await is_gone "$OLD"
    kill "$BURST_CLIENT" 2>/dev/null || true
    echo "killed $number times"
    ((number > $2))
}

has_left_or_is_as_before() { has_line "process [0-9]* took over" "$LOG" || is_as_before; }

# The keeper sends BEGUN.  The supervisor sends GO, three times TAKEN, READY, and SERVING.
@test "a new process that is killed while it sends leaves the old process unchanged" { kill_at_each sendmsg 6; }

# The keeper receives the link, HELLO and two LISTENERs.  The supervisor receives BEGUN, READY, three
# times QUEUED, ALL, and COMMITTED.
@test "a new process that is killed while it receives leaves the old process unchanged" { kill_at_each recvmsg 8; }

# The old process sends the link, HELLO, two LISTENERs, and three times QUEUED.
@test "SIGTERM to the new process before it is ready leaves the old process unchanged" {
    [[ -z $(no_tracer) ]] || skip "$(no_tracer)"
    start_with_waiting
    local number new status
    for number in 5 6 7; do
        inject "$(supervisor)" "sendmsg:delay_enter=500000:when=$number"
        (
            close_descriptors
            exec "$DAMPENER" --takeover control --address 127.0.0.1 --control control "$PORT" cat \
                2>>"$LOG" </dev/null
        ) &
        new=$!
        await has_sent "$number"
        kill -TERM "$new"
        status=0
        wait "$new" || status=$?
        cat traced
        ((status == 1))
        end_trace
        await is_as_before
    done
    all_are_served
}

has_sent() { [[ $(grep -c 'sendmsg(' traced) == "$1" ]]; }

@test "a new process with too few descriptors for the queue leaves the old process unchanged" {
    start_with_waiting
    WRAPPER=(bash -c 'ulimit -n 60; exec "$@"' bash)
    fail_to_take_over --address 127.0.0.1 "$PORT" cat
    has_line 'cannot take over from process [0-9]*: Too many open files' refused
    is_as_before
    all_are_served
}

# ---- the new process violates the protocol ----

successor() { timeout 30 "$BUILD/tests/takeover/successor" control "$@" >said; }
said() { [[ $(uniq said | tr '\n' ' ') == "$* " ]] || { cat said >&2; return 1; }; }

@test "the old process rejects a new process that violates the protocol" {
    start_with_waiting
    local step
    for step in garbage nothing "descriptors 1" "descriptors 32" "descriptors 253" long version type \
        HELLO RUNNING QUEUED TAKEN ALL READY COMMITTED SERVING SETTLED ABORTED ENDED END LISTENER; do
        # shellcheck disable=SC2086
        successor until LISTENER $step
        [[ $(tail -n 1 said) == closed ]]
        [[ $step == nothing ]] || has_line ABORTED said
    done
    # Not TAKEN: it is valid if a batch has been sent before it arrives.
    for step in GO READY SERVING SETTLED END garbage; do
        successor GO "$step" || true
    done
    for step in GO TAKEN SERVING SETTLED END garbage "READY garbage" "READY END" "READY READY" \
        "READY SETTLED" "READY TAKEN"; do
        # shellcheck disable=SC2086
        successor GO take $step
        [[ $(tail -n 1 said) == closed ]]
        await is_as_before
    done
    successor GO until QUEUED TAKEN TAKEN TAKEN TAKEN TAKEN TAKEN TAKEN TAKEN || true
    successor GO until QUEUED READY || true
    await is_as_before
    refute has_line BUG "$LOG"
    all_are_served
}

@test "a new process that leaves at any step leaves the old process unchanged" {
    start_with_waiting
    successor close
    successor until HELLO close
    successor GO close
    successor GO until QUEUED close
    successor GO until QUEUED TAKEN close
    successor GO take close
    successor GO take READY close
    successor GO take READY until COMMITTED close
    await is_as_before
    all_are_served
}

# Starts a slow new process in the background, which performs the steps in $@ and then waits.
stall() {
    rm -f stalled
    (close_descriptors; exec "$BUILD/tests/takeover/successor" control "$@" >stalled) &
    STALLED=$!
    await has_line waiting stalled
}

# Succeeds if keeper and supervisor make no call for half a second; a last call of each before its rest
# is allowed.
is_quiet() {
    timeout -s INT 0.5 strace -qq -o trace -p "$DAEMON" -p "$(supervisor)" || true
    cat trace
    (($(wc -l <trace) <= 2))
}

@test "during a takeover the old process refuses another takeover and makes no system call while idle" {
    command -v strace >/dev/null || skip "strace is not installed"
    start_with_waiting
    local steps
    for steps in "until LISTENER" "GO until QUEUED" "GO take" "GO take READY until COMMITTED"; do
        # shellcheck disable=SC2086
        stall $steps wait close
        ask_control 'takeover 1' >answer
        has_line '^error: cannot be taken over now: another process is about to take over$' answer
        await is_quiet
        kill -TERM "$STALLED"
        wait "$STALLED"
        await is_as_before
    done
    all_are_served
}

@test "while clients are handed over nothing can be set, and only a new process that asks for them gets settings" {
    start_with_waiting
    ask_control 'set queue 77'
    ask_control 'set processes 2'
    successor GO take close
    refute grep SETTING said
    stall -2 GO take wait close
    [[ $(grep -c '^SETTING$' stalled) == 2 ]]
    [[ $(ask_control 'set queue 78') == "error: another process is just taking over; try again" ]]
    kill -TERM "$STALLED"
    wait "$STALLED"
    await is_as_before
    control_says '"queue":77'
    [[ $(ask_control 'set queue 78') == "queue is 78 now" ]]
    all_are_served
}

@test "a handler that ends during a takeover that fails frees its place" {
    make_holding_handler
    start -v --address 127.0.0.1 --control control 0 ./hold
    connect_clients 1
    await held 1
    stall GO take wait close
    touch go
    await has_line 'ticket 1: ended' "$LOG"
    kill -TERM "$STALLED"
    wait "$STALLED"
    await has_line 'takeover aborted' "$LOG"
    await control_says '"running":0'
    stop
}

@test "after a failed takeover the old process notices again that clients leave" {
    start --address 127.0.0.1 --abandon half-close --control control 0 cat
    ask_control pause
    connect_silently
    await control_says '"queued":1'
    successor GO take close
    exec {CLIENT}>&-
    await control_says '"abandoned":1'
    ask_control resume
}

@test "the old process leaves, with its pid file, only after the new process has created its own" {
    start --address 127.0.0.1 --control control --pid-file pid 0 cat
    stall GO take READY until COMMITTED SERVING wait SETTLED
    await has_line "process $STALLED took over; waiting clients: 0;" "$LOG"
    sleep 0.1 # time in which the old process could have left
    is_alive "$DAEMON"
    [[ $(cat pid) == "$DAEMON" ]]
    kill -TERM "$STALLED"
    wait "$STALLED"
    finish
    [[ $STATUS == 0 && ! -e pid ]]
}

@test "SIGTERM to the old process during a takeover aborts the takeover and drains" {
    start_with_waiting
    stall GO take wait
    kill -HUP "$DAEMON"
    kill -USR1 "$DAEMON"
    stop
    [[ $STATUS == 0 ]]
    kill -TERM "$STALLED"
    wait "$STALLED"
    [[ $(tail -n 2 stalled | tr '\n' ' ') == "ABORTED closed " ]]
    wait "$BURST_CLIENT"
    [[ $(cat burst) == "connected $WAITING answered $WAITING failed 0" ]]
}

@test "a takeover that waits while the old supervisor is killed goes on with the next supervisor" {
    start --address 127.0.0.1 --control "$PWD/control" 0 echo old
    local port=$PORT supervisor
    supervisor=$(supervisor)
    kill -STOP "$supervisor"
    OLD=$DAEMON
    (
        await unix_backlog_is "$PWD/control" 1 # the new process has connected and waits
        kill -KILL "$supervisor"
    ) &
    take_over --address 127.0.0.1 --control "$PWD/control" "$port" echo new
    old_has_left
    [[ $(nc -N 127.0.0.1 "$port" </dev/null) == new ]]
}

# From ALL on the new process may be the only one left, and needs the files.
@test "the sockets stay if the old daemon is killed after it has sent everything" {
    start --control control unix:service cat
    stall GO take READY wait close
    kill_daemon "$DAEMON"
    wait "$DAEMON" || true
    DAEMON=
    kill -TERM "$STALLED"
    wait "$STALLED"
    [[ -S control && -S service ]]
}

@test "after a takeover that fails at the last moment the old process still removes its sockets on exit" {
    start --control control unix:service cat
    successor GO take READY until COMMITTED close
    await has_line "takeover aborted: the new process ended" "$LOG"
    stop
    [[ $STATUS == 0 && ! -e control && ! -e service ]]
}

@test "the answer shows why a takeover is impossible: wrong version, no version, or a service that ends" {
    make_holding_handler
    start --address 127.0.0.1 --control control 0 ./hold
    [[ $(ask_control 'takeover 3') == "error: cannot be taken over now: this daemon speaks another version of the takeover protocol" ]]
    [[ $(ask_control 'takeover x') == "error: that is for another daemon to say, with --takeover" ]]
    connect_clients 1
    await held 1
    ask_control drain
    fail_to_take_over --address 127.0.0.1 0 cat
    has_line '--takeover: control: the daemon there answers: error: cannot be taken over now: the service is about to end' refused
    touch go
    finish
}

# ---- signals at the last moment ----

# Succeeds if no process serves control socket $1.
is_deaf() { refute timeout 5 nc -NU "${1:-control}" </dev/null >/dev/null 2>&1; }

@test "after SIGTERM between COMMITTED and SERVING the old process leaves the control socket to the new process" {
    make_holding_handler
    start --address 127.0.0.1 --control control 0 ./hold
    connect_clients 1
    await held 1
    stall GO take READY until COMMITTED wait close
    [[ $(ask_control drain) == "error: another process is just taking over; try again" ]]
    kill -TERM "$DAEMON"
    await has_line "process $STALLED took over; waiting clients: 0; handlers still to end here: 1" "$LOG"
    await is_deaf
    is_alive "$DAEMON"
    kill -TERM "$STALLED"
    wait "$STALLED"
    touch go
    finish
}

@test "after SIGTERM and the death of the new process behind COMMITTED the old process serves its queue" {
    start_with_waiting
    stall GO take READY until COMMITTED wait close
    kill -STOP "$(supervisor)"
    kill -TERM "$DAEMON" "$STALLED"
    wait "$STALLED"
    kill -CONT "$(supervisor)"
    wait "$BURST_CLIENT"
    [[ $(cat burst) == "connected $WAITING answered $WAITING failed 0" ]]
    finish
    [[ $STATUS == 0 ]]
    refute has_line "took over" "$LOG"
}
