#!/usr/bin/env bats
# Tests a hostile peer on either side of the protocol: it gets no more than protocol.h allows.

load ../shared/helpers

# ---- a hostile supervisor and the real dispatcher: tests/dispatcher/hostile/ ----

# Runs test $1 in a process id namespace if possible, because a deceived dispatcher could signal any
# process with that number.
hostile() {
    local namespace=(unshare --pid --fork --mount-proc --kill-child)
    if ((EUID != 0)); then namespace+=(--user --map-root-user); fi
    "${namespace[@]}" true 2>/dev/null || namespace=()
    # shellcheck disable=SC2016
    ${namespace[@]+"${namespace[@]}"} bash -c '"$@"; exit $?' hostile \
        "$BUILD/tests/dispatcher/hostile" "$1" "$BUILD/dispatcher" "${@:2}" 2>>"$LOG" || {
        grep -v '^\[' "$LOG" >&2
        return 1
    }
    refute grep -v -e '^\[ERROR\] dispatcher: ' -e '^\[WARNING\] dispatcher: ' "$LOG"
}

@test "a dispatcher refuses requests that no supervisor sends, and serves as before" {
    hostile orders
    grep -q '^\[ERROR\] dispatcher: the supervisor violated the protocol: ignoring its request$' "$LOG"
    grep -q '^\[ERROR\] dispatcher: the supervisor sent START for slot 16, which is not free: ignoring it$' "$LOG"
    grep -q '^\[ERROR\] dispatcher: the supervisor asked for signal 9 to process group 1: ignoring it$' "$LOG"
    grep -q '^\[ERROR\] dispatcher: the supervisor asked for signal 9 to process group -1: ignoring it$' "$LOG"
}

@test "a dispatcher survives 20,000 noise messages, or 100,000 with --long, and answers the valid ones" {
    hostile noise "${DAMPENER_SEED:-$(date +%s)}" "$([[ -n ${DAMPENER_LONG:-} ]] && echo 100000 || echo 20000)"
    grep -q '^\[ERROR\] dispatcher: the supervisor violated the protocol: ignoring its request$' "$LOG"
}

@test "a dispatcher signals a handler only if the request has the handler's ticket" { hostile tickets; }

@test "a dispatcher signals the handler that it started, even if the ledger shows another process" { hostile forgery; }

# ---- a hostile dispatcher and the real supervisor: tests/dispatcher/liar.c ----

# Makes a folder of programs in which the keeper finds a liar as its dispatcher.
prepare_liars() {
    mkdir -p programs
    cp "$BUILD/socket-burst-dampener" programs/
    cp "$BUILD/tests/dispatcher/liar" programs/dispatcher
    cp "$BUILD/dispatcher" programs/honest
    DAMPENER=$PWD/programs/socket-burst-dampener
    (close_descriptors; exec sleep 1000) &
    export BYSTANDER=$! LIARS=''
}

# Starts the daemon with the words in $@, a new log and no answers.  Its dispatchers take the lies in
# LIARS.
start_liars() {
    RUN=$((${RUN:-0} + 1))
    LOG=$PWD/log.$RUN
    rm -f answers counter lie.*
    : >"$LOG"
    : >answers
    start -vv --address 127.0.0.1 --processes 8 --dispatchers 4 "$@"
}

# Succeeds if in the last status line accepted = queued + starting + running + all ended clients.
adds_up() {
    grep '^\[INFO\] status: ' "$LOG" | tail -n 1 | awk '{
        gsub(",", "")
        for (i = 3; i < NF; i += 2) count[$i] = $(i + 1)
        n = split("queued starting running served abandoned denied refused-queue refused-source" \
                  " refused-timeout dropped", names, " ")
        for (i = 1; i <= n; i++) sum += count[names[i]]
        if (sum != count["accepted"]) { print "sum " sum ": " $0; exit 1 }
    }'
}

nobody_is_left() {
    status_of accepted >/dev/null
    grep '^\[INFO\] status: ' "$LOG" | tail -n 1 | grep -q 'queued 0, starting 0, running 0,'
}

# Keeper and supervisor together.
work() { echo $(($(processor_time "$DAEMON") + $(processor_time "$(supervisor)"))); }

is_idle() {
    local before
    before=$(work)
    sleep 0.1
    (($(work) - before <= 3))
}

