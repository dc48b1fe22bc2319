# Sourced by endurance: the daemons, and what is to be seen of their processes.  shellcheck shell=bash
#
# There are up to two, "long", which gets all connections, and "twin", which it is compared with.

readonly DAEMON_HANDLERS=32
readonly DAEMON_QUEUE=500
readonly DAEMON_PER_SOURCE=16
readonly DAEMON_PER_SOURCE_QUEUE=100
readonly DAEMON_DENIED=127.200.0.1 # a client's address

declare -A daemon_of=()      # process of the keeper
declare -A supervisor_of=()  # process
declare -A dispatchers_of=() # processes
declare -A port=() address_ipv6=() port_ipv6=() port_metrics=()
declare -A served_of=()         # connections that must have been served
declare -A turns_of=()          # of rounds, those that are over
declare -A descriptors_least=() # of the supervisor when nobody asks it anything; empty: not known yet

await() { guard_await "$@"; }

# What is awaited has not come.
guard_fail() { trial_fail "$@"; }

has_ipv6() { grep -q '^0\{31\}1 ' /proc/net/if_inet6 2>/dev/null; }

# With a handler that answers and ends, and all that accounts are kept for.
daemons_start() {
    local name=$1
    local -a addresses=(--address 127.0.0.1)
    if has_ipv6; then addresses+=(--address ::1); fi
    mkdir "$work/$name"
    served_of["$name"]=0
    turns_of["$name"]=0
    daemons_write_rules "$name" 0
    "$build/socket-burst-dampener" -v --ready-fd 7 "${addresses[@]}" --dispatchers 2 \
        --processes "$DAEMON_HANDLERS" --queue "$DAEMON_QUEUE" --when-full refuse --order fair \
        --per-source "$DAEMON_PER_SOURCE" --per-source-queue "$DAEMON_PER_SOURCE_QUEUE" \
        --abandon half-close --access-file "$work/$name/access" \
        --control "$work/$name/control" --metrics 127.0.0.1:0 0 "$build/tests/tools/bench/static" \
        7>"$work/$name/ready" 2>>"$work/$name/log" </dev/null >/dev/null &
    daemon_of[$name]=$!
    await daemons_is_ready "$name"
    daemons_find_ports "$name"
    supervisor_of[$name]=$(daemons_find "$name" supervisor)
    dispatchers_of[$name]=$(daemons_find "$name" dispatcher)
}

# Where there is no IPv6, its clients come over IPv4.
daemons_find_ports() {
    local name=$1 listener number
    while read -r listener number; do
        if [[ $listener == 127.0.0.1 ]]; then port[$name]=$number; fi
        address_ipv6[$name]=$listener
        port_ipv6[$name]=$number
    done <"$work/$name/ready"
    port_metrics[$name]=$(sed -n 's/^\[INFO\] metrics on 127\.0\.0\.1 port //p' "$work/$name/log")
}

# Denies one network, and $2 addresses that nobody has, none of them beside another.
daemons_write_rules() {
    awk -v denied="${DAEMON_DENIED%.*}.0/24" -v count="$2" '
        BEGIN {
            print "deny " denied
            for (i = 0; i < count; i++) printf "deny 198.18.%d.%d\n", i / 128, i % 128 * 2
        }' >"$work/$1/access"
}

daemons_is_ready() {
    if [[ -s $work/$1/ready ]]; then return; fi
    kill -0 "${daemon_of[$1]}" 2>/dev/null || trial_fail "the daemon did not start: $(tail -n 1 "$work/$1/log")"
    return 1
}

# Prints the processes of that name.
daemons_find() {
    local process name
    local -a found=()
    for process in $(descendants "${daemon_of[$1]}"); do
        { read -r name <"/proc/$process/comm"; } 2>/dev/null || continue
        if [[ $name == "$2" ]]; then found+=("$process"); fi
    done
    echo "${found[*]}"
}

# Prints the children of a process and those of its children, as the supervisor is one of the standby.
descendants() {
    local process
    # shellcheck disable=SC2046 # the numbers are words
    for process in $(children "$1"); do echo "$process" $(children "$process"); done
}

children() { cat "/proc/$1/task/$1/children" 2>/dev/null || true; }

daemons_end() {
    local name
    for name in "${!daemon_of[@]}"; do
        kill -TERM "${daemon_of[$name]}" 2>/dev/null || true
        wait "${daemon_of[$name]}" 2>/dev/null || true
    done
}

daemons_control() { "$build/dampenerctl" "$work/$1/control" "${@:2}"; }

# Sets `status`.
daemons_status_has() {
    status=$(daemons_control "$1" status --json)
    [[ $status == *"$2"* ]]
}

# What it says there.
daemons_number() {
    [[ $status =~ \"$1\":([0-9]+) ]]
    echo "${BASH_REMATCH[1]}"
}

daemons_is_idle() {
    local status
    daemons_status_has "$1" '"queued":0,"starting":0,"running":0,' && [[ $status == *'"lingering":0,'* ]]
}

# ---- what is to be seen ----

# Prints nanoseconds of processor time: of the supervisor, of its dispatchers, of their handlers.
daemons_time() {
    local process nanoseconds rest supervisor of_dispatchers=0 of_handlers=0
    local -a fields
    read -r supervisor rest <"/proc/${supervisor_of[$1]}/schedstat"
    for process in ${dispatchers_of[$1]}; do
        read -r nanoseconds rest <"/proc/$process/schedstat"
        of_dispatchers=$((of_dispatchers + nanoseconds))
        read -r -a fields <"/proc/$process/stat"
        of_handlers=$((of_handlers + (fields[15] + fields[16]) * tick))
    done
    echo "$supervisor $of_dispatchers $of_handlers"
}

tick=$((1000000000 / $(getconf CLK_TCK))) # in nanoseconds; time of children is not told more exactly

count_descriptors() {
    local entries=("/proc/$1/fd/"*)
    echo "${#entries[@]}"
}

# Prints a line for each process, with tabs: CONNECTIONS NAME DESCRIPTORS ANONYMOUS RSS PSS.
daemons_sample() {
    local process number=1
    await daemons_is_idle "$1"
    daemons_await_end_of_questions "$1"
    daemons_look "$2" supervisor "${supervisor_of[$1]}"
    daemons_look "$2" keeper "${daemon_of[$1]}"
    for process in ${dispatchers_of[$1]}; do
        daemons_look "$2" "dispatcher $number" "$process"
        number=$((number + 1))
    done
}

# The supervisor sees a little later that who asked it has gone.  If it is not as before after a
# second, it has grown, and that is for the table to say.
daemons_await_end_of_questions() {
    local tries
    for ((tries = 0; tries < 50; tries++)); do
        sleep 0.02
        if [[ -z ${descriptors_least[$1]:-} ]]; then continue; fi
        if (($(count_descriptors "${supervisor_of[$1]}") <= descriptors_least[$1])); then return; fi
    done
    if [[ -z ${descriptors_least[$1]:-} ]]; then
        descriptors_least[$1]=$(count_descriptors "${supervisor_of[$1]}")
    fi
}

daemons_look() {
    awk -v connections="$1" -v name="$2" -v descriptors="$(count_descriptors "$3")" '
        { value[$1] = $2 }
        END {
            printf "%d\t%s\t%d\t%d\t%d\t%d\n", connections, name, descriptors,
                value["Anonymous:"], value["Rss:"], value["Pss:"]
        }' "/proc/$3/smaps_rollup"
}
