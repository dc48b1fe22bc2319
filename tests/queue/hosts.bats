#!/usr/bin/env bats
# Tests hosts in access rules: when they are looked up, by whom, and what a look-up that fails or hangs
# does.

load ../shared/helpers
load ../shared/control
load ../shared/privileges

SERVER= # a name server that never answers

end_others() {
    if [[ -z $SERVER ]]; then return; fi
    kill "$SERVER" 2>/dev/null || true
    wait "$SERVER" || true
}

# Makes WRAPPER start the daemon in a network of its own, with the file "hosts" as its only source of
# host names.  The file may change later.
name_hosts() {
    ((EUID == 0)) || skip "namespaces require root"
    unshare --net --mount true || skip "no namespaces can be made here"
    echo 'hosts: files' >nsswitch
    : >resolv
    printf '%s\n' "$@" >hosts
    # shellcheck disable=SC2016 # the shell in the namespace is to read this
    WRAPPER=(unshare --net --mount sh -ec 'ip link set lo up
        for file in hosts nsswitch.conf resolv.conf; do
            mount --bind "${file%.conf}" "$(realpath "/etc/$file")"
        done
        exec "$@"' sh)
}

# Run a command, and a client from address $1, in the network of the daemon.
within() { nsenter --target "$DAEMON" --net "$@"; }
is_served() { [[ $(within "$BURST" -c -f "$1" -m '' "$ADDRESS" "$PORT" 1) == *" answered 1 "* ]]; }
is_denied() { ! is_served "$1"; }

@test "a host in --allow or --deny stands for each of its addresses" {
    name_hosts '127.0.1.1 friends' '127.0.1.2 other friends' '::1 friends' '127.0.1.9 foe'
    start --address 127.0.0.1 --allow friends 0 cat
    is_served 127.0.1.1
    is_served 127.0.1.2
    is_denied 127.0.0.1
    stop
    start --address ::1 --deny friends 0 cat
    is_denied ::1
    stop
    start --address 127.0.0.1 --allow 127.0.1.0/24 --deny foe 0 cat
    is_served 127.0.1.1
    is_denied 127.0.1.9
}

@test "a host in the access file is looked up at the start, and again at each SIGHUP" {
    name_hosts '127.0.1.1 foe' '127.0.1.5 foe' '127.0.3.1 given'
    echo 'deny foe # twice' >rules
    start -v --address 127.0.0.1 --deny given --access-file rules 0 cat
    is_denied 127.0.1.1
    is_denied 127.0.1.5
    is_denied 127.0.3.1
    printf '%s\n' '127.0.1.2 foe' '127.0.3.2 given' >hosts
    is_denied 127.0.1.1 # not looked up in between
    hang_up
    has_line 'SIGHUP: files were read again' said
    is_served 127.0.1.1
    is_served 127.0.1.5
    is_denied 127.0.1.2
    # The command line is read once.
    is_denied 127.0.3.1
    is_served 127.0.3.2
}

@test "a host that cannot be looked up at the start is an error that names it, status 1" {
    name_hosts '127.0.1.1 foe'
    printf 'allow all\ndeny foe\n\ndeny nowhere.example\n' >rules
    run "${WRAPPER[@]}" "$DAMPENER" --access-file rules 0 cat
    echo "$output"
    [[ $status == 1 ]]
    [[ $output == "[ERROR] --access-file: rules: line 4: 'nowhere.example': cannot look up the host: Name or service not known" ]]
    for option in --allow --deny; do
        run "${WRAPPER[@]}" "$DAMPENER" --allow foe $option nowhere.example 0 cat
        [[ $status == 1 ]]
        [[ $output == "[ERROR] $option: 'nowhere.example': cannot look up the host: Name or service not known" ]]
    done
}

@test "a host that cannot be looked up at SIGHUP is named in the log, and the old rules stay" {
    name_hosts '127.0.1.1 foe' '127.0.1.2 other'
    echo 'deny foe' >rules
    start -v --address 127.0.0.1 --access-file rules 0 cat
    printf 'deny other\ndeny nowhere.example\n' >rules
    hang_up
    [[ $(<said) == "[ERROR] --access-file: rules: line 2: 'nowhere.example': cannot look up the host: "*"
[WARNING] SIGHUP: a file that could not be read keeps its old content" ]]
    is_denied 127.0.1.1
    is_served 127.0.1.2
    echo 'deny other' >rules
    hang_up
    is_served 127.0.1.1
    is_denied 127.0.1.2
}

@test "an address that two hosts share is one rule, or a conflict that names both lines" {
    name_hosts '127.0.1.1 one' '127.0.1.1 two'
    printf 'deny one\ndeny two\ndeny 127.0.1.1\n' >rules
    start --address 127.0.0.1 --access-file rules 0 cat
    is_denied 127.0.1.1
    stop
    printf 'deny one\nallow two\n' >rules
    run "${WRAPPER[@]}" "$DAMPENER" --access-file rules 0 cat
    [[ $status == 1 ]]
    [[ $output == "[ERROR] access rules: 127.0.1.1/32 is allowed by line 2 and denied by line 1" ]]
}

# Starts the daemon with a name server that takes questions and never answers, which it needs from now
# on.
start_with_silent_server() {
    name_hosts '127.0.1.1 foe'
    echo 'deny foe' >rules
    start -v --address 127.0.0.1 --access-file rules --control control "$@" 0 cat
    printf '%s\n' 'nameserver 127.0.0.1' 'options timeout:30' >resolv
    echo 'hosts: files dns' >nsswitch
    nsenter --target "$DAEMON" --net nc -d -u -l 127.0.0.1 53 >questions 3>&- 4>&- &
    SERVER=$!
    await listens_for_questions
    echo 'deny slow.example' >rules
}

listens_for_questions() { within ss -Hlun 'sport = :53' | grep -q .; }

# Sets READER to the process that looks hosts up.
find_reader() {
    READER=$(for process in $(children "$DAEMON"); do
        case $(cat "/proc/$process/comm") in
        standby | dispatcher) ;;
        *) echo "$process" ;;
        esac
    done)
    [[ -n $READER ]]
}

@test "a name server that does not answer at SIGHUP delays nobody, and after 10 s the old rules stay" {
    start_with_silent_server
    local begin
    begin=$(milliseconds)
    kill -HUP "$DAEMON"
    await has_content questions # the look-up has begun
    is_served 127.0.0.1
    is_denied 127.0.1.1
    [[ $(status_of denied) == 1 ]]
    (($(milliseconds_since "$begin") < 5000))
    await find_reader
    # Killed, dispatchers are replaced at once.
    # shellcheck disable=SC2046
    kill_dispatchers $(dispatchers)
    is_served 127.0.0.1
    (($(milliseconds_since "$begin") < 8000))
    refute has_line 'SIGHUP: ' "$LOG"
    await has_line 'SIGHUP: a file that could not be read keeps its old content' "$LOG"
    (($(milliseconds_since "$begin") >= 9000))
    has_line 'cannot read rules: its file system or a name server does not answer' "$LOG"
    is_denied 127.0.1.1
    is_served 127.0.1.2
}

@test "the process that looks hosts up at SIGHUP has no privileges, and ends with the keeper" {
    start_with_silent_server --supervisor-user "$SUPERVISOR" --pid-file "$PWD/pid"
    kill -HUP "$DAEMON"
    await has_content questions
    await find_reader
    require_root
    is_user "$READER" "$SUPERVISOR_ID" "$SUPERVISOR_GROUP" ''
    has_no_capability "$READER"
    has_field "$READER" NoNewPrivs 1
    is_hidden "$READER"
    # The content, its question, and perhaps the log; neither listeners nor the pid file.
    (($(find "/proc/$READER/fd" -type l | awk -F / '$NF > 2' | wc -l) <= 3))
    stop KILL
    await is_gone "$READER"
    end_others
    SERVER=
    await nothing_is_left
    flock -n pid true
}

@test "the process that looks hosts up at SIGHUP has neither the keeper's link nor the memory of the pair" {
    start_with_silent_server
    kill -HUP "$DAEMON"
    await has_content questions
    await find_reader
    # The keeper has both.
    has_line '^[^ ]* rw-s .*/dev/zero' "/proc/$DAEMON/maps"
    unix_sockets_of "$DAEMON" | grep -q .
    refute has_line '^[^ ]* rw-s ' "/proc/$READER/maps"
    refute grep -q . <(unix_sockets_of "$READER")
}

# Prints the Unix sockets that a process has open.
unix_sockets_of() {
    find "/proc/$1/fd" -type l -printf '%l\n' | sed -n 's/^socket:\[\(.*\)\]$/\1/p' >sockets
    awk 'NR == FNR { open[$1]; next } $7 in open' sockets "/proc/$1/net/unix"
}

# Kills the supervisor, and waits for the next one.
replace_supervisor() {
    local before lives
    before=$(supervisor)
    lives=$(grep -c 'a supervisor takes the place of another' "$LOG" || true)
    kill -KILL "$before"
    await has_lives $((lives + 1))
}

has_lives() { (($(grep -c 'a supervisor takes the place of another' "$LOG") == $1)); }

@test "a supervisor that replaces another has the rules that were read last, and asks no name server" {
    start_with_silent_server
    printf '127.0.1.1 foe\n127.0.1.2 other\n' >hosts
    echo 'deny other' >rules
    hang_up
    is_served 127.0.1.1
    is_denied 127.0.1.2
    echo 'deny slow.example' >rules
    local begin
    begin=$(milliseconds)
    replace_supervisor
    is_denied 127.0.1.2
    is_served 127.0.1.1
    replace_supervisor
    is_denied 127.0.1.2
    (($(milliseconds_since "$begin") < 5000))
    refute has_content questions
    # The rules of the start are known, too.
    stop
    : >"$LOG"
    printf '127.0.1.1 foe\n' >hosts
    echo 'deny foe' >rules
    start -v --address 127.0.0.1 --access-file rules 0 cat
    echo 'deny wrong.0' >rules
    replace_supervisor
    is_denied 127.0.1.1
    is_served 127.0.1.2
    refute grep ERROR "$LOG"
}

@test "a supervisor that replaces another serves while it reads what a SIGHUP asked the other to read" {
    start_with_silent_server
    local begin
    begin=$(milliseconds)
    kill -HUP "$DAEMON"
    await has_content questions
    printf '127.0.1.2 other\n' >hosts
    echo 'deny other' >rules
    replace_supervisor
    is_served 127.0.0.1
    await has_line 'SIGHUP: files were read again' "$LOG"
    is_denied 127.0.1.2
    is_served 127.0.1.1
    (($(milliseconds_since "$begin") < 8000))
}
