#!/usr/bin/env bats
# Tests what happens to a connection while its handler runs, and when it has ended: --on-hangup,
# --idle-timeout and --linger.
# shellcheck disable=SC2016,SC2030,SC2031 # handlers are scripts; tests are subshells of helpers.bash

load ../shared/helpers
load ../shared/control

RESPONSE='printf "HTTP/1.0 200 OK\r\n\r\nOK\n"'

# Resets the connection of CLIENT, as a client does whose process is killed with unread data.
connect_to_reset() {
    "$BURST" -H -h "$1" "$ADDRESS" "$PORT" "$1" >reset &
    RESETTING=$!
    await has_line waiting reset
}

reset_all() {
    kill -USR1 "$RESETTING"
    wait "$RESETTING"
}

# ---- --linger ----

@test "--linger: curl reads the answer of a handler that ignores the request" {
    command -v curl >/dev/null || skip "curl is not installed"
    local i
    start --linger 5 --address 127.0.0.1 --processes 4 0 bash -c "$RESPONSE"
    for ((i = 0; i < 50; i++)); do
        [[ $(curl -sS "http://127.0.0.1:$PORT/") == OK ]] || return 1
        # A request that comes behind the answer does no harm either.
        [[ $(head -c 300000 /dev/zero | curl -sS -H Expect: --data-binary @- "http://127.0.0.1:$PORT/") == OK ]] ||
            return 1
    done
    await status_is served 100
    await status_is lingering 0
}

@test "--linger ends with its time, and without it a connection ends at once" {
    start --linger 1 --address 127.0.0.1 0 bash -c 'echo hello'
    local begin answer
    begin=$(milliseconds)
    connect_silently
    await status_is served 1
    status_is lingering 1
    [[ $(cat <&"$CLIENT") == hello ]] # the end of the answer comes at once
    echo "more" >&"$CLIENT"
    await status_is lingering 0
    echo "took $(milliseconds_since "$begin") ms"
    (($(milliseconds_since "$begin") >= 1000))
    stop
    start --address 127.0.0.1 0 bash -c 'echo hello'
    connect_silently
    await status_is served 1
    status_is lingering 0
}

@test "--linger keeps no place: the next client is served while the connection lingers" {
    start --linger 20 --address 127.0.0.1 --processes 1 0 bash -c 'echo hello'
    connect_more 3
    await status_is served 3
    status_is lingering 3
    hang_up
    await status_is lingering 0
}

@test "--linger: a drain waits for clients that have not read their answer, for its time at most" {
    start --linger 1 --address 127.0.0.1 0 bash -c 'echo hello'
    connect_silently
    await status_is served 1
    local begin
    begin=$(milliseconds)
    kill -TERM "$DAEMON"
    finish
    ((STATUS == 0))
    echo "took $(milliseconds_since "$begin") ms"
    [[ $(cat <&"$CLIENT") == hello ]]
}

@test "--linger: clients get whole answers although the supervisor is killed again and again" {
    start_controlled --linger 5 --processes 4 0 "$ANSWER" "$ANSWERS" "$COUNTER" 2
    "$BUILD/tests/programs/attackers/killer" "$DAEMON" 7 20 60 supervisor >killed 3>&- 4>&- &
    local killing=$! number
    "$BURST" -b 20000 "$ADDRESS" "$PORT" 600 >burst
    kill "$killing"
    wait "$killing"
    read -r _ number _ <killed
    ((number >= 5))
    [[ $(cat burst) == "connected 600 answered 600 failed 0" ]]
    diff <(seq 600) <(awk '{ print $2 }' "$ANSWERS" | sort -n)
    await fields_are served 600 accepted 600 lingering 0
}

@test "--linger holds for a Unix socket" {
    start --linger 5 "unix:$PWD/socket" bash -c 'echo hello'
    [[ $(head -c 100000 /dev/zero | nc -UN "$PWD/socket") == hello ]]
    await status_is served 1
    await status_is lingering 0
}

# ---- --on-hangup ----

@test "--on-hangup end: a handler whose client resets is ended, and the next client is served at once" {
    start -v --on-hangup end --address 127.0.0.1 --processes 1 0 \
        bash -c 'echo hello; echo unread; exec sleep 1000'
    local begin
    connect_to_reset 1
    await status_is running 1
    begin=$(milliseconds)
    connect_silently
    await status_is queued 1
    reset_all
    read -r -t 20 -u "$CLIENT"
    echo "took $(milliseconds_since "$begin") ms"
    status_is served 1
    await has_line 'ticket 1: its client has hung up: sending SIGTERM to the group of process [0-9]*$' "$LOG"
    # The kernel resets a connection that is closed with unread data.
    exec {CLIENT}>&-
    await status_is served 2
}

