#!/usr/bin/env bats
# Tests services whose handlers are workers (--persistent): the installed examples with real clients, and
# the conversion that the manual shows.

load ../shared/helpers

WORKERS=$ROOT/scripts/install/workers

needs() { command -v "$1" >/dev/null || skip "$1 is not installed"; }

# Starts a daemon with a worker.
serve() { start --persistent --address 127.0.0.1 --processes 4 --timeout 30 --control control 0 "$@"; }

workers() {
    local process
    for process in $(dispatchers); do children "$process"; done
}

# True if that many clients have come and gone, and there is one worker, which is idle.  A client that
# came before that would get another worker.
is_idle_after() {
    status_says "accepted $1" "queued 0" "starting 0" "running 0" && [[ $(workers | wc -w) == 1 ]]
}

# Runs a client three times, and checks the answers, and that the same worker gave them all.
# Usage: answers_three_times PATTERN COMMAND...
answers_three_times() {
    local pattern=$1 number worker=
    shift
    for number in 1 2 3; do
        "$@" >answer
        grep -qE "$pattern" answer || { cat answer; return 1; }
        await is_idle_after "$number"
        [[ ${worker:=$(workers)} == "$(workers)" ]]
    done
}

# Connects, sends a part of a line, and resets the connection after at most so many seconds, or as soon
# as there is an answer.
leave_after() {
    perl -e 'use IO::Socket::INET;
        my $server = IO::Socket::INET->new(PeerAddr => $ARGV[0], PeerPort => $ARGV[1]) or die;
        syswrite $server, "root";
        vec(my $readable, fileno $server, 1) = 1;
        select $readable, undef, undef, $ARGV[2];
        setsockopt $server, SOL_SOCKET, SO_LINGER, pack "i i", 1, 0;' "$ADDRESS" "$PORT" "$1"
}

# Clients that leave, before the worker reads or while it does, do not end the worker; it leaves when the
# daemon ends.
survives_leavers() {
    local delay number=3 worker
    worker=$(workers)
    for delay in 0 0.1 0.3; do
        leave_after "$delay"
        await is_idle_after "$((++number))"
    done
    [[ $(workers) == "$worker" ]]
    stop
    ((STATUS == 0))
}

has_php() { php -m 2>/dev/null | grep -qx sockets; }

ask_finger() { printf 'root\r\n' | nc -w 10 "$ADDRESS" "$PORT"; }

@test "the worker in Python answers curl, whether it asks to keep the connection or not" {
    needs python3
    needs curl
    needs perl
    serve "$WORKERS/http.py"
    answers_three_times '^Hello 127.0.0.1, you asked: GET /file HTTP/1.[01]$' \
        curl -sS -m 10 "http://$ADDRESS:$PORT/file"
    survives_leavers
    serve "$WORKERS/http.py"
    answers_three_times '^Hello ' curl -sS -m 10 --http1.0 "http://$ADDRESS:$PORT/"
    curl -sS -m 10 -H 'Connection: close' "http://$ADDRESS:$PORT/a" "http://$ADDRESS:$PORT/b" >answer
    [[ $(cut -d ' ' -f 6 answer) == /a$'\n'/b ]]
}

@test "the worker in Perl answers finger clients" {
    perl -e 'require "syscall.ph"' || skip "Perl is not installed, or lacks syscall.ph"
    serve "$WORKERS/finger.pl"
    answers_three_times '^Login: root' ask_finger
    survives_leavers
}

# finger(1) speaks to no port but 79.
@test "the worker in Perl answers finger(1)" {
    needs finger
    perl -e 'require "syscall.ph"' || skip "Perl is not installed, or lacks syscall.ph"
    WRAPPER=(unshare --net sh -c 'ip link set lo up && exec "$@"' sh)
    "${WRAPPER[@]}" true || skip "a network namespace cannot be made"
    start --persistent --address 127.0.0.1 --control control 79 "$WORKERS/finger.pl"
    answers_three_times '^Login: root' \
        nsenter --target "$DAEMON" --net timeout 20 finger root@127.0.0.1
}

@test "the worker in Ruby sends each client a line of its file" {
    needs ruby
    needs perl
    printf 'a quotation\n' >quotes
    serve "$WORKERS/quote.rb" "$PWD/quotes"
    answers_three_times '^a quotation' nc -w 10 "$ADDRESS" "$PORT"
    grep -qE '^You waited [0-9]+ ms' answer
    survives_leavers
}

@test "the worker in PHP answers curl" {
    needs curl
    needs perl
    has_php || skip "PHP is not installed, or lacks its sockets"
    serve "$WORKERS/http.php"
    answers_three_times '^Hello 127.0.0.1, you asked: GET /file HTTP/1.[01]$' \
        curl -sS -m 10 "http://$ADDRESS:$PORT/file"
    survives_leavers
}

@test "the worker in C, built as its comment says, tells each client its address and the time" {
    needs perl
    cc -O2 -Wall -Wextra -Werror -o daytime "$WORKERS/daytime.c"
    serve ./daytime
    answers_three_times "^127.0.0.1, .* $(date +%Y)" nc -w 10 "$ADDRESS" "$PORT"
    survives_leavers
}

