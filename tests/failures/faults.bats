#!/usr/bin/env bats
# Injected faults: system calls that fail or hang, and unexpected signals.

load ../shared/helpers
load ../shared/control

# The leak checker cannot be traced, and needs a process.
export ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0

require_strace() { command -v strace >/dev/null || skip "strace is not installed"; }

@test "an exec that hangs delays neither other handlers of its dispatcher nor the next dispatcher" {
    require_strace
    start -vv --address 127.0.0.1 --processes 4 --dispatchers 1 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    local dispatcher
    connect_silently
    await status_is running 1
    dispatcher=$(dispatchers)
    inject "$dispatcher" execve:delay_enter=60s
    "$BURST" "$ADDRESS" "$PORT" 1 >second &
    local second=$!
    await status_is starting 1
    kill -KILL "$dispatcher"
    # The supervisor sees the end of the first handler, although its dispatcher is dead and has an open
    # start.
    echo >&"$CLIENT"
    await status_is served 1
    exec {CLIENT}>&-
    # The next dispatcher serves a new client.
    "$BURST" "$ADDRESS" "$PORT" 1
    await status_is served 2
    status_is starting 1
    # The exec returns, and this handler serves its client.
    end_trace
    wait "$second"
    [[ $(cat second) == "connected 1 answered 1 failed 0" ]]
    await status_is served 3
    [[ $(wc -l <"$ANSWERS") == 3 ]]
}

@test "a dispatcher whose exec hangs for 10 s is replaced, and other clients are served" {
    require_strace
    start -vv --address 127.0.0.1 --processes 4 --dispatchers 1 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    inject "$(dispatchers)" execve:delay_enter=14s
    "$BURST" "$ADDRESS" "$PORT" 1 >hanging &
    local hanging=$!
    await status_is starting 1
    "$BURST" "$ADDRESS" "$PORT" 5 # these clients wait until the supervisor gives up the dispatcher
    grep -q 'has not answered for 10 s' "$LOG"
    end_trace
    wait "$hanging"
    [[ $(cat hanging) == "connected 1 answered 1 failed 0" ]]
}

@test "a handler whose exec hangs is signalled after --timeout, even if nothing else happens" {
    require_strace
    start -v --address 127.0.0.1 --timeout 1 --kill-after 1 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    inject "$(dispatchers | head -n 1)" execve:delay_enter=15s
    connect_silently
    await has_line '^\[WARNING\] ticket 1: process [0-9]* has been starting for too long: sending SIGTERM to its group$' "$LOG"
    await has_line '^\[WARNING\] ticket 1: process [0-9]* has been starting for too long: sending SIGKILL to its group$' "$LOG"
    end_trace
    await status_is served 1
    exec {CLIENT}>&-
}

@test "a handler whose exec hangs is signalled after --timeout although its dispatcher is dead" {
    require_strace
    start -v --address 127.0.0.1 --timeout 2 --kill-after 1 --dispatchers 1 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    local dispatcher
    dispatcher=$(dispatchers)
    inject "$dispatcher" execve:delay_enter=15s
    connect_silently
    await status_is starting 1
    kill -KILL "$dispatcher"
    await has_line '^\[WARNING\] ticket 1: process [0-9]* has been starting for too long: sending SIGTERM to its group$' "$LOG"
    await has_line '^\[WARNING\] ticket 1: process [0-9]* has been starting for too long: sending SIGKILL to its group$' "$LOG"
    end_trace
    await status_is served 1
    exec {CLIENT}>&-
}

@test "clients served in place of a hanging client see the end of their connections at once" {
    require_strace
    start -vv --address 127.0.0.1 --processes 8 --dispatchers 1 --control control 0 \
        "$ANSWER" "$ANSWERS" "$COUNTER"
    inject "$(dispatchers)" execve:delay_enter=60s
    "$BURST" "$ADDRESS" "$PORT" 1 >hanging &
    local hanging=$!
    await status_is starting 1
    # The STARTs of these clients lie in the socket of the stopped dispatcher.
    hold_dispatchers
    "$BURST" "$ADDRESS" "$PORT" 3 >others &
    local others=$!
    await field_is starting 4
    release_dispatchers KILL
    await is_gone "$others"
    [[ $(cat others) == "connected 3 answered 3 failed 0" ]]
    await status_is served 3
    status_is starting 1
    end_trace
    wait "$hanging"
}

