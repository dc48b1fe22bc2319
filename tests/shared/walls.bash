# A wall is the end of a resource.  These helpers raise walls around a daemon, take them away, and
# record what the daemon did.  Requires helpers.bash.  Used by walls.bats, and by the trial of that
# name.
# shellcheck shell=bash
# shellcheck disable=SC2317 # at_wall() calls what raises a wall, and lifts it

WALL_USER=64125 # a user with no other processes or descriptors

# What happened at the latest wall.
HAPPENED= # one word or a few
REASON=   # the reason in the log
BUSY=     # processor time of keeper, supervisor and dispatchers at the wall, in milliseconds a second
RECOVERED= # milliseconds from the wall's end until all clients were served
ENOUGH=   # of a wall that stood at the start: the lowest value with which the daemon serves

end_others() {
    remove_group
    end_tracer
    end_holder
}

wall_skip() {
    if declare -F skip >/dev/null; then skip "$1"; fi
    echo "$1" >&2
    exit 77 # a trial calls this in a process of its own
}

require_root() { [[ $(id -u) == 0 ]] || wall_skip "this requires root"; }

require_dispatchers() { sees_daemons || wall_skip "/proc does not show processes that hide"; }

# ---- the daemon ----

# Makes the daemon run as a user of its own, with copies of the programs that this user can reach.
become_wall_user() {
    require_root
    open_to_others
    chmod 777 .
    cp "$BUILD/socket-burst-dampener" "$BUILD/dispatcher" "$BUILD/tests/programs/handlers/answer" .
    DAMPENER=$PWD/socket-burst-dampener
    : >"$ANSWERS"
    chmod 666 "$LOG" "$ANSWERS"
    WRAPPER=(setpriv --reuid "$WALL_USER" --regid "$WALL_USER" --clear-groups)
}

# Runs a command as the user of process $1, because this user may change its limits.
as_user_of() {
    local user group
    read -r user group < <(awk '/^Uid:/ { u = $2 } /^Gid:/ { print u, $2 }' "/proc/$1/status")
    shift
    if [[ $user == "$(id -u)" ]]; then
        "$@"
    else
        setpriv --reuid "$user" --regid "$group" --clear-groups "$@"
    fi
}

limit_of() { as_user_of "$1" prlimit --pid "$1" "--$2=$3:"; }

limit_dispatchers() {
    local process
    for process in $(dispatchers); do limit_of "$process" "$1" "$2"; done
}

# Prints the processor time of keeper, supervisor and living dispatchers, in clock ticks.
ticks_of_all() {
    local process sum=0 ticks
    for process in "$DAEMON" $(supervisor) $(dispatchers); do
        ticks=$(processor_time "$process" 2>/dev/null) || ticks=0
        sum=$((sum + ticks))
    done
    echo "$sum"
}

# Count the lines of the log with these words, or print the last one from these words on.
lines_like() { grep -c -- "$1" "$LOG" || true; }
line_like() { grep -o -- "$1.*" "$LOG" | tail -n 1; }

# Sets BUSY to the value of the first calm second, out of five: in the first second clients may still
# arrive.
look_how_busy() {
    local before begin look
    for ((look = 0; look < 5; look++)); do
        before=$(ticks_of_all)
        begin=$(milliseconds)
        sleep 1
        BUSY=$((($(ticks_of_all) - before) * 10 * 1000 / ($(milliseconds) - begin)))
        if is_calm 2>/dev/null; then break; fi
    done
}

# ---- a wall that comes and goes ----

# at_wall RAISE LIFT COUNT WORDS [OPTION]...: raises the wall, starts COUNT clients with these options
# of burst, and waits until the log has WORDS.  Measures how busy the daemon is, and lifts the wall.  The same daemon must then serve each
# client once.
at_wall() {
    local raise=$1 lift=$2 count=$3 words=$4 begin client
    "$raise"
    "$BURST" -t 60000 "${@:5}" "$ADDRESS" "$PORT" "$count" >burst 2>complaints &
    client=$!
    await has_line "$words" "$LOG"
    look_how_busy
    REASON=$(line_like "$words")
    "$lift"
    begin=$(milliseconds)
    wait "$client" || true
    RECOVERED=$(($(milliseconds) - begin))
    HAPPENED="clients waited"
    all_were_served "$count"
}

all_were_served() {
    [[ $(cat burst) == "connected $1 answered $1 failed 0" ]] || { cat burst complaints >&2; return 1; }
    is_alive "$DAEMON"
    await status_is served "$1"
    status_is accepted "$1"
    [[ $(cut -d ' ' -f 2 "$ANSWERS" | sort -n | uniq | wc -l) == "$1" ]]
}

