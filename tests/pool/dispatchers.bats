#!/usr/bin/env bats
# What the death, the stop and the return of dispatchers mean to clients: nothing.

load ../shared/helpers

# The processes that have said last, for each place in the pool, that they are ready.  A process that
# is a child of the daemon and named like a dispatcher may also be a handler just before its exec.
ready_dispatchers() {
    local process
    while read -r process; do
        if [[ $(cat "/proc/$process/comm" 2>/dev/null) == dispatcher ]]; then echo "$process"; fi
    done < <(sed -n 's/^\[DEBUG\] dispatcher \([0-9]*\): ready, process \([0-9]*\)$/\1 \2/p' "$LOG" |
        awk '{ last[$1] = $2 } END { for (i in last) print last[i] }')
}

# Kills one after the other for as long as the client lives; sets KILLED.
kill_dispatchers_while() {
    local process
    KILLED=0
    while is_alive "$1"; do
        for process in $(ready_dispatchers); do
            if kill -KILL "$process" 2>/dev/null; then KILLED=$((KILLED + 1)); fi
        done
    done
}

each_answered_once() {
    [[ $(cat burst) == "connected $1 answered $1 failed 0" ]] || { cat burst; return 1; }
    # Each line is a ticket and the number that its client sent: here both are the same.
    diff <(seq "$1" | awk '{ print $1, $1 }') <(sort -n "$ANSWERS")
}

@test "dispatchers killed one after the other in a burst: every client is answered exactly once" {
    start -vv --address 127.0.0.1 --processes 8 --dispatchers 4 0 \
        "$ANSWER" "$ANSWERS" "$COUNTER" 10
    "$BURST" "$ADDRESS" "$PORT" 3000 >burst &
    local client=$!
    kill_dispatchers_while "$client"
    wait "$client" || true
    echo "killed: $KILLED"
    ((KILLED >= 10))
    each_answered_once 3000
    (($(most_handlers) <= 8))
    await status_is served 3000
    grep -q 'adopted process' "$LOG"
    refute grep 'violated the protocol' "$LOG"
}

