#!/usr/bin/env bats
# Tests that a new process takes over from an old one and no client notices.
# shellcheck disable=SC2030,SC2031,SC2153 # each test is a subshell, and helpers.bash has the variables

load ../shared/helpers

STEADY=$BUILD/tests/programs/clients/steady

# Starts a daemon that takes over from the current one, which becomes OLD.
take_over() {
    OLD=$DAEMON
    start --takeover control "$@"
}

# Requires that the old process ends with status 0 because nothing is left to do.
old_has_left() {
    local status=0
    await is_gone "$OLD"
    wait "$OLD" || status=$?
    [[ $status == 0 ]]
}

# Requires that a new daemon fails to take over and the old process goes on.  The new daemon's messages
# are in the file "refused".
fail_to_take_over() {
    local status=0
    OLD=$DAEMON
    (
        close_descriptors
        exec timeout 20 ${WRAPPER[@]+"${WRAPPER[@]}"} "$DAMPENER" --takeover control "$@" \
            2>refused </dev/null >/dev/null
    ) || status=$?
    cat refused >&2
    ((status == 1))
    is_alive "$OLD"
}

# Sends a request to the control socket and prints the answer.
ask_control() { echo "$1" | timeout 10 nc -NU "${2:-control}"; }

# Succeeds if one answer contains all words.
control_says() {
    local answer word
    answer=$(ask_control status)
    for word; do [[ $answer == *"$word"* ]] || return 1; done
}

# Requires that tests/programs/handlers/answer.c answered client N with ticket N, each once and in
# order.
answers_are_in_order() {
    awk -v count="$1" '{ if ($1 != NR || $2 != NR) { print "line " NR ": " $0; wrong = 1; exit 1 } }
        END { if (!wrong && NR != count) { print NR " answers"; exit 1 } }' "$ANSWERS"
}

# Requires that each ticket from 1 to the last was served exactly once.
tickets_are_complete() {
    cut -d ' ' -f 1 "$ANSWERS" | sort -n | awk '$1 != NR { print "ticket " $1 " as number " NR; exit 1 }'
}

@test "ten takeovers under load neither refuse nor lose a client, nor serve one twice" {
    local i client
    start --address 127.0.0.1 --processes 4 --control control 0 "$ANSWER" "$ANSWERS" "$COUNTER" 5
    (close_descriptors; exec "$STEADY" "$ADDRESS" "$PORT" 8 >steady) &
    client=$!
    for i in 1 2 3 4 5 6 7 8 9 10; do
        local before
        before=$(wc -l <"$ANSWERS")
        take_over --address 127.0.0.1 --processes 4 --control control "$PORT" \
            "$ANSWER" "$ANSWERS" "$COUNTER" 5
        old_has_left
        await more_answers_than "$((before + 20))"
    done
    kill -TERM "$client"
    wait "$client"
    cat steady
    [[ $(cat steady) == "answered $(wc -l <"$ANSWERS") failed 0" ]]
    tickets_are_complete
    (($(most_handlers) <= 4))
    [[ $(cut -d ' ' -f 2 "$ANSWERS" | sort -u | wc -l) == $(wc -l <"$ANSWERS") ]]
}

more_answers_than() { (($(wc -l <"$ANSWERS") > $1)); }

@test "five takeovers serve a queue of 300 clients in order of arrival" {
    start --address 127.0.0.1 --processes 1 --control control 0 "$ANSWER" "$ANSWERS" "$COUNTER" 2
    (close_descriptors; exec "$BURST" 127.0.0.1 "$PORT" 300 >burst) &
    local client=$! i
    await more_answers_than 5
    for i in 1 2 3 4 5; do
        take_over --address 127.0.0.1 --processes 1 --control control "$PORT" \
            "$ANSWER" "$ANSWERS" "$COUNTER" 2
        old_has_left
        await more_answers_than $((i * 20))
    done
    wait "$client"
    [[ $(cat burst) == "connected 300 answered 300 failed 0" ]]
    answers_are_in_order 300
    [[ $(most_handlers) == 1 ]]
}