# True if the daemon uses at most a tenth of a processor; the machine may be busy otherwise.
is_calm() { ((BUSY <= 100)) || { echo "busy: $BUSY ms a second" >&2; return 1; }; }

# True if the log has few lines with this reason: a first burst, and then five a second.
is_quiet() {
    (($(lines_like "$1") <= 20 + 5 * SECONDS)) || { echo "$(lines_like "$1") lines: $1" >&2; return 1; }
}

# ---- descriptors, processes, memory of one process ----

wall_descriptors() {
    start --address 127.0.0.1 --processes 8 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    raise() { limit_of "$(supervisor)" nofile 5; }
    lift() { limit_of "$(supervisor)" nofile 4096; }
    at_wall raise lift 50 "cannot accept connections: Too many open files"
}

# Dispatchers end, and others with the daemon's own limit replace them.
wall_dispatchers_descriptors() {
    require_dispatchers
    start --address 127.0.0.1 --processes 8 --dispatchers 2 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    raise() { limit_dispatchers nofile 4; }
    lift() { limit_dispatchers nofile 1024; }
    at_wall raise lift 50 "cannot receive the descriptors of clients"
}

# A sanitizer needs a large address space, and processes and descriptors of its own.
unless_sanitized() { ! is_sanitized || wall_skip "a sanitizer needs more than the limit allows"; }
unless_counted() {
    ! grep -q __llvm_profile "$DAMPENER" || wall_skip "line counters need more than the limit allows"
}

wall_address_space() {
    unless_sanitized
    require_dispatchers
    start --address 127.0.0.1 --processes 8 --order fair 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    raise() { limit_of "$(supervisor)" as $((1024 * $(awk '/^VmSize:/ { print $2 }' "/proc/$(supervisor)/status"))); }
    lift() { limit_of "$(supervisor)" as unlimited; }
    # Stop the dispatchers: more sources wait than fit into the memory of the supervisor, so that it
    # must ask for more.
    hold_dispatchers
    release() { lift && release_dispatchers; }
    at_wall raise release 2000 "cannot accept connections: Cannot allocate memory" -f 127.0.1.1 -s 2000
}

# Limits the processes of the dispatchers only, because only they start processes.
wall_processes() {
    become_wall_user
    start --address 127.0.0.1 --processes 100 --dispatchers 2 0 ./answer "$ANSWERS" "$COUNTER" 10
    raise() { limit_dispatchers nproc 5; }
    lift() { limit_dispatchers nproc 1000; }
    at_wall raise lift 200 "cannot start a handler, '.*': Resource temporarily unavailable"
}

# ---- descriptors in flight ----

# Descriptors that were sent and not received count for the user, too (unix(7)).  The test stops the
# dispatchers, so that descriptors stay in flight.  The supervisor's limit must fall after the clients
# have come.
wall_in_flight() {
    become_wall_user
    start --address 127.0.0.1 --processes 64 --dispatchers 4 --control control 0 \
        ./answer "$ANSWERS" "$COUNTER"
    "$BUILD/dampenerctl" control pause
    await has_its_descriptors
    "$BURST" -t 60000 "$ADDRESS" "$PORT" 80 >burst 2>complaints &
    local client=$! orders begin
    await status_is queued 80
    mkfifo orders
    nc -U control <orders >answers-to-orders 3>&- 4>&- &
    orders=$!
    exec 5>orders
    await operator_is_there
    hold_dispatchers
    limit_of "$(supervisor)" nofile 5
    echo resume >&5
    exec 5>&-
    await has_line "cannot give a client to a dispatcher: Too many references" "$LOG"
    look_how_busy
    REASON=$(line_like "cannot give a client to a dispatcher")
    limit_of "$(supervisor)" nofile 1024
    release_dispatchers
    begin=$(milliseconds)
    wait "$client" || true
    RECOVERED=$(($(milliseconds) - begin))
    HAPPENED="clients waited"
    wait "$orders" || true
    all_were_served 80
}

operator_is_there() { (($(open_descriptors "$(supervisor)") > DESCRIPTORS + 80)); }

# ---- no descriptor in the whole system ----

end_tracer() {
    if [[ -z ${TRACER:-} ]]; then return; fi
    kill "$TRACER" 2>/dev/null || true
    wait "$TRACER" 2>/dev/null || true
    TRACER=
}

