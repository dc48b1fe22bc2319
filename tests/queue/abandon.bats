#!/usr/bin/env bats
# Clients that give up while they wait: --abandon.

load ../shared/helpers

@test "500 clients connect and 400 reset at once: 100 handlers start" {
    start --address 127.0.0.1 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    connect_silently
    await status_is running 1
    "$BURST" -h 400 "$ADDRESS" "$PORT" 500 >burst &
    local client=$!
    await status_is abandoned 400
    await status_is queued 100 # the last of them may still be in the backlog
    echo >&"$CLIENT"
    wait "$client"
    [[ $(cat burst) == "connected 500 answered 100 refused 0 hungup 400 failed 0" ]]
    [[ $(tail -n +2 "$ANSWERS" | wc -l) == 100 ]]
    await status_is served 101
}

@test "who resets in the same moment in which a handler falls free costs none" {
    start --address 127.0.0.1 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    local client
    connect_silently
    await status_is running 1
    "$BURST" -H -h 300 "$ADDRESS" "$PORT" 300 >burst &
    client=$!
    await has_line waiting burst
    await status_is queued 300
    # All of it is there for the daemon when it goes on.
    kill -STOP "$DAEMON"
    await is_stopped "$DAEMON"
    kill -USR1 "$client"
    echo >&"$CLIENT"
    await has_line hungup burst
    kill -CONT "$DAEMON"
    wait "$client"
    await status_is abandoned 300
    await status_is served 1 # of all 301: its handler may end later than they are found
}

@test "who has reset before it is accepted is not served" {
    start --address 127.0.0.1 --processes 4 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    kill -STOP "$DAEMON"
    "$BURST" -h 20 "$ADDRESS" "$PORT" 20 >burst
    kill -CONT "$DAEMON"
    await status_is abandoned 20
    status_is served 0
    [[ $(cat burst) == "connected 20 answered 0 refused 0 hungup 20 failed 0" ]]
}

@test "half-closed clients are served by default, and with --abandon never" {
    local words
    for words in "" "--abandon=hangup" "--abandon=never"; do
        # shellcheck disable=SC2086
        start $words --address 127.0.0.1 --processes 2 0 "$ANSWER" "$ANSWERS" "$COUNTER" 5
        run "$BURST" -c "$ADDRESS" "$PORT" 100
        [[ $output == "connected 100 answered 100 failed 0" ]]
        [[ $(printf 'hello\n' | nc -N 127.0.0.1 "$PORT") == hello ]]
        stop
    done
}

@test "--abandon half-close: who has sent FIN leaves the queue, others stay" {
    start --abandon half-close --address 127.0.0.1 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    connect_silently
    await status_is running 1
    "$BURST" -c -m '' "$ADDRESS" "$PORT" 30 >gone
    [[ $(cat gone) == "connected 30 answered 0 refused 30 hungup 0 failed 0" ]]
    "$BURST" "$ADDRESS" "$PORT" 5 >stay &
    local stay=$!
    await status_is queued 5
    status_is abandoned 30
    echo >&"$CLIENT"
    wait "$stay"
    [[ $(cat stay) == "connected 5 answered 5 failed 0" ]]
}

@test "--abandon never: even who has reset is given a handler" {
    # shellcheck disable=SC2016
    start --abandon never --address 127.0.0.1 0 bash -c 'read -r line; echo x >>started'
    connect_silently
    await status_is running 1
    "$BURST" -h 10 "$ADDRESS" "$PORT" 10
    await status_is queued 10
    echo >&"$CLIENT"
    await status_is served 11
    [[ $(wc -l <started) == 11 ]]
}

# How many descriptors the daemon waits for, in all of its epoll instances.
watches() { cat "/proc/$DAEMON/fdinfo/"* | grep -c '^tfd:'; }

watches_are() { [[ $(watches) == "$1" ]]; }

