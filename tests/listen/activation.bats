#!/usr/bin/env bats
# Tests systemd as PORT: sockets that a service manager passes (sd_listen_fds(3)).  In most tests
# tests/programs/clients/activate.c plays the service manager.

load ../shared/helpers

ACTIVATE=$BUILD/tests/programs/clients/activate

# Passes the sockets in $@ up to "--" to the daemon, and starts the daemon with the words after "--".
start_with() {
    WRAPPER=("$ACTIVATE")
    while [[ $1 != -- ]]; do
        WRAPPER+=("$1")
        shift
    done
    WRAPPER+=(--)
    start "${@:2}"
}

# Passes the sockets in $@ to a daemon that must end; sets $output and $status.
refuses() { run timeout 20 "$ACTIVATE" "$@" -- "$DAMPENER" systemd cat; }

answers() { [[ $(echo hello | timeout 20 nc -N "$1" "$2") == hello ]]; }
answers_at() { [[ $(echo hello | timeout 20 nc -NU "$1") == hello ]]; }

@test "the daemon serves passed sockets of all families, in the order of their descriptors" {
    start_with 127.0.0.1 "unix:$PWD/socket" ::1 127.0.0.1 -- -v systemd cat
    local lines address port
    await has_lines 4 "$READY"
    mapfile -t lines <"$READY"
    [[ ${lines[0]} == "127.0.0.1 "* && ${lines[1]} == "unix:$PWD/socket" ]]
    [[ ${lines[2]} == "::1 "* && ${lines[3]} == "127.0.0.1 "* ]]
    for line in "${lines[0]}" "${lines[2]}" "${lines[3]}"; do
        read -r address port <<<"$line"
        answers "$address" "$port"
    done
    answers_at socket
    await status_is served 4
    grep -qxF "[INFO] listening on unix:$PWD/socket" "$LOG"
}

@test "the daemon serves the 64 sockets that may be passed at most, and refuses 65" {
    local many=() address port
    for ((i = 0; i < 64; i++)); do many+=(127.0.0.1); done
    # Moves the descriptor of --ready-fd out of the way of the sockets.
    # shellcheck disable=SC2016
    WRAPPER=(bash -c 'exec 70>&7; exec "$@"' bash "$ACTIVATE" "${many[@]}" --)
    start --ready-fd 70 systemd cat
    await has_lines 64 "$READY"
    while read -r address port; do answers "$address" "$port"; done < <(sed -n '1p;32p;64p' "$READY")
    refuses "${many[@]}" 127.0.0.1
    [[ $status == 1 ]]
    [[ $output == "[ERROR] LISTEN_FDS: '65': expected a whole number from 1 to 64" ]]
}

@test "the daemon serves an abstract Unix socket, and shows its name with an @" {
    local name=dampener-test-$$
    # shellcheck disable=SC2016
    start_with "abstract:$name" -- systemd \
        sh -c 'read -r line; echo "$IPCLOCALPATH" >path; echo "$line"'
    [[ $(cat "$READY") == "unix:@$name" ]]
    "$BURST" "abstract:$name" 0 1
    [[ $(cat path) == "@$name" ]]
}

@test "handlers inherit neither passed sockets nor the manager's variables nor other open descriptors" {
    # shellcheck disable=SC2016
    start_with -n 'one:two' 127.0.0.1 "unix:$PWD/socket" -- systemd "$STATE"
    ask_state
    says "descriptors 0 1 2"
    says "environment PROTO=TCP"
    refute grep LISTEN_ state
    nc -NU socket </dev/null >state
    says "environment PROTO=IPC"
    refute grep LISTEN_ state
    # Dispatchers do not inherit the variables either.
    local process
    for process in $(dispatchers); do refute grep -q LISTEN_ "/proc/$process/environ"; done
}

@test "a handler of a Unix client has no variable of the TCP client that its dispatcher served before" {
    start_with 127.0.0.1 "unix:$PWD/socket" -- --dispatchers 1 systemd env
    nc -N "$ADDRESS" "$PORT" </dev/null >variables
    grep -qxF DAMPENER_TICKET=1 variables
    nc -NU socket </dev/null >variables
    [[ $(grep '^DAMPENER_TICKET=' variables) == DAMPENER_TICKET=2 ]]
    refute grep -E '^(TCP|REMOTE_)' variables
}