# The whole machine shares file-max, so the test makes the calls fail that would meet this limit.  A
# dispatcher dies meanwhile, and cannot be replaced before the wall is lifted.
wall_files() {
    [[ -z $(no_tracer) ]] || wall_skip "$(no_tracer)"
    start --address 127.0.0.1 --processes 4 --dispatchers 2 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    local calls=accept4,socketpair,memfd_create,openat,epoll_create1
    raise() {
        trace "$DAEMON" -p "$(supervisor)" -e "trace=$calls" -e "inject=$calls:error=ENFILE"
        await has_line "Process $(supervisor) attached" attached
        kill -KILL "$(dispatchers | head -n 1)"
    }
    at_wall raise end_tracer 50 "cannot accept connections: Too many open files in system"
    grep -q 'cannot start dispatcher 0: Too many open files in system; trying again' "$LOG"
    await has_dispatchers 2
}

# ---- no epoll watch for this user ----

# The whole machine shares the number of watches, too (epoll(7)), and only an added watch meets the
# limit.  So a library replaces the call by one that fails while the file "wall" says 1.
make_watch_wall() {
    command -v "${CC:-cc}" >/dev/null || wall_skip "there is no compiler"
    unless_sanitized # a sanitizer must be loaded first, too
    cat >wall.c <<'SOURCE'
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static volatile const char *wall = "0";

__attribute__((constructor)) static void find(void)
{
    int file = open(getenv("WALL"), O_RDONLY | O_CLOEXEC);

    if (file < 0 || (wall = mmap(0, 1, PROT_READ, MAP_SHARED, file, 0)) == MAP_FAILED)
        abort();
    close(file);
}

int epoll_ctl(int epoll, int operation, int descriptor, struct epoll_event *event)
{
    if (operation != EPOLL_CTL_ADD || *wall != '1')
        return syscall(SYS_epoll_ctl, epoll, operation, descriptor, event);
    errno = ENOSPC;
    return -1;
}
SOURCE
    "${CC:-cc}" -shared -fPIC -o wall.so wall.c || wall_skip "the compiler makes no library"
    echo 0 >wall
    WRAPPER=(env "WALL=$PWD/wall" "LD_PRELOAD=$PWD/wall.so")
}

# The queue is shorter than the burst, so the supervisor stops watching the listener, and must watch it
# again.
wall_watches() {
    require_dispatchers
    make_watch_wall
    start --address 127.0.0.1 --processes 4 --queue 10 --dispatchers 2 0 \
        "$ANSWER" "$ANSWERS" "$COUNTER" 10
    raise() {
        echo 1 1<>wall
        kill -KILL "$(dispatchers | head -n 1)"
    }
    lift() { echo 0 1<>wall; }
    at_wall raise lift 100 "cannot accept connections: No space left on device"
    grep -q 'cannot talk to dispatcher [0-9]*: No space left on device; killing it' "$LOG"
    await has_dispatchers 2
}

# ---- control groups ----

