#!/usr/bin/env bats
# Tests workers, which serve one client after another (--persistent).
# shellcheck disable=SC2016,SC2030,SC2031,SC2153 # $ is awk's; tests are subshells of helpers.bash

load ../shared/helpers
load ../shared/control
load workers

KILLER=$BUILD/tests/programs/attackers/killer

# Prints $1; or $2 in a long test.
count() { if [[ -n ${DAMPENER_LONG:-} ]]; then echo "$2"; else echo "$1"; fi; }

# ---- clients and workers ----

@test "one worker serves one client after another, and gets the variables of each" {
    start_workers 1 0
    local i process
    process=$(tell who | cut -d ' ' -f 1)
    for i in 2 3 4 5; do [[ $(tell who) == "$process $i" ]]; done
    tell variables >told
    grep -qx 'PROTO=TCP' told
    grep -qx 'TCPREMOTEIP=127.0.0.1' told
    grep -qx "TCPLOCALPORT=$PORT" told
    grep -qx 'DAMPENER_TICKET=6' told
    [[ $(wc -l <told) == 12 ]]
    has_workers 1
    await are_through 6
}

@test "a worker has its socket, standard error twice, and no variables of a connection" {
    TCPREMOTEIP=192.0.2.1 MINE=yes start_workers 1 0
    tell state >told
    # Descriptors come first: a variable can have more lines, which may look like descriptors.
    awk '!/^[0-9]+ / { exit } { print }' told >descriptors
    grep -q '^0 socket:' descriptors
    [[ $(sed -n 's/^1 //p' descriptors) == "$LOG" && $(sed -n 's/^2 //p' descriptors) == "$LOG" ]]
    # 3 and 4 are the worker's own files.
    [[ $(wc -l <descriptors) == 5 ]] || { cat descriptors; return 1; }
    grep -qx 'MINE=yes' told
    refute grep -E '^(PROTO|TCP|REMOTE|DAMPENER_(TICKET|WAIT|QUEUED|RUNNING))' told
}

@test "with --stderr null a worker has nothing on 1 and 2, and with --no-env a client brings a single NUL" {
    start_workers 1 0 --stderr null --no-env
    tell state >told
    [[ $(sed -n 's/^1 //p' told) == /dev/null && $(sed -n 's/^2 //p' told) == /dev/null ]]
    [[ $(tell variables) == "" ]]
    [[ $(tell hello) == hello ]]
}

