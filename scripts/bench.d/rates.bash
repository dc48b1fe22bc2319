# Scenarios single, static and cat: how fast connections are served that come as soon as others have
# been.  shellcheck shell=bash
#
# Slow programs get fewer connections than fast ones, so that each takes a similar time.

# The limit: if each client had to be accepted by a bare loop, and its handler started by another.
rates_limit() {
    local accepted started
    server_start_printing "$BARE" 127.0.0.1 || return
    tool_load static bare -c "$IN_FLIGHT" 127.0.0.1 "$server_port" "$(rates_count "$BARE_RATE")" || true
    tool_must_answer static bare || true
    accepted=$(tool_figure "$work/load" rate)
    server_end
    tool_spawn static "$(rates_count "$SPAWN_RATE")" "$STATIC" || return
    started=$(tool_figure "$work/spawn" rate)
    record static limit rate \
        "$(awk -v x="$accepted" -v s="$started" 'BEGIN { print x * s == 0 ? 0 : 1 / (1 / x + 1 / s) }')"
}

# How many connections at so many a second take the time that one measurement may take.
rates_count() { awk -v rate="$1" -v seconds="$seconds" 'BEGIN { print int(rate * seconds) + 1 }'; }

# Measures PROGRAM in SCENARIO with so many clients in flight and COMMAND as handler.
rates_measure() { rates_measure_as "$2" "$@"; }

# The same, recorded under a NAME of its own: NAME SCENARIO PROGRAM AT_ONCE COMMAND...
rates_measure_as() {
    local name=$1 scenario=$2 program=$3 at_once=$4
    shift 4
    server_start "$program" "$IN_FLIGHT" "$@" || return
    rates_load "$name" "$scenario" "$at_once"
    server_end
    if [[ $program == "$OURS" ]]; then tool_must_answer "$scenario" "$name" || true; fi
}

# Measures the server that runs: NAME SCENARIO AT_ONCE.
rates_load() {
    local name=$1 scenario=$2 at_once=$3 count rate
    # The first connections, which need not be as fast as those that follow, tell how many to take.
    tool_run "$work/warm-up" "$LOAD" "${expected[@]}" -t 10 -c "$at_once" 127.0.0.1 "$server_port" "$WARM_UP" || true
    rate=$(tool_figure "$work/warm-up" rate)
    count=$(rates_count "${rate:-0}")
    tool_load "$scenario" "$name" -c "$at_once" 127.0.0.1 "$server_port" \
        "$((count < COUNT_LEAST ? COUNT_LEAST : count))" || true
}

scenario_single() {
    local program
    expected=()
    for program in "${programs[@]}"; do
        progress "$program"
        rates_measure single "$program" 1 "$STATIC" || true
    done
}

scenario_static() {
    local program
    expected=()
    progress "the limit"
    rates_limit || true
    for program in "${programs[@]}"; do
        progress "$program"
        rates_measure static "$program" "$IN_FLIGHT" "$STATIC" || true
    done
}

scenario_cat() {
    local program
    progress "spawn"
    tool_spawn cat "$(rates_count "$SPAWN_RATE_CAT")" /bin/cat || true
    expected=(-l)
    for program in "${programs[@]}"; do
        progress "$program"
        rates_measure cat "$program" "$IN_FLIGHT" /bin/cat || true
    done
}
