#!/usr/bin/env bats
# Tests unix:PATH as PORT: the socket's file, permissions, and the environment of handlers.

load ../shared/helpers

# Connects to Unix socket $1 and writes what its handler shows to the file "state".
ask_state_of() { timeout 20 nc -NU "$1" </dev/null >state; }

answers_at() { [[ $(echo hello | timeout 20 nc -NU "$1") == hello ]]; }

# Leaves a socket file whose daemon was killed.
leave_stale() {
    start "unix:$1" cat
    kill -KILL "$DAEMON"
    finish
    await nothing_is_left
    [[ -S $1 ]]
}

@test "the daemon serves a Unix socket and shows its path when ready" {
    start -v "unix:$PWD/socket" cat
    [[ $(cat "$READY") == "unix:$PWD/socket" ]]
    grep -qxF "[INFO] listening on unix:$PWD/socket" "$LOG"
    answers_at socket
    await status_is served 1
    grep -Eq "started process [0-9]+ for unix process [0-9]+ user $(id -u), waited" "$LOG"
}

@test "the environment describes the Unix client and contains no variables of TCP" {
    export PROTO=TCP TCPREMOTEIP=192.0.2.1 IPCREMOTEEUID=4711 REMOTE_ADDR=192.0.2.1 IPCREMOTEPATH=/x
    start "unix:$PWD/socket" "$STATE"
    ask_state_of socket
    says "environment PROTO=IPC"
    says "environment IPCREMOTEEUID=$(id -u)"
    says "environment IPCREMOTEEGID=$(id -g)"
    says "environment IPCLOCALPATH=$PWD/socket"
    says "environment DAMPENER_TICKET=1"
    says "environment DAMPENER_RUNNING=1"
    (($(variable IPCREMOTEPID) > 1))
    refute grep -E '^environment (TCP|REMOTE_|IPCREMOTEPATH)|192\.0\.2\.1' state
    says "socket 0=1"
    says "blocking yes yes"
    says "descriptors 0 1 2"
}

@test "IPCREMOTEPID is the client's process" {
    start "unix:$PWD/socket" "$STATE"
    # shellcheck disable=SC2016
    sh -c 'echo $$ >client; exec nc -NU socket' </dev/null >state
    says "environment IPCREMOTEPID=$(cat client)"
}

@test "IPCREMOTEEUID and IPCREMOTEEGID are the user and group of a client of another user" {
    [[ $(id -u) == 0 ]] || skip "only root can become another user"
    open_to_others
    start --socket-mode 666 "unix:$BATS_TEST_TMPDIR/socket" "$STATE"
    run_as 65534 nc -NU "$BATS_TEST_TMPDIR/socket" </dev/null >state
    says "environment IPCREMOTEEUID=65534"
    says "environment IPCREMOTEEGID=65534"
}

@test "with --no-env the environment does not describe the Unix client" {
    start --no-env "unix:$PWD/socket" "$STATE"
    ask_state_of socket
    refute grep -E '^environment (PROTO|IPC|DAMPENER_[WQR])' state
}

@test "the daemon serves the longest path that a socket address allows, and shows all of it" {
    # Uses a relative path, because the path of this directory may be long already.
    local path
    path=$(printf '%0107d' 0)
    start "unix:$path" "$STATE"
    # Some clients refuse a path of that length, so the client uses a hard link.
    ln "$path" short
    ask_state_of short
    says "environment IPCLOCALPATH=$path"
    [[ $(cat "$READY") == "unix:$path" ]]
}

@test "a path may begin with @" {
    start "unix:@socket" cat
    [[ -S @socket ]]
    answers_at ./@socket
}

@test "permissions of the socket follow the umask, or --socket-mode if given" {
    (umask 027 && start "unix:first" cat && stat -c %a first >mode && stop) || return 1
    [[ $(cat mode) == 640 ]]
    umask 077
    start --socket-mode 606 "unix:second" "$STATE"
    [[ $(stat -c %a second) == 606 ]]
    # Handlers inherit the umask unchanged.
    ask_state_of second
    says "umask 077"
}