# How often the daemon has waited for something, as soon as it does so again.
daemon_switches() {
    await is_asleep "$DAEMON" >&2
    switches "$DAEMON"
}

@test "what waiting clients send wakes nobody" {
    start --address 127.0.0.1 0 cat
    connect_silently
    await status_is running 1
    local first=$CLIENT before watches i
    watches=$(watches)
    connect_silently
    await status_is queued 1
    await watches_are $((watches + 1))
    before=$(daemon_switches)
    for ((i = 0; i < 20; i++)); do echo hello >&"$CLIENT"; done
    sleep 0.3
    [[ $(daemon_switches) == "$before" ]]
    exec {first}>&-
    exec {CLIENT}>&-
}

# Milliseconds until the log says that the client of this ticket has given up.
time_until_given_up() {
    local begin
    begin=$(milliseconds)
    await has_line "ticket $1: given up" "$LOG"
    milliseconds_since "$begin"
}

@test "who resets as soon as it waits is taken out, and so is, at once, who resets later" {
    start -v --address 127.0.0.1 0 cat
    connect_silently
    await status_is running 1
    local watches client took
    watches=$(watches)
    # Nobody is watched in the first moment, and nothing else wakes the daemon after that.
    "$BURST" -h 1 "$ADDRESS" "$PORT" 1
    took=$(time_until_given_up 2)
    echo "$took ms"
    ((took < 5000))
    "$BURST" -H -h 1 "$ADDRESS" "$PORT" 1 >burst &
    client=$!
    await watches_are $((watches + 1))
    kill -USR1 "$client"
    wait "$client"
    took=$(time_until_given_up 3)
    echo "$took ms"
    ((took < 5000))
    status_is abandoned 2
    status_is queued 0
    exec {CLIENT}>&-
}

# With 200 clients of one source waiting at its limit, whom others overtake; sets `crowd`.
start_with_crowd() {
    start -v --address 127.0.0.1 --processes 2 --per-source 1 --order fair 0 \
        "$ANSWER" "$ANSWERS" "$COUNTER"
    connect_silently
    await status_is running 1
    "$BURST" "$ADDRESS" "$PORT" 200 >burst &
    crowd=$!
    await status_is queued 200
}

end_crowd() {
    kill "$crowd"
    wait "$crowd" || true
    exec {CLIENT}>&-
}

@test "behind a crowd, too, who resets as soon as it waits is taken out" {
    local crowd took
    start_with_crowd
    "$BURST" -h 1 "$ADDRESS" "$PORT" 1
    took=$(time_until_given_up 202)
    echo "$took ms"
    ((took < 5000))
    status_is abandoned 1
    status_is queued 200
    end_crowd
}

# Whether the daemon notices within a second that a new client resets, while its only dispatcher is
# full.  The test asks only the kernel meanwhile: a question to the daemon would wake it.
notices_reset_of() {
    "$BURST" -H -h 1 "$ADDRESS" "$PORT" 1 >last &
    local client=$!
    await has_line waiting last
    await backlog_is "$PORT" 0
    kill -USR1 "$client"
    wait "$client"
    await has_line "ticket $1: given up" "$LOG"
    grep "ticket $1: given up by .*, waited 0\\." "$LOG"
}

@test "a client that waits for a dispatcher is noticed when it gives up, before the dispatcher has room" {
    start -v --address 127.0.0.1 --processes 0 --dispatchers 1 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    local dispatcher crowd ticket noticed=
    dispatcher=$(dispatchers)
    kill -STOP "$dispatcher"
    "$BURST" "$ADDRESS" "$PORT" 16 >burst & # PROTOCOL_SLOTS in dispatcher/protocol.h
    crowd=$!
    await status_is starting 16
    # The machine may have other things to do now and then.
    for ticket in 17 18 19; do
        if notices_reset_of "$ticket"; then
            noticed=yes
            break
        fi
    done
    kill -CONT "$dispatcher"
    wait "$crowd"
    [[ -n $noticed ]]
}