@test "a second SIGTERM ends all handlers of a hanging dispatcher, including the hanging handler" {
    require_strace
    start -vv --address 127.0.0.1 --processes 8 --dispatchers 1 0 \
        "$ANSWER" "$ANSWERS" "$COUNTER" 30000
    "$BURST" "$ADDRESS" "$PORT" 1 >running 2>&1 &
    local running=$!
    await status_is running 1
    inject "$(dispatchers)" execve:delay_enter=20s
    "$BURST" "$ADDRESS" "$PORT" 1 >hanging 2>&1 &
    local hanging=$!
    await status_is starting 1
    kill -TERM "$DAEMON"
    await has_line 'ending: waiting for' "$LOG"
    stop TERM
    [[ $STATUS == 1 ]]
    end_trace
    wait "$running" || true
    wait "$hanging" || true
    await nothing_is_left
    # After its end the service answers no client.
    [[ ! -s $ANSWERS ]]
}

@test "a second SIGINT ends a handler whose exec hangs" {
    require_strace
    start -vv --address 127.0.0.1 --dispatchers 1 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    local dispatcher
    dispatcher=$(dispatchers)
    inject "$dispatcher" execve:delay_enter=20s
    "$BURST" "$ADDRESS" "$PORT" 1 >hanging 2>&1 &
    local hanging=$!
    await status_is starting 1
    kill -KILL "$dispatcher"
    await has_line 'replacing it' "$LOG"
    kill -INT "$DAEMON"
    await does_not_listen # the kernel merges two pending signals into one
    stop INT
    [[ $STATUS == $((128 + 2)) ]]
    end_trace
    wait "$hanging" || true
    await nothing_is_left
}

does_not_listen() { [[ -z $(ss -Hltn "sport = :$PORT") ]]; }

is_zombie() { grep -q '^State:.Z' "/proc/$1/status"; }

@test "the status of a handler is known even if it ends with its dispatcher" {
    # shellcheck disable=SC2016
    start -v --address 127.0.0.1 --dispatchers 1 0 \
        bash -c 'echo "$$"; until [[ -e go ]]; do sleep 0.02; done; exit 7'
    connect_silently
    local handler dispatcher
    read -r -u "$CLIENT" handler
    dispatcher=$(dispatchers)
    kill -STOP "$DAEMON" # the keeper finds both dead at once
    kill -KILL "$dispatcher"
    await is_zombie "$dispatcher"
    touch go
    await is_zombie "$handler"
    kill -CONT "$DAEMON"
    await has_line 'replacing it' "$LOG"
    await status_is served 1
    has_line "ticket 1: ended process $handler .*, status 7" "$LOG"
}

has_adopted() { (($(grep -c ': adopted process' "$LOG") == $1)); }

@test "a signal that could not be sent does not wait for later ones" {
    require_strace
    local reason
    reason=$(no_tracer)
    [[ -z $reason ]] || skip "$reason"
    start -vv --address 127.0.0.1 --processes 0 --timeout 8 0 sleep 100
    (close_descriptors; exec "$BURST" -e 5 "$ADDRESS" "$PORT" 300 >burst 2>&1) &
    local client=$!
    await status_is running 300
    # shellcheck disable=SC2046
    kill -KILL $(dispatchers)
    await has_adopted 300
    # Every other request for a signal fails, as if the link to the keeper were full.
    inject "$(supervisor)" sendmsg:error=EAGAIN:when=1+2
    await status_is served 300
    end_trace
    wait "$client" || true
    # The time-outs come in the order of the tickets, 5 ms apart.  The supervisor repeats a signal after
    # 10 ms.
    sed -n 's/.*ticket \([0-9]*\): ended process .*/\1/p' "$LOG" |
        awk '{ sum += NR > $1 ? NR - $1 : $1 - NR } END { print sum / NR; exit sum / NR > 35 }'
}

# ---- between clone and exec ----

# Makes every exec of ./handler hang until release_handler.  A new file in its place does not hang.
hold_handler() {
    "$BUILD/tests/programs/clients/lease" handler >held 3>&- 4>&- &
    LEASE=$!
    await has_content held
}

release_handler() {
    kill "$LEASE"
    wait "$LEASE" || true
    LEASE=
}

replace_handler() {
    cp "$ANSWER" another
    mv another handler
}

end_others() { [[ -z ${LEASE:-} ]] || release_handler; }