@test "--socket-mode 600 denies other users the socket" {
    [[ $(id -u) == 0 ]] || skip "only root can become another user"
    open_to_others
    start --socket-mode 600 "unix:$BATS_TEST_TMPDIR/socket" cat
    refute run_as 65534 nc -NU "$BATS_TEST_TMPDIR/socket" </dev/null
    answers_at socket
}

@test "--socket-owner gives the socket to a user and its group, or to another group" {
    [[ $(id -u) == 0 ]] || skip "only root can give files away"
    start --socket-mode 600 --socket-owner nobody "unix:first" cat
    [[ $(stat -c '%U %u %g %a' first) == "nobody $(id -u nobody) $(id -g nobody) 600" ]]
    stop
    start --socket-owner 4711:4712 "unix:second" cat
    [[ $(stat -c '%u %g' second) == "4711 4712" ]]
}

# Starts a daemon that gives away its socket, and replaces the socket with a hard link to file $1 before
# that.
give_another() {
    ((EUID == 0)) || skip "requires root"
    command -v strace >/dev/null || skip "strace is not installed"
    (
        close_descriptors
        # The leak checker cannot run in a traced process.
        ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0 exec strace -f -qq -o calls -e trace=bind \
            -e inject=bind:delay_exit=3000000 \
            "$DAMPENER" --socket-owner 65534 "unix:$PWD/socket" cat 2>"$LOG" </dev/null >/dev/null
    ) &
    local giver=$! ended=0
    await test -S socket
    ln -f "$1" socket
    await is_gone "$giver"
    wait "$giver" || ended=$?
    ((ended == 1))
    grep -q "^\[ERROR\] PORT: .*: cannot give the file to that owner, " "$LOG"
    [[ $(stat -c %u "$1") == 0 ]]
}

@test "a user who can write to the directory cannot make root give away another file" {
    : >victim
    give_another victim
}

@test "a user who can write to the directory cannot make root give away another socket" {
    nc -lU "$PWD/victim" 3>&- 4>&- &
    local listener=$!
    await test -S victim
    kill -KILL "$listener"
    wait "$listener" || true
    give_another victim
}

@test "--socket-owner shows an owner that does not exist, and leaves no socket" {
    run "$DAMPENER" --socket-owner no-such-user unix:socket cat
    [[ $status == 1 ]]
    [[ $output == "[ERROR] --socket-owner: 'no-such-user': there is no such user; "* ]]
    [[ ! -e socket ]]
}

@test "the daemon says that it cannot give the socket away, and leaves no socket" {
    [[ $(id -u) == 0 ]] || skip "only root can become another user"
    open_to_others
    install -d -o 65534 -g 65534 place
    run run_as 65534 "$DAMPENER" --socket-owner 0:0 "unix:$PWD/place/socket" cat
    [[ $status == 1 ]]
    [[ $output == *"[ERROR] PORT: '$PWD/place/socket': cannot give the file to that owner, "*"not permitted"* ]]
    [[ ! -e place/socket ]]
}

@test "the daemon replaces a socket without a listener, and logs that" {
    leave_stale "$PWD/socket"
    start -v "unix:$PWD/socket" cat
    answers_at socket
    grep -qxF "[INFO] PORT: removed '$PWD/socket', because no process listened on it" "$LOG"
}

