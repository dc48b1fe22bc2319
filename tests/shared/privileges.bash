# Helpers for tests of privileges: check the users and the rights of processes.
# shellcheck shell=bash

# Users that every Debian has.  Replace them on other systems.
HANDLERS=nobody
SUPERVISOR=daemon
DISPATCHER=bin

require_root() {
    ((EUID == 0)) || skip "becoming another user requires root"
    HANDLERS_ID=$(id -u "$HANDLERS")
    HANDLERS_GROUP=$(id -g "$HANDLERS")
    SUPERVISOR_ID=$(id -u "$SUPERVISOR")
    SUPERVISOR_GROUP=$(id -g "$SUPERVISOR")
    DISPATCHER_ID=$(id -u "$DISPATCHER")
}

# Root sees and changes little of a hidden process without CAP_SYS_PTRACE.
require_ptrace() {
    require_root
    ((0x$(field $$ CapEff) >> 19 & 1)) || skip "this requires CAP_SYS_PTRACE"
}

# Starts the service as these users, and opens the test's files to them.
start_as_others() {
    require_root
    open_directories
    start --user "$HANDLERS" --supervisor-user "$SUPERVISOR" --dispatcher-user "$DISPATCHER" \
        --dispatchers 2 --address 127.0.0.1 "$@"
}

# Opens the test's own directories to other users, and copies what they execute.
open_directories() {
    local directory=$PWD
    while [[ $directory == "$BATS_RUN_TMPDIR"* ]]; do
        chmod go+x "$directory"
        directory=${directory%/*}
    done
    chmod 777 .
    cp "$ANSWER" answer
    : >answers
    : >counter
    chmod 666 answers counter
    chmod 755 answer
}

# Prints the value of a line of /proc/PID/status, with one blank between its words.
field() { awk -v "name=$2:" '$1 == name { $1 = ""; sub("^ +", ""); print }' "/proc/$1/status"; }

# Fails unless a line of /proc/PID/status has this value.
has_field() {
    local value
    value=$(field "$1" "$2")
    [[ $value == "$3" ]] || {
        echo "process $1, $(cat "/proc/$1/comm"): $2 is '$value' and not '$3'" >&2
        return 1
    }
}

is_user() {
    has_field "$1" Uid "$2 $2 $2 $2"
    has_field "$1" Gid "$3 $3 $3 $3"
    has_field "$1" Groups "$4"
}

# Fails unless this is a dispatcher with a user of its own, which acts as the user of handlers.
is_apart() {
    has_field "$1" Uid "$DISPATCHER_ID $HANDLERS_ID $DISPATCHER_ID $HANDLERS_ID"
    has_field "$1" Gid "$HANDLERS_GROUP $HANDLERS_GROUP $HANDLERS_GROUP $HANDLERS_GROUP"
    has_field "$1" Groups "$(id -G "$HANDLERS")"
    has_no_capability "$1"
    is_hidden "$1"
}

NO_CAPABILITY=0000000000000000
# CAP_DAC_OVERRIDE, CAP_FOWNER and CAP_KILL; and for another pair CAP_SETGID, CAP_SETUID, CAP_SETPCAP
# and CAP_SYS_CHROOT
KEEPERS_CAPABILITIES=00000000000401ea

# Fails unless the keeper of root has these capabilities only.
is_limited() {
    local set
    for set in CapPrm CapEff; do has_field "$1" "$set" "$KEEPERS_CAPABILITIES"; done
    for set in CapInh CapAmb; do has_field "$1" "$set" "$NO_CAPABILITY"; done
    is_hidden "$1"
}

has_no_capability() {
    local set
    for set in CapInh CapPrm CapEff CapAmb; do has_field "$1" "$set" "$NO_CAPABILITY"; done
}

has_filter() { ! is_sanitized && ! grep -q 'no filter of system calls' "$LOG"; }

# Fails unless supervisor and standby have lost their privileges, whatever their user.  The standby has
# no filter of system calls: it has to clone.
pair_is_confined() {
    local process
    for process in "$(standby)" "$(supervisor)"; do
        has_no_capability "$process"
        has_field "$process" NoNewPrivs 1
        is_hidden "$process"
    done
    if has_filter; then has_field "$(supervisor)" Seccomp 2; fi
}

# Prints the processes of the service, without handlers.
processes_of_service() {
    # shellcheck disable=SC2046
    printf '%s\n' "$DAEMON" $(standby) $(supervisor) $(dispatchers) | sort -n
}

# Fails unless the private files of a process in /proc belong to root.
is_hidden() {
    if is_sanitized; then return; fi
    [[ $(stat -c %u:%g "/proc/$1/environ" "/proc/$1/maps" "/proc/$1/mem" "/proc/$1/fd" | sort -u) == 0:0 ]]
}

# Fails unless the root and working directory is an empty, deleted directory.
is_nowhere() {
    local place
    if is_sanitized; then return; fi
    for place in root cwd; do
        place=/proc/$1/$place
        [[ $(readlink "$place") == *"(deleted)" ]]
        [[ -z $(ls -A "$place/") ]]
        refute mkdir "$place/directory"
        refute touch "$place/file"
    done
}

has_no_directory() {
    local descriptor
    for descriptor in "/proc/$1/fd"/*; do
        if [[ -d $descriptor/ ]]; then
            echo "process $1: descriptor ${descriptor##*/} is $(readlink "$descriptor")" >&2
            return 1
        fi
    done
}

# Prints the kinds of a process's open files and their numbers, sorted.
kinds_of_descriptors() {
    find "/proc/$1/fd" -type l -printf '%f %l\n' |
        awk '$1 > 2 { sub(/:.*/, ":", $2); print $2 }' | sort | uniq -c | awk '{ print $1, $2 }'
}

answers_hello() { [[ $(echo hello | timeout 10 nc -N 127.0.0.1 "$PORT") == hello ]]; }

refuses_to_start() {
    local expected=$1
    shift
    run timeout 20 "${WRAPPER[@]}" "$DAMPENER" "$@" </dev/null
    echo "$output"
    [[ $status == 1 ]]
    [[ $output == *"$expected"* ]]
}

# The client shuts down its side, so that cat ends.
is_served_from() { [[ $("$BURST" -c -f "$1" -m '' "$ADDRESS" "$PORT" 1) == *" answered 1 "* ]]; }
is_denied_from() { ! is_served_from "$1"; }

# Makes the daemon read its files again, and waits for the end.  The file "said" has the new lines of
# the log.
hang_up() {
    local lines
    lines=$(wc -l <"$LOG")
    kill -HUP "$DAEMON"
    await says_what_became_of_files "$((lines + 1))"
    tail -n "+$((lines + 1))" "$LOG" >said
}

says_what_became_of_files() { tail -n "+$1" "$LOG" | grep -q 'SIGHUP: '; }