@test "--on-hangup end: a handler that ignores SIGTERM is killed with its group after --kill-after" {
    start -v --on-hangup end --kill-after 0.3 --address 127.0.0.1 0 \
        bash -c 'trap "" TERM; sleep 1000 & sleep 1000; sleep 1000'
    connect_to_reset 1
    await status_is running 1
    reset_all
    await status_is served 1
    await status_is running 0
    has_line 'sending SIGKILL to its group$' "$LOG"
}

@test "--on-hangup end: a handler is ended although it has read the error of its connection itself" {
    start -v --on-hangup end --address 127.0.0.1 0 bash -c 'read -r line; echo ended >ended; exec sleep 1000'
    connect_to_reset 1
    await status_is running 1
    # It reads the error before the daemon looks.
    kill -STOP "$(supervisor)"
    reset_all
    await test -s ended
    kill -CONT "$(supervisor)"
    await status_is served 1
}

@test "--on-hangup end spares handlers whose clients half-close, and those that have parted as they should" {
    # The handler shuts the connection down, and goes on: perl has shutdown(2).
    command -v perl >/dev/null || skip "perl is not installed"
    start -v --on-hangup end --address 127.0.0.1 --processes 4 0 perl -e '
        my $request = <STDIN>;
        $| = 1; print "answer\n";
        open(my $connection, "+<&=", 0); shutdown($connection, 1);
        sleep 1;
        open(my $done, ">", "done-" . $request); close($done);'
    [[ $(echo one | nc -N 127.0.0.1 "$PORT") == answer ]]
    [[ $(echo two | nc -N 127.0.0.1 "$PORT") == answer ]]
    await status_is served 2
    [[ -e done-one$'\n' && -e done-two$'\n' ]]
    refute has_line 'hung up' "$LOG"
}

@test "--on-hangup wait lets a handler run whose client has reset" {
    start -v --address 127.0.0.1 0 bash -c 'read -r line; sleep 1; echo over >over'
    connect_to_reset 1
    await status_is running 1
    reset_all
    await status_is served 1
    [[ -s over ]]
    refute has_line 'hung up' "$LOG"
}

@test "--on-hangup end holds after the death of the supervisor, and for a Unix socket" {
    start -v --on-hangup end --processes 2 "unix:$PWD/socket" bash -c 'exec sleep 1000'
    local process ADDRESS="unix:$PWD/socket" PORT=0
    process=$(supervisor)
    connect_to_reset 2
    await status_is running 2
    kill -KILL "$process"
    await has_line 'a supervisor takes the place of another' "$LOG"
    reset_all
    await status_is served 2
}

@test "--on-hangup end: the place of a curl that gives up a long download is free soon" {
    command -v curl >/dev/null || skip "curl is not installed"
    start -v --on-hangup end --address 127.0.0.1 --processes 1 0 \
        bash -c 'read -r line; printf "HTTP/1.0 200 OK\r\n\r\n"; echo first; sleep 1; echo second; sleep 1000'
    [[ $(curl -sS --max-time 0.5 "http://127.0.0.1:$PORT/" 2>complaint) == first ]] || [[ -s complaint ]]
    # The second line meets no client: the kernel there answers with a reset.
    await status_is served 1
    has_line 'ticket 1: its client has hung up' "$LOG"
}

# ---- --idle-timeout ----

@test "--idle-timeout ends a silent session, and spares a busy one" {
    start -v --idle-timeout 1 --address 127.0.0.1 --processes 2 0 cat
    local begin busy line i
    connect_silently
    busy=$CLIENT
    begin=$(milliseconds)
    connect_silently
    await status_is running 2
    for ((i = 0; i < 100; i++)); do
        echo "$i" >&"$busy"
        read -r -t 20 -u "$busy" line
        [[ $line == "$i" ]]
        if read -r -t 0.1 -u "$CLIENT" line; then return 1; elif (($? <= 128)); then break; fi
    done
    echo "took $(milliseconds_since "$begin") ms"
    (($(milliseconds_since "$begin") >= 1000 && i < 100))
    await status_is served 1
    status_is running 1
    has_line 'ticket 2: its connection was idle for too long: sending SIGTERM' "$LOG"
    for ((i = 0; i < 8; i++)); do
        sleep 0.2
        echo "$i" >&"$busy"
        read -r -t 20 -u "$busy" line
    done
    status_is running 1
    exec {busy}>&-
    await status_is served 2
}

