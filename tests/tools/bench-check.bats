#!/usr/bin/env bats
# Tests the verdicts of scripts/bench-check, the guard against dearer connections.

load ../shared/helpers
load ../shared/bench-check

refuses() {
    run bench_check "$@"
    [[ $status == 2 ]]
    [[ $output == "bench-check: "*"Usage: "* ]]
}

@test "bench-check refuses wrong usage with a message and its usage" {
    refuses --fast
    [[ $output == *"unknown option --fast"* ]]
    refuses here
    [[ $output == *"unknown argument here"* ]]
    refuses --against
    [[ $output == *"--against takes a value"* ]]
    refuses --compare one
    [[ $output == *"--compare takes two files"* ]]
    refuses --record --quick
    [[ $output == *"--record goes neither with --quick"* ]]
    if command -v git >/dev/null; then
        refuses --against --remote=nowhere
        [[ $output == *"--against: git knows no revision --remote=nowhere here"* ]]
    fi
    run bench_check --compare none nothing
    [[ $status == 2 && $output == *"cannot read none"* ]]
}

# Writes figures to file $1: system calls $2, instructions $3, the ratio of times $4 and its spread $5.
write_figures() {
    cat >"$1" <<FIGURES
# What a connection costs.
condition compiler ${COMPILER:-gcc 12}
condition libc glibc 2.36
condition architecture x86_64
condition flags -O2
condition processor ${PROCESSOR:-fast}
condition kernel 6.1
figure burst-supervisor-calls $2
call burst-supervisor-calls sendmsg 1.00
call burst-supervisor-calls epoll_ctl ${CONTROLS:-1.00}
figure single-supervisor-instructions $3
figure burst-time-ratio $4
spread burst-time-ratio $5
FIGURES
}

# Compares figures $1 to $4 with recorded 10.00, 1000, 0.200 and a spread of 0.010.
compares() {
    write_figures recorded 10.00 1000 0.200 0.010
    CONTROLS=${NOW_CONTROLS:-} COMPILER=${NOW_COMPILER:-} PROCESSOR=${NOW_PROCESSOR:-} write_figures now "$@"
    run bench_check --compare recorded now
    echo "$output"
}

@test "11 % more system calls fail, and the output shows the call" {
    NOW_CONTROLS=2.10 compares 11.10 1000 0.200 0.010
    [[ $status == 1 ]]
    [[ $output == *"More than 10 % dearer: burst: supervisor, system calls."* ]]
    [[ $output == *"epoll_ctl: 1.00 -> 2.10"* ]]
    [[ $output != *"sendmsg:"* && $output != *"Nothing has become dearer"* ]]
}

@test "11 % more instructions or processor time fail" {
    compares 10.00 1110 0.200 0.010
    [[ $status == 1 ]]
    [[ $output == *"More than 10 % dearer: one at a time: supervisor, instructions."* ]]
    compares 10.00 1000 0.223 0.010
    [[ $status == 1 ]]
    [[ $output == *"More than 10 % dearer: burst: processor time, in spawns."* ]]
}

@test "9 % more of everything passes" {
    compares 10.90 1090 0.218 0.010
    [[ $status == 0 ]]
    [[ $output == *"+9.0%  as it was"* && $output == *"Nothing has become dearer."* ]]
    [[ $output != *"--record"* ]]
}

@test "the spread of processor time adds to its tolerance" {
    compares 10.00 1000 0.223 0.130
    [[ $status == 0 ]]
    compares 10.00 1000 0.235 0.130
    [[ $status == 1 ]]
}

@test "cheaper figures pass, and the output shows how to record them" {
    compares 8.00 1000 0.200 0.010
    [[ $status == 0 ]]
    [[ $output == *"-20.0%  cheaper"* && $output == *"scripts/bench-check --record"* ]]
}

@test "figures that depend on the compiler or processor are skipped on another one, and the output shows that" {
    NOW_COMPILER="clang 14" compares 10.00 2000 0.200 0.010
    [[ $status == 0 ]]
    [[ $output == *'another compiler, "gcc 12" (now "clang 14"), and not judged for that: one at a time: supervisor, instructions.'* ]]
    [[ $output == *"--against"* ]]
    NOW_COMPILER="clang 14" compares 12.00 2000 0.200 0.010
    [[ $status == 1 ]]
    NOW_PROCESSOR=slow compares 10.00 1000 0.400 0.010
    [[ $status == 0 ]]
    [[ $output == *'not judged for that: one at a time: supervisor, instructions; burst: processor time'* ]]
}

@test "figures without a number, or none to compare, fail" {
    compares 10.00 "" 0.200 0.010
    [[ $status == 3 && $output == *"single-supervisor-instructions has no number"* ]]
    : >recorded
    run bench_check --compare recorded now
    [[ $status == 3 ]]
    write_figures now 10.00 1000 0.200 0.010
    run bench_check --compare recorded now
    [[ $status == 3 && $output == *"nothing could be compared"* ]]
}

@test "a missing figure fails, except processor time" {
    write_figures recorded 10.00 1000 0.200 0.010
    grep -v 'instructions' recorded >now
    run bench_check --compare recorded now
    [[ $status == 3 ]]
    [[ $output == *"recorded, but not measured now: one at a time: supervisor, instructions"* ]]
    grep -v 'time-ratio' recorded >now
    run bench_check --compare recorded now
    [[ $status == 0 && $output == *"Nothing has become dearer."* ]]
}

@test "calls that are no connection's cost or vary between machines are not counted" {
    cat >trace <<'TRACE'
1 accept4(3, NULL, NULL, SOCK_CLOEXEC) = 9
1 clock_gettime(CLOCK_MONOTONIC, {tv_sec=1, tv_nsec=2}) = 0
1 epoll_wait(4,  <unfinished ...>
2 recvmsg(3, {msg_namelen=0}, 0) = -1 EINTR (Interrupted system call)
1 <... epoll_wait resumed>[], 8, -1) = 0
1 --- SIGCHLD {si_signo=SIGCHLD} ---
2 recvmsg(3, {msg_namelen=0}, 0) = 8
3 execve("/bin/cat", ["/bin/cat"], 0x1) = 0
3 read(0, "", 1) = 0
TRACE
    awk -v drive=single -v clients=1 -v supervisor=1 -v dispatchers=2 \
        -f "$ROOT/scripts/bench.d/guard-calls.awk" trace | grep '^figure' | sort >figures
    diff figures - <<'FIGURES'
figure single-dispatchers-calls 1.00
figure single-start-calls 1.00
figure single-supervisor-calls 2.00
FIGURES
}

@test "figures far below the recorded ones are found" {
    compares 7.50 850 0.100 0.010
    run expect_no_stale_figures
    [[ $status == 1 && ${lines[1]} == "burst: supervisor, system calls" ]]
}

@test "bench-check without the right to trace says that it cannot measure" {
    ((EUID == 0)) || skip "only root can become another user"
    open_to_others
    cp -r "$ROOT/scripts" . # other users may be unable to reach the checkout
    chmod -R go+rX scripts
    run run_as 65534 ./scripts/bench-check --quick --build "$BUILD" 3>&-
    [[ $status == 77 && $output == *"CANNOT MEASURE: only root"* ]]
}
