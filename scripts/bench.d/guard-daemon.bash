# Sourced by scripts/bench-check: a daemon whose steps are taken one by one.  shellcheck shell=bash
#
# How many system calls and instructions a connection takes depends on how much finds each process
# awake already, and that on what else the machine does.  So nothing is left to chance here: each step
# begins when all that the one before has brought about is over.

readonly GUARD_DISPATCHERS=2
readonly GUARD_HANDLERS=8 # far fewer than dispatchers may have unanswered STARTs for, so none has to wait

daemon=           # process id of the keeper, while there is one
supervisor=       # process id
dispatchers=()    # process ids
address=          # where it listens
port=             # likewise
folder=           # of this run, for all files

# Something has not come to an end in time, or has gone wrong: no figure can be given.
guard_fail() {
    echo "bench-check: $*" >&2
    exit "$EXIT_FAILED"
}

# Runs a command until it succeeds.
guard_await() {
    local deadline=$((SECONDS + 30))
    until "$@"; do
        ((SECONDS < deadline)) || guard_fail "waited in vain for: $*"
        guard_nap
    done
}

# Two milliseconds, without a process of its own: nobody ever writes to that pipe.
guard_nap() { read -r -t 0.002 <&"$nap" || true; }

guard_open_nap() {
    mkfifo "$folder/nap"
    exec {nap}<>"$folder/nap"
}

# ---- beginning and end ----

# Starts the daemon in folder BUILD with a handler, and waits until all of its processes are ready.
guard_start() {
    local build=$1 ready=$folder/ready
    shift
    rm -f "$ready"
    "$build/socket-burst-dampener" --ready-fd 7 --address 127.0.0.1 \
        --processes "$GUARD_HANDLERS" --dispatchers "$GUARD_DISPATCHERS" 0 "$@" \
        7>"$ready" 2>>"$folder/log" </dev/null >/dev/null {nap}>&- &
    daemon=$!
    guard_await test -s "$ready"
    read -r address port <"$ready"
    guard_await guard_find_processes
    guard_settle "$daemon" "$supervisor" "${dispatchers[@]}"
}

guard_find_processes() {
    local process name
    supervisor=
    dispatchers=()
    for process in $(guard_children "$daemon"); do
        read -r name <"/proc/$process/comm" || continue
        case $name in
        standby) supervisor=$(guard_children "$process") ;;
        dispatcher) dispatchers+=("$process") ;;
        esac
    done
    [[ -n $supervisor ]] && ((${#dispatchers[@]} == GUARD_DISPATCHERS))
}

guard_end() {
    if [[ -z $daemon ]]; then return; fi
    # If one is held.
    kill -CONT ${supervisor:+"$supervisor"} ${dispatchers[@]+"${dispatchers[@]}"} 2>/dev/null || true
    kill -INT "$daemon" 2>/dev/null || true
    wait "$daemon" 2>/dev/null || true
    daemon=
}

# ---- what processes do now ----

guard_children() {
    local line=
    read -r line <"/proc/$1/task/$1/children" || true # it ends without a new line
    echo "$line"
}

# The letter that ps(1) shows.  Sets `state`.
guard_look() {
    local line
    read -r line <"/proc/$1/stat" || guard_fail "process $1 has ended; its log: $(tail -n 3 "$folder/log")"
    line=${line##*) }
    state=${line%% *}
}

# Sets `view` to how often they have gone to sleep, if all of them sleep.
guard_all_sleep() {
    local process line state
    view=
    for process; do
        guard_look "$process"
        if [[ $state != S ]]; then return 1; fi
        while read -r line; do
            if [[ $line == *ctxt_switches:* ]]; then view+="${line##*:} "; fi
        done <"/proc/$process/status"
    done
}

# Whether they sleep for good: one that is asleep when it is looked at may have been woken since by one
# that was not yet, but not without having slept once more the second time.
guard_are_settled() {
    local view before
    guard_all_sleep "$@" || return 1
    before=$view
    guard_nap
    guard_all_sleep "$@" && [[ $view == "$before" ]]
}

guard_settle() { guard_await guard_are_settled "$@"; }

guard_all_reaped() {
    local process
    for process in "${dispatchers[@]}"; do
        if [[ -n $(guard_children "$process") ]]; then return 1; fi
    done
}

guard_all_ended() {
    local process child state
    for process in "${dispatchers[@]}"; do
        for child in $(guard_children "$process"); do
            guard_look "$child"
            if [[ $state != Z ]]; then return 1; fi
        done
    done
}

guard_is_held() {
    local state
    guard_look "$1"
    [[ $state == [Tt] ]]
}

guard_hold() {
    local process
    kill -STOP "$@"
    for process; do guard_await guard_is_held "$process"; done
}

# Lets those take their turn that are given, and no other.
guard_turn() {
    kill -CONT "$@"
    guard_settle "$@"
    guard_hold "$@"
}

# ---- drives, with cat(1) as the handler: it ends when its client says so ----

# Sets `client` to a descriptor.
guard_connect() {
    exec {client}<>"/dev/tcp/$address/$port"
    echo x >&"$client"
}

guard_expect_answer() {
    local line
    if ! read -r -t 30 line <&"$1" || [[ $line != x ]]; then guard_fail "a client was not answered"; fi
}

# So many clients, one at a time, and each step when the one before is over.
guard_drive_single() {
    local round client
    for ((round = 0; round < $1; round++)); do
        guard_connect
        guard_expect_answer "$client"
        guard_settle "$supervisor" "${dispatchers[@]}"
        exec {client}>&-
        guard_await guard_all_reaped
        guard_settle "$supervisor" "${dispatchers[@]}"
    done
}

# So many clients at once.  All that comes while others have their turn is found together.
guard_drive_burst() {
    local round client index
    local -a clients=()
    guard_hold "$supervisor" "${dispatchers[@]}"
    for ((round = 0; round < $1; round++)); do
        guard_connect
        clients+=("$client")
    done
    for ((round = 0; round < $1; round += GUARD_HANDLERS)); do
        guard_turn "$supervisor"        # takes clients, or ends of handlers, and asks for handlers
        guard_turn "${dispatchers[@]}"  # start them
        for ((index = round; index < round + GUARD_HANDLERS && index < $1; index++)); do
            client=${clients[index]}
            guard_expect_answer "$client"
            exec {client}>&-
        done
        guard_await guard_all_ended
        guard_turn "${dispatchers[@]}"  # see that they have ended
    done
    kill -CONT "$supervisor" "${dispatchers[@]}"
    guard_settle "$supervisor" "${dispatchers[@]}"
}