# ---- state that survives ----

# Writes a handler that notes its ticket and ends once the file "go" or "go.TICKET" exists.
make_holding_handler() {
    cat >hold <<'HANDLER'
#!/bin/bash
echo "$DAMPENER_TICKET" >>held
until [[ -e go || -e go.$DAMPENER_TICKET ]]; do sleep 0.02; done
echo "done $DAMPENER_TICKET"
HANDLER
    chmod +x hold
    : >held
}

held() { [[ $(sort -n held | tr '\n' ' ') == "$* " ]]; }

# Connects $1 clients one after another; their answers go to the files "client.N".
connect_clients() {
    local i
    for ((i = 0; i < $1; i++)); do
        CLIENTS=$((${CLIENTS:-0} + 1))
        exec {CLIENT}<>"/dev/tcp/${2:-127.0.0.1}/$PORT"
        (exec <&"$CLIENT"; close_descriptors; exec cat >"client.$CLIENTS") &
        exec {CLIENT}>&-
    done
}

client_got() { [[ $(cat "client.$1") == "$2" ]]; }

@test "a takeover of a paused service keeps the pause, tickets and waiting times, and the new CMD serves" {
    local begin ticket waited queued
    start --address 127.0.0.1 --control control 0 echo old
    ask_control pause
    begin=$(milliseconds)
    connect_clients 1
    await control_says '"queued":1'
    sleep 0.3 # becomes part of the client's waiting time
    # shellcheck disable=SC2016
    take_over --address 127.0.0.1 --control control "$PORT" \
        sh -c 'echo "$DAMPENER_TICKET $DAMPENER_WAIT_MS $DAMPENER_QUEUED"'
    old_has_left
    control_says '"queued":1'
    [[ ! -s client.1 ]]
    ask_control resume
    await test -s client.1
    read -r ticket waited queued <client.1
    ((ticket == 1 && waited >= 300 && waited <= $(milliseconds) - begin && queued == 0))
    # The next client's waiting time contains nothing of the first client's, even on a slow machine.
    begin=$(milliseconds)
    connect_clients 1
    await test -s client.2
    cat client.*
    read -r ticket waited queued <client.2
    ((ticket == 2 && waited <= $(milliseconds) - begin && queued == 0))
}

@test "handlers of three chained processes together do not exceed --processes" {
    make_holding_handler
    start --address 127.0.0.1 --processes 2 --control control 0 ./hold
    local first=$DAEMON
    connect_clients 5
    await held 1 2
    take_over --address 127.0.0.1 --processes 3 --control control "$PORT" ./hold
    local second=$DAEMON
    await held 1 2 3
    await control_says '"queued":2' '"running":3'
    take_over --address 127.0.0.1 --processes 2 --control control "$PORT" ./hold
    await control_says '"queued":2' '"running":3'
    touch go.1
    await client_got 1 "done 1"
    await control_says '"running":2'
    held 1 2 3
    touch go.3
    await held 1 2 3 4
    await client_got 3 "done 3"
    touch go
    await client_got 5 "done 5"
    OLD=$first
    old_has_left
    OLD=$second
    old_has_left
    await client_got 2 "done 2"
    await client_got 4 "done 4"
}

@test "--per-source counts the handlers of the old process" {
    make_holding_handler
    start --address 127.0.0.1 --processes 8 --per-source 1 --control control 0 ./hold
    connect_clients 1
    await held 1
    take_over --address 127.0.0.1 --processes 8 --per-source 1 --control control "$PORT" ./hold
    connect_clients 2
    await control_says '"queued":2'
    held 1
    touch go.1
    await held 1 2
    touch go
    await client_got 3 "done 3"
    old_has_left
}

