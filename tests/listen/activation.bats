#!/usr/bin/env bats
# systemd as PORT: sockets that a service manager passes (sd_listen_fds(3)).  Mostly it is
# tests/programs/clients/activate.c that stands in for one.

load ../shared/helpers

ACTIVATE=$BUILD/tests/programs/clients/activate

# Starts the daemon with the sockets in $@ up to "--", and the words behind it.
start_with() {
    WRAPPER=("$ACTIVATE")
    while [[ $1 != -- ]]; do
        WRAPPER+=("$1")
        shift
    done
    WRAPPER+=(--)
    start "${@:2}"
}

# What the daemon says of such sockets, in $output, and its $status.
refuses() { run timeout 20 "$ACTIVATE" "$@" -- "$DAMPENER" systemd cat; }

answers() { [[ $(echo hello | timeout 20 nc -N "$1" "$2") == hello ]]; }
answers_at() { [[ $(echo hello | timeout 20 nc -NU "$1") == hello ]]; }

@test "sockets of all families that are passed are served, in the order of their descriptors" {
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

@test "as many sockets as may be passed at most are all served" {
    local many=() address port
    for ((i = 0; i < 64; i++)); do many+=(127.0.0.1); done
    # The descriptor at which serving is announced is out of their way.
    # shellcheck disable=SC2016
    WRAPPER=(bash -c 'exec 70>&7; exec "$@"' bash "$ACTIVATE" "${many[@]}" --)
    start --ready-fd 70 systemd cat
    await has_lines 64 "$READY"
    while read -r address port; do answers "$address" "$port"; done < <(sed -n '1p;32p;64p' "$READY")
    refuses "${many[@]}" 127.0.0.1
    [[ $status == 1 ]]
    [[ $output == "[ERROR] LISTEN_FDS: '65': expected a whole number from 1 to 64" ]]
}

@test "an abstract Unix socket is served, and told with an @" {
    local name=dampener-test-$$
    # shellcheck disable=SC2016
    start_with "abstract:$name" -- systemd \
        sh -c 'read -r line; echo "$IPCLOCALPATH" >path; echo "$line"'
    [[ $(cat "$READY") == "unix:@$name" ]]
    "$BURST" "abstract:$name" 0 1
    [[ $(cat path) == "@$name" ]]
}

@test "handlers get neither the sockets nor the variables, and whatever else was open is closed" {
    # shellcheck disable=SC2016
    start_with -n 'one:two' 127.0.0.1 "unix:$PWD/socket" -- systemd "$STATE"
    ask_state
    says "descriptors 0 1 2"
    says "environment PROTO=TCP"
    refute grep LISTEN_ state
    nc -NU socket </dev/null >state
    says "environment PROTO=IPC"
    refute grep LISTEN_ state
    # Nor do the dispatchers.
    local process
    for process in $(dispatchers); do refute grep -q LISTEN_ "/proc/$process/environ"; done
}

@test "what is not asked for is not kept, and not told either" {
    start_with 127.0.0.1 "unix:$PWD/socket" -- --address 127.0.0.1 0 "$STATE"
    [[ $(wc -l <"$READY") == 1 ]]
    ask_state
    refute grep LISTEN_ state
    [[ $(nc -NU socket </dev/null 2>&1) == *refused* ]]
}

@test "sockets that are passed become non-blocking, and those of TCP have keepalive" {
    start_with 127.0.0.1 "unix:$PWD/socket" -- systemd "$STATE"
    ask_state
    says "option keepalive 1"
    says "option keepidle 60"
    says "option nodelay 0"
    is_non_blocking "$(ss -Hltne "sport = :$PORT" | sed -n 's/.* ino:\([0-9]*\) .*/\1/p')"
    is_non_blocking "$(ss -Hlx | awk -v path="$PWD/socket" '$5 == path { print $6 }')"
}

# Whether the daemon's socket of that number is (proc_pid_fdinfo(5)).
is_non_blocking() {
    local descriptor
    for descriptor in "/proc/$DAEMON/fd/"*; do
        if [[ $(readlink "$descriptor") == "socket:[$1]" ]]; then
            (($(sed -n 's/^flags:\t//p' "/proc/$DAEMON/fdinfo/${descriptor##*/}") & 04000))
            return
        fi
    done
    return 1
}

@test "--nodelay holds for sockets that are passed, and skips those of the Unix kind" {
    start_with 127.0.0.1 "unix:$PWD/socket" -- --nodelay systemd "$STATE"
    ask_state
    says "option nodelay 1"
}

@test "without LISTEN_FDS it is said that nothing was passed, status 1" {
    run "$DAMPENER" systemd cat
    [[ $status == 1 ]]
    [[ $output == "[ERROR] PORT: 'systemd': no socket was passed to this process: "* ]]
}

@test "sockets that are for another process are not taken, status 1" {
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

@test "a number of sockets that is none is refused with what is accepted, status 1" {
    local count
    for count in 0 -1 1x '' 65 4294967297 ' 1'; do
        refuses -c "$count" 127.0.0.1
        [[ $status == 1 ]]
        [[ $output == "[ERROR] LISTEN_FDS: '$count': expected a whole number from 1 to 64" ]]
    done
}

@test "there must be as many names as sockets" {
    local names
    for names in one '' one:two:three one:two:; do
        refuses -n "$names" 127.0.0.1 ::1
        [[ $status == 1 ]]
        [[ $output == "[ERROR] LISTEN_FDNAMES: expected 2 names, one for each socket of LISTEN_FDS" ]]
    done
    start_with -n 'one:' 127.0.0.1 ::1 -- systemd cat
    await has_lines 2 "$READY"
}

@test "what is no listening stream socket is named with its descriptor and its name, status 1" {
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

@test "--ready-fd must not be one of the sockets that are passed" {
    run timeout 20 "$ACTIVATE" 127.0.0.1 ::1 -- "$DAMPENER" --ready-fd 4 systemd cat
    [[ $status == 1 ]]
    [[ $output == "[ERROR] --ready-fd: '4': expected a descriptor other than those of the sockets passed" ]]
}

@test "options of addresses are not accepted together with systemd, status 2" {
    local words
    for words in "--address 127.0.0.1" --ipv4 --ipv6 "--defer-accept 3" --reuse-port --free-bind \
        "--bind-to-device lo"; do
        # shellcheck disable=SC2086
        run "$ACTIVATE" 127.0.0.1 -- "$DAMPENER" $words systemd cat
        [[ $status == 2 ]]
        [[ $output == "socket-burst-dampener: ${words%% *}: not with systemd as PORT; see --help" ]]
    done
}

@test "access rules hold for clients of TCP, and not for those of a Unix socket that is passed, too" {
    start_with 127.0.0.1 "unix:$PWD/socket" -- --allow 192.0.2.1 systemd cat
    [[ -z $(echo hello | nc -N "$ADDRESS" "$PORT") ]]
    answers_at socket
    await status_is denied 1
}

# Ends the second daemon, and with it its manager.
end_second() {
    DAEMON=$(sed -n 2p children)
    DESCRIPTORS=$(open_descriptors "$DAEMON")
    stop
    await is_gone "$MANAGER"
}

# Starts a manager that keeps the sockets $@ up to "--", and starts the daemon twice.
start_kept() {
    start_with -k "$PWD/children" "$@"
    MANAGER=$DAEMON
    await has_content children # which the manager may write when the daemon is ready
    DAEMON=$(sed -n 1p children)
    DESCRIPTORS=$(open_descriptors "$DAEMON")
}

second_serves() { [[ $(wc -l <"$READY") == "$1" && $(wc -l <children) == 2 ]]; }

@test "a socket of TCP that was passed survives a drain, and the next start serves who came meanwhile" {
    # shellcheck disable=SC2016
    start_kept 127.0.0.1 -- systemd \
        bash -c 'until [[ -e go ]]; do sleep 0.02; done; echo "$DAMPENER_TICKET $PPID"'
    local limit
    limit=$(backlog_limit)
    exec 9<>"/dev/tcp/127.0.0.1/$PORT"
    await status_is running 1
    kill -TERM "$DAEMON"
    await has_only_other_sockets
    # Comes after the daemon has stopped accepting: it is for the next one.
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

# No descriptor of the daemon listens any more.
has_only_other_sockets() {
    ! ss -Hltpn "sport = :$PORT" | grep -q "pid=$DAEMON,"
}

backlog_limit() { ss -Hltn "sport = :$PORT" | awk '{ print $3 }'; }

@test "a Unix socket that was passed survives a drain, and the next start serves at it" {
    start_kept "unix:$PWD/socket" -- systemd cat
    answers_at socket
    kill -TERM "$DAEMON"
    await second_serves 2
    answers_at socket
    [[ -S socket ]]
    end_second
}

@test "who is in the backlog of passed sockets when a drain begins is served" {
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
    # All of them were served by the first, so the second has seen nobody.
    DAEMON=$(sed -n 2p children)
    status_is accepted 0
    end_second
}

backlogs_are() {
    [[ $(ss -Hltn "sport = :$PORT" | awk '{ print $2 }') == "$1" ]] &&
        [[ $(ss -Hlx | awk -v path="$PWD/socket" '$5 == path { print $3 }') == "$2" ]]
}

@test "a socket that another process has shut down does not hold up the others" {
    start_with -s go 127.0.0.1 127.0.0.1 -- systemd cat
    local first=$PORT address second begin=$SECONDS
    await has_lines 2 "$READY"
    read -r address second < <(tail -n 1 "$READY")
    answers "$ADDRESS" "$first"
    touch go
    await has_line "shut down the socket that listened on $ADDRESS port $first: nobody" "$LOG"
    # Ten delays of 100 ms, each twice the one before and up to 5 s, would be more.
    for ((i = 0; i < 10; i++)); do answers "$address" "$second"; done
    ((SECONDS - begin < 20))
    has_lines 1 "$LOG"
    stop
    ((STATUS == 0))
}

@test "likewise a Unix socket, of which accept only says that nobody is there" {
    start_with -s go "unix:$PWD/socket" 127.0.0.1 -- systemd cat
    local address second before
    await has_lines 2 "$READY"
    read -r address second < <(tail -n 1 "$READY")
    before=$(processor_time "$DAEMON")
    touch go
    await has_line "shut down the socket that listened on unix:$PWD/socket: nobody" "$LOG"
    for ((i = 0; i < 40; i++)); do answers "$address" "$second"; done
    has_lines 1 "$LOG"
    # A busy loop would take all of the second.
    sleep 1
    (($(processor_time "$DAEMON") - before <= 20))
    stop
    ((STATUS == 0))
}

@test "when the last socket is shut down, who is there is served, and the service ends with status 1" {
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

@test "it works with systemd-socket-activate" {
    command -v systemd-socket-activate >/dev/null || skip "systemd-socket-activate is not installed"
    (
        close_descriptors
        exec systemd-socket-activate -l "$PWD/socket" -l "$PWD/other" --fdname=one:two \
            "$DAMPENER" -v systemd "$STATE" 2>>"$LOG" </dev/null >/dev/null
    ) &
    DAEMON=$!
    await test -S other
    # The first who connects has it executed.
    await has_state socket
    says "environment IPCLOCALPATH=$PWD/socket"
    refute grep LISTEN_ state
    DESCRIPTORS=$(open_descriptors "$DAEMON")
    await has_state other
    says "environment IPCLOCALPATH=$PWD/other"
    grep -qxF "[INFO] listening on unix:$PWD/other" "$LOG"
}

has_state() { timeout 20 nc -NU "$1" </dev/null >state && [[ -s state ]]; }
