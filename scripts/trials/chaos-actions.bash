# What the chaos trial does: an action for each word of its plan (tests/tools/chaos/plan.c).
# shellcheck shell=bash
#
# The file "notes" tells what was done, with times in seconds since the beginning; where something
# came into force between two moments, both:
#
#     did T ACTION WORDS, skipped T ACTION
#     limit BEFORE AFTER PROCESSES       the limit on handlers
#     while WHAT BEFORE AFTER            was in force, at most so long: refuse, queue-timeout,
#                                        per-source, stopped, denied.SOURCE
#     trial SEED SECONDS DEAR            what the build makes everything dearer by
#     plan T                             it began
#     serving T PROCESS LOG              from about then on
#     exit PROCESS STATUS                or failed, of one that has never served
#     rest T                             all clients had ended

declare -A limited=()           # since when
access_is_bad=                  # a daemon that finds it so does not start
declare -A stopped_names=()     # the process that is stopped by that name of the plan
declare -A stopped_processes=() # since when, by process

# A denial may be noticed late: by a client who was still in the backlog, or by a stopped dispatcher.
readonly RELOAD_WITHIN=20

# Ends what was in force, if it was.
daemon_limit_until() {
    if [[ -z ${limited[$1]:-} ]]; then return; fi
    note "while" "$1" "${limited[$1]}" "${2:-$(now_at_most)}"
    unset "limited[$1]"
}

act_burst() { echo "burst $*" >&"$to_clients"; }
act_vanish() { echo "vanish $*" >&"$to_clients"; }
act_pest() { echo "pest $*" >&"$to_clients"; }
act_quiet() { :; }

# In `chosen`: one of the daemons that there are; the one that serves comes first.
choose_daemon() {
    local process
    local -a living=("$serving")
    for process in ${old[@]+"${old[@]}"}; do
        if [[ -e /proc/$process/task/$process/children ]]; then living+=("$process"); fi
    done
    chosen=${living[$1 % ${#living[@]}]}
}

# In `pool`: the dispatchers of one of them.
choose_pool() {
    choose_daemon "$1"
    daemon_dispatchers "$chosen"
    pool=(${found[@]+"${found[@]}"})
}

# Who is killed is chosen now, and the moment by the clients.
act_ambush() {
    local choice=$4 victim
    choose_pool "$choice"
    if ((${#pool[@]} == 0)); then
        act_burst "$1" "$2" 0
        return 1
    fi
    victim=${pool[choice % ${#pool[@]}]}
    stop_ended "$victim"
    echo "ambush $1 $2 $3 $victim" >&"$to_clients"
}

act_kill() {
    local count=$1 choice=$2 i victim
    choose_pool "$choice"
    if ((count > ${#pool[@]})); then count=${#pool[@]}; fi
    if ((count == 0)); then return 1; fi
    for ((i = 0; i < count; i++)); do
        victim=${pool[(choice + i) % ${#pool[@]}]}
        kill -KILL "$victim" 2>/dev/null || true # it may have ended with its daemon
        stop_ended "$victim"
    done
}

act_crash() {
    choose_daemon "$1"
    daemon_supervisor "$chosen"
    if ((${#found[@]} == 0)); then return 1; fi
    kill -KILL "${found[@]}" 2>/dev/null || true # it may have ended with its daemon
}

act_stop() {
    local choice=$1 name=$2 victim
    choose_pool "$choice"
    if ((${#pool[@]} == 0)); then return 1; fi
    victim=${pool[choice % ${#pool[@]}]}
    if [[ -n ${stopped_processes[$victim]:-} ]]; then return 1; fi
    stopped_names[$name]=$victim
    stopped_processes[$victim]=$(now)
    kill -STOP "$victim" 2>/dev/null || true # likewise
}

stop_ended() {
    if [[ -z ${stopped_processes[$1]:-} ]]; then return; fi
    note "while" stopped "${stopped_processes[$1]}" "$(now_at_most)"
    unset "stopped_processes[$1]"
}

# The keeper may have ended it, if it was stopped for long.
act_continue() {
    local victim=${stopped_names[$1]:-} name=
    if [[ -z $victim || -z ${stopped_processes[$victim]:-} ]]; then return 1; fi
    read -r name 2>/dev/null <"/proc/$victim/comm" || true
    if [[ $name == dispatcher ]]; then kill -CONT "$victim" 2>/dev/null || true; fi
    stop_ended "$victim"
}

act_reload() {
    local source
    daemon_settle
    access_is_bad=
    if [[ $1 == bad ]]; then
        access_is_bad=yes
        echo "allow nobody at all" >"$records/access.new"
    else
        for source in "${!limited[@]}"; do
            if [[ $source == denied.* ]]; then
                daemon_limit_until "$source" "$(seconds_later "$RELOAD_WITHIN")"
            fi
        done
        if (($1 > 0)); then limited[denied.$1]=$(now); fi
        if (($1 > 0)); then echo "deny 127.$1.0.0/16"; fi >"$records/access.new"
    fi
    mv "$records/access.new" "$records/access"
    kill -HUP "$serving"
}

act_set() {
    local before
    daemon_settle
    before=$(now)
    daemon_accepts set "$@" || return 1
    case $1 in
    processes) note limit "$before" "$(now_at_most)" "$2" ;;
    queue-timeout | per-source)
        daemon_limit_until "$1"
        if [[ $2 != none ]]; then limited[$1]=$before; fi
        ;;
    esac
}

act_pause() {
    daemon_settle
    await 60 daemon_accepts pause
}

act_resume() {
    daemon_settle
    await 60 daemon_accepts resume
}

act_takeover() {
    daemon_settle
    daemon_succeed "$@"
}
