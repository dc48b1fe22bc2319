# Helpers of all tests: start a daemon, read its status, end it, and check that nothing is left behind.
# shellcheck shell=bash

ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
# shellcheck source=tests/shared/reach.bash
source "${BASH_SOURCE[0]%/*}/reach.bash"
BUILD=$(reach_within_bats "${DAMPENER_BUILD:-$ROOT/build}")
DAMPENER=$BUILD/socket-burst-dampener
BURST=$BUILD/tests/programs/clients/burst
ANSWER=$BUILD/tests/programs/handlers/answer
STATE=$BUILD/tests/programs/handlers/state

# Seconds until bats ends and names a hanging test: more for slow programs and long tests.
PATIENT=${DAMPENER_LONG:+4}
BATS_TEST_TIMEOUT=${BATS_TEST_TIMEOUT:-$((20 * ${PATIENT:-1} * ${DAMPENER_PATIENCE:-20}))}

# The exit status of a sanitizer's finding must differ from ordinary ones.
export ASAN_OPTIONS=exitcode=99
export UBSAN_OPTIONS=halt_on_error=1:exitcode=99

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    LOG=$BATS_TEST_TMPDIR/log
    READY=$BATS_TEST_TMPDIR/ready
    ANSWERS=$BATS_TEST_TMPDIR/answers
    COUNTER=$BATS_TEST_TMPDIR/counter
    DAEMON=
    # Marks every process of this test, so that teardown finds leftovers anywhere.
    export DAMPENER_TEST=$BATS_TEST_TMPDIR
    : >"$LOG"
    : >"$ANSWERS"
    skip_exception
}

# Skips a test that cannot pass on this build.  The file DAMPENER_EXCEPTIONS lists such tests as lines
# "FILE|BEGINNING OF ITS NAME|REASON".
skip_exception() {
    local file name reason
    if [[ -z ${DAMPENER_EXCEPTIONS:-} ]]; then return; fi
    while IFS='|' read -r file name reason; do
        if [[ $BATS_TEST_FILENAME == */$file.bats && $BATS_TEST_DESCRIPTION == "$name"* ]]; then
            skip "$reason"
        fi
    done <"$DAMPENER_EXCEPTIONS"
}

# Waits until a command succeeds.  Fails after some seconds: more where programs are slow.
await() {
    local deadline=$((SECONDS + ${DAMPENER_PATIENCE:-20}))
    while ((SECONDS < deadline)); do
        if "$@"; then return 0; fi
        sleep 0.02
    done
    echo "waited in vain for: $*" >&2
    return 1
}

# Waits six times as long as await: for thousands of clients.
await_crowd() { DAMPENER_PATIENCE=$((6 * ${DAMPENER_PATIENCE:-20})) await "$@"; }

# Closes all descriptors above 2, because bats waits for every process that holds one of its
# descriptors.
close_descriptors() {
    local path descriptor
    for path in /proc/self/fd/*; do
        descriptor=${path##*/}
        if ((descriptor > 2)); then eval "exec $descriptor>&-"; fi
    done 2>/dev/null
}

is_alive() { kill -0 "$1" 2>/dev/null; }
is_gone() { ! is_alive "$1"; }
is_stopped() { grep -q "^State:.[Tt]" "/proc/$1/status"; } # "t" while strace looks on
has_content() { [[ -s $1 ]]; }
has_line() { grep -q -- "$1" "$2"; }

# Makes the daemon run as on a kernel whose sockets lack the option of that number.
without_option() {
    local status=0
    WRAPPER=("$BUILD/tests/programs/kernels/without_option" "$1")
    "${WRAPPER[@]}" true || status=$?
    if ((status == 77)); then skip "no call can be made to fail on this machine"; fi
    return "$status"
}

# The same before Linux 6.16, whose sockets cannot refuse descriptors: without SO_PASSRIGHTS.
pretend_old_kernel() { without_option 83; }

# Starts the daemon with the given arguments, and waits until it serves.  Sets DAEMON, the process of
# the keeper, and ADDRESS and PORT of the first listener; counts its descriptors.  WRAPPER may hold a command that executes the daemon.
start() {
    rm -f "$READY" "$READY.new"
    (
        close_descriptors
        exec ${WRAPPER[@]+"${WRAPPER[@]}"} "$DAMPENER" --ready-fd 7 "$@" \
            7>"$READY.new" 2>>"$LOG" </dev/null >/dev/null
    ) &
    DAEMON=$!
    await is_ready_or_gone
    is_alive "$DAEMON" || return 1
    mv "$READY.new" "$READY"
    read -r ADDRESS PORT <"$READY"
    count_descriptors
}

