#!/usr/bin/env bats
# Kernels that lack something: what is newer than the oldest that can be met, or was left out when
# they were made.  Each lack has a word in the log that says what is missing, or makes no difference.

load ../shared/helpers

# The leak checker can neither be traced nor do without /proc.
export ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0

# Starts the daemon where a system call fails, from the start on and in all of its processes: $1 is
# what strace's -e inject takes.
start_without() {
    command -v strace >/dev/null || skip "strace is not installed"
    local lack=$1
    shift
    WRAPPER=(strace -D -f -qq -o trace -e "trace=${lack%%:*}" -e "inject=$lack")
    start "$@" || return 1
    grep -q INJECTED trace
}

fails_without() {
    local lack=$1 words=$2
    shift 2
    refute start_without "$lack" "$@"
    cat "$LOG"
    grep -q -- "$words" "$LOG"
}

takes_mounts() {
    ((EUID == 0)) || skip "needs root, for a mount namespace"
    unshare --mount true || skip "no mount namespace can be made here"
}

answers() { [[ $(echo hello | nc -N 127.0.0.1 "$PORT") == hello ]]; }

# Which prctl(2) of the first process that is, by what strace shows of it.
number_of_prctl() {
    command -v strace >/dev/null || skip "strace is not installed"
    WRAPPER=(strace -D -qq -o prctl -e trace=prctl)
    start --address 127.0.0.1 0 cat
    check_and_end
    NUMBER=$(grep '^prctl(' prctl | grep -n -m 1 -- "$1" | cut -d: -f1)
    [[ -n $NUMBER ]] || skip "this build does not call it"
}

# Which numbers a handler finds open.
handlers_descriptors() { nc -N -d 127.0.0.1 "$PORT" | sed 's|/proc/[0-9]*/fd/||g'; }

# Before Linux 5.9; containers may say EPERM instead.
@test "without close_range a handler has no more descriptors than with it" {
    local error expected
    # shellcheck disable=SC2016 # the handler's shell is to read this
    local -a words=(--address 127.0.0.1 0 sh -c 'echo /proc/$$/fd/*')
    start "${words[@]}"
    expected=$(handlers_descriptors)
    [[ $expected == "0 1 2"* ]]
    check_and_end
    for error in ENOSYS EPERM; do
        start_without "close_range:error=$error" "${words[@]}"
        [[ $(handlers_descriptors) == "$expected" ]]
        check_and_end
    done
}

# Before Linux 3.17.
@test "without memfd_create it says what is missing" {
    fails_without memfd_create:error=ENOSYS 'memfd_create(2) requires Linux 3.17' 0 cat
}

# Before Linux 4.6; before 6.5 pipes do not know the flag.  It is needed where standard error cannot
# be opened anew.
@test "without pwritev2, or its flag for pipes, no line of the log is missing" {
    # Which file a call is about is seen from outside.
    [[ -z $(no_tracer) ]] || skip "$(no_tracer)"
    local error
    for error in ENOSYS EOPNOTSUPP EPERM; do
        mkfifo pipe
        cat pipe >"$LOG" 3>&- 4>&- &
        WRAPPER=(strace -D -qq -o trace -P /proc/self/fd/2 -e "trace=openat,pwritev2"
            -e inject=openat:error=EACCES -e "inject=pwritev2:error=$error")
        LOG=pipe start -v --address 127.0.0.1 0 cat
        grep -q "^pwritev2.*$error.*INJECTED" trace
        answers
        await has_line 'started process' "$LOG"
        check_and_end
        wait $!
        rm pipe
    done
}

@test "where no processor can be chosen it serves all the same" {
    start_without sched_setaffinity,sched_getaffinity:error=ENOSYS --address 127.0.0.1 --processes 4 \
        0 "$ANSWER" "$ANSWERS" "$COUNTER"
    "$BURST" "$ADDRESS" "$PORT" 20
}

# Made without CONFIG_SECCOMP_FILTER.
@test "without filters of system calls it warns, and serves" {
    number_of_prctl PR_SET_SECCOMP
    WRAPPER=(strace -D -qq -o /dev/null -e trace=prctl -e "inject=prctl:error=EINVAL:when=$NUMBER")
    start --address 127.0.0.1 0 cat
    answers
    grep -q 'this kernel cannot filter system calls: Invalid argument' "$LOG"
}

# Before Linux 3.4.
@test "without child subreapers it says so" {
    number_of_prctl PR_SET_CHILD_SUBREAPER
    WRAPPER=(strace -D -qq -o /dev/null -e trace=prctl -e "inject=prctl:error=EINVAL:when=$NUMBER")
    refute start 0 cat
    grep -q 'cannot become the reaper of orphaned handlers: Invalid argument' "$LOG"
}

# Made without CONFIG_MULTIUSER.
@test "without capabilities root's daemon says so" {
    ((EUID == 0)) || skip "needs root, to have capabilities"
    fails_without capset:error=ENOSYS 'cannot give up capabilities: Function not implemented' 0 cat
}

# Before Linux 3.9.
@test "a socket option that is missing is named" {
    command -v strace >/dev/null || skip "strace is not installed"
    # The first is SO_REUSEADDR.
    WRAPPER=(strace -D -qq -o /dev/null -e trace=setsockopt
        -e inject=setsockopt:error=ENOPROTOOPT:when=2)
    refute start --address 127.0.0.1 --reuse-port 0 cat
    grep -q -- '--reuse-port: Protocol not available' "$LOG"
}

# With /proc the daemon finds its dispatcher as a neighbour; without, where it was to be installed.
@test "without /proc an installed daemon serves" {
    takes_mounts
    if is_sanitized; then skip "a sanitizer does not do without /proc"; fi
    grep -qa /usr/local/libexec/socket-burst-dampener/dispatcher "$DAMPENER" ||
        skip "built for another place"
    # shellcheck disable=SC2016 # the shell in the namespace is to read this
    WRAPPER=(unshare --mount sh -ec 'mount -t tmpfs none /usr/local
        mkdir -p /usr/local/libexec/socket-burst-dampener
        cp "$0" /usr/local/libexec/socket-burst-dampener/
        mount -t tmpfs none /proc
        exec "$@"' "$BUILD/dispatcher")
    start --address 127.0.0.1 --processes 4 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    "$BURST" "$ADDRESS" "$PORT" 20
}

@test "without /proc/loadavg --load-average is an error at the start" {
    takes_mounts
    # shellcheck disable=SC2016 # the shell in the namespace is to read this
    WRAPPER=(unshare --mount sh -ec 'mount --bind "$0" /proc/loadavg; exec "$@"' /dev/null)
    refute start --load-average 5 0 cat
    cat "$LOG"
    grep -q -- '--load-average: cannot read /proc/loadavg' "$LOG"
}
