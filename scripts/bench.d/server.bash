# Starts one program after the other, waits until it serves, and ends it.
# shellcheck shell=bash disable=SC2034 # what is set here is read elsewhere

server=           # the process, if one runs
server_port=      # where it listens
server_options=() # more options for our own program, at its next start

readonly SERVER_PATIENCE=10 # seconds until a program must serve, or have ended

# Prints a port that nobody listens on; below those that clients get.
server_free_port() {
    local port
    while true; do
        port=$((10000 + RANDOM % 22000))
        (exec 9<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
    done
    echo "$port"
}

# Starts PROGRAM with at most HANDLERS of COMMAND, and waits until it serves.
server_start() {
    local attempt program=$1
    shift
    for attempt in 1 2 3; do
        server_port=$(server_free_port)
        peers_set_command "$program" "$server_port" "$@"
        # In a group of its own: nothing that is typed reaches it, and what it leaves can be found.
        setsid -- "${peers_command[@]}" </dev/null >/dev/null 2>&1 &
        server=$!
        if server_await; then return; fi
        # Somebody else may have taken the port, and then it is gone.
        if kill -0 "$server" 2>/dev/null; then break; fi
        server_end
    done
    server_end
    broken "$(peers_title "$program") did not serve (attempt $attempt): ${peers_command[*]}"
    return 1
}

# Starts COMMAND, which prints "ADDRESS PORT" once it serves.
server_start_printing() {
    local address
    rm -f "$work/listening"
    mkfifo "$work/listening"
    setsid -- "$@" >"$work/listening" 2>/dev/null </dev/null &
    server=$! # clean_up ends it, should we be interrupted
    if read -r -t "$SERVER_PATIENCE" address server_port <"$work/listening"; then return; fi
    server_end
    broken "$(basename "$1") did not start"
    return 1
}

# Until it serves a client as expected, or is gone.
server_await() {
    local deadline=$((SECONDS + SERVER_PATIENCE))
    while ((SECONDS <= deadline)) && kill -0 "$server" 2>/dev/null; do
        tool_run "$work/ready" "$LOAD" -t 2 "${expected[@]}" 127.0.0.1 "$server_port" 1 && return
        sleep 0.01
    done
    return 1
}

server_end() {
    if [[ -z $server ]]; then return 0; fi
    tool_end_process "$server"
    server=
}

# The process and all that it has started.
server_processes() {
    local process children
    for process; do
        echo "$process"
        children=$(cat "/proc/$process/task"/*/children 2>/dev/null || true)
        # shellcheck disable=SC2086 # they are words
        if [[ -n $children ]]; then server_processes $children; fi
    done
}
