#!/usr/bin/env bats
# Tests the promise of the pair with all that may happen at once: thousands of clients wait, supervisors and
# dispatchers are killed all the time, daemons take over from one another, and operators come and go.
# shellcheck disable=SC2016,SC2030,SC2031,SC2153 # $ is awk's; tests are subshells of helpers.bash

load ../shared/helpers
load ../shared/control

KILLER=$BUILD/tests/programs/attackers/killer

# Ends a hanging test after longer than others.
BATS_TEST_TIMEOUT=1200

# Prints $1; or $2 in a long test.
count() { if [[ -n ${DAMPENER_LONG:-} ]]; then echo "$2"; else echo "$1"; fi; }

# ---- daemons, one after the other ----

DAEMONS=()            # those that have served, and the one that serves
declare -A KILLERS=() # by daemon
TRIED=0

# Kills the processes of daemon $1 from now on.
begin_killing() {
    "$KILLER" "$1" "$((SEED + TRIED))" 20 200 supervisor 20 dispatcher 5 dispatchers >>killed 3>&- 4>&- &
    KILLERS[$1]=$!
}

end_killing() {
    local process=${KILLERS[$1]}
    unset "KILLERS[$1]"
    kill "$process"
    wait "$process"
}

# Takes note that daemon $1 has ended, with status $2, at once: its number may be used again.
bury() {
    local status=0
    wait "$1" || status=$?
    if [[ -n ${KILLERS[$1]:-} ]]; then end_killing "$1"; fi
    ((status == $2)) || { echo "a daemon ended with status $status instead of $2"; return 1; }
}

# Buries the daemons whose place was taken and which have left.
OLD=()
bury_old() {
    local i
    for i in "${!OLD[@]}"; do
        if is_alive "${OLD[i]}"; then continue; fi
        bury "${OLD[i]}" 0 || return 1
        unset "OLD[i]"
    done
}

