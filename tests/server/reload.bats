#!/usr/bin/env bats
# Files that are read again at SIGHUP, by a service that may not open any.

load ../shared/helpers
load ../shared/privileges

@test "files are read again, by others than root, also if another file has taken their name" {
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

# A directory with a program, and all that it needs, in it.
make_jail() {
    mkdir jail
    cp -L --parents "$1" jail
    ldd "$1" | grep -o '/[^ ]*' | xargs -I {} cp -L --parents {} jail
}

@test "10,000 rules are read again, and the service goes on" {
    echo 'deny 127.0.1.1' >rules
    start_as_others -v --access-file rules 0 cat
    awk 'BEGIN { for (i = 9999; i >= 0; i--) printf "deny 10.%d.%d.0/25\n", i / 250, i % 250 }' >rules
    echo 'deny 127.0.1.2' >>rules
    hang_up
    has_line 'SIGHUP: files were read again' said
    is_served_from 127.0.1.1
    is_denied_from 127.0.1.2
}

@test "files are outside of --chroot, where the daemon was started, whatever --chdir says" {
    takes_trace
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
    # By a successor as well.
    kill_dispatchers "$(spare)"
    await has_processes 3
    echo 'deny 127.0.1.3' >sub/rules
    hang_up
    is_served_from 127.0.1.2
    is_denied_from 127.0.1.3
}

@test "a file that only root can read is warned of at the start, and at SIGHUP the old rules stay" {
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

@test "what root could read at the start, whosever it is, it can read again" {
    takes_root
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

@test "with --chroot no symbolic link leads a reading of files to what handlers can write" {
    takes_root
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

@test "a file may be a symbolic link; what is no file keeps the old rules, and nobody waits for it" {
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

@test "of two SIGHUPs, one right behind the other, the content at the second one counts" {
    echo 'deny 127.0.1.1' >rules
    start_as_others -v --access-file rules 0 cat
    local process switches
    process=$(spare)
    kill -STOP "$process"
    await is_stopped "$process"
    echo 'deny 127.0.1.2' >rules
    kill -HUP "$DAEMON"
    status_of served # it takes signals in the order of their numbers, so it has asked
    # The second one comes before what was read for the first one is looked at.
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

@test "of many SIGHUPs in a row the last one counts" {
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

@test "files are read even if the one that was asked to is stopped, and killed" {
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

@test "of two files neither is forgotten when the one that was asked to read them is killed" {
    echo 'deny 127.0.1.1' >rules
    echo first >message
    start_as_others -v --access-file rules --queue 1 --when-full refuse --busy-message @message 0 cat
    local process
    process=$(spare)
    kill -STOP "$process"
    echo 'deny 127.0.1.2' >rules
    echo second >message
    kill -HUP "$DAEMON"
    status_of served # it takes signals in the order of their numbers, so it has asked
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
