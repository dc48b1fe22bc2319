#!/usr/bin/env bats
# Tests that a new process takes over from an old one and no client notices.
# shellcheck disable=SC2030,SC2031,SC2153 # each test is a subshell, and helpers.bash has the variables

load ../shared/helpers
load takeover

STEADY=$BUILD/tests/programs/clients/steady

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

# Prints the limits of the status, without their names.
limits() {
    ask_control status |
        sed -E 's/.*"limits":\{([^}]*\}|[^}]*)\}.*/\1/; s/"[a-z_]*"://g; s/[{}]//g'
}

@test "what operators have set survives takeovers and dead supervisors, unless an option of the new process says otherwise" {
    start -v --address 127.0.0.1 --processes 2 --control control 0 cat
    ask_control 'set processes 3'
    ask_control 'set queue 20'
    ask_control 'set queue-timeout 1h'
    ask_control 'set per-source 5'
    ask_control 'set load-average 900.5'
    ask_control 'set rate 7/1m'
    ask_control 'set processes 4' # the last value counts
    take_over -v --address 127.0.0.1 --control control --queue 11 "$PORT" cat
    old_has_left
    [[ $(limits) == 4,11,3600,5,900.5,7,60 ]]
    has_line '^\[INFO\] --queue on the command line replaces 20, which was set in the old process$' "$LOG"
    has_line '^\[INFO\] rate is 7/1m, as it was set in the old process$' "$LOG"
    ask_control 'set per-source none'
    kill -KILL "$(supervisor)"
    await control_says '"per_source":null'
    take_over -v --address 127.0.0.1 --control control --processes 6 --rate 8 "$PORT" cat
    old_has_left
    # The queue's limit of the old process was an option of it, and not set.
    [[ $(limits) =~ ^6,[0-9]{3,},3600,null,900.5,8,1$ ]]
    # A limit that the old process has lifted stays lifted.
    take_over -v --address 127.0.0.1 --control control --queue 12 --load-average 3 "$PORT" cat
    old_has_left
    [[ $(limits) == 1,12,3600,null,3,null ]]
}

@test "what cannot be set in the new process is logged, and the takeover goes on" {
    [[ $(id -u) == 0 ]] || skip "a mount namespace needs root"
    start --address 127.0.0.1 --control control 0 cat
    ask_control 'set load-average 900'
    ask_control 'set queue 20'
    # Without a control socket, a new process opens no file for a load average to be set later.
    take_over --address 127.0.0.1 --metrics 127.0.0.1:0 "$PORT" cat
    old_has_left
    has_line '^\[WARNING\] load-average was set to 900 in the old process, and cannot be set here: load-average: this process cannot read /proc/loadavg$' "$LOG"
}

@test "a daemon that does not know how to pass on what was set is taken over all the same" {
    local client
    start --address 127.0.0.1 --control control 0 cat
    ask_control 'set processes 3'
    (close_descriptors; exec "$BUILD/tests/takeover/older" front control >requests) &
    client=$!
    await has_line '^listening$' requests
    OLD=$DAEMON
    start --takeover front --address 127.0.0.1 --control control "$PORT" cat
    wait "$client"
    old_has_left
    [[ $(cat requests) == listening$'\n'"takeover 2"$'\n'"takeover 1" ]]
    control_says '"processes":1'
}

@test "a takeover that succeeds is an informative line on both sides, at every log level, and no warning" {
    start --address 127.0.0.1 --control control 0 cat
    take_over --address 127.0.0.1 --control control "$PORT" cat
    old_has_left
    cat "$LOG"
    [[ $(grep -cx "\[INFO\] process $DAEMON took over; waiting clients: 0; handlers still to end here: 0" "$LOG") == 1 ]]
    [[ $(grep -cx "\[INFO\] took over from process $OLD; waiting clients: 0; handlers still to end there: 0" "$LOG") == 1 ]]
    [[ $(wc -l <"$LOG") == 2 ]]
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
