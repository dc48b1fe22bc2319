# Scenario persistent: workers of --persistent beside handlers of their own for each client, in Python and
# in C.  shellcheck shell=bash
#
# What is recorded as PYTHON_WORKER and so on is ours; as the name of a peer, a peer with the same
# handler in Python.

# The peers that are measured if they are there: the fastest ones.
readonly PERSISTENT_PEERS=(s6-tcpserver tcpserver)

# The interpreter itself: what PATH has may be a script that looks for it.
persistent_python() {
    command -v python3 >/dev/null && python3 -c 'import sys; print(sys.executable)'
}

# Usage: persistent_measure NAME AT_ONCE COMMAND...  A NAME that ends in "worker" is one of workers.
persistent_measure() {
    local name=$1
    if [[ $name == *worker ]]; then server_options=(--persistent); fi
    progress "$name"
    rates_measure_as "$name" persistent "$OURS" "${@:2}" || true
    server_options=()
}

# What hands clients to the same workers by way of two processes, and does nothing else.
persistent_relay() {
    progress relay
    server_start_printing "$RELAY" 127.0.0.1 "$IN_FLIGHT" "$WORKER" || return
    rates_load c-relay persistent "$IN_FLIGHT"
    server_end
    tool_must_answer persistent c-relay
}

scenario_persistent() {
    local peer python
    expected=()
    persistent_measure c-worker "$IN_FLIGHT" "$WORKER"
    persistent_relay || true
    persistent_measure c-exec "$IN_FLIGHT" "$STATIC"
    if ! python=$(persistent_python); then return; fi
    # -I -S: as few modules as possible, which favours the handlers that are executed.
    persistent_measure python-worker "$IN_FLIGHT" "$python" -I -S "$parts/worker.py"
    persistent_measure python-exec "$IN_FLIGHT" "$python" -I -S "$parts/handler.py"
    persistent_measure python-single-worker 1 "$python" -I -S "$parts/worker.py"
    persistent_measure python-single-exec 1 "$python" -I -S "$parts/handler.py"
    for peer in "${PERSISTENT_PEERS[@]}"; do
        is_among "$peer" "${programs[@]}" || continue
        progress "$peer"
        rates_measure persistent "$peer" "$IN_FLIGHT" "$python" -I -S "$parts/handler.py" || true
    done
}

table_persistent() {
    local peer
    table_has persistent || return 0
    table_head "Workers (--persistent) beside a handler for each client, up to $IN_FLIGHT of either: connections a second"
    {
        table_line "handler" "clients in flight" "a second" "median wait, µs" "not answered"
        table_persistent_of "worker in C" "$IN_FLIGHT" c-worker
        table_persistent_of "worker in C, by relay alone" "$IN_FLIGHT" c-relay
        table_persistent_of "static, executed" "$IN_FLIGHT" c-exec
        table_persistent_of "worker in Python" "$IN_FLIGHT" python-worker
        table_persistent_of "Python, executed" "$IN_FLIGHT" python-exec
        for peer in "${PERSISTENT_PEERS[@]}"; do
            table_persistent_of "Python, executed by $peer" "$IN_FLIGHT" "$peer"
        done
        table_persistent_of "worker in Python" 1 python-single-worker
        table_persistent_of "Python, executed" 1 python-single-exec
    } | table_align
}

table_persistent_of() {
    if ! verdict_has persistent "$3" rate; then return; fi
    table_line "$1" "$2" "$(table_spread persistent "$3" rate)" \
        "$(table_spread persistent "$3" done_median)" "$(table_failures persistent "$3")"
}

verdict_persistent() {
    local peer
    verdict_persistent_ratio "C worker's rate to that of relay" c-worker c-relay rate ">=" 0.6
    verdict_persistent_ratio "C worker's rate to that of static" c-worker c-exec rate ">=" 3 \
        "$(verdict_persistent_best)" "relay at best"
    verdict_persistent_ratio "Python worker's rate to Python executed" python-worker python-exec rate ">=" 20
    for peer in "${PERSISTENT_PEERS[@]}"; do
        is_among "$peer" "${programs[@]}" || continue
        verdict_persistent_ratio "Python worker's rate to that of $peer" python-worker "$peer" rate ">=" 20
    done
    verdict_persistent_ratio "Python worker's median time, one at a time, to Python executed" \
        python-single-worker python-single-exec done_median "<=" 0.3
}

# What the machine allows: the ratio of relay to static, of the best round of each: other
# programs on the machine slow relay down more than they do our program.
verdict_persistent_best() {
    awk -v relay="$(table_most persistent c-relay rate)" -v static="$(table_most persistent c-exec rate)" \
        'BEGIN { if (relay && static) printf "%.4g\n", relay / static }'
}

# Usage: verdict_persistent_ratio WHAT NAME NAME FIGURE OPERATOR TARGET [BEST OF]
verdict_persistent_ratio() {
    verdict_line persistent "$1" "$(table_ratio_median persistent "$2" "$4" persistent "$3" "$4")" \
        "$5" "$6" "" "${@:7}"
}