@test "--when-full refuse does not refuse clients that come during a takeover" {
    start --address 127.0.0.1 --processes 16 --queue 0 --when-full refuse --control control 0 \
        "$ANSWER" "$ANSWERS" "$COUNTER" 1
    (close_descriptors; exec "$STEADY" "$ADDRESS" "$PORT" 2 >steady) &
    local client=$! i
    for i in 1 2 3 4 5; do
        take_over --address 127.0.0.1 --processes 16 --queue 0 --when-full refuse \
            --control control "$PORT" "$ANSWER" "$ANSWERS" "$COUNTER" 1
        old_has_left
    done
    kill -TERM "$client"
    wait "$client"
    [[ $(cat steady) == "answered $(wc -l <"$ANSWERS") failed 0" ]]
    tickets_are_complete
}

@test "the new process serves a queue that is longer than its --queue" {
    start --address 127.0.0.1 --processes 1 --control control 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    ask_control pause
    (close_descriptors; exec "$BURST" 127.0.0.1 "$PORT" 40 >burst) &
    local client=$!
    await control_says '"queued":40'
    take_over --address 127.0.0.1 --processes 1 --queue 5 --when-full refuse --control control \
        "$PORT" "$ANSWER" "$ANSWERS" "$COUNTER"
    ask_control resume
    wait "$client"
    answers_are_in_order 40
}

@test "the new process notices a waiting client that leaves" {
    start --address 127.0.0.1 --abandon half-close --control control 0 cat
    ask_control pause
    connect_clients 1
    connect_silently
    await control_says '"queued":2'
    take_over --address 127.0.0.1 --abandon half-close --control control "$PORT" echo served
    exec {CLIENT}>&-
    await control_says '"abandoned":1'
    control_says '"queued":1'
    ask_control resume
    await client_got 1 served
}

# ---- files and ports ----

inode() { stat -c %i "$1"; }

# Notes in the file "missing" whenever file $1 is missing or empty, until the file "enough" exists.
watch_file() {
    (
        close_descriptors
        while [[ ! -e enough ]]; do [[ -s $1 ]] || echo "$EPOCHREALTIME" >>missing; done
    ) &
    WATCHER=$!
}

@test "the control socket and the pid file stay through takeovers and disappear with the last process" {
    make_holding_handler
    start --address 127.0.0.1 --control control --pid-file pid 0 ./hold
    [[ $(cat pid) == "$DAEMON" ]]
    connect_clients 1
    await held 1
    local before
    before=$(inode control)
    watch_file pid
    take_over --address 127.0.0.1 --control control --pid-file pid "$PORT" ./hold
    [[ $(cat pid) == "$DAEMON" ]]
    touch go
    old_has_left
    [[ $(cat pid) == "$DAEMON" ]]
    take_over --address 127.0.0.1 --control control --pid-file pid "$PORT" ./hold
    old_has_left
    touch enough
    wait "$WATCHER"
    [[ ! -e missing ]]
    [[ $(inode control) == "$before" ]]
    [[ $(cat pid) == "$DAEMON" ]]
    control_says '"queued":0'
    stop
    [[ $STATUS == 0 && ! -e control && ! -e pid ]]
}

@test "the old process removes its control socket and pid file if the new process has others" {
    make_holding_handler
    start --address 127.0.0.1 --control control --pid-file pid 0 ./hold
    connect_clients 1
    await held 1
    take_over --address 127.0.0.1 --control other --pid-file place "$PORT" ./hold
    [[ $(cat place) == "$DAEMON" && $(cat pid) == "$OLD" ]]
    [[ $(ask_control status other) == *'"running":1'* ]]
    touch go
    old_has_left
    [[ ! -e control && ! -e pid && -S other ]]
    stop
    [[ ! -e other && ! -e place ]]
}

@test "a takeover passes on the metrics port or closes it" {
    local port
    port=$(free_port)
    start --address 127.0.0.1 --control control --metrics "127.0.0.1:$port" 0 cat
    take_over --address 127.0.0.1 --control control --metrics "127.0.0.1:$port" "$PORT" cat
    old_has_left
    printf 'GET /metrics HTTP/1.0\r\n\r\n' | nc -N 127.0.0.1 "$port" | grep -q '^dampener_'
    # A new process without --metrics closes the port.
    take_over --address 127.0.0.1 --control control "$PORT" cat
    old_has_left
    refute nc -z 127.0.0.1 "$port"
}