# Starts a daemon that needs $1, which the present daemon uses.  Ends the present daemon once the new
# one has logged that it tries again.
start_after() {
    local what=$1 previous=$DAEMON ender
    shift
    (
        close_descriptors
        await has_line "^\[WARNING\] $what is in use: trying again for up to 2 s$" "$LOG"
        kill -TERM "$previous"
    ) &
    ender=$!
    start "$@"
    wait "$ender"
    wait "$previous"
    [[ $(grep -c "trying again" "$LOG") == 1 ]]
}

# Starts the daemon as start() does, with a pipe as standard error.  Descriptor 8 holds the pipe open,
# and nothing reads it.
start_unread() {
    mkfifo pipe
    exec 8<>pipe
    (
        close_descriptors
        exec "$DAMPENER" --ready-fd 7 "$@" 7>"$READY" 2>pipe </dev/null
    ) &
    DAEMON=$!
    await has_content "$READY"
    read -r ADDRESS PORT <"$READY"
    count_descriptors
}

is_ready_or_gone() { [[ -s $READY.new ]] || is_gone "$DAEMON"; }

open_descriptors() {
    local entries=("/proc/$1/fd/"*)
    echo "${#entries[@]}"
}

# Prints the processes of the dispatchers.  (ready_dispatchers() in tests/pool/dispatchers.bats is
# stricter.)
dispatchers() { children_named "$DAEMON" dispatcher; }

has_dispatchers() { [[ $(dispatchers | wc -l) == "$1" ]]; }

# Prints those children of a process that have this name.
children_named() {
    local process name
    for process in $(children "$1"); do
        name=
        { read -r name <"/proc/$process/comm"; } 2>/dev/null || true # it may have ended
        if [[ $name == "$2" ]]; then echo "$process"; fi
    done
}

# Print the process of the standby, or of the supervisor, of a daemon, $DAEMON by default.  The
# supervisor is a child of the standby, or of the keeper if that has died.
standby() { children_named "${1:-$DAEMON}" standby; }
supervisor() {
    local parent
    for parent in "${1:-$DAEMON}" $(standby "$@"); do children_named "$parent" supervisor; done
}

# One supervisor is there, and it is not process $1.
is_replaced() { [[ $(supervisor) =~ ^[0-9]+$ && $(supervisor) != "$1" ]]; }

# Remembers how many descriptors the daemon has open while it is idle.
count_descriptors() {
    DESCRIPTORS=$(open_descriptors "$(supervisor)")
    KEPT_DESCRIPTORS=$(open_descriptors "$DAEMON")
}

children() {
    local list=
    read -r list <"/proc/$1/task/$1/children" || true # the line has no end
    echo "$list"
} 2>/dev/null

