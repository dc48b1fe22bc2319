#!/usr/bin/env bats
# Tests handlers that run too long, and the processes that they leave.

load ../shared/helpers


# Connects and waits for the handler's first line, which becomes SAID.
connect_served() {
    connect_silently
    read -r -t 20 -u "$CLIENT" SAID
}

# Waits until the connection at descriptor $1 ends.
wait_for_end() { timeout 30 cat <&"$1" >/dev/null; }

# took BEGIN LEAST: at least LEAST milliseconds have passed since BEGIN, and less than five seconds
# more.  A loaded machine may need that time to start a handler and to notice its end.
took() {
    local passed=$(($(milliseconds) - $1))
    echo "took $passed ms"
    ((passed >= $2 && passed < $2 + 5000))
}

is_served() { status_is served "$1"; }

# Writes a handler with two more processes in its group, which all hold the connection.  Each word makes
# a process stubborn (it ignores SIGTERM) or gentle.  The handler writes its process number and the
# other two.
make_family() {
    cat >family <<'HANDLER'
#!/bin/bash
member() {
    if [[ $1 == stubborn ]]; then trap "" TERM; else trap - TERM; fi
    exec sleep 1000
}
member "$2" & one=$!
member "$3" & two=$!
if [[ $1 == stubborn ]]; then trap "" TERM; fi
echo "$$ $one $two"
read -r <&0
HANDLER
    chmod +x family
}

# Requires that the connection ends at least $2 ms after time $1 and not much later, and that $3 clients
# have been served then.
is_cut_off() {
    wait_for_end "$CLIENT"
    took "$1" "$2"
    await is_served "$3"
}

@test "a handler that ignores SIGTERM is killed after --kill-after with its whole group" {
    make_family
    start -v --address 127.0.0.1 --timeout 2 --kill-after 4 0 ./family stubborn gentle stubborn
    local begin
    begin=$(milliseconds)
    connect_served
    local members first=$CLIENT
    read -r -a members <<<"$SAID"
    connect_silently # waits for the first handler
    await status_is queued 1
    await is_gone "${members[1]}"
    took "$begin" 1950
    is_alive "${members[0]}"
    is_alive "${members[2]}"
    status_is running 1
    wait_for_end "$first"
    took "$begin" 5950
    await is_gone "${members[0]}"
    await is_gone "${members[2]}"
    # The next client is served at once.
    read -r -t 20 -u "$CLIENT" SAID
    took "$begin" 5950
    is_served 1
    grep -q "^\[WARNING\] ticket 1: process ${members[0]} has run for too long: sending SIGTERM to its group" "$LOG"
    grep -q "^\[WARNING\] ticket 1: process ${members[0]} has run for too long: sending SIGKILL to its group" "$LOG"
    grep -q "ticket 1: ended process ${members[0]} .*killed by signal 9" "$LOG"
}

@test "a handler that SIGTERM ends frees its place at once" {
    start -v --address 127.0.0.1 --timeout 2 --kill-after 1h 0 \
        bash -c 'echo started; exec sleep 1000'
    local begin
    begin=$(milliseconds)
    connect_served
    connect_served
    took "$begin" 1950
    is_served 1
    is_cut_off "$begin" 3950 2
    [[ $(grep -c 'SIGTERM to its group' "$LOG") == 2 ]]
    refute grep -q SIGKILL "$LOG"
    [[ $(grep -c 'ended process .*killed by signal 15' "$LOG") == 2 ]]
}

@test "a process of the group that ignores SIGTERM keeps the handler's place until it is killed" {
    make_family
    start -v --address 127.0.0.1 --timeout 2 --kill-after 4 0 ./family gentle stubborn gentle
    local begin members
    begin=$(milliseconds)
    connect_served
    read -r -a members <<<"$SAID"
    connect_silently
    await has_line "ticket 1: ended process ${members[0]} .*killed by signal 15" "$LOG"
    took "$begin" 1950
    # The leader of the group has ended, and one process is left.
    is_alive "${members[1]}"
    status_says 'queued 1' 'running 1' 'served 0'
    read -r -t 20 -u "$CLIENT" SAID
    took "$begin" 5950
    await is_gone "${members[1]}"
    status_is served 1
    grep -q "ticket 1: process ${members[0]} has run for too long: sending SIGKILL to its group" "$LOG"
}

