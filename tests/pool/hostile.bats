#!/usr/bin/env bats
# One side of the protocol means harm: what it gets from the other is no more than protocol.h allows.

load ../shared/helpers

# ---- a supervisor, against the real dispatcher: tests/dispatcher/hostile.c ----

# In a process id namespace of its own, if there can be one: a dispatcher that was deceived would
# signal whoever has the number.
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

@test "a dispatcher refuses all that no supervisor asks, and serves as before" {
    hostile orders
    grep -q '^\[ERROR\] dispatcher: the supervisor violated the protocol: ignoring its request$' "$LOG"
    grep -q '^\[ERROR\] dispatcher: the supervisor sent START for slot 16, which is not free: ignoring it$' "$LOG"
    grep -q '^\[ERROR\] dispatcher: the supervisor asked for signal 9 to process group 1: ignoring it$' "$LOG"
    grep -q '^\[ERROR\] dispatcher: the supervisor asked for signal 9 to process group -1: ignoring it$' "$LOG"
}

@test "a dispatcher takes 20,000 messages of noise, with --long 100,000, and answers those that are sound" {
    hostile noise "${DAMPENER_SEED:-$(date +%s)}" "$([[ -n ${DAMPENER_LONG:-} ]] && echo 100000 || echo 20000)"
    grep -q '^\[ERROR\] dispatcher: the supervisor violated the protocol: ignoring its request$' "$LOG"
}

@test "a dispatcher signals a handler only if the ticket is the handler's" { hostile tickets; }

@test "a forked dispatcher signals no handler of the dispatcher that forked it" { hostile forked; }

@test "a dispatcher does not take from the ledger whom it has started" { hostile forgery; }

@test "a dispatcher whose supervisor is dead does not take another's children for its" {
    hostile orphan
}

# ---- a dispatcher, against the real supervisor: tests/dispatcher/liar.c ----

# Where the supervisor finds a liar for its dispatchers.
prepare_liars() {
    mkdir -p programs
    cp "$BUILD/socket-burst-dampener" programs/
    cp "$BUILD/tests/dispatcher/liar" programs/dispatcher
    cp "$BUILD/dispatcher" programs/honest
    DAMPENER=$PWD/programs/socket-burst-dampener
    (close_descriptors; exec sleep 1000) &
    export BYSTANDER=$! LIARS='' LIAR_SPARE=''
}

# Afresh, with a log of its own.
start_liars() {
    RUN=$((${RUN:-0} + 1))
    LOG=$PWD/log.$RUN
    rm -f answers counter
    : >"$LOG"
    : >answers
    start -vv --address 127.0.0.1 --processes 8 --dispatchers 4 "$@"
}

# accepted = queued + starting + running + the sum of the ended, in the last status line.
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

is_idle() {
    local before
    before=$(processor_time "$DAEMON")
    sleep 0.1
    (($(processor_time "$DAEMON") - before <= 3))
}

