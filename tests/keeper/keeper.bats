#!/usr/bin/env bats
# Tests what the keeper does when processes stop or die, itself included.

load ../shared/helpers

# The command line of a process, as ps(1) shows it.
title_of() { tr '\0' ' ' <"/proc/$1/cmdline" | sed 's/ *$//'; }

has_title() { [[ $(title_of "$1") == "$2" ]]; }

answers_hello() { [[ $(echo hello | timeout 20 nc -N 127.0.0.1 "$PORT") == hello ]]; }

cannot_connect() { ! nc -z 127.0.0.1 "$PORT" 2>/dev/null; }

# Starts with handlers that answer once the file "go" exists.
start_waiting() {
    # shellcheck disable=SC2016
    start -v --address 127.0.0.1 --processes 2 "$@" 0 \
        bash -c 'until [[ -e go ]]; do sleep 0.02; done; exec "$@"' bash "$ANSWER" "$ANSWERS" "$COUNTER" 20
}

# ---- names ----

@test "ps shows the role of each process, and which dispatcher it is" {
    start --address 127.0.0.1 --dispatchers 2 0 cat first 'second third'
    await has_title "$DAEMON" "socket-burst-dampener: keeper"
    [[ $(<"/proc/$DAEMON/comm") == socket-burst-da ]]
    has_title "$(supervisor)" "socket-burst-dampener: supervisor"
    local process index=0
    for process in $(dispatchers); do
        [[ $(title_of "$process") == "socket-burst-dampener: dispatcher $index serve text "*"/cat cat first second third" ]]
        index=$((index + 1))
    done
    ((index == 2))
}

@test "a title leaves the environment in /proc as it was" {
    ((EUID == 0)) || skip "only root sees the environment of a process that hides"
    start --address 127.0.0.1 0 cat
    local process
    for process in "$DAEMON" "$(supervisor)"; do
        tr '\0' '\n' <"/proc/$process/environ" | grep -qx "DAMPENER_TEST=$DAMPENER_TEST"
    done
}

# A session of its own would be an autogroup (sched(7)), whose share of the processor is not that of
# the daemon.
@test "every process that the keeper starts leaves the group it was started in, but not the session" {
    start --address 127.0.0.1 0 cat
    local process group session
    group=$(ps -o pgid= -p "$DAEMON")
    session=$(ps -o sid= -p "$DAEMON")
    for process in $(children "$DAEMON") "$(supervisor)"; do
        [[ $(ps -o pgid= -p "$process") != "$group" ]]
        [[ $(ps -o sid= -p "$process") == "$session" ]]
    done
}

# ---- signals ----

@test "SIGTERM to every process of the group counts as one" {
    WRAPPER=(setsid) # executes the daemon as the leader of a group
    start_waiting
    "$BURST" "$ADDRESS" "$PORT" 6 >burst &
    local client=$!
    await status_is accepted 6
    [[ $(ps -o pgid= -p "$DAEMON" | tr -d ' ') == "$DAEMON" ]]
    kill -TERM -- "-$DAEMON"
    await has_line 'ending: waiting for' "$LOG"
    touch go
    finish
    ((STATUS == 0)) # a second SIGTERM would have killed handlers
    wait "$client"
    [[ $(<burst) == "connected 6 answered 6 failed 0" ]]
}

@test "SIGTERM and SIGINT to supervisor and dispatchers alone change nothing" {
    start --address 127.0.0.1 0 cat
    local process
    for process in $(children "$DAEMON"); do
        kill -TERM "$process"
        kill -INT "$process"
    done
    answers_hello
    await status_is served 1
    stop
    ((STATUS == 0))
    [[ ! -s $LOG || $(grep -vc 'status: ' "$LOG") == 0 ]]
}

# ---- the keeper is killed ----

@test "after SIGKILL to the keeper, all waiting clients are served, and no other is accepted" {
    start_waiting --control control
    "$BURST" "$ADDRESS" "$PORT" 30 >burst &
    local client=$! supervisor
    await status_is accepted 30
    supervisor=$(supervisor)
    kill -KILL "$DAEMON"
    await has_line '^\[ERROR\] the keeper is dead: serving those who wait, and then ending$' "$LOG"
    await cannot_connect
    refute "$BUILD/dampenerctl" control status # a dead daemon's place may be taken
    is_alive "$supervisor"
    touch go
    wait "$client"
    [[ $(<burst) == "connected 30 answered 30 failed 0" ]]
    finish
    ((STATUS == 128 + 9))
    await nothing_is_left
}

@test "after SIGKILL to the keeper, an idle service ends at once" {
    start --address 127.0.0.1 0 cat
    answers_hello
    kill -KILL "$DAEMON"
    finish
    await nothing_is_left
}

@test "after SIGKILL to the keeper, only files are left, and the next start replaces them" {
    local arguments=(--pid-file "$PWD/pid" --control control "unix:$PWD/socket" cat)
    start "${arguments[@]}"
    local first=$DAEMON
    kill -KILL "$DAEMON"
    finish
    await nothing_is_left
    [[ $(<pid) == "$first" && -S socket && -S control ]]
    start "${arguments[@]}"
    [[ $(<pid) == "$DAEMON" ]]
    [[ $(echo hello | timeout 20 nc -NU socket) == hello ]]
    [[ $("$BUILD/dampenerctl" --json control status) == *"\"process\":$DAEMON,"* ]]
    stop
    ((STATUS == 0))
    [[ ! -e pid && ! -e socket && ! -e control ]]
}

