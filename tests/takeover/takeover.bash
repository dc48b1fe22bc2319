# Helpers for tests of takeovers.  Requires helpers.bash.
# shellcheck shell=bash

# Starts a daemon that takes over from the current one, which becomes OLD.
take_over() {
    OLD=$DAEMON
    start --takeover control "$@"
}

# Requires that the old process ends with status 0 because nothing is left to do.
old_has_left() {
    local status=0
    await is_gone "$OLD"
    wait "$OLD" || status=$?
    [[ $status == 0 ]]
}

# Requires that a new daemon fails to take over and the old process goes on.  The new daemon's messages
# are in the file "refused".
fail_to_take_over() {
    local status=0
    OLD=$DAEMON
    (
        close_descriptors
        exec timeout 20 ${WRAPPER[@]+"${WRAPPER[@]}"} "$DAMPENER" --takeover control "$@" \
            2>refused </dev/null >/dev/null
    ) || status=$?
    cat refused >&2
    ((status == 1))
    is_alive "$OLD"
}

# Sends a request to the control socket and prints the answer.
ask_control() { echo "$1" | timeout 10 nc -NU "${2:-control}"; }

# Succeeds if one answer contains all words.
control_says() {
    local answer word
    answer=$(ask_control status)
    for word; do [[ $answer == *"$word"* ]] || return 1; done
}

# Requires that tests/programs/handlers/answer.c answered client N with ticket N, each once and in
# order.
answers_are_in_order() {
    awk -v count="$1" '{ if ($1 != NR || $2 != NR) { print "line " NR ": " $0; wrong = 1; exit 1 } }
        END { if (!wrong && NR != count) { print NR " answers"; exit 1 } }' "$ANSWERS"
}

# Requires that each ticket from 1 to the last was served exactly once.
tickets_are_complete() {
    cut -d ' ' -f 1 "$ANSWERS" | sort -n | awk '$1 != NR { print "ticket " $1 " as number " NR; exit 1 }'
}

# Writes a handler that notes its ticket and ends once the file "go" or "go.TICKET" exists.
make_holding_handler() {
    cat >hold <<'HANDLER'
#!/bin/bash
echo "$DAMPENER_TICKET" >>held
until [[ -e go || -e go.$DAMPENER_TICKET ]]; do sleep 0.02; done
echo "done $DAMPENER_TICKET"
HANDLER
    chmod +x hold
    : >held
}

held() { [[ $(sort -n held | tr '\n' ' ') == "$* " ]]; }

# Connects $1 clients one after another; their answers go to the files "client.N".
connect_clients() {
    local i
    for ((i = 0; i < $1; i++)); do
        CLIENTS=$((${CLIENTS:-0} + 1))
        exec {CLIENT}<>"/dev/tcp/${2:-127.0.0.1}/$PORT"
        (exec <&"$CLIENT"; close_descriptors; exec cat >"client.$CLIENTS") &
        exec {CLIENT}>&-
    done
}

client_got() { [[ $(cat "client.$1") == "$2" ]]; }

inode() { stat -c %i "$1"; }

# Kills a whole daemon but for its dispatchers and handlers.
kill_daemon() {
    # shellcheck disable=SC2046
    kill -KILL "$1" $(standby "$1") $(supervisor "$1")
}

# Succeeds if a process listens on the socket: the file exists a moment before that (proc(5), net/unix).
is_listened_at() {
    awk -v path="$1" '$4 == "00010000" && $8 == path { found = 1 } END { exit !found }' \
        /proc/net/unix
}
