# Sourced by endurance: what a connection costs, in the beginning and in the end.  shellcheck shell=bash
#
# Two figures.  Instructions in user space are counted one by one, for single connections whose steps
# wait for each other: no load of the machine changes them.  Processor time, the kernel's included, is
# that of the long daemon divided by that of its twin, who has rested between the two comparisons, for
# pairs of short drives one behind the other: what disturbs one of them mostly disturbs both.

readonly COST_PAIRS=61
readonly COST_DRIVE=1000 # connections
readonly COST_SINGLE=20  # connections whose instructions are counted: one wake-up more among ten is 3 %

tracer= # the process that counts, while there is one

# At END "first" or "last".
cost_take() {
    progress_begin "what a connection costs, compared"
    cost_take_pairs "$1"
    progress_begin "the instructions of a connection"
    cost_take_instructions "$1"
}

# ---- processor time ----

# Lines "END LONG TWIN" go to a file.
cost_take_pairs() {
    local pair first second
    for ((pair = 1; pair <= COST_PAIRS; pair++)); do
        progress "pair $pair of $COST_PAIRS"
        if ((pair % 2 == 0)); then
            cost_drive long
            first=$cost
            cost_drive twin
            second=$cost
        else
            cost_drive twin
            second=$cost
            cost_drive long
            first=$cost
        fi
        echo "$1 $first $second" >>"$work/pairs"
    done
}

# Sets `cost` to nanoseconds of supervisor and dispatchers.
cost_drive() {
    local -a before after
    read -r -a before < <(daemons_time "$1")
    rounds_load -c "$ROUND_IN_FLIGHT" -f 127.101.0.1 -s "$ROUND_SOURCES" 127.0.0.1 "${port[$1]}" "$COST_DRIVE"
    served_of["$1"]=$((served_of["$1"] + COST_DRIVE))
    await daemons_is_idle "$1"
    read -r -a after < <(daemons_time "$1")
    cost=$((after[0] + after[1] - before[0] - before[1]))
}

# ---- instructions ----

# Lines "END PROCESS INSTRUCTIONS" for each connection go to a file; none, if they cannot be counted.
cost_take_instructions() {
    local line process count i of_dispatchers=0
    supervisor=${supervisor_of[long]}
    read -r -a dispatchers <<<"${dispatchers_of[long]}"
    mkfifo "$work/counting" "$work/counted"
    "$build/tests/tools/bench/instructions" "$supervisor" "${dispatchers[@]}" \
        <"$work/counting" >"$work/counted" 2>"$work/counter" &
    tracer=$!
    exec {counting}>"$work/counting" {counted}<"$work/counted"
    rm "$work/counting" "$work/counted"
    if read -r line <&"$counted"; then
        for ((i = 0; i < COST_SINGLE; i++)); do
            progress "connection $((i + 1)) of $COST_SINGLE"
            cost_drive_single
        done
    fi
    exec {counting}>&-
    while read -r -t 60 process count; do
        if [[ $process == "$supervisor" ]]; then
            echo "$1 supervisor $((count / COST_SINGLE))" >>"$work/instructions"
        else
            of_dispatchers=$((of_dispatchers + count))
        fi
    done <&"$counted"
    if ((of_dispatchers > 0)); then
        echo "$1 dispatchers $((of_dispatchers / COST_SINGLE))" >>"$work/instructions"
    fi
    exec {counted}<&-
    wait "$tracer" || echo "endurance: instructions are not counted: $(tail -n 1 "$work/counter")" >&2
    tracer=
}

# Each step begins when all that the one before has brought about is over.
cost_drive_single() {
    local client answer
    served_of["long"]=$((served_of["long"] + 1))
    exec {client}<>"/dev/tcp/127.0.0.1/${port[long]}"
    read -r -t 60 answer <&"$client" || trial_fail "a client was not answered"
    guard_await guard_all_reaped
    guard_settle "$supervisor" "${dispatchers[@]}"
    exec {client}>&-
    guard_settle "$supervisor" "${dispatchers[@]}"
}

cost_end() { if [[ -n $tracer ]]; then kill "$tracer" 2>/dev/null || true; fi; }