@test "workers that get no variables serve all the same" {
    local worker
    needs curl
    needs python3
    cc -O2 -o daytime "$WORKERS/daytime.c"
    start --persistent --no-env --address 127.0.0.1 0 ./daytime
    nc -w 10 "$ADDRESS" "$PORT" | grep -q '^somewhere, '
    stop
    for worker in http.py http.php; do
        if [[ $worker == *.php ]] && ! has_php; then continue; fi
        start --persistent --no-env --address 127.0.0.1 0 "$WORKERS/$worker"
        curl -sS -m 10 "http://$ADDRESS:$PORT/" | grep -q '^Hello you, '
        stop
    done
}

# Writes the displays of the manual's section PERSISTENT HANDLERS to the files 1, 2 and so on.
extract_displays() {
    awk '/^\.Sh / { inside = $0 == ".Sh PERSISTENT HANDLERS" }
        !inside { next }
        /^\.Bd -literal/ { display = ++number; next }
        /^\.Ed/ { display = 0; next }
        display { gsub(/\\e/, "\\"); print >display }' "$ROOT/supervisor/manual/socket-burst-dampener.8"
}

# Calls start with the words of the manual, but on another port.
start_as_shown() {
    local -a words
    read -r -a words <<<"$1"
    [[ ${words[0]} == socket-burst-dampener ]]
    words=("${words[@]/#7000/0}")
    start --address 127.0.0.1 "${words[@]:1}"
}

ask_greeting() {
    printf 'World\n' | nc -w 10 "$ADDRESS" "$PORT"
    printf 'everybody\n' | nc -w 10 "$ADDRESS" "$PORT"
}

@test "the inetd script of the manual and the worker that it becomes answer alike" {
    needs python3
    extract_displays
    bash -eu ./1
    bash -eu ./2
    eval "$(grep '^chmod ' 3)"
    grep -v '^chmod ' 3 >commands
    has_lines 2 commands
    start_as_shown "$(head -n 1 commands)"
    ask_greeting >as-script
    printf '%s\r\n' "Hello World at 127.0.0.1" "Hello everybody at 127.0.0.1" | diff - as-script
    stop
    start_as_shown "$(tail -n 1 commands)"
    ask_greeting | diff as-script -
    [[ -n $(workers) ]]
}

# A client of worker $1 asks $2 after the death of the dispatcher.
ask_after_death() {
    local worker
    start -v --persistent --address 127.0.0.1 --control control 0 "$WORKERS/$1"
    exec {CLIENT}<>"/dev/tcp/$ADDRESS/$PORT"
    await status_says "running 1"
    worker=$(workers | tr -d " \n")
    kill -KILL "$(dispatchers)"
    printf '%b' "$2" >&"$CLIENT"
    timeout 20 cat <&"$CLIENT" >answer
    exec {CLIENT}>&-
    [[ -s answer ]]
    await has_line "ended process $worker .* status 0," "$LOG"
    stop
}

@test "a worker whose dispatcher dies exits with status 0 when it has served its client" {
    needs python3
    ask_after_death http.py 'GET / HTTP/1.0\r\n\r\n'
    if perl -e 'require "syscall.ph"'; then ask_after_death finger.pl 'root\r\n'; fi
    if has_php; then ask_after_death http.php 'GET / HTTP/1.0\r\n\r\n'; fi
}

# Kills the dispatcher of an idle worker: the worker leaves.  Then kills the dispatcher of a worker that has
# not read its client yet: the worker serves that client, and leaves.
outlives_dispatcher() {
    local pattern=$1 worker
    shift
    start -v --persistent --address 127.0.0.1 --control control 0 "$@"
    nc -w 10 "$ADDRESS" "$PORT" >answer
    await is_idle_after 1
    worker=$(workers)
    kill -KILL "$(dispatchers)"
    await is_gone "$worker"
    nc -w 10 "$ADDRESS" "$PORT" >answer
    await is_idle_after 2
    worker=$(workers)
    kill -STOP "$worker"
    await is_stopped "$worker"
    exec {CLIENT}<>"/dev/tcp/$ADDRESS/$PORT"
    await status_says "running 1"
    kill_dispatchers "$(dispatchers)"
    kill -CONT "$worker"
    timeout 20 cat <&"$CLIENT" >answer
    exec {CLIENT}>&-
    grep -qE "$pattern" answer
    await has_line "ticket 3: ended process $worker .* status 0," "$LOG"
    stop
}

@test "a worker in C or Ruby whose dispatcher dies serves the client that it has, and exits with status 0" {
    cc -O2 -Wall -Wextra -Werror -o daytime "$WORKERS/daytime.c"
    outlives_dispatcher "^127.0.0.1, .* $(date +%Y)" ./daytime
    if command -v ruby >/dev/null; then
        printf 'a quotation\n' >quotes
        outlives_dispatcher '^a quotation' "$WORKERS/quote.rb" "$PWD/quotes"
    fi
}
