#!/usr/bin/env bats
# Tests clients that leave while they wait: --abandon.

load ../shared/helpers
load ../shared/control

@test "100 handlers start when 500 clients connect and 400 of them reset at once" {
    start --address 127.0.0.1 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    connect_silently
    await status_is running 1
    "$BURST" -h 400 "$ADDRESS" "$PORT" 500 >burst &
    local client=$!
    await status_is abandoned 400
    await status_is queued 100 # some clients may still be in the backlog
    echo >&"$CLIENT"
    wait "$client"
    [[ $(cat burst) == "connected 500 answered 100 refused 0 hungup 400 failed 0" ]]
    [[ $(tail -n +2 "$ANSWERS" | wc -l) == 100 ]]
    await status_is served 101
}

@test "clients that reset while a handler ends cost no handler" {
    start --address 127.0.0.1 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    local client
    connect_silently
    await status_is running 1
    "$BURST" -H -h 300 "$ADDRESS" "$PORT" 300 >burst &
    client=$!
    await has_line waiting burst
    await status_is queued 300
    # The daemon finds all events at once when it continues.
    kill -STOP "$(supervisor)"
    await is_stopped "$(supervisor)"
    kill -USR1 "$client"
    echo >&"$CLIENT"
    await has_line hungup burst
    kill -CONT "$(supervisor)"
    wait "$client"
    await status_is abandoned 300
    await status_is served 1 # of 301 clients; this handler may end after the daemon has found the others gone
}

@test "the daemon does not serve a client that resets before it is accepted" {
    start --address 127.0.0.1 --processes 4 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    kill -STOP "$(supervisor)"
    "$BURST" -h 20 "$ADDRESS" "$PORT" 20 >burst
    kill -CONT "$(supervisor)"
    await status_is abandoned 20
    status_is served 0
    [[ $(cat burst) == "connected 20 answered 0 refused 0 hungup 20 failed 0" ]]
}

