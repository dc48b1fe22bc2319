# For tests of the control socket and the metrics port, beside helpers.bash.
# shellcheck shell=bash

ASK=$BUILD/tests/programs/clients/ask
EXPOSITION=$BUILD/tests/programs/clients/exposition
PESTS=$BUILD/tests/programs/clients/pests

CLIENTS=() # descriptors
ASKERS=()

# Starts the daemon with both, and its handlers from the words behind.  Sets METRICS, a port.
start_controlled() {
    start -v --address 127.0.0.1 --control control --metrics 127.0.0.1:0 "$@"
    METRICS=$(sed -n 's/^\[INFO\] metrics on 127\.0\.0\.1 port //p' "$LOG" | tail -n 1)
    # What the operator's clients take comes and goes; the test itself has said all by the end.
    await has_its_descriptors
}

# One command, and its answer.
say() { "$ASK" -n 1 ./control "$*" 2>>"$BATS_TEST_TMPDIR/asked"; }

# The number, or word, of the first field of that name in the status.
field() {
    local status
    status=$(say status)
    [[ $status =~ \"$1\":\"?([^,\"}]*) ]] || return 1
    echo "${BASH_REMATCH[1]}"
}

field_is() { [[ $(field "$1") == "$2" ]]; }

# Whether several are so in one and the same answer: NAME VALUE [NAME VALUE]...  From one answer to
# the next clients go on, and who is neither queued nor running is about to start.
fields_are() {
    local status
    status=$(say status)
    while (($# > 0)); do
        [[ $status =~ \"$1\":\"?([^,\"}]*) && ${BASH_REMATCH[1]} == "$2" ]] || return 1
        shift 2
    done
}

# Who asks has a descriptor; who has just asked may have one still.
counts_its_descriptors() { (($(field used) == $(open_descriptors "$DAEMON") + 1)); }

field_exceeds() { (($(field "$1") > $2)); }

# The value of one sample.
metric() { say metrics | awk -v name="dampener_$1" 'index($0, name " ") == 1 { print substr($0, length(name) + 2) }'; }

metric_is() { [[ $(metric "$1") == "$2" ]]; }

# The first line of what a request over HTTP is answered with: to the metrics port, or the socket.
http_port() { printf '%s\r\nHost: localhost\r\n\r\n' "$1" | nc -N 127.0.0.1 "$METRICS" | tr -d '\r' | head -n 1; }
http_socket() { printf '%s\r\nHost: localhost\r\n\r\n' "$1" | nc -NU control | tr -d '\r' | head -n 1; }

# Says it on both.
health_is() {
    [[ $(http_port 'GET /healthz HTTP/1.1') == "HTTP/1.1 $1 "* ]] &&
        [[ $(http_socket 'GET /healthz HTTP/1.1') == "HTTP/1.1 $1 "* ]]
}

# Clients that are served by a handler such as cat until they hang up: $1 more of them.
connect_more() {
    local i
    for ((i = 0; i < $1; i++)); do
        connect_silently
        CLIENTS+=("$CLIENT")
    done
}

# Of these the first $1, or all.
hang_up() {
    local client count=${1:-${#CLIENTS[@]}}
    for client in "${CLIENTS[@]:0:count}"; do exec {client}>&-; done
    CLIENTS=("${CLIENTS[@]:count}")
}

# Asks as fast as it goes until hush; ASKERS are the processes.
keep_asking() {
    local file=$1
    shift
    "$ASK" "$@" >"$file" 2>"$file.times" 3>&- 4>&- &
    ASKERS+=($!)
}

# Fails if one was not answered.
hush() {
    local asker
    for asker in "${ASKERS[@]}"; do kill "$asker"; done
    for asker in "${ASKERS[@]}"; do wait "$asker"; done
    ASKERS=()
}

# Status lines on standard input: each adds up.  Prints how many there were, and in how many somebody
# waited.
check_sums() {
    awk '
        function number(name) {
            if (!match($0, "\"" name "\":[0-9]+")) { print "no " name ": " $0; failed = 1; exit 1 }
            return substr($0, RSTART + length(name) + 3, RLENGTH - length(name) - 3) + 0
        }
        {
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
