# Scenario idle: memory, and what still happens when nothing happens.  shellcheck shell=bash
#
# Each is weighed while no other runs, with which it would share the libraries.  Then all of them are idle
# at the same time.  Each has served one client.

idle_servers=() # their processes

readonly IDLE_SETTLED=1.5 # seconds, for what follows a client

scenario_idle() {
    expected=()
    idle_weigh
    idle_watch
}

idle_weigh() {
    local program
    for program in "${programs[@]}"; do
        progress "$program alone"
        server_start "$program" "$IN_FLIGHT" "$STATIC" || continue
        tool_sleep "$IDLE_SETTLED"
        record idle "$program" kibibytes "$(idle_kibibytes "$server")"
        record idle "$program" processes "$(server_processes "$server" | wc -l)"
        server_end
    done
}

idle_watch() {
    local program index
    local -A before=()
    local -a begun=()
    for program in "${programs[@]}"; do
        progress "$program"
        server_start "$program" "$IN_FLIGHT" "$STATIC" || continue
        begun+=("$program")
        idle_servers+=("$server")
        server=
    done
    progress "all of them for $idle_seconds s"
    tool_sleep "$IDLE_SETTLED"
    for index in "${!begun[@]}"; do before[$index]=$(idle_switches "${idle_servers[$index]}"); done
    tool_sleep "$idle_seconds"
    for index in "${!begun[@]}"; do
        record idle "${begun[$index]}" wake_ups $(($(idle_switches "${idle_servers[$index]}") - before[$index]))
    done
    idle_end
}

idle_end() {
    for server in "${idle_servers[@]}"; do server_end; done
    idle_servers=()
}

# How often its processes have left the processor: none of them does so without having run.
idle_switches() {
    local process files=()
    for process in $(server_processes "$1"); do files+=("/proc/$process/task"/*/status); done
    awk '/_ctxt_switches/ { sum += $2 } END { print sum + 0 }' "${files[@]}"
}

# Their memory, shared pages by their share; nothing if they may not be looked into.
idle_kibibytes() {
    local process files=()
    for process in $(server_processes "$1"); do files+=("/proc/$process/smaps_rollup"); done
    awk '/^Pss:/ { sum += $2 } END { print sum }' "${files[@]}" 2>/dev/null || true
}
