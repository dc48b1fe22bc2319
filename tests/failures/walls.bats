#!/usr/bin/env bats
# A wall is the end of a resource.  Some come and go while the daemon serves; others stand at its start.

load ../shared/helpers
load ../shared/control
load ../shared/walls

is_long() { [[ -n ${DAMPENER_LONG:-} ]] || skip "scripts/check --long runs it"; }

@test "when dispatchers have no descriptors left, others replace them, and clients are served" {
    is_long
    wall_dispatchers_descriptors
    is_calm
    is_quiet 'cannot receive the descriptors'
}

@test "when the supervisor has no memory left, clients wait in the backlog, and none is lost" {
    wall_address_space
    is_calm
    is_quiet 'cannot accept connections'
}

@test "when too many descriptors are in flight to dispatchers, clients wait" {
    is_long
    wall_in_flight
    is_calm
    is_quiet 'cannot give a client'
}

@test "when the whole system has no descriptor left and a dispatcher dies, clients wait" {
    wall_files
    is_calm
    is_quiet 'cannot accept connections'
}

@test "when the supervisor has no epoll watch left and a dispatcher dies, clients wait" {
    is_long
    wall_watches
    is_calm
    is_quiet 'cannot accept connections'
}

@test "when the process table is full, clients wait, and the log counts failed starts in few lines" {
    wall_table
    is_calm
    is_quiet 'cannot start a handler'
    stop
    grep -q 'more starts failed, not logged one by one; handlers can be started again' "$LOG"
}

@test "handlers that exhaust the memory of a control group are killed and logged, and no other process is harmed" {
    wall_memory
}

@test "when the log's disk is full, service goes on, and no line is appended to a partial line" {
    wall_disk_log
    is_calm
}

@test "when the pid file's disk is full, the daemon says why, exits, and leaves no file" {
    wall_disk_pid_file
}

# ---- walls that stand at the start ----

@test "with few descriptors, the daemon serves, or says why not and exits with status 1" {
    walls_of_descriptors 4 6 10 13 17 21 22 23 24 40
    ((ENOUGH <= 23))
}

@test "with little memory for each process, the daemon serves, or says why not" {
    walls_of_memory 2048 3072 4096 5120 8192
}

@test "with few processes, the daemon serves, lets dispatchers give way to handlers, or says why not" {
    DISPATCHERS=4
    walls_of_processes 1 2 3 4 5 6 8
    ((ENOUGH == 5))
}

@test "with few processes in a control group, the daemon serves, or says why not" {
    is_long
    walls_of_table 1 2 4 5
}

has_state() { [[ $(awk '/^State:/ { print $2 }' "/proc/$1/status") == "$2" ]]; }

@test "with few processes, the successor of the only dispatcher does not give way" {
    unless_sanitized
    become_wall_user
    start --address 127.0.0.1 --dispatchers 1 --control control 0 ./answer "$ANSWERS" "$COUNTER"
    local dispatcher client
    dispatcher=$(dispatchers)
    limit_of "$dispatcher" nproc 1
    hold_dispatchers
    (close_descriptors; exec "$BURST" "$ADDRESS" "$PORT" 1 >burst) &
    client=$!
    await field_is starting 1
    # The supervisor must read two events at once: no process for a handler, and the dispatcher's death.
    kill -STOP "$(supervisor)"
    await has_state "$(supervisor)" T
    kill -CONT "$dispatcher"
    await has_state "$dispatcher" S
    kill -KILL "$dispatcher"
    kill -CONT "$DAEMON"
    await is_gone "$dispatcher" # the keeper has reaped it
    kill -CONT "$(supervisor)"
    await status_is served 1
    wait "$client"
    has_line 'cannot start a handler.*Resource temporarily unavailable' "$LOG"
}

@test "the room that a dispatcher makes for a handler is not taken by absent dispatchers" {
    unless_sanitized
    become_wall_user
    # Keeper, standby, supervisor and two dispatchers; all other dispatchers wait for a free process.
    WRAPPER+=(prlimit --nproc=5)
    start --address 127.0.0.1 --dispatchers 16 0 ./answer "$ANSWERS" "$COUNTER"
    await has_line 'cannot start dispatcher 15: Resource temporarily unavailable; trying again' "$LOG"
    [[ $("$BURST" -t 5000 "$ADDRESS" "$PORT" 1) == "connected 1 answered 1 failed 0" ]]
    (($(lines_like 'makes room for a handler') == 1))
}

@test "a start that fails leaves no process behind" {
    unless_sanitized
    become_wall_user
    # The limit allows keeper and standby, but no supervisor; then a supervisor, but no dispatcher.
    local processes what
    for processes in 2 3; do
        run "${WRAPPER[@]}" prlimit "--nproc=$processes" \
            "$DAMPENER" --address 127.0.0.1 --dispatchers 2 --pid-file pid 0 cat
        ((status == 1))
        what=$([[ $processes == 2 ]] && echo "create the supervisor" || echo "start even one dispatcher")
        [[ $output == *"cannot $what: Resource temporarily unavailable"* && ! -e pid ]]
        await wall_user_has_no_process || { ps -u "$WALL_USER" -o pid=,stat=,comm=; return 1; }
    done
}

wall_user_has_no_process() { [[ -z $(ps -u "$WALL_USER" -o pid=) ]]; }

# ---- limits of handlers ----

@test "handlers that cannot begin for lack of memory are logged, even if their own errors are discarded" {
    unless_sanitized
    start --address 127.0.0.1 --processes 4 --stderr null --limit as=1M 0 "$ANSWER" "$ANSWERS"
    "$BURST" "$ADDRESS" "$PORT" 20 >burst 2>complaints || true
    [[ $(cat burst) == "connected 20 answered 0 failed 20" ]]
    await status_is served 20
    (($(lines_like "ended with status 127: '$ANSWER', or a program that it runs, could not begin") == 5))
    stop
    has_line '15 more handlers ended like that' "$LOG"
}

@test "a handler that its limit kills is logged; one that its client or the daemon ends is not" {
    # shellcheck disable=SC2016
    start --address 127.0.0.1 --processes 4 --limit fsize=0 --timeout 3s --kill-after 100ms 0 \
        bash -c 'read -r what; case $what in
            1) kill -XFSZ $$ ;;
            2) kill -PIPE $$ ;;
            3) trap "" TERM; while sleep 1; do :; done ;;
            4) exit 3 ;;
        esac'
    "$BURST" "$ADDRESS" "$PORT" 4 >burst 2>complaints || true
    await status_is served 4
    has_line 'ticket 1: its handler, process [0-9]*, was killed by signal 25; its --limit is reached' "$LOG"
    (($(lines_like 'its handler') == 1))
}

@test "--ready-fd on a full pipe does not delay the service" {
    mkfifo pipe
    exec 8<>pipe
    dd if=/dev/zero of=pipe bs=4096 oflag=nonblock status=none 2>/dev/null || true
    (
        close_but 8
        exec "$DAMPENER" -v --address 127.0.0.1 --ready-fd 8 0 cat 2>>"$LOG" </dev/null
    ) &
    DAEMON=$!
    await has_line 'ready-fd: cannot write to it: Resource temporarily unavailable' "$LOG"
    PORT=$(sed -n 's/.*listening on .* port //p' "$LOG")
    exec 8>&-
    [[ $(echo hello | nc -N 127.0.0.1 "$PORT") == hello ]]
    count_descriptors
}

close_but() {
    local path
    for path in /proc/self/fd/*; do
        if ((${path##*/} > 2 && ${path##*/} != $1)); then eval "exec ${path##*/}>&-"; fi
    done 2>/dev/null
}