# Prints a port that no socket uses now.
free_port() {
    local port
    for ((port = 20000 + $$ % 5000; port < 30000; port++)); do
        if [[ -z $(ss -Htan "sport = :$port") ]]; then break; fi
    done
    echo "$port"
}

@test "a takeover passes on a Unix socket, whose file disappears with the last process" {
    start --control control unix:service sh -c 'echo old'
    local before
    before=$(inode service)
    ask_control pause
    (close_descriptors; exec nc -U service </dev/null >answer) &
    local client=$!
    await control_says '"queued":1'
    take_over --control control unix:service sh -c 'echo new'
    old_has_left
    ask_control resume
    wait "$client"
    [[ $(cat answer) == new && $(inode service) == "$before" ]]
    [[ $(nc -U service </dev/null) == new ]]
    stop
    [[ ! -e service && ! -e control ]]
}

@test "a takeover passes on passed sockets, together or singly, and leaves their files" {
    # The new process also gets the names that the manager gave the sockets.
    WRAPPER=("$BUILD/tests/programs/clients/activate" -n web:file 127.0.0.1 "unix:$PWD/service" --)
    start --control control systemd echo old
    WRAPPER=()
    local port=$PORT before
    before=$(inode service)
    ask_control pause
    connect_clients 1
    (close_descriptors; exec nc -U service </dev/null >answer) &
    local client=$!
    await control_says '"queued":2'
    # No service manager passes sockets to this daemon.
    take_over --control control systemd echo new
    old_has_left
    [[ $(cat "$READY") == "127.0.0.1 $port"$'\n'"unix:$PWD/service" ]]
    ask_control resume
    wait "$client"
    await client_got 1 new
    [[ $(cat answer) == new && $(nc 127.0.0.1 "$port" </dev/null) == new ]]
    [[ $(nc -U service </dev/null) == new && $(inode service) == "$before" ]]
    take_over --control control --address 127.0.0.1 "$port" echo newer
    old_has_left
    [[ $(nc 127.0.0.1 "$port" </dev/null) == newer ]]
    # The daemon closes the other socket, but leaves its file to the manager.
    refute nc -zU service
    stop
    [[ $STATUS == 0 && $(inode service) == "$before" && ! -e control ]]
}

@test "the old process removes a Unix socket that the new process does not use" {
    start --control control unix:service cat
    take_over --control control unix:other cat
    old_has_left
    [[ ! -e service ]]
    [[ $(echo hello | nc -NU other) == hello ]]
}

@test "a new process without the old port serves the clients in its backlog and no others" {
    make_holding_handler
    start --address 127.0.0.1 --processes 1 --queue 0 --control control 0 ./hold
    connect_clients 4
    await held 1
    await backlog_is "$PORT" 3
    local before=$PORT
    take_over --address 127.0.0.2 --processes 1 --control control 0 ./hold
    await control_says '"queued":3'
    refute nc -z 127.0.0.1 "$before"
    touch go
    await client_got 4 "done 4"
    old_has_left
    [[ $(nc 127.0.0.2 "$PORT" </dev/null) == "done 5" ]]
}

@test "port 0 stands for the port of the old process, and the new process may add an address" {
    start --address 127.0.0.1 --control control 0 cat
    local port=$PORT
    take_over --address 127.0.0.1 --control control 0 cat
    [[ $PORT == "$port" ]]
    old_has_left
    take_over --address 127.0.0.2 --address 127.0.0.1 --control control "$PORT" cat
    old_has_left
    [[ $(echo hello | nc -N 127.0.0.1 "$port") == hello ]]
    [[ $(echo hello | nc -N 127.0.0.2 "$port") == hello ]]
}

