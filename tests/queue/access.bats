#!/usr/bin/env bats
# Tests the access rules: --allow, --deny, --access-file.

load ../shared/helpers

# Succeeds if the daemon serves a client from address $1.
is_served_from() { [[ $("$BURST" -f "$1" -m '' "$ADDRESS" "$PORT" 1) == *" answered 1 "* ]]; }

start_with_rules() { start --address 127.0.0.1 "$@" 0 "$ANSWER" "$ANSWERS" "$COUNTER"; }

@test "--deny keeps matching clients out of the queue and serves all others" {
    start_with_rules --deny 127.0.1.0/24 --deny 127.0.2.1
    is_served_from 127.0.0.1
    is_served_from 127.0.2.2
    refute is_served_from 127.0.1.7
    refute is_served_from 127.0.2.1
    status_is denied 2
    status_is accepted 4
    await status_is served 2 # counts handlers that have ended, which may be after their answer
    grep -q '^\[WARNING\] denied 127.0.1.7 port [0-9]* by the access rules$' "$LOG"
}

@test "--allow alone denies all other clients" {
    start_with_rules --allow 127.0.1.0/24
    is_served_from 127.0.1.1
    refute is_served_from 127.0.0.1
}

@test "the most specific rule wins, in any order of rules" {
    start_with_rules --deny 127.0.1.128/25 --allow 127.0.1.200 --deny all --allow 127.0.1.0/24
    is_served_from 127.0.1.1
    refute is_served_from 127.0.1.129
    is_served_from 127.0.1.200
    refute is_served_from 127.0.2.1
}

@test "a denied client is denied even if the queue is full, and takes no place in it" {
    start_with_rules --deny 127.0.0.9 --processes 1 --queue 2
    connect_silently
    await status_is running 1
    "$BURST" "$ADDRESS" "$PORT" 1 >burst &
    local client=$!
    await status_is queued 1
    refute is_served_from 127.0.0.9
    status_is queued 1
    echo >&"$CLIENT"
    wait "$client"
}

@test "a denied client uses up a ticket" {
    start_with_rules --deny 127.0.0.9
    is_served_from 127.0.0.1
    refute is_served_from 127.0.0.9
    is_served_from 127.0.0.1
    [[ $(cut -d ' ' -f 1 "$ANSWERS") == "1
3" ]]
}

@test "IPv4 rules and IPv4-mapped rules match IPv4 clients of an IPv6 socket" {
    start --address :: --ipv6 --ipv4 --deny ::ffff:127.0.1.0/120 --allow ::/0 --deny 127.0.2.0/24 0 \
        "$ANSWER" "$ANSWERS" "$COUNTER"
    ADDRESS=127.0.0.1
    is_served_from 127.0.0.1
    refute is_served_from 127.0.1.1
    refute is_served_from 127.0.2.1
}

@test "IPv6 rules match IPv6 clients" {
    [[ -e /proc/net/if_inet6 ]] || skip "the kernel has no IPv6"
    start --address ::1 --deny 0.0.0.0/0 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    is_served_from ::1
    stop
    start --address ::1 --deny ::1 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    refute is_served_from ::1
    stop
    start --address ::1 --deny ::/64 --allow ::1/128 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    is_served_from ::1
}

@test "--access-file adds rules to the options at the start and again at SIGHUP" {
    printf '%s\n' '# who is served' '' 'deny 127.0.1.0/24 # not these' "  allow	127.0.1.5" >rules
    start_with_rules -v --access-file rules --deny 127.0.3.1
    refute is_served_from 127.0.1.1
    is_served_from 127.0.1.5
    refute is_served_from 127.0.3.1
    printf 'deny 127.0.2.0/24\r\n' >rules.new
    mv rules.new rules # gives the name to another file
    kill -HUP "$DAEMON"
    await has_line 'SIGHUP: files were read again' "$LOG"
    is_served_from 127.0.1.1
    refute is_served_from 127.0.2.1
    refute is_served_from 127.0.3.1
}

@test "deny all may be the first rule of a file that adds to one rule of the options" {
    printf 'deny all\nallow 127.0.1.1\n' >rules
    start_with_rules -v --access-file rules --allow 127.0.2.1
    is_served_from 127.0.1.1
    is_served_from 127.0.2.1
    refute is_served_from 127.0.0.1
    kill -HUP "$DAEMON"
    await has_line 'SIGHUP: files were read again' "$LOG"
    is_served_from 127.0.1.1
    is_served_from 127.0.2.1
    refute is_served_from 127.0.0.1
    stop
    [[ $STATUS == 0 ]]
}

@test "a bad access file at SIGHUP leaves the old rules, and the log shows the wrong line" {
    printf 'deny 127.0.1.0/24\n' >rules
    start_with_rules --access-file rules
    local wrong
    for wrong in "deny 127.0.2.0/33" "denied 127.0.2.1" "deny" "deny 127.0.2.1/24" "allow 127.0.1.0/24"; do
        printf '# a comment\ndeny 127.0.1.0/24\n%s\n' "$wrong" >rules
        : >"$LOG"
        kill -HUP "$DAEMON"
        await has_line 'SIGHUP: a file that could not be read keeps its old content' "$LOG"
        cat "$LOG"
        grep -q '^\[ERROR\] .*line 3' "$LOG"
        refute is_served_from 127.0.1.1
        is_served_from 127.0.2.1
    done
    rm rules
    kill -HUP "$DAEMON"
    await has_line 'cannot read rules: No such file or directory' "$LOG"
    refute is_served_from 127.0.1.1
}

@test "a bad access file at the start is an error that shows the wrong line, status 1" {
    printf 'allow 10.0.0.0/8\n\nallow every_body\n' >rules
    run "$DAMPENER" --access-file rules 0 cat
    echo "$output"
    [[ $status == 1 ]]
    [[ $output == *"[ERROR] --access-file: rules: line 3: 'every_body': expected"* ]]
    run "$DAMPENER" --access-file missing 0 cat
    [[ $status == 1 ]]
    [[ $output == *"[ERROR] --access-file: cannot read missing: No such file or directory"* ]]
    run "$DAMPENER" --allow 10.0.0.0/8 --deny 10.0.0.0/8 0 cat
    [[ $status == 1 ]]
    [[ $output == *"10.0.0.0/8 is allowed by "*" and denied by "* ]]
}

@test "the daemon accepts 10,000 rules" {
    local i
    for ((i = 0; i < 10000; i++)); do
        echo "deny 10.$((i / 250)).$((i % 250)).0/25"
    done >rules
    echo "deny 127.0.1.1" >>rules
    start_with_rules --access-file rules
    is_served_from 127.0.0.1
    refute is_served_from 127.0.1.1
}
