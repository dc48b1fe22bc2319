#!/usr/bin/env bats
# Standard error, which handlers share: the log survives a handler that shuts it down.
# shellcheck disable=SC2016,SC2030,SC2031,SC2034 # inner shells; each test is one; start() reads WRAPPER

load ../shared/helpers
load ../shared/control

STREAM=$BUILD/tests/programs/clients/stream

OTHERS=()

in_background() { (close_descriptors; exec "$@" >>"$BATS_TEST_TMPDIR/others" 2>&1 </dev/null) & OTHERS+=($!); }

end_others() {
    local process failed=0
    if [[ -n $DAEMON ]]; then await has_no_zombies && await has_its_descriptors && stop; fi || failed=1
    for process in "${OTHERS[@]}"; do
        kill -KILL "$process" 2>/dev/null || true
        wait "$process" || true
    done
    return "$failed"
}

# Makes a handler that shuts standard error down if the client says so.
make_handler() {
    cat >handler <<HANDLER
#!/bin/bash
read -r what
case \$what in
shut) exec "$STREAM" shut ;;
held) echo held; read -r what; echo "at the end" >&2 ;;
stream) echo "\$JOURNAL_STREAM" "\$(stat -Lc %d:%i /proc/self/fd/2)" ;;
*) echo "a handler says \$what" >&2; echo "\$what" ;;
esac
HANDLER
    chmod +x handler
}

# Starts a listener at SOCKET that writes to the file "lines", and a daemon whose standard error is
# connected to it.
start_with_stream() {
    in_background "$STREAM" listen "$PWD/socket" "$PWD/lines"
    await test -e lines
    WRAPPER=("$STREAM" to "$PWD/socket")
    make_handler
    start --address 127.0.0.1 --control control -v --processes 4 --dispatchers 2 0 ./handler
}

tell() { echo "$1" | nc -N 127.0.0.1 "$PORT"; }

OPENED='a process that shares standard error, or its reader, has shut it down: it was opened again;'

dispatchers_differ() { [[ $(comm -12 "$1" <(dispatchers | sort)) == '' ]] && has_dispatchers "$2"; }

@test "the daemon connects standard error again after a handler has shut it down, and says so" {
    start_with_stream
    dispatchers | sort >before
    [[ $(tell before) == before ]]
    [[ $(field log) == open && $(metric 'log_state{state="broken"}') == 0 ]]
    [[ $(tell shut) == shut ]]
    await has_line "^2 <\?.*$OPENED" lines
    refute grep -q '^1 .*a handler says after' lines
    await dispatchers_differ before 2
    await has_line '^2 .*log lines\? dropped: standard error was shut down' lines
    await field_is log open
    metric_is 'log_state{state="broken"}' 0
    # Handlers have it, too, and so has each process of the daemon.
    [[ $(tell after) == after ]]
    await has_line '^2 a handler says after$' lines
    kill -KILL "$(supervisor)"
    await has_line '^2 .*the supervisor, process [0-9]*, was killed by signal 9' lines
    [[ $(tell again) == again ]]
    await has_line '^2 a handler says again$' lines
    kill -KILL "$(standby)"
    await has_line '^2 .*the standby, process [0-9]*, was killed by signal 9' lines
}

@test "standard error is opened again after a second at the earliest, then after two seconds, and so on" {
    start_with_stream
    local begin number
    begin=$(milliseconds)
    for number in 2 3 4; do
        dispatchers | sort >before
        [[ $(tell shut) == shut ]]
        field log >>states # notices it
        await has_line "^$number .*$OPENED" lines
        await dispatchers_differ before 2
    done
    (($(milliseconds_since "$begin") >= 3000))
    [[ $(tell after) == after ]]
    await has_line '^4 a handler says after$' lines
}

@test "handlers that run while standard error is opened again go on, and their ends are known" {
    start_with_stream
    exec 9<>"/dev/tcp/127.0.0.1/$PORT"
    echo held >&9
    local answer
    read -r answer <&9
    [[ $answer == held ]]
    dispatchers | sort >before
    [[ $(tell shut) == shut ]]
    await dispatchers_differ before 2
    await fields_are running 1 served 1
    echo on >&9
    # It still has the old standard error, and SIGPIPE kills it.
    await fields_are running 0 served 2
    (($(field unknown) == 0))
    exec 9>&-
}

@test "a journal that is shut down gets a new stream with the header of sd_journal_stream_fd" {
    ((EUID == 0)) && unshare --mount true 2>/dev/null || skip "this requires a mount namespace"
    in_background unshare --mount sh -c 'mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal &&
        exec "$1" listen /run/systemd/journal/stdout "$2"' sh "$STREAM" "$PWD/lines"
    await test -e lines
    WRAPPER=(nsenter --mount="/proc/${OTHERS[0]}/ns/mnt" --wd="$PWD" "$STREAM" journal /run/systemd/journal/stdout)
    make_handler
    start --address 127.0.0.1 --control control -v --processes 4 --dispatchers 1 0 ./handler
    has_line '^1 <6>listening on ' lines
    dispatchers >before
    [[ $(tell shut) == shut ]]
    await has_line "^2 <4>$OPENED" lines
    await dispatchers_differ before 1
    grep '^2 ' lines | head -n 7 | diff <(printf '2 %s\n' socket-burst-dampener '' 30 1 0 0 0) -
    is_named() { local words; read -r -a words <<<"$(tell stream)"; [[ ${words[0]} == "${words[1]}" ]]; }
    await is_named
    await has_line '^2 <6>ticket [0-9]*: ended process ' lines
}

@test "where standard error cannot be opened again, status and metrics say so, and the service goes on" {
    make_handler
    WRAPPER=("$STREAM" pair)
    start --address 127.0.0.1 --control control 0 ./handler
    field_is log open
    [[ $(tell shut) == shut ]]
    # No line was lost yet.
    field_is log broken
    field_is log_lines_dropped 0
    metric_is 'log_state{state="broken"}' 1
    metric_is 'log_state{state="open"}' 0
    say table | grep -qx 'log             BROKEN'
    [[ $(tell hello) == '' ]] || true # bash dies of SIGPIPE when it writes to standard error
    health_is_good
}

health_is_good() { [[ $(field state) == serving ]]; }

@test "a pipe without a reader shows as a broken log, until there is a reader again" {
    make_handler
    mkfifo pipe
    exec {HELD}<>pipe
    LOG=$PWD/pipe start -v --address 127.0.0.1 --control control --dispatchers 1 0 ./handler
    field_is log open
    exec {HELD}>&-
    field_is log broken
    exec {HELD}<>pipe
    field_is log open
    stop
    exec {HELD}>&-
}
