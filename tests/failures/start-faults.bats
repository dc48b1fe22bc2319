#!/usr/bin/env bats
# System calls that fail while the service starts.  The service logs the reason, ends, and leaves
# nothing behind; or the service starts without the call.

load ../shared/helpers
load ../shared/privileges

PASSED=() # a command that passes sockets to the daemon

# Makes the Nth call of each process fail: CALL:N[:ERROR].
let_fail() {
    command -v strace >/dev/null || skip "strace is not installed"
    is_sanitized && skip "the calls that fail would be a sanitizer's"
    local call number error
    IFS=: read -r call number error <<<"$1"
    WRAPPER=(${PASSED[@]+"${PASSED[@]}"} strace -D -f -qq -o /dev/null -e "trace=$call" -e "inject=$call:${error:-error=EPERM}:when=$number")
}

# Reads lines "FAULT|TEXT OF THE LOG".  Starts the daemon with the arguments and each fault, and expects
# the text, status 1, and no file.
each_ends_the_start() {
    local fault sentence
    while IFS='|' read -r fault sentence; do
        let_fail "$fault"
        : >"$LOG"
        if start "$@"; then echo "the daemon starts despite $fault"; return 1; fi
        STATUS=0
        wait "$DAEMON" || STATUS=$?
        DAEMON=
        if [[ $STATUS != 1 ]] || ! grep -qF -- "$sentence" "$LOG" || [[ -e pid || -e control || -e socket ]]; then
            echo "with $fault the status is $STATUS; missing in the log, or files left: $sentence" >&2
            ls >&2
            return 1
        fi
    done
}

# Expects the service to start and serve despite the fault.  LOG has its lines.
serves_although() {
    let_fail "$1"
    : >"$LOG"
    start --address 127.0.0.1 "${@:2}" 0 cat
    [[ $(echo hello | timeout 10 nc -N 127.0.0.1 "$PORT") == hello ]]
    stop
    [[ $STATUS == 0 ]]
}

# Prints which call $1 of its process has such arguments, counted from 1.
number_of() {
    command -v strace >/dev/null || skip "strace is not installed"
    WRAPPER=(strace -D -f -qq -o calls -e "trace=$1")
    start "${@:3}"
    stop
    local process
    process=$(grep -m 1 " $1(.*$2" calls | cut -d ' ' -f 1)
    grep "^$process  *$1(" calls | grep -n -m 1 -- "$2" | cut -d : -f 1
}

# Root's daemon first creates a process that tries to become another user.
FIRST=$((EUID == 0 ? 2 : 1))

@test "without a descriptor, process, shared memory or event the start ends, and the log says for what" {
    each_ends_the_start --address 127.0.0.1 --dispatchers 1 0 true <<END
dup2:1|cannot prepare the open descriptors: Operation not permitted
memfd_create:1|cannot prepare what handlers start with
ftruncate:1|cannot prepare what handlers start with
memfd_create:2|cannot try the command
ftruncate:2|cannot try the command
socketpair:1|cannot try the command
sendto:1|cannot tell the keeper where true is
clone:$FIRST|cannot try the command
prlimit64:1|cannot prepare a dispatcher
execveat:1|cannot execute the dispatcher
faccessat2:1:signal=KILL|the dispatcher ended while it tried the command
socketpair:2|cannot make the link to the supervisor
clone:$((FIRST + 1))|cannot create the standby
memfd_create:3|cannot start even one dispatcher: Operation not permitted
socketpair:3|cannot start even one dispatcher
clone:$((FIRST + 2))|cannot start even one dispatcher
epoll_create1:1|cannot prepare the
epoll_create1:2|cannot prepare the service
signalfd4:1|cannot prepare the
epoll_ctl:1|cannot prepare the
END
}

@test "a supervisor that cannot be cloned ends the start" {
    ((EUID == 0)) || skip "an earlier process would fail at its first clone"
    # The first clone of each process fails; the start goes on without the others.
    each_ends_the_start --address 127.0.0.1 --dispatchers 1 --pid-file pid 0 true \
        <<<'clone:1|cannot create the supervisor: Operation not permitted'
}

@test "a dispatcher that cannot begin ends the start, and the log says so" {
    each_ends_the_start --address 127.0.0.1 --dispatchers 1 --no-new-privs 0 true <<'END'
mlock:1:signal=KILL|did not become ready
END
}

@test "a listener that cannot be set up ends the start, and the message names it" {
    each_ends_the_start --address 127.0.0.1 --dispatchers 1 --defer-accept 1 --nodelay --reuse-port \
        --free-bind 0 true <<'END'
socket:1+|cannot listen on 127.0.0.1 port 0: Operation not permitted
bind:1|cannot listen on 127.0.0.1 port 0
listen:1|cannot listen on 127.0.0.1 port 0
getsockname:1|cannot listen on 127.0.0.1 port 0
setsockopt:1|cannot listen on 127.0.0.1 port 0
setsockopt:3|cannot listen on 127.0.0.1 port 0
setsockopt:5|cannot listen on 127.0.0.1 port 0
setsockopt:7|cannot listen on 127.0.0.1 port 0
setsockopt:9|cannot listen on 127.0.0.1 port 0
getsockopt:4|cannot listen on 127.0.0.1 port 0
END
}

