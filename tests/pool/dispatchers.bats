#!/usr/bin/env bats
# Tests that clients do not notice when dispatchers die, stop or continue.

load ../shared/helpers

# Prints the process that was ready last in each place of the pool.  A child of the daemon that is named
# "dispatcher" may also be a handler just before its exec.
ready_dispatchers() {
    local process
    while read -r process; do
        if [[ $(cat "/proc/$process/comm" 2>/dev/null) == dispatcher ]]; then echo "$process"; fi
    done < <(sed -n 's/^\[DEBUG\] dispatcher \([0-9]*\): ready, process \([0-9]*\)$/\1 \2/p' "$LOG" |
        awk '{ last[$1] = $2 } END { for (i in last) print last[i] }')
}

# Kills dispatchers one after another while process $1, the client, is alive; sets KILLED.
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
    # Each line is a ticket and the number that its client sent; both are equal here.
    diff <(seq "$1" | awk '{ print $1, $1 }') <(sort -n "$ANSWERS")
}

@test "every client gets exactly one answer while dispatchers are killed one after another" {
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

@test "every client gets exactly one answer while all dispatchers are killed together, many times" {
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

@test "a handler outlives its dispatcher, and the daemon notices when the handler ends" {
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

@test "three unread exits that a dispatcher reported before its death still count" {
    # shellcheck disable=SC2016 # the handler expands it
    start -vv --address 127.0.0.1 --processes 3 --dispatchers 1 0 \
        bash -c 'echo started; read -r; exit "$REPLY"'
    local dispatcher supervisor clients=() i
    dispatcher=$(ready_dispatchers)
    supervisor=$(supervisor)
    for i in 1 2 3; do
        connect_silently
        read -r -t 20 -u "$CLIENT" _
        clients+=("$CLIENT")
    done
    await status_is running 3
    kill -STOP "$supervisor"
    await is_stopped "$supervisor"
    # The dispatcher reports each exit in a packet of its own.
    for i in 1 2 3; do
        echo "$((40 + i))" >&"${clients[i - 1]}"
        await has_children "$dispatcher" "$((3 - i))"
        await is_asleep "$dispatcher"
    done
    kill -KILL "$dispatcher"
    await is_gone "$dispatcher"
    kill -CONT "$supervisor"
    await status_is served 3
    for i in 1 2 3; do
        grep -q "ticket $i: ended process .* status $((40 + i))," "$LOG"
    done
    for CLIENT in "${clients[@]}"; do exec {CLIENT}>&-; done
    await has_ready_dispatchers 1
}

@test "a stopped dispatcher delays only the clients that it holds" {
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

# At most half of the 8 clients in progress are with the stopped dispatcher.
all_but_few_are_served() { (($(status_of served) >= 196)); }

@test "a stopped dispatcher that is killed gives back its clients" {
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

# Only the stopped dispatcher has clients left once no client waits or runs.
all_have_been_tried() {
    status_of accepted >/dev/null
    grep '^\[INFO\] status: ' "$LOG" | tail -n 1 |
        grep -q "accepted $1, queued 0, starting [1-9][0-9]*, running 0,"
}

@test "a client sees the end of its connection when its handler closes it, even if the supervisor is stopped" {
    start -vv --address 127.0.0.1 --dispatchers 2 0 cat
    local all supervisor
    mapfile -t all < <(dispatchers)
    supervisor=$(supervisor)
    kill -STOP "${all[@]}"
    echo hello | nc -N 127.0.0.1 "$PORT" >answer &
    local client=$!
    await status_is starting 1
    kill -STOP "$supervisor"
    kill -CONT "${all[@]}"
    await is_gone "$client"
    kill -CONT "$supervisor"
    wait "$client"
    [[ $(<answer) == hello ]]
    await status_is served 1
}

@test "clients whose exec fails come back and are served later, even if dispatchers are killed meanwhile" {
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

@test "a dispatcher that has been stopped for 10 s is killed, and others serve its clients" {
    start -vv --address 127.0.0.1 --processes 1 --dispatchers 2 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    # One of the two dispatchers holds the only handler allowed.
    local stopped
    stopped=$(sed -n 's/.*dispatcher 0: ready, process //p' "$LOG")
    kill -STOP "$stopped"
    "$BURST" "$ADDRESS" "$PORT" 10 >burst
    each_answered_once 10
    is_gone "$stopped"
    await has_ready_dispatchers 2
}

@test "a stopped dispatcher that owes no answer is killed as well, because it does not report exits" {
    start -vv --address 127.0.0.1 --processes 1 --queue 0 --dispatchers 2 0 bash -c 'echo started; read -r'
    connect_silently
    read -r -u "$CLIENT" _
    local stopped first=$CLIENT
    mapfile -t stopped < <(ready_dispatchers)
    kill -STOP "${stopped[@]}"
    echo >&"$first"
    connect_silently
    read -r -t 30 -u "$CLIENT" _
    exec {first}>&- {CLIENT}>&-
    [[ $(grep -c 'was stopped 10 s ago: killing it$' "$LOG") == 2 ]]
    await status_is served 2
    await has_ready_dispatchers 2
}

@test "a dispatcher that is stopped and soon continued is not killed" {
    start -vv --address 127.0.0.1 --dispatchers 2 0 cat
    local stopped
    mapfile -t stopped < <(ready_dispatchers)
    kill -STOP "${stopped[@]}"
    await is_stopped "${stopped[0]}"
    sleep 1
    kill -CONT "${stopped[@]}"
    sleep 10
    refute grep 'killing it' "$LOG"
    is_alive "${stopped[0]}"
    is_alive "${stopped[1]}"
}

@test "a dispatcher that dies is replaced, and the log shows that" {
    start -vv --address 127.0.0.1 --dispatchers 3 0 /bin/cat
    local victim
    victim=$(ready_dispatchers | head -n 1)
    kill -KILL "$victim"
    await has_line "process $victim, was killed by signal 9: replacing it" "$LOG"
    await has_ready_dispatchers 3
}

has_ready_dispatchers() { [[ $(ready_dispatchers | wc -l) == "$1" ]]; }

@test "a dispatcher that keeps dying is replaced with a growing delay" {
    start -vv --address 127.0.0.1 --dispatchers 2 0 /bin/cat
    local begin took line count=0
    begin=$(milliseconds)
    # Kills each new dispatcher as soon as it is ready, for four seconds.
    while read -r line; do
        if [[ $line =~ dispatcher\ 0:\ ready,\ process\ ([0-9]+)$ ]]; then
            kill -KILL "${BASH_REMATCH[1]}" 2>/dev/null || true
            count=$((count + 1))
        fi
    done < <(timeout 4 tail -n +1 -f "$LOG")
    took=$(milliseconds_since "$begin")
    echo "$count in $took ms"
    ((count > 2))
    # 10 ms doubled five times exceed the longest delay, 250 ms.
    ((count <= 1 + 5 + (took - 310) / 250 + 1))
    await has_ready_dispatchers 2
    [[ $(echo hello | nc -N 127.0.0.1 "$PORT") == hello ]]
}

@test "dispatchers end with the keeper, even after SIGKILL to it alone or with the supervisor and the standby" {
    local victims
    for victims in keeper all; do
        start --address 127.0.0.1 0 /bin/cat
        # shellcheck disable=SC2046
        if [[ $victims == all ]]; then
            kill -KILL "$DAEMON" $(standby) $(supervisor)
        else
            kill -KILL "$DAEMON"
        fi
        await nothing_is_left
        wait "$DAEMON" || true
    done
}

group_of() { awk '{ print $5 }' "/proc/$1/stat"; }

@test "dispatchers have process groups of their own and block signals sent to every process" {
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

# Succeeds if only the stuck client is starting, or if the dispatcher has been killed after ten seconds.
holds_one_since() { status_is starting 1 || (($(milliseconds_since "$1") >= 10000)); }

@test "a stuck dispatcher gets no more clients while other dispatchers answer" {
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
    kill -CONT "$stopped" || true
    wait "$client"
    [[ $(cat answer) == stuck ]]
}

@test "a stuck dispatcher delays only its own clients, even if starts at all dispatchers failed before" {
    cp "$ANSWER" handler
    start -v --address 127.0.0.1 --processes 8 --dispatchers 2 0 ./handler "$ANSWERS" "$COUNTER"
    local client stopped
    mv handler hidden
    "$BURST" "$ADDRESS" "$PORT" 20 >burst &
    client=$!
    await has_line 'cannot start a handler' "$LOG"
    mv hidden handler
    wait "$client"
    sleep 1.1 # the pool avoids a dispatcher for a second after a failed start
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

@test "a drain ends once a stopped dispatcher whose handler has ended is killed" {
    start -vv --address 127.0.0.1 --processes 1 0 bash -c 'echo started; read -r'
    connect_silently
    read -r -u "$CLIENT" _
    # shellcheck disable=SC2046
    kill -STOP $(ready_dispatchers)
    exec {CLIENT}>&-
    local before=$SECONDS
    stop TERM
    [[ $STATUS == 0 ]]
    ((SECONDS - before <= 15))
}