@test "all dispatchers killed at the same moment, again and again: nobody is lost or served twice" {
    start -vv --address 127.0.0.1 --processes 8 --dispatchers 4 0 \
        "$ANSWER" "$ANSWERS" "$COUNTER" 20
    "$BURST" "$ADDRESS" "$PORT" 800 >burst &
    local client=$! all
    KILLED=0
    while is_alive "$client"; do
        mapfile -t all < <(ready_dispatchers)
        if ((${#all[@]} == 4)) && kill -KILL "${all[@]}" 2>/dev/null; then
            KILLED=$((KILLED + 1))
        fi
    done
    wait "$client" || true
    echo "killed all: $KILLED times"
    ((KILLED >= 2))
    each_answered_once 800
    (($(most_handlers) <= 8))
}

@test "a running handler outlives its dispatcher and its end is still seen" {
    start -vv --address 127.0.0.1 --processes 1 0 "$ANSWER" "$ANSWERS" "$COUNTER" 3000
    "$BURST" "$ADDRESS" "$PORT" 2 >burst &
    local client=$!
    await status_is running 1
    # shellcheck disable=SC2046
    kill -KILL $(ready_dispatchers)
    wait "$client"
    each_answered_once 2
    [[ $(most_handlers) == 1 ]]
    await status_is served 2
    grep -q 'ticket 1: ended process .* status 0,' "$LOG"
}

has_children() { [[ $(children "$1" | wc -w) == "$2" ]]; }
is_zombie() { grep -q '^State:.Z' "/proc/$1/status"; }

@test "three exits count that a dispatcher reported before it was killed and nobody had read" {
    # shellcheck disable=SC2016 # the handler expands it
    start -vv --address 127.0.0.1 --processes 3 --dispatchers 1 0 \
        bash -c 'echo started; read -r; exit "$REPLY"'
    local dispatcher clients=() i
    dispatcher=$(ready_dispatchers)
    for i in 1 2 3; do
        connect_silently
        read -r -t 20 -u "$CLIENT" _
        clients+=("$CLIENT")
    done
    await status_is running 3
    kill -STOP "$DAEMON"
    await is_stopped "$DAEMON"
    # The dispatcher reports each exit in a packet of its own.
    for i in 1 2 3; do
        echo "$((40 + i))" >&"${clients[i - 1]}"
        await has_children "$dispatcher" "$((3 - i))"
        await is_asleep "$dispatcher"
    done
    kill -KILL "$dispatcher"
    await is_zombie "$dispatcher"
    kill -CONT "$DAEMON"
    await status_is served 3
    for i in 1 2 3; do
        grep -q "ticket $i: ended process .* status $((40 + i))," "$LOG"
    done
    for CLIENT in "${clients[@]}"; do exec {CLIENT}>&-; done
    await has_ready_dispatchers 1
}

@test "a stopped dispatcher delays only what it holds" {
    start -vv --address 127.0.0.1 --processes 8 --dispatchers 2 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    local stopped
    stopped=$(ready_dispatchers | head -n 1)
    kill -STOP "$stopped"
    "$BURST" "$ADDRESS" "$PORT" 200 >burst &
    local client=$!
    await all_but_few_are_served
    kill -CONT "$stopped"
    wait "$client"
    each_answered_once 200
}

# Half of them, and no more, can be with the stopped one, as the other one gets as many.
all_but_few_are_served() { (($(status_of served) >= 196)); }

@test "a stopped dispatcher that is killed gives back what it held" {
    start -vv --address 127.0.0.1 --processes 8 --dispatchers 2 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    local stopped
    stopped=$(ready_dispatchers | head -n 1)
    kill -STOP "$stopped"
    "$BURST" "$ADDRESS" "$PORT" 100 >burst &
    local client=$!
    await all_have_been_tried 100
    kill -KILL "$stopped"
    wait "$client"
    each_answered_once 100
}

# Whoever is not served by then is with the stopped one.
all_have_been_tried() {
    status_of accepted >/dev/null
    grep '^\[INFO\] status: ' "$LOG" | tail -n 1 |
        grep -q "accepted $1, queued 0, starting [1-9][0-9]*, running 0,"
}

@test "a client sees the end of its connection as its handler closes it, though the supervisor hears of nothing" {
    start -vv --address 127.0.0.1 --dispatchers 2 0 cat
    local all
    mapfile -t all < <(dispatchers)
    kill -STOP "${all[@]}"
    echo hello | nc -N 127.0.0.1 "$PORT" >answer &
    local client=$!
    await status_is starting 1
    kill -STOP "$DAEMON"
    kill -CONT "${all[@]}"
    await is_gone "$client"
    kill -CONT "$DAEMON"
    wait "$client"
    [[ $(<answer) == hello ]]
    await status_is served 1
}

@test "clients whose exec fails come back, whoever is killed meanwhile, and are served later" {
    cp "$ANSWER" ./answer
    start -vv --address 127.0.0.1 --processes 8 --dispatchers 2 0 ./answer "$ANSWERS" "$COUNTER"
    mv answer gone
    "$BURST" "$ADDRESS" "$PORT" 60 >burst &
    local client=$! round
    await has_line 'cannot start a handler' "$LOG"
    for round in 1 2 3; do
        # shellcheck disable=SC2046
        kill_dispatchers $(ready_dispatchers)
        await has_ready_dispatchers 2
    done
    mv gone answer
    wait "$client"
    each_answered_once 60
    refute grep 'has not come back' "$LOG"
}

@test "a dispatcher that is stopped is woken when it has answered nothing for 10 s" {
    start -vv --address 127.0.0.1 --processes 1 --dispatchers 2 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    # The only handler that is allowed is in the hands of one of them.
    local stopped
    stopped=$(sed -n 's/.*dispatcher 0: ready, process //p' "$LOG")
    kill -STOP "$stopped"
    "$BURST" "$ADDRESS" "$PORT" 10 >burst
    each_answered_once 10
    refute grep -e 'has not answered' -e 'replacing it' "$LOG"
    is_alive "$stopped"
}

@test "a stopped dispatcher that owes nothing is woken when others wait for its handlers to end" {
    start -vv --address 127.0.0.1 --processes 1 --queue 0 0 bash -c 'echo started; read -r'
    connect_silently
    read -r -u "$CLIENT" _
    # shellcheck disable=SC2046
    kill -STOP $(ready_dispatchers)
    echo >&"$CLIENT"
    local first=$CLIENT
    connect_silently
    read -r -t 30 -u "$CLIENT" _
    exec {first}>&- {CLIENT}>&-
    refute grep 'replacing it' "$LOG"
}

@test "a dispatcher that dies is replaced, and the log says so" {
    start -vv --address 127.0.0.1 --dispatchers 3 0 /bin/cat
    local victim
    victim=$(ready_dispatchers | head -n 1)
    kill -KILL "$victim"
    await has_line "process $victim, was killed by signal 9: replacing it" "$LOG"
    await has_ready_dispatchers 3
}

has_ready_dispatchers() { [[ $(ready_dispatchers | wc -l) == "$1" ]]; }

@test "a dispatcher that keeps dying is replaced with growing delay" {
    start -vv --address 127.0.0.1 --dispatchers 2 0 /bin/cat
    local begin took line count=0
    begin=$(milliseconds)
    # As soon as there is one, for four seconds.
    while read -r line; do
        if [[ $line =~ dispatcher\ 0:\ ready,\ process\ ([0-9]+)$ ]]; then
            kill -KILL "${BASH_REMATCH[1]}" 2>/dev/null || true
            count=$((count + 1))
        fi
    done < <(timeout 4 tail -n +1 -f "$LOG")
    took=$(milliseconds_since "$begin")
    echo "$count in $took ms"
    ((count > 2))
    # 10 ms doubled five times is over the most, 250 ms.
    ((count <= 1 + 5 + (took - 310) / 250 + 1))
    await has_ready_dispatchers 2
    [[ $(echo hello | nc -N 127.0.0.1 "$PORT") == hello ]]
}

@test "dispatchers end with their supervisor, even if it is killed" {
    start --address 127.0.0.1 0 /bin/cat
    kill -KILL "$DAEMON"
    await nothing_is_left
}

group_of() { awk '{ print $5 }' "/proc/$1/stat"; }

@test "dispatchers have process groups of their own, and block what is sent to every process" {
    start --address 127.0.0.1 0 cat
    local process
    for process in $(dispatchers); do
        [[ $(group_of "$process") == "$process" ]]
        kill -TERM "$process"
        kill -INT "$process"
        kill -HUP "$process"
    done
    sleep 0.3
    refute grep 'replacing it' "$LOG"
}

# Of others it may be told a moment later that they are served.  After ten seconds it is woken.
holds_one_since() { status_is starting 1 || (($(milliseconds_since "$1") >= 10000)); }

@test "one that is stuck gets no more clients while others are not" {
    start -vv --address 127.0.0.1 --processes 8 --dispatchers 2 0 cat
    local stopped begin i
    stopped=$(sed -n 's/.*dispatcher 0: ready, process //p' "$LOG")
    begin=$(milliseconds)
    kill -STOP "$stopped"
    (close_descriptors; exec nc -N 127.0.0.1 "$PORT" <<<stuck >answer) &
    local client=$!
    await status_is starting 1
    for i in 1 2 3 4 5; do [[ $(echo hello | nc -N 127.0.0.1 "$PORT") == hello ]]; done
    await holds_one_since "$begin"
    kill -CONT "$stopped"
    wait "$client"
    [[ $(cat answer) == stuck ]]
}

@test "one that is stuck holds up only what it has, also when all have failed before" {
    cp "$ANSWER" handler
    start -v --address 127.0.0.1 --processes 8 --dispatchers 2 0 ./handler "$ANSWERS" "$COUNTER"
    local client stopped
    mv handler hidden
    "$BURST" "$ADDRESS" "$PORT" 20 >burst &
    client=$!
    await has_line 'cannot start a handler' "$LOG"
    mv hidden handler
    wait "$client"
    sleep 1.1 # for so long one is avoided that has failed
    for stopped in $(dispatchers); do
        kill -STOP "$stopped"
        "$BURST" -t 4000 "$ADDRESS" "$PORT" 100 >burst 2>/dev/null || true
        kill -CONT "$stopped"
        cat burst
        [[ $(<burst) =~ ^connected\ 100\ answered\ ([0-9]+)\ failed ]]
        ((BASH_REMATCH[1] >= 80))
        await status_is starting 0
    done
}

@test "draining does not wait for a stopped dispatcher whose handler has ended" {
    start -vv --address 127.0.0.1 --processes 1 0 bash -c 'echo started; read -r'
    connect_silently
    read -r -u "$CLIENT" _
    # shellcheck disable=SC2046
    kill -STOP $(ready_dispatchers)
    exec {CLIENT}>&-
    local before=$SECONDS
    stop TERM
    [[ $STATUS == 0 ]]
    ((SECONDS - before <= 8))
}
