#!/usr/bin/env bats
# unix:PATH as PORT: the file of the socket, who may connect, and what handlers are told.

load ../shared/helpers

# The state of a handler of one connection to a Unix socket, in the file "state".
ask_state_of() { timeout 20 nc -NU "$1" </dev/null >state; }

answers_at() { [[ $(echo hello | timeout 20 nc -NU "$1") == hello ]]; }

# A socket that nobody listens on any more, nor has anybody removed it.
leave_stale() {
    start "unix:$1" cat
    kill -KILL "$(janitor)" "$DAEMON"
    finish
    await nothing_is_left
    [[ -S $1 ]]
}

@test "a Unix socket is served, and named when serving begins" {
    start -v "unix:$PWD/socket" cat
    [[ $(cat "$READY") == "unix:$PWD/socket" ]]
    grep -qxF "[INFO] listening on unix:$PWD/socket" "$LOG"
    answers_at socket
    await status_is served 1
    grep -Eq "started process [0-9]+ for unix process [0-9]+ user $(id -u), waited" "$LOG"
}

@test "the environment names the client of a Unix socket, and nothing of TCP" {
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

@test "the process in the environment is the one that has connected" {
    start "unix:$PWD/socket" "$STATE"
    # shellcheck disable=SC2016
    sh -c 'echo $$ >client; exec nc -NU socket' </dev/null >state
    says "environment IPCREMOTEPID=$(cat client)"
}

@test "a client that is another user is named as that one" {
    [[ $(id -u) == 0 ]] || skip "only root can be somebody else"
    open_to_others
    start --socket-mode 666 "unix:$BATS_TEST_TMPDIR/socket" "$STATE"
    run_as 65534 nc -NU "$BATS_TEST_TMPDIR/socket" </dev/null >state
    says "environment IPCREMOTEEUID=65534"
    says "environment IPCREMOTEEGID=65534"
}

@test "with --no-env a handler is told nothing of a Unix client" {
    start --no-env "unix:$PWD/socket" "$STATE"
    ask_state_of socket
    refute grep -E '^environment (PROTO|IPC|DAMPENER_[WQR])' state
}

@test "a path as long as a socket's address allows is served, and told whole" {
    # From here, as the path of this directory may be long already.
    local path
    path=$(printf '%0107d' 0)
    start "unix:$path" "$STATE"
    # The client is led there by a link, since not every client takes a path of that length.
    ln "$path" short
    ask_state_of short
    says "environment IPCLOCALPATH=$path"
    [[ $(cat "$READY") == "unix:$path" ]]
}

@test "what begins with @ is a path, too" {
    start "unix:@socket" cat
    [[ -S @socket ]]
    answers_at ./@socket
}

@test "without --socket-mode the permissions follow the umask, and with it they are what it says" {
    (umask 027 && start "unix:first" cat && stat -c %a first >mode && stop) || return 1
    [[ $(cat mode) == 640 ]]
    umask 077
    start --socket-mode 606 "unix:second" "$STATE"
    [[ $(stat -c %a second) == 606 ]]
    # And the umask of handlers is what it was.
    ask_state_of second
    says "umask 077"
}

@test "--socket-mode keeps others away from the socket" {
    [[ $(id -u) == 0 ]] || skip "only root can be somebody else"
    open_to_others
    start --socket-mode 600 "unix:$BATS_TEST_TMPDIR/socket" cat
    refute run_as 65534 nc -NU "$BATS_TEST_TMPDIR/socket" </dev/null
    answers_at socket
}

@test "--socket-owner gives the socket to a user and its group, or another group" {
    [[ $(id -u) == 0 ]] || skip "only root can give files away"
    start --socket-mode 600 --socket-owner nobody "unix:first" cat
    [[ $(stat -c '%U %u %g %a' first) == "nobody $(id -u nobody) $(id -g nobody) 600" ]]
    stop
    start --socket-owner 4711:4712 "unix:second" cat
    [[ $(stat -c '%u %g' second) == "4711 4712" ]]
}

# Lets the daemon give away its socket, but a hard link to this file is put there first.
give_another() {
    ((EUID == 0)) || skip "takes root"
    command -v strace >/dev/null || skip "strace is not installed"
    (
        close_descriptors
        # The leak checker cannot be traced.
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

@test "who may write to the directory cannot have another file given away" {
    : >victim
    give_another victim
}

@test "who may write to the directory cannot have another socket of root's given away" {
    nc -lU "$PWD/victim" 3>&- 4>&- &
    local listener=$!
    await test -S victim
    kill -KILL "$listener"
    wait "$listener" || true
    give_another victim
}

@test "an owner that does not exist is named with its option, and nothing is left" {
    run "$DAMPENER" --socket-owner no-such-user unix:socket cat
    [[ $status == 1 ]]
    [[ $output == "[ERROR] --socket-owner: 'no-such-user': there is no such user; "* ]]
    [[ ! -e socket ]]
}

@test "who cannot give the socket away is told so, and no socket is left" {
    [[ $(id -u) == 0 ]] || skip "only root can be somebody else"
    open_to_others
    install -d -o 65534 -g 65534 place
    run run_as 65534 "$DAMPENER" --socket-owner 0:0 "unix:$PWD/place/socket" cat
    [[ $status == 1 ]]
    [[ $output == *"[ERROR] PORT: '$PWD/place/socket': cannot give the file to that owner, "*"not permitted"* ]]
    [[ ! -e place/socket ]]
}

@test "a socket that nobody listens on any more is replaced, with a line that says so" {
    leave_stale "$PWD/socket"
    start -v "unix:$PWD/socket" cat
    answers_at socket
    grep -qxF "[INFO] PORT: removed '$PWD/socket', because no process listened on it" "$LOG"
}

@test "a socket that somebody listens on is left alone, and named" {
    start --processes 1 "unix:$PWD/socket" cat
    run timeout 20 "$DAMPENER" "unix:$PWD/socket" cat
    [[ $status == 1 ]]
    [[ ${lines[0]} == "[WARNING] PORT: '$PWD/socket' is in use: trying again for up to 2 s" ]]
    [[ ${lines[1]} == "[ERROR] PORT: '$PWD/socket': another process listens there" ]]
    ((${#lines[@]} == 2))
    answers_at socket
}

@test "a socket that a process listens on is taken once that process has ended" {
    start "unix:$PWD/socket" echo first
    start_after "PORT: '$PWD/socket'" "unix:$PWD/socket" cat
    answers_at socket
}

@test "a socket whose backlog is full is not taken for one that nobody listens on" {
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

@test "what is no socket is left alone, and named" {
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

@test "a directory that is not there, or may not be written to, is named with the socket" {
    run "$DAMPENER" "unix:$PWD/missing/socket" cat
    [[ $status == 1 ]]
    [[ $output == "[ERROR] PORT: '$PWD/missing/socket': cannot listen there: No such file or directory" ]]
    [[ $(id -u) == 0 ]] || return 0
    open_to_others
    run run_as 65534 "$DAMPENER" "unix:$BATS_TEST_TMPDIR/socket" cat
    [[ $status == 1 ]]
    [[ $output == *"[ERROR] PORT: '$BATS_TEST_TMPDIR/socket': cannot listen there: Permission denied" ]]
}

@test "a directory that somebody else has locked for ever does not keep the service from starting" {
    exec 9<.
    flock 9
    start "unix:$PWD/socket" cat
    answers_at socket
    grep -q "^\[WARNING\] PORT: cannot lock the directory of '$PWD/socket': .*; going on" "$LOG"
    exec 9<&-
}

# The numbers of those of $@ that live.
alive() {
    local process
    for process; do
        if is_alive "$process"; then echo "$process"; fi
    done
}

one_is_left() { [[ $(alive "$@" | wc -l) == 1 ]]; }

@test "of several that start at the same moment, exactly one serves, also over a stale socket" {
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

@test "one that starts while another one is about to replace a stale socket does not come between" {
    command -v strace >/dev/null || skip "strace is not installed"
    export ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0 # the leak checker cannot be traced
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

@test "a drained daemon serves who is in the backlog of its Unix socket, and nobody who comes later" {
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

@test "while one is drained, the next one can start at the same path" {
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

@test "the next one's socket stays, also if it has got the inode of the one before it" {
    local number
    : >one
    number=$(stat -c %i one)
    rm one
    : >another
    [[ $(stat -c %i another) == "$number" ]] || skip "this file system gives each file a new number"
    rm another
    # What is unlinked goes once nobody has it: neither listener nor client is left, only the handler.
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

@test "a start that fails later leaves no socket behind" {
    exec 9>pid
    flock 9
    run "$DAMPENER" --pid-file pid "unix:$PWD/socket" cat
    ((status == 1))
    [[ $output == *"[ERROR] --pid-file: already running: another process holds pid" ]]
    [[ ! -e socket ]]
    exec 9>&-
}

@test "in a directory that may be written to, but not read, a Unix socket is served and removed" {
    ((EUID == 0)) || skip "takes root"
    open_to_others
    mkdir drop
    chmod 333 drop
    WRAPPER=(setpriv --reuid=65534 --regid=65534 --clear-groups --)
    start "unix:$PWD/drop/socket" cat
    answers_at drop/socket
    has_line "cannot lock the directory .*: Permission denied" "$LOG"
    stop
    [[ ! -e drop/socket ]]
}

@test "sockets that were taken over are removed when the one ends that has them now" {
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

@test "2,000 clients of a Unix socket at once are all served, in order of arrival" {
    start "unix:$PWD/socket" "$ANSWER" "$ANSWERS" "$COUNTER"
    run "$BURST" "unix:$PWD/socket" 0 2000
    [[ $output == "connected 2000 answered 2000 failed 0" ]]
    diff <(seq 2000 | awk '{ print $1, $1 }') "$ANSWERS"
}

@test "the clients of one user are one source, those of another a second one" {
    [[ $(id -u) == 0 ]] || skip "only root can be somebody else"
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

@test "a refused client of a Unix socket gets the message, also if it has sent much" {
    start -v --queue 0 --when-full refuse --busy-message 'come back later\n' \
        "unix:$PWD/socket" sleep 600
    exec 9< <(exec nc -U socket </dev/null 3>&- 4>&-)
    await status_is running 1
    run "$BURST" -b 100000 -m 'come back later\n' "unix:$PWD/socket" 0 20
    [[ $output == "connected 20 answered 0 refused 20 hungup 0 failed 0" ]]
    # What it sends is read until it has closed, as with TCP, so that closing does not cut it off.
    exec 8< <({ echo first; sleep 2; } 3>&- 4>&- | nc -U socket 3>&- 4>&-)
    await status_is lingering 1
    exec 8<&-
    grep -Eq "^\[WARNING\] refused unix process [0-9]+ user $(id -u): the queue is full" "$LOG"
    exec 9<&-
    stop INT
}

@test "a client of a Unix socket that goes away while it waits is not served" {
    start -v "unix:$PWD/socket" "$ANSWER" "$ANSWERS" "$COUNTER" 300
    run "$BURST" -h 10 "unix:$PWD/socket" 0 12
    [[ $output == "connected 12 answered 2 refused 0 hungup 10 failed 0" ]]
    await has_line "given up by unix process [0-9]* user $(id -u), waited" "$LOG"
    (($(status_of abandoned) > 0))
}

@test "with --abandon never, what a client of a Unix socket has sent before it went is read" {
    start --abandon never "unix:$PWD/socket" "$ANSWER" "$ANSWERS" "$COUNTER" 50
    run "$BURST" -h 4 "unix:$PWD/socket" 0 6
    [[ $output == "connected 6 answered 2 refused 0 hungup 4 failed 0" ]]
    await status_is served 6
    [[ $(sort "$ANSWERS") == $'1 1\n2 2\n3 3\n4 4\n5 5\n6 6' ]]
}

@test "a path that is too long, or empty, is refused with the length that is accepted" {
    run "$DAMPENER" "unix:$(printf '%0108d' 0)" cat
    [[ $status == 2 && $output == *"of 107 bytes at most"* ]]
    run "$DAMPENER" unix: cat
    [[ $status == 2 && $output == *"of 107 bytes at most"* ]]
}

@test "options of TCP are not accepted together with a Unix socket, status 2" {
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

@test "--socket-mode and --socket-owner are accepted with unix:PATH only, status 2" {
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

@test "the file of the socket is gone when the daemon is, also if it was killed" {
    start "unix:$PWD/socket" cat
    stop
    [[ $STATUS == 0 && ! -e socket ]]
    start "unix:$PWD/socket" cat
    kill -KILL "$DAEMON"
    finish
    await nothing_is_left
    [[ ! -e socket ]]
}