start_held() {
    cp "$ANSWER" handler
    start -vv --address 127.0.0.1 --dispatchers 1 "$@" 0 ./handler "$ANSWERS" "$COUNTER"
    hold_handler
}

# Each line has a ticket and the number that its client sent.
each_is_answered_once() { diff <(seq "$1" | awk '{ print $1, $1 }') <(sort -n "$ANSWERS"); }

@test "an exec that hangs delays no other client of its dispatcher, and uses no processor" {
    start_held --processes 4
    "$BURST" -t 20000 "$ADDRESS" "$PORT" 1 >hanging &
    local hanging=$! hung dispatcher begin took before
    hung=$(milliseconds)
    dispatcher=$(dispatchers)
    await status_is starting 1
    replace_handler
    begin=$(milliseconds)
    "$BURST" -t 20000 "$ADDRESS" "$PORT" 50 >others
    took=$(milliseconds_since "$begin")
    echo "$took ms"
    ((took < 8000)) # far less than the time until a dispatcher is given up
    [[ $(cat others) == "connected 50 answered 50 failed 0" ]]
    before=$(processor_time "$dispatcher")
    sleep 1
    (($(processor_time "$dispatcher") - before <= 10)) # of a hundred ticks
    await status_says 'starting 1' 'served 50'
    release_handler
    begin=$(milliseconds)
    wait "$hanging"
    (($(milliseconds_since "$begin") < 5000))
    [[ $(cat hanging) == "connected 1 answered 1 failed 0" ]]
    await status_is served 51
    # If all this has taken ten seconds, the supervisor may give up the dispatcher.
    ((begin - hung >= 10000)) || refute grep -e 'has not answered' -e 'replacing it' "$LOG"
}

@test "each client is answered once if a dispatcher is killed with eight handlers between clone and exec" {
    start_held --processes 8
    "$BURST" -t 20000 "$ADDRESS" "$PORT" 12 >burst &
    local client=$! dispatcher
    dispatcher=$(dispatchers)
    await status_is starting 8
    await has_children "$dispatcher" 8
    children "$dispatcher" | tr ' ' '\n' | grep . | sort >under-way
    await status_is queued 4
    kill -KILL "$dispatcher"
    await has_line "process $dispatcher, was killed" "$LOG"
    # The supervisor cannot know yet whether these handlers will run.
    status_is starting 8
    release_handler
    wait "$client"
    [[ $(cat burst) == "connected 12 answered 12 failed 0" ]]
    each_is_answered_once 12
    (($(most_handlers) <= 8))
    await status_is served 12
    # These very processes serve the first eight clients.
    diff under-way <(sed -n 's/.*ticket [1-8]: started process \([0-9]*\).*/\1/p' "$LOG" | sort)
}

has_children() { [[ $(children "$1" | wc -w) == "$2" ]]; }

# Expects that the client's connection ended without an answer.
was_cut() {
    wait "$1" || true
    [[ $(cat "$2") == "connected 1 answered 0 failed 1" ]]
}

@test "a child killed between clone and exec counts as a handler: its client's connection ends" {
    start_held --processes 1
    "$BURST" -t 20000 "$ADDRESS" "$PORT" 1 >burst 2>complaints &
    local client=$! dispatcher
    dispatcher=$(dispatchers)
    await has_children "$dispatcher" 1
    # shellcheck disable=SC2046
    kill -KILL $(children "$dispatcher")
    was_cut "$client" burst
    await has_line 'ticket 1: ended process .* signal 9' "$LOG"
    status_says 'starting 0' 'running 0'
    replace_handler
    "$BURST" -t 20000 "$ADDRESS" "$PORT" 5
    await status_is served 6
    refute grep 'replacing it' "$LOG"
}

@test "a child killed between clone and exec is not started again if its dispatcher was killed before" {
    start_held --processes 1
    "$BURST" -t 20000 "$ADDRESS" "$PORT" 1 >burst 2>complaints &
    local client=$! dispatcher child
    dispatcher=$(dispatchers)
    await has_children "$dispatcher" 1
    child=$(children "$dispatcher")
    kill -KILL "$dispatcher"
    await has_line "process $dispatcher, was killed" "$LOG"
    # shellcheck disable=SC2086
    kill -KILL $child
    was_cut "$client" burst
    await status_is starting 0
    replace_handler
    "$BURST" -t 20000 "$ADDRESS" "$PORT" 5
    await status_is served 6
    [[ $(wc -l <"$ANSWERS") == 5 ]]
}