# Prints all processes of this test, one a line, except those of bats and the grep below.
processes_of_test() {
    local file process command
    while read -r file; do
        process=${file#/proc/}
        process=${process%/environ}
        command=$(tr '\0' ' ' <"/proc/$process/cmdline") || continue # the process has ended meanwhile
        if [[ $command != *bats-core* && $command != "grep -lsa "* ]]; then
            echo "$process $command"
        fi
    done < <(grep -lsa "DAMPENER_TEST=$DAMPENER_TEST" /proc/[0-9]*/environ) 2>/dev/null
}

# Prints the number behind a word of a new status line, such as queued or served.
status_of() {
    local before line
    before=$(grep -c '^\[INFO\] status: ' "$LOG" || true)
    kill -USR1 "$DAEMON"
    await status_lines_exceed "$before"
    line=$(grep '^\[INFO\] status: ' "$LOG" | tail -n 1)
    [[ $line =~ $1\ ([0-9]+) ]]
    echo "${BASH_REMATCH[1]}"
}

status_lines_exceed() { (($(grep -c '^\[INFO\] status: ' "$LOG" || true) > $1)); }

status_is() { [[ $(status_of "$1") == "$2" ]]; }

# True if one status line has all of these pairs of a word and a number.  Two lines may differ, and a
# starting client is neither queued nor running.
status_says() {
    local line words
    status_of accepted >/dev/null
    line=$(grep '^\[INFO\] status: ' "$LOG" | tail -n 1)
    for words; do
        [[ $line, == *" $words,"* ]] || return 1
    done
}

# Print the time since an arbitrary moment, and the time since an earlier result.
milliseconds() { echo $((${EPOCHREALTIME//[!0-9]/} / 1000)); }
milliseconds_since() { echo $(($(milliseconds) - $1)); }

# True if the kernel's backlog holds that many connections: of port $1, or of the Unix socket at path
# $1.  Further words are a command that executes ss, for example in a namespace.
backlog_is() { [[ $(ss -Hltn "sport = :$1" | awk '{ print $2 }') == "$2" ]]; }
unix_backlog_is() { [[ $("${@:3}" ss -Hlx | awk -v path="$1" '$5 == path { print $3 }') == "$2" ]]; }

has_lines() { [[ $(wc -l <"$2") == "$1" ]]; }

# switches() prints how often a process has gone to sleep.  Ask while is_asleep() is true.
is_asleep() { grep -q '^State:.S' "/proc/$1/status"; }
switches() { awk '/^voluntary_ctxt_switches/ { print $2 }' "/proc/$1/status"; }

# Kills dispatchers, and waits until the supervisor has reaped them: a zombie still looks alive.
kill_dispatchers() {
    local process
    kill -KILL "$@" || return 1
    for process; do await is_gone "$process"; done
}

# Stops all dispatchers so that the supervisor still gives them clients: the keeper, which would report
# them, is stopped first.  So ask for the status by the control socket only.
hold_dispatchers() {
    local process
    for process in "$DAEMON" $(dispatchers); do
        kill -STOP "$process"
        await is_stopped "$process"
    done
}

# Continues the dispatchers, or kills them, before the keeper looks at them.
release_dispatchers() {
    dispatchers | xargs kill -"${1:-CONT}"
    kill -CONT "$DAEMON"
}

# Makes strace trace a process and its future children, with the given options.  Sets TRACER.  The file
# "traced" shows each call as soon as it begins.
trace() {
    rm -f traced attached
    strace -f -o traced -p "$1" "${@:2}" 2>attached 3>&- 4>&- &
    TRACER=$!
    # TracerPid is set too early: the process runs untraced until strace interrupts it.
    await has_line "Process $1 attached" attached
}

# Makes calls of a process fail or hang from now on.  $2 has the syntax of strace's -e inject.
inject() { trace "$1" -e "trace=${2%%:*}" -e "inject=$2"; }

end_trace() {
    kill "$TRACER" 2>/dev/null || true # strace may have ended with the process
    wait "$TRACER" || true
}

# Prints the processor time of a process since its start, in clock ticks.
processor_time() {
    local fields
    read -r -a fields <"/proc/$1/stat"
    echo $((fields[13] + fields[14]))
}

# Prints the highest number of handlers at once, from the file of tests/programs/handlers/answer.c.
most_handlers() { od -An -td4 -j4 -N4 "$COUNTER" | tr -d ' '; }

# Ends the daemon by a signal, SIGTERM by default.  STATUS is its exit status.
stop() {
    kill -"${1:-TERM}" "$DAEMON"
    finish
}

finish() {
    await is_gone "$DAEMON" || return 1 # wait would hang, too
    STATUS=0
    wait "$DAEMON" || STATUS=$?
    DAEMON=
}

has_no_zombies() {
    local process
    for process in $(children "$DAEMON") $(for dispatcher in $(dispatchers); do
        children "$dispatcher"
    done); do
        if grep -q '^State:.Z' "/proc/$process/status" 2>/dev/null; then return 1; fi
    done
}

has_its_descriptors() {
    (($(open_descriptors "$(supervisor)") <= DESCRIPTORS &&
        $(open_descriptors "$DAEMON") <= KEPT_DESCRIPTORS))
}

nothing_is_left() { [[ -z $(processes_of_test) ]]; }

# Checks that the daemon holds no more than at its start, ends it, and checks that nothing is left.
check_and_end() {
    if [[ -n $DAEMON ]] && is_alive "$DAEMON"; then
        await has_no_zombies || { echo "zombies were left" >&2; return 1; }
        await has_its_descriptors || {
            echo "descriptors were left:" >&2
            echo "supervisor: $DESCRIPTORS at first; keeper: $KEPT_DESCRIPTORS" >&2
            find "/proc/$(supervisor)/fd" "/proc/$DAEMON/fd" -printf '%p %l\n' 2>/dev/null |
                head -n 50 >&2
            return 1
        }
        stop || return 1
    fi
    await nothing_is_left || { processes_of_test >&2; return 1; }
}

# Prints the files of valgrind's findings in the programs of this test (tests/shared/memcheck.c).
findings_of_test() { find "$BUILD/findings" -name "${BATS_TEST_TMPDIR//\//_}.*" -size +0 2>/dev/null; }

has_no_findings() {
    local -a files
    mapfile -t files < <(findings_of_test)
    ((${#files[@]} == 0)) || { head -n 60 "${files[@]}" >&2; return 1; }
}

teardown() {
    local failed=0
    if [[ -z ${BATS_TEST_COMPLETED:-} ]]; then failed=1; fi
    # A file of tests may end other processes that it starts.
    if declare -F end_others >/dev/null; then end_others || failed=1; fi
    check_and_end || failed=1
    if grep -q -e '^\[BUG\]' -e '"level":"bug"' -e 'Sanitizer' -e 'runtime error' "$LOG"; then failed=1; fi
    has_no_findings || failed=1
    if ((failed)); then
        echo "--- log of the daemon (last lines)" >&2
        tail -n 60 "$LOG" >&2
        end_by_force
        return 1
    fi
}

end_by_force() {
    local process rest
    while read -r process rest; do
        echo "killing what was left: $process $rest" >&2
        kill -KILL "$process" 2>/dev/null || true
    done < <(processes_of_test)
}

# Replaces a function that bats calls when a test times out.  The function of bats ends only the
# children of the test, but a command substitution waits for grandchildren, too.  This one spares the
# daemon, which teardown ends, and its own process: the countdown is a child of the test, too.
bats_kill_childprocesses_of() {
    local process rest program
    while read -r process rest; do
        program=/proc/$process/exe
        if [[ $process != "$BASHPID" && ! $program -ef $DAMPENER && ! $program -ef $BUILD/dispatcher ]]; then
            kill -KILL "$process" || true
        fi
    done < <(children "$1" | tr ' ' '\n'; DAMPENER_TEST=$BATS_TEST_TMPDIR processes_of_test)
}

# Fails if the command succeeds.  "! command" alone does not fail a test.
refute() {
    if "$@"; then
        echo "must fail, but succeeded: $*" >&2
        return 1
    fi
}

# Connects once, and writes what the handler (tests/programs/handlers/state.c) reports to the file
# "state".
ask_state() {
    local address=${1:-127.0.0.1}
    exec 9<>"/dev/tcp/$address/$PORT"
    cat <&9 >state
    exec 9>&-
}

says() { grep -qx -- "$1" state || { echo "not in state: $1" >&2; cat state >&2; return 1; }; }

variable() { sed -n "s/^environment $1=//p" state; }

run_as() { setpriv --reuid="$1" --regid="$1" --clear-groups -- "${@:2}"; }

# Lets other users into the directory of this test, which bats keeps private.  Requires root.
open_to_others() {
    local directory=$BATS_TEST_TMPDIR
    while [[ $directory == "$BATS_RUN_TMPDIR"* ]]; do
        chmod o+x "$directory"
        directory=${directory%/*}
    done
    run_as 65534 test -x "$BATS_TEST_TMPDIR" || skip "other users cannot reach the directory of the test"
}

# Makes the directory "root", with program $2 as /bin/$1 and all libraries that it needs.
make_root_with() {
    local file
    mkdir -p root/bin
    cp -L "$2" "root/bin/$1"
    for file in $(ldd "$2" 2>/dev/null | grep -o '/[^ ]*'); do
        mkdir -p "root${file%/*}"
        cp -L "$file" "root$file"
    done
}

# True if a sanitizer or valgrind is in use: then the daemon cannot hide, work without /proc, or install
# a filter.
is_sanitized() { grep -q -e __asan_init -e /usr/bin/valgrind "$DAMPENER"; }

# True if /proc shows processes that hide, as the daemon does (proc(5), hidepid).
sees_daemons() { ((EUID == 0)) || ! grep -q '^[^ ]* /proc proc [^ ]*hidepid=' /proc/mounts; }

# Prints why a test cannot attach to a running daemon; nothing if it can.
no_tracer() {
    if ! command -v strace >/dev/null; then echo "strace is not installed"; fi
    if ((EUID != 0)); then echo "only root may trace a daemon, which hides"; fi
}

# Connects, sends nothing, and sets CLIENT to the descriptor.
connect_silently() { exec {CLIENT}<>"/dev/tcp/127.0.0.1/$PORT"; }

# Makes a handler that records each SIGTERM, and ends at the first unless $1 is "stubborn".
make_noting_handler() {
    cat >handler <<'HANDLER'
#!/bin/bash
trap 'echo "$DAMPENER_TICKET" >>terminated; [[ $1 == stubborn ]] || exit 0' TERM
echo started
for ((i = 0; i < 600; i++)); do sleep 0.1 & wait $!; done
HANDLER
    chmod +x handler
}