# ---- the end ----

@test "SIGTERM drains the new process and the old one whose handlers still run" {
    make_holding_handler
    start --address 127.0.0.1 --processes 1 --control control 0 ./hold
    connect_clients 1
    await held 1
    take_over --address 127.0.0.1 --processes 2 --control control "$PORT" ./hold
    connect_clients 2
    await held 1 2
    kill -TERM "$DAEMON"
    await has_line 'handlers still to end here: 1' "$LOG"
    is_alive "$OLD"
    touch go
    finish
    [[ $STATUS == 0 ]]
    old_has_left
    await client_got 1 "done 1"
    await client_got 3 "done 3"
}

@test "--drain-timeout ends the handlers of all processes in the chain" {
    make_noting_handler
    start --address 127.0.0.1 --processes 1 --control control 0 ./handler
    local first=$DAEMON
    connect_clients 1
    await has_line started client.1
    take_over --address 127.0.0.1 --processes 2 --control control "$PORT" ./handler
    local second=$DAEMON
    connect_clients 1
    await has_line started client.2
    take_over --address 127.0.0.1 --processes 3 --drain-timeout 100ms --control control "$PORT" \
        ./handler
    connect_clients 1
    await has_line started client.3
    stop
    [[ $STATUS == 1 ]]
    await is_gone "$first"
    await is_gone "$second"
    [[ $(sort -n terminated | tr '\n' ' ') == "1 2 3 " ]]
}

@test "a second SIGTERM kills the handlers of the old process" {
    make_noting_handler
    start --address 127.0.0.1 --processes 1 --control control 0 ./handler stubborn
    connect_clients 1
    await has_line started client.1
    take_over -v --address 127.0.0.1 --control control "$PORT" cat
    kill -TERM "$DAEMON"
    await has_line "ending: waiting for 0 clients in the queue and 1 handlers" "$LOG"
    stop
    [[ $STATUS == 1 && ! -e terminated ]]
    await is_gone "$OLD"
}

@test "the new process repeats a failed order to the old process to end its handlers" {
    [[ -z $(no_tracer) ]] || skip "$(no_tracer)"
    make_noting_handler
    start --address 127.0.0.1 --processes 1 --control control 0 ./handler
    connect_clients 1
    await has_line started client.1
    take_over --address 127.0.0.1 --dispatchers 2 --control control "$PORT" cat
    inject "$(supervisor)" sendmsg:error=ENOBUFS:when=1..3
    stop INT
    await is_gone "$OLD"
    [[ $(cat terminated) == 1 ]]
    # The last message, to the old process, must have failed before.
    cat traced >&2
    grep -F "$(grep 'sendmsg(' traced | tail -n 1 | sed 's/) = .*//')" traced | grep -q ENOBUFS
}

# Kills a whole daemon but for its dispatchers and handlers.
kill_daemon() {
    # shellcheck disable=SC2046
    kill -KILL "$1" $(standby "$1") $(supervisor "$1")
}

@test "when the old daemon dies, its handlers stop counting and the log shows their number" {
    make_holding_handler
    start --address 127.0.0.1 --processes 1 --control control 0 ./hold
    connect_clients 2
    await held 1
    take_over --address 127.0.0.1 --processes 1 --control control "$PORT" ./hold
    await control_says '"queued":1' # the clients have left the backlog
    kill_daemon "$OLD"
    await held 1 2
    has_line 'the old process died; handlers whose end remains unknown: 1' "$LOG"
    touch go
    await client_got 2 "done 2"
}

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