# ---- calls that fail, and signals ----

# Prints when the handler of a ticket was cloned, in clock ticks since the machine's start.
cloned_at() {
    local process
    process=$(sed -n "s/.*ticket $1: started process \([0-9]*\).*/\1/p" "$LOG")
    awk '{ print $22 }' "/proc/$process/stat"
}

@test "a client whose START cannot be sent still starts before the client behind it" {
    require_strace
    start_held --processes 2 --dispatchers 2 --control control
    local first
    "$BUILD/tests/programs/clients/ask" -n 1 ./control pause
    connect_silently
    first=$CLIENT
    connect_silently
    await status_is queued 2
    # The first message answers the command; the second goes to the first of two dispatchers.
    inject "$(supervisor)" sendmsg:error=ENOBUFS:when=2
    "$BUILD/tests/programs/clients/ask" -n 1 ./control resume
    await has_line 'cannot give a client to a dispatcher: No buffer space available' "$LOG"
    # No exec comes back and no start succeeds, so the supervisor tries again after 100 ms.
    await status_is starting 2
    end_trace
    release_handler
    await status_is running 2
    (($(cloned_at 1) <= $(cloned_at 2)))
    exec {first}>&- {CLIENT}>&-
}

@test "accept that fails for every client is logged, and causes no busy loop" {
    require_strace
    start --address 127.0.0.1 0 cat
    local before after
    inject "$(supervisor)" accept4:error=EPERM
    echo hello | nc -N 127.0.0.1 "$PORT" >answer &
    local client=$!
    await has_line 'cannot accept connections: Operation not permitted' "$LOG"
    before=$(processor_time "$(supervisor)")
    sleep 1
    after=$(processor_time "$(supervisor)")
    ((after - before <= 30))
    end_trace
    wait "$client"
    [[ $(cat answer) == hello ]]
}

@test "a client that is gone before it is accepted delays no other client" {
    require_strace
    start --address 127.0.0.1 0 cat
    inject "$(supervisor)" accept4:error=ECONNABORTED:when=1..3
    [[ $(echo hello | nc -N 127.0.0.1 "$PORT") == hello ]]
    end_trace
    grep -q ECONNABORTED traced
}

@test "a client that connects before the dispatchers are ready is served as soon as they are" {
    require_strace
    (close_descriptors; await test -S service; exec timeout 20 nc -NU service </dev/null >answer) &
    local client=$!
    WRAPPER=(strace -D -f -qq -o /dev/null -e trace=mlock -e inject=mlock:delay_enter=1000000)
    start unix:service echo served
    wait "$client"
    [[ $(cat answer) == served ]]
}

@test "a message that cannot be sent to a dispatcher is sent again: ENOBUFS, EAGAIN, ETOOMANYREFS" {
    require_strace
    local error
    start --dispatchers 2 --address 127.0.0.1 0 cat
    for error in ENOBUFS EAGAIN ETOOMANYREFS; do
        inject "$(supervisor)" "sendmsg:error=$error:when=1..2"
        [[ $(echo hello | timeout 10 nc -N 127.0.0.1 "$PORT") == hello ]]
        end_trace
        [[ $(grep -c "$error" traced) == 2 ]]
        grep -q 'cannot give a client to a dispatcher' "$LOG"
        : >"$LOG"
    done
}

@test "a single process that cannot be created makes no dispatcher give way" {
    require_strace
    # shellcheck disable=SC2016
    start --address 127.0.0.1 --dispatchers 2 0 bash -c 'echo "$PPID"'
    local process
    process=$(nc -N 127.0.0.1 "$PORT" </dev/null)
    await status_is served 1
    inject "$process" clone:error=EAGAIN:when=1 # the same dispatcher gets the next client, too
    [[ $(nc -N 127.0.0.1 "$PORT" </dev/null) == ?* ]]
    has_line 'cannot start a handler' "$LOG"
    refute has_line 'makes room for a handler' "$LOG"
    end_trace
}

@test "a dispatcher that lacks memory for an answer tries again and lives" {
    require_strace
    start -vv --address 127.0.0.1 --dispatchers 1 0 cat
    inject "$(dispatchers)" sendmsg:error=ENOBUFS:when=1..3
    [[ $(echo hello | timeout 10 nc -N 127.0.0.1 "$PORT") == hello ]]
    await status_is served 1
    end_trace
    refute grep 'replacing it' "$LOG"
}