@test "a passed socket that cannot be set up ends the start, and the message names it" {
    PASSED=("$BUILD/tests/programs/clients/activate" -n web 127.0.0.1 --)
    each_ends_the_start --dispatchers 1 systemd true <<'END'
setsockopt:1|passed as 'web': Operation not permitted
END
}

@test "a Unix socket that cannot be made ends the start, and no file is left" {
    each_ends_the_start --dispatchers 1 --pid-file pid --control control "unix:$PWD/socket" true <<'END'
bind:1|socket': cannot listen there: Operation not permitted
listen:1|socket': cannot listen there
getsockname:1|cannot listen on unix:
bind:2|--control: 'control': cannot listen there
listen:2|--control: 'control': cannot listen there
setsockopt:1|--control: cannot serve its socket
fchmod:1|--pid-file: cannot write the temporary file for pid
renameat:1|cannot put pid into its place
END
}

@test "a socket of --metrics that cannot be made ends the start, and no file is left" {
    each_ends_the_start --dispatchers 1 --control control --metrics 127.0.0.1:0 --address 127.0.0.1 0 true <<'END'
bind:3|cannot listen on 127.0.0.1:0 (--metrics): Operation not permitted
END
}

@test "a privileged call that fails for root ends the start" {
    [[ $(id -u) == 0 ]] || skip "only root makes these calls"
    is_sanitized && skip "a build with sanitizers keeps its root directory"
    each_ends_the_start --address 127.0.0.1 --dispatchers 1 --pid-file pid --user nobody 0 true <<'END'
capset:2|cannot give up privileges
setresuid:1|cannot become user
END
}

@test "a supervisor that cannot have an empty root causes a warning" {
    [[ $(id -u) == 0 ]] || skip "only root makes these calls"
    is_sanitized && skip "a build with sanitizers keeps its root directory"
    local fault
    for fault in mkdir:1+:error=EROFS chroot:1 rmdir:1; do
        serves_although "$fault"
        has_line 'cannot make an empty directory the root of the supervisor, .*; going on without' "$LOG"
    done
}

@test "a kernel without filters of system calls causes a warning, and a refused filter ends the start" {
    is_sanitized && skip "a build with sanitizers has no filter"
    local last
    last=$(number_of prctl PR_SET_SECCOMP --address 127.0.0.1 0 cat)
    each_ends_the_start --address 127.0.0.1 0 true <<<"prctl:$last|cannot filter system calls: Operation not permitted"
    serves_although "prctl:$last:error=EINVAL"
    has_line 'this kernel cannot filter system calls: Invalid argument' "$LOG"
}

@test "without close_range(2) descriptors are closed one by one" {
    serves_although close_range:1+:error=ENOSYS
    refute grep -v "CMD: cannot try 'cat'" "$LOG" # strace traces already
}

@test "the status counts the open descriptors" {
    start --control control --address 127.0.0.1 0 cat
    [[ $("$BUILD/tests/programs/clients/ask" -n 1 ./control status) =~ \"descriptors\":.\"used\":([0-9]+) ]]
    [[ $(id -u) == 0 ]] || skip "only root may look at the descriptors of a daemon, which hides"
    echo "says ${BASH_REMATCH[1]}, has $(open_descriptors "$(supervisor)")"
    # The client that asked may have left a moment ago.
    await has_descriptors "$((BASH_REMATCH[1] - 1))"
}

has_descriptors() { (($(open_descriptors "$(supervisor)") == $1)); }

@test "the service goes on without a raised limit, a lock or more room in a socket" {
    serves_although prlimit64:3
    has_line 'cannot raise the limit on open descriptors' "$LOG"
    serves_although "fcntl:$(number_of fcntl F_OFD_SETLK --address 127.0.0.1 --pid-file pid 0 cat)" --pid-file pid
    has_line '--pid-file: cannot lock pid, going on without' "$LOG"
    [[ ! -e pid ]]
    serves_although "setsockopt:$(number_of setsockopt SO_SNDBUFFORCE --address 127.0.0.1 0 cat)"
}

@test "a file that cannot be read ends the start" {
    local long status
    printf -v long '%05000d' 0
    mkdir directory
    while IFS='|' read -r option value sentence; do
        status=0
        "$DAMPENER" --address 127.0.0.1 "$option" "$value" 0 true 2>>"$LOG" || status=$?
        ((status == 1))
        grep -qF -- "$sentence" "$LOG" || { echo "missing in the log: $sentence" >&2; return 1; }
    done <<END
--access-file|directory|cannot read directory: it is not a regular file
--access-file|/proc/self/mem|cannot read /proc/self/mem: Input/output error
--busy-message|@$long|--busy-message: cannot read 0000
END
}
