#!/usr/bin/env bats
# Tests failing system calls: a sample of scripts/trials/faults, which makes all of them fail.

load ../shared/helpers

TRIAL=$ROOT/scripts/trials/faults

setup_file() {
    [[ $(uname -m) == x86_64 ]] || skip "system calls can be made to fail on x86-64 only"
    export DAMPENER_BUILD=$BUILD
}

require_root() { ((EUID == 0)) || skip "only root's daemon uses all features"; }

# Requires that each fault in $@ happens, and that the service survives or refuses to start with a
# reason.
holds() {
    require_root
    local fault
    local -a words=()
    for fault; do words+=(--only "$fault"); done
    "$TRIAL" "${words[@]}"
}

@test "the service survives system calls that fail one at a time while it serves" {
    require_root
    "$TRIAL" --short
}

@test "the service survives system calls whose failures once ended it or left files behind" {
    local -a faults=(
        # On exit the supervisor took a lack of memory for a bug of its own.
        supervisor:end:getsockopt:{ENOMEM,EPERM}:1
        keeper:start:getsockname:ENOBUFS:2
        # Files were silently left behind, or removed while in use.
        keeper:end:newfstatat:{EACCES:1,EIO:2,EACCES:3}
        # The keeper took a lack of memory for a bug of its own.
        keeper:start:epoll_ctl:{ENOMEM:1,ENOSPC:2}
        # The supervisor took a lack of memory for a bug of its own.
        supervisor:start:recvmsg:{ENOMEM,ENOBUFS}:1
        # No later SIGHUP was acted on.
        launch:serving:{write:ENOSPC,read:EIO}:1
        # The message showed a wrong reason.
        dispatcher:start:newfstatat:{EACCES,ENOMEM}:2
        dampenerctl:serving:sendto:{ENOBUFS,ENOMEM}:1
        # A dispatcher that could not be called was not used for ten seconds.
        supervisor:roll:sendmsg:{EAGAIN,ENOBUFS}:2
        # The next supervisor took open listeners for closed ones, and closed unknown connections.
        supervisor:roll:getsockopt:{ENOMEM:1,EPERM:2,ENOMEM:5}
        # It closed the control socket for all supervisors after it.
        supervisor:roll:setsockopt:ENOMEM:1
    )
    holds "${faults[@]}"
}

# The libc, and where it looks for users, decide which occurrences are the last ones of the start.
@test "a start that fails because a file cannot be opened leaves no file behind" {
    require_root
    open_to_others
    cp "$BUILD/tests/tools/faults/handler" .
    local occurrence count
    local -a faults=()
    "$BUILD/tests/tools/faults/run" record "$BUILD" >calls
    count=$(awk '$1 == "keeper" && $2 == "start" && $3 == "openat" { print $4 }' calls)
    for ((occurrence = count - 14; occurrence <= count; occurrence++)); do
        faults+=("keeper:start:openat:EMFILE:$occurrence")
    done
    holds "${faults[@]}"
}

@test "dampenerctl says at once that it cannot send its request" {
    command -v strace >/dev/null || skip "strace is not installed"
    is_sanitized && skip "a sanitizer is slow in a traced program"
    start --address 127.0.0.1 --control control 0 cat
    local before=$SECONDS
    run strace -qq -o calls -e trace=sendto -e inject=sendto:error=ENOBUFS \
        "$BUILD/dampenerctl" control status
    echo "$output"
    [[ $status == 1 && $output == "dampenerctl: cannot send to control: No buffer space available" ]]
    ((SECONDS - before < 9)) # an answer may take ten seconds
}

@test "the faults trial fails if a system call is missing from the table of errors" {
    local cases=$ROOT/scripts/trials/faults-cases.awk
    echo 'accept4 EMFILE ENFILE' >errors
    printf '%s\n' 'supervisor serving accept4 2' 'dispatcher start 451 1' >calls
    refute awk -v seed=1 -f "$cases" errors calls 2>complaints >faults
    [[ $(cat complaints) == "no errors are known for the system call 451 (dispatcher, start)" ]]
    [[ $(head -n 1 faults) == supervisor:serving:accept4:EMFILE:1 ]]
}

@test "the faults trial tries deaths of standby, supervisor and dispatcher, also alone" {
    local cases=$ROOT/scripts/trials/faults-cases.awk
    echo 'accept4 EMFILE' >errors
    printf '%s\n' 'supervisor serving accept4 2' 'keeper serving accept4 1' 'standby start accept4 1' \
        'dispatcher end accept4 1' >calls
    awk -v seed=1 -v only=KILL -f "$cases" errors calls >faults
    diff faults - <<'END'
supervisor:serving:accept4:KILL:1
supervisor:serving:accept4:KILL:2
dispatcher:end:accept4:KILL:1
END
    awk -v seed=1 -f "$cases" errors calls >faults
    [[ $(grep -c KILL_AFTER faults) == 3 && $(grep -c EMFILE faults) == 5 ]]
}

@test "the faults trial shows for each death whether clients were lost, served twice or not told" {
    local report=$ROOT/scripts/trials/faults-report.awk
    printf '%s\n' 'survived 9 0 0 1 supervisor:serving:sendto:KILL:1 ' \
        'failed 9 2 0 0 supervisor:serving:accept4:KILL_AFTER:7 2 clients were cut off' \
        'failed 9 0 1 0 dispatcher:roll:clone:KILL_AFTER:2 1 clients had more than one handler' >results
    refute awk -v trial=faults -v seed=1 -v quiet=0 -f "$report" results >table
    cat table
    has_line '^supervisor serving sendto  *held  *-  *-  *-  *-  *-  *0  *0  *1$' table
    has_line '^supervisor serving accept4  *-  *-  *-  *-  *-  *failed  *2  *0  *0$' table
    has_line '^dispatcher roll  *clone  *-  *-  *-  *-  *failed  *-  *0  *1  *0$' table
    has_line '^failed: supervisor:serving:accept4:KILL_AFTER:7: 2 clients were cut off$' table
    has_line 'of 3 deaths 1 survived: 2 clients lost, 1 served twice$' table
}