@test "a client of a Unix socket is passed on to a worker" {
    start -v --control control --persistent "unix:$PWD/socket" "$WORKER" "$ANSWERS" 1
    [[ $(nc -NU socket <<<variables | grep -e ^PROTO -e ^IPCLOCALPATH) == "PROTO=IPC
IPCLOCALPATH=$PWD/socket" ]]
    [[ $(nc -NU socket <<<hello) == hello ]]
    has_workers 1
}

@test "many clients are each served once, by no more workers than handlers are allowed" {
    serve_many 1000
    [[ $(say status) == *'"success":1000,"failure":0,"signal":0,"unknown":0'* ]]
}

@test "options for workers require --persistent, and standard error cannot be the client of a worker" {
    local words
    for words in "--max-requests 3" "--spare 2" "--spare-timeout 5"; do
        # shellcheck disable=SC2086 # an option and its value
        run timeout 20 "$DAMPENER" $words 0 cat
        [[ $status == 2 && $output == "socket-burst-dampener: ${words%% *}: only with --persistent; see --help" ]]
    done
    run timeout 20 "$DAMPENER" --persistent --stderr socket 0 cat
    [[ $status == 2 && $output == *"--stderr: 'socket': not with --persistent"* ]]
}

# Expects the daemon to say, with 100 descriptors, that --processes $1 with further options allows more
# than $2 workers.
warns_of_workers() {
    local processes=$1 most=$2
    shift 2
    WRAPPER=(bash -c 'ulimit -n 100; exec "$@"' bash)
    start_workers "$processes" 1000 "$@"
    has_line "^\[WARNING\] --processes $processes allows more workers than dispatchers have descriptors for, $most: starts beyond that fail; give a lower --processes, or raise the hard limit on descriptors (ulimit -Hn)$" "$LOG"
}

@test "more workers than dispatchers have descriptors for are warned of at the start; as many can be started" {
    warns_of_workers 58 57
    stop
    warns_of_workers 0 57
    stop
    warns_of_workers 115 114 --dispatchers 2
    stop
    # shellcheck disable=SC2034 # for start
    WRAPPER=(bash -c 'ulimit -n 100; exec "$@"' bash)
    start_workers 57 1000
    "$BURST" "$ADDRESS" "$PORT" 57 >burst &
    await fields_are running 57 start_failures 0
    refute has_line '--processes 57 ' "$LOG"
    wait "$!"
}

# ---- workers that do not behave ----

# Sends line $1, after which worker 1 is killed or gone.  The next client gets another one.
spoil() {
    local first second
    first=$(tell who | cut -d ' ' -f 1)
    tell "$1" >answer
    await is_worker_gone "$first"
    second=$(tell who)
    [[ $second == *" 1" && ${second% *} != "$first" ]]
    await are_through 3
}

@test "a worker that dies while it has a client is an ended handler with that status, and another takes its place" {
    start_workers 1 0
    spoil crash
    [[ ! -s answer ]]
    grep -q '^\[INFO\] ticket 2: ended process .* killed by signal 9,' "$LOG"
    local first
    first=$(tell who | cut -d ' ' -f 1)
    tell exit >answer
    await is_worker_gone "$first"
    await has_line '^\[INFO\] ticket 5: ended process .* status 3,' "$LOG"
    [[ $(tell hello) == hello ]]
}

@test "a worker that dies while it is idle is replaced, and that is logged" {
    start_workers 1 0
    spoil idle-crash
    [[ $(<answer) == idle-crash ]]
    [[ $(grep -c '^\[WARNING\] worker [0-9]*, which had no client, was killed by signal 9' "$LOG") == 1 ]]
}

@test "a worker that sends two bytes or many messages is killed and replaced, and that is logged" {
    start_workers 1 0
    local line number=0
    for line in long twice flood; do
        local first
        first=$(tell who | cut -d ' ' -f 1)
        [[ $(tell stay) == stay ]] # it would not leave
        [[ $(tell "$line") == "$line" ]]
        await is_worker_gone "$first"
        number=$((number + 1))
        [[ $(grep -c 'sent something other than one byte for one client: killing it' "$LOG") == "$number" ]]
        # Not a finished client, unless the dispatcher has heard the first message before the next one.
        [[ $line == flood ]] || await has_line "ended process $first .* killed by signal 9" "$LOG"
    done
    [[ $(tell hello) == hello ]]
    nobody_was_served_twice
}

@test "a byte that a worker sends before it receives a client does not count for that client" {
    start_workers 1 0
    local first
    first=$(tell who | cut -d ' ' -f 1)
    [[ $(tell early) == early ]]
    tell hello >answer
    await has_line "worker $first sent something other than one byte for one client: killing it" "$LOG"
    await has_line "ticket 3: ended process $first .* killed by signal 9" "$LOG"
    [[ $(tell hello) == hello ]]
    await are_through 4
}

@test "no client is given to a dead worker while a child of the worker keeps its socket" {
    start_workers 1 0
    local first dispatcher client
    first=$(tell who | cut -d ' ' -f 1)
    dispatcher=$(dispatchers)
    [[ $(tell parent) == parent ]]
    await are_through 2
    kill -STOP "$dispatcher"
    kill -KILL "$first"
    tell hello >answer &
    client=$!
    await field_is starting 1
    kill -CONT "$dispatcher"
    wait "$client"
    [[ $(<answer) == hello ]]
    await are_through 3
}

@test "a worker cannot send a descriptor, or is killed for it" {
    start_workers 1 0
    local first
    first=$(tell who | cut -d ' ' -f 1)
    [[ $(tell descriptor) == descriptor ]]
    await are_through 2
    if grep -q 'the dispatcher refuses descriptors' "$LOG"; then # since Linux 6.16
        [[ $(tell who) == "$first 3" ]]
    else
        await is_worker_gone "$first"
        grep -q "worker $first sent something other than one byte for one client: killing it" "$LOG"
        [[ $(tell who) == *" 1" ]]
    fi
}

@test "a dispatcher does not wait for a connection that a worker has hidden in a socket that it sends" {
    start_workers 2 0
    connect_silently
    echo sink >&"$CLIENT"
    await are_through 1
    [[ $(tell hello) == hello ]]
    refute grep 'has not answered' "$LOG"
    exec {CLIENT}>&-
}

@test "a dispatcher does not wait for a connection that a worker has left in its socket" {
    start_controlled --persistent --processes 1 0 "$BUILD/tests/programs/handlers/leaver"
    connect_more 4
    await are_through 4
    refute grep 'has not answered' "$LOG"
    hang_up
}

@test "a worker that sends an empty message, or closes its socket, gets no other client" {
    start_workers 1 0 --timeout 3s
    local first time
    first=$(tell who | cut -d ' ' -f 1)
    [[ $(tell empty) == empty ]]
    [[ $(tell hello) == hello ]]
    is_worker_gone "$first"
    refute grep 'has run for too long' "$LOG"
    # This one waits until its time is over, and costs nothing meanwhile.
    first=$(tell who | cut -d ' ' -f 1)
    time=$(processor_time "$(dispatchers)")
    [[ $(tell shut) == shut ]]
    [[ $(tell hello) == hello ]]
    is_worker_gone "$first"
    (($(processor_time "$(dispatchers)") - time < 50))
    await are_through 6
}

@test "a worker that hangs is ended by the time-out, and its place is free" {
    start_workers 1 0 --timeout 500ms --kill-after 300ms
    local line first
    for line in hang stubborn; do
        first=$(tell who | cut -d ' ' -f 1)
        [[ $(tell "$line") == "" ]]
        await is_worker_gone "$first"
        [[ $(tell hello) == hello ]]
    done
    await are_through 6
    [[ $(grep -c 'has run for too long: sending SIGTERM' "$LOG") == 2 ]]
    [[ $(grep -c 'has run for too long: sending SIGKILL' "$LOG") == 1 ]]
}

@test "a worker that was sent SIGTERM for its client gets no other, even if it goes on" {
    start_workers 1 0 --timeout 300ms --kill-after 10s
    local first
    first=$(tell who | cut -d ' ' -f 1)
    [[ $(tell late) == late ]]
    [[ $(tell who) == *" 1" ]]
    await is_worker_gone "$first"
    await are_through 3
}

@test "a worker that never reads again keeps only one client, which the time-out ends" {
    start_workers 2 0 --timeout 500ms
    [[ $(tell deaf) == deaf ]]
    [[ $(tell hello) == "" ]]
    [[ $(tell hello) == hello ]]
    await are_through 3
}

@test "a worker that keeps the connection open after its byte holds up nobody else" {
    start_workers 1 0
    connect_silently
    echo keep >&"$CLIENT"
    read -r -t 20 answer <&"$CLIENT"
    [[ $answer == keep ]]
    [[ $(tell hello) == hello ]]
    # Now the worker has closed it.
    [[ $(timeout 20 cat <&"$CLIENT") == "" ]]
    exec {CLIENT}>&-
}

# ---- how many workers there are ----

@test "a worker leaves after --max-requests clients, up to a tenth more or less" {
    start_workers 1 0 --max-requests 20
    local i
    for ((i = 0; i < 70; i++)); do tell who; done >told
    awk '$1 != process && NR > 1 { print last } { process = $1; last = $2 }' told >lives
    cat lives
    (($(wc -l <lives) >= 3))
    awk '$1 < 18 || $1 > 22 { exit 1 }' lives
    await has_workers 1
    refute grep WARNING "$LOG"
}

@test "as many workers stay as were needed at once; with --spare, the others leave after --spare-timeout" {
    start_workers 4 300
    "$BURST" "$ADDRESS" "$PORT" 8 >burst
    has_workers 4
    sleep 1
    has_workers 4
    stop
    start_workers 4 300 --spare 1 --spare-timeout 500ms
    "$BURST" "$ADDRESS" "$PORT" 8 >burst
    has_workers 4
    await has_workers 1
    sleep 0.7
    has_workers 1
    [[ $(tell hello) == hello ]]
}

@test "several dispatchers have their shares of idle workers" {
    start_workers 4 300 --dispatchers 2 --spare 2 --spare-timeout 200ms
    "$BURST" "$ADDRESS" "$PORT" 8 >burst
    await has_workers 2
    [[ $(for process in $(dispatchers); do children_named "$process" worker | wc -l; done) == "1
1" ]]
    [[ $(tell hello) == hello ]]
}

@test "a worker that does not leave when it is to is killed after ten seconds" {
    start_workers 1 0 --spare 0 --spare-timeout 100ms
    local process
    process=$(tell who | cut -d ' ' -f 1)
    [[ $(tell stay) == stay ]]
    await is_worker_gone "$process"
    grep -q "^\[WARNING\] worker $process has not left within 10 s: killing it" "$LOG"
}

# ---- starts that fail ----

@test "a client whose worker cannot be executed waits, and is served once that succeeds" {
    cp "$WORKER" worker
    start_controlled --persistent 0 ./worker "$ANSWERS" 1
    mv worker away
    tell hello >answer &
    local client=$!
    await has_line 'cannot start a handler' "$LOG"
    mv away worker
    wait "$client"
    [[ $(<answer) == hello ]]
    await are_through 1
    [[ $(wc -l <"$ANSWERS") == 1 ]]
}

# ---- the end ----

@test "SIGTERM lets workers finish their clients, and then all leave" {
    start_workers 3 500
    "$BURST" "$ADDRESS" "$PORT" 6 >burst &
    local client=$!
    await field_is running 3
    stop
    [[ $STATUS == 0 ]]
    wait "$client"
    each_answered_once 6
    await nothing_is_left
}

@test "an idle worker that does not leave is killed at the end of the daemon" {
    start_workers 2 0
    local process begun
    process=$(tell who | cut -d ' ' -f 1)
    [[ $(tell stay) == stay ]]
    begun=$(milliseconds)
    stop
    [[ $STATUS == 0 ]] && await is_gone "$process"
    (($(milliseconds_since "$begun") < 5000))
}

@test "a second SIGTERM ends workers that hang" {
    start_workers 1 0
    connect_silently
    echo stubborn >&"$CLIENT"
    await has_lines 1 "$ANSWERS"
    kill "$DAEMON"
    await has_line 'ending: waiting for' "$LOG"
    stop
    exec {CLIENT}>&-
    await nothing_is_left
}

@test "a dispatcher's death disturbs no client of a worker, and idle workers leave" {
    start_workers 3 1000
    "$BURST" "$ADDRESS" "$PORT" 5 >burst &
    local client=$! before
    await field_is running 3
    before=$(workers | sort)
    kill_dispatchers "$(dispatchers)"
    wait "$client"
    each_answered_once 5
    await are_through 5
    for process in $before; do await is_worker_gone "$process"; done
    (($(workers | wc -l) <= 3))
}

@test "the supervisor's death disturbs no client of a worker" {
    start_workers 3 300
    "$BURST" "$ADDRESS" "$PORT" 9 >burst &
    local client=$!
    await field_is running 3
    kill -KILL "$(supervisor)"
    wait "$client"
    each_answered_once 9
    await are_through 9
    nobody_was_served_twice
}

# ---- the hand-over ----

require_tracer() {
    [[ -z $(no_tracer) ]] || skip "$(no_tracer)"
    if is_sanitized; then skip "a dispatcher that looks for leaks cannot be traced"; fi
}

# Lets $1 clients come, and fails unless each is answered once.
let_come() {
    "$BURST" "$ADDRESS" "$PORT" "$1" >burst
    [[ $(cat burst) == "connected $1 answered $1 failed 0" ]] || { cat burst; return 1; }
    SERVED=$((${SERVED:-0} + $1))
    await are_through "$SERVED"
    [[ $(wc -l <"$ANSWERS") == "$SERVED" ]]
    nobody_was_served_twice
}

# Kills the dispatcher as soon as it makes call $1 for the $2nd time, while clients come.
kill_at() {
    local dispatcher
    dispatcher=$(dispatchers)
    echo "killed at $1 $2"
    inject "$dispatcher" "$1:signal=KILL:when=$2"
    let_come 4
    end_trace
    await is_gone "$dispatcher"
    await has_dispatchers 1
}

@test "if the dispatcher is killed at any call of a hand-over to an idle worker, no client is lost or served twice" {
    require_tracer
    local call number
    start_workers 2 0
    for number in 1 2; do
        for call in "/^p?poll$" recvmsg sendmmsg recvfrom getsockopt close sendmsg "/^epoll_p?wait$"; do
            let_come 4 # now there are idle workers
            kill_at "$call" "$number"
        done
    done
}

@test "if the dispatcher is killed while it starts a worker, no client is lost or served twice" {
    require_tracer
    local call number
    start_workers 3 20 --max-requests 1 # each client has a worker of its own
    for number in 1 2; do
        for call in socketpair epoll_ctl clone sendmmsg; do kill_at "$call" "$number"; done
    done
}

@test "if the dispatcher is killed before it learns that the kernel has handed a client over, that is known" {
    require_tracer
    local dispatcher client number
    start_workers 2 0
    for number in 1 2; do
        let_come 4
        dispatcher=$(dispatchers)
        inject "$dispatcher" "sendmmsg:delay_exit=60s:when=$number"
        rm -f burst
        let_come 4 &
        client=$!
        await has_more_answers_than "$((SERVED + number - 1))"
        refute has_content burst
        kill -KILL "$dispatcher"
        end_trace # strace, too, has to take note of the death
        wait "$client"
        SERVED=$((SERVED + 4))
        await has_dispatchers 1
    done
}

@test "a failure of any call of a hand-over delays its client, which is served once" {
    require_tracer
    local fault before
    start_workers 2 0 --max-requests 3
    let_come 8
    before=$(($(open_descriptors "$(dispatchers)") - $(workers | wc -l)))
    for fault in sendmmsg:error={ENOBUFS,ETOOMANYREFS,ENOMEM,EAGAIN,EPIPE,ECONNRESET,EPERM} \
        socketpair:error={EMFILE,ENFILE,ENOMEM} epoll_ctl:error={ENOMEM,ENOSPC} clone:error={EAGAIN,ENOMEM} \
        sendmsg:error=ENOBUFS; do # recvmsg is a call of new workers, too
        echo "$fault"
        inject "$(dispatchers)" "$fault:when=1..2"
        let_come 8
        end_trace
    done
    refute grep -e 'violated the protocol' -e 'replacing it' "$LOG"
    await has_descriptors_of_workers "$before"
}

# True if the dispatcher has one descriptor for each worker, besides $1.
has_descriptors_of_workers() { (($(open_descriptors "$(dispatchers)") == $1 + $(workers | wc -l))); }

has_more_answers_than() { (($(wc -l <"$ANSWERS") > $1)); }

# ---- all at once ----

# Kills processes at random while $1 clients come; further arguments are those of killer behind SEED.  Sets
# KILLED, the number of rounds.
survive() {
    local clients=$1
    shift
    SEED=${DAMPENER_SEED:-$RANDOM}
    echo "seed: $SEED"
    "$KILLER" "$DAEMON" "$SEED" "$@" >killed 3>&- 4>&- &
    local killing=$!
    "$BURST" "$ADDRESS" "$PORT" "$clients" >burst 2>complaints || true
    kill "$killing"
    wait "$killing"
    cat killed burst
    read -r _ _ _ KILLED _ <killed
    ((KILLED >= 5))
    await are_through "$clients"
    refute grep -e 'violated the protocol' -e 'has not come back' -e 'were lost' "$LOG"
    nobody_was_served_twice
}

@test "each client is answered once while supervisor and dispatchers of workers are killed again and again" {
    start_workers 8 3 --dispatchers 2
    survive "$(count 2000 20000)" 20 100 40 supervisor 40 dispatcher 20 dispatchers
    each_answered_once "$(count 2000 20000)"
}

@test "after the death of the pair, the clients of workers are served and counted once" {
    start_workers 4 500 --dispatchers 2
    "$BURST" "$ADDRESS" "$PORT" 4 >burst &
    local client=$!
    await field_is running 4
    kill -KILL "$(standby)" "$(supervisor)"
    wait "$client"
    each_answered_once 4
    await are_through 4
    [[ $(tell hello) == hello ]]
    nobody_was_served_twice
}

@test "a daemon that takes over leaves clients to their workers, and starts its own" {
    start_workers 4 500
    "$BURST" "$ADDRESS" "$PORT" 12 >burst &
    local client=$! old=$DAEMON before
    await field_is running 4
    before=$(workers)
    start_controlled --takeover control --persistent --processes 4 "$PORT" "$WORKER" "$ANSWERS" 4 500
    await is_gone "$old"
    wait "$old"
    wait "$client"
    each_answered_once 12
    nobody_was_served_twice
    [[ $(tell who) == *" "[0-9]* ]]
    for process in $before; do await is_gone "$process"; done
}

@test "no client is served twice while workers, dispatchers and the supervisor are killed again and again" {
    start_workers 8 3
    survive "$(count 2000 20000)" 20 60 80 worker 20 supervisor 30 dispatcher
    # Only a worker's death can leave its client without an answer.
    local answered
    read -r _ _ _ answered _ <burst
    ((answered >= $(count 2000 20000) - KILLED))
    await has_no_zombies
}
