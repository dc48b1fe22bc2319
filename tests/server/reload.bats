#!/usr/bin/env bats
# Tests files that are read again at SIGHUP.  The supervisor cannot open files, so a child of the keeper
# reads them.

load ../shared/helpers
load ../shared/privileges

@test "SIGHUP reads files again, without root and even if another file has taken their name" {
    echo 'deny 127.0.1.1' >rules
    start_as_others -v --access-file rules 0 cat
    refute has_line 'will not be able to read' "$LOG"
    is_denied_from 127.0.1.1
    echo 'deny 127.0.1.2' >rules
    hang_up
    has_line 'SIGHUP: files were read again' said
    is_served_from 127.0.1.1
    is_denied_from 127.0.1.2
    echo 'deny 127.0.1.3' >rules.new
    mv rules.new rules
    hang_up
    has_line 'SIGHUP: files were read again' said
    is_served_from 127.0.1.2
    is_denied_from 127.0.1.3
}

# Makes a directory that holds program $1 and its libraries.
make_jail() {
    mkdir jail
    cp -L --parents "$1" jail
    ldd "$1" | grep -o '/[^ ]*' | xargs -I {} cp -L --parents {} jail
}

@test "SIGHUP reads 10,000 rules again" {
    echo 'deny 127.0.1.1' >rules
    start_as_others -v --access-file rules 0 cat
    awk 'BEGIN { for (i = 9999; i >= 0; i--) printf "deny 10.%d.%d.0/25\n", i / 250, i % 250 }' >rules
    echo 'deny 127.0.1.2' >>rules
    hang_up
    has_line 'SIGHUP: files were read again' said
    is_served_from 127.0.1.1
    is_denied_from 127.0.1.2
}

@test "SIGHUP reads files relative to the daemon's start directory, regardless of --chroot and --chdir" {
    require_ptrace
    make_jail "$(command -v cat)"
    mkdir -p jail/within sub
    echo 'deny 127.0.1.1' >sub/rules
    echo 'deny 127.0.1.9' >jail/within/rules
    start_as_others -v --chroot jail --chdir /within --access-file sub/rules 0 "$(command -v cat)"
    local process
    for process in $(dispatchers); do
        [[ $(readlink "/proc/$process/root") == "$PWD/jail" ]]
        [[ $(readlink "/proc/$process/cwd") == "$PWD/jail/within" ]]
    done
    is_denied_from 127.0.1.1
    echo 'deny 127.0.1.2' >sub/rules.new
    mv sub/rules.new sub/rules
    hang_up
    has_line 'SIGHUP: files were read again' said
    is_served_from 127.0.1.1
    is_served_from 127.0.1.9
    is_denied_from 127.0.1.2
}

@test "SIGHUP reads files that only root can read, and files of other users" {
    local owner
    for owner in root "$HANDLERS"; do
        echo 'deny 127.0.1.1' >rules
        chmod 600 rules
        chown "$owner" rules 2>/dev/null || skip "requires root"
        start_as_others -v --access-file rules 0 cat
        is_denied_from 127.0.1.1
        echo 'deny 127.0.1.2' >rules
        hang_up
        has_line 'SIGHUP: files were read again' said
        is_denied_from 127.0.1.2
        is_served_from 127.0.1.1
        stop
    done
}

@test "a file that the daemon's user cannot read keeps its old rules at SIGHUP" {
    require_root
    open_to_others
    chmod 777 .
    echo 'deny 127.0.1.1' >rules
    chmod 644 rules
    WRAPPER=(setpriv --reuid=65534 --regid=65534 --clear-groups --)
    start -v --address 127.0.0.1 --access-file rules 0 cat
    echo 'deny 127.0.1.2' >rules
    chmod 600 rules
    hang_up
    has_line 'cannot read rules: Permission denied' said
    has_line 'SIGHUP: a file that could not be read keeps its old content' said
    is_denied_from 127.0.1.1
    is_served_from 127.0.1.2
    chmod 644 rules
    hang_up
    refute grep ERROR said
    is_denied_from 127.0.1.2
}

@test "with --chroot no symbolic link leads SIGHUP to files that handlers can write" {
    require_root
    make_jail "$(command -v cat)"
    mkdir -p "jail$PWD"
    echo 'deny 127.0.1.1' >real
    echo 'deny 127.0.1.9' >"jail$PWD/real"
    ln -s "$PWD/real" rules
    start_as_others -v --chroot jail --access-file rules 0 "$(command -v cat)"
    echo 'deny 127.0.1.2' >real
    hang_up
    has_line 'SIGHUP: files were read again' said
    is_denied_from 127.0.1.2
    is_served_from 127.0.1.9
}

@test "SIGHUP follows a symbolic link, but does not wait for anything else than a file and keeps the old rules" {
    mkdir elsewhere
    echo 'deny 127.0.1.1' >elsewhere/one
    echo 'deny 127.0.1.2' >elsewhere/two
    ln -s elsewhere/one rules
    start_as_others -v --access-file rules 0 cat
    is_denied_from 127.0.1.1
    ln -s elsewhere/two rules.new
    mv -T rules.new rules
    hang_up
    has_line 'SIGHUP: files were read again' said
    is_served_from 127.0.1.1
    is_denied_from 127.0.1.2

    rm rules
    mkfifo -m 644 rules
    hang_up
    has_line 'cannot read rules: ' said
    has_line 'SIGHUP: a file that could not be read keeps its old content' said
    rm rules
    mkdir rules
    hang_up
    has_line 'cannot read rules: ' said
    has_line 'SIGHUP: a file that could not be read keeps its old content' said
    is_denied_from 127.0.1.2
    answers_hello

    rmdir rules
    ln -s elsewhere/one rules
    hang_up
    is_denied_from 127.0.1.1
}