@test "the daemon shows a socket that another process listens on, and leaves it alone" {
    start --processes 1 "unix:$PWD/socket" cat
    run timeout 20 "$DAMPENER" "unix:$PWD/socket" cat
    [[ $status == 1 ]]
    [[ ${lines[0]} == "[WARNING] PORT: '$PWD/socket' is in use: trying again for up to 2 s" ]]
    [[ ${lines[1]} == "[ERROR] PORT: '$PWD/socket': another process listens there" ]]
    ((${#lines[@]} == 2))
    answers_at socket
}

@test "the daemon takes a socket once its listener has ended" {
    start "unix:$PWD/socket" echo first
    start_after "PORT: '$PWD/socket'" "unix:$PWD/socket" cat
    answers_at socket
}

@test "the daemon does not replace a listener's socket whose backlog is full" {
    [[ $(id -u) == 0 ]] || skip "a network namespace needs root"
    # shellcheck disable=SC2016
    WRAPPER=(unshare --net sh -c 'echo 1 >/proc/sys/net/core/somaxconn; exec "$@"' sh)
    start --queue 0 "unix:$PWD/socket" sleep 600
    local client
    for client in 1 2 3; do
        exec 9< <(exec nc -U socket </dev/null 3>&- 4>&-)
    done
    await unix_backlog_is "$PWD/socket" 2 nsenter --target "$DAEMON" --net
    run timeout 20 "$DAMPENER" "unix:$PWD/socket" cat
    [[ $status == 1 ]]
    [[ $output == *"another process listens there"* ]]
    exec 9<&-
    stop INT
}

@test "the daemon shows a file that is no socket, and leaves it alone" {
    local path
    echo precious >file
    mkdir directory
    leave_stale "$PWD/socket"
    ln -s socket link
    for path in file directory link; do
        run timeout 20 "$DAMPENER" "unix:$PWD/$path" cat
        [[ $status == 1 ]]
        [[ $output == "[ERROR] PORT: '$PWD/$path': the file exists and is no socket; "* ]]
    done
    [[ $(cat file) == precious && -d directory && -S socket && -L link ]]
}

@test "the daemon shows the path of a socket whose directory is missing or not writable" {
    run "$DAMPENER" "unix:$PWD/missing/socket" cat
    [[ $status == 1 ]]
    [[ $output == "[ERROR] PORT: '$PWD/missing/socket': cannot listen there: No such file or directory" ]]
    [[ $(id -u) == 0 ]] || return 0
    open_to_others
    run run_as 65534 "$DAMPENER" "unix:$BATS_TEST_TMPDIR/socket" cat
    [[ $status == 1 ]]
    [[ $output == *"[ERROR] PORT: '$BATS_TEST_TMPDIR/socket': cannot listen there: Permission denied" ]]
}

@test "the daemon starts although another process keeps the name of the socket locked" {
    "$BUILD/tests/programs/clients/lock" .socket.lock >locked 3>&- 4>&- &
    local holder=$!
    await has_line locked locked
    start "unix:$PWD/socket" cat
    answers_at socket
    grep -q "^\[WARNING\] PORT: cannot lock '$PWD/socket': .*; going on" "$LOG"
    kill "$holder"
}

# Prints the processes in $@ that are alive.
alive() {
    local process
    for process; do
        if is_alive "$process"; then echo "$process"; fi
    done
}

one_is_left() { [[ $(alive "$@" | wc -l) == 1 ]]; }

@test "exactly one of several daemons that start at the same moment serves a stale socket" {
    leave_stale "$PWD/socket"
    local round number process processes
    for round in 1 2 3; do
        processes=()
        for number in 1 2 3 4; do
            (
                close_descriptors
                exec "$DAMPENER" -v "unix:$PWD/socket" cat 2>>"$LOG.$round" </dev/null >/dev/null
            ) &
            processes+=($!)
        done
        await one_is_left "${processes[@]}"
        await has_line "listening on" "$LOG.$round"
        answers_at socket
        [[ $(grep -c "another process listens there" "$LOG.$round") == 3 ]]
        process=$(alive "${processes[@]}")
        kill -KILL "$process"
        for process in "${processes[@]}"; do wait "$process" || true; done
        await nothing_is_left
    done
}

@test "a daemon cannot start while another daemon replaces a stale socket" {
    command -v strace >/dev/null || skip "strace is not installed"
    export ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0 # the leak checker cannot run in a traced process
    leave_stale "$PWD/socket"
    (
        close_descriptors
        exec strace -f -qq -o calls -e trace=connect,unlink,unlinkat \
            -e inject=unlink,unlinkat:delay_enter=500000 \
            "$DAMPENER" -v "unix:$PWD/socket" echo slow 2>"$LOG.slow" </dev/null >/dev/null
    ) &
    local slow=$!
    await has_line ECONNREFUSED calls
    run timeout 20 "$DAMPENER" "unix:$PWD/socket" echo fast
    [[ $status == 1 ]]
    [[ $output == *"[ERROR] PORT: '$PWD/socket': another process listens there" ]]
    [[ $(nc -NU socket </dev/null) == slow ]]
    kill -TERM "$(children "$slow" | cut -d " " -f 1)"
    wait "$slow"
}

@test "a draining daemon serves the clients in the backlog of its Unix socket, and refuses later clients" {
    start --queue 0 "unix:$PWD/socket" bash -c 'until [[ -e go ]]; do sleep 0.02; done; exec cat'
    "$BURST" -c "unix:$PWD/socket" 0 50 >burst &
    local client=$!
    await status_is running 1
    await unix_backlog_is "$PWD/socket" 49
    kill -TERM "$DAEMON"
    await refuses "$PWD/socket"
    touch go
    wait "$client"
    [[ $(cat burst) == "connected 50 answered 50 failed 0" ]]
    finish
    [[ $STATUS == 0 ]]
}

refuses() { [[ $(timeout 5 nc -NU "$1" </dev/null 2>&1) == *refused* ]]; }

@test "the next daemon can start at the same path while a daemon drains" {
    start "unix:$PWD/socket" bash -c 'until [[ -e go ]]; do sleep 0.02; done; echo first'
    local first=$DAEMON
    exec 9< <(exec nc -U socket </dev/null 3>&- 4>&-)
    await status_is running 1
    kill -TERM "$first"
    await refuses "$PWD/socket"
    start "unix:$PWD/socket" echo second
    [[ $(nc -NU socket </dev/null) == second ]]
    touch go
    [[ $(cat <&9) == first ]]
    exec 9<&-
    await is_gone "$first"
    [[ $(nc -NU socket </dev/null) == second ]]
}

@test "a draining daemon does not remove its successor's socket, even if both have the same inode number" {
    local number
    : >one
    number=$(stat -c %i one)
    rm one
    : >another
    [[ $(stat -c %i another) == "$number" ]] || skip "this file system does not reuse inode numbers"
    rm another
    # An unlinked socket loses its inode with its last descriptor.  This handler holds none, and neither
    # a listener nor a client is left.
    start "unix:$PWD/socket" bash -c 'exec <&- >&-; until [[ -e go ]]; do sleep 0.02; done'
    local first=$DAEMON
    nc -U socket </dev/null
    await status_is running 1
    kill -TERM "$first"
    await refuses "$PWD/socket"
    start "unix:$PWD/socket" echo second
    touch go
    await is_gone "$first"
    [[ $(nc -NU socket </dev/null) == second ]]
}

@test "a daemon whose start fails later leaves no socket" {
    start --address 127.0.0.1 --pid-file pid 0 cat
    run "$DAMPENER" --pid-file pid "unix:$PWD/socket" cat
    ((status == 1))
    [[ $output == *"[ERROR] --pid-file: already running: process $DAEMON holds pid" ]]
    [[ ! -e socket ]]
}

@test "the daemon serves and removes a Unix socket in a directory that is writable but not readable" {
    ((EUID == 0)) || skip "requires root"
    open_to_others
    mkdir drop
    chmod 333 drop
    WRAPPER=(setpriv --reuid=65534 --regid=65534 --clear-groups --)
    start "unix:$PWD/drop/socket" cat
    answers_at drop/socket
    [[ ! -s $LOG ]]
    stop
    [[ -z $(ls -A drop) ]]
}

@test "a daemon that has taken over removes the sockets and the pid file on exit" {
    local words
    for words in "" "--pid-file pid"; do
        # shellcheck disable=SC2086 # two words, or none
        start --control control $words "unix:$PWD/socket" cat
        local first=$DAEMON
        # shellcheck disable=SC2086
        start --takeover control --control control $words "unix:$PWD/socket" cat
        await is_gone "$first"
        answers_at socket
        stop
        [[ ! -e socket && ! -e control && ! -e pid ]]
    done
}

@test "the daemon serves 2,000 simultaneous clients of a Unix socket in order of arrival" {
    start "unix:$PWD/socket" "$ANSWER" "$ANSWERS" "$COUNTER"
    run "$BURST" "unix:$PWD/socket" 0 2000
    [[ $output == "connected 2000 answered 2000 failed 0" ]]
    diff <(seq 2000 | awk '{ print $1, $1 }') "$ANSWERS"
}

@test "--per-source counts all clients of one user as one source" {
    [[ $(id -u) == 0 ]] || skip "only root can become another user"
    open_to_others
    start --socket-mode 666 --processes 4 --per-source 1 "unix:$BATS_TEST_TMPDIR/socket" sleep 600
    local number clients=()
    for number in 1 2 3; do
        nc -U socket </dev/null >/dev/null 3>&- 4>&- &
        clients+=($!)
    done
    await status_says 'accepted 3' 'queued 2' 'running 1'
    run_as 65534 nc -U "$BATS_TEST_TMPDIR/socket" </dev/null >/dev/null 3>&- 4>&- &
    clients+=($!)
    await status_is running 2
    status_is sources 2
    stop INT
    wait "${clients[@]}" || true
}

@test "a refused client of a Unix socket receives the message even if it has sent much" {
    start -v --queue 0 --when-full refuse --busy-message 'come back later\n' \
        "unix:$PWD/socket" sleep 600
    exec 9< <(exec nc -U socket </dev/null 3>&- 4>&-)
    await status_is running 1
    run "$BURST" -b 100000 -m 'come back later\n' "unix:$PWD/socket" 0 20
    [[ $output == "connected 20 answered 0 refused 20 hungup 0 failed 0" ]]
    # The supervisor reads what the client sends until the client closes, because closing first would
    # cut off the message.
    exec 8< <({ echo first; sleep 2; } 3>&- 4>&- | nc -U socket 3>&- 4>&-)
    await status_is lingering 1
    exec 8<&-
    grep -Eq "^\[WARNING\] refused unix process [0-9]+ user $(id -u): the queue is full" "$LOG"
    exec 9<&-
    stop INT
}

@test "the daemon does not serve a client of a Unix socket that leaves while waiting" {
    start -v "unix:$PWD/socket" "$ANSWER" "$ANSWERS" "$COUNTER" 300
    run "$BURST" -h 10 "unix:$PWD/socket" 0 12
    [[ $output == "connected 12 answered 2 refused 0 hungup 10 failed 0" ]]
    await has_line "given up by unix process [0-9]* user $(id -u), waited" "$LOG"
    (($(status_of abandoned) > 0))
}

@test "with --abandon never a handler reads what a client sent before it left" {
    start --abandon never "unix:$PWD/socket" "$ANSWER" "$ANSWERS" "$COUNTER" 50
    run "$BURST" -h 4 "unix:$PWD/socket" 0 6
    [[ $output == "connected 6 answered 2 refused 0 hungup 4 failed 0" ]]
    await status_is served 6
    [[ $(sort "$ANSWERS") == $'1 1\n2 2\n3 3\n4 4\n5 5\n6 6' ]]
}

@test "the daemon refuses a path that is empty or too long, and shows the greatest length" {
    run "$DAMPENER" "unix:$(printf '%0108d' 0)" cat
    [[ $status == 2 && $output == *"of 107 bytes at most"* ]]
    run "$DAMPENER" unix: cat
    [[ $status == 2 && $output == *"of 107 bytes at most"* ]]
}

@test "unix:PATH as PORT excludes options of TCP, status 2" {
    local words
    for words in "--address 127.0.0.1" --ipv4 --ipv6 "--defer-accept 3" --reuse-port --free-bind \
        --nodelay "--bind-to-device lo" "--access-file x" "--allow all" "--deny all"; do
        # shellcheck disable=SC2086
        run "$DAMPENER" $words unix:socket cat
        [[ $status == 2 ]]
        [[ $output == "socket-burst-dampener: "*"${words%% *}"*": not with unix:PATH as PORT; see --help" ]]
        [[ ! -e socket ]]
    done
}

@test "--socket-mode and --socket-owner require unix:PATH as PORT, status 2" {
    local words place
    for place in 0 systemd; do
        for words in "--socket-mode 600" "--socket-owner nobody"; do
            # shellcheck disable=SC2086
            run "$DAMPENER" "$place" $words cat
            [[ $status == 2 ]]
            [[ $output == "socket-burst-dampener: ${words% *}: only with unix:PATH as PORT; see --help" ]]
        done
    done
}

@test "the socket's file disappears with the daemon" {
    local end
    for end in TERM INT; do
        start "unix:$PWD/socket" cat
        stop "$end"
        [[ ! -e socket ]]
    done
}
