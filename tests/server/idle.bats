#!/usr/bin/env bats
# Tests that an idle daemon does nothing.
# shellcheck disable=SC2046 # numbers of processes

load ../shared/helpers

# Traces the daemon and all its processes for ten seconds, after one served client.
@test "an idle daemon and its processes make no system call for 10 s" {
    command -v strace >/dev/null || skip "strace is not installed"
    local pressure=()
    if [[ -e /proc/pressure/io ]]; then pressure=(--pressure "cpu=0,memory=0,io=0"); fi
    echo 'deny 127.0.0.9' >rules
    start --address 127.0.0.1 --processes 4 --load-average 0.01 --queue 5 --queue-timeout 3 \
        --when-full refuse --order fair --per-source 2 --per-source-queue 2 --rate 100 \
        --access-file rules --pid-file pid --control control --metrics 127.0.0.1:0 "${pressure[@]}" 0 cat
    [[ $(echo hello | nc -N 127.0.0.1 "$PORT") == hello ]]
    await status_is served 1
    [[ $(echo status | nc -NU control) == *'"served":1'* ]]
    echo "set queue-timeout 4s" | nc -NU control
    make_no_call "$DAEMON" $(children "$DAEMON") "$(supervisor)"
    # Proves that tracing works, because a client causes calls.
    [[ $(echo hello | nc -N 127.0.0.1 "$PORT") == hello ]]
}

@test "with idle workers, neither they nor the daemon make a system call for 10 s" {
    command -v strace >/dev/null || skip "strace is not installed"
    start --address 127.0.0.1 --processes 4 --persistent --max-requests 1000 --spare 4 --timeout 60 0 \
        "$BUILD/tests/programs/handlers/worker" "$ANSWERS" 4 20
    "$BURST" 127.0.0.1 "$PORT" 20
    await status_is served 20
    [[ $(children "$(dispatchers)" | wc -w) == 4 ]]
    make_no_call "$DAEMON" $(children "$DAEMON") "$(supervisor)" $(children "$(dispatchers)")
    [[ $(echo hello | nc -N 127.0.0.1 "$PORT") == hello ]]
}

# Traces these processes for ten seconds, and fails if one of them makes a system call.
make_no_call() {
    local process targets=()
    for process; do targets+=(-p "$process"); done
    strace -f -ttt -o trace "${targets[@]}" 2>attached 3>&- 4>&- &
    local tracer=$!
    for process; do
        await has_line "Process $process attached" attached
    done
    # Attaching interrupts each process's wait; after it has resumed the wait, the process is silent.
    await has_settled
    local begin
    begin=$(wc -l <trace)
    sleep 10
    kill -INT "$tracer"
    wait "$tracer" || true
    # Excludes the calls that the end of tracing cuts off.
    tail -n +$((begin + 1)) trace | grep -v 'detached' >calls || true
    cat calls
    [[ ! -s calls ]]
}

has_settled() {
    local before
    before=$(wc -l <trace)
    sleep 1.5
    [[ $(wc -l <trace) == "$before" ]]
}

# Prints how many KiB of the code of name services a process has in its memory; nothing if it has loaded none.
name_services() {
    awk '/^[0-9a-f]+-/ { is = /r-xp.*\/libnss_/ } is && /^Rss:/ { sum += $2; n++ } END { if (n) print sum }' \
        "/proc/$1/smaps"
}

@test "the keeper's memory has no code of name services, which it needs at the start" {
    start --address 127.0.0.1 0 cat
    [[ -n $(name_services "$DAEMON") ]] || skip "no name service is loaded here"
    [[ $(name_services "$DAEMON") == 0 ]]
}
