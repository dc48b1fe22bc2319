#!/usr/bin/env bats
# Kernels that lack something, because they are old or built without it.  The log then says what is
# missing, or the lack makes no difference.

load ../shared/helpers

# The leak checker can neither be traced nor work without /proc.
export ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0

# Starts the daemon with a system call that fails in all of its processes.  $1 has the syntax of
# strace's -e inject.
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

require_mounts() {
    ((EUID == 0)) || skip "a mount namespace requires root"
    unshare --mount true || skip "no mount namespace can be made here"
}

has_answers() { (($(wc -l <"$ANSWERS") >= $1)); }

answers() { [[ $(echo hello | nc -N 127.0.0.1 "$PORT") == hello ]]; }

# Sets NUMBER: which prctl(2) of its process has the argument $1, counted from 1.
number_of_prctl() {
    command -v strace >/dev/null || skip "strace is not installed"
    local process
    WRAPPER=(strace -D -f -b execve -qq -o prctl -e trace=prctl)
    start --address 127.0.0.1 0 cat
    check_and_end
    process=$(grep -m 1 " prctl($1" prctl | cut -d ' ' -f 1)
    [[ -n $process ]] || skip "this build does not call prctl like that"
    NUMBER=$(grep "^$process  *prctl(" prctl | grep -n -m 1 -- "prctl($1" | cut -d: -f1)
}

# Starts a daemon whose keeper and supervisor have prctl(2) number NUMBER failing.
start_without_prctl() {
    WRAPPER=(strace -D -f -b execve -qq -o /dev/null -e trace=prctl
        -e "inject=prctl:error=EINVAL:when=$NUMBER")
    start --address 127.0.0.1 0 cat
}

# Prints the numbers of the descriptors that a handler finds open.
handlers_descriptors() { nc -N -d 127.0.0.1 "$PORT" | sed 's|/proc/[0-9]*/fd/||g'; }

