#!/usr/bin/env bats
# What an operator at a terminal sees when the service begins.

load ../shared/helpers

# Starts the daemon with a terminal as standard error, which is copied to the file "seen", and waits
# until $1 was seen there.  Sets DAEMON and SCRIPT.
start_at_terminal() {
    local awaited=$1
    shift
    command -v script >/dev/null || skip "script is not installed"
    : >seen
    (
        close_descriptors
        exec script -q -e -f -c "exec $(printf '%q ' "$DAMPENER" "$@")" seen </dev/null >/dev/null 2>&1
    ) &
    SCRIPT=$!
    await has_line "$awaited" seen
    DAEMON=$(children "$SCRIPT" | tr -d ' ')
    count_descriptors
}

# Prints what was seen, except for what script itself writes.
seen() { tr -d '\r' <seen | grep -v '^Script '; }

# Ends the daemon as Ctrl-C does, and requires that it says so.
interrupt() {
    kill -INT "$DAEMON"
    await is_gone "$SCRIPT"
    wait "$SCRIPT" || true
    DAEMON=
    grep -qx interrupted. <(seen)
}

@test "at a terminal four lines say where the service listens, how to try it, to watch it and to end it" {
    start_at_terminal '^end it:' --address 127.0.0.1 --control control --processes 4 0 echo hello
    seen
    local port words
    port=$(sed -n 's/^listening on 127\.0\.0\.1 port \([0-9]*\); 4 handlers at a time (--processes)$/\1/p' <(seen))
    diff - <(seen) <<END
listening on 127.0.0.1 port $port; 4 handlers at a time (--processes)
try it:    nc 127.0.0.1 $port
watch it:  dampenerctl control top
end it:    Ctrl-C
END
    read -r -a words < <(sed -n 's/^try it: *//p' <(seen))
    [[ $("${words[@]}" </dev/null) == hello ]]
    read -r -a words < <(sed -n 's/^watch it: *dampenerctl//p' <(seen))
    [[ $("$BUILD/dampenerctl" "${words[@]}") == *"serving"* ]]
    interrupt
}

@test "for every address the greeting names one that reaches the service, and how to get a control socket" {
    start_at_terminal '^end it:' 0 echo hello
    seen
    local words
    grep -qx 'listening on port [0-9]* of every address; 1 handler at a time (--processes)' <(seen)
    grep -qx 'watch it:  start it with --control PATH, then: dampenerctl PATH top' <(seen)
    read -r -a words < <(sed -n 's/^try it: *//p' <(seen))
    [[ $("${words[@]}" </dev/null) == hello ]]
    interrupt
}

@test "the greeting for a Unix socket names its path" {
    start_at_terminal '^end it:' --processes 0 unix:here echo hello
    seen
    [[ $(head -n 2 <(seen)) == "listening on unix:here; any number of handlers at a time
try it:    nc -U here" ]]
    [[ $(nc -U here </dev/null) == hello ]]
    interrupt
}

@test "the greeting is written once, although supervisors replace one another" {
    start_at_terminal '^end it:' --address 127.0.0.1 0 cat
    kill -KILL "$(supervisor)"
    await has_line 'another takes its place' seen
    kill -USR1 "$DAEMON"
    await has_line '\[INFO\] status: ' seen
    [[ $(grep -c '^listening on' seen) == 1 && $(grep -c '^end it:' seen) == 1 ]]
    interrupt
}

@test "no greeting with another format of the log, or while a program waits for --ready-fd" {
    start_at_terminal 'listening on' -v --log-format timed --address 127.0.0.1 0 cat
    interrupt_quietly
    start_at_terminal '"listening"' -v --log-format json --address 127.0.0.1 0 cat
    interrupt_quietly
    start_at_terminal '\[INFO\] listening on' -v --ready-fd 1 --address 127.0.0.1 0 cat
    interrupt_quietly
}

# Ends the daemon, and requires that there was no greeting.
interrupt_quietly() {
    kill -INT "$DAEMON"
    await is_gone "$SCRIPT"
    wait "$SCRIPT" || true
    DAEMON=
    refute has_line 'end it:' seen
    rm seen
}

@test "no greeting if standard error is no terminal" {
    "$DAMPENER" --address 127.0.0.1 --pid-file pid 0 cat 2>>"$LOG" 3>&- 4>&- </dev/null &
    DAEMON=$!
    await has_content pid
    count_descriptors
    stop
    [[ $STATUS == 0 && ! -s $LOG ]]
}