# Makes a control group in which controller $1 counts.  Sets GROUP and VERSION.
make_group() {
    require_root
    local type options place
    VERSION=
    while read -r _ place type options _; do
        if [[ $type == cgroup && ,$options, == *,$1,* ]]; then
            VERSION=1
            break
        elif [[ $type == cgroup2 && " $(cat "$place/cgroup.controllers") " == *" $1 "* ]]; then
            echo "+$1" >"$place/cgroup.subtree_control" 2>/dev/null || continue
            VERSION=2
            break
        fi
    done </proc/mounts
    [[ -n $VERSION ]] || wall_skip "no control group hierarchy counts $1 here"
    GROUP=$place/dampener-walls.$$
    mkdir "$GROUP" 2>/dev/null || wall_skip "no control group can be made in $place"
    echo "$GROUP" >"$BATS_TEST_TMPDIR/group"
    # shellcheck disable=SC2016
    WRAPPER=(bash -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$GROUP")
}

# Removes the control group.  Moves its remaining processes to the parent, where no limit delays them.
remove_group() {
    local group process
    if [[ ! -e $BATS_TEST_TMPDIR/group ]]; then return; fi
    read -r group <"$BATS_TEST_TMPDIR/group"
    rm "$BATS_TEST_TMPDIR/group"
    while read -r process; do
        echo "$process" >"${group%/*}/cgroup.procs" || true
    done <"$group/cgroup.procs" 2>/dev/null
    await rmdir "$group"
}

wall_table() {
    make_group pids
    start --address 127.0.0.1 --processes 100 --dispatchers 2 0 "$ANSWER" "$ANSWERS" "$COUNTER" 10
    raise() { cat "$GROUP/pids.current" >"$GROUP/pids.max"; }
    lift() { echo max >"$GROUP/pids.max"; }
    at_wall raise lift 1000 "cannot start a handler, '.*': Resource temporarily unavailable"
}

# Limits the group to $1 KiB more memory than it uses; "max" lifts the limit.
leave_memory() {
    local usage limit=-1
    if [[ $VERSION == 1 ]]; then
        if [[ $1 != max ]]; then limit=$(($(cat "$GROUP/memory.usage_in_bytes") + $1 * 1024)); fi
        echo "$limit" >"$GROUP/memory.limit_in_bytes"
    else
        if [[ $1 != max ]]; then limit=$(($(cat "$GROUP/memory.current") + $1 * 1024)); fi
        echo "${limit/#-1/max}" >"$GROUP/memory.max"
        echo 0 >"$GROUP/memory.swap.max" 2>/dev/null || true # there may be no swap
    fi
}

# Makes a handler that takes all memory for one client in four.
make_eating_handler() {
    cat >handler <<'HANDLER'
#!/bin/bash
read -r line
if ((line % 4 == 0)); then exec tail /dev/zero; fi
echo "$line"
HANDLER
    chmod +x handler
}

# Clients of killed handlers get no answer; no other process is harmed; each kill is counted and logged.
# The daemon begins with a score that it may lower on every machine.  One handler at a time: while the memory of
# a killed process is being freed, the kernel may kill another one for a third that starts.
wall_memory() {
    make_group memory
    make_eating_handler
    WRAPPER+=(choom -n 500 --)
    start --address 127.0.0.1 --processes 1 --dispatchers 2 --control control 0 ./handler
    local pool before begin
    pool=$(dispatchers | sort)
    leave_memory 32768
    before=$(ticks_of_all)
    begin=$(milliseconds)
    "$BURST" -t 60000 "$ADDRESS" "$PORT" 20 >burst 2>complaints || true
    BUSY=$((($(ticks_of_all) - before) * 10 * 1000 / ($(milliseconds) - begin)))
    REASON=$(line_like "its handler, process .* was killed by signal 9")
    leave_memory max
    begin=$(milliseconds)
    "$BURST" -t 60000 "$ADDRESS" "$PORT" 3
    RECOVERED=$(($(milliseconds) - begin))
    HAPPENED="handlers were killed, no other"
    [[ $(cat burst) == "connected 20 answered 15 failed 5" ]]
    await status_is served 23
    status_is accepted 23
    [[ $(dispatchers | sort) == "$pool" ]]
    (($(lines_like 'was killed by signal 9; is there too little memory?') == 5))
    [[ $("$BUILD/dampenerctl" control metrics |
        awk '/^dampener_.*signal/ && !/^#/ { print $2 }' | tail -n 1) == 5 ]]
}

# ---- disks ----

# Mounts a disk of $1 KiB at "disk".  Only processes started with WRAPPER see it.
make_disk() {
    require_root
    command -v unshare >/dev/null || wall_skip "unshare is not installed"
    mkdir disk
    # shellcheck disable=SC2016
    unshare --mount bash -c 'mount -t tmpfs -o "size=$0k" tmpfs disk && : >mounted &&
        exec sleep 1000' "$1" >/dev/null 2>&1 3>&- 4>&- &
    HOLDER=$!
    await is_mounted_or_gone
    is_alive "$HOLDER" || wall_skip "no mount namespace can be made"
    # shellcheck disable=SC2016
    WRAPPER=(nsenter --target "$HOLDER" --mount bash -c 'cd "$0" && exec "$@"' "$PWD")
    DISK=/proc/$HOLDER/root$PWD/disk
}

is_mounted_or_gone() { [[ -e mounted ]] || is_gone "$HOLDER"; }

end_holder() {
    if [[ -z ${HOLDER:-} ]]; then return; fi
    kill "$HOLDER" 2>/dev/null || true
    wait "$HOLDER" 2>/dev/null || true
    HOLDER=
}

fill_disk() { dd if=/dev/zero of="$DISK/filling" bs=1k status=none 2>/dev/null || true; }
empty_disk() { rm "$DISK/filling"; }

# Puts the log on a full disk.  The daemon drops and counts lines, and never appends a line to a partial
# one.
wall_disk_log() {
    make_disk 64
    LOG=$DISK/log
    : >"$LOG"
    start -vv --address 127.0.0.1 --processes 4 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    local begin
    fill_disk
    "$BURST" -t 60000 "$ADDRESS" "$PORT" 100 >burst
    look_how_busy
    [[ $(cat burst) == "connected 100 answered 100 failed 0" ]]
    refute has_line 'ticket 100: ended' "$LOG"
    empty_disk
    begin=$(milliseconds)
    "$BURST" "$ADDRESS" "$PORT" 1
    await has_line 'ticket 101: ended' "$LOG"
    RECOVERED=$(($(milliseconds) - begin))
    HAPPENED="served without a log"
    REASON=$(line_like '[0-9]* log lines\? dropped')
    [[ -n $REASON ]]
    await status_is served 101
    refute grep '.\[[A-Z]*\] ' "$LOG"
}

# Puts the pid file on a full disk.  The daemon refuses to start, leaves no file, and starts once there
# is room.
wall_disk_pid_file() {
    make_disk 16
    fill_disk
    refute start --address 127.0.0.1 --pid-file disk/pid 0 cat
    finish
    HAPPENED="refused to start"
    REASON=$(line_like '--pid-file: cannot write the temporary file for disk/pid: No space left on device')
    [[ $STATUS == 1 && -n $REASON ]]
    [[ $(ls -A "$DISK") == filling ]]
    empty_disk
    start --address 127.0.0.1 --pid-file disk/pid 0 cat
    [[ $(cat "$DISK/pid") == "$DAEMON" ]]
    stop
    [[ $(ls -A "$DISK") == "" ]]
}

# ---- a wall that stands at the start ----

# Starts the daemon within a limit, and sets OUTCOME and SENTENCE, the last line of its log.  OUTCOME is
# "serves", "waits" (serves nobody, and logs why) or "refuses" (logs why, and exits).  Any other outcome
# fails.
start_within() {
    OUTCOME=refuses
    : >"$LOG"
    if start --address 127.0.0.1 --drain-timeout 5 "$@" 0 "$HANDLER" "$ANSWERS" "$COUNTER"; then
        OUTCOME=serves
        if ! "$BURST" -t 5000 "$ADDRESS" "$PORT" 5 >burst 2>complaints; then OUTCOME=waits; fi
        if [[ $OUTCOME == serves ]]; then
            stop
            ((STATUS == 0))
            SENTENCE=
        else
            stop INT
            SENTENCE=$(grep -m 1 'cannot start a handler' "$LOG")
            is_quiet 'cannot start a handler'
        fi
    else
        finish
        SENTENCE=$(tail -n 1 "$LOG")
        # The dynamic loader reports its own errors.  Memory may also be short for a word of the command
        # line, before there is a log.
        [[ ($STATUS == 1 || $STATUS == 126) && $SENTENCE == "[ERROR] "* ||
            $STATUS == 2 && $SENTENCE == "socket-burst-dampener: --"*": out of memory; see --help" ||
            $STATUS == 127 && $SENTENCE == *"error while loading shared libraries"* ]]
    fi
    await nothing_is_left
}

# Tries each value with WITHIN, a function that sets WRAPPER.  The daemon must serve with all values
# above the first sufficient one, ENOUGH.
sweep() {
    local within=$1 value
    shift
    unless_sanitized
    ENOUGH=
    REASON=
    HANDLER=${HANDLER:-$ANSWER}
    for value; do
        "$within" "$value"
        start_within --dispatchers "${DISPATCHERS:-2}"
        echo "$value: $OUTCOME${SENTENCE:+: $SENTENCE}"
        if [[ $OUTCOME == serves ]]; then
            ENOUGH=${ENOUGH:-$value}
        else
            [[ -z $ENOUGH ]]
            REASON=$SENTENCE
        fi
    done
    [[ -n $ENOUGH && -n $REASON ]]
    HAPPENED="refused to start, or serves"
}

within_descriptors() { WRAPPER=(prlimit "--nofile=$1"); }
within_memory() { WRAPPER=(prlimit "--as=$(($1 * 1024))"); }
within_processes() { WRAPPER=("${BECOME[@]}" prlimit "--nproc=$1"); }
within_table() {
    echo "$1" >"$GROUP/pids.max"
}

walls_of_descriptors() { sweep within_descriptors "$@"; }
walls_of_memory() {
    unless_counted
    sweep within_memory "$@"
}

walls_of_processes() {
    become_wall_user
    BECOME=("${WRAPPER[@]}")
    HANDLER=./answer
    sweep within_processes "$@"
}

walls_of_table() {
    make_group pids
    sweep within_table "$@"
}