@test "a handler that gives its dispatcher a child does the dispatcher no harm" {
    start --address 127.0.0.1 --dispatchers 1 0 "$BUILD/tests/programs/handlers/stepchild"
    local i
    for i in 1 2 3; do [[ $(nc -N 127.0.0.1 "$PORT" </dev/null) == served ]]; done
    await status_is served 3
    refute grep -e 'replacing it' -e BUG "$LOG"
}

@test "a handler that kills its dispatcher is served to the end, and so are other clients" {
    # shellcheck disable=SC2016
    start --address 127.0.0.1 --processes 4 --dispatchers 1 0 bash -c 'kill -KILL $PPID; echo served'
    local i
    for i in 1 2 3 4 5; do [[ $(timeout 10 nc -N 127.0.0.1 "$PORT" </dev/null) == served ]]; done
    await status_is served 5
}

@test "unusual signals do not end the service" {
    start --address 127.0.0.1 0 cat
    local name
    for name in PIPE USR2 ALRM VTALRM PROF IO XCPU XFSZ TTIN TTOU URG WINCH; do
        kill -s "$name" "$DAEMON" "$(supervisor)"
    done
    [[ $(echo hello | nc -N 127.0.0.1 "$PORT") == hello ]]
}

@test "a log file that may not grow does not end the service" {
    # shellcheck disable=SC2016
    WRAPPER=(bash -c 'ulimit -f 16; exec "$@"' bash)
    start -vv --address 127.0.0.1 --processes 8 0 true
    local i
    for ((i = 0; i < 120; i++)); do nc -N 127.0.0.1 "$PORT" </dev/null; done
    (($(stat -c %s "$LOG") <= 16384))
    nc -z 127.0.0.1 "$PORT"
    kill -TERM "$DAEMON"
    finish
    [[ $STATUS == 0 ]]
}

@test "SIGINT ends the daemon if standard error is full, and if it is the first process of a namespace" {
    mkfifo pipe
    exec 8<>pipe
    dd if=/dev/zero of=pipe bs=4096 oflag=nonblock status=none 2>/dev/null || true
    (
        close_descriptors
        exec "$DAMPENER" --address 127.0.0.1 --ready-fd 7 0 cat 7>"$READY" 2>pipe </dev/null
    ) &
    DAEMON=$!
    await has_content "$READY"
    stop INT
    [[ $STATUS == $((128 + 2)) ]]
    exec 8>&-

    [[ $(id -u) == 0 ]] || skip "a process namespace needs root"
    WRAPPER=(unshare --pid --fork --mount-proc)
    start --address 127.0.0.1 0 cat
    local unshare=$DAEMON
    kill -INT "$(children "$unshare")"
    finish
    [[ $STATUS == $((128 + 2)) ]]
}

@test "with too few processes for all dispatchers, the remaining dispatchers serve" {
    [[ $(id -u) == 0 ]] || skip "becoming another user requires root"
    chmod 777 .
    chmod o+x .. "$BATS_RUN_TMPDIR"
    cp "$BUILD/socket-burst-dampener" "$BUILD/dispatcher" .
    DAMPENER=$PWD/socket-burst-dampener
    # The limit allows the keeper, the standby, the supervisor and two dispatchers, but no handler.
    # shellcheck disable=SC2016
    WRAPPER=(setpriv --reuid 64124 --regid 64124 --clear-groups bash -c 'ulimit -u 5; exec "$@"' bash)
    start --address 127.0.0.1 --dispatchers 8 0 cat
    grep -q 'cannot start dispatcher 2: Resource temporarily unavailable; trying again' "$LOG"
    [[ $(dispatchers | wc -l) == 2 ]]
    stop
    [[ $STATUS == 0 ]]
}

@test "a client waits on if its dispatcher is killed after a failed exec, before the answer" {
    require_strace
    cp "$ANSWER" handler
    start -vv --address 127.0.0.1 --dispatchers 1 0 ./handler "$ANSWERS" "$COUNTER"
    local dispatcher
    dispatcher=$(dispatchers)
    mv handler hidden
    inject "$dispatcher" sendmsg:delay_enter=3000000
    "$BURST" "$ADDRESS" "$PORT" 1 >burst &
    local client=$!
    await status_is starting 1
    await has_line 'sendmsg(' traced # the exec has failed, and the dispatcher is sending the answer
    kill -KILL "$dispatcher"
    mv hidden handler
    wait "$client"
    [[ $(cat burst) == "connected 1 answered 1 failed 0" ]]
    grep -q 'ticket 1: cannot start a handler, ' "$LOG"
    wait "$TRACER" || true
}