# What must be so whatever it was told, as soon as the liar is out of the way.
check_after_lie() {
    await nobody_is_left
    adds_up
    await has_dispatchers 4
    await is_idle
    # Whoever comes now is served, by everybody.
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

# $1: lies told instead of an answer to START, by up to three dispatchers of four.  $2: how many may
# have been told that they are served, by a liar who does not.  Everybody else is, once.
lie_at_start() {
    local bursts failed=0
    echo "lies: $1"
    LIARS=$1
    start_liars 0 "$ANSWER" answers counter 1
    # If handlers start fast enough, not every dispatcher is needed for a burst.
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

@test "a dispatcher that says what none may say is ended, and others serve its clients" {
    prepare_liars
    local lies
    for lies in "unasked-started unknown-client started-0" "started-1 started-minus exited-unknown" \
        "exited-zero exited-others exited-before" "ready-twice ready-other unasked-signalled" \
        "unasked-forked unasked-content empty" "empty-with-descriptors stray strays" \
        "request noise started-twice" "started-then-failed exited-twice started-0" \
        "unasked-pong unasked-pong unasked-pong" "truth-then-lie lie-then-truth twice-at-once" \
        "cut-packet one-too-many long-packet" "strays-at-once content-in-company cut-packet"; do
        lie_at_start "$lies" 0
        said_what_none_may_say 3
    done
    end_bystander
}

@test "a dispatcher that says it started somebody else's process harms one client, and nobody else" {
    prepare_liars
    lie_at_start "started-supervisor started-dispatcher started-itself" 3
    lie_at_start started-bystander 1
    # If it is given the client of which it has said FAILED again, the lie has become an answer.
    lie_at_start failed-then-started 1
    end_bystander
}

@test "a dispatcher that writes what it likes into the ledger harms its own clients only" {
    prepare_liars
    lie_at_start "ledger dead half-closed" 4
    end_bystander
}

@test "a dispatcher cannot take the ledger away from under the supervisor" {
    prepare_liars
    lie_at_start cut-ledger 0
    end_bystander
}

@test "dispatchers that do not answer, or have closed their end, are ended after 10 s" {
    prepare_liars
    LIARS="silent closed"
    start_liars 0 "$ANSWER" answers counter 1
    "$BURST" "$ADDRESS" "$PORT" 60 >burst
    [[ $(<burst) == "connected 60 answered 60 failed 0" ]]
    [[ $(grep -c 'has not answered for 10 s: killing it' "$LOG") == 2 ]]
    check_after_lie
    end_bystander
}

# What it holds is lost to it, and no more.
@test "dispatchers that have slipped the leash keep neither the service nor its end" {
    prepare_liars
    LIARS="unleashed unleashed-noise"
    start_liars 0 "$ANSWER" answers counter 1
    local liars
    liars=$(sed -n 's/.* dispatcher [01]: ready, process //p' "$LOG")
    [[ $(wc -l <<<"$liars") == 2 ]]
    # Both tell their lies, whatever they hold then: no more than there may be handlers.
    "$BURST" -t 5000 "$ADDRESS" "$PORT" 60 >burst 2>burst.errors || true
    cat burst
    [[ $(grep -c '^\[WARNING\] liar: unleashed' "$LOG") == 2 ]]
    [[ $(<burst) =~ ^connected\ 60\ answered\ ([0-9]+)\ failed\ ([0-9]+)$ ]]
    ((BASH_REMATCH[2] <= 8))
    await status_is running 0
    adds_up
    await is_idle
    # At once: the second says that handlers are killed.
    kill -TERM "$DAEMON"
    await has_line '^\[INFO\] ending: ' "$LOG"
    stop
    ((STATUS == 1))
    grep -q '^\[ERROR\] dispatcher [0-9], process [0-9]*, could not be killed: leaving it$' "$LOG"
    is_alive "$BYSTANDER"
    # shellcheck disable=SC2086
    kill -KILL $liars 2>/dev/null || true
    end_bystander
}

@test "a dispatcher that fails at all it is given does not hold up what others can do" {
    prepare_liars
    LIARS="failed-always"
    start_liars 0 "$ANSWER" answers counter 1
    "$BURST" -t 5000 "$ADDRESS" "$PORT" 60 >burst
    [[ $(<burst) == "connected 60 answered 60 failed 0" ]]
    grep -q '^\[WARNING\] liar: failed-always$' "$LOG"
    check_after_lie
    end_bystander
}

# Since Linux 6.16.
can_refuse_descriptors() { [[ $(printf '%s\n' 6.16 "$(uname -r)" | sort -V | head -n 1) == 6.16 ]]; }

@test "a dispatcher that has the kernel refuse descriptors is ended, and others serve its clients" {
    prepare_liars
    lie_at_start without-rights 0
    if can_refuse_descriptors; then
        grep -q 'cannot give a client to a dispatcher: Operation not permitted' "$LOG"
        grep -q 'was killed by signal 9: replacing it$' "$LOG"
    fi
    end_bystander
}

@test "what the kernel puts beside the connections that come back is closed" {
    prepare_liars
    lie_at_start with-processes 0 # has_its_descriptors() would see it
    end_bystander
}

@test "a dispatcher that makes the last close of a connection take a minute makes nobody wait" {
    prepare_liars
    LIARS="failed-lingering"
    start_liars --queue-timeout 300ms 0 "$ANSWER" answers counter 1
    connect_silently
    await has_line '^\[WARNING\] liar: failed-lingering$' "$LOG"
    await status_is refused-timeout 1
    await status_is lingering 0 # closed, while its client has read nothing
    exec {CLIENT}>&-
    check_after_lie
    end_bystander
}

@test "a dispatcher that can be sent nothing more, and not be killed, keeps no client" {
    prepare_liars
    LIARS=deaf
    start_liars 0 "$ANSWER" answers counter 1
    local liar
    liar=$(sed -n 's/.* dispatcher 0: ready, process //p' "$LOG")
    "$BURST" -t 5000 "$ADDRESS" "$PORT" 60 >burst
    [[ $(<burst) == "connected 60 answered 60 failed 0" ]]
    grep -q '^\[WARNING\] liar: deaf$' "$LOG"
    grep -q 'cannot give a client to a dispatcher: Broken pipe' "$LOG"
    adds_up
    await is_idle
    kill -KILL "$liar"
    check_after_lie
    end_bystander
}

# $1: a lie of the spare when it is asked for a successor.
lie_at_fork() {
    echo "lie: $1"
    LIARS='' LIAR_SPARE=$1
    start_liars 0 "$ANSWER" answers counter 10
    "$BURST" -t 8000 "$ADDRESS" "$PORT" 150 >burst &
    local client=$!
    kill -KILL "$(dispatchers | head -n 1)"
    wait "$client" || true
    cat burst
    await has_line "^\[WARNING\] liar: $1$" "$LOG" # on a loaded machine, the kill comes late
    [[ $(<burst) == "connected 150 answered 150 failed 0" ]]
    [[ -z $(sort answers | uniq -d) ]]
    check_after_lie
}

@test "a spare that lies about successors is seen through, and nobody is lost" {
    prepare_liars
    local lie
    for lie in forked-supervisor forked-dispatcher forked-bystander forked-dead \
        successor-ready-other successor-ready-twice; do
        lie_at_fork "$lie"
    done
    for lie in forked-both forked-neither forked-twice; do
        lie_at_fork "$lie"
        grep -q '^\[ERROR\] dispatcher [0-9]* violated the protocol: killing it$' "$LOG"
    done
    end_bystander
}

times_ready() { grep -c "$1: ready, process" "$LOG" || true; }
were_ready() { [[ $(times_ready "$1") == "$2" ]]; }

kill_first_dispatcher() { kill -KILL "$(dispatchers | head -n 1)"; }

@test "a spare that never forks a successor, or takes no descriptors, is passed over" {
    prepare_liars
    lie_at_fork forked-never
    LIAR_SPARE=forked-deaf
    start_liars 0 "$ANSWER" answers counter 1
    kill_first_dispatcher
    await were_ready '\] dispatcher [0-3]' 5
    kill_first_dispatcher
    await were_ready '\] dispatcher [0-3]' 6
    if can_refuse_descriptors; then has_line 'cannot start dispatcher [0-9]*: Operation not permitted; trying again' "$LOG"; fi
    check_after_lie
    end_bystander
}

@test "a spare that denies a successor which serves already takes no client from it" {
    prepare_liars
    lie_at_fork forked-none
    lie_at_fork forked-another
    end_bystander
}

times_read() { grep -c '^\[INFO\] SIGHUP: files were read again' "$LOG" || true; }

was_read_again() { (($(times_read) > $1)); }

# $1: a lie of the spare when it is asked to read a file.
lie_at_read() {
    echo "lie: $1"
    LIARS='' LIAR_SPARE=$1
    : >rules
    chmod 644 rules
    start_liars --access-file "$PWD/rules" 0 "$ANSWER" answers counter 1
    kill -HUP "$DAEMON"
    await has_line "^\[WARNING\] liar: $1$" "$LOG"
    await has_line '^\[[A-Z]*\] SIGHUP: ' "$LOG"
    # As before.
    "$BURST" "$ADDRESS" "$PORT" 5 >burst
    [[ $(<burst) == "connected 5 answered 5 failed 0" ]]
    # Once it is read truly, it counts.  Another spare may have read the old one by then.
    local before
    before=$(times_read)
    echo 'deny 127.0.0.9' >rules
    kill -HUP "$DAEMON"
    await was_read_again "$before"
    await is_denied_at 127.0.0.9
    check_after_lie
}

is_denied_at() {
    "$BURST" -f "$1" "$ADDRESS" "$PORT" 1 >burst 2>burst.errors || true
    [[ $(<burst) == "connected 1 answered 0 failed 1" ]]
}

@test "content that could change, block or be anything is not read, and what was read stays" {
    prepare_liars
    local lie
    for lie in content-pipe content-unsealed content-huge content-directory content-path \
        content-nothing; do
        lie_at_read "$lie"
        grep -q '^\[ERROR\] --access-file: ' "$LOG"
    done
    for lie in content-negative content-no-file content-other-file content-twice content-two; do
        lie_at_read "$lie"
        grep -q 'dispatcher [0-9]* violated the protocol: killing it' "$LOG"
    done
    end_bystander
}

has_adopted() { grep -q 'adopted process' "$LOG"; }

# $1: a lie of the spare when it is asked to signal a handler whose dispatcher is dead.
lie_at_signal() {
    echo "lie: $1"
    LIARS='' LIAR_SPARE=$1
    local all
    start_liars --timeout 3s --kill-after 300ms 0 "$ANSWER" answers counter 1
    mapfile -t all < <(dispatchers) # before the handler's time begins, which is to be over later
    # Says nothing, so that its handler waits.
    connect_silently
    await status_is running 1
    kill -KILL "${all[@]}"
    await has_adopted
    await has_line "^\[WARNING\] liar: $1$" "$LOG"
    exec {CLIENT}>&-
    check_after_lie
}

@test "a spare that lies about signals does not keep anybody from being reaped" {
    prepare_liars
    local lie
    for lie in signalled-otherwise signalled-twice; do
        lie_at_signal "$lie"
        grep -q 'dispatcher [0-9]* violated the protocol: killing it' "$LOG"
    done
    end_bystander
}