@test "after SIGKILL to the keeper, the next daemon takes port, socket and pid file while clients of the first wait" {
    start_waiting --pid-file "$PWD/pid" --control control
    local clients port=$PORT
    "$BURST" "$ADDRESS" "$PORT" 5 >burst &
    clients=$!
    await status_is accepted 5
    kill -KILL "$DAEMON"
    finish
    start --address 127.0.0.1 --pid-file "$PWD/pid" --control control "$port" cat
    answers_hello
    [[ $(<pid) == "$DAEMON" ]]
    touch go
    wait "$clients"
    [[ $(<burst) == "connected 5 answered 5 failed 0" ]]
    [[ $(<pid) == "$DAEMON" && -S control ]]
}

@test "after SIGKILL to the keeper, SIGINT to the supervisor ends handlers" {
    make_noting_handler
    start --address 127.0.0.1 0 ./handler
    connect_silently
    read -r -u "$CLIENT" _
    local supervisor
    supervisor=$(supervisor)
    kill -KILL "$DAEMON"
    finish
    await has_line 'the keeper is dead' "$LOG"
    kill -INT "$supervisor"
    await is_gone "$supervisor"
    [[ $(<terminated) == 1 ]]
    await nothing_is_left
}

@test "after SIGKILL to the keeper, the supervisor does not wait for handlers of a dead dispatcher" {
    make_noting_handler
    start -vv --address 127.0.0.1 --dispatchers 1 0 ./handler
    connect_silently
    read -r -u "$CLIENT" _
    local handler
    handler=$(children "$(dispatchers)" | tr -d ' ')
    kill_dispatchers "$(dispatchers)"
    await has_line 'adopted process' "$LOG"
    kill -KILL "$DAEMON"
    finish
    await has_line 'the keeper is dead' "$LOG"
    await no_supervisor_is_left
    is_alive "$handler"
    kill -TERM "$handler"
    await nothing_is_left
}

no_supervisor_is_left() { ! processes_of_test | grep -q ': supervisor'; }

# ---- processes are stopped ----

are_ready() { (($(grep -c '^\[DEBUG\] dispatcher [01]: ready' "$LOG") >= $1)); }

@test "an idle dispatcher that stays stopped is killed after 10 s and replaced; one that is continued lives" {
    start -vv --address 127.0.0.1 --dispatchers 2 0 cat
    local all process begin=$SECONDS
    mapfile -t all < <(dispatchers)
    kill -STOP "${all[@]}"
    for process in "${all[@]}"; do await is_stopped "$process"; done
    kill -CONT "${all[1]}"
    await has_line "^\[WARNING\] dispatcher 0, process ${all[0]}, was stopped 10 s ago: killing it$" "$LOG"
    ((SECONDS - begin >= 9))
    await are_ready 3
    sleep 1 # the other one would have been killed by now, too
    is_alive "${all[1]}"
    answers_hello
    [[ $(grep -c 'was stopped' "$LOG") == 1 ]]
}

@test "a dispatcher that is stopped while it starts is killed after 10 s and replaced" {
    local reason
    reason=$(no_tracer)
    if [[ -n $reason ]]; then skip "$reason"; fi
    start -vv --address 127.0.0.1 --dispatchers 2 0 cat
    # Stops each process that begins a program, before its first instruction.
    trace "$DAEMON" -e trace=execve,execveat -e inject=execve,execveat:signal=STOP
    local first stopped
    first=$(dispatchers | head -n 1)
    kill_dispatchers "$first"
    await has_dispatchers 2
    stopped=$(dispatchers | tail -n 1)
    await has_line "^$stopped .*stopped by SIGSTOP" traced
    end_trace
    await is_stopped "$stopped"
    answers_hello # the other one serves
    await has_line "dispatcher 0, process $stopped, .* 10 s.*: killing it$" "$LOG"
    await are_ready 3
    await is_gone "$stopped"
    answers_hello
}

is_dead() { grep -q '^State:.Z' "/proc/$1/status"; }

@test "a stopped keeper delays no client; a dispatcher that died meanwhile is replaced once the keeper goes on" {
    start -vv --address 127.0.0.1 --dispatchers 2 0 cat
    kill -STOP "$DAEMON"
    await is_stopped "$DAEMON"
    local first
    answers_hello
    answers_hello
    first=$(dispatchers | head -n 1)
    kill -KILL "$first"
    "$BURST" -c "$ADDRESS" "$PORT" 10 >burst &
    local client=$!
    await is_dead "$first"
    kill -CONT "$DAEMON"
    await has_line "process $first, was killed by signal 9: replacing it" "$LOG"
    await are_ready 3
    wait "$client"
    [[ $(<burst) == "connected 10 answered 10 failed 0" ]]
}

# ---- what the keeper does not do ----

@test "the keeper holds no connection" {
    start_waiting
    "$BURST" "$ADDRESS" "$PORT" 30 >burst &
    local client=$!
    await status_is accepted 30
    (($(open_descriptors "$DAEMON") <= KEPT_DESCRIPTORS))
    touch go
    wait "$client"
}