@test "a client waits on if its dispatcher is killed during an exec that will fail" {
    require_strace
    cp "$ANSWER" handler
    start -vv --address 127.0.0.1 --dispatchers 1 0 ./handler "$ANSWERS" "$COUNTER"
    local dispatcher
    dispatcher=$(dispatchers)
    mv handler hidden
    inject "$dispatcher" execve:delay_enter=5s
    "$BURST" "$ADDRESS" "$PORT" 1 >burst &
    local client=$!
    await has_line 'execve(' traced
    status_is starting 1
    kill -KILL "$dispatcher"
    await has_line "process $dispatcher, was killed" "$LOG"
    sleep 0.2
    # The supervisor cannot know yet whether the handler will run.
    status_is starting 1
    await has_line 'ticket 1: cannot start a handler, ' "$LOG"
    mv hidden handler
    wait "$client"
    [[ $(cat burst) == "connected 1 answered 1 failed 0" ]]
    wait "$TRACER" || true
}

@test "a handler gets its signal even if the dispatcher is killed before it passes the signal on" {
    require_strace
    make_noting_handler
    start -vv --address 127.0.0.1 --dispatchers 1 0 ./handler
    local dispatcher
    connect_silently
    read -r -u "$CLIENT" _
    dispatcher=$(dispatchers)
    inject "$dispatcher" recvmsg:delay_enter=3000000
    kill -INT "$DAEMON"
    await has_line 'recvmsg(' traced
    [[ ! -e terminated ]]
    kill -KILL "$dispatcher"
    finish
    [[ $STATUS == $((128 + 2)) ]]
    [[ $(cat terminated) == 1 ]]
    wait "$TRACER" || true
}

@test "a child that cannot report its failed exec ends its dispatcher, and other clients are served" {
    require_strace
    cp "$ANSWER" handler
    start -v --address 127.0.0.1 --dispatchers 1 0 ./handler "$ANSWERS" "$COUNTER"
    mv handler hidden
    inject "$(dispatchers)" sendmsg:error=EIO
    connect_silently
    await has_line 'dispatcher: process [0-9]* ended before it could report that its exec failed$' "$LOG"
    mv hidden handler
    "$BURST" "$ADDRESS" "$PORT" 1
    await status_is served 2
    wait "$TRACER" || true # strace ends with the dispatcher
    exec {CLIENT}>&-
}

@test "a handler that a dispatcher reaped but did not report is known to have ended" {
    require_strace
    start -vv --address 127.0.0.1 --dispatchers 1 0 bash -c 'read -r'
    local dispatcher
    dispatcher=$(dispatchers)
    connect_silently
    await status_is running 1
    inject "$dispatcher" sendmsg:delay_enter=3000000
    echo >&"$CLIENT"
    await has_line 'sendmsg(' traced
    kill -KILL "$dispatcher"
    await has_line 'ticket 1: ended process .* status unknown$' "$LOG"
    status_is running 0
    status_is served 1
    wait "$TRACER" || true
}

# Serves a client whose handler ends before PROCESS goes on with the call that FAULT delays.
serve_a_lingerer() {
    local process=$1 fault=$2 dispatcher before
    dispatcher=$(dispatchers)
    inject "$process" "$fault"
    before=$SECONDS
    connect_silently
    await has_ended_handler "$dispatcher"
    await status_is served 1
    ((SECONDS - before <= 8))
    [[ $(dispatchers) == "$dispatcher" ]] # the supervisor would replace a dispatcher that waits for long
    end_trace
    exec {CLIENT}>&-
}

@test "a handler that sets SO_LINGER does not delay the service" {
    require_strace
    local -a command=(--address 127.0.0.1 --dispatchers 1 0 "$BUILD/tests/programs/handlers/linger")
    # Either process may have the last copy of the connection.
    start -v "${command[@]}"
    serve_a_lingerer "$(dispatchers)" recvfrom:delay_enter=2000000:when=1
    check_and_end
    start -v "${command[@]}"
    serve_a_lingerer "$(supervisor)" sendmsg:delay_exit=2000000:when=1
}

# True if the client has received something, and the dispatcher has no child left.
has_ended_handler() { read -r -t 0 -u "$CLIENT" && [[ -z $(children "$1") ]]; }
