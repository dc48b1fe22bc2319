#!/usr/bin/env bats
# On which processors the supervisor is: on one while clients come one at a time.  Nobody else is.

load ../shared/helpers

setup_file() {
    (($(nproc) > 1)) || skip "there is one processor only"
}

# Those that a process may use, as the kernel writes them: 0-3,5
processors_of() { sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' "/proc/$1/status"; }

daemon_is_bound() { [[ $(processors_of "$DAEMON") =~ ^[0-9]+$ ]]; }
daemon_is_free() { [[ $(processors_of "$DAEMON") == "$(processors_of self)" ]]; }

# So many, one after the other; what the last one was answered is in "answer".
come_one_at_a_time() {
    local i
    for ((i = 0; i < $1; i++)); do nc -N 127.0.0.1 "$PORT" </dev/null >answer; done
}

# On a machine that is busy with other things, some may overlap that came one after the other.
come_until_bound() {
    local i
    for ((i = 0; i < 200; i++)); do
        come_one_at_a_time 1
        if daemon_is_bound; then return 0; fi
    done
    return 1
}

@test "after clients that came one at a time the daemon is bound to one processor, handlers are not" {
    start --address 127.0.0.1 --processes 2 --dispatchers 2 0 \
        sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status
    local process
    daemon_is_free
    come_until_bound
    come_one_at_a_time 3
    [[ $(cat answer) == "$(processors_of self)" ]]
    for process in $(children "$DAEMON"); do
        [[ $(processors_of "$process") == "$(processors_of self)" ]]
    done
    # Nor is a dispatcher that is forked from now on.
    # shellcheck disable=SC2046
    kill -KILL $(dispatchers)
    come_until_bound
    [[ $(cat answer) == "$(processors_of self)" ]]
}

@test "as soon as clients overlap, the daemon may use all processors again" {
    start --address 127.0.0.1 --processes 4 0 cat
    come_until_bound
    local clients=() i
    for i in 1 2 3; do
        connect_silently
        clients+=("$CLIENT")
    done
    await daemon_is_free
    for CLIENT in "${clients[@]}"; do exec {CLIENT}>&-; done
    come_until_bound
}

@test "a daemon that was given one processor stays there, whatever clients do" {
    local given
    given=$(processors_of self)
    given=${given%%[,-]*}
    WRAPPER=(taskset -c "$given")
    start --address 127.0.0.1 --processes 4 0 \
        sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status
    come_one_at_a_time 20
    [[ $(processors_of "$DAEMON") == "$given" && $(cat answer) == "$given" ]]
    "$BURST" -m '' "$ADDRESS" "$PORT" 20 >burst || true
    come_one_at_a_time 1
    [[ $(processors_of "$DAEMON") == "$given" && $(cat answer) == "$given" ]]
}
