#!/usr/bin/env bats
# Tests the installed unit under a real systemd, which runs in namespaces of its own.
# shellcheck disable=SC2016,SC2030,SC2031 # $ is an inner shell's; each test is a subshell

load ../shared/helpers
load ../shared/control
load systemd

KILLER=$BUILD/tests/programs/attackers/killer

setup_file() { boot_systemd; }
teardown_file() { end_systemd; }

# Lets clients come at once: COUNT OPTION...
burst() { in_network "$BURST" "${@:2}" "$ADDRESS" "$PORT" "$1" >burst; }

# Fails unless each of $1 clients had one answer, from one handler.
each_answered_once() {
    [[ $(cat burst) == "connected $1 answered $1 failed 0" ]] || { cat burst; return 1; }
    # Each line is a ticket and the number that its client sent.
    diff <(seq "$1") <(awk '$2 != "holder" { print $2 }' "$ANSWERS" | sort -n)
}

serves() { [[ $(in_network "$BURST" "$ADDRESS" "$PORT" 5) == "connected 5 answered 5 failed 0" ]]; }

# Connects a client whose handler runs until let_go.
hold() {
    mkfifo words
    in_network bash -c '
        exec 5<>"/dev/tcp/$1/$2"
        read -r word <words
        echo "$word" >&5
        cat <&5' bash "$ADDRESS" "$PORT" >said 3>&- 4>&- &
    HOLDER=$!
    await field_is running 1
}

let_go() {
    echo holder >words
    wait "$HOLDER"
    HOLDER=
}

# Prints what systemd shows an operator of the unit, with N for the numbers of clients and handlers.
state() {
    inside systemctl show -p MainPID,NRestarts,ActiveState,SubState,StatusText "$UNIT" |
        sed -E 's/[0-9]+ (waiting|of)/N \1/g' | sort | paste -s -d ' '
}

# ---- processes that are killed ----

# True if the journal has that many lines about a supervisor that was replaced.
replaced() {
    local line='^the supervisor, process [0-9]*, was killed by signal 9: another takes its place$'
    [[ $(journal | grep -c "$line") == "$1" ]]
}

@test "systemd sees no difference while supervisors are killed, and each client is answered once" {
    local before client killer number
    DELAY=5 start_unit burst --processes 4
    before=$(state)
    [[ $before == "ActiveState=active MainPID="*" NRestarts=0 StatusText=N waiting, N of "* ]]
    "$KILLER" "$DAEMON" "$RANDOM" 20 100 supervisor >killed 3>&- 4>&- &
    killer=$!
    burst 1000 3>&- 4>&- &
    client=$!
    while is_alive "$client"; do
        inside systemctl is-active -q "$UNIT"
        state
    done >states
    wait "$client"
    kill "$killer"
    wait "$killer"
    cat killed
    read -r _ number _ <killed
    ((number >= 5))
    (($(wc -l <states) >= 3))
    [[ $(sort -u states) == "$before" ]] || { sort states | uniq -c; return 1; }
    each_answered_once 1000
    (($(most_handlers) <= 4))
    await fields_are served 1000 accepted 1000 queued 0 running 0
    await replaced "$number"
}

journal_warns() { journal -p warning..warning | grep -q -- "$1"; }
has_pair_other_than() { [[ -n $(standby) && $(supervisor) =~ ^[0-9]+$ && $(supervisor) != "$1" ]]; }

@test "the unit stays active when the standby is killed, and the journal has a warning" {
    local before old
    start_unit standby --processes 2
    before=$(state) old=$(supervisor)
    kill -KILL "$(standby)"
    await journal_warns '^the standby, process [0-9]*, was killed by signal 9'
    burst 100
    each_answered_once 100
    await has_pair_other_than "$old"
    serves
    [[ $(state) == "$before" ]]
}

is_started_again() { is_unit NRestarts=1 ActiveState=active SubState=running 2>/dev/null; }

@test "when the keeper is killed, systemd ends the handlers, and starts the unit again" {
    start_unit keeper
    hold
    kill -KILL "$DAEMON"
    await is_started_again
    journal_says "Failed with result 'signal'"
    journal_says 'Killing process .*(answer) with signal SIGKILL'
    let_go || true # its connection is gone
    [[ ! -s said ]]
    serves
}

# Prints what a handler answers.
tell() { echo "$1" | in_network nc -N "$ADDRESS" "$PORT"; }

@test "the journal has later lines of the daemon and of handlers after a handler has shut its stream down" {
    make_unit journal --dispatchers 1
    cat >"$INSIDE$INSTALLED/shut" <<'HANDLER'
#!/usr/bin/perl
$_ = <STDIN>;
/^shut/ ? shutdown(STDERR, 2) : print STDERR "a handler says $_";
print;
HANDLER
    chmod 755 "$INSIDE$INSTALLED/shut"
    sed -i "s|^DAMPENER_COMMAND=.*|DAMPENER_COMMAND=$INSTALLED/shut|" "$INSIDE/etc/default/socket-burst-dampener-journal"
    inside systemctl start "$UNIT"
    find_daemon
    [[ $(tell before) == before ]]
    await journal_says '^a handler says before$'
    local old journald
    old=$(dispatchers)
    [[ $(tell shut) == shut ]]
    field log >state # notices it, if no line was lost yet
    await journal_warns ', has shut it down: it was opened again;'
    await is_gone "$old"
    await has_dispatchers 1
    # The journal gets to know this handler only after it has ended.
    journald=$(inside systemctl show -P MainPID systemd-journald)
    inside kill -STOP "$journald"
    [[ $(tell after) == after ]]
    await field_is running 0
    inside kill -CONT "$journald"
    await journal_says '^a handler says after$'
    kill -KILL "$(supervisor)"
    await journal_warns '^the supervisor, process [0-9]*, was killed by signal 9'
    # The new stream has the name and the facility of the old one.
    journal -t socket-burst-dampener SYSLOG_FACILITY=3 | grep -q '^a handler says after$'
}