@test "the daemon closes passed sockets if PORT is a number" {
    start_with 127.0.0.1 "unix:$PWD/socket" -- --address 127.0.0.1 0 "$STATE"
    [[ $(wc -l <"$READY") == 1 ]]
    ask_state
    refute grep LISTEN_ state
    [[ $(nc -NU socket </dev/null 2>&1) == *refused* ]]
}

@test "passed sockets become non-blocking, and TCP clients get keepalive" {
    start_with 127.0.0.1 "unix:$PWD/socket" -- systemd "$STATE"
    ask_state
    says "option keepalive 1"
    says "option keepidle 60"
    says "option nodelay 0"
    is_non_blocking "$(ss -Hltne "sport = :$PORT" | sed -n 's/.* ino:\([0-9]*\) .*/\1/p')"
    is_non_blocking "$(ss -Hlx | awk -v path="$PWD/socket" '$5 == path { print $6 }')"
}

# Succeeds if the supervisor's socket with inode $1 is non-blocking (proc_pid_fdinfo(5)).
is_non_blocking() {
    local descriptor process
    process=$(supervisor)
    for descriptor in "/proc/$process/fd/"*; do
        if [[ $(readlink "$descriptor") == "socket:[$1]" ]]; then
            (($(sed -n 's/^flags:\t//p' "/proc/$process/fdinfo/${descriptor##*/}") & 04000))
            return
        fi
    done
    return 1
}

@test "--nodelay affects passed TCP sockets and skips Unix sockets" {
    start_with 127.0.0.1 "unix:$PWD/socket" -- --nodelay systemd "$STATE"
    ask_state
    says "option nodelay 1"
}

@test "without LISTEN_FDS the daemon says that no socket was passed, status 1" {
    run "$DAMPENER" systemd cat
    [[ $status == 1 ]]
    [[ $output == "[ERROR] PORT: 'systemd': no socket was passed to this process: "* ]]
}

@test "the daemon refuses sockets that were passed to another process, status 1" {
    refuses -p 1 127.0.0.1
    [[ $status == 1 ]]
    [[ $output == "[ERROR] LISTEN_PID: '1': expected "*", this process: "* ]]
    refuses -p '' 127.0.0.1
    [[ $status == 1 && $output == "[ERROR] LISTEN_PID: '': expected "* ]]
    refuses -p 1x 127.0.0.1
    [[ $status == 1 && $output == "[ERROR] LISTEN_PID: '1x': expected "* ]]
    LISTEN_FDS=1 run timeout 20 "$DAMPENER" systemd cat
    [[ $status == 1 && $output == "[ERROR] LISTEN_PID: '': expected "* ]]
}

@test "the daemon refuses an invalid LISTEN_FDS and shows the valid range, status 1" {
    local count
    for count in 0 -1 1x '' 65 4294967297 ' 1'; do
        refuses -c "$count" 127.0.0.1
        [[ $status == 1 ]]
        [[ $output == "[ERROR] LISTEN_FDS: '$count': expected a whole number from 1 to 64" ]]
    done
}

@test "LISTEN_FDNAMES requires one name for each socket" {
    local names
    for names in one '' one:two:three one:two:; do
        refuses -n "$names" 127.0.0.1 ::1
        [[ $status == 1 ]]
        [[ $output == "[ERROR] LISTEN_FDNAMES: expected 2 names, one for each socket of LISTEN_FDS" ]]
    done
    start_with -n 'one:' 127.0.0.1 ::1 -- systemd cat
    await has_lines 2 "$READY"
}

@test "the daemon shows the descriptor and the name of anything passed but a listening stream socket, status 1" {
    local words what
    while read -r words what; do
        refuses -n good:bad 127.0.0.1 "$words"
        [[ $status == 1 ]]
        [[ $output == "[ERROR] PORT: 'systemd': descriptor 4, passed as 'bad', $what"* ]]
    done <<END
none is no open socket
file is no open socket
datagram is no stream socket
sequence:$PWD/sequence is no stream socket
deaf does not listen
END
    refuses none
    [[ $status == 1 && $output == "[ERROR] PORT: 'systemd': descriptor 3, passed as '', is no"* ]]
}

