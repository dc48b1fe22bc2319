#!/usr/bin/env bats
# Tests --pid-file: the keeper publishes the file, holds its name by a lock, and removes it.

load ../shared/helpers
load ../shared/privileges

# True if directory $1 has neither a pid file nor a temporary one.
is_clean() { [[ -z $(find "$1" -maxdepth 1 -name '*pid*') ]]; }

# True if a daemon holds the name of pid file $1.  (proc_locks(5))
is_held() {
    local number
    number=$(stat -c %i ".$1.lock" 2>/dev/null) && grep -q "OFDLCK *ADVISORY *READ .*:$number 1 1\$" /proc/locks
}

# Expects the start to fail with message $1 and status 1; the rest: arguments of the daemon.
refuses_to_start() {
    local expected=$1
    shift
    run "$DAMPENER" --address 127.0.0.1 "$@" 0 cat
    echo "$output"
    ((status == 1))
    [[ ${output#"[WARNING] --pid-file: "*" is in use: trying again for up to 2 s"$'\n'} == "[ERROR] $expected" ]]
}

@test "--pid-file: the file has the process number, is readable for all and held before the daemon is ready" {
    # shellcheck disable=SC2016 # it is for the other shell
    WRAPPER=(bash -c 'umask 077; exec "$@"' bash)
    start --address 127.0.0.1 --pid-file run.pid 0 cat
    [[ $(od -An -c run.pid) == "$(echo "$DAEMON" | od -An -c)" ]]
    [[ $(stat -c '%a %u' run.pid) == "644 $EUID" ]]
    is_held run.pid
    [[ $(find . -name '.*pid*') == ./.run.pid.lock && $(stat -c '%a %u' .run.pid.lock) == "600 $EUID" ]]
    [[ $(echo hello | nc -N 127.0.0.1 "$PORT") == hello ]]
    stop
    ((STATUS == 0))
    is_clean .
    [[ ! -s $LOG ]]
}

@test "--pid-file: the file is removed at every end: SIGTERM, SIGINT or forced" {
    local end
    for end in TERM INT; do
        start --address 127.0.0.1 --pid-file "$PWD/pid" 0 cat
        [[ -e pid ]]
        stop "$end"
        is_clean .
    done
    start --address 127.0.0.1 --drain-timeout 0 --pid-file pid 0 sleep 60
    connect_silently
    await status_is running 1
    stop
    ((STATUS == 1))
    is_clean .
}

@test "--pid-file: SIGKILL to the keeper releases the lock, even while supervisor and handlers live on" {
    start --address 127.0.0.1 --pid-file pid 0 cat
    connect_silently
    await status_is running 1
    local first=$DAEMON
    stop KILL
    [[ $(<pid) == "$first" ]]
    refute is_held pid
    has_line ': supervisor' <(processes_of_test)
    # The file of the dead keeper is replaced.
    start --address 127.0.0.1 --pid-file pid 0 cat
    [[ $(<pid) == "$DAEMON" ]]
    is_held pid
    exec {CLIENT}>&- # now the first supervisor ends
    await is_left_alone
    [[ $(<pid) == "$DAEMON" ]]
}

# True if only one supervisor is left.
is_left_alone() { [[ $(processes_of_test | grep -c ': supervisor') == 1 ]]; }

@test "--pid-file: the file of a living daemon stops a second daemon, which names the first" {
    start --address 127.0.0.1 --pid-file pid 0 cat
    refuses_to_start "--pid-file: already running: process $DAEMON holds pid" --pid-file pid
    refuses_to_start "--pid-file: already running: process $DAEMON holds ../${PWD##*/}/pid" \
        --pid-file "../${PWD##*/}/pid"
    [[ $output == "[WARNING] --pid-file: ../${PWD##*/}/pid is in use: trying again for up to 2 s"$'\n'"[ERROR]"* ]]
    [[ $(<pid) == "$DAEMON" ]]
    [[ $(echo hello | nc -N 127.0.0.1 "$PORT") == hello ]]
}

@test "--pid-file: the file of a daemon is replaced once that daemon has ended" {
    start --address 127.0.0.1 --pid-file pid 0 cat
    start_after "--pid-file: pid" --address 127.0.0.1 --pid-file pid 0 cat
    [[ $(<pid) == "$DAEMON" ]]
    is_held pid
}

@test "--pid-file: the file of a dead process is replaced, whatever it holds" {
    local content
    for content in 1 $$ '' nonsense; do
        printf '%s' "$content" >pid
        start --address 127.0.0.1 --pid-file pid 0 cat
        [[ $(<pid) == "$DAEMON" ]]
        stop
        is_clean .
    done
}

@test "--pid-file: of ten daemons started at once, exactly one lives" {
    local round i lives
    for round in 1 2 3; do
        local processes=()
        if ((round == 3)); then echo 1 >pid; fi
        for i in {1..10}; do
            (
                close_descriptors
                exec "$DAMPENER" --address 127.0.0.1 --pid-file pid 0 cat 2>"log.$i" </dev/null
            ) &
            processes+=($!)
        done
        await one_is_left "${processes[@]}"
        lives=$(living "${processes[@]}")
        [[ $(<pid) == "$lives" ]]
        is_held pid
        grep -h . log.* | grep -v -e 'pid is in use: ' -e 'already running: ' -e 'another process has just put its own there' &&
            return 1
        DAEMON=$lives
        stop
        ((STATUS == 0))
        is_clean .
    done
}

living() {
    local process
    for process; do
        if is_alive "$process"; then echo "$process"; fi
    done
}

one_is_left() { (($(living "$@" | wc -l) == 1)) && has_content pid; }

@test "--pid-file: if the file cannot be made, the message names the option, the file and the reason" {
    refuses_to_start "--pid-file: cannot open the directory of no/pid: No such file or directory" \
        --pid-file no/pid
    refuses_to_start "--pid-file: cannot open the directory of $PWD/: Is a directory" --pid-file "$PWD/"
    mkdir directory
    refuses_to_start "--pid-file: directory exists, and is not a regular file" --pid-file directory
    ln -s nowhere link
    refuses_to_start "--pid-file: cannot open link, which exists: Too many levels of symbolic links" \
        --pid-file link
    mkfifo pipe
    refuses_to_start "--pid-file: pipe exists, and is not a regular file" --pid-file pipe
    is_clean .
}

@test "--pid-file: in a directory that is not writable, the start fails, and the message says so" {
    mkdir closed
    chmod 555 closed
    if ((EUID != 0)); then
        refuses_to_start "--pid-file: cannot create a file beside closed/pid: Permission denied" \
            --pid-file closed/pid
        return
    fi
    open_to_others
    WRAPPER=(run_as 65534)
    run run_as 65534 "$DAMPENER" --address 127.0.0.1 --pid-file closed/pid 0 cat
    echo "$output"
    ((status == 1))
    [[ $output == "[ERROR] --pid-file: cannot create a file beside closed/pid: Permission denied" ]]
}

@test "--pid-file: a start that fails later leaves no file behind" {
    start --address 127.0.0.1 --pid-file pid 0 cat
    run "$DAMPENER" --address 127.0.0.1 --pid-file other.pid --access-file missing 0 cat
    ((status == 1))
    [[ $(find . -name '*pid*' ! -name .pid.lock) == ./pid ]]
}

@test "as root, the file is removed from a directory that the supervisor cannot enter" {
    require_root
    mkdir -m 700 run
    start --address 127.0.0.1 --pid-file run/pid 0 cat
    refute grep -q '^Uid:.*[[:space:]]0[[:space:]]' "/proc/$(supervisor)/status"
    stop
    is_clean run
}

@test "as root, the file is removed from another user's directory" {
    require_root
    open_to_others
    mkdir -m 700 run
    chown "$HANDLERS" run
    start --address 127.0.0.1 --pid-file run/pid 0 cat
    stop
    is_clean run
}

@test "a file that has replaced the pid file is left alone" {
    start --address 127.0.0.1 --pid-file pid 0 cat
    echo other >new
    mv new pid
    stop
    [[ $(<pid) == other ]]
}

has_slept_more_than() { (($(switches "$1") > $2)); }

@test "a file that replaces the pid file while the keeper waits for the lock is left alone" {
    start --address 127.0.0.1 --pid-file pid 0 cat
    local slept
    await is_asleep "$DAEMON"
    slept=$(switches "$DAEMON")
    echo other >new
    kill -STOP "$DAEMON" # it has the name, and tries to lock it at its end
    keep_locked .pid.lock
    kill -TERM "$DAEMON"
    kill -CONT "$DAEMON"
    await has_slept_more_than "$DAEMON" $((slept + 10)) # it has looked at the file, and tries the lock again and again
    mv new pid
    kill "$KEEPER_OF_LOCK"
    finish
    [[ $(<pid) == other ]]
}

# Locks the name whose lock file is $1, as another daemon of the same user does while it starts.
keep_locked() {
    "$BUILD/tests/programs/clients/lock" "$1" >locked 3>&- 4>&- &
    KEEPER_OF_LOCK=$!
    await has_line locked locked
}

@test "a name that another process keeps locked delays start and end, but prevents neither" {
    keep_locked .pid.lock
    start --address 127.0.0.1 --pid-file pid 0 cat
    [[ $(<pid) == "$DAEMON" ]]
    has_line '^\[WARNING\] --pid-file: cannot lock pid, going on without' "$LOG"
    stop
    kill "$KEEPER_OF_LOCK"
    rm .pid.lock
    is_clean .
}

# Keeps the file or directory $2 locked, in mode $1 of flock(1), as another user where possible.
lock_as_reader() {
    local user=()
    if ((EUID == 0)); then user=(setpriv --reuid=65534 --regid=65534 --clear-groups --); fi
    ${user[@]+"${user[@]}"} flock "$1" "$2" sleep 60 3>&- 4>&- &
    READERS+=($!)
    await is_locked_by_reader "$2"
}

is_locked_by_reader() { ! flock -n -x "$1" true; }

end_readers() {
    local reader
    for reader in "${READERS[@]}"; do kill "$(children "$reader")" "$reader"; done
    READERS=()
}

@test "whoever may read the pid file, its directory or a socket's directory neither blocks nor delays a restart by a lock" {
    local mode READERS=()
    if ((EUID == 0)); then open_to_others; fi
    mkdir -m 755 run sockets
    umask 022
    for mode in -s -x; do
        start -v --pid-file run/pid --control sockets/control "unix:$PWD/sockets/socket" cat
        lock_as_reader "$mode" run/pid
        lock_as_reader "$mode" run
        lock_as_reader "$mode" sockets
        refute run_as_reader flock -n -s run/.pid.lock true
        refuses_to_start "--pid-file: already running: process $DAEMON holds run/pid" --pid-file run/pid
        # The file of a killed daemon stays, with the lock of the reader.
        stop KILL
        await nothing_but_readers
        start -v --pid-file run/pid --control sockets/control "unix:$PWD/sockets/socket" cat
        lock_as_reader "$mode" run/pid
        stop
        # A wait for a lock, at the start or at the end, would be in the log.
        refute grep -e 'trying again' -e 'cannot lock' "$LOG"
        is_clean run
        [[ -z $(ls -A sockets) ]]
        end_readers
    done
}

run_as_reader() { if ((EUID == 0)); then run_as 65534 "$@"; else false; fi; }

nothing_but_readers() { ! processes_of_test | grep -v -e ' flock ' -e ' sleep ' | grep -q .; }

@test "the daemon of an earlier version, which locks the pid file itself, stops a second daemon" {
    local holder
    # shellcheck disable=SC2016 # it is for the other shell
    bash -c 'echo $$ >pid; exec flock -F pid sleep 60' 3>&- 4>&- &
    holder=$!
    # -F: flock(1) becomes the command, so the process that the file names has locked it.
    await is_locked_by_reader pid
    refuses_to_start "--pid-file: already running: process $holder holds pid" --pid-file pid
    # The file of a dead daemon, which another process has locked.
    echo 1 >pid
    start --address 127.0.0.1 --pid-file pid 0 cat
    kill "$holder"
}

@test "SIGTERM right after the file was made removes the file" {
    command -v strace >/dev/null || skip "strace is not installed"
    export ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0 # the leak checker does not work under ptrace
    local status=0
    (
        close_descriptors
        exec timeout 20 strace -qq -o trace -e trace=fchmod -e inject=fchmod:signal=TERM \
            "$DAMPENER" --address 127.0.0.1 --pid-file "$PWD/pid" 0 cat 2>>"$LOG" </dev/null >/dev/null
    ) || status=$?
    ((status == 0))
    grep -q fchmod trace
    await is_clean .
}
