# Scenarios crowd and depth, of our own program: what it takes to have very many waiting.
# shellcheck shell=bash

queue_ask() { "$CONTROL" "$@" 2>/dev/null; }

# The number that it gives for a word of its status.
queue_status() {
    local status
    status=$(queue_ask --json "$work/control" status) || true
    if [[ $status =~ \"$1\":([0-9]+) ]]; then echo "${BASH_REMATCH[1]}"; else echo 0; fi
}

# Prints the process that has the queue.
queue_supervisor() {
    local process
    for process in $(server_processes "$server"); do
        if [[ $(cat "/proc/$process/comm" 2>/dev/null) == supervisor ]]; then echo "$process"; fi
    done
}

# Starts it with at most HANDLERS of COMMAND, and the OPTIONs before "--".
queue_start() {
    server_options=(--control "$work/control")
    rm -f "$work/control" # the one before may have been killed a moment ago
    while [[ $1 != -- ]]; do
        server_options+=("$1")
        shift
    done
    shift
    local status=0
    server_start "$OURS" "$@" || status=$?
    server_options=()
    return "$status"
}

# Lets clients loose on it beside what follows; ended by tool_end().
queue_fill() {
    "$LOAD" "${expected[@]}" "$@" >"$work/load" 2>"$work/errors" </dev/null &
    tool=$!
}

# Waits until so many wait.
queue_await() {
    local deadline=$((SECONDS + QUEUE_PATIENCE))
    while ((SECONDS < deadline)) && kill -0 "$tool" 2>/dev/null; do
        if (($(queue_status queued) >= $1)); then return; fi
        sleep 0.05
    done
    broken "no $1 clients came to wait: $(tail -n 1 "$work/errors")"
    return 1
}

# ---- crowd: as many as descriptors allow, all waiting, and then all served ----

# One address has some 28,000 ports for its clients.
queue_sources() { echo $((1 + $1 / 15000)); }

queue_kibibytes() { awk -v name="$1:" '$1 == name { print $2 }' "$2"; }

scenario_crowd() {
    local empty full
    expected=()
    progress "$crowd_clients clients"
    queue_start -- "$BURST_HANDLERS" "$STATIC" || return 0
    queue_ask "$work/control" pause >/dev/null || true
    empty=$(queue_kibibytes VmRSS "/proc/$(queue_supervisor)/status")
    queue_fill -c "$crowd_clients" -f 127.0.1.1 -s "$(queue_sources "$crowd_clients")" \
        127.0.0.1 "$server_port" "$crowd_clients"
    if queue_await "$crowd_clients"; then
        queue_weigh "$empty"
        queue_ask "$work/control" resume >/dev/null || true
        wait "$tool" || true
        tool=
        queue_record_crowd
    fi
    tool_end
    server_end
}

queue_weigh() {
    local empty=$1 supervisor
    supervisor=$(queue_supervisor)
    full=$(queue_kibibytes VmRSS "/proc/$supervisor/status")
    record crowd "$OURS" resident "$full"
    record crowd "$OURS" proportional "$(queue_kibibytes Pss "/proc/$supervisor/smaps_rollup" 2>/dev/null || true)"
    record crowd "$OURS" bytes_each $(((full - empty) * 1024 / crowd_clients))
}

queue_record_crowd() {
    local name value peak
    peak=$(queue_kibibytes VmHWM "/proc/$(queue_supervisor)/status")
    record crowd "$OURS" peak $((peak > full ? peak : full)) # the kernel's may be some pages behind
    while read -r name value; do record crowd "$OURS" "$name" "$value"; done <"$work/load"
}

# ---- depth: the supervisor's processor time for one connection, by how many wait ----

# Of so many nanoseconds, for each of so many clients.
queue_microseconds() { awk -v cost="$1" -v clients="$2" 'BEGIN { printf "%.3f\n", cost / clients / 1000 }'; }

queue_nanoseconds() { cut -d ' ' -f 1 "/proc/$(queue_supervisor)/schedstat"; }

scenario_depth() {
    local depth
    for depth in "${depths[@]}"; do
        progress "$depth waiting, overtaken by others"
        queue_overtake "$depth"
        progress "$depth waiting, in order of arrival"
        queue_in_order "$depth"
    done
}

# The crowd's source is at its limit, as one client of it keeps its handler; others overtake it.
queue_overtake() {
    local depth=$1 silent others_cost=
    expected=(-l)
    queue_start --per-source 1 --order fair -- 3 /bin/cat || return 0
    exec {silent}<>"/dev/tcp/127.0.0.1/$server_port"
    if ((depth == 0)) || { queue_fill -c "$depth" 127.0.0.1 "$server_port" "$depth" && queue_await "$depth"; }; then
        queue_serve_others
        record depth "$OURS" "overtaking_$depth" "$others_cost"
    fi
    exec {silent}>&-
    tool_end
    server_end
}

# Sets `others_cost` to microseconds: the least for each of some more clients, of several attempts; to
# nothing if any of them was not answered.
queue_serve_others() {
    local attempt before cost least=
    for ((attempt = 0; attempt < DEPTH_ATTEMPTS; attempt++)); do
        before=$(queue_nanoseconds)
        "$LOAD" -l -c 8 -f 127.0.3.1 -s 8 127.0.0.1 "$server_port" "$DEPTH_CLIENTS" >"$work/others" || true
        cost=$(($(queue_nanoseconds) - before))
        tool_must_answer depth "$OURS" "$work/others" || return 0
        # Whatever is done for the first time is no part of it.
        if ((attempt > 0)) && { [[ -z $least ]] || ((cost < least)); }; then least=$cost; fi
    done
    others_cost=$(queue_microseconds "$least" "$DEPTH_CLIENTS")
}

# For each client that was served another comes, so that always as many wait.
queue_in_order() {
    local depth=$1 present=$((BURST_HANDLERS * 2 + $1)) before cost served
    expected=()
    queue_start -- "$BURST_HANDLERS" "$STATIC" || return 0
    queue_ask "$work/control" pause >/dev/null || true
    queue_fill -c "$present" -f 127.0.1.1 -s "$(queue_sources "$present")" 127.0.0.1 "$server_port" 1000000
    if queue_await "$present"; then
        queue_ask "$work/control" resume >/dev/null || true
        tool_sleep "$DEPTH_WARM_UP"
        before=$(queue_nanoseconds)
        served=$(queue_status served)
        tool_sleep "$seconds"
        cost=$(($(queue_nanoseconds) - before))
        served=$(($(queue_status served) - served))
        if ((served > 0)); then
            record depth "$OURS" "arrival_$depth" "$(queue_microseconds "$cost" "$served")"
        else
            broken "$OURS in depth: none was served of $depth that waited"
        fi
    fi
    tool_end
    server_end
}