@test "processes of the group that end soon after the handler free its place before SIGKILL" {
    # shellcheck disable=SC2016
    start -v --address 127.0.0.1 --timeout 2 --kill-after 1h 0 bash -c '
        bash -c "trap \"sleep 3; exit\" TERM; echo started; while :; do sleep 0.05; done" &
        wait'
    local begin
    begin=$(milliseconds)
    connect_served
    connect_silently
    await has_line 'ticket 1: ended process' "$LOG"
    status_is running 1
    read -r -t 20 -u "$CLIENT" SAID
    took "$begin" 4950
    status_is served 1
    refute grep -q SIGKILL "$LOG"
    stop INT # the second handler may run for an hour
}

@test "a process that has left the handler's group is left alone" {
    # shellcheck disable=SC2016
    start -v --address 127.0.0.1 --timeout 2 --kill-after 300ms 0 bash -c '
        trap "" TERM
        setsid bash -c "echo \$\$ >daemon; exec sleep 1000" </dev/null >/dev/null 2>&1 &
        until [[ -s daemon ]]; do sleep 0.01; done
        echo started
        read -r'
    connect_served
    wait_for_end "$CLIENT"
    await is_served 1
    is_alive "$(cat daemon)"
    kill -KILL "$(cat daemon)"
}

@test "a process that leaves the group at SIGTERM frees the handler's place after --kill-after" {
    # No signal tells that the group is empty then.
    # shellcheck disable=SC2016
    start -v --address 127.0.0.1 --timeout 2 --kill-after 1 0 bash -c '
        bash -c "trap \"sleep 0.5; exec setsid sleep 1000\" TERM; echo \$\$; while :; do sleep 0.1; done" &
        wait'
    local begin first
    begin=$(milliseconds)
    connect_served
    first=$SAID
    connect_served # the status would have the keeper look, too
    took "$begin" 2950
    is_alive "$first"
    await is_served 2
    kill -KILL "$first" "$SAID"
}

@test "a process that a handler leaves in its group when it ends in time is left alone" {
    # The first handler leaves a process, and the second runs until the time of both is over.
    # shellcheck disable=SC2016
    start -v --address 127.0.0.1 --timeout 2 --kill-after 0 0 bash -c '
        if [[ -e left ]]; then exec sleep 1000; fi
        sleep 1000 </dev/null >/dev/null 2>&1 & echo $! >left'
    connect_silently
    wait_for_end "$CLIENT"
    connect_silently
    wait_for_end "$CLIENT"
    await is_served 2
    is_alive "$(cat left)"
    kill -KILL "$(cat left)"
    refute grep -q 'ticket 1: .*too long' "$LOG"
    grep -q 'ticket 2: .*too long' "$LOG"
}

@test "handlers that end in time get no signal" {
    start -v --address 127.0.0.1 --processes 20 --timeout 5 --kill-after 0 0 \
        "$ANSWER" "$ANSWERS" "$COUNTER" 100
    "$BURST" "$ADDRESS" "$PORT" 100 >burst
    [[ $(cat burst) == "connected 100 answered 100 failed 0" ]]
    refute grep -q 'too long' "$LOG"
    # A pending time-out does not outlast its handler.
    await status_is served 100
}

@test "200 handlers that never end, 50 at a time, are all ended in time" {
    start -v --address 127.0.0.1 --processes 50 --timeout 500ms 0 sleep 1000
    local begin
    begin=$(milliseconds)
    "$BURST" "$ADDRESS" "$PORT" 200 >burst 2>/dev/null || true
    local passed=$(($(milliseconds) - begin))
    echo "took $passed ms"
    ((passed >= 1950 && passed < 30000))
    [[ $(cat burst) == "connected 200 answered 0 failed 200" ]]
    await is_served 200
    status_is running 0
    [[ $(grep -c 'SIGTERM to its group' "$LOG") == 200 ]]
    refute grep -q 'SIGKILL' "$LOG"
    # The log shows when the daemon noticed each end.
    local times
    times=$(sed -n 's/.*ended process .* ran \([0-9.]*\) s, killed by signal 15.*/\1/p' "$LOG" | sort -n)
    echo "ran from $(head -n 1 <<<"$times") to $(tail -n 1 <<<"$times") s"
    [[ $(wc -l <<<"$times") == 200 ]]
    awk '$1 < 0.5 || $1 > 5.5 { exit 1 }' <<<"$times"
}

