#!/usr/bin/env bats
# Environments that are nearly as long as the kernel takes (execve(2)): a quarter of the limit on the
# stack, for arguments, environment and a pointer to each.

bats_require_minimum_version 1.5.0
load ../shared/helpers

# Makes "filled", which executes a command with $1 more bytes in its environment, under a limit on the
# stack that keeps that short; and "d", which is the daemon.
make_filled() {
    cat >filled <<'FILLED'
#!/bin/bash
left=$1
ulimit -S -s 1024
for ((i = 0; left > 0; i++)); do
    printf -v "FILLING_$i" '%*s' $((left < 100000 ? left : 100000)) ''
    export "FILLING_$i"
    left=$((left - 100000))
done
exec "${@:2}"
FILLED
    chmod +x filled
    ln -s "$DAMPENER" d
    DAMPENER=./d
}

can_be_executed() { ./filled "$1" "$DAMPENER" --help "${@:2}" >/dev/null 2>&1; }

# Prints the most bytes with which the daemon can be executed with these arguments.  Its handlers then
# lack room for the variables of a connection.
most_for_the_daemon() {
    local least=1 most=300000 middle
    while ((most - least > 1)); do
        middle=$(((least + most) / 2))
        if can_be_executed "$middle" "$@"; then least=$middle; else most=$middle; fi
    done
    echo "$least"
}

# Expects that a daemon with these arguments refuses to start with $1 more bytes.  Sets EXCESS to the
# bytes that are too many, as the daemon says.
refuses_filled() {
    run -126 timeout 10 ./filled "$1" "$DAMPENER" "${@:2}"
    [[ $output =~ ^"[ERROR] CMD: cannot execute 'cat': with the variables of a connection, its \
arguments and environment are up to "([0-9]+)" bytes too long for the kernel; shorten them (the longest \
variable is FILLING_"[0-9]"), give --no-env, or raise the limit on the stack (ulimit -s)"$ ]]
    EXCESS=${BASH_REMATCH[1]}
}

# Starts a daemon with these arguments and as many more bytes as possible, which MOST says.
start_filled() {
    local refused
    refused=$(most_for_the_daemon "$@")
    refuses_filled "$refused" "$@"
    MOST=$((refused - EXCESS))
    refuses_filled $((MOST + 1)) "$@"
    ((EXCESS == 1))
    WRAPPER=(./filled "$MOST")
    start "$@"
    [[ ! -s $LOG ]]
}

@test "the longest variables of a TCP client fit, or the start is refused with the excess: status 126" {
    make_filled
    start_filled --address 127.0.0.1 0 cat
    [[ $(echo hello | nc -N 127.0.0.1 "$PORT") == hello ]]
    stop
    # An address of IPv6 has up to 39 characters, where one of IPv4 has 15; four variables have one.
    local ipv4=$MOST
    start_filled 0 cat
    ((ipv4 - MOST == 4 * (39 - 15)))
    [[ $(echo hello | nc -N 127.0.0.1 "$PORT") == hello ]]
    stop
    # A host name may stand for either.
    refuses_filled $((MOST + 1)) --address localhost 0 cat
}

@test "the longest variables of a Unix client fit, or the start is refused with the excess: status 126" {
    make_filled
    local short=service long=service-with-a-longer-path most
    start_filled "unix:$short" cat
    [[ $(echo hello | nc -NU "$short") == hello ]]
    stop
    most=$MOST
    start_filled "unix:$long" cat
    ((most - MOST == ${#long} - ${#short}))
}

@test "without the variables of a connection, all that the daemon can be executed with fits" {
    make_filled
    local arguments=(--no-env --address 127.0.0.1 0 cat)
    # --ready-fd takes room, too.
    WRAPPER=(./filled $(($(most_for_the_daemon "${arguments[@]}") - 100)))
    start "${arguments[@]}"
    [[ $(echo hello | nc -N 127.0.0.1 "$PORT") == hello ]]
}

@test "a --limit on the stack that leaves too little room for the variables is named" {
    make_filled
    run -126 timeout 10 ./filled 200000 "$DAMPENER" --address 127.0.0.1 --limit stack=600K 0 cat
    [[ $output == "[ERROR] CMD: cannot execute 'cat': a limit of --limit is too low (Argument list too long)" ]]
    # A higher limit gives handlers more room than the daemon has.
    WRAPPER=(./filled "$(most_for_the_daemon --address 127.0.0.1 --limit stack=2M --ready-fd 7 0 cat)")
    start --address 127.0.0.1 --limit stack=2M 0 cat
    [[ $(echo hello | nc -N 127.0.0.1 "$PORT") == hello ]]
}
