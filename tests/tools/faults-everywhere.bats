#!/usr/bin/env bats
# One system call that fails: a sample of what scripts/trials/faults does to all of them.

load ../shared/helpers

TRIAL=$ROOT/scripts/trials/faults

setup_file() {
    [[ $(uname -m) == x86_64 ]] || skip "it is known on x86-64 only how to let a system call fail"
    export DAMPENER_BUILD=$BUILD
}

needs_root() { ((EUID == 0)) || skip "only root's daemon uses all that there is"; }

# Each is to happen, and to be survived, or to keep the service from starting with a reason.
holds() {
    needs_root
    local fault
    local -a words=()
    for fault; do words+=(--only "$fault"); done
    "$TRIAL" "${words[@]}"
}

@test "system calls that fail while it serves, one at a time, are survived" {
    needs_root
    "$TRIAL" --short
}

@test "system calls whose failures once ended the service, or left something behind, are survived" {
    local -a faults=(
        # It held a want of memory for its own mistake, as it ended.
        supervisor:end:fcntl:{ENOMEM:1,ENOMEM:2,EPERM:1}
        supervisor:end:getsockopt:{ENOMEM,EPERM}:1
        supervisor:start:getsockname:ENOBUFS:2
        # The janitor left files behind without a word, or removed them while they were in use.
        janitor:end:newfstatat:{EACCES:1,EIO:2,EACCES:3}
        janitor:start:recvfrom:{ENOMEM,EAGAIN}:2
        # The true reason was not told.
        dispatcher:start:newfstatat:{EACCES,ENOMEM}:2
        dampenerctl:serving:sendto:{ENOBUFS,ENOMEM}:1
    )
    holds "${faults[@]}"
}

# Which occurrence is the janitor's look at the socket depends on libc.
@test "a start that fails as a file cannot be opened leaves no control socket behind" {
    local occurrence
    local -a faults=()
    for ((occurrence = 10; occurrence < 25; occurrence++)); do
        faults+=("supervisor:start:openat:EMFILE:$occurrence")
    done
    holds "${faults[@]}"
}

@test "dampenerctl that cannot ask says so at once" {
    command -v strace >/dev/null || skip "strace is not installed"
    is_sanitized && skip "what a sanitizer does in a traced program is not at once"
    start --address 127.0.0.1 --control control 0 cat
    local before=$SECONDS
    run strace -qq -o calls -e trace=sendto -e inject=sendto:error=ENOBUFS \
        "$BUILD/dampenerctl" control status
    echo "$output"
    [[ $status == 1 && $output == "dampenerctl: cannot send to control: No buffer space available" ]]
    ((SECONDS - before < 9)) # it waits for an answer for ten
}

@test "a system call without a row in the table of errors makes the trial fail" {
    local cases=$ROOT/scripts/trials/faults-cases.awk
    echo 'accept4 EMFILE ENFILE' >errors
    printf '%s\n' 'supervisor serving accept4 2' 'dispatcher start 451 1' >calls
    refute awk -v seed=1 -f "$cases" errors calls 2>complaints >faults
    [[ $(cat complaints) == "no errors are known for the system call 451 (dispatcher, start)" ]]
    [[ $(head -n 1 faults) == supervisor:serving:accept4:EMFILE:1 ]]
}