# Linux before 5.9 lacks close_range; containers may answer EPERM.
@test "without close_range, a handler has no more descriptors than with it" {
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

# Linux before 3.17 lacks memfd_create.
@test "without memfd_create, the daemon says what is missing" {
    fails_without memfd_create:error=ENOSYS 'memfd_create(2) requires Linux 3.17' 0 cat
}

# Linux before 4.6 lacks pwritev2; before 6.5 pipes do not support its flag.  The daemon needs both only
# if it cannot open standard error anew.
@test "without pwritev2, or its flag for pipes, no line of the log is missing" {
    # strace finds the file of a call in /proc, where the daemon hides.
    [[ -z $(no_tracer) ]] || skip "$(no_tracer)"
    local error
    for error in ENOSYS EOPNOTSUPP EPERM; do
        mkfifo pipe
        cat pipe >"$LOG" 3>&- 4>&- &
        WRAPPER=(strace -D -f -b execve -qq -o trace -P /proc/self/fd/2 -e "trace=openat,pwritev2"
            -e inject=openat:error=EACCES -e "inject=pwritev2:error=$error")
        LOG=pipe start -v --address 127.0.0.1 0 cat
        grep -q " pwritev2.*$error.*INJECTED" trace
        answers
        await has_line 'started process' "$LOG"
        check_and_end
        wait $!
        rm pipe
    done
}

@test "where processors cannot be counted, the daemon serves" {
    start_without sched_getaffinity:error=ENOSYS --address 127.0.0.1 --processes 4 \
        0 "$ANSWER" "$ANSWERS" "$COUNTER"
    "$BURST" "$ADDRESS" "$PORT" 20
}

# A kernel without CONFIG_SECCOMP_FILTER lacks filters.
@test "without filters of system calls, the daemon warns, and serves" {
    number_of_prctl PR_SET_SECCOMP
    start_without_prctl
    answers
    grep -q 'this kernel cannot filter system calls: Invalid argument' "$LOG"
}

# Linux before 3.4 lacks child subreapers.
@test "without child subreapers, the daemon says so, and does not start" {
    number_of_prctl PR_SET_CHILD_SUBREAPER
    refute start_without_prctl
    grep -q 'cannot become the reaper of orphaned handlers: Invalid argument' "$LOG"
}

# A kernel without CONFIG_MULTIUSER lacks capset.
@test "without capabilities, root's daemon says so, and does not start" {
    ((EUID == 0)) || skip "having capabilities requires root"
    fails_without capset:error=ENOSYS 'cannot give up capabilities: Function not implemented' 0 cat
}

# Linux before 3.9 lacks SO_REUSEPORT.
@test "the error about a missing socket option names the option" {
    command -v strace >/dev/null || skip "strace is not installed"
    # The first setsockopt is SO_REUSEADDR.
    WRAPPER=(strace -D -qq -o /dev/null -e trace=setsockopt
        -e inject=setsockopt:error=ENOPROTOOPT:when=2)
    refute start --address 127.0.0.1 --reuse-port 0 cat
    grep -q -- '--reuse-port: Protocol not available' "$LOG"
}

# Starts the daemon without /proc and without an installed dispatcher, by the words $@: a path, or a
# name that is in PATH.
start_without_proc() {
    # shellcheck disable=SC2016 # the shell in the namespace is to read this
    WRAPPER=(unshare --mount sh -ec 'mount -t tmpfs none /usr/local; mount -t tmpfs none /proc
        exec "$@"' sh)
    DAMPENER=$1 start --address 127.0.0.1 0 cat
}

@test "without numbers of sockets, clients of a Unix socket are served once although supervisors are killed" {
    without_option 57 # SO_COOKIE
    local round process
    start --processes 1 "unix:$PWD/socket" "$ANSWER" "$ANSWERS" "$COUNTER" 20
    "$BURST" "unix:$PWD/socket" 0 40 >burst &
    for round in 1 2 3; do
        await has_answers "$((5 * round))"
        process=$(supervisor)
        kill -KILL "$process"
        await is_replaced "$process"
    done
    wait $!
    [[ $(<burst) == "connected 40 answered 40 failed 0" && $(wc -l <"$ANSWERS") == 40 ]]
}

@test "without /proc, a daemon that is not installed finds the dispatcher beside itself" {
    require_mounts
    if is_sanitized; then skip "a sanitizer requires /proc"; fi
    [[ $PWD != /usr/local/* ]] || skip "the test hides /usr/local"
    mkdir -p programs links
    cp "$DAMPENER" "$BUILD/dispatcher" programs/
    ln -s ../programs/socket-burst-dampener links/alias
    ln -s programs "link to folder"
    local place
    for place in "$PWD/programs/socket-burst-dampener" ./programs/../programs/socket-burst-dampener \
        programs/socket-burst-dampener links/alias "link to folder/socket-burst-dampener"; do
        start_without_proc "$place"
        answers
        stop
    done
    PATH=/nowhere:$PWD/programs:$PATH start_without_proc socket-burst-dampener
    answers
    stop
    # A relative folder in PATH makes the path relative.
    PATH=links:$PATH start_without_proc alias
    answers
}

@test "without /proc and a dispatcher, the daemon says where it looked" {
    require_mounts
    if is_sanitized; then skip "a sanitizer requires /proc"; fi
    [[ $PWD != /usr/local/* ]] || skip "the test hides /usr/local"
    cp "$DAMPENER" alone
    refute start_without_proc ./alone
    has_line "cannot find the dispatcher's program, neither as $PWD/dispatcher nor as " "$LOG"
}

# If the daemon has no dispatcher beside it, it takes the one in the place of the installation.
@test "without /proc, an installed daemon serves" {
    require_mounts
    if is_sanitized; then skip "a sanitizer requires /proc"; fi
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

@test "without /proc/loadavg, the daemon refuses to start with --load-average" {
    require_mounts
    # shellcheck disable=SC2016 # the shell in the namespace is to read this
    WRAPPER=(unshare --mount sh -ec 'mount --bind "$0" /proc/loadavg; exec "$@"' /dev/null)
    refute start --load-average 5 0 cat
    cat "$LOG"
    grep -q -- '--load-average: cannot read /proc/loadavg' "$LOG"
}