# Succeeds if a process listens on the socket: the file exists a moment before that (proc(5), net/unix).
is_listened_at() {
    awk -v path="$1" '$4 == "00010000" && $8 == path { found = 1 } END { exit !found }' \
        /proc/net/unix
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
    for step in GO TAKEN READY SERVING SETTLED END garbage; do
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
    [[ $(ask_control 'takeover 2') == "error: cannot be taken over now: this daemon speaks another version of the takeover protocol" ]]
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

# ---- users ----

@test "only root and the user that started the old process may take over, not its --supervisor-user" {
    ((EUID == 0)) || skip "requires root"
    open_to_others
    start --address 127.0.0.1 --supervisor-user 64124:64124 --control control 0 cat
    run_as 64124 bash -c 'echo status | nc -NU control' | grep -q '"state":"serving"'
    [[ $(run_as 64124 bash -c 'echo takeover 1 | nc -NU control') == "error: only root and user 0 may take over" ]]
    refute run_as 64125 nc -NU control </dev/null
}

@test "the new process does not trust a control socket of another user" {
    ((EUID == 0)) || skip "requires root"
    open_to_others
    install -d -o 64125 place
    (
        close_descriptors
        exec setpriv --reuid=64125 --clear-groups nc -lU place/control >said </dev/null
    ) &
    local stranger=$!
    await is_listened_at place/control
    run "$DAMPENER" --takeover place/control 0 cat
    kill "$stranger" 2>/dev/null || true
    [[ $status == 1 ]]
    [[ $output == *"--takeover: place/control: user 64125 listens there, and is neither root nor user 0"* ]]
    [[ ! -s said ]]
}

@test "a takeover does not replace the pid file of a third daemon" {
    start --address 127.0.0.1 --control other --pid-file pid 0 cat
    local other=$DAEMON
    start --address 127.0.0.1 --control control 0 cat
    fail_to_take_over --address 127.0.0.1 --pid-file pid "$PORT" cat
    has_line "--pid-file: already running: process $other holds pid" refused
    [[ $(cat pid) == "$other" ]]
    stop
    DAEMON=$other
    stop
}

@test "an ordinary user can take over a daemon of his own" {
    ((EUID == 0)) || skip "requires root"
    open_to_others
    chmod 777 .
    WRAPPER=(setpriv --reuid 64124 --regid 64124 --clear-groups)
    start --address 127.0.0.1 --control control --pid-file pid 0 echo old
    ask_control pause
    connect_clients 1
    await control_says '"queued":1'
    take_over --address 127.0.0.1 --control control --pid-file pid "$PORT" echo new
    old_has_left
    [[ $(cat pid) == "$DAEMON" ]]
    ask_control resume
    await client_got 1 new
    stop
    [[ ! -e control && ! -e pid ]]
}

@test "root can take over with other values of --user and --supervisor-user" {
    ((EUID == 0)) || skip "requires root"
    start --address 127.0.0.1 --user nobody --supervisor-user 64124:64124 --control control 0 id -un
    take_over --address 127.0.0.1 --user daemon --supervisor-user 64123:64123 --control control "$PORT" id -un
    old_has_left
    [[ $(nc 127.0.0.1 "$PORT" </dev/null) == daemon ]]
    control_says '"state":"serving"'
}

# ---- many clients ----

@test "a queue of 2,000 clients, or with --long as many as descriptors allow, is taken over at once" {
    local count=2000 limit
    limit=$(ulimit -Hn)
    if [[ -n ${DAMPENER_LONG:-} ]]; then
        count=$((limit > 20000 ? 19000 : limit - 1000))
    fi
    ((count + 1000 <= limit)) || skip "too few descriptors"
    start --address 127.0.0.1 --processes 8 --control control 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    ask_control pause
    (close_descriptors; ulimit -n "$limit"; exec "$BURST" 127.0.0.1 "$PORT" "$count" >burst) &
    local client=$!
    await control_says "\"queued\":$count"
    take_over -v --address 127.0.0.1 --processes 8 --control control "$PORT" \
        "$ANSWER" "$ANSWERS" "$COUNTER"
    old_has_left
    control_says "\"queued\":$count"
    ask_control resume
    wait "$client"
    [[ $(cat burst) == "connected $count answered $count failed 0" ]]
    tickets_are_complete
    (($(most_handlers) <= 8))
}