@test "who overtakes a crowd within a moment is not watched" {
    command -v strace >/dev/null || skip "strace is not installed"
    local crowd attempt before calls least=
    start_with_crowd
    trace "$DAEMON" -e trace=epoll_ctl
    # All but the first wait, each until the one before it is served.
    for ((attempt = 0; attempt < 100 && ${least:-8} >= 8; attempt++)); do
        before=$(wc -l <traced)
        "$BURST" -f 127.0.0.9 "$ADDRESS" "$PORT" 8 >others
        [[ $(cat others) == "connected 8 answered 8 failed 0" ]]
        calls=$(($(wc -l <traced) - before))
        if [[ -z $least ]] || ((calls < least)); then least=$calls; fi
    done
    echo "$least calls for 8 clients"
    ((least < 8)) # beginning and ending to watch each would be 14
    end_trace
    end_crowd
}

@test "once its handler runs, a client that has waited is the handler's alone" {
    start --abandon half-close --address 127.0.0.1 0 bash -c 'read -r; exec sleep 100'
    connect_silently
    await status_is running 1
    local first=$CLIENT before after
    "$BURST" -H -h 1 "$ADDRESS" "$PORT" 1 >burst &
    local client=$!
    await has_line waiting burst
    await status_is queued 1
    kill -TERM "$(children "$(dispatchers | head -n 1)")$(children "$(dispatchers | tail -n 1)")"
    await status_is served 1
    await status_is running 1
    # It resets, which its handler may care about: nobody else is woken.
    before=$(daemon_switches)
    kill -USR1 "$client"
    wait "$client"
    sleep 0.3
    after=$(daemon_switches)
    [[ $after == "$before" ]]
    (($(processor_time "$DAEMON") < 20))
    exec {first}>&-
    stop INT
}

@test "a client that was put back into the queue is noticed at once when it gives up" {
    cp "$ANSWER" handler
    start -v --address 127.0.0.1 --control ./control 0 ./handler "$ANSWERS" "$COUNTER"
    rm handler
    "$BURST" -H -h 1 "$ADDRESS" "$PORT" 1 >burst &
    local client=$! begin took
    await failed_starts_exceed 5 # the next attempt is 3.2 s after the sixth
    begin=$(milliseconds)
    kill -USR1 "$client"
    wait "$client"
    await has_line 'ticket 1: given up' "$LOG"
    took=$(milliseconds_since "$begin")
    echo "$took ms"
    ((took < 2500))
}

@test "without memory for watching, who has reset is noticed when its turn comes" {
    command -v strace >/dev/null || skip "strace is not installed"
    start --address 127.0.0.1 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    connect_silently
    await status_is running 1
    inject "$DAEMON" epoll_ctl:error=ENOSPC
    "$BURST" -h 20 "$ADDRESS" "$PORT" 30 >burst &
    local client=$!
    await status_is accepted 31 # who has reset before that need not come into the queue
    echo >&"$CLIENT"
    wait "$client"
    [[ $(cat burst) == "connected 30 answered 10 refused 0 hungup 20 failed 0" ]]
    await status_is abandoned 20
    end_trace
}

@test "keepalive asks a waiting client after a minute of silence, not after two hours" {
    start --address 127.0.0.1 0 cat
    connect_silently
    await status_is running 1
    connect_silently
    await status_is queued 1
    local seconds count=0
    while read -r seconds; do
        count=$((count + 1))
        ((seconds > 0 && seconds <= 60))
    done < <(ss -Htno "sport = :$PORT" | sed -n 's/.*timer:(keepalive,\([0-9]*\)sec,.*/\1/p; s/.*timer:(keepalive,1min,.*/60/p')
    ((count == 2))
    stop INT
}

