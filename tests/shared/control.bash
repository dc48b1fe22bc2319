# Helpers for tests of the control socket and the metrics port.  Requires helpers.bash.
# shellcheck shell=bash

ASK=$BUILD/tests/programs/clients/ask
EXPOSITION=$BUILD/tests/programs/clients/exposition
PESTS=$BUILD/tests/programs/clients/pests

CLIENTS=() # open descriptors
ASKERS=()

# Starts the daemon with both; the arguments follow its own options.  Sets METRICS, a port.
start_controlled() {
    start -v --address 127.0.0.1 --control control --metrics 127.0.0.1:0 "$@"
    METRICS=$(sed -n 's/^\[INFO\] metrics on 127\.0\.0\.1 port //p' "$LOG" | tail -n 1)
    # Connections of operators come and go, so wait until the daemon has as few as at its start.
    await has_its_descriptors
}

# Sends one command, and prints its answer.
say() { "$ASK" -n 1 ./control "$*" 2>>"$BATS_TEST_TMPDIR/asked"; }

# Prints the number, or word, of the first field of that name in the status.
field() {
    local status
    status=$(say status)
    [[ $status =~ \"$1\":\"?([^,\"}]*) ]] || return 1
    echo "${BASH_REMATCH[1]}"
}

field_is() { [[ $(field "$1") == "$2" ]]; }

# True if one answer has all of these values: NAME VALUE [NAME VALUE]...  Two answers may differ, and a
# starting client is neither queued nor running.
fields_are() {
    local status
    status=$(say status)
    while (($# > 0)); do
        [[ $status =~ \"$1\":\"?([^,\"}]*) && ${BASH_REMATCH[1]} == "$2" ]] || return 1
        shift 2
    done
}

# True if the status says that so many clients were closed unserved.
has_dropped() { [[ $(say status) =~ \"refused_timeout\":[0-9]+,\"dropped\":$1, ]]; }

# The request for the status uses a descriptor, too; an earlier request's may still be open.
counts_its_descriptors() { (($(field used) == $(open_descriptors "$(supervisor)") + 1)); }

field_exceeds() { (($(field "$1") > $2)); }

# Prints the value of one sample.
metric() { say metrics | awk -v name="dampener_$1" 'index($0, name " ") == 1 { print substr($0, length(name) + 2) }'; }

metric_is() { [[ $(metric "$1") == "$2" ]]; }

# Print the first line of the answer to an HTTP request: to the metrics port, or to the socket.
http_port() { printf '%s\r\nHost: localhost\r\n\r\n' "$1" | nc -N 127.0.0.1 "$METRICS" | tr -d '\r' | head -n 1; }
http_socket() { printf '%s\r\nHost: localhost\r\n\r\n' "$1" | nc -NU control | tr -d '\r' | head -n 1; }

# True if both answer /healthz with this status.
health_is() {
    [[ $(http_port 'GET /healthz HTTP/1.1') == "HTTP/1.1 $1 "* ]] &&
        [[ $(http_socket 'GET /healthz HTTP/1.1') == "HTTP/1.1 $1 "* ]]
}

# Connects $1 more clients.  A handler such as cat serves them until they hang up.
connect_more() {
    local i
    for ((i = 0; i < $1; i++)); do
        connect_silently
        CLIENTS+=("$CLIENT")
    done
}

# Closes the connections of the first $1 clients, or of all.
hang_up() {
    local client count=${1:-${#CLIENTS[@]}}
    for client in "${CLIENTS[@]:0:count}"; do exec {client}>&-; done
    CLIENTS=("${CLIENTS[@]:count}")
}

# Asks at full speed until hush, in the background.  Adds the process to ASKERS.
keep_asking() {
    local file=$1
    shift
    "$ASK" "$@" >"$file" 2>"$file.times" 3>&- 4>&- &
    ASKERS+=($!)
}

# Ends the processes that ask.  Fails if a request got no answer.
hush() {
    local asker
    for asker in "${ASKERS[@]}"; do kill "$asker"; done
    for asker in "${ASKERS[@]}"; do wait "$asker"; done
    ASKERS=()
}

# Checks that the counts of each status line on standard input add up.  Prints how many lines there
# were, and in how many clients waited.
check_sums() {
    awk '
        function number(name) {
            if (!match($0, "\"" name "\":[0-9]+")) { print "no " name ": " $0; failed = 1; exit 1 }
            return substr($0, RSTART + length(name) + 3, RLENGTH - length(name) - 3) + 0
        }
        {
            sub(/"listeners":\[[^]]*\],/, "") # these have a field "dropped", too
            sum = number("queued") + number("starting") + number("running")
            n = split("served abandoned denied refused_queue refused_source refused_timeout" \
                      " dropped handed_over", ends, " ")
            for (i = 1; i <= n; i++) sum += number(ends[i])
            if (sum != number("accepted")) { print "sum " sum ": " $0; failed = 1; exit 1 }
            waiting += number("queued") > 0
        }
        END { if (!failed) print NR + 0, waiting + 0 }
    '
}