@test "--kill-after 0 sends SIGKILL right after SIGTERM" {
    make_family
    start -v --address 127.0.0.1 --timeout 2 --kill-after 0 0 ./family stubborn stubborn stubborn
    local begin
    begin=$(milliseconds)
    connect_served
    is_cut_off "$begin" 1950 1
    grep -q 'ended process .*killed by signal 9' "$LOG"
}

adopted() { grep -q "ticket $1: adopted process" "$LOG"; }

@test "--timeout continues when the handler's dispatcher dies" {
    make_family
    start -vv --address 127.0.0.1 --timeout 2 --kill-after 4 0 ./family stubborn gentle stubborn
    local begin members
    begin=$(milliseconds)
    connect_served
    read -r -a members <<<"$SAID"
    # shellcheck disable=SC2046
    kill -KILL $(dispatchers)
    await adopted 1
    await is_gone "${members[1]}"
    took "$begin" 1950
    is_alive "${members[0]}"
    is_cut_off "$begin" 5950 1
    grep -q 'ticket 1: ended process .*killed by signal 9' "$LOG"
}

@test "a dispatcher that dies between SIGTERM and SIGKILL does not change the time-out" {
    make_family
    start -vv --address 127.0.0.1 --timeout 2 --kill-after 4 0 ./family stubborn gentle stubborn
    local begin
    begin=$(milliseconds)
    connect_served
    await has_line 'SIGTERM to its group' "$LOG"
    # shellcheck disable=SC2046
    kill -KILL $(dispatchers)
    await adopted 1
    is_cut_off "$begin" 5950 1
}

@test "the keeper sends SIGTERM if the handler's dispatcher dies before it does" {
    make_noting_handler
    start -vv --address 127.0.0.1 --dispatchers 1 --timeout 2 --kill-after 100 0 ./handler
    connect_silently
    read -r -u "$CLIENT" _
    local dispatcher
    dispatcher=$(dispatchers)
    kill -STOP "$dispatcher"
    await has_line 'SIGTERM to its group' "$LOG"
    [[ ! -e terminated ]] # the dispatcher has the request
    kill -KILL "$dispatcher"
    await has_content terminated
    await is_served 1
    has_lines 1 terminated
}

@test "20 handlers whose time is over end even if all dispatchers die at that moment" {
    make_family
    start -vv --address 127.0.0.1 --dispatchers 2 --processes 0 --timeout 3 --kill-after 1 0 \
        ./family stubborn stubborn gentle
    local i clients=()
    for ((i = 0; i < 20; i++)); do
        connect_served
        clients+=("$CLIENT")
    done
    await has_line 'SIGTERM to its group' "$LOG"
    # shellcheck disable=SC2046
    kill -KILL $(dispatchers)
    for i in "${clients[@]}"; do wait_for_end "$i"; done
    await is_served 20
    [[ $(grep -c 'ended process' "$LOG") == 20 ]]
}

@test "--timeout ends handlers of another user, even after their dispatcher has died" {
    [[ $(id -u) == 0 ]] || skip "requires root"
    open_to_others
    make_family
    local options=(--user nobody --supervisor-user 71000:71000)
    start -vv --address 127.0.0.1 --timeout 4 --kill-after 1 "${options[@]}" 0 \
        bash family stubborn gentle stubborn
    local begin
    begin=$(milliseconds)
    connect_served
    is_cut_off "$begin" 4950 1
    begin=$(milliseconds)
    connect_served
    # shellcheck disable=SC2046
    kill -KILL $(dispatchers)
    await adopted 2
    is_cut_off "$begin" 4950 2
}

@test "--timeout ends handlers in --chroot, even after their dispatcher has died" {
    [[ $(id -u) == 0 ]] || skip "requires root"
    make_root_with sleep "$(command -v sleep)"
    start -vv --address 127.0.0.1 --timeout 4 --chroot root 0 /bin/sleep 1000
    local begin
    begin=$(milliseconds)
    connect_silently
    is_cut_off "$begin" 3950 1
    begin=$(milliseconds)
    connect_silently
    await has_line 'ticket 2: started' "$LOG"
    # shellcheck disable=SC2046
    kill -KILL $(dispatchers)
    await adopted 2
    is_cut_off "$begin" 3950 2
}

