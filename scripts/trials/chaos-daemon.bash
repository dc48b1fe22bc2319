# The daemon that the chaos trial goes on around: which process it is just now, and what it is asked.
# shellcheck shell=bash

readonly HANDLER_TIMEOUT=1.5 HANDLER_KILL_AFTER=0.5

serving=      # the process that serves
started=      # the last one that was started
newcomer=     # one that is taking its place
newcomer_began=
newcomer_processes=
newcomer_when=
newcomer_may_fail= # the access file is none
generations=0 # daemons that have been started
log=          # of the last one, a name in the folder of records
old=()        # those whose place has been taken, and which may not have left yet
dispatchers=  # --dispatchers

# Starts one, as a process in `started`, with the words given besides those that all have.
daemon_start() {
    log=log.$((++generations))
    "$build/socket-burst-dampener" -v --ipv4 --dispatchers "$dispatchers" --timeout "$HANDLER_TIMEOUT" \
        --kill-after "$HANDLER_KILL_AFTER" --access-file "$records/access" --busy-message 'busy\n' \
        --source-prefix 16 --control "$records/control" --ready-fd 7 "$@" \
        "$build/tests/tools/chaos/handler" "$records/handlers" "$began" \
        7>"$records/ready.$generations" 2>"$records/$log" </dev/null >/dev/null &
    started=$!
}

# The first one.
daemon_begin() {
    : >"$records/access"
    daemon_start --processes 4 0
    serving=$started
    await 30 test -s "$records/ready.1" || trial_fail "the daemon does not start: $(tail -n 3 "$records/log.1")"
    read -r _ port <"$records/ready.1"
    note serving "$(now)" "$serving" "$log"
    note limit 0 "$(now_at_most)" 4
}

# Prints how many takeovers have ended because the supervisor was killed meanwhile; the old process
# goes on.
daemon_aborts() {
    cat "$records"/log.* | grep -c '^\[WARNING\] takeover aborted: the new process met another supervisor$' || true
}

# With the words of a takeover: PROCESSES QUEUE WHEN.
daemon_succeed() {
    local -a queue=()
    if [[ $2 != none ]]; then queue=(--queue "$2"); fi
    newcomer_began=$(now)
    newcomer_aborts=$(daemon_aborts)
    newcomer_processes=$1
    daemon_start --takeover "$records/control" --processes "$1" ${queue[@]+"${queue[@]}"} \
        --when-full "$3" "$port"
    newcomer=$started
    newcomer_may_fail=$access_is_bad
    newcomer_when=$3
}

# At once, as the shell forgets what a process ended with when its number is used again.
daemon_bury_old() {
    local i
    for i in "${!old[@]}"; do
        if kill -0 "${old[i]}" 2>/dev/null; then continue; fi
        note_exit "${old[i]}"
        unset "old[i]"
    done
}

# Has a look whether the newcomer serves, and who has left.
daemon_follow() {
    daemon_bury_old
    if [[ -z $newcomer ]]; then return; fi
    if [[ -s $records/ready.$generations ]]; then
        kill -USR1 "$serving" 2>/dev/null || true # to log how it leaves, if it has not left yet
        old+=("$serving")
        serving=$newcomer
        newcomer=
        note serving "$(now)" "$serving" "$log"
        note limit "$newcomer_began" "$(now_at_most)" "$newcomer_processes"
        daemon_limit_until refuse
        if [[ $newcomer_when == refuse ]]; then limited[refuse]=$newcomer_began; fi
    elif ! kill -0 "$newcomer" 2>/dev/null; then
        note_exit "$newcomer" failed
        if [[ -z $newcomer_may_fail ]] && (($(daemon_aborts) == newcomer_aborts)); then
            contradict 6c "a takeover failed: $(tail -n 1 "$records/$log")"
        fi
        newcomer=
    fi
}

daemon_has_no_newcomer() {
    daemon_follow
    [[ -z $newcomer ]]
}

# What is to reach the one that serves waits until it is known which one that is.
daemon_settle() {
    if await 60 daemon_has_no_newcomer; then return; fi
    contradict 6c "a takeover does not come to its end"
    kill -KILL "$newcomer" || true # it may just have ended
    newcomer=
}

daemon_ask() { timeout 30 "$build/dampenerctl" "$records/control" "$@"; }

# Fails as long as another one is about to take over.
daemon_accepts() { [[ $(daemon_ask "$@" 2>&1) != *"error"* ]]; }

daemon_lives() { kill -0 "$serving" 2>/dev/null; }

# ---- processes of a daemon ----

# In `found`: the supervisor of a daemon, a child of its standby; none while the next one begins.
daemon_supervisor() {
    local standby process name
    found=()
    for standby in $(cat "/proc/$1/task/$1/children" 2>/dev/null || true); do
        { read -r name <"/proc/$standby/comm"; } 2>/dev/null || continue
        if [[ $name != standby ]]; then continue; fi
        for process in $(cat "/proc/$standby/task/$standby/children" 2>/dev/null || true); do
            { read -r name <"/proc/$process/comm"; } 2>/dev/null || continue
            if [[ $name == supervisor ]]; then found+=("$process"); fi
        done
    done
}

# In `found`: those of a daemon that have not ended.  A child that one of them has cloned, and which
# it left to the keeper before the exec, has that name, too; but a dispatcher leads a group, in the
# session of its keeper.
daemon_dispatchers() {
    local process line state parent group session
    found=()
    for process in $(cat "/proc/$1/task/$1/children" 2>/dev/null || true); do
        { read -r line <"/proc/$process/stat"; } 2>/dev/null || continue
        read -r state parent group session _ <<<"${line##*) }"
        if [[ $line == *"(dispatcher) "* && $state != [ZX] && $parent == "$1" &&
            $group == "$process" && $session != "$process" ]]; then
            found+=("$process")
        fi
    done
}