# Checks, as soon as the liar is gone, that the daemon serves with all dispatchers, counts correctly,
# and has neither leaks nor errors.
check_after_lie() {
    await nobody_is_left
    adds_up
    await has_dispatchers 4
    await is_idle
    # All dispatchers serve these clients.
    "$BURST" "$ADDRESS" "$PORT" 20 >burst.after
    [[ $(cat burst.after) == "connected 20 answered 20 failed 0" ]]
    await nobody_is_left
    adds_up
    is_alive "$BYSTANDER"
    refute grep -e '^\[BUG\]' -e Sanitizer -e 'runtime error' -e 'none of the supervisor' "$LOG"
    await has_no_zombies
    await has_its_descriptors
    stop
    ((STATUS == 0))
}

end_bystander() {
    is_alive "$BYSTANDER"
    kill -KILL "$BYSTANDER"
    wait "$BYSTANDER" || true
}

all_lies_are_told() {
    local lie
    for lie in $LIARS; do grep -q "^\[WARNING\] liar: $lie$" "$LOG" || return 1; done
}

# Lets up to three of the four dispatchers answer START with the lies in $1.  At most $2 clients may be
# lost because a liar reports them as served; all others get exactly one answer.
lie_at_start() {
    local bursts failed=0
    echo "lies: $1"
    LIARS=$1
    start_liars 0 "$ANSWER" answers counter 1
    # If handlers start fast, a burst does not need every dispatcher.
    for ((bursts = 0; bursts < 20; bursts++)); do
        "$BURST" "$ADDRESS" "$PORT" 60 >burst 2>burst.errors || true
        cat burst
        [[ $(<burst) =~ ^connected\ 60\ answered\ ([0-9]+)\ failed\ ([0-9]+)$ ]]
        failed=$((failed + BASH_REMATCH[2]))
        if all_lies_are_told; then break; fi
    done
    all_lies_are_told
    ((failed <= $2))
    [[ -z $(sort answers | uniq -d) ]]
    check_after_lie
}

said_what_none_may_say() {
    [[ $(grep -c '^\[ERROR\] dispatcher [0-9]* violated the protocol: killing it$' "$LOG") == "$1" ]]
    [[ $(grep -c 'was killed by signal 9: replacing it$' "$LOG") == "$1" ]]
}

@test "the supervisor kills a dispatcher that violates the protocol, and other dispatchers serve its clients" {
    prepare_liars
    local lies
    for lies in "unasked-started unknown-client started-0" "started-1 started-minus exited-unknown" \
        "exited-zero exited-others exited-before" "ready-twice unasked-signalled unasked-pong" \
        "unknown-type other-version empty" "empty-with-descriptors stray strays" \
        "request noise started-twice" "started-then-failed exited-twice strays-at-once" \
        "truth-then-lie lie-then-truth twice-at-once" "cut-packet one-too-many long-packet" \
        exited-finished; do
        lie_at_start "$lies" 0
        said_what_none_may_say "$(wc -w <<<"$lies")"
    done
    end_bystander
}

@test "a dispatcher that claims to have started a foreign process harms one client only" {
    prepare_liars
    lie_at_start "started-supervisor started-dispatcher started-itself" 3
    lie_at_start "started-keeper started-bystander" 2
    # The liar may get the client again for which it reported FAILED; then the lie has become an answer.
    lie_at_start failed-then-started 1
    end_bystander
}

@test "a dispatcher that overwrites the ledger harms its own clients only" {
    prepare_liars
    lie_at_start "ledger dead half-closed" 4
    end_bystander
}

@test "a dispatcher can neither truncate the ledger nor change the setup of other dispatchers" {
    prepare_liars
    lie_at_start "cut-ledger change-setup" 0
    end_bystander
}

@test "children that a dispatcher leaves behind count as no handlers" {
    prepare_liars
    lie_at_start orphans 0
    end_bystander
}

@test "the keeper kills dispatchers that are silent for 10 s, are stopped or have closed their socket" {
    prepare_liars
    LIARS="silent closed stopped"
    start_liars 0 "$ANSWER" answers counter 1
    "$BURST" "$ADDRESS" "$PORT" 60 >burst
    [[ $(<burst) == "connected 60 answered 60 failed 0" ]]
    # The stopped one is killed for either reason.
    [[ $(grep -c -e 'has not answered for 10 s: killing it' -e 'was stopped 10 s ago: killing it' "$LOG") -ge 3 ]]
    [[ $(grep -c 'was killed by signal 9: replacing it$' "$LOG") == 3 ]]
    check_after_lie
    end_bystander
}