all_old_have_left() {
    bury_old && ((${#OLD[@]} == 0))
}

# Counts on a daemon that serves.
note_serving() {
    if ((${#DAEMONS[@]} > 0)); then OLD+=("$DAEMON"); fi
    DAEMON=$1
    DAEMONS+=("$1")
    echo "$1" >serving
}

is_decided() { [[ -s ready.$TRIED ]] || is_gone "$NEWCOMER"; }

# Has another daemon take over, with the words in $@.  That fails if a supervisor is killed in the course
# of it; then the present daemon goes on.
try_takeover() {
    TRIED=$((TRIED + 1))
    : >"ready.$TRIED"
    (
        close_descriptors
        exec "$DAMPENER" --ready-fd 7 --takeover control "$@" 7>"ready.$TRIED" 2>>"$LOG" \
            </dev/null >/dev/null
    ) &
    NEWCOMER=$!
    # Every second one is attacked before it serves.
    if ((TRIED % 2 == 0)); then begin_killing "$NEWCOMER"; fi
    await_crowd is_decided
    if [[ -s ready.$TRIED ]]; then
        note_serving "$NEWCOMER"
        if ((TRIED % 2 == 1)); then begin_killing "$DAEMON"; fi
    else
        bury "$NEWCOMER" 1
    fi
}

# ---- operators ----

# Changes limits, none of which keeps clients from being served for long or lets more than $1 handlers run;
# has files read again; and asks for this and that.
meddle() {
    local most=$1 i
    for ((i = 0; ; i++)); do
        say set processes "$((1 + i % most))"
        say set processes "$most"
        say set queue "$((100 + i))"
        say set queue none
        say set rate "$((500 + i))"
        say set rate none
        echo "deny 127.9.9.$((i % 250))" >rules.new
        mv rules.new rules
        kill -HUP "$(<serving)"
        say metrics
        kill -USR1 "$(<serving)"
        sleep 0.02
    done >/dev/null 2>&1
}

# Writes the status to the file "observed" again and again.
observe() {
    while :; do
        say status
        sleep 0.02
    done >>observed 2>/dev/null
}

# Runs a function in the background, until be_quiet.
MEDDLERS=()
keep_doing() {
    (close_descriptors; set +e; "$@") & # an answer may be lost
    MEDDLERS+=($!)
}

be_quiet() {
    local process
    for process in "${!KILLERS[@]}"; do end_killing "$process"; done
    for process in "${MEDDLERS[@]}"; do
        kill "$process"
        wait "$process" || true
    done
    MEDDLERS=()
}

end_others() { be_quiet; }

deaths() { grep -c 'the supervisor, process [0-9]*, was killed by signal 9' "$LOG" || true; }

# ---- what must hold ----

# Each process keeps its counts, whichever of its supervisors answers.
no_count_has_fallen() {
    grep '^{.*}$' observed >whole
    check_sums <whole
    awk '
        function number(name) {
            if (!match($0, "\"" name "\":[0-9]+")) { print "no " name ": " $0; failed = 1; exit 1 }
            return substr($0, RSTART + length(name) + 3, RLENGTH - length(name) - 3) + 0
        }
        {
            sub(/"listeners":\[[^]]*\],/, "") # these have a field "dropped", too
            process = number("process")
            n = split("accepted served abandoned denied refused_queue refused_source refused_timeout" \
                      " dropped handed_over", names, " ")
            for (i = 1; i <= n; i++) {
                value = number(names[i])
                if (value < last[process, i]) { print names[i] " has fallen: " $0; failed = 1; exit 1 }
                last[process, i] = value
                if (i >= 3 && i <= 8 && value > 0) { print names[i] ": " $0; failed = 1; exit 1 }
            }
        }
    ' whole
}

# The line of either process may be lost, if its supervisor was killed.
takeovers_agree() {
    local i given taken
    for ((i = 1; i < ${#DAEMONS[@]}; i++)); do
        given=$(sed -n "s/.* process ${DAEMONS[i]} took over; waiting clients: \([0-9]*\); .*/\1/p" "$LOG")
        taken=$(sed -n "s/.* took over from process ${DAEMONS[i - 1]}; waiting clients: \([0-9]*\); .*/\1/p" "$LOG")
        echo "takeover $i: given ${given:-?}, taken ${taken:-?}"
        [[ -z $given || -z $taken || $given == "$taken" ]] || return 1
    done
}

# Lets $1 clients come at once, and has daemons take over until they are served.  Further words are those of
# the daemons.
serve_crowd() {
    local clients=$1 burst
    shift
    "$BURST" -f 127.0.0.1 -s 8 "$ADDRESS" "$PORT" "$clients" >burst &
    burst=$!
    while is_alive "$burst"; do
        bury_old
        try_takeover "$@"
        sleep "0.$((RANDOM % 10))"
    done
    wait "$burst" || true
    [[ $(cat burst) == "connected $clients answered $clients failed 0" ]] || { cat burst; return 1; }
    tail -n "$clients" "$ANSWERS" | cut -d ' ' -f 2 >served
}

# Prints the highest number of clients that waited at once.
longest_queue() { grep -o '"queued":[0-9]*' whole | cut -d : -f 2 | sort -n | tail -n 1; }

# Prints the most handlers that there were at once; of workers, how often there were too many.
most_at_once() {
    if [[ -e $COUNTER ]]; then most_handlers; else grep -c 'too many' "$ANSWERS" || true; fi
}

# Puts daemons with $1 handlers, which take $2 ms each, through everything.  Command $3 brings the numbers of
# the clients into order, unless they must be in order.  WORKERS is 0 if handlers are
# workers.
endure() {
    local most=$1 took=$2 clients kills served=0 words handler
    shift 2
    clients=$(count 600 10000) kills=$(count 15 300)
    SEED=${DAMPENER_SEED:-$RANDOM}
    echo "seed: $SEED"
    : >rules
    words=(-v --address 127.0.0.1 --processes "$most" --dispatchers 3 --control control --access-file rules)
    handler=("$ANSWER" "$ANSWERS" "$COUNTER" "$took")
    if [[ -n ${WORKERS:-} ]]; then
        words+=(--persistent --max-requests 100 --spare 2 --spare-timeout 100ms)
        handler=("$BUILD/tests/programs/handlers/worker" "$ANSWERS" "$most" "$took")
    fi
    start "${words[@]}" 0 "${handler[@]}"
    note_serving "$DAEMON"
    begin_killing "$DAEMON"
    keep_doing meddle "$most"
    keep_doing observe
    while ((served == 0 || $(deaths) < kills)); do
        serve_crowd "$clients" "${words[@]}" "$PORT" "${handler[@]}"
        "$@" served | diff <(seq "$clients") -
        served=$((served + clients))
    done
    be_quiet
    await all_old_have_left
    [[ $(wc -l <"$ANSWERS") == "$served" && -z $(cut -d ' ' -f 1 "$ANSWERS" | sort | uniq -d) ]]
    (($(most_at_once) <= ${WORKERS:-$most}))
    await fields_are queued 0 starting 0 running 0
    no_count_has_fallen
    takeovers_agree
    refute grep -e 'violated the protocol' -e 'has not come back' -e 'were lost' "$LOG"
    echo "$served clients, of which $(longest_queue) waited at once; $(deaths) supervisors killed," \
        "$((${#DAEMONS[@]} - 1)) of $TRIED takeovers, $(wc -l <whole) answers to operators," \
        "at most $(most_at_once) handlers"
    [[ -z ${DAMPENER_LONG:-} ]] || (($(longest_queue) >= 8000 && ${#DAEMONS[@]} > 5))
}

@test "each of thousands of clients is answered once, by no more handlers than allowed, whatever happens at once" {
    endure 8 20 sort -n
}

@test "each of thousands of clients is given to a worker once, whatever happens at once" {
    WORKERS=0 endure 8 20 sort -n
}

@test "a single handler serves thousands of clients in order of arrival, whatever happens at once" {
    endure 1 1 cat
    # Tickets go on from daemon to daemon.
    cut -d ' ' -f 1 "$ANSWERS" | sort -n -c -u
}