@test "half-closed clients are served by default and with --abandon never" {
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

@test "--abandon half-close removes clients that sent FIN from the queue, and keeps others" {
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

@test "--abandon silent removes clients that close without a byte, and serves those that have sent a request" {
    start --abandon silent --address 127.0.0.1 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    connect_silently
    await status_is running 1
    "$BURST" -c "$ADDRESS" "$PORT" 30 >stay &
    local stay=$! probe
    await status_is queued 30
    for probe in {1..20}; do nc -z 127.0.0.1 "$PORT"; done
    await status_is abandoned 20
    "$BURST" -h 10 "$ADDRESS" "$PORT" 10 >reset
    await status_is abandoned 30
    # An end that was judged once does not wake the daemon again.
    local before
    before=$(daemon_switches)
    sleep 0.3
    [[ $(daemon_switches) == "$before" ]]
    echo >&"$CLIENT"
    wait "$stay"
    [[ $(cat stay) == "connected 30 answered 30 failed 0" ]]
    await status_is served 31
}

@test "--abandon silent spares a handler although the probe came and went before the daemon looked" {
    start --abandon silent --address 127.0.0.1 --processes 4 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    kill -STOP "$(supervisor)"
    local stay probe
    for probe in {1..10}; do nc -z 127.0.0.1 "$PORT"; done
    "$BURST" -c "$ADDRESS" "$PORT" 5 >stay &
    stay=$!
    await backlog_is "$PORT" 15
    kill -CONT "$(supervisor)"
    wait "$stay"
    await status_is abandoned 10
    await status_is served 5
}

@test "--abandon silent serves clients of a Unix socket that have sent a request, and no others" {
    start --abandon silent "unix:$PWD/socket" "$ANSWER" "$ANSWERS" "$COUNTER"
    local ADDRESS="unix:$PWD/socket" PORT=0 stay
    coproc WAITING { exec nc -U "$PWD/socket"; }
    await status_is running 1
    "$BURST" -c "$ADDRESS" "$PORT" 5 >stay &
    stay=$!
    await status_is queued 5
    nc -UN "$PWD/socket" </dev/null
    await status_is abandoned 1
    echo >&"${WAITING[1]}"
    wait "$stay"
    [[ $(cat stay) == "connected 5 answered 5 failed 0" ]]
}

@test "--abandon never starts handlers even for clients that reset" {
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

# Prints how many descriptors all epoll instances of the daemon watch.
watches() { cat "/proc/$(supervisor)/fdinfo/"* | grep -c '^tfd:'; }

watches_are() { [[ $(watches) == "$1" ]]; }

# Waits until the daemon sleeps and prints how often it has slept so far.
daemon_switches() {
    await is_asleep "$(supervisor)" >&2
    switches "$(supervisor)"
}

@test "data from waiting clients does not wake the daemon" {
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

# Prints the milliseconds until the log says that the client with ticket $1 left.
time_until_given_up() {
    local begin
    begin=$(milliseconds)
    await has_line "ticket $1: given up" "$LOG"
    milliseconds_since "$begin"
}

@test "the daemon removes clients that reset right after they start to wait, or later" {
    start -v --address 127.0.0.1 0 cat
    connect_silently
    await status_is running 1
    local watches client took
    watches=$(watches)
    # The daemon watches no client at first, and no other event wakes it afterwards.
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

# Starts the daemon with a queue of 200 clients whose source is at its limit, so that other clients
# overtake them; sets `crowd`.
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

@test "behind a crowd the daemon removes a client that resets right after it starts to wait" {
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

# Succeeds if the daemon notices within a second that a new client resets while the only dispatcher is
# full.  Meanwhile the test looks at the kernel only, because a request would wake the daemon.
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

@test "the daemon removes a client that leaves while it waits for a full dispatcher" {
    start -v --address 127.0.0.1 --processes 0 --dispatchers 1 --control control 0 \
        "$ANSWER" "$ANSWERS" "$COUNTER"
    local crowd ticket noticed=
    hold_dispatchers
    "$BURST" "$ADDRESS" "$PORT" 16 >burst & # PROTOCOL_SLOTS in dispatcher/protocol.h
    crowd=$!
    await field_is starting 16
    # A loaded machine may delay an attempt.
    for ticket in 17 18 19; do
        if notices_reset_of "$ticket"; then
            noticed=yes
            break
        fi
    done
    release_dispatchers
    wait "$crowd"
    [[ -n $noticed ]]
}

@test "the daemon does not watch a client that overtakes a crowd within a moment" {
    command -v strace >/dev/null || skip "strace is not installed"
    local crowd attempt before calls least=
    start_with_crowd
    trace "$(supervisor)" -e trace=epoll_ctl
    # All clients but the first wait until the client before them is served.
    for ((attempt = 0; attempt < 100 && ${least:-8} >= 8; attempt++)); do
        before=$(wc -l <traced)
        "$BURST" -f 127.0.0.9 "$ADDRESS" "$PORT" 8 >others
        [[ $(cat others) == "connected 8 answered 8 failed 0" ]]
        calls=$(($(wc -l <traced) - before))
        if [[ -z $least ]] || ((calls < least)); then least=$calls; fi
    done
    echo "$least calls for 8 clients"
    ((least < 8)) # to watch and unwatch each would cost 14
    end_trace
    end_crowd
}

@test "the daemon no longer watches a client whose handler runs" {
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
    # The reset concerns the handler only and wakes neither supervisor nor dispatcher.
    before=$(daemon_switches)
    kill -USR1 "$client"
    wait "$client"
    sleep 0.3
    after=$(daemon_switches)
    [[ $after == "$before" ]]
    (($(processor_time "$(supervisor)") < 20))
    exec {first}>&-
    stop INT
}

@test "the daemon notices at once that a client leaves which was put back into the queue" {
    cp "$ANSWER" handler
    start -v --address 127.0.0.1 --control ./control 0 ./handler "$ANSWERS" "$COUNTER"
    rm handler
    "$BURST" -H -h 1 "$ADDRESS" "$PORT" 1 >burst &
    local client=$! begin took
    await failed_starts_exceed 5 # the next attempt comes 3.2 s after the sixth
    begin=$(milliseconds)
    kill -USR1 "$client"
    wait "$client"
    await has_line 'ticket 1: given up' "$LOG"
    took=$(milliseconds_since "$begin")
    echo "$took ms"
    ((took < 2500))
}

@test "without memory for watching, the daemon notices a reset when the client's turn comes" {
    command -v strace >/dev/null || skip "strace is not installed"
    start --address 127.0.0.1 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    connect_silently
    await status_is running 1
    inject "$(supervisor)" epoll_ctl:error=ENOSPC
    "$BURST" -h 20 "$ADDRESS" "$PORT" 30 >burst &
    local client=$!
    await status_is accepted 31 # clients that reset before that may skip the queue
    echo >&"$CLIENT"
    wait "$client"
    [[ $(cat burst) == "connected 30 answered 10 refused 0 hungup 20 failed 0" ]]
    await status_is abandoned 20
    end_trace
}

@test "keepalive probes a waiting client after a minute of silence" {
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

@test "keepalive finds a client that vanished without FIN or reset" {
    [[ $(id -u) == 0 ]] || skip "a network namespace needs root"
    # The test connects two network namespaces with a cable and cuts it.
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
    # Shortens the kernel's times below those of the daemon.
    sysctl -q net.ipv4.tcp_keepalive_time=1 net.ipv4.tcp_keepalive_intvl=1 net.ipv4.tcp_keepalive_probes=2
    "$DAMPENER" -v --ready-fd 7 --address 192.0.2.1 0 sleep 50 7>ready 2>log </dev/null >/dev/null &
    daemon=$!
    while [[ ! -s ready ]]; do sleep 0.02; done
    read -r address port <ready
    exec 8<>"/dev/tcp/192.0.2.1/$port" # occupies the only handler
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

@test "resets of clients whose starts failed before do not keep the daemon busy" {
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
    before=$(processor_time "$(supervisor)")
    sleep 1
    after=$(processor_time "$(supervisor)")
    ((after - before <= 10))
    stop INT
}

@test "--abandon half-close does not serve a client that sent FIN before it is accepted" {
    start --abandon half-close --address 127.0.0.1 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    kill -STOP "$(supervisor)"
    "$BURST" -c -m '' "$ADDRESS" "$PORT" 1 >burst &
    local client=$!
    await has_fin_in_backlog
    kill -CONT "$(supervisor)"
    wait "$client"
    await status_is abandoned 1
    status_is served 0
}

has_fin_in_backlog() { [[ -n $(ss -Htn state close-wait "sport = :$PORT") ]]; }
