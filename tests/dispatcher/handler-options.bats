#!/usr/bin/env bats
# The effect of the handlers' options, as a handler reports it (tests/programs/handlers/state.c); and
# wrong values, which the daemon refuses before it listens.

bats_require_minimum_version 1.5.0
load ../shared/helpers

require_root() {
    [[ $(id -u) == 0 ]] || skip "this requires root"
    open_to_others
    cp "$STATE" handler
}

require_capability() {
    setpriv --dump | grep -q "^Capability bounding set:.*\b$1\b" || skip "root is not allowed $1"
}

# Makes users and groups of the test's own.  Processes started with WRAPPER see them.  User tester has
# the number 70001 and three groups.
require_users() {
    require_root
    (cat /etc/passwd; echo "tester:x:70001:70001::$PWD/home:/bin/of-tester") >passwd
    (cat /etc/group; echo "testers:x:70001:
second:x:70002:tester
third:x:70003:nobody,tester
others:x:70004:") >group
    # shellcheck disable=SC2016
    WRAPPER=(unshare --mount bash -c 'mount --bind "$0/passwd" /etc/passwd &&
        mount --bind "$0/group" /etc/group && exec "$@"' "$PWD")
    "${WRAPPER[@]}" id tester >/dev/null 2>&1 || skip "cannot mount other users for the daemon"
}

sorted_groups() { sed -n 's/^groups //p' state | tr ' ' '\n' | sort | xargs; }

make_root() {
    make_root_with state "$STATE"
    mkdir root/inside
}

content_of_root() { find root -mindepth 1 -maxdepth 1 -printf '%f\n' | LC_ALL=C sort | xargs; }

# ---- user and group ----

@test "--user gives handlers the user's number, group and groups, and no capability" {
    require_users
    start --address 127.0.0.1 --user tester 0 ./handler
    ask_state
    says "uid 70001 70001 70001"
    says "gid 70001 70001 70001"
    [[ $(sorted_groups) == "$("${WRAPPER[@]}" id -G tester | tr ' ' '\n' | sort | xargs)" ]]
    [[ $(sorted_groups) == "70001 70002 70003" ]]
    says "effective 0000000000000000"
    says "permitted 0000000000000000"
    says "inheritable 0000000000000000"
    says "descriptors 0 1 2"
}

@test "--user sets HOME, USER, LOGNAME and SHELL of handlers to those of the user" {
    require_users
    export HOME=/home/of/daemon USER=daemon LOGNAME=daemon SHELL=/bin/of-daemon
    start --address 127.0.0.1 --user tester 0 ./handler
    ask_state
    says "environment HOME=$PWD/home"
    says "environment USER=tester"
    says "environment LOGNAME=tester"
    says "environment SHELL=/bin/of-tester"
    [[ $(grep -cE '^environment (HOME|USER|LOGNAME|SHELL)=' state) == 4 ]]
}

@test "--user with --group gives handlers that group, and the other groups of the user" {
    require_users
    start --address 127.0.0.1 --user tester --group others 0 ./handler
    ask_state
    says "uid 70001 70001 70001"
    says "gid 70004 70004 70004"
    [[ $(sorted_groups) == "70002 70003 70004" ]]
}

@test "--group alone keeps the user, and removes all other groups" {
    require_users
    WRAPPER+=(setpriv "--groups=70002,70003")
    export HOME=/home/of/daemon
    start --address 127.0.0.1 --group others 0 ./handler
    ask_state
    says "uid 0 0 0"
    says "gid 70004 70004 70004"
    says "groups 70004"
    says "environment HOME=/home/of/daemon"
}

@test "--user and --group accept numbers, and use the entry of the number if there is one" {
    require_users
    start --address 127.0.0.1 --user 70001 --group 70003 0 ./handler
    ask_state
    says "uid 70001 70001 70001"
    says "gid 70003 70003 70003"
    [[ $(sorted_groups) == "70002 70003" ]]
    says "environment USER=tester"
    says "environment HOME=$PWD/home"
}

@test "--user and --group accept numbers without an entry, and leave the environment alone" {
    require_root
    export HOME=/home/of/daemon USER=daemon
    start --address 127.0.0.1 --user 71234 --group 71235 0 ./handler
    ask_state
    says "uid 71234 71234 71234"
    says "gid 71235 71235 71235"
    says "groups 71235"
    says "environment HOME=/home/of/daemon"
    says "environment USER=daemon"
}

@test "without --user, a handler of root has all capabilities that the daemon was started with" {
    [[ $(id -u) == 0 ]] || skip "this requires root"
    WRAPPER=(setpriv --bounding-set=-net_admin)
    local wanted
    wanted=$("${WRAPPER[@]}" "$STATE" </dev/null | grep -E '^(effective|permitted|inheritable) ')
    start --address 127.0.0.1 0 "$STATE"
    ask_state
    [[ $(grep -E '^(effective|permitted|inheritable) ' state) == "$wanted" ]]
    says "uid 0 0 0"
    stop
    start --address 127.0.0.1 --no-new-privs 0 "$STATE"
    ask_state
    [[ $(grep -E '^(effective|permitted|inheritable) ' state) == "$wanted" ]]
}

# ---- directories ----

@test "--chroot sets the root directory of handlers, which start in it" {
    require_root
    make_root
    start --address 127.0.0.1 --chroot root 0 /bin/state
    ask_state
    says "root $(content_of_root)"
    says "cwd /"
    says "descriptors 0 1 2"
}

@test "--chroot: a command without a slash is searched for inside" {
    require_root
    make_root
    mv root/bin/state root/bin/only-inside
    PATH=/nowhere:/bin:$PATH start --address 127.0.0.1 --chroot "$PWD/root" 0 only-inside
    ask_state
    says "root $(content_of_root)"
}

@test "--chdir counts from the directory of --chroot" {
    require_root
    make_root
    start --address 127.0.0.1 --chroot root --chdir /inside 0 /bin/state
    ask_state
    says "root $(content_of_root)"
    says "cwd /inside"
    stop
    start --address 127.0.0.1 --chroot root --chdir inside 0 ../bin/state
    ask_state
    says "cwd /inside"
}

@test "--chdir sets the directory of handlers, and relative paths of the command count from there" {
    mkdir deeper
    cp "$STATE" deeper/only-here
    start --address 127.0.0.1 --chdir deeper 0 ./only-here
    ask_state
    says "cwd $PWD/deeper"
    says "argument ./only-here"
    stop
    start --address 127.0.0.1 --chdir "$PWD/deeper" 0 "$STATE"
    ask_state
    says "cwd $PWD/deeper"
}

@test "without --chdir, handlers start in the directory of the daemon's start" {
    start --address 127.0.0.1 0 "$STATE"
    ask_state
    says "cwd $PWD"
}

# ---- limits, environment and standard error ----

@test "--umask sets the umask of handlers" {
    local mask
    for mask in 27 000 0777; do
        start --address 127.0.0.1 --umask "$mask" 0 "$STATE"
        ask_state
        says "umask $(printf %03o "0$mask")"
        stop
    done
}

@test "--nice sets the value itself, and does not add to the daemon's" {
    WRAPPER=(nice -n 3)
    start --address 127.0.0.1 --nice 7 0 "$STATE"
    ask_state
    says "nice 7"
    # The daemon keeps its own nice value.
    [[ $(ps -o ni= -p "$DAEMON" | tr -d ' ') == 3 ]]
}

@test "--nice: root may give handlers a lower value than the daemon's" {
    require_root
    require_capability sys_nice
    WRAPPER=(nice -n 3)
    start --address 127.0.0.1 --nice -4 0 "$STATE"
    ask_state
    says "nice -4"
    stop
    # The value is set before handlers become a user who could not lower it.
    start --address 127.0.0.1 --user nobody --supervisor-user 71000:71000 --nice 0 0 ./handler
    ask_state
    says "nice 0"
    says "uid 65534 65534 65534"
}

@test "--limit sets soft and hard limits of handlers for each resource" {
    # shellcheck disable=SC2016
    WRAPPER=(bash -c 'ulimit -Sc 0; exec "$@"' bash)
    start --address 127.0.0.1 --limit nofile=100:200 --limit core=1K:2M --limit cpu=60 \
        --limit fsize=3G --limit data=unlimited --limit as=1T:unlimited --limit stack=4M:8M \
        --limit nproc=10000 --limit memlock=64K --limit locks=50 --limit sigpending=1000 \
        --limit msgqueue=1000 --limit rss=1G --limit nice=0 --limit rtprio=0 \
        --limit rttime=5000:6000 --limit nofile=150:300 0 "$STATE"
    ask_state
    says "limit nofile 150 300" # the last limit of a resource counts
    says "limit core 1024 2097152"
    says "limit cpu 60 60"
    says "limit fsize $((3 << 30)) $((3 << 30))"
    says "limit data unlimited unlimited"
    says "limit as $((1 << 40)) unlimited"
    says "limit stack $((4 << 20)) $((8 << 20))"
    says "limit nproc 10000 10000"
    says "limit memlock 65536 65536"
    says "limit locks 50 50"
    says "limit sigpending 1000 1000"
    says "limit msgqueue 1000 1000"
    says "limit rss $((1 << 30)) $((1 << 30))"
    says "limit nice 0 0"
    says "limit rtprio 0 0"
    says "limit rttime 5000 6000"
}

@test "limits that would end a dispatcher do not apply to it" {
    # 20 ms of processor time without a pause, 1 s in all, and no byte in a file.
    start --address 127.0.0.1 --dispatchers 1 --processes 4 --limit cpu=1 --limit rttime=1 \
        --limit fsize=0 --limit nofile=5 --limit data=16M 0 cat
    local dispatcher
    dispatcher=$(dispatchers)
    refute grep -qE '^Max (cpu time|file size|realtime timeout) +[01] ' "/proc/$dispatcher/limits"
    "$BURST" -c "$ADDRESS" "$PORT" 300 >burst
    [[ $(cat burst) == "connected 300 answered 300 failed 0" ]]
    [[ $(dispatchers) == "$dispatcher" ]]
}

@test "--stderr socket sends standard error of handlers to the client" {
    start --address 127.0.0.1 --stderr socket 0 bash -c 'echo one; echo two >&2; echo three'
    [[ $(nc -N 127.0.0.1 "$PORT" </dev/null) == "one
two
three" ]]
    refute grep -q two "$LOG"
    stop
    start --address 127.0.0.1 --stderr socket 0 "$STATE"
    ask_state
    says "stderr client"
    says "descriptors 0 1 2"
}

@test "--stderr null discards standard error, even in a root directory without /dev" {
    start --address 127.0.0.1 --stderr null 0 bash -c 'echo one; echo two >&2 && echo three'
    [[ $(nc -N 127.0.0.1 "$PORT" </dev/null) == "one
three" ]]
    refute grep -q two "$LOG"
    [[ $(id -u) == 0 ]] || return 0
    stop
    make_root
    start --address 127.0.0.1 --stderr null --chroot root 0 /bin/state
    ask_state
    says "stderr other"
    says "descriptors 0 1 2"
}

@test "--stderr inherit sends standard error of handlers to the daemon's log" {
    start --address 127.0.0.1 --stderr inherit 0 bash -c 'echo one; echo two >&2'
    [[ $(nc -N 127.0.0.1 "$PORT" </dev/null) == one ]]
    await has_line '^two$' "$LOG"
}

@test "--stderr FILE appends standard error of handlers to a file that the daemon makes at its start" {
    echo before >kept
    start --address 127.0.0.1 --stderr ./kept 0 bash -c 'echo one; echo two >&2'
    [[ $(nc -N 127.0.0.1 "$PORT" </dev/null) == one ]]
    [[ $(<kept) == "before
two" ]]
    : >kept # as a program does that copies and truncates it
    [[ $(nc -N 127.0.0.1 "$PORT" </dev/null) == one ]]
    [[ $(<kept) == two && $(stat -c %s kept) == 4 ]]
    [[ ! -s $LOG ]]
    stop
    umask 022
    start --address 127.0.0.1 --stderr "$PWD/new" 0 "$STATE"
    [[ $(stat -c %a new) == 640 ]]
    ask_state
    says "stderr other"
    says "descriptors 0 1 2"
}

@test "--stderr FILE is for handlers of later dispatchers and supervisors, too, and the pair does not keep it" {
    # shellcheck disable=SC2016 # $ is an inner shell's
    start --address 127.0.0.1 --stderr ./errors 0 bash -c 'echo $DAMPENER_TICKET >&2'
    local process
    if sees_daemons; then
        grep -q errors <(ls -l "/proc/$DAEMON/fd")
        for process in $(standby) $(supervisor); do
            refute grep -q errors <(ls -l "/proc/$process/fd")
        done
    fi
    nc -N 127.0.0.1 "$PORT" </dev/null
    # shellcheck disable=SC2046 # one word each
    kill_dispatchers $(dispatchers)
    nc -N 127.0.0.1 "$PORT" </dev/null
    kill -KILL "$(supervisor)"
    await has_line "another takes its place" "$LOG"
    nc -N 127.0.0.1 "$PORT" </dev/null
    [[ $(paste -sd ' ' errors) == "1 2 3" ]]
}

@test "--stderr FILE is opened as the user who starts the daemon, not as --user, and outside --chroot" {
    require_root
    make_root
    start --address 127.0.0.1 --user nobody --chroot root --stderr ./errors 0 /bin/state
    [[ $(stat -c '%U %a' errors) == "$(id -un) 640" ]]
    ask_state
    says "stderr other"
}

@test "a file of --stderr that cannot be opened ends the start, and the message names it and why" {
    mkdir directory
    mkfifo pipe
    local path reason
    while read -r path reason; do
        run timeout 20 "$DAMPENER" --stderr "$path" --address 127.0.0.1 --pid-file pid 0 cat
        echo "$output"
        [[ $status == 1 ]]
        [[ $output == "[ERROR] --stderr: cannot open '$path' to append to it: $reason" ]]
        [[ ! -e pid ]]
    done <<'REASONS'
missing/log No such file or directory
./directory Is a directory
./new/ Is a directory
./pipe No such device or address
REASONS
}

@test "a named pipe as --stderr FILE blocks, as handlers expect" {
    mkfifo pipe
    exec 8<>pipe
    start --address 127.0.0.1 --stderr ./pipe 0 bash -c 'grep flags: /proc/self/fdinfo/2; echo two >&2'
    [[ $(nc -N 127.0.0.1 "$PORT" </dev/null) == "flags:"*[[:space:]]0[0-9]*2001 ]] # O_APPEND, O_WRONLY
    read -r -t 5 line <&8
    [[ $line == two ]]
    exec 8>&-
}

@test "--no-env sets no variable for the connection or the user, and removes those of an outer super-server" {
    require_root
    export PROTO=UDP TCPLOCALIP=192.0.2.1 TCPLOCALPORT=1 TCPREMOTEIP=192.0.2.2 TCPREMOTEPORT=2
    export REMOTE_ADDR=192.0.2.3 REMOTE_PORT=3 REMOTE_HOST=liar TCPREMOTEHOST=liar IPCREMOTEPID=1
    export DAMPENER_TICKET=9 DAMPENER_WAIT_MS=9 DAMPENER_QUEUED=9 DAMPENER_RUNNING=9
    export LISTEN_FDS=1 NOTIFY_SOCKET=/x WATCHDOG_PID=1
    export HOME=/home/of/daemon USER=daemon LOGNAME=daemon SHELL=/bin/of-daemon
    start --address 127.0.0.1 --no-env --user nobody --supervisor-user 71000:71000 0 ./handler
    ask_state
    refute grep -E '^environment (PROTO|TCP|IPC|REMOTE_|DAMPENER_(WAIT_MS|QUEUED|RUNNING|TICKET)=|LISTEN|NOTIFY|WATCHDOG)' state
    says "environment HOME=/home/of/daemon"
    says "environment USER=daemon"
    says "environment LOGNAME=daemon"
    says "environment SHELL=/bin/of-daemon"
    says "environment DAMPENER_TEST=$DAMPENER_TEST"
}

@test "--no-new-privs: a set-user-ID program runs as the user who executes it" {
    require_root
    chmod u+s handler
    [[ $(run_as 65534 ./handler </dev/null | sed -n 's/^uid //p') == "65534 0 0" ]] ||
        skip "set-user-ID programs have no effect here"
    start --address 127.0.0.1 --user nobody --supervisor-user 71000:71000 0 ./handler
    ask_state
    says "uid 65534 0 0"
    says "new privileges yes"
    stop
    start --address 127.0.0.1 --no-new-privs --user nobody --supervisor-user 71000:71000 0 ./handler
    ask_state
    says "uid 65534 65534 65534"
    says "effective 0000000000000000"
    says "new privileges no"
}

# ---- all options together ----

start_with_everything() {
    WRAPPER+=(nice -n 2 choom -n 300 --)
    start -vv --address 127.0.0.1 --dispatchers 2 --user tester --group others --chroot root \
        --chdir inside --umask 37 --nice 5 --limit nofile=50:60 --limit core=0 --limit cpu=100:200 \
        --stderr null --no-env --no-new-privs --timeout 1h 0 ../bin/state
}

has_everything() {
    local wanted
    for wanted in "descriptors 0 1 2" "uid 70001 70001 70001" "gid 70004 70004 70004" \
        "effective 0000000000000000" "permitted 0000000000000000" "new privileges no" \
        "root $(content_of_root)" "cwd /inside" "umask 037" "nice 5" "limit nofile 50 60" \
        "limit core 0 0" "limit cpu 100 200" "stderr other" "session own" "group own" "blocked" \
        "ignored" "argument ../bin/state" "environment DAMPENER_TEST=$DAMPENER_TEST"; do
        says "$wanted"
    done
    [[ $(sorted_groups) == "70002 70003 70004" ]]
    refute grep -q '^environment \(TCP\|USER=tester\)' state
}

@test "all options of the handlers work together" {
    require_users
    make_root
    start_with_everything
    ask_state
    has_everything
}

successors_are_ready() {
    (($(grep -c '\] dispatcher [0-9]*: ready, process' "$LOG") >= $1)) && [[ $(dispatchers | wc -l) == 2 ]]
}

@test "handlers of replaced dispatchers have the same state as handlers before" {
    require_users
    make_root
    start_with_everything
    await successors_are_ready 2
    ask_state
    grep -v '^environment\|^argument' state >before
    local i ready
    for i in 1 2; do
        ready=$(grep -c '\] dispatcher [0-9]*: ready, process' "$LOG")
        # shellcheck disable=SC2046
        kill -KILL $(dispatchers)
        await successors_are_ready $((ready + 2))
        # Ask twice, to reach both dispatchers.
        ask_state
        has_everything
        diff before <(grep -v '^environment\|^argument' state)
        ask_state
        has_everything
    done
}

@test "handlers keep the out-of-memory score that the daemon was started with" {
    choom -n 300 -- true 2>/dev/null || skip "choom cannot raise the score"
    WRAPPER=(choom -n 300 --)
    start -vv --address 127.0.0.1 --dispatchers 2 0 "$STATE"
    ask_state
    says "oom_score_adj 300"
    await successors_are_ready 2
    # shellcheck disable=SC2046
    kill -KILL $(dispatchers)
    await successors_are_ready 4
    ask_state
    says "oom_score_adj 300"
}

# ---- errors before the daemon listens ----

# refuses STATUS TEXT WORD...: expects the daemon to end with STATUS, and one line that has TEXT.  The
# port is in use, but the daemon must not report that.
refuses() {
    local wanted=$1 text=$2
    [[ -n ${PORT:-} ]] || start --address 127.0.0.1 0 cat
    run "-$wanted" timeout 20 ${REFUSED[@]+"${REFUSED[@]}"} "$DAMPENER" -v --address 127.0.0.1 "$PORT" "${@:3}"
    echo "status $status: $output"
    [[ $output == *"$text"* ]]
    [[ ${#lines[@]} == 1 && $output == "[ERROR] "* ]]
}

@test "unknown users and groups are refused: status 1" {
    refuses 1 "--user: 'no-such-user': there is no such user" --user no-such-user cat
    refuses 1 "--group: 'no-such-group': there is no such group" --group no-such-group cat
    refuses 1 "--user: '71234': there is no such user" --user 71234 cat
    refuses 1 "--user: '4294967295': there is no such user" --user 4294967295 --group 0 cat
    refuses 1 "--group: '4294967295': there is no such group" --group 4294967295 cat
}

@test "a user other than root cannot become another user or change the root directory: status 1" {
    require_root
    cp "$DAMPENER" "$BUILD/dispatcher" .
    DAMPENER=$PWD/socket-burst-dampener
    start --address 127.0.0.1 0 cat
    REFUSED=(setpriv --reuid=71000 --regid=71000 --clear-groups)
    refuses 1 "--user, --group: cannot become user 65534" --user nobody cat
    refuses 1 "--user, --group: cannot become user 71000 with group 65534" --group 65534 cat
    refuses 1 "--chroot: cannot make '/' the root directory: Operation not permitted" --chroot / cat
}

@test "a directory that is missing, is a file, or is closed to the user is refused: status 1" {
    require_root
    echo text >file
    mkdir -m 700 closed
    refuses 1 "--chdir: cannot change to the directory 'none': No such file" --chdir none cat
    refuses 1 "--chdir: cannot change to the directory 'file': Not a directory" --chdir file cat
    refuses 1 "--chroot: cannot make 'none' the root directory: No such file" --chroot none cat
    refuses 1 "--chroot: cannot make 'file' the root directory: Not a directory" --chroot file cat
    refuses 1 "--chdir: cannot change to the directory 'closed': Permission denied" \
        --user nobody --supervisor-user 71000:71000 --chdir closed cat
    if is_sanitized; then return; fi # a leak checker needs /proc
    make_root
    refuses 1 "--chdir: cannot change to the directory 'outside' below root: No such file" \
        --chroot root --chdir outside /bin/state
}

@test "a command that the user may not execute is refused: status 126" {
    require_root
    local as=(--user nobody --supervisor-user 71000:71000)
    chmod 700 handler
    refuses 126 "CMD: cannot execute './handler': Permission denied" "${as[@]}" ./handler
    mkdir -m 700 closed
    cp "$STATE" closed/handler
    refuses 126 "CMD: cannot execute 'closed/handler': Permission denied" "${as[@]}" closed/handler
    # Root may execute the command.
    stop
    start --address 127.0.0.1 0 closed/handler
}

@test "a command outside of the root directory is refused: status 127" {
    require_root
    make_root
    refuses 127 "CMD: cannot execute '$STATE': No such file" --chroot root "$STATE"
    refuses 127 "CMD: cannot execute 'cat': No such file" --chroot root cat
    refuses 127 "CMD: cannot execute 'bin/none': No such file" --chroot root bin/none
}

@test "a command whose loader is outside of the root directory is refused: status 127" {
    require_root
    make_root
    ldd "$STATE" 2>/dev/null | grep -q '/ld' || skip "programs need no loader here"
    local file
    for file in $(ldd "$STATE" | grep -o '/[^ ]*/ld[^ ]*'); do rm -f "root$file"; done
    refuses 127 "CMD: cannot execute '/bin/state': No such file" --chroot root /bin/state
}

@test "a script whose interpreter is missing is refused: status 127" {
    printf '#!/no/such/interpreter\n' >script
    chmod +x script
    refuses 127 "CMD: cannot execute './script': No such file" ./script
}

@test "a script that names no interpreter is refused: status 126" {
    echo 'echo hello' >script
    chmod +x script
    refuses 126 "CMD: cannot execute './script': Exec format error" ./script
    : >script
    refuses 126 "CMD: cannot execute './script': Exec format error" ./script
}

@test "limits that are too low to execute anything are refused: status 126" {
    refuses 126 "CMD: cannot execute '$STATE': a limit of --limit is too low (" --limit as=4K "$STATE"
    # Not stack=0: the first page of the stack may have room by chance.
    refuses 126 "CMD: cannot execute '$STATE': a limit of --limit is too low (" --limit as=200K "$STATE"
}

@test "hard limits that the daemon may not raise are refused: status 1" {
    require_root
    start --address 127.0.0.1 0 cat
    REFUSED=(prlimit --nofile=500:1000 --core=0:0 --
        setpriv --bounding-set=-sys_resource)
    refuses 1 "--limit: cannot raise a hard limit of 1000 to 2000: Operation not permitted" \
        --limit nofile=300:2000 cat
    refuses 1 "--limit: cannot raise a hard limit of 0 to " --limit core=unlimited cat
    stop
    WRAPPER=("${REFUSED[@]}")
    start --address 127.0.0.1 --limit nofile=1000:1000 0 "$STATE"
    ask_state
    says "limit nofile 1000 1000"
}

@test "root raises a hard limit above the daemon's for handlers that are not root" {
    require_root
    require_capability sys_resource
    WRAPPER=(prlimit --core=0:0 --)
    start --address 127.0.0.1 --limit core=1M:1G --user nobody --supervisor-user 71000:71000 0 ./handler
    ask_state
    says "limit core 1048576 1073741824"
}

@test "a nice value that the daemon may not set is refused: status 1" {
    require_root
    start --address 127.0.0.1 0 cat
    REFUSED=(setpriv --bounding-set=-sys_nice nice -n 5)
    refuses 1 "--nice: cannot set the nice value 4: Permission denied" --nice 4 cat
    refuses 1 "--nice: cannot set the nice value -20: Permission denied" --nice -20 cat
    stop
    WRAPPER=("${REFUSED[@]}")
    start --address 127.0.0.1 --nice 5 0 "$STATE"
    ask_state
    says "nice 5"
}

# Expects a handler to serve, and one line in the log: the command could not be tried because of $1.
serves_untried() {
    export ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0 # the leak checker uses ptrace, too
    start --address 127.0.0.1 0 "${@:2}"
    ask_state
    says "descriptors 0 1 2"
    cat "$LOG"
    [[ $(wc -l <"$LOG") == 1 && $(<"$LOG") == "[WARNING] CMD: cannot try '$2' before the start: $1; "* ]]
}

@test "a traced daemon serves, and warns that it could not try the command" {
    strace -D -f -o /dev/null true 2>/dev/null || skip "strace cannot trace here"
    WRAPPER=(strace -D -f -e trace=execve -o trace)
    serves_untried "tracing fails (Operation not permitted)" "$STATE"
    grep -q 'execve(' trace
}

@test "where tracing is forbidden, the daemon serves, and warns" {
    WRAPPER=("$BUILD/tests/tools/faults/untraceable" error)
    serves_untried "tracing fails (Operation not permitted)" "$STATE"
}

@test "where tracing kills the caller by SIGSYS, the daemon serves, and warns" {
    WRAPPER=("$BUILD/tests/tools/faults/untraceable" signal)
    serves_untried "a signal ended it (Bad system call)" "$STATE"
}

@test "a command that is open for writing at the start causes a warning, and runs later" {
    local writer
    cp "$STATE" busy
    exec {writer}>>busy
    start --address 127.0.0.1 0 ./busy
    grep -qF "CMD: cannot try './busy' before the start: executing it fails (Text file busy)" "$LOG"
    exec {writer}>&-
    ask_state
    says "descriptors 0 1 2"
}

@test "the log does not blame a limit if the command cannot be tried for another reason" {
    export ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0 # the leak checker uses ptrace, too
    WRAPPER=("$BUILD/tests/tools/faults/untraceable" signal)
    start --address 127.0.0.1 --limit as=4G 0 "$STATE"
    grep -qF "before the start: a signal ended it (Bad system call)" "$LOG"
    ask_state
    says "descriptors 0 1 2"
}
