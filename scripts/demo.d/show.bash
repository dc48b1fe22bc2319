# Starts the clients of scripts/demo, draws the daemon's state while it serves them, and checks their
# files.  shellcheck shell=bash
#
#   bash show.bash CLIENTS HANDLERS SERVICE DAEMON    requires DEMO_FOLDER, the folder of the demo
#
# If this process is killed, scripts/demo ends its processes.
set -euo pipefail
export LC_ALL=C                      # numbers with a point, whatever the locale
unset RSYNC_PROXY RSYNC_CONNECT_PROG # clients must connect directly

# shellcheck source=scripts/demo.d/picture.bash
source "$(dirname "${BASH_SOURCE[0]}")/picture.bash"

readonly CLIENTS=$1 HANDLERS=$2 SERVICE=$3 DAEMON=$4
readonly TIME_LIMIT=120 # a run takes a few seconds

clients=() # processes
begin=     # the time of their start in microseconds
intact=0   # clients that succeeded and have all files
most=0     # the greatest number of handlers at once

now() { echo "${EPOCHREALTIME//[!0-9]/}"; }

# Starts all clients, which wait until the gate opens, so that they come at the same moment.
start_clients() {
    local i
    mkfifo gate
    for ((i = 1; i <= CLIENTS; i++)); do
        {
            : <gate
            exec rsync --recursive --times --timeout="$TIME_LIMIT" "$SERVICE" "copies/$i"
        } </dev/null >>messages 2>&1 &
        clients+=("$!")
    done
    begin=$(now)
    exec {gate}>gate
}

# Asks the daemon for its status and reads its log up to the answer, so that all figures belong to one
# instant.
read_log() {
    local line part='' tries
    kill -USR1 "$DAEMON" 2>/dev/null || true
    for ((tries = 0; tries < 500; tries++)); do
        while IFS= read -r line <&"$log"; do
            line=$part$line
            part=
            picture_note "$line"
            if [[ $line == "[INFO] status: "* ]]; then return; fi
        done
        part+=$line
        kill -0 "$DAEMON" 2>/dev/null || break
        sleep 0.01
    done
    echo "The daemon does not answer the status request."
    exit 1
}

running_clients() { jobs -rp; }

watch_clients() {
    local elapsed=0
    while [[ -n $(running_clients) ]] && ((elapsed < TIME_LIMIT * 1000)); do
        read_log
        elapsed=$((($(now) - begin) / 1000))
        picture_show "$elapsed"
        sleep 0.1
    done
    read_log
    picture_end "$elapsed"
}

end_clients() {
    local -a running
    mapfile -t running < <(running_clients)
    if ((${#running[@]} > 0)); then
        echo "Giving up on the remaining clients after $TIME_LIMIT seconds."
        kill "${running[@]}" 2>/dev/null || true
    fi
    exec {gate}>&-
}

compare_files() {
    local i
    for ((i = 1; i <= CLIENTS; i++)); do
        if wait "${clients[i - 1]}" && diff -r originals "copies/$i" >>messages 2>&1; then
            intact=$((intact + 1))
        fi
    done
}

count_handlers() {
    local count
    while read -r count; do
        if ((count > most)); then most=$count; fi
    done <counts
}

verdict() {
    echo
    echo "Served:        $intact of $CLIENTS clients, their files compared with the originals"
    echo "Most handlers: $most at once, as they counted themselves ($HANDLERS were allowed)"
    echo "Longest wait:  $(picture_seconds "$picture_longest_wait")"
    if [[ -s messages ]]; then
        echo "From the clients:"
        head -n 10 messages
    fi
    ((intact == CLIENTS && most >= 1 && most <= HANDLERS))
}

cd "$DEMO_FOLDER"
exec {log}<log
picture_open "$CLIENTS"
start_clients
watch_clients
end_clients
compare_files
count_handlers
verdict
