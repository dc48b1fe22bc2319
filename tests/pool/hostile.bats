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

@test "a forked dispatcher signals no handler of the dispatcher that forked it" { hostile forked; }

@test "a dispatcher signals the handler that it started, even if the ledger shows another process" { hostile forgery; }

@test "an orphaned dispatcher does not adopt the children of other processes" {
    hostile orphan
}

# ---- a hostile dispatcher and the real supervisor: tests/dispatcher/liar.c ----

# Makes a folder of programs in which the supervisor finds a liar as its dispatcher.
prepare_liars() {
    mkdir -p programs
    cp "$BUILD/socket-burst-dampener" programs/
    cp "$BUILD/tests/dispatcher/liar" programs/dispatcher
    cp "$BUILD/dispatcher" programs/honest
    DAMPENER=$PWD/programs/socket-burst-dampener
    (close_descriptors; exec sleep 1000) &
    export BYSTANDER=$! LIARS='' LIAR_SPARE=''
}

# Starts the daemon with the words in $@, a new log and no answers.
start_liars() {
    RUN=$((${RUN:-0} + 1))
    LOG=$PWD/log.$RUN
    rm -f answers counter
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

is_idle() {
    local before
    before=$(processor_time "$DAEMON")
    sleep 0.1
    (($(processor_time "$DAEMON") - before <= 3))
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

@test "a dispatcher that claims to have started a foreign process harms one client only" {
    prepare_liars
    lie_at_start "started-supervisor started-dispatcher started-itself" 3
    lie_at_start started-bystander 1
    # The liar may get the client again for which it reported FAILED; then the lie has become an answer.
    lie_at_start failed-then-started 1
    end_bystander
}

@test "a dispatcher that overwrites the ledger harms its own clients only" {
    prepare_liars
    lie_at_start "ledger dead half-closed" 4
    end_bystander
}

@test "a dispatcher cannot truncate the ledger of the supervisor" {
    prepare_liars
    lie_at_start cut-ledger 0
    end_bystander
}

@test "the supervisor kills dispatchers that are silent for 10 s or have closed their socket" {
    prepare_liars
    LIARS="silent closed"
    start_liars 0 "$ANSWER" answers counter 1
    "$BURST" "$ADDRESS" "$PORT" 60 >burst
    [[ $(<burst) == "connected 60 answered 60 failed 0" ]]
    [[ $(grep -c 'has not answered for 10 s: killing it' "$LOG") == 2 ]]
    check_after_lie
    end_bystander
}

# The supervisor loses the clients that such a dispatcher holds, and no others.
@test "dispatchers that cannot be killed delay neither the service nor its exit" {
    prepare_liars
    LIARS="unleashed unleashed-noise"
    start_liars 0 "$ANSWER" answers counter 1
    local liars
    liars=$(sed -n 's/.* dispatcher [01]: ready, process //p' "$LOG")
    [[ $(wc -l <<<"$liars") == 2 ]]
    # Both liars tell their lies; they hold at most as many clients as handlers may run.
    "$BURST" -t 5000 "$ADDRESS" "$PORT" 60 >burst 2>burst.errors || true
    cat burst
    [[ $(grep -c '^\[WARNING\] liar: unleashed' "$LOG") == 2 ]]
    [[ $(<burst) =~ ^connected\ 60\ answered\ ([0-9]+)\ failed\ ([0-9]+)$ ]]
    ((BASH_REMATCH[2] <= 8))
    await status_is running 0
    adds_up
    await is_idle
    # The daemon ends at once: the second SIGTERM kills handlers.
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

@test "a dispatcher that accepts no messages and cannot be killed keeps no client" {
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

# Lets the spare dispatcher tell lie $1 when the supervisor requests a successor.
lie_at_fork() {
    echo "lie: $1"
    LIARS='' LIAR_SPARE=$1
    start_liars 0 "$ANSWER" answers counter 10
    "$BURST" -t 8000 "$ADDRESS" "$PORT" 150 >burst &
    local client=$!
    kill -KILL "$(dispatchers | head -n 1)"
    wait "$client" || true
    cat burst
    await has_line "^\[WARNING\] liar: $1$" "$LOG" # on a loaded machine the kill comes late
    [[ $(<burst) == "connected 150 answered 150 failed 0" ]]
    [[ -z $(sort answers | uniq -d) ]]
    check_after_lie
}

@test "the supervisor recognizes a spare dispatcher's lies about successors and loses no client" {
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

@test "the supervisor does without a spare dispatcher that forks no successor or accepts no descriptors" {
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

@test "a spare dispatcher that denies a serving successor takes no client from the successor" {
    prepare_liars
    lie_at_fork forked-none
    lie_at_fork forked-another
    end_bystander
}

times_read() { grep -c '^\[INFO\] SIGHUP: files were read again' "$LOG" || true; }

was_read_again() { (($(times_read) > $1)); }

# Lets the spare dispatcher tell lie $1 when the supervisor requests a file.
lie_at_read() {
    echo "lie: $1"
    LIARS='' LIAR_SPARE=$1
    : >rules
    chmod 644 rules
    start_liars --access-file "$PWD/rules" 0 "$ANSWER" answers counter 1
    kill -HUP "$DAEMON"
    await has_line "^\[WARNING\] liar: $1$" "$LOG"
    await has_line '^\[[A-Z]*\] SIGHUP: ' "$LOG"
    # The service goes on as before.
    "$BURST" "$ADDRESS" "$PORT" 5 >burst
    [[ $(<burst) == "connected 5 answered 5 failed 0" ]]
    # The daemon uses the new file once an honest spare has read it.  Another spare may have read the
    # old file by then.
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

@test "the supervisor refuses file content that could change or block, and keeps the old content" {
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

# Lets the spare dispatcher tell lie $1 when the supervisor requests a signal to a handler of a dead
# dispatcher.
lie_at_signal() {
    echo "lie: $1"
    LIARS='' LIAR_SPARE=$1
    local all
    start_liars --timeout 3s --kill-after 300ms 0 "$ANSWER" answers counter 1
    mapfile -t all < <(dispatchers) # looked up before the handler's time begins, which must end later
    # This client sends nothing, so its handler waits.
    connect_silently
    await status_is running 1
    kill -KILL "${all[@]}"
    await has_adopted
    await has_line "^\[WARNING\] liar: $1$" "$LOG"
    exec {CLIENT}>&-
    check_after_lie
}

@test "a spare dispatcher that lies about signals does not keep handlers from being reaped" {
    prepare_liars
    local lie
    for lie in signalled-otherwise signalled-twice; do
        lie_at_signal "$lie"
        grep -q 'dispatcher [0-9]* violated the protocol: killing it' "$LOG"
    done
    end_bystander
}