@test "root's dispatchers end handlers that have changed their user themselves" {
    [[ $(id -u) == 0 ]] || skip "requires root"
    make_family
    start -vv --address 127.0.0.1 --timeout 2 --kill-after 1 0 \
        setpriv --reuid=71001 --regid=71001 --clear-groups bash family stubborn gentle stubborn
    local begin
    begin=$(milliseconds)
    connect_served
    is_cut_off "$begin" 2950 1
}

@test "a handler whose time is over does not disturb other handlers" {
    make_family
    # A handler that reads "family" never ends; others answer with their line.
    # shellcheck disable=SC2016
    start -v --address 127.0.0.1 --dispatchers 1 --processes 3 --timeout 4 --kill-after 500ms 0 \
        bash -c 'read -r line; if [[ $line == family ]]; then exec ./family stubborn stubborn stubborn; fi
                 echo "$line"'
    connect_silently
    echo family >&"$CLIENT"
    read -r -t 20 -u "$CLIENT" SAID
    local first=$CLIENT
    # Other clients come and go meanwhile.
    until grep -q 'SIGKILL to its group' "$LOG"; do
        [[ $(echo hello | nc -N 127.0.0.1 "$PORT") == hello ]]
    done
    wait_for_end "$first"
    await has_line 'ended process .*killed by signal 9' "$LOG"
    [[ $(grep -c 'too long' "$LOG") == 2 ]]
    [[ $(grep 'ended process' "$LOG" | grep -vc 'status 0') == 1 ]]
}

@test "the daemon counts each client once, and a handler that --timeout ends as served" {
    make_family
    start -v --address 127.0.0.1 --processes 4 --timeout 3 --kill-after 300ms 0 \
        ./family gentle stubborn gentle
    local i clients=()
    for ((i = 0; i < 4; i++)); do
        connect_served
        clients+=("$CLIENT")
    done
    for i in "${clients[@]}"; do wait_for_end "$i"; done
    await is_served 4
    status_is accepted 4
    status_is running 0
    status_is dropped 0
    status_is abandoned 0
}

@test "after SIGTERM the daemon waits for a handler between SIGTERM and SIGKILL, status 0" {
    make_family
    start -v --address 127.0.0.1 --timeout 2 --kill-after 1 0 ./family gentle stubborn gentle
    local begin
    begin=$(milliseconds)
    connect_served
    connect_silently # a handler starts for this client before the drain ends, and is ended too
    await has_line 'SIGTERM to its group' "$LOG"
    stop TERM
    took "$begin" 5950
    [[ $STATUS == 0 ]]
    await nothing_is_left
    [[ $(grep -c 'SIGKILL to its group' "$LOG") == 2 ]]
}

@test "a drain still ends handlers that run too long" {
    start -v --address 127.0.0.1 --timeout 2 0 bash -c 'echo started; exec sleep 1000'
    local begin
    begin=$(milliseconds)
    connect_served
    stop TERM
    took "$begin" 1950
    [[ $STATUS == 0 ]]
}

@test "--drain-timeout ends a group whose leader has ended and whose rest ignores SIGTERM" {
    make_family
    start -v --address 127.0.0.1 --drain-timeout 300ms 0 ./family gentle stubborn gentle
    local begin members
    begin=$(milliseconds)
    connect_served
    read -r -a members <<<"$SAID"
    kill -TERM "$DAEMON"
    await has_line "ended process ${members[0]} .*killed by signal 15" "$LOG"
    is_alive "${members[1]}"
    finish
    took "$begin" 5250
    [[ $STATUS == 1 ]]
    await nothing_is_left
}

@test "a second SIGTERM ends at once the rest of a group that --timeout has left" {
    make_family
    start -v --address 127.0.0.1 --timeout 2 --kill-after 1h 0 ./family gentle stubborn gentle
    connect_served
    await has_line 'ended process .*killed by signal 15' "$LOG"
    status_is running 1
    kill -TERM "$DAEMON"
    await has_line 'ending: waiting for 0 clients in the queue and 1 handlers' "$LOG"
    local begin
    begin=$(milliseconds)
    stop TERM
    took "$begin" 0
    [[ $STATUS == 1 ]]
    await nothing_is_left
}
