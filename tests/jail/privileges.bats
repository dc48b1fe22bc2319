#!/usr/bin/env bats
# Users and rights of the processes of the service; and that the service works nevertheless.

load ../shared/helpers
load ../shared/privileges
bats_require_minimum_version 1.5.0

TAKEOVER=$BUILD/tests/programs/attackers/takeover

NOTIFIED=$BUILD/tests/programs/clients/notified

STREAM=$BUILD/tests/programs/clients/stream

ASSAULT=$BUILD/tests/programs/attackers/assault

@test "with --user, only the keeper is root, with few capabilities, and supervisor and standby are confined" {
    require_ptrace
    start_as_others 0 cat
    has_field "$DAEMON" Uid "0 0 0 0"
    is_limited "$DAEMON"
    local process all
    pair_is_confined
    for process in "$(standby)" "$(supervisor)"; do
        is_user "$process" "$SUPERVISOR_ID" "$SUPERVISOR_GROUP" ''
        has_field "$process" CapBnd "$NO_CAPABILITY"
        is_nowhere "$process"
        has_no_directory "$process"
    done
    mapfile -t all < <(dispatchers)
    ((${#all[@]} == 2))
    for process in "${all[@]}"; do is_apart "$process"; done
    answers_hello
}

# Prints the user that the daemon chooses for a role: the account $1; or, if there is none, number $2.
user_of_role() { id -u "$1" 2>/dev/null || echo "$2"; }

@test "without --supervisor-user and --dispatcher-user, both have a user of their own, and never nobody" {
    require_root
    local supervisors dispatchers process id=$HANDLERS_ID
    supervisors=$(user_of_role dampener-supervisor 65100)
    dispatchers=$(user_of_role dampener-dispatcher 65101)
    start --user "$HANDLERS" --dispatchers 2 --address 127.0.0.1 0 cat
    for process in "$(standby)" "$(supervisor)"; do
        has_field "$process" Uid "$supervisors $supervisors $supervisors $supervisors"
    done
    for process in $(dispatchers); do
        has_field "$process" Uid "$dispatchers $id $dispatchers $id"
    done
    answers_hello
    [[ ! -s $LOG ]]
}

@test "dispatchers have nothing open except their socket, their signals and files for handlers" {
    require_ptrace
    start_as_others 0 cat
    # shellcheck disable=SC2046
    kill_dispatchers $(dispatchers) # also check later dispatchers
    await has_dispatchers 2
    answers_hello
    local process
    for process in $(dispatchers); do
        await has_little_open "$process" || { cat kinds; return 1; }
    done
}

# A new dispatcher still has inherited descriptors for a moment.
has_little_open() {
    kinds_of_descriptors "$1" >kinds
    [[ $(grep -v ' /proc/.*/oom_score_adj$' kinds) == "1 anon_inode:
1 socket:" ]]
}

@test "supervisor and standby hold nothing that only the keeper uses" {
    require_ptrace
    start_as_others --pid-file "$PWD/pid" 0 cat
    # Ledgers are files in memory, too.
    find "/proc/$(supervisor)/fd" "/proc/$(standby)/fd" -type l -printf '%l\n' |
        grep -v '^/memfd:dampener-ledger ' >open
    refute grep -e "$PWD/pid" -e memfd -e dispatcher open
    answers_hello
}

@test "supervisor and standby have no socket that can send to any address" {
    require_ptrace
    (close_descriptors; exec "$NOTIFIED" "$PWD/notify" told >>"$LOG" 2>&1 </dev/null) &
    local manager=$! process
    await test -e told
    NOTIFY_SOCKET=$PWD/notify start_as_others --control "$PWD/control" --metrics 127.0.0.1:0 0 cat
    await has_line READY=1 told
    for process in "$(supervisor)" "$(standby)"; do
        find "/proc/$process/fd" -type l -printf '%l\n' | sed -n 's/^socket:\[\(.*\)\]$/\1/p' >sockets
        (($(wc -l <sockets) > 4))
        # Type 1 is SOCK_STREAM, type 5 SOCK_SEQPACKET.  No socket is in the other tables.
        awk 'NR == FNR { open[$1]; next } $7 in open { print $5 }' sockets /proc/net/unix |
            sort -u | grep -vx -e 0001 -e 0005 | tee types
        [[ ! -s types ]]
        cat /proc/net/{udp,udp6,udplite,udplite6,raw,raw6,netlink,packet,icmp} 2>/dev/null |
            awk 'NR == FNR { open[$1]; next } { for (i = 1; i <= NF; i++) if ($i in open && i > 8) print }' \
                sockets - | tee others.found
        [[ ! -s others.found ]]
    done
    stop
    kill "$manager"
    wait "$manager" || true
}

@test "a start is refused with status 1 if standard error or --ready-fd is a datagram socket" {
    run -1 "$STREAM" datagrams timeout 20 "$DAMPENER" --address 127.0.0.1 0 cat
    [[ $output == "[ERROR] standard error is a datagram socket, by which the supervisor could reach others: "* ]]
    # shellcheck disable=SC2016
    run -1 "$STREAM" datagrams timeout 20 sh -c 'exec "$1" --ready-fd 3 --address 127.0.0.1 0 cat 3>&2 2>&1' sh "$DAMPENER"
    [[ $output == "[ERROR] --ready-fd: expected a file, a pipe or a stream socket, not a datagram socket" ]]
}

@test "a directory that is open at the daemon's start is not open in keeper and supervisor" {
    require_ptrace
    # shellcheck disable=SC2016
    WRAPPER=(bash -c 'exec 3</ 9</; exec "$@"' bash)
    start_as_others 0 cat
    has_no_directory "$DAEMON"
    has_no_directory "$(supervisor)"
}

@test "--supervisor-user accepts a number without a name, with a group" {
    require_root
    start --supervisor-user 12345:23456 --address 127.0.0.1 0 cat
    is_user "$(standby)" 12345 23456 ''
    is_user "$(supervisor)" 12345 23456 ''
    pair_is_confined
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

@test "without --user, the supervisor is no root, dispatchers may signal, and handlers may do all" {
    require_root
    start --dispatchers 2 --address 127.0.0.1 0 sh -c 'grep Cap /proc/self/status'
    local process set
    pair_is_confined
    for process in "$(standby)" "$(supervisor)"; do
        refute grep -q '^Uid:.*[[:space:]]0[[:space:]]' "/proc/$process/status"
        has_field "$process" CapBnd "$NO_CAPABILITY"
    done
    is_limited "$DAEMON"
    for process in $(dispatchers); do
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

@test "an attacker in the supervisor can make no system call that harms other processes" {
    require_ptrace
    start_as_others 0 cat
    has_filter || skip "a build with sanitizers has no filter"
    local calls call
    mapfile -t calls < <("$TAKEOVER" -l)
    ((${#calls[@]} > 90))
    local supervisor
    supervisor=$(supervisor)
    timeout 60 "$TAKEOVER" "$supervisor" "${calls[@]}" >made
    for call in "${calls[@]}"; do echo "$call: forbidden (SIGSYS)"; done | diff - made
    # The attacker can tell permitted calls apart.
    timeout 60 "$TAKEOVER" "$supervisor" none getpid tgkill-itself fcntl-getfl sendto \
        sendmsg socketpair listen mprotect mmap >made
    cat made
    [[ $(grep -c ': returned ' made) == 10 ]]
    has_line "getpid: returned $supervisor" made
    has_line 'tgkill-itself: returned 0' made
    answers_hello
}

@test "a supervisor that makes a forbidden system call dies of it, the log has its number, and another takes its place" {
    require_ptrace
    start_as_others 0 cat
    has_filter || skip "a build with sanitizers has no filter"
    local number=59 process
    if [[ $(uname -m) == aarch64 ]]; then number=221; fi
    process=$(supervisor)
    timeout 60 "$TAKEOVER" -d "$process" getpid execve >made
    has_line 'execve: forbidden (SIGSYS)' made
    answers_hello
    [[ $(supervisor) != "$process" ]]
    has_line "system call $number is none of the supervisor's" "$LOG"
    has_line "the supervisor, process $process, was killed by signal 31: another takes its place" "$LOG"
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
    start --supervisor-user daemon --dispatcher-user daemon --dispatchers 2 --address 127.0.0.1 0 cat
    has_line '^\[WARNING\] --supervisor-user is ignored: only root can become another user$' "$LOG"
    has_line '^\[WARNING\] --dispatcher-user is ignored: only root can become another user$' "$LOG"
    pair_is_confined
    local process
    for process in $(processes_of_service); do
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

@test "the daemon warns if handlers are the same user as the supervisor or dispatchers, and only then" {
    require_root
    local role
    for role in supervisor dispatcher; do
        start --user "$HANDLERS" "--$role-user" "$HANDLERS" --address 127.0.0.1 0 cat
        has_line "^\[WARNING\] handlers and .* are the same user, $HANDLERS_ID: " "$LOG"
        has_line "; give --$role-user another user$" "$LOG"
        has_lines 1 "$LOG"
        answers_hello
        stop
        : >"$LOG"
    done
    start --user "$HANDLERS" --address 127.0.0.1 0 cat
    has_lines 0 "$LOG"
}

# ---- handlers attack ----

# A user that no other process has, because its handler kills all processes that it may kill.
ATTACKER=$((61000 + BASHPID % 1000))

# Prints what the handler tests/programs/attackers/assault.c answers to the words $@.
assault() { echo "$@" | timeout 30 nc -N 127.0.0.1 "$PORT"; }

start_assault() {
    require_root
    open_directories
    cp "$ASSAULT" assault
    start --user "$ATTACKER" --group "$ATTACKER" --processes 9 --dispatchers 3 --address 127.0.0.1 0 ./assault
    processes_of_service >processes
    [[ $(wc -l <processes) == 6 ]]
}

@test "a handler under --user can neither signal, trace, limit nor open any process of the service" {
    start_assault
    local attacks attack
    # shellcheck disable=SC2046
    assault $(<processes) >tried
    attacks=$(($(wc -l <tried) / 6))
    ((attacks > 10))
    if is_sanitized; then
        # Such a build does not hide, so that dispatchers show what they may show to their user.
        refute grep -E '(kill|signal|sigqueueinfo|prlimit-...): possible' tried
    else
        [[ $(grep -c ': refused$' tried) == $((6 * attacks)) ]] || { grep -v ': refused$' tried; return 1; }
    fi
    # The attacks would succeed against another handler, except where the kernel restricts ptrace.
    exec 8<>"/dev/tcp/127.0.0.1/$PORT"
    echo stay >&8
    local other
    read -r other <&8
    assault "$other" >tried
    for attack in kill tgkill rt_sigqueueinfo pidfd_send_signal prlimit-get prlimit-set environ; do
        has_line "^$other $attack: possible$" tried
    done
    kill -KILL "$other"
    exec 8>&-
}

@test "after a handler has killed all processes that it may, no process of the service has died" {
    start_assault
    exec 8<>"/dev/tcp/127.0.0.1/$PORT"
    echo stay >&8
    local other i
    read -r other <&8
    for i in 1 2 3; do [[ $(assault all) == "killed all" ]]; done
    await is_gone "$other" # the attack works
    exec 8>&-
    processes_of_service | diff processes -
    [[ $(assault all) == "killed all" ]]
    refute grep -e dispatcher -e supervisor -e keeper "$LOG"
}

# ---- dispatchers die, and only the keeper is root ----

each_answered_once() {
    [[ $(cat burst) == "connected $1 answered $1 failed 0" ]] || { cat burst; return 1; }
    # Each line has a ticket and the number that its client sent; here both are the same.
    diff <(seq "$1" | awk '{ print $1, $1 }') <(sort -n answers)
}

@test "each client is answered once while dispatchers are killed" {
    start_as_others -vv --processes 8 0 ./answer answers counter 100
    "$BURST" "$ADDRESS" "$PORT" 500 >burst &
    local client=$! victim turn=0 killed=0
    while is_alive "$client"; do
        # Kill all at the same time in one of three turns, and one after the other in the others.
        turn=$((turn + 1))
        # shellcheck disable=SC2046
        if ((turn % 3 == 0)) && kill_dispatchers $(dispatchers) 2>/dev/null; then
            killed=$((killed + 1))
            await has_dispatchers 2
            continue
        fi
        for victim in $(dispatchers); do
            if kill_dispatchers "$victim" 2>/dev/null; then killed=$((killed + 1)); fi
            await has_dispatchers 2
        done
    done
    wait "$client" || true
    echo "killed: $killed"
    ((killed >= 1)) # usually many, unless the machine is busy otherwise
    COUNTER=counter
    each_answered_once 500
    (($(most_handlers) <= 8))
    await status_is served 500
    refute grep 'violated the protocol' "$LOG"
    # Later dispatchers have the same users and rights as the first ones.
    await has_ready_dispatchers
    for victim in $(dispatchers); do is_apart "$victim"; done
}

# A dispatcher gives its privileges up before it is ready.
has_ready_dispatchers() {
    local process
    has_dispatchers 2 || return 1
    for process in $(dispatchers); do
        grep -q "^\[DEBUG\] dispatcher [01]: ready, process $process$" "$LOG" || return 1
    done
}

@test "if all dispatchers are killed at once, the service goes on" {
    start_as_others -vv --processes 8 0 cat
    local i
    for i in 1 2 3; do
        # shellcheck disable=SC2046
        kill_dispatchers $(dispatchers)
        answers_hello
    done
    await status_is served 3
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

# ---- another libc ----

@test "a static build with another libc serves, reads files, ends handlers and drains under the filter" {
    [[ -n ${DAMPENER_LONG:-} ]] || skip "builds everything; scripts/check --long runs it"
    require_root
    command -v musl-gcc >/dev/null || skip "musl-gcc is not installed"
    make -C "$ROOT" --no-print-directory -s -j2 BUILD="$PWD/build" CC=musl-gcc STATIC=1 CFLAGS=-O1 all
    DAMPENER=$PWD/build/socket-burst-dampener
    echo 'deny 127.0.1.1' >rules
    # shellcheck disable=SC2016
    start_as_others -v --processes 4 --timeout 6s --access-file rules \
        0 bash -c 'read -r line; echo "$line"; [[ $line == stay ]] && sleep 60'
    has_field "$(supervisor)" Seccomp 2
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
    is_spared "$(standby)"
    is_spared "$(supervisor)"
    for ((i = 0; i < 3; i++)); do [[ $(handlers_score) == 500 ]]; done
    # Handlers of later dispatchers have the same score.
    for ((i = 0; i < 2; i++)); do
        # shellcheck disable=SC2046
        kill_dispatchers $(dispatchers)
        await has_dispatchers 2
        [[ $(handlers_score) == 500 ]]
    done
    is_spared "$DAEMON"
    is_spared "$(standby)"
    is_spared "$(supervisor)"
}

handlers_score() { nc -N 127.0.0.1 "$PORT" </dev/null; }

@test "when memory is short, the kernel kills handlers before the service" {
    start_with_oom_score
    local process
    for process in $(dispatchers); do await is_spared "$process"; done
    [[ $(handlers_score) == 500 ]]
    # The dispatchers keep their own score after starting a handler.
    for process in $(dispatchers); do await is_spared "$process"; done
    check_oom_score_of_handlers
    for process in $(dispatchers); do await is_spared "$process"; done # also later dispatchers
}

@test "with --user, dispatchers are not spared, because they act as the user of handlers" {
    start_with_oom_score --user "$HANDLERS" --supervisor-user "$SUPERVISOR"
    local process
    for process in $(dispatchers); do [[ $(oom_score_of "$process") == 500 ]]; done
    check_oom_score_of_handlers
}

# ---- root without capabilities ----

@test "root that cannot become another user warns once and runs all processes as root" {
    require_root
    if is_sanitized; then skip "a build with sanitizers keeps its root directory"; fi
    WRAPPER=(setpriv --bounding-set=-all)
    start --address 127.0.0.1 --dispatchers 1 0 cat
    local process
    for process in $(processes_of_service); do
        has_field "$process" Uid "0 0 0 0"
        has_no_capability "$process"
    done
    [[ $(grep -c '^\[WARNING\] root may not become another user here' "$LOG") == 1 ]]
    if has_filter; then has_field "$(supervisor)" Seccomp 2; fi
    answers_hello
}

@test "root that cannot become another user refuses --supervisor-user, except root" {
    require_root
    WRAPPER=(setpriv --bounding-set=-all)
    refuses_to_start "this requires CAP_SETUID and CAP_SETGID, or --supervisor-user root" \
        --supervisor-user "$SUPERVISOR" --address 127.0.0.1 0 cat
    start --supervisor-user root --address 127.0.0.1 0 cat
    answers_hello
}

@test "in a namespace with one user, the service runs as root" {
    unshare --user --map-root-user true 2>/dev/null || skip "no user namespaces here"
    WRAPPER=(unshare --user --map-root-user)
    start --address 127.0.0.1 0 cat
    has_line '^\[WARNING\] root may not become another user here' "$LOG"
    pair_is_confined
    answers_hello
    stop
    start --supervisor-user root --address 127.0.0.1 0 cat
    is_nowhere "$(supervisor)"
    pair_is_confined
    answers_hello
}

@test "in a namespace with one user that a plain user makes, the service runs as root, with one warning" {
    be_other
    WRAPPER+=(unshare --user --map-root-user)
    "${WRAPPER[@]}" true 2>/dev/null || skip "no user namespaces for plain users here"
    start --address 127.0.0.1 0 cat
    has_lines 1 "$LOG"
    has_line '^\[WARNING\] root may not become another user here' "$LOG"
    has_no_capability "$(supervisor)"
    has_field "$(supervisor)" NoNewPrivs 1
    answers_hello
}

@test "root without any one capability serves, with one warning if that makes a difference" {
    require_root
    if is_sanitized; then skip "a build with sanitizers keeps its root directory"; fi
    local capability warning
    for capability in setuid setgid sys_chroot setpcap kill dac_override fowner sys_resource; do
        : >"$LOG"
        WRAPPER=(setpriv "--bounding-set=-$capability")
        start --address 127.0.0.1 --dispatchers 1 0 cat
        case $capability in
        setuid | setgid) warning='root may not become another user here' ;;
        sys_chroot) warning='cannot make an empty directory the root of the supervisor' ;;
        *) warning= ;;
        esac
        if [[ -n $warning ]]; then
            has_lines 1 "$LOG"
            has_line "^\[WARNING\] $warning" "$LOG"
        else
            has_lines 0 "$LOG"
        fi
        pair_is_confined
        answers_hello
        stop
        [[ $STATUS == 0 ]]
    done
}

@test "root with CAP_SETUID and CAP_SETGID alone serves as other users" {
    require_root
    if is_sanitized; then skip "a build with sanitizers keeps its root directory"; fi
    open_directories
    WRAPPER=(setpriv "--bounding-set=-all,+setuid,+setgid")
    start --user "$HANDLERS" --supervisor-user "$SUPERVISOR" --dispatcher-user "$DISPATCHER" \
        --dispatchers 1 --address 127.0.0.1 0 cat
    has_lines 1 "$LOG"
    is_user "$(supervisor)" "$SUPERVISOR_ID" "$SUPERVISOR_GROUP" ''
    is_apart "$(dispatchers)"
    answers_hello
}

@test "--user is no privilege for the user that the daemon is already; with other groups it is" {
    be_other
    start --user "$HANDLERS" --address 127.0.0.1 0 cat
    has_lines 0 "$LOG"
    answers_hello
    stop
    start --user "$HANDLERS_ID" --group "$HANDLERS_GROUP" --address 127.0.0.1 0 cat
    answers_hello
    stop
    WRAPPER=(setpriv --reuid="$HANDLERS_ID" --regid="$HANDLERS_GROUP" --groups "$HANDLERS_GROUP,$SUPERVISOR_GROUP")
    refuses_to_start 'this requires root (CAP_SETUID and CAP_SETGID)' --user "$HANDLERS" 0 cat
    WRAPPER=(unshare --user --map-root-user)
    "${WRAPPER[@]}" true 2>/dev/null || skip "no user namespaces here"
    start --user root --address 127.0.0.1 0 cat
    has_line '^\[WARNING\] root may not become another user here' "$LOG"
    has_lines 1 "$LOG"
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