@test "--ready-fd must not name a passed socket" {
    run timeout 20 "$ACTIVATE" 127.0.0.1 ::1 -- "$DAMPENER" --ready-fd 4 systemd cat
    [[ $status == 1 ]]
    [[ $output == "[ERROR] --ready-fd: '4': expected a descriptor other than those of the sockets passed" ]]
}

@test "systemd as PORT excludes options of addresses, status 2" {
    local words
    for words in "--address 127.0.0.1" --ipv4 --ipv6 "--defer-accept 3" --reuse-port --free-bind \
        "--bind-to-device lo"; do
        # shellcheck disable=SC2086
        run "$ACTIVATE" 127.0.0.1 -- "$DAMPENER" $words systemd cat
        [[ $status == 2 ]]
        [[ $output == "socket-burst-dampener: ${words%% *}: not with systemd as PORT; see --help" ]]
    done
}

@test "access rules affect clients of passed TCP sockets, but not of passed Unix sockets" {
    start_with 127.0.0.1 "unix:$PWD/socket" -- --allow 192.0.2.1 systemd cat
    [[ -z $(echo hello | nc -N "$ADDRESS" "$PORT") ]]
    answers_at socket
    await status_is denied 1
}

# Ends the second daemon, and thereby its manager.
end_second() {
    DAEMON=$(sed -n 2p children)
    count_descriptors
    stop
    await is_gone "$MANAGER"
}

# Starts a manager that keeps the sockets $@ up to "--" and starts the daemon twice.
start_kept() {
    start_with -k "$PWD/children" "$@"
    MANAGER=$DAEMON
    await has_content children # the manager may write this after the daemon is ready
    DAEMON=$(sed -n 1p children)
    count_descriptors
}

second_serves() { [[ $(wc -l <"$READY") == "$1" && $(wc -l <children) == 2 ]]; }

@test "a passed TCP socket survives a drain, and the next daemon serves clients that came meanwhile" {
    # shellcheck disable=SC2016
    start_kept 127.0.0.1 -- systemd \
        bash -c 'until [[ -e go ]]; do sleep 0.02; done; echo "$DAMPENER_TICKET $PPID"'
    local limit
    limit=$(backlog_limit)
    exec 9<>"/dev/tcp/127.0.0.1/$PORT"
    await status_is running 1
    FIRST=$(supervisor)
    kill -TERM "$DAEMON"
    await has_only_other_sockets
    # This client comes after the daemon has stopped accepting, so the next daemon serves it.
    exec 8<>"/dev/tcp/127.0.0.1/$PORT"
    touch go
    [[ $(cat <&9) == "1 "* ]]
    await second_serves 2
    DAEMON=$(sed -n 2p children)
    [[ $(cat <&8) == "1 "* ]]
    exec 8<&- 9<&-
    [[ $(backlog_limit) == "$limit" ]]
    end_second
}

# Succeeds once the supervisor of the first daemon no longer listens on PORT.
has_only_other_sockets() {
    ! ss -Hltpn "sport = :$PORT" | grep -q "pid=$FIRST,"
}

backlog_limit() { ss -Hltn "sport = :$PORT" | awk '{ print $3 }'; }

@test "a passed Unix socket survives a drain, and the next daemon serves it" {
    start_kept "unix:$PWD/socket" -- systemd cat
    answers_at socket
    kill -TERM "$DAEMON"
    await second_serves 2
    answers_at socket
    [[ -S socket ]]
    end_second
}

@test "a draining daemon serves the clients in the backlogs of passed sockets" {
    # shellcheck disable=SC2016
    start_kept 127.0.0.1 "unix:$PWD/socket" -- --queue 0 systemd \
        bash -c 'until [[ -e go ]]; do sleep 0.02; done; read -r line; echo "$line"'
    local first=$DAEMON
    "$BURST" 127.0.0.1 "$PORT" 20 >tcp &
    local tcp=$!
    await status_is running 1
    "$BURST" "unix:$PWD/socket" 0 20 >unix &
    local unix=$!
    await backlogs_are 19 20
    kill -TERM "$first"
    touch go
    wait "$tcp" "$unix"
    [[ $(cat tcp) == "connected 20 answered 20 failed 0" ]]
    [[ $(cat unix) == "connected 20 answered 20 failed 0" ]]
    await second_serves 4
    # The first daemon has served all clients, so the second has accepted none.
    DAEMON=$(sed -n 2p children)
    status_is accepted 0
    end_second
}