@test "a client that vanished without a word is found by keepalive" {
    [[ $(id -u) == 0 ]] || skip "a network namespace needs root"
    # Two machines with a cable between, which is cut.
    export DAMPENER BURST ANSWER
    unshare --net --mount bash -euo pipefail -c "$(declare -f cut_the_cable); cut_the_cable" 3>&- 4>&-
    cat log
    grep -q 'ticket 2: given up by 192.0.2.2' log
    grep -q 'status: accepted 2, queued 0, starting 0, running 1, served 0, abandoned 1,' log
}

cut_the_cable() {
    local address port daemon client other
    unshare --net sleep 60 &
    other=$!
    while [[ $(readlink /proc/$other/ns/net) == $(readlink /proc/self/ns/net) ]]; do sleep 0.02; done
    ip link set lo up
    ip link add here type veth peer name there netns "$other"
    ip address add 192.0.2.1/24 dev here
    ip link set here up
    nsenter --net=/proc/$other/ns/net sh -c 'ip address add 192.0.2.2/24 dev there; ip link set there up'
    # A system that has been told to find out sooner than the daemon would.
    sysctl -q net.ipv4.tcp_keepalive_time=1 net.ipv4.tcp_keepalive_intvl=1 net.ipv4.tcp_keepalive_probes=2
    "$DAMPENER" -v --ready-fd 7 --address 192.0.2.1 0 sleep 50 7>ready 2>log </dev/null >/dev/null &
    daemon=$!
    while [[ ! -s ready ]]; do sleep 0.02; done
    read -r address port <ready
    exec 8<>"/dev/tcp/192.0.2.1/$port" # has the only handler
    while ! grep -q 'ticket 1: started' log; do sleep 0.02; done
    nsenter --net=/proc/$other/ns/net nc 192.0.2.1 "$port" </dev/null &
    client=$!
    while kill -USR1 "$daemon"; sleep 0.1; ! grep -q 'accepted 2, queued 1' log; do :; done
    ip link set here down
    for ((i = 0; i < 150; i++)); do
        if grep -q 'ticket 2: given up' log; then break; fi
        sleep 0.1
    done
    kill -USR1 "$daemon"
    for ((i = 0; i < 150; i++)); do
        if grep -q 'status: accepted 2, queued 0' log; then break; fi
        sleep 0.1
    done
    kill "$client" "$other"
    kill -INT "$daemon"
    wait
}

failed_starts() {
    "$BUILD/dampenerctl" ./control metrics | awk '$1 == "dampener_start_failures_total" { print $2 }'
}

failed_starts_exceed() { (($(failed_starts) > $1)); }

@test "clients whose start failed while dispatchers were busy wake nobody when they reset later" {
    printf '#!/bin/sh\nexec sleep 100\n' >handler
    chmod +x handler
    start --address 127.0.0.1 --processes 300 --dispatchers 2 --control ./control 0 ./handler
    mv handler hidden
    "$BURST" -H -h 100 "$ADDRESS" "$PORT" 100 >burst &
    local client=$! before after
    await has_line waiting burst
    await has_line 'next attempt in' "$LOG"
    await failed_starts_exceed "$(($(failed_starts) + 3))"
    mv hidden handler
    await status_is running 100
    kill -USR1 "$client"
    wait "$client"
    before=$(processor_time "$DAEMON")
    sleep 1
    after=$(processor_time "$DAEMON")
    ((after - before <= 10))
    stop INT
}

@test "--abandon half-close: who has sent FIN before it is accepted is not served" {
    start --abandon half-close --address 127.0.0.1 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    kill -STOP "$DAEMON"
    "$BURST" -c -m '' "$ADDRESS" "$PORT" 1 >burst &
    local client=$!
    await has_fin_in_backlog
    kill -CONT "$DAEMON"
    wait "$client"
    await status_is abandoned 1
    status_is served 0
}

has_fin_in_backlog() { [[ -n $(ss -Htn state close-wait "sport = :$PORT") ]]; }