# Kills the first dispatcher; its successor tells lie $1 before it says that it is ready.
lie_before_ready() {
    echo "lie: $1"
    LIARS="honest honest honest honest $1"
    start_liars 0 "$ANSWER" answers counter 10
    kill -KILL "$(dispatchers | head -n 1)"
    "$BURST" -t 8000 "$ADDRESS" "$PORT" 60 >burst
    [[ $(<burst) == "connected 60 answered 60 failed 0" ]]
    await has_line "^\[WARNING\] liar: $1$" "$LOG"
}

@test "a dispatcher that lies before it is ready, or never is, is replaced" {
    prepare_liars
    local lie
    for lie in exited-unready signalled-unready noise-unready; do
        lie_before_ready "$lie"
        check_after_lie
        grep -q '^\[ERROR\] dispatcher [0-9]* violated the protocol: killing it$' "$LOG"
    done
    lie_before_ready exit-unready
    check_after_lie
    grep -q '^\[WARNING\] dispatcher [0-9], process [0-9]*, exited with status 3: replacing it$' "$LOG"
    lie_before_ready never-ready
    await has_line 'has not answered for 10 s: killing it' "$LOG"
    check_after_lie
    end_bystander
}

@test "a dispatcher that fails every start does not delay clients of other dispatchers" {
    prepare_liars
    LIARS="failed-always"
    start_liars 0 "$ANSWER" answers counter 1
    "$BURST" -t 5000 "$ADDRESS" "$PORT" 60 >burst
    [[ $(<burst) == "connected 60 answered 60 failed 0" ]]
    grep -q '^\[WARNING\] liar: failed-always$' "$LOG"
    check_after_lie
    end_bystander
}

# Linux can since 6.16.
can_refuse_descriptors() { [[ $(printf '%s\n' 6.16 "$(uname -r)" | sort -V | head -n 1) == 6.16 ]]; }

@test "the supervisor kills a dispatcher whose socket refuses descriptors, and others serve its clients" {
    prepare_liars
    lie_at_start without-rights 0
    if can_refuse_descriptors; then
        grep -q 'cannot give a client to a dispatcher: Operation not permitted' "$LOG"
        grep -q 'was killed by signal 9: replacing it$' "$LOG"
    fi
    end_bystander
}

@test "the supervisor closes descriptors that the kernel adds to returned connections" {
    prepare_liars
    lie_at_start with-processes 0 # has_its_descriptors() would find the descriptors
    end_bystander
}

@test "a dispatcher that makes the last close of a connection take a minute delays no client" {
    prepare_liars
    LIARS="failed-lingering"
    start_liars --queue-timeout 300ms 0 "$ANSWER" answers counter 1
    connect_silently
    await has_line '^\[WARNING\] liar: failed-lingering$' "$LOG"
    await status_is refused-timeout 1
    await status_is lingering 0 # the supervisor has closed it, although the client has read nothing
    exec {CLIENT}>&-
    check_after_lie
    end_bystander
}

@test "a dispatcher that accepts no messages is killed and keeps no client" {
    prepare_liars
    lie_at_start deaf 0
    grep -q 'cannot give a client to a dispatcher: Broken pipe' "$LOG"
    grep -q 'was killed by signal 9: replacing it$' "$LOG"
    end_bystander
}

has_adopted() { grep -q 'adopted process' "$LOG"; }

# Lets the only liar tell lie $1 when it must signal its handler, whose time is over.
lie_at_signal() {
    echo "lie: $1"
    LIARS=$1 # the first dispatcher, which gets the only client
    start_liars --timeout 1s --kill-after 300ms 0 "$ANSWER" answers counter 1
    connect_silently # so its handler waits
    await has_line "^\[WARNING\] liar: $1$" "$LOG"
    await has_line "$2" "$LOG"
    exec {CLIENT}>&-
    check_after_lie
}

@test "a handler is signalled even if its dispatcher lies about signals or does not signal" {
    prepare_liars
    lie_at_signal signalled-twice '^\[ERROR\] dispatcher [0-9]* violated the protocol: killing it$'
    await has_adopted
    lie_at_signal signalled-never 'has not answered for 10 s: killing it'
    await has_adopted
    end_bystander
}