# Sends SIGHUP and stops the process that reads the file, once it has opened it.  Sets READER.
hang_up_and_stop_reader() {
    local reason
    reason=$(no_tracer)
    if [[ -n $reason ]]; then skip "$reason"; fi
    trace "$DAEMON" -e trace=openat -e inject=openat:signal=STOP:when=1
    kill -HUP "$DAEMON"
    await has_line 'stopped by SIGSTOP' traced
    READER=$(sed -n 's/^\([0-9]*\) .*stopped by SIGSTOP.*/\1/p' traced)
    has_line "^$READER .*\"rules\"" traced
    end_trace
    await is_stopped "$READER"
}

@test "a second SIGHUP during a reload makes the daemon read the latest content" {
    echo 'deny 127.0.1.1' >rules
    start_as_others -v --access-file rules 0 cat
    echo 'deny 127.0.1.2' >rules
    hang_up_and_stop_reader
    echo 'deny 127.0.1.3' >rules.new
    mv rules.new rules
    kill -HUP "$DAEMON"
    status_of served # signals are handled in order, so the supervisor knows of the second
    kill -CONT "$READER"
    await has_line 'SIGHUP: files were read again' "$LOG"
    is_served_from 127.0.1.2
    is_denied_from 127.0.1.3
    [[ $(grep -c 'SIGHUP: ' "$LOG") == 1 ]]
}

@test "the last of many SIGHUPs counts" {
    echo 'deny 127.0.1.1' >rules
    start_as_others -v --access-file rules 0 cat
    local i
    for ((i = 1; i <= 100; i++)); do
        echo "deny 127.0.3.$i" >rules.new
        mv rules.new rules
        kill -HUP "$DAEMON"
    done
    await is_denied_from 127.0.3.100
    is_served_from 127.0.3.99
}

@test "a reload for which the file system does not answer ends after 10 s with the old rules, and the service goes on" {
    echo 'deny 127.0.1.1' >rules
    start_as_others -v --access-file rules 0 cat
    local begin=$SECONDS
    echo 'deny 127.0.1.2' >rules
    hang_up_and_stop_reader
    is_denied_from 127.0.1.1 # the service goes on meanwhile
    is_served_from 127.0.1.2
    await has_line 'SIGHUP: a file that could not be read keeps its old content' "$LOG"
    ((SECONDS - begin >= 9))
    has_line 'cannot read rules: its file system or a name server does not answer, or its reader was killed' "$LOG"
    await is_gone "$READER"
    is_denied_from 127.0.1.1
    hang_up
    has_line 'SIGHUP: files were read again' said
    is_denied_from 127.0.1.2
}

@test "a reload whose reader is killed ends with the old rules, and the next one succeeds" {
    echo 'deny 127.0.1.1' >rules
    start_as_others -v --access-file rules 0 cat
    echo 'deny 127.0.1.2' >rules
    hang_up_and_stop_reader
    kill -KILL "$READER"
    await has_line 'SIGHUP: a file that could not be read keeps its old content' "$LOG"
    is_denied_from 127.0.1.1
    hang_up
    has_line 'SIGHUP: files were read again' said
    is_denied_from 127.0.1.2
}

@test "the reader of a file dies with the keeper, and releases the name of the pid file" {
    local end
    for end in TERM KILL; do
        echo 'deny 127.0.1.1' >rules
        start_as_others -v --access-file rules --pid-file "$PWD/pid" 0 cat
        hang_up_and_stop_reader
        stop "$end"
        await is_gone "$READER"
        await nothing_is_left
        if [[ -e pid ]]; then refute grep -q ":$(stat -c %i .pid.lock) " /proc/locks; fi
    done
}

@test "SIGHUP reads both of two files" {
    echo 'deny 127.0.1.1' >rules
    echo first >message
    start_as_others -v --access-file rules --queue 1 --when-full refuse --busy-message @message 0 cat
    echo 'deny 127.0.1.2' >rules
    echo second >message
    hang_up
    has_line 'SIGHUP: files were read again' said
    is_denied_from 127.0.1.2
    connect_silently
    await status_is running 1
    local running=$CLIENT
    connect_silently
    await status_is queued 1
    [[ $(nc 127.0.0.1 "$PORT" </dev/null) == second ]]
    exec {CLIENT}>&- {running}>&-
}

@test "SIGHUP after the death of the keeper is logged, and keeps nobody busy" {
    echo 'deny 127.0.1.1' >rules
    start -v --address 127.0.0.1 --access-file rules 0 cat
    local standby supervisor before
    connect_silently
    await status_is running 1
    standby=$(standby)
    supervisor=$(supervisor)
    kill -KILL "$DAEMON"
    wait "$DAEMON" || true
    DAEMON=
    await has_line '^\[ERROR\] the keeper is dead' "$LOG"
    kill -HUP "$supervisor"
    await has_line '^\[WARNING\] SIGHUP: the keeper is dead: files keep their old content$' "$LOG"
    await is_asleep "$supervisor"
    before=$(switches "$supervisor")
    sleep 1.5
    (($(switches "$supervisor") < before + 5))
    exec {CLIENT}>&-
    await is_gone "$standby"
}
