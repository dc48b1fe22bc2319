# Sourced by endurance: what clients and the operator do in one round.  shellcheck shell=bash

# A round has one turn of all that can happen to clients; for the rest they are served, a few at a
# time.  The first round has some turns, so that what is a matter of chance, such as how many clients
# are there at the same moment, and where in the heap they come to lie, has had its say.
readonly ROUND_CONNECTIONS=10000
readonly ROUND_TURNS_FIRST=7

# How many connections of a turn end in which way.
readonly TURN_IPV6=200
readonly TURN_BURST=400 # at once
readonly TURN_DENIED=50
# At once while nobody is served, from one address and from many: too many for one, and for the queue.
readonly TURN_NEIGHBOURS=$((2 * DAEMON_PER_SOURCE_QUEUE))
readonly TURN_CROWD=$((DAEMON_QUEUE + 20))
readonly TURN_CONNECTIONS=$((TURN_IPV6 + TURN_BURST + TURN_DENIED + TURN_NEIGHBOURS + TURN_CROWD))

readonly ROUND_SOURCES=200   # addresses
readonly ROUND_IN_FLIGHT=32
readonly ROUND_RULES=2000    # of an access file that is read meanwhile

tool= # the process of clients, while there is one

rounds_end() { if [[ -n $tool ]]; then kill "$tool" 2>/dev/null || true; fi; }

# Lets clients loose.  Those who are not to be answered fail, and the daemon's counters tell of them.
rounds_load() {
    "$build/tests/tools/bench/load" "$@" >"$work/load" 2>"$work/load.errors" &
    tool=$!
    wait "$tool" || true
    tool=
}

# What it printed behind a word.
rounds_figure() { awk -v name="$1" '$1 == name { print $2 }' "$work/load"; }

# Round $2 of daemon $1.  The addresses of clients are others than in the rounds before.
rounds_run() {
    local name=$1 turns=1 turn
    : >"$work/$name/log" # of a million lines, those of a round are enough
    local -a many=(-f "127.$(($2 % 100 + 1)).0.1" -s "$ROUND_SOURCES" 127.0.0.1 "${port[$name]}")
    if (($2 == 1)); then turns=$ROUND_TURNS_FIRST; fi
    rounds_steady "$name" "$2" "$((ROUND_CONNECTIONS - turns * TURN_CONNECTIONS))" "${many[@]}"
    for ((turn = 0; turn < turns; turn++)); do
        rounds_turn "$name" "${many[@]}"
        turns_of["$name"]=$((turns_of["$name"] + 1))
    done
}

rounds_turn() {
    local name=$1
    shift
    rounds_load -c "$ROUND_IN_FLIGHT" "${address_ipv6[$name]}" "${port_ipv6[$name]}" "$TURN_IPV6"
    rounds_load -c "$TURN_BURST" "$@" "$TURN_BURST"
    served_of["$name"]=$((served_of["$name"] + TURN_IPV6 + TURN_BURST))
    rounds_load -c "$TURN_DENIED" -f "$DAEMON_DENIED" 127.0.0.1 "${port[$name]}" "$TURN_DENIED"
    rounds_operate "$name"
    daemons_control "$name" pause >/dev/null
    rounds_hang_up "$name" "$TURN_NEIGHBOURS" -f 127.0.0.7 127.0.0.1 "${port[$name]}"
    rounds_hang_up "$name" "$TURN_CROWD" "$@"
    daemons_control "$name" resume >/dev/null
}

# Most of its clients, a few at a time.  What they took goes to a file, a line
# "NAME ROUND SUPERVISOR DISPATCHERS HANDLERS RATE": nanoseconds for each, and how many a second.
rounds_steady() {
    local name=$1 round=$2 count=$3 i
    local -a before after
    shift 3
    read -r -a before < <(daemons_time "$name")
    rounds_load -c "$ROUND_IN_FLIGHT" "$@" "$count"
    served_of["$name"]=$((served_of["$name"] + count))
    [[ $(rounds_figure answered) == "$count" ]] ||
        hold_not "round $round: only $(rounds_figure answered) of $count clients were answered"
    await daemons_is_idle "$name"
    read -r -a after < <(daemons_time "$name")
    for i in "${!after[@]}"; do after[i]=$(((after[i] - before[i]) / count)); done
    echo "$name $round ${after[*]} $(rounds_figure rate)" >>"$work/rounds"
}

# $2 clients at once, who wait or are refused, and hang up when daemon $1 has accepted all of them.
rounds_hang_up() {
    local name=$1 count=$2 accepted
    shift 2
    daemons_status_has "$name" '"queued":0,' || trial_fail "somebody waits who should not: $status"
    accepted=$(daemons_number accepted)
    "$build/tests/tools/bench/load" -c "$count" "$@" "$count" >/dev/null 2>&1 &
    tool=$!
    await daemons_status_has "$name" "\"accepted\":$((accepted + count)),"
    kill "$tool"
    wait "$tool" || true
    tool=
    await daemons_is_idle "$name"
}

# What an operator may do at any time.
rounds_operate() {
    daemons_control "$1" set processes "$((DAEMON_HANDLERS - 1))" >/dev/null
    daemons_control "$1" metrics >/dev/null
    "$build/tests/programs/clients/ask" -n 1 "127.0.0.1:${port_metrics[$1]}" \
        $'GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r' >/dev/null 2>&1 ||
        trial_fail "the metrics port does not answer"
    rounds_read_again "$1" "$ROUND_RULES"
    kill -USR1 "${daemon_of[$1]}"
    rounds_read_again "$1" 0
    daemons_control "$1" set processes "$DAEMON_HANDLERS" >/dev/null
}

# Has the access file read again, with so many rules that concern nobody.
rounds_read_again() {
    local before
    before=$(rounds_readings "$1")
    daemons_write_rules "$@"
    kill -HUP "${daemon_of[$1]}"
    await rounds_readings_exceed "$1" "$before"
}

rounds_readings() { grep -c '^\[INFO\] SIGHUP: files were read again' "$work/$1/log" || true; }

rounds_readings_exceed() { (($(rounds_readings "$1") > $2)); }

# Whether each connection of daemon $1 is counted once, as what it was, after round $2.
rounds_check() {
    local ended turns=${turns_of["$1"]} served=${served_of["$1"]}
    ended=$(printf '"served":%d,"abandoned":%d,"denied":%d,"refused_queue":%d,"refused_source":%d,' \
        "$served" "$((turns * (DAEMON_PER_SOURCE_QUEUE + DAEMON_QUEUE)))" "$((turns * TURN_DENIED))" \
        "$((turns * (TURN_CROWD - DAEMON_QUEUE)))" "$((turns * (TURN_NEIGHBOURS - DAEMON_PER_SOURCE_QUEUE)))")
    if ! daemons_status_has "$1" "\"queued\":0,\"starting\":0,\"running\":0,\"ended\":{$ended" ||
        (($(daemons_number accepted) != served + turns * (TURN_CONNECTIONS - TURN_IPV6 - TURN_BURST))); then
        hold_not "round $2: expected $ended and got $status"
    fi
}
