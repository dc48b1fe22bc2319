# Helpers for tests of workers (--persistent).  Require helpers.bash and control.bash.
# shellcheck shell=bash
# shellcheck disable=SC2153,SC2317 # PORT, ANSWERS, BUILD are of helpers.bash; tests call these

WORKER=$BUILD/tests/programs/handlers/worker

# Starts the daemon with $1 workers at most, which take $2 ms for a client.  Further words are options.
start_workers() {
    local most=$1 took=$2
    shift 2
    start_controlled --persistent --processes "$most" "$@" 0 "$WORKER" "$ANSWERS" "$most" "$took"
}

# Sends a line, and prints the answer.
tell() { timeout 20 nc -N "${2:-127.0.0.1}" "$PORT" <<<"$1" || true; }

# Prints the processes of all workers.
workers() {
    local process
    for process in $(dispatchers); do children_named "$process" worker; done
    children_named "$DAEMON" worker
}

has_workers() { [[ $(workers | wc -l) == "$1" ]]; }
is_worker_gone() { ! workers | grep -qx "$1"; }

# True if $1 clients have come, and all have had a handler that has ended.
are_through() { fields_are accepted "$1" served "$1" queued 0 starting 0 running 0; }

each_answered_once() {
    [[ $(cat burst) == "connected $1 answered $1 failed 0" ]] || { cat burst; return 1; }
    diff <(seq "$1") <(awk '{ print $2 }' "$ANSWERS" | sort -n)
}

nobody_was_served_twice() {
    [[ -z $(cut -d ' ' -f 1 "$ANSWERS" | sort | uniq -d) ]]
    refute grep 'too many' "$ANSWERS"
}

# Has five workers serve $1 clients at once, each once.
serve_many() {
    start_workers 5 1
    "$BURST" "$ADDRESS" "$PORT" "$1" >burst
    each_answered_once "$1"
    nobody_was_served_twice
    await are_through "$1"
    (($(workers | wc -l) <= 5))
}