# ---- what an operator does ----

answered_from() { burst 1 -c -f "$1" -m '' && has_line ' answered 1 refused 0 ' burst; }
denied_from() { burst 1 -c -f "$1" -m '' && has_line ' answered 0 refused 1 ' burst; }

@test "systemctl reload reads the access file again, and disturbs no client" {
    local before
    make_unit reload --processes 2 --access-file /etc/rules
    echo 'deny 127.0.1.1' >"$INSIDE/etc/rules"
    inside systemctl start "$UNIT"
    before=$(state)
    denied_from 127.0.1.1
    answered_from 127.0.1.2
    await field_is running 0
    hold
    echo 'deny 127.0.1.2' >"$INSIDE/etc/rules"
    inside systemctl reload "$UNIT"
    await denied_from 127.0.1.2
    answered_from 127.0.1.1
    let_go
    [[ $(cat said) == holder ]]
    await property_is SubState running
    [[ $(state) == "$before" ]]
}

# Starts instance NAME, and lets 50 clients wait behind one that is served.
start_with_clients() {
    start_unit "$1" --processes 1
    hold
    burst 50 3>&- 4>&- &
    CLIENT=$!
    await field_is queued 50
}

is_draining() {
    local status='draining: 50 waiting, 1 of 1 handlers running'
    is_unit ActiveState=deactivating "StatusText=$status" 2>/dev/null
}

@test "systemctl stop serves the clients that wait, is a success, and leaves no process" {
    local stopping
    start_with_clients stop
    inside systemctl stop "$UNIT" 3>&- 4>&- &
    stopping=$!
    await is_draining
    refute in_network nc -z "$ADDRESS" "$PORT"
    let_go
    wait "$CLIENT"
    each_answered_once 50
    wait "$stopping"
    # The code 1 means that the main process exited.
    is_unit ActiveState=inactive MainPID=0 Result=success ExecMainCode=1 ExecMainStatus=0
    refute journal_says 'Killing process'
    [[ -z $(cat "$INSIDE/sys/fs/cgroup/system.slice"/*/"$UNIT/cgroup.procs" 2>/dev/null) ]]
    [[ ! -e control ]]
}

@test "systemctl restart serves the clients that wait, and then those of the next daemon" {
    local process restarting
    start_with_clients restart
    process=$(property MainPID)
    inside systemctl restart "$UNIT" 3>&- 4>&- &
    restarting=$!
    await is_draining
    let_go
    wait "$CLIENT"
    each_answered_once 50
    wait "$restarting"
    is_unit ActiveState=active SubState=running Result=success NRestarts=0
    refute property_is MainPID "$process"
    refute journal_says 'Killing process'
    serves
    await fields_are accepted 5 served 5
}

@test "with the socket unit, no client is turned away while systemctl restarts the service" {
    local file socket client restarts=0
    DELAY=1 make_unit socket --processes 2
    file=$INSIDE/etc/default/socket-burst-dampener-socket
    sed -i '/^DAMPENER_PORT/d; s/--address [^ ]*//' "$file"
    socket=${UNIT%.service}.socket
    add_drop_in "$socket" "[Socket]" "ListenStream=" "ListenStream=$ADDRESS:$PORT"
    inside systemctl start "$socket"
    is_unit ActiveState=inactive
    burst 600 -e 3 3>&- 4>&- &
    client=$!
    await property_is ActiveState active # with the first client
    while is_alive "$client"; do
        inside systemctl restart "$UNIT"
        restarts=$((restarts + 1))
    done
    wait "$client"
    echo "$restarts restarts"
    ((restarts >= 2))
    each_answered_once 600
    is_unit ActiveState=active Result=success NRestarts=0
    refute journal_says 'Killing process'
}

# ---- the watchdog ----

# True if the watchdog has heard of the service later than $1, a time in microseconds.
heard_after() { (($(property WatchdogTimestampMonotonic) > $1)); }

@test "the watchdog spares a service whose dispatchers answer, even if its supervisor is killed" {
    local begin before
    SETTING=WatchdogSec=2 start_unit spared
    property_is WatchdogUSec 2s
    before=$(state)
    begin=$(property WatchdogTimestampMonotonic)
    await heard_after "$((begin + 4000000))"
    kill -KILL "$(supervisor)"
    await heard_after "$((begin + 7000000))"
    serves
    [[ $(state) == "$before" ]]
    refute journal_says '[Ww]atchdog'
}

is_healthy() { [[ $(http_socket 'GET /healthz HTTP/1.1') == "HTTP/1.1 200 "* ]]; }
is_unhealthy() { [[ $(http_socket 'GET /healthz HTTP/1.1') == "HTTP/1.1 503 "* ]]; }
is_not_serving() { [[ $(property StatusText) == "not serving: "* ]]; }

@test "the watchdog ends a service without a dispatcher that answers, and systemd starts it again" {
    local all
    SETTING=WatchdogSec=4 start_unit mute --dispatchers 2
    await is_healthy
    mapfile -t all < <(dispatchers)
    kill -STOP "${all[@]}"
    await is_unhealthy
    await is_not_serving
    await is_started_again
    journal_says "no dispatcher answers: not telling the service manager's watchdog"
    journal_says "Failed with result 'watchdog'"
    await is_healthy
    serves
}

@test "the watchdog ends a service whose supervisor is stopped, and systemd starts it again" {
    SETTING=WatchdogSec=2 start_unit stopped
    kill -STOP "$(supervisor)"
    await is_started_again
    journal_says "Failed with result 'watchdog'"
    serves
}
