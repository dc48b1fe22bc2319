# Says what a measurement was made on.  shellcheck shell=bash

# Beyond this part of the processors' time, in percent, others disturb the measurement.
readonly MACHINE_BUSY=10
readonly MACHINE_INTERVAL=0.5 # seconds over which that is measured

machine_describe() {
    local model memory load
    model=$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -n 1)
    memory=$(awk '/^MemTotal/ { printf "%.1f GiB", $2 / 1048576 }' /proc/meminfo)
    load=$(cut -d ' ' -f 1-3 /proc/loadavg)
    echo "- processors: $(nproc)${model:+, $model}"
    echo "- kernel: $(uname -sr), $(uname -m)"
    echo "- memory: $memory"
    echo "- descriptors: $(ulimit -Hn) for each process; backlog: $(</proc/sys/net/core/somaxconn) (\`net.core.somaxconn\`)"
    echo "- load average at the beginning: $load"
}

# The same in one line, for a picture.
machine_short() {
    echo "$(nproc) processors, Linux $(uname -r | cut -d - -f 1), backlog $(</proc/sys/net/core/somaxconn)"
}

# All of the processors' time so far, and the part of it that they were idle.
machine_times() { awk '/^cpu / { print $2 + $3 + $4 + $5 + $6 + $7 + $8, $5 + $6 }' /proc/stat; }

# The percentage of the processors' time that is taken while nothing is measured.
machine_taken() {
    local before_all before_idle all idle
    read -r before_all before_idle < <(machine_times)
    sleep "$MACHINE_INTERVAL"
    read -r all idle < <(machine_times)
    if ((all == before_all)); then
        echo 0
    else
        echo $((100 - 100 * (idle - before_idle) / (all - before_all)))
    fi
}

machine_warn_if_busy() {
    local taken
    taken=$(machine_taken)
    if ((taken > MACHINE_BUSY)); then
        echo "bench: others take $taken % of the processors' time: the figures will be of little worth" >&2
    fi
}
