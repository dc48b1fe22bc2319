#!/usr/bin/env bats
# Tests files that the daemon reads again at SIGHUP, although it cannot open files itself.

load ../shared/helpers
load ../shared/privileges

has_spare() { [[ -n $(spare) ]]; }

# Reports whether the daemon has ended so many reloads, all without an error.
has_reloaded() { [[ $(grep -c 'SIGHUP: files were read again' "$LOG") == "$1" ]]; }

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
    for process in $(all_dispatchers); do
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
    # A successor of the spare dispatcher reads them too.
    kill_dispatchers "$(spare)"
    await has_processes 3
    echo 'deny 127.0.1.3' >sub/rules
    hang_up
    is_served_from 127.0.1.2
    is_denied_from 127.0.1.3
}

@test "a file that only root can read causes a warning at the start, and at SIGHUP the old rules stay" {
    echo 'deny 127.0.1.1' >rules
    chmod 600 rules
    start_as_others -v --access-file rules 0 cat
    has_line "SIGHUP will not be able to read rules again, as user $HANDLERS_ID: Permission denied" "$LOG"
    is_denied_from 127.0.1.1
    echo 'deny 127.0.1.2' >rules
    hang_up
    has_line 'cannot read rules: Permission denied' said
    has_line 'SIGHUP: a file that could not be read keeps its old content' said
    is_denied_from 127.0.1.1
    is_served_from 127.0.1.2
    chmod 644 rules
    hang_up
    refute grep ERROR said
    is_denied_from 127.0.1.2
    is_served_from 127.0.1.1
}

@test "SIGHUP reads any file that root could read at the start" {
    require_root
    echo 'deny 127.0.1.1' >rules
    chmod 600 rules
    chown "$HANDLERS" rules
    start -v --access-file rules --address 127.0.0.1 0 cat
    is_denied_from 127.0.1.1
    echo 'deny 127.0.1.2' >rules
    hang_up
    has_line 'SIGHUP: files were read again' said
    is_denied_from 127.0.1.2
    has_field "$(spare)" CapEff 0000000000000020
}

@test "with --chroot no symbolic link leads SIGHUP to files that handlers can write" {
    require_root
    make_jail "$(command -v cat)"
    mkdir -p "jail$PWD"
    echo 'deny 127.0.1.1' >real
    echo 'deny 127.0.1.9' >"jail$PWD/real"
    ln -s "$PWD/real" rules
    start_as_others -v --chroot jail --access-file rules 0 "$(command -v cat)"
    has_line 'SIGHUP will not be able to read rules again' "$LOG"
    hang_up
    has_line 'SIGHUP: a file that could not be read keeps its old content' said
    is_denied_from 127.0.1.1
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

@test "a second SIGHUP during a reload makes the daemon read the latest content" {
    echo 'deny 127.0.1.1' >rules
    start_as_others -v --access-file rules 0 cat
    local process switches
    process=$(spare)
    kill -STOP "$process"
    await is_stopped "$process"
    echo 'deny 127.0.1.2' >rules
    kill -HUP "$DAEMON"
    status_of served # signals are handled in the order of their numbers, so the daemon has requested the file
    # The second SIGHUP comes before the daemon looks at the content for the first.
    kill -STOP "$DAEMON"
    await is_stopped "$DAEMON"
    kill -USR1 "$DAEMON"
    switches=$(field "$process" voluntary_ctxt_switches)
    kill -CONT "$process"
    await sleeps_again "$process" "$switches"
    echo 'deny 127.0.1.3' >rules
    kill -HUP "$DAEMON"
    kill -CONT "$DAEMON"
    await has_line 'SIGHUP: files were read again' "$LOG"
    is_served_from 127.0.1.1
    is_served_from 127.0.1.2
    is_denied_from 127.0.1.3
}

is_stopped() { [[ $(field "$1" State) == T* ]]; }

sleeps_again() { [[ $(field "$1" State) == S* ]] && (($(field "$1" voluntary_ctxt_switches) > $2)); }

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

@test "files are read even if the dispatcher with the request stops and is killed" {
    echo 'deny 127.0.1.1' >rules
    start_as_others -v --access-file rules 0 cat
    local process
    process=$(spare)
    kill -STOP "$process"
    echo 'deny 127.0.1.2' >rules
    kill -HUP "$DAEMON"
    is_denied_from 127.0.1.1 # the service goes on meanwhile
    is_served_from 127.0.1.2
    refute has_line 'SIGHUP: ' "$LOG"
    kill -KILL "$process"
    await has_line 'SIGHUP: files were read again' "$LOG"
    is_denied_from 127.0.1.2
    is_served_from 127.0.1.1
}

@test "a dispatcher that died with the request of an earlier reload does not count in the next reload" {
    echo 'deny 127.0.1.1' >rules
    start_as_others -v --access-file rules 0 cat
    local process last
    for last in 2 3; do
        await has_spare
        process=$(spare)
        kill -STOP "$process"
        echo "deny 127.0.1.$last" >rules
        kill -HUP "$DAEMON"
        status_of served # signals are handled in the order of their numbers, so the daemon has requested the file
        kill -KILL "$process"
        await has_reloaded $((last - 1))
        is_denied_from "127.0.1.$last"
    done
}

@test "the daemon reads both of two files even if the dispatcher with the request is killed" {
    echo 'deny 127.0.1.1' >rules
    echo first >message
    start_as_others -v --access-file rules --queue 1 --when-full refuse --busy-message @message 0 cat
    local process
    process=$(spare)
    kill -STOP "$process"
    echo 'deny 127.0.1.2' >rules
    echo second >message
    kill -HUP "$DAEMON"
    status_of served # signals are handled in the order of their numbers, so the daemon has requested the files
    kill -KILL "$process"
    await has_line 'SIGHUP: files were read again' "$LOG"
    is_denied_from 127.0.1.2
    connect_silently
    await status_is running 1
    local running=$CLIENT
    connect_silently
    await status_is queued 1
    [[ $(nc 127.0.0.1 "$PORT" </dev/null) == second ]]
    exec {CLIENT}>&- {running}>&-
}