backlogs_are() {
    [[ $(ss -Hltn "sport = :$PORT" | awk '{ print $2 }') == "$1" ]] &&
        [[ $(ss -Hlx | awk -v path="$PWD/socket" '$5 == path { print $3 }') == "$2" ]]
}

@test "a draining daemon leaves later clients of a passed socket to the next daemon" {
    # shellcheck disable=SC2016
    start_kept 127.0.0.1 -- --processes 1 --queue 0 systemd \
        bash -c 'until [[ -e go ]]; do sleep 0.02; done; echo "$DAMPENER_TICKET"'
    exec 9<>"/dev/tcp/127.0.0.1/$PORT"
    await status_is running 1
    exec 8<>"/dev/tcp/127.0.0.1/$PORT"
    kill -TERM "$DAEMON"
    status_of running # the answer follows the count of the backlog
    exec 7<>"/dev/tcp/127.0.0.1/$PORT"
    touch go
    [[ $(cat <&9) == 1 ]]
    [[ $(cat <&8) == 2 ]]
    await second_serves 2
    [[ $(cat <&7) == 1 ]]
    exec 7<&- 8<&- 9<&-
    end_second
}

@test "a TCP socket that another process shuts down does not delay clients of other sockets" {
    start_with -s go 127.0.0.1 127.0.0.1 -- systemd cat
    local first=$PORT address second begin=$SECONDS
    await has_lines 2 "$READY"
    read -r address second < <(tail -n 1 "$READY")
    answers "$ADDRESS" "$first"
    touch go
    await has_line "shut down the socket that listened on $ADDRESS port $first: nobody" "$LOG"
    # Ten delays that double from 100 ms up to 5 s would last longer.
    for ((i = 0; i < 10; i++)); do answers "$address" "$second"; done
    ((SECONDS - begin < 20))
    has_lines 1 "$LOG"
    stop
    ((STATUS == 0))
}

@test "a Unix socket that another process shuts down does not delay clients of other sockets" {
    start_with -s go "unix:$PWD/socket" 127.0.0.1 -- systemd cat
    local address second before
    await has_lines 2 "$READY"
    read -r address second < <(tail -n 1 "$READY")
    before=$(processor_time "$(supervisor)")
    touch go
    await has_line "shut down the socket that listened on unix:$PWD/socket: nobody" "$LOG"
    for ((i = 0; i < 40; i++)); do answers "$address" "$second"; done
    has_lines 1 "$LOG"
    # A busy loop would use the whole second.
    sleep 1
    (($(processor_time "$(supervisor)") - before <= 20))
    stop
    ((STATUS == 0))
}

@test "when the last socket is shut down, the daemon serves its clients and exits with status 1" {
    start_with -s go 127.0.0.1 -- systemd \
        bash -c 'until [[ -e answer ]]; do sleep 0.02; done; echo yes'
    exec 9< <(exec nc 127.0.0.1 "$PORT" </dev/null 3>&- 4>&-)
    await status_is running 1
    touch go
    await has_line "no listening socket is left" "$LOG"
    touch answer
    [[ $(cat <&9) == yes ]]
    exec 9<&-
    finish
    ((STATUS == 1))
}

@test "systemd-socket-activate can start the daemon" {
    command -v systemd-socket-activate >/dev/null || skip "systemd-socket-activate is not installed"
    (
        close_descriptors
        exec systemd-socket-activate -l "$PWD/socket" -l "$PWD/other" --fdname=one:two \
            "$DAMPENER" -v systemd "$STATE" 2>>"$LOG" </dev/null >/dev/null
    ) &
    DAEMON=$!
    await test -S other
    # The first client makes systemd-socket-activate execute the daemon.
    await has_state socket
    says "environment IPCLOCALPATH=$PWD/socket"
    refute grep LISTEN_ state
    count_descriptors
    await has_state other
    says "environment IPCLOCALPATH=$PWD/other"
    grep -qxF "[INFO] listening on unix:$PWD/other" "$LOG"
}

has_state() { timeout 20 nc -NU "$1" </dev/null >state && [[ -s state ]]; }
