# Runs the programs that measure.  shellcheck shell=bash

tool=         # the process, while one runs
tool_sleeper= # the process that sleeps

# Runs COMMAND, its output in FILE.  In the background, so that a signal is not kept waiting.
tool_run() {
    local file=$1 status=0
    shift
    "$@" >"$file" 2>"$work/errors" </dev/null &
    tool=$!
    wait "$tool" || status=$?
    tool=
    return "$status"
}

tool_end() {
    if [[ -z $tool ]]; then return 0; fi
    tool_end_process "$tool"
    tool=
}

# Ends the process, and what else is in its group if it leads one.  It is not waited for with wait,
# which hangs if a trap has interrupted it just when it had got the process' end; nor need the shell
# say what became of it.
tool_end_process() {
    local tries
    disown "$1" 2>/dev/null || true
    kill "$1" 2>/dev/null || true
    for ((tries = 0; tries < 300; tries++)); do
        kill -0 "$1" 2>/dev/null || break
        sleep 0.01
    done
    kill -KILL "$1" 2>/dev/null || true
    kill -KILL -- "-$1" 2>/dev/null || true
}

# Lets a tool run for an interval: $1 seconds to measure, or to warm up.
tool_sleep() {
    sleep "$1" &
    tool_sleeper=$!
    wait "$tool_sleeper"
    tool_sleeper=
}

tool_wake() { if [[ -n $tool_sleeper ]]; then kill "$tool_sleeper" 2>/dev/null || true; fi; }

# Notes one figure of this round, unless there is none.
record() {
    if [[ -z $4 ]]; then return; fi
    printf '%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$round" "$3" "$4" >>"$raw"
}

# Prints the figure NAME of what the last program printed into FILE, lines of a name and a value.
tool_figure() { awk -v name="$2" '$1 == name { print $2 }' "$1"; }

# Lets clients loose on the server as the words say, and records as PROGRAM's what they met.
tool_load() {
    local scenario=$1 program=$2 name value
    shift 2
    tool_run "$work/load" "$LOAD" "${expected[@]}" "$@" || true # those not answered are counted
    if [[ -z $(tool_figure "$work/load" clients) ]]; then
        broken "the load client failed with $(peers_title "$program") in $scenario: $(tail -n 1 "$work/errors")"
        return 1
    fi
    while read -r name value; do record "$scenario" "$program" "$name" "$value"; done <"$work/load"
}

# A peer's failures are shown; with one of ours, a figure has no meaning.  Of the last tool_load(), or
# of what the load client printed into FILE.
tool_must_answer() {
    local scenario=$1 program=$2 file=${3:-$work/load} clients answered
    clients=$(tool_figure "$file" clients)
    answered=$(tool_figure "$file" answered)
    if [[ -n $clients && $answered == "$clients" ]]; then return; fi
    broken "$program in $scenario: only ${answered:-0} of ${clients:-all} clients were answered"
    return 1
}

# Records how many handlers a second can be started without any server.
tool_spawn() {
    local scenario=$1 rate
    shift
    tool_run "$work/spawn" "$SPAWN" "$@" || true
    rate=$(tool_figure "$work/spawn" rate)
    if [[ -z $rate ]]; then
        broken "spawn failed in $scenario: $(tail -n 1 "$work/errors")"
        return 1
    fi
    record "$scenario" spawn rate "$rate"
}
