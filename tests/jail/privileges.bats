#!/usr/bin/env bats
# Users and rights of the processes of the service; and that the service works nevertheless.

load ../shared/helpers
load ../shared/privileges

TAKEOVER=$BUILD/tests/programs/attackers/takeover

@test "with --user, no process of the service is root, and the supervisor is confined" {
    require_ptrace
    start_as_others 0 cat
    is_user "$DAEMON" "$SUPERVISOR_ID" "$SUPERVISOR_GROUP" ''
    is_confined "$DAEMON"
    has_field "$DAEMON" CapBnd "$NO_CAPABILITY"
    is_nowhere "$DAEMON"
    has_no_directory "$DAEMON"

    local process all
    mapfile -t all < <(all_dispatchers)
    ((${#all[@]} == 3))
    for process in "${all[@]}"; do
        is_user "$process" "$HANDLERS_ID" "$HANDLERS_GROUP" "$(id -G "$HANDLERS")"
        has_no_capability "$process"
        is_hidden "$process"
    done
    answers_hello
}

@test "dispatchers have nothing open except their socket, their signals and files for handlers" {
    require_ptrace
    start_as_others 0 cat
    # shellcheck disable=SC2046
    kill_dispatchers $(dispatchers) # also check dispatchers that were forked later
    await has_processes 3
    answers_hello
    local process
    for process in $(all_dispatchers); do
        await has_little_open "$process" || { cat kinds; return 1; }
    done
}

# A new dispatcher still has inherited descriptors for a moment.
has_little_open() {
    kinds_of_descriptors "$1" >kinds
    [[ $(grep -v ' /proc/.*/oom_score_adj$' kinds) == "1 /proc
1 anon_inode:
1 socket:" ]]
}

@test "a directory that is open at the daemon's start is not open in the supervisor" {
    require_ptrace
    # shellcheck disable=SC2016
    WRAPPER=(bash -c 'exec 3</ 9</; exec "$@"' bash)
    start_as_others 0 cat
    has_no_directory "$DAEMON"
}

@test "--supervisor-user accepts a number without a name, with a group" {
    require_root
    start --supervisor-user 12345:23456 --address 127.0.0.1 0 cat
    is_user "$DAEMON" 12345 23456 ''
    is_confined "$DAEMON"
    answers_hello
}

@test "--dispatcher-user accepts a number without a name, and refuses root" {
    require_root
    refuses_to_start "--dispatcher-user: 'root': expected a user other than root" \
        --user "$HANDLERS" --dispatcher-user root 0 cat
    start --user "$HANDLERS" --dispatcher-user 12345 --dispatchers 1 --address 127.0.0.1 0 cat
    has_field "$(dispatchers)" Uid "12345 $HANDLERS_ID 12345 $HANDLERS_ID"
    answers_hello
}

@test "without --user, the supervisor runs as nobody, dispatchers may signal, and handlers may do all" {
    require_root
    start --dispatchers 2 --address 127.0.0.1 0 sh -c 'grep Cap /proc/self/status'
    is_user "$DAEMON" "$(id -u nobody)" "$(id -g nobody)" ''
    is_confined "$DAEMON"
    has_field "$DAEMON" CapBnd "$NO_CAPABILITY"
    local process set
    for process in $(all_dispatchers); do
        has_field "$process" Uid "0 0 0 0"
        # CAP_KILL only; the dispatcher keeps the others disabled, for handlers.
        has_field "$process" CapEff 0000000000000020
        for set in CapInh CapAmb; do has_field "$process" "$set" "$NO_CAPABILITY"; done
        is_hidden "$process"
    done
    # A handler has the capabilities that root gets at an exec.
    nc -N 127.0.0.1 "$PORT" </dev/null >capabilities
    diff <(sh -c 'grep Cap /proc/self/status') capabilities
    [[ $(awk '$1 == "CapEff:" { print $2 }' capabilities) == "$(field $$ CapBnd)" ]]
}

@test "a dispatcher that replaces another starts handlers with the same rights, even if no process may gain any" {
    require_root
    command -v setpriv >/dev/null || skip "setpriv is not installed"
    WRAPPER=(setpriv --no-new-privs)
    local options
    for options in "" "--user $HANDLERS"; do
        # shellcheck disable=SC2086 # two words, or none
        start $options --dispatchers 2 --address 127.0.0.1 0 sh -c 'grep -E "Cap|Uid" /proc/self/status'
        nc -N 127.0.0.1 "$PORT" </dev/null >before
        # shellcheck disable=SC2046
        kill_dispatchers $(dispatchers)
        timeout 20 nc -N 127.0.0.1 "$PORT" </dev/null >after
        diff before after
        stop
    done
}

@test "an attacker in the supervisor can make no system call that harms other processes" {
    require_ptrace
    start_as_others 0 cat
    has_filter || skip "a build with sanitizers has no filter"
    local calls call
    mapfile -t calls < <("$TAKEOVER" -l)
    ((${#calls[@]} > 90))
    timeout 60 "$TAKEOVER" "$DAEMON" "${calls[@]}" >made
    for call in "${calls[@]}"; do echo "$call: forbidden (SIGSYS)"; done | diff - made
    # The attacker can tell permitted calls apart.
    timeout 60 "$TAKEOVER" "$DAEMON" none getpid tgkill-itself fcntl-getfl fcntl-setsig sendto \
        sendmsg socketpair listen mprotect mmap >made
    cat made
    [[ $(grep -c ': returned ' made) == 11 ]]
    has_line "getpid: returned $DAEMON" made
    has_line 'tgkill-itself: returned 0' made
    answers_hello
}

@test "a forbidden system call ends the supervisor and the dispatchers, and the log has its number" {
    require_ptrace
    start_as_others 0 cat
    has_filter || skip "a build with sanitizers has no filter"
    timeout 60 "$TAKEOVER" -d "$DAEMON" getpid execve >made
    has_line 'execve: forbidden (SIGSYS)' made
    finish
    [[ $STATUS == 1 ]]
    local number=59
    if [[ $(uname -m) == aarch64 ]]; then number=221; fi
    has_line "system call $number is none of the supervisor's" "$LOG"
    await nothing_is_left
}

# Makes WRAPPER start the daemon as another user, with files that this user can reach.
be_other() {
    require_root
    command -v setpriv >/dev/null || skip "setpriv is not installed"
    open_directories
    cp "$DAMPENER" "$BUILD/dispatcher" .
    DAMPENER=$PWD/socket-burst-dampener
    WRAPPER=(setpriv --reuid="$HANDLERS_ID" --regid="$HANDLERS_GROUP" --clear-groups)
    "${WRAPPER[@]}" test -x "$DAMPENER" || skip "other users cannot reach $PWD"
}

@test "a service that a user other than root starts runs as that user, and is confined" {
    be_other
    start --supervisor-user daemon --dispatchers 2 --address 127.0.0.1 0 cat
    has_line '^\[WARNING\] --supervisor-user is ignored: only root can become another user$' "$LOG"
    is_user "$DAEMON" "$HANDLERS_ID" "$HANDLERS_GROUP" ''
    is_confined "$DAEMON"
    local process
    for process in $(all_dispatchers); do
        is_user "$process" "$HANDLERS_ID" "$HANDLERS_GROUP" ''
        has_no_capability "$process"
        is_hidden "$process"
    done
    answers_hello
}

@test "options that require root are refused to other users at the start, and the message says so" {
    be_other
    refuses_to_start 'this requires root (CAP_SETUID and CAP_SETGID)' --user root 0 cat
    refuses_to_start 'this requires root (CAP_SETUID and CAP_SETGID)' --group root 0 cat
    refuses_to_start 'this requires root (CAP_SYS_CHROOT)' --chroot / 0 cat
    refuses_to_start 'lowering it requires CAP_SYS_NICE' --nice -5 0 cat
    # shellcheck disable=SC2016
    WRAPPER+=(bash -c 'ulimit -c 0; exec "$@"' bash)
    refuses_to_start 'this requires CAP_SYS_RESOURCE' --limit core=unlimited 0 cat
}

@test "a port that requires root is refused to other users at the start" {
    be_other
    (($(cat /proc/sys/net/ipv4/ip_unprivileged_port_start 2>/dev/null || echo 1024) > 1023)) ||
        skip "here every user may use every port"
    refuses_to_start 'port 1023: Permission denied' --address 127.0.0.1 1023 cat
}

@test "the daemon warns if handlers and the supervisor are the same user, and only then" {
    require_root
    start --user "$SUPERVISOR" --supervisor-user "$SUPERVISOR" --address 127.0.0.1 0 cat
    has_line "^\[WARNING\] handlers and the supervisor are the same user, $SUPERVISOR_ID: " "$LOG"
    stop
    start --user nobody --address 127.0.0.1 0 cat
    has_line "^\[WARNING\] handlers and the supervisor are the same user, $HANDLERS_ID: " "$LOG"
    stop
    : >"$LOG"
    start --user nobody --supervisor-user "$SUPERVISOR" --address 127.0.0.1 0 cat
    refute has_line 'are the same user' "$LOG"
}

# ---- dispatchers die, and no process is root any more ----

each_answered_once() {
    [[ $(cat burst) == "connected $1 answered $1 failed 0" ]] || { cat burst; return 1; }
    # Each line has a ticket and the number that its client sent; here both are the same.
    diff <(seq "$1" | awk '{ print $1, $1 }') <(sort -n answers)
}

@test "each client is answered once while dispatchers and the spare are killed and no process is root" {
    start_as_others -vv --processes 8 0 ./answer answers counter 100
    "$BURST" "$ADDRESS" "$PORT" 500 >burst &
    local client=$! victim turn=0 killed=0
    while is_alive "$client"; do
        # Kill one after another: the spare at the first of three turns, all dispatchers at the others.
        turn=$((turn + 1))
        for victim in $( ((turn % 3 != 1)) && dispatchers || spare); do
            if kill_dispatchers "$victim" 2>/dev/null; then killed=$((killed + 1)); fi
            await has_processes 3
        done
    done
    wait "$client" || true
    echo "killed: $killed"
    ((killed >= 1)) # usually many, unless the machine is busy otherwise
    await was_replaced
    COUNTER=counter
    each_answered_once 500
    (($(most_handlers) <= 8))
    await status_is served 500
    refute grep 'violated the protocol' "$LOG"
    # Later dispatchers have the same user and rights as the first ones.
    await has_processes 3
    for victim in $(all_dispatchers); do
        is_user "$victim" "$HANDLERS_ID" "$HANDLERS_GROUP" "$(id -G "$HANDLERS")"
        has_no_capability "$victim"
        is_hidden "$victim"
    done
}

was_replaced() { (($(grep -c 'spare dispatcher 2: ready' "$LOG") >= 2)); }

@test "if all dispatchers and the spare are killed at once, the service ends, and says why" {
    start_as_others -vv --processes 8 0 cat
    answers_hello
    # shellcheck disable=SC2046
    kill -KILL $(all_dispatchers)
    finish
    [[ $STATUS == 1 ]]
    has_line '^\[ERROR\] all dispatchers are dead' "$LOG"
}

# ---- another libc ----

@test "a static build with another libc serves, reads files, ends handlers and drains under the filter" {
    require_root
    command -v musl-gcc >/dev/null || skip "musl-gcc is not installed"
    make -C "$ROOT" --no-print-directory -s -j2 BUILD="$PWD/build" CC=musl-gcc STATIC=1 CFLAGS=-O1 all
    DAMPENER=$PWD/build/socket-burst-dampener
    echo 'deny 127.0.1.1' >rules
    # shellcheck disable=SC2016
    start_as_others -v --processes 4 --timeout 6s --access-file rules \
        0 bash -c 'read -r line; echo "$line"; [[ $line == stay ]] && sleep 60'
    has_field "$DAEMON" Seccomp 2
    answers_hello
    is_denied_from 127.0.1.1
    echo 'deny 127.0.1.2' >rules
    hang_up
    has_line 'SIGHUP: files were read again' said
    is_denied_from 127.0.1.2
    # The time-out ends a handler.
    echo stay | timeout 30 nc -N 127.0.0.1 "$PORT" >answer.txt
    await has_line 'killed by signal 15' "$LOG"
    # Dead dispatchers are replaced.
    # shellcheck disable=SC2046
    kill -KILL $(dispatchers)
    answers_hello
    # Draining serves the last client.
    exec 9<>"/dev/tcp/127.0.0.1/$PORT"
    await status_is running 1
    kill -TERM "$DAEMON"
    await has_line 'ending: ' "$LOG"
    echo last >&9
    [[ $(cat <&9) == last ]]
    exec 9>&-
    finish
    [[ $STATUS == 0 ]]
    refute grep 'none of the supervisor' "$LOG"
}

# ---- lack of memory ----

oom_score_of() { cat "/proc/$1/oom_score_adj"; }

# Starts the service with a score of 500: the kernel prefers to kill it.  Handlers print their own
# score.
start_with_oom_score() {
    require_root
    WRAPPER=(choom -n 500 --)
    "${WRAPPER[@]}" true 2>/dev/null || skip "oom_score_adj cannot be changed here"
    start -vv --dispatchers 2 --address 127.0.0.1 "$@" 0 sh -c 'cat /proc/self/oom_score_adj'
}

is_spared() { [[ $(oom_score_of "$1") -lt 500 ]]; }

# The service lowers its own score, but each handler has the score of the start.
check_oom_score_of_handlers() {
    local i
    is_spared "$DAEMON"
    for ((i = 0; i < 3; i++)); do [[ $(handlers_score) == 500 ]]; done
    # Handlers of later dispatchers, also those of a new spare, have the same score.
    for ((i = 0; i < 2; i++)); do
        # shellcheck disable=SC2046
        kill_dispatchers $(dispatchers)
        await has_processes 3
        [[ $(handlers_score) == 500 ]]
        kill_dispatchers "$(spare)"
        await has_processes 3
        [[ $(handlers_score) == 500 ]]
    done
    is_spared "$DAEMON"
}

handlers_score() { nc -N 127.0.0.1 "$PORT" </dev/null; }

@test "when memory is short, the kernel kills handlers before the service" {
    start_with_oom_score
    local process
    for process in $(all_dispatchers); do await is_spared "$process"; done
    [[ $(handlers_score) == 500 ]]
    # The dispatchers keep their own score after starting a handler.
    for process in $(all_dispatchers); do await is_spared "$process"; done
    check_oom_score_of_handlers
    for process in $(all_dispatchers); do await is_spared "$process"; done # also later dispatchers
}

@test "with --user, only the supervisor is spared, because handlers could take over what dispatchers hold" {
    start_with_oom_score --user "$HANDLERS" --supervisor-user "$SUPERVISOR"
    local process
    for process in $(all_dispatchers); do [[ $(oom_score_of "$process") == 500 ]]; done
    check_oom_score_of_handlers
}

# ---- root without capabilities ----

@test "root without capabilities gets an error, or goes on with --supervisor-user root" {
    require_root
    if is_sanitized; then skip "a build with sanitizers keeps its root directory"; fi
    WRAPPER=(setpriv --bounding-set=-all)
    run timeout 10 "${WRAPPER[@]}" "$DAMPENER" --address 127.0.0.1 0 cat
    [[ $status == 1 ]]
    [[ $output == *"this requires CAP_SYS_CHROOT, or --supervisor-user root" ]]
    start --supervisor-user root --address 127.0.0.1 0 cat
    has_line 'going on without' "$LOG"
    has_no_capability "$DAEMON"
    if has_filter; then has_field "$DAEMON" Seccomp 2; fi
    answers_hello
}

@test "in a namespace with one user, root stays root with --supervisor-user root" {
    unshare --user --map-root-user true 2>/dev/null || skip "no user namespaces here"
    WRAPPER=(unshare --user --map-root-user)
    run timeout 10 "${WRAPPER[@]}" "$DAMPENER" --address 127.0.0.1 0 cat
    [[ $status == 1 ]]
    [[ $output == *"--supervisor-user: cannot become user"* ]]
    start --supervisor-user root --address 127.0.0.1 0 cat
    is_nowhere "$DAEMON"
    has_no_capability "$DAEMON"
    answers_hello
}

@test "root's handlers have all capabilities of root even under no_new_privs" {
    require_root
    WRAPPER=(setpriv --no-new-privs)
    start --address 127.0.0.1 0 sh -c 'grep Cap /proc/self/status'
    nc -N 127.0.0.1 "$PORT" </dev/null >capabilities
    diff <("${WRAPPER[@]}" sh -c 'grep Cap /proc/self/status') capabilities
}

@test "root's handlers are executed wherever root may, and can be traced and dumped" {
    require_root
    mkdir -m 700 private
    cp "$STATE" private/state
    chmod 700 private/state
    chown -R "$HANDLERS" private
    start --address 127.0.0.1 --chdir private 0 ./state
    ask_state
    says "dumpable 1"
}
