#!/usr/bin/env bats
# The state of a process in which a handler starts, as a handler reports it
# (tests/programs/handlers/state.c).

load ../shared/helpers

@test "a handler has the client on descriptors 0 and 1, standard error, and nothing else" {
    # Descriptors that the parent of the daemon left open must not reach the handler either.
    # shellcheck disable=SC2016
    WRAPPER=(bash -c 'exec 5</dev/null 6>leak 20</dev/null; exec "$@"' bash)
    start --address 127.0.0.1 0 "$STATE"
    ask_state
    says "descriptors 0 1 2"
    says "socket 0=1"
    says "stderr other"
}

@test "the connection is blocking in the handler" {
    start --address 127.0.0.1 0 "$STATE"
    ask_state
    says "blocking yes yes"
}

@test "a handler starts with no signal blocked or ignored, whatever the daemon was started with" {
    # shellcheck disable=SC2016
    WRAPPER=(bash -c 'trap "" PIPE HUP INT QUIT TERM USR1 CHLD; exec "$@"' bash)
    start --address 127.0.0.1 0 "$STATE"
    ask_state
    says "blocked"
    says "ignored"
}

@test "a handler leads a session and a process group of its own" {
    start --address 127.0.0.1 0 "$STATE"
    ask_state
    says "session own"
    says "group own"
}

@test "a handler gets the limits, the nice value and the umask that the daemon was started with" {
    # shellcheck disable=SC2016
    WRAPPER=(bash -c 'ulimit -Sn 200; ulimit -Hn 4000; ulimit -c 0; umask 027; exec nice -n 3 "$@"' bash)
    start --address 127.0.0.1 0 "$STATE"
    # The daemon has raised its own limit.
    grep -q '^Max open files  *4000  *4000 ' "/proc/$DAEMON/limits"
    ask_state
    says "limit nofile 200 4000"
    says "limit core 0 0"
    says "umask 027"
    says "nice 3"
}

@test "a handler gets the arguments of the command line, including those that look like options" {
    start --address 127.0.0.1 0 "$STATE" --processes -x '' 'two words'
    ask_state
    [[ $(grep '^argument' state) == "argument $STATE
argument --processes
argument -x
argument 
argument two words" ]]
}

@test "the environment names both ends of an IPv4 connection" {
    start --address 127.0.0.1 0 "$STATE"
    ask_state
    says "environment PROTO=TCP"
    says "environment TCPLOCALIP=127.0.0.1"
    says "environment TCPLOCALPORT=$PORT"
    says "environment TCPREMOTEIP=127.0.0.1"
    says "environment REMOTE_ADDR=127.0.0.1"
    says "environment REMOTE_HOST=127.0.0.1"
    [[ $(variable TCPREMOTEPORT) =~ ^[1-9][0-9]+$ ]]
    [[ $(variable TCPREMOTEPORT) == "$(variable REMOTE_PORT)" ]]
    [[ $(variable TCPREMOTEPORT) != "$PORT" ]]
}

@test "the environment names both ends of an IPv6 connection" {
    start --address ::1 0 "$STATE"
    ask_state ::1
    says "environment TCPLOCALIP=::1"
    says "environment TCPREMOTEIP=::1"
    says "environment REMOTE_ADDR=::1"
}

@test "an IPv4 client of an IPv6 socket has its IPv4 address in the environment, and the local address is no wildcard" {
    start 0 "$STATE"
    [[ $ADDRESS == :: ]]
    ask_state 127.0.0.1
    says "environment TCPLOCALIP=127.0.0.1"
    says "environment TCPREMOTEIP=127.0.0.1"
    ask_state ::1
    says "environment TCPLOCALIP=::1"
}

@test "the environment shows how long the client waited, and how busy the service is" {
    # The first client keeps the only handler until the test sends a line.
    # shellcheck disable=SC2016
    start --address 127.0.0.1 --processes 1 0 bash -c 'read -r; exec "$0"' "$STATE"
    exec 8<>"/dev/tcp/127.0.0.1/$PORT"
    await status_is running 1
    local connected begin now
    connected=$(date +%s%N)
    exec 9<>"/dev/tcp/127.0.0.1/$PORT"
    exec 10<>"/dev/tcp/127.0.0.1/$PORT"
    await status_is queued 2
    begin=$(date +%s%N)
    await has_passed "$begin"
    echo >&8
    echo >&9
    cat <&9 >state
    now=$(date +%s%N)
    local waited
    waited=$(variable DAMPENER_WAIT_MS)
    echo "waited $waited ms"
    ((waited >= 300 && waited <= (now - connected) / 1000000 + 1))
    says "environment DAMPENER_QUEUED=1"
    says "environment DAMPENER_RUNNING=1"
    says "environment DAMPENER_TICKET=2"
    echo >&10
    exec 8>&- 9>&- 10>&-
}

has_passed() { (($(date +%s%N) - $1 > 300000000)); }

@test "variables for the daemon or for another connection do not reach the handler" {
    export LISTEN_FDS=1 LISTEN_PID=1 LISTEN_FDNAMES=x NOTIFY_SOCKET=/x WATCHDOG_USEC=1 WATCHDOG_PID=1
    export LISTEN_PIDFDID=1 TCPLOCALHOST=liar IPCREMOTEEUID=1 IPCREMOTEEGID=1 IPCLOCALPATH=/x
    export TCPREMOTEHOST=liar TCPREMOTEINFO=liar IPCREMOTEPID=1 TCPREMOTEIP=192.0.2.1 PROTO=UDP
    export KEPT_VARIABLE=kept
    start --address 127.0.0.1 0 "$STATE"
    ask_state
    says "environment KEPT_VARIABLE=kept"
    says "environment PROTO=TCP"
    refute grep -E 'LISTEN_|NOTIFY_SOCKET|WATCHDOG_|HOST=liar|TCPREMOTEINFO|IPC(LOCAL|REMOTE)|192\.0\.2\.1' state
    [[ $(grep -c '^environment TCPREMOTEIP=' state) == 1 ]]
}

@test "a client sees the end of the connection when its handler closes it and runs on" {
    start --address 127.0.0.1 0 bash -c 'echo done; exec 0<&- 1>&-; exec sleep 60'
    run timeout 10 nc -N 127.0.0.1 "$PORT" </dev/null
    [[ $status == 0 ]] # nc has seen the end; status 124 would mean that timeout ended it
    [[ $output == "done" ]]
    await status_is running 1
    stop INT # SIGTERM ends the sleeping handler
}

@test "processes that a handler leaves behind are reaped" {
    start --address 127.0.0.1 0 bash -c '(setsid sleep 0.2 &) ; echo started'
    [[ $(nc -N 127.0.0.1 "$PORT" </dev/null) == started ]]
    await nothing_but_the_daemon
    await has_no_zombies
}

nothing_but_the_daemon() { ! processes_of_test | grep -q '^[0-9]* sleep'; }

@test "a handler inherits no descriptor of a load limit or of a pipe as standard error" {
    mkfifo pipe
    exec 8<>pipe
    # shellcheck disable=SC2016
    WRAPPER=(bash -c 'exec "$@" 2>pipe' bash)
    start --address 127.0.0.1 --load-average 1000 0 "$STATE"
    ask_state
    says "descriptors 0 1 2"
    exec 8>&-
}
