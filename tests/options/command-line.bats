#!/usr/bin/env bats
# Tests every form of the command line: accepted values, and the messages about other values.

load ../shared/helpers

# Runs the daemon with the words behind $1, and requires status 2 and a message of one line that holds
# $1.
refuses() {
    local expected=$1
    shift
    run "$DAMPENER" "$@"
    echo "$output"
    [[ $status == 2 ]]
    [[ ${#lines[@]} == 1 ]]
    [[ $output == "socket-burst-dampener: "*"$expected"* ]]
}

# Runs the daemon with option $1 and value $2, and requires a message of one line that begins with $3.
is_unknown() {
    run "$DAMPENER" "$1" "$2" 0 cat
    echo "$output"
    ((status != 0))
    [[ ${#lines[@]} == 1 ]]
    [[ $output == "[ERROR] $1: '$2': $3"* ]]
}

serves() {
    start --address 127.0.0.1 "$@"
    [[ $(echo hello | nc -N 127.0.0.1 "$PORT") == hello ]]
    stop
    [[ $STATUS == 0 ]]
}

@test "PORT refuses anything but a port, a service, unix:PATH or systemd" {
    local word
    for word in 65536 -1 12x '' ' 80' 0x50 no-such-service 99999999999999999999; do
        refuses "PORT: '$word': expected a number from 0 to 65535, the name of a TCP service, unix:PATH, or systemd" \
            "$word" cat
    done
    refuses "PORT: 'unix:': expected the path of a socket behind unix:" unix: cat
    refuses "of 107 bytes at most" "unix:$(printf 'a%.0s' {1..108})" cat
}

@test "PORT accepts the name of a service" {
    # In a network namespace the port is free and no other client connects.
    [[ $(id -u) == 0 ]] || skip "a network namespace needs root"
    getent services rsync || skip "/etc/services does not name rsync"
    # shellcheck disable=SC2016
    WRAPPER=(unshare --net sh -c 'ip link set lo up; exec "$@"' sh)
    start --address 127.0.0.1 rsync cat
    [[ $PORT == 873 ]]
}

@test "PORT and CMD are required" {
    refuses "PORT and CMD are missing"
    refuses "PORT and CMD are missing" --processes 1
    refuses "CMD is missing" 0
    refuses "CMD is missing" 0 --processes 1
    refuses "CMD is missing" 0 --
    refuses "CMD: '': expected a command" 0 ''
}

@test "--processes accepts a whole number from 0" {
    local word
    for word in -1 x '' 1.5 4194305 1k ' 1' +1 99999999999999999999; do
        refuses "--processes: '$word': expected a whole number from 0 (no limit) to 4194304" \
            --processes "$word" 0 cat
    done
    serves --processes 3 0 cat
    serves --processes=0 0 cat
}

@test "--queue accepts a whole number from 0" {
    local word
    for word in -1 x '' 4294967295; do
        refuses "--queue: '$word': expected a whole number from 0 to 4294967294" --queue "$word" 0 cat
    done
    serves --queue 0 0 cat
    serves --queue 4294967294 0 cat
}

@test "--dispatchers accepts a whole number from 1 to 64" {
    local word
    for word in 0 65 -1 x ''; do
        refuses "--dispatchers: '$word': expected a whole number from 1 to 64" \
            --dispatchers "$word" 0 cat
    done
    start --address 127.0.0.1 --dispatchers 5 0 cat
    [[ $(dispatchers | wc -l) == 5 ]]
}

@test "--dispatchers defaults to the number of processors the daemon may use, and at least 2" {
    WRAPPER=(taskset -c 0)
    start --address 127.0.0.1 0 cat
    [[ $(dispatchers | wc -l) == 2 ]]
}

@test "--queue-timeout accepts a time from 1 ms" {
    local word
    for word in 0 0.5ms x '' -1 1d 9000h; do
        refuses "--queue-timeout: '$word': expected a time from 1ms up to a year" \
            --queue-timeout "$word" 0 cat
    done
    serves --queue-timeout 1.5m 0 cat
}

@test "--when-full, --order and --abandon accept only their words" {
    refuses "--when-full: 'drop': expected wait or refuse" --when-full drop 0 cat
    refuses "--when-full: '': expected wait or refuse" --when-full '' 0 cat
    refuses "--order: 'Fair': expected arrival or fair" --order Fair 0 cat
    refuses "--abandon: 'half': expected hangup, half-close, silent or never" --abandon half 0 cat
    serves --when-full wait --order arrival --abandon hangup 0 cat
    serves --when-full refuse --order fair --abandon never 0 cat
}

@test "--busy-message accepts a text with three escapes, or a file" {
    local word
    for word in 'a\t' "a\\" '@' "$(printf '%4097s' x)"; do
        refuses "--busy-message: '$word': expected a text of 4096 bytes at most, with \\n, \\r, \\\\ and" \
            --busy-message "$word" 0 cat
    done
    printf busy >message
    serves --busy-message @message 0 cat
    serves --busy-message '@ERROR: busy\n' 0 cat
}

@test "--per-source and --per-source-queue accept whole numbers" {
    local word
    for word in 0 -1 x '' 4194305; do
        refuses "--per-source: '$word': expected a whole number from 1 to 4194304" \
            --per-source "$word" 0 cat
    done
    refuses "--per-source-queue: '4294967295': expected a whole number from 0 to 4294967294" \
        --per-source-queue 4294967295 0 cat
    serves --per-source 1 --per-source-queue 0 0 cat
}

@test "none lifts a limit and is no value for other options" {
    serves --processes none --queue none --queue-timeout none --per-source none --per-source-queue none \
        --load-average none --rate none 0 cat
    refuses "--rate: '0': expected N or N/TIME, such as 20 or 100/1m, with N from 1 to 1000000 and TIME from 1ms to 24h, or none" \
        --rate 0 0 cat
    refuses "--dispatchers: 'none': expected a whole number from 1 to 64;" --dispatchers none 0 cat
}

@test "--source-prefix accepts one or two prefix lengths" {
    local word
    for word in '' 33 '32,' ,64 32,129 32,64,1 x 32,x -1 0032; do
        refuses "--source-prefix: '$word': expected one or two prefix lengths" \
            --source-prefix "$word" 0 cat
    done
    serves --source-prefix 24 --order fair 0 cat
    serves --source-prefix 0,0 --order fair 0 cat
    serves --source-prefix 32,128 --order fair 0 cat
}

@test "--pressure accepts one to three percentages, each once" {
    local word
    for word in '' 5 cpu cpu= cpu=x cpu=101 cpu=-1 'cpu=5,' ,cpu=5 cpu=5,cpu=6 disk=5 cpu=5memory=6; do
        refuses "--pressure: '$word': expected one or more of cpu=P, memory=P and io=P" \
            --pressure "$word" 0 cat
    done
    [[ -e /proc/pressure/cpu ]] || skip "the kernel has no pressure stall information"
    serves --pressure io=100,cpu=99.5,memory=0 0 cat
}

@test "--rate accepts a number from 1 and a time" {
    local word
    for word in 0 -1 x '' 1/ /1 1000001 5/0 5/25h 5/x 5/1/1; do
        refuses "--rate: '$word': expected N or N/TIME" --rate "$word" 0 cat
    done
    serves --rate 1000000/24h 0 cat
    serves --rate 5 0 cat
    serves --rate 5/1ms 0 cat
}

@test "--allow and --deny accept addresses, prefixes and hosts, and no mistyped address passes for a host" {
    local word
    for word in '' x_y 10.0.0 10.0.0/8 300.1.1.1 0x7f.1 10.0.0.0-9 host/24 10.0.0.0/33 10.0.0.0/ \
        10.0.0.1/8 ::/129 fe80::1%lo ' ::1' All; do
        refuses "--allow: '$word': " --allow "$word" 0 cat
        refuses "--deny: '$word': " --deny "$word" 0 cat
    done
    serves --allow localhost 0 cat
    serves --allow 127.0.0.0/8 --allow ::1 --deny all 0 cat
    refuses "--access-file: '': expected the path of a file" --access-file '' 0 cat
}

@test "--load-average accepts a number from 0" {
    local word
    for word in -1 x '' nan inf 1e3 0x4 1. .5 1,5; do
        refuses "--load-average: '$word': expected a number of 0 or more" \
            --load-average "$word" 0 cat
    done
    serves --load-average 2.5 0 cat
    serves --load-average 0 0 cat # one handler may always run
}

@test "--user, --group and --supervisor-user refuse an empty value" {
    refuses "--user: '': expected the name or number of a user" --user '' 0 cat
    refuses "--group: '': expected the name or number of a group" --group '' 0 cat
    refuses "--supervisor-user: '': expected a user, as USER or USER:GROUP" \
        --supervisor-user '' 0 cat
}

@test "--user, --group and --supervisor-user require an existing user or group" {
    [[ $(id -u) == 0 ]] || skip "only root can become another user"
    is_unknown --user nobdy "there is no such user; expected the name or number of one"
    is_unknown --user -1 "there is no such user; expected the name or number of one"
    is_unknown --user 3999999 "there is no such user; a number without an entry is accepted together"
    is_unknown --group nobdy "there is no such group; expected the name or number of one"
    is_unknown --group 4294967295 "there is no such group; expected the name or number of one"
    is_unknown --supervisor-user nobdy "there is no such user; expected the name or number of one"
    is_unknown --supervisor-user root: "there is no such group; expected the name or number of one"
    is_unknown --supervisor-user 3999999 "there is no such user; a number without an entry"
}

@test "--chroot and --chdir accept a path as long as the kernel allows" {
    local option
    for option in --chroot --chdir; do
        refuses "$option: '': expected the path of a directory" "$option" '' 0 cat
        refuses "expected the path of a directory, of 4095 bytes at most" \
            "$option" "$(printf '/%4095s' x)" 0 cat
    done
    serves --chdir / 0 cat
}

@test "--umask accepts an octal number up to 777" {
    local word
    for word in '' 8 1000 -1 +1 ' 22' 0x1 22x '2 2'; do
        refuses "--umask: '$word': expected an octal number from 0 to 777, such as 022" \
            --umask "$word" 0 cat
    done
    for word in 0 27 0022 777; do serves --umask "$word" 0 cat; done
}

@test "--nice accepts a whole number from -20 to 19" {
    local word
    for word in '' - -21 20 +5 --5 1.5 x ' 1' 99999999999999999999; do
        refuses "--nice: '$word': expected a whole number from -20 to 19" --nice "$word" 0 cat
    done
    serves --nice 19 0 cat
    serves --nice=19 0 cat
}

@test "--limit accepts a name with one or two limits" {
    local word
    for word in '' nofile nofile= =1 file=1 NOFILE=1 nofile=x nofile=-1 nofile=1: nofile=:1 \
        nofile=1:2:3 as=1k as=1.5G as=16777216T as=18446744073709551615; do
        refuses "--limit: '$word': expected NAME=SOFT or NAME=SOFT:HARD, each limit a whole number" \
            --limit "$word" 0 cat
    done
    refuses "NAME one of as, core, cpu, data, fsize, locks, memlock, msgqueue, nice, nofile, nproc, rss, rtprio, rttime, sigpending and stack" \
        --limit file=1 0 cat
    refuses "--limit: 'core=1K:1023': the soft limit is above the hard one" \
        --limit core=1K:1023 0 cat
    serves --limit core=0 --limit nofile=64:256 --limit stack=1M 0 cat
}

@test "--timeout accepts a time from 1 ms, and --kill-after any time" {
    local word
    for word in 0 0.5ms x '' -1 1d 9000h; do
        refuses "--timeout: '$word': expected a time from 1ms up to a year" --timeout "$word" 0 cat
    done
    for word in x '' -1 1d 9000h; do
        refuses "--kill-after: '$word': expected a time up to a year" --kill-after "$word" 0 cat
    done
    serves --timeout 1h --kill-after 0 0 cat
    serves --timeout 1m --kill-after 1.5s 0 cat
}

@test "--stderr accepts only its words, and paths with a slash" {
    local word
    for word in '' Null socke 2 file; do
        refuses "--stderr: '$word': expected inherit, socket or null, or the path of a file, with a / in it" \
            --stderr "$word" 0 cat
    done
    refuses "expected a path of 4095 bytes at most" --stderr "$(printf '/%4095s' x)" 0 cat
    for word in inherit socket null ./null; do serves --stderr "$word" 0 cat; done
}

@test "--no-env and --no-new-privs refuse a value" {
    refuses "--no-env: takes no value, but was given '1'" --no-env=1 0 cat
    refuses "--no-new-privs: takes no value, but was given ''" --no-new-privs= 0 cat
    refuses "--no-: ambiguous, it could be --no-env or --no-new-privs" --no- 0 cat
    serves --no-env --no-new-privs 0 cat
}

@test "--drain-timeout accepts a time with or without a unit" {
    local word
    for word in -1 x '' 1d 1.s 's' '1 s' 9999999h 1ms2; do
        refuses "--drain-timeout: '$word': expected a time up to a year" \
            --drain-timeout "$word" 0 cat
    done
    for word in 10 10.5 10s 9999ms 2m 0.5h; do serves --drain-timeout "$word" 0 cat; done
    # With --drain-timeout 0 the daemon exits with status 0 because no handler runs any more.
    start --address 127.0.0.1 --drain-timeout 0 0 cat
    [[ $(echo hello | nc -N 127.0.0.1 "$PORT") == hello ]]
    await status_is served 1
    stop
    [[ $STATUS == 0 ]]
}

@test "--ready-fd requires an open descriptor" {
    local word
    for word in -1 x '' 99 2147483648 0 2; do
        refuses "--ready-fd: '$word': expected the number of an open descriptor" \
            --ready-fd "$word" 0 cat
    done
}

@test "--ready-fd receives one line for each listener and is then closed" {
    local line lines=() serving
    exec {serving}< <(close_descriptors; exec "$DAMPENER" --ready-fd 1 \
        --address 127.0.0.1 --address ::1 0 cat 2>>"$LOG" </dev/null)
    DAEMON=$!
    while read -r line; do lines+=("$line"); done <&"$serving" # until the end of file
    exec {serving}<&-
    is_alive "$DAEMON"
    [[ ${#lines[@]} == 2 ]]
    [[ ${lines[0]} =~ ^127\.0\.0\.1\ [1-9][0-9]*$ ]]
    [[ ${lines[1]} =~ ^::1\ [1-9][0-9]*$ ]]
    count_descriptors
}

@test "--ready-fd may be a descriptor number that the dispatchers use" {
    local number
    for number in 3 4; do
        (
            close_descriptors
            eval "exec $number>ready.$number"
            exec "$DAMPENER" --address 127.0.0.1 --ready-fd "$number" 0 cat 2>>"$LOG" </dev/null
        ) &
        DAEMON=$!
        await has_content "ready.$number"
        read -r ADDRESS PORT <"ready.$number"
        [[ $(echo hello | nc -N 127.0.0.1 "$PORT") == hello ]]
        stop
        [[ $STATUS == 0 ]]
    done
}

@test "--address requires a host that exists" {
    refuses "--address: '': expected an address or host name" --address '' 0 cat
    run "$DAMPENER" --address 256.256.256.256 0 cat
    [[ $status == 1 ]]
    [[ $output == "[ERROR] cannot listen on 256.256.256.256: "* ]]
}

@test "--backlog is ignored with a warning" {
    serves --backlog 5 0 cat
    grep -q '^\[WARNING\] --backlog is ignored' "$LOG"
}

@test "--control and --takeover require the path of a socket" {
    local option
    for option in --control --takeover; do
        refuses "$option: '': expected the path of a socket" "$option" '' 0 cat
        refuses "of 107 bytes at most" "$option" "$(printf 'a%.0s' {1..108})" 0 cat
    done
    serves --control here 0 cat
}

@test "--metrics requires an address and a port" {
    local word
    for word in '' 9100 127.0.0.1 127.0.0.1: 127.0.0.1:65536 ::1:9100 '[::1]9100' '[:9100' \
        127.0.0.1:x; do
        refuses "--metrics: '$word': expected ADDRESS:PORT" --metrics "$word" 0 cat
    done
    for word in 127.0.0.1:0 '[::1]:0' :0 localhost:0; do serves --metrics "$word" 0 cat; done
    run "$DAMPENER" --metrics 192.0.2.1:0 0 cat
    [[ $status == 1 && $output == *192.0.2.1:0*--metrics* ]]
}

@test "--pid-file requires the path of a file" {
    refuses "--pid-file: '': expected the path of a file" --pid-file '' 0 cat
    serves --pid-file here 0 cat
}

@test "--log-format accepts only its words" {
    local word
    for word in '' JSON jso; do
        refuses "--log-format: '$word': expected text, timed or json" --log-format "$word" 0 cat
    done
    for word in text timed json; do serves --log-format "$word" 0 cat; done
}

@test "--socket-mode and --bind-to-device refuse invalid values" {
    local word
    for word in '' 8 1000 0x1 rw; do
        refuses "--socket-mode: '$word': expected an octal number from 0 to 777" \
            --socket-mode "$word" unix:here cat
    done
    for word in '' 1234567890123456; do
        refuses "--bind-to-device: '$word': expected the name of a network interface" \
            --bind-to-device "$word" 0 cat
    done
}

@test "the daemon refuses unknown options and options without their value" {
    refuses "--no-such: no such option" --no-such 0 cat
    refuses "-x: no such option" -x 0 cat
    refuses "-x: no such option" -vx 0 cat
    refuses "--processes: needs a value" 0 --processes
    refuses "--ipv4: takes no value, but was given 'x'" --ipv4=x 0 cat
}

@test "a mistyped option or value gets the one that was probably meant" {
    refuses "--procesess: no such option (did you mean --processes?); see --help" --procesess 1 0 cat
    refuses "--queue_timeout: no such option (did you mean --queue-timeout?)" 0 --queue_timeout=1 cat
    refuses "-p: no such option (did you mean --processes?)" -processes 3 0 cat
    refuses "-p: no such option (did you mean --pid-file?)" -pidfile=x 0 cat
    refuses "expected arrival or fair (did you mean fair?); see --help" --order Fiar 0 cat
    refuses "expected hangup, half-close, silent or never (did you mean half-close?)" \
        --abandon half_close 0 cat
    refuses "such as 30, 500ms, 1.5m or 2h, or none (did you mean none?)" --queue-timeout nnoe 0 cat
    refuses "P a percentage up to 100 (did you mean memory=?)" --pressure mem0ry=5 0 cat
    refuses "sigpending and stack (did you mean nofile=?); see --help" --limit nofiles=10 0 cat
    refuses "unix:PATH, or systemd (did you mean systemd?)" sytemd cat
}

@test "nothing is guessed for a word that is near to no other" {
    local -a words
    while read -r -a words; do
        run "$DAMPENER" "${words[@]}" 0 cat
        echo "$output"
        [[ $status == 2 && ${#lines[@]} == 1 && $output != *"did you mean"* ]]
    done <<'WORDS'
--no-such 1
--x
-x
-q
--order random
--order fa
--pressure io=500
--limit nofile=many
--processes -1
--backlogs 3
WORDS
}

@test "options may be shortened while they are unambiguous" {
    serves --proc 2 --load 99 --dr=10 0 cat
    refuses "--ipv: ambiguous, it could be --ipv4 or --ipv6" --ipv 0 cat
    refuses "--d: ambiguous, it could be --defer-accept or --deny" --d 1 0 cat
    refuses "--p: ambiguous, it could be --processes or --per-source" --p 1 0 cat
}

@test "options may stand before or after PORT, and -- ends them" {
    serves --processes 2 0 --load-average 99 -v cat
    serves 0 --processes 2 -- cat
    serves --processes 2 -- 0 cat
    serves -- 0 -- cat
}

@test "every word from CMD on belongs to the command" {
    start --address 127.0.0.1 0 bash -c 'echo "$@"' bash --processes 0 -- -h --version
    [[ $(nc -N 127.0.0.1 "$PORT" </dev/null) == "--processes 0 -- -h --version" ]]
}

names_in_table() {
    sed -nE 's/^ *(OPTION\()?"([a-z0-9-]+)", [A-Z]+, .*/\2/p' "$ROOT/supervisor/options/table.c" | grep -vx backlog
}

@test "--help fits 80 columns and shows every option" {
    run "$DAMPENER" --help
    [[ $status == 0 ]]
    local line option
    for line in "${lines[@]}"; do ((${#line} <= 80)); done
    while read -r option; do
        [[ $output == *"--$option"* ]]
    done < <(names_in_table)
    (($(names_in_table | wc -l) >= 50))
    [[ $("$DAMPENER" -h) == "$output" ]]
}

@test "--help and --version fail if the output cannot be written" {
    run bash -c '"$0" --help >/dev/full' "$DAMPENER"
    [[ $status == 1 ]]
    run bash -c '"$0" --version >/dev/full' "$DAMPENER"
    [[ $status == 1 ]]
}

@test "--version shows the name and the version of the program" {
    run "$DAMPENER" --version
    [[ $status == 0 ]]
    [[ $output =~ ^socket-burst-dampener\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
}

@test "-v logs listeners and handlers, -vv logs details, and the default level neither" {
    serves -v 0 cat
    grep -q '^\[INFO\] listening on 127\.0\.0\.1 port [0-9]*$' "$LOG"
    grep -Eq '^\[INFO\] ticket 1: started process [0-9]+ for 127\.0\.0\.1 port [0-9]+, waited 0\.[0-9]{3} s, 0 waiting$' "$LOG"
    grep -Eq '^\[INFO\] ticket 1: ended process [0-9]+ for 127\.0\.0\.1 port [0-9]+, ran [0-9]+\.[0-9]{3} s, status 0, user ' "$LOG"
    : >"$LOG"
    serves 0 cat
    [[ ! -s $LOG ]]
    serves -vv 0 cat
    grep -q '^\[DEBUG\] ' "$LOG"
    : >"$LOG"
    serves -v --verbose 0 cat
    grep -q '^\[DEBUG\] ' "$LOG"
}