@test "--idle-timeout spares a session in which only the handler speaks, and one in which only the client speaks" {
    start -v --idle-timeout 0.5 --address 127.0.0.1 --processes 2 0 \
        bash -c 'read -r how; if [[ $how == speak ]]; then for i in {1..15}; do echo x; sleep 0.1; done; else cat >/dev/null; fi; echo end >>ended'
    connect_silently
    local speaking=$CLIENT i
    echo speak >&"$speaking"
    connect_silently
    for ((i = 0; i < 15; i++)); do
        echo word >&"$CLIENT"
        sleep 0.1
    done
    exec {CLIENT}>&-
    [[ $(cat <&"$speaking" | wc -l) == 15 ]]
    await status_is served 2
    [[ $(wc -l <ended) == 2 ]]
    refute has_line 'idle' "$LOG"
}

@test "--idle-timeout ends a session whose client has stopped reading" {
    start -v --idle-timeout 0.5 --address 127.0.0.1 0 cat /dev/zero
    connect_silently
    await status_is running 1
    await status_is served 1
    has_line 'idle for too long' "$LOG"
}

@test "--idle-timeout holds after the death of the supervisor" {
    start -v --idle-timeout 1 --address 127.0.0.1 0 cat
    local process
    process=$(supervisor)
    connect_silently
    await status_is running 1
    kill -KILL "$process"
    await status_is served 1
}

@test "--idle-timeout: the time that a client waits in the queue does not count, though it has sent its request" {
    start -v --idle-timeout 1 --address 127.0.0.1 --processes 1 0 bash -c 'exec cat >received'
    local begin busy i
    connect_silently
    busy=$CLIENT
    connect_silently
    echo request >&"$CLIENT"
    # The daemon looks at connections when the first could have been idle for too long.
    for ((i = 0; i < 6; i++)); do
        echo word >&"$busy"
        sleep 0.2
    done
    status_is queued 1
    sleep 0.2
    begin=$(milliseconds)
    exec {busy}>&-
    await status_is served 2
    echo "took $(milliseconds_since "$begin") ms"
    (($(milliseconds_since "$begin") >= 1000))
    has_line 'ticket 2: its connection was idle for too long' "$LOG"
}

@test "--idle-timeout: a session is not spared because supervisors die" {
    start -v --idle-timeout 1 --address 127.0.0.1 0 cat
    local process i
    connect_silently
    await status_is running 1
    for ((i = 0; i < 8; i++)); do
        process=$(supervisor)
        kill -KILL "$process"
        sleep 0.3
        if status_is served 1; then break; fi
    done
    ((i < 8))
}

# ---- what they cost ----

# Prints how many sockets of established connections the supervisor holds.
held() { find "/proc/$(supervisor)/fd" -lname 'socket:*' | wc -l; }

@test "without these options a handler alone has its client's connection" {
    local before
    start --address 127.0.0.1 --processes 2 0 cat
    before=$(held)
    connect_more 2
    await status_is running 2
    [[ $(held) == "$before" ]]
    hang_up
    stop
    start --on-hangup end --address 127.0.0.1 --processes 2 0 cat
    before=$(held)
    connect_more 2
    await status_is running 2
    [[ $(held) == $((before + 2)) ]]
    hang_up
    await status_is served 2
    [[ $(held) == "$before" ]]
}

@test "with these options every client is answered once while supervisor and dispatchers are killed" {
    start_controlled --linger 5 --on-hangup end --idle-timeout 10 --processes 8 --dispatchers 4 0 \
        "$ANSWER" "$ANSWERS" "$COUNTER" 3
    "$BUILD/tests/programs/attackers/killer" "$DAEMON" 3 20 100 70 supervisor 70 dispatchers >killed 3>&- 4>&- &
    local killing=$!
    "$BURST" "$ADDRESS" "$PORT" 1000 >burst
    kill "$killing"
    wait "$killing"
    [[ $(cat burst) == "connected 1000 answered 1000 failed 0" ]]
    diff <(seq 1000) <(awk '{ print $2 }' "$ANSWERS" | sort -n)
    (($(most_handlers) <= 8))
    await fields_are served 1000 accepted 1000 running 0 lingering 0
}
