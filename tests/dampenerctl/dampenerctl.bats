#!/usr/bin/env bats
# What dampenerctl sends, prints and refuses, and the live view on real terminals.  Most tests run a
# stand-in for the daemon; the last ones run the daemon.

# shellcheck disable=SC2016 # a shell of its own expands what is quoted like that
load ../shared/helpers
load ../shared/control

CTL=$BUILD/dampenerctl
export CTL

# Starts the stand-in.  Its answer is the file "answer", and its socket is "control".
start_answerer() {
    rm -f control requests
    (
        close_descriptors
        exec "$BUILD/tests/programs/clients/answerer" control answer requests </dev/null >/dev/null 2>&1
    ) &
    ANSWERER=$!
    await test -e requests
}

end_process() {
    kill -"$2" "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
    await is_gone "$1"
}

stop_answerer() {
    end_process "$ANSWERER" TERM
    ANSWERER=
}

# Ends the stand-in and tmux; teardown calls this.
end_others() {
    if [[ -n ${ANSWERER:-} ]]; then stop_answerer; fi
    # tmux carries the mark of this test, so teardown awaits its end.
    if [[ -n ${TMUX_SERVER:-} ]]; then kill "$TMUX_SERVER" 2>/dev/null || true; fi
}

# Writes the figures of a busy daemon.  Replaces the file in one step, because a client may be reading
# it.
answer_figures() {
    cat >answer.new <<END
version 0.1.0
process 1234
state ${1:-serving}
uptime 1h02m
command rsync
listeners 5 0 127.0.0.1 port 873
listeners - - /run/x
accepted 17
queued ${2:-3}
starting 1
running 2
ended.served ${3:-4}
ended.refused_queue 6
ended.refused_source 0
ended.refused_timeout 1
ended.dropped 0
held_back_by the limit on handlers
gates 3.66 4 load
oldest 3.2s
limits.processes 8
limits.queue 100
limits.rate 10 in 1.0s
waits.of 512
waits.p50 100ms
waits.p90 400ms
waits.p99 900ms
waits.longest 1.2s
exits.failure 0
mood good
busiest 2 1 192.0.2.1/32
busiest 1 - 2001:db8::/64
END
    mv answer.new answer
}

# Runs a command that must fail: checks the exit status and standard error; standard output must be
# empty.
fails() {
    local expected=$1 message=$2
    shift 2
    status=0
    "$@" >output 2>error || status=$?
    [[ $status == "$expected" ]] || { echo "exit status $status" >&2; return 1; }
    [[ ! -s output ]]
    [[ $(cat error) == *"$message"* ]] || { cat error >&2; return 1; }
}

# ---- commands and answers ----

@test "dampenerctl sends its words as one line, and prints the answer" {
    printf 'processes is 16\nit was 8\n' >answer
    start_answerer
    [[ $("$CTL" control set processes 16) == "processes is 16"$'\n'"it was 8" ]]
    "$CTL" control -- set processes -1 >output
    printf 'paused' >answer
    [[ $("$CTL" control pause) == paused ]]
    [[ $(cat requests) == "set processes 16"$'\n'"set processes -1"$'\n'pause ]]
}

@test "an error goes to standard error, and the exit status is 1" {
    printf 'error: cannot set "mood": not a limit\n' >answer
    start_answerer
    fails 1 'dampenerctl: cannot set "mood": not a limit' "$CTL" control set mood 1
    fails 1 'dampenerctl: cannot set' "$CTL" control status
    fails 1 'dampenerctl: cannot set' "$CTL" --json control status
    fails 1 'dampenerctl: cannot set' "$CTL" control top
    refute grep -q 'error:' error
}

@test "if the daemon is unreachable, the message says why and what to check" {
    fails 1 "cannot connect to control: No such file or directory; was the daemon started with --control" \
        "$CTL" control status
    echo hello >answer
    start_answerer
    stop_answerer
    fails 1 "cannot connect to control: Connection refused; the daemon is not running" "$CTL" control pause
    fails 1 "Connection refused" "$CTL" control top
    ((EUID == 0)) || skip "becoming another user requires root"
    start_answerer
    chmod 600 control
    open_to_others
    cp "$CTL" ctl
    fails 1 "cannot connect to control: Permission denied; root, the user" run_as 65534 ./ctl control pause
}

@test "an empty, too long or malformed answer is an error" {
    : >answer
    start_answerer
    fails 1 "closed the connection without an answer" "$CTL" control status
    head -c 1048577 /dev/zero | tr '\0' x >answer
    fails 1 "longer than 1048576 bytes" "$CTL" control metrics
    head -c 1048576 /dev/zero | tr '\0' x >answer
    [[ $("$CTL" control metrics | wc -c) == 1048577 ]] # and a newline
    local answer
    for answer in '{"queued":1' 'queued 1' 'version 1' 'state' 'versions 1'; do
        printf '%s' "$answer" >answer
        fails 1 "control: the answer is not a table of figures" "$CTL" control status
        fails 1 "the answer is not a list of figures" "$CTL" control top
    done
}

@test "if the daemon is too old for a table or a live view, the message names an alternative" {
    echo 'error: unknown command; try help' >answer
    start_answerer
    fails 1 "dampenerctl: the daemon is too old to show a table; try --json" "$CTL" control status
    fails 1 "dampenerctl: the daemon is too old for a live view; try status --json" "$CTL" control top
    fails 1 "dampenerctl: unknown command; try help" "$CTL" control --json status
    [[ $(cat requests) == table$'\n'figures$'\n'status ]]
}

say_at_second() {
    : >answer
    await has_requests 2
    printf 'paused\n' >answer
}

has_requests() { (($(wc -l <requests) == $1)); }

@test "if the connection closes without an answer, as in a takeover, the command is sent once more" {
    : >answer
    start_answerer
    fails 1 "closed the connection without an answer, twice" "$CTL" control status
    has_requests 2
    stop_answerer
    rm answer
    mkfifo answer
    start_answerer
    say_at_second &
    [[ $("$CTL" control pause) == paused ]]
    wait $!
    [[ $(cat requests) == pause$'\n'pause ]]
}

@test "each command fails after ten seconds, whether the daemon is silent or its backlog is full" {
    [[ -n ${DAMPENER_LONG:-} ]] || skip "takes 10 s; scripts/check --long runs it"
    start_answerer
    local client
    local -a clients=()
    "$CTL" control status 2>silent &
    clients+=($!)
    await has_content requests
    kill -STOP "$ANSWERER"
    for ((client = 0; client < 12; client++)); do
        "$CTL" control status 2>"full$client" &
        clients+=($!)
    done
    for client in "${clients[@]}"; do
        status=0
        wait "$client" || status=$?
        ((status == 1))
    done
    kill -CONT "$ANSWERER"
    [[ $(cat silent full* | grep -c 'control: no answer within 10 s') == 13 ]]
    ((SECONDS < 19)) # ten seconds in all, not for each step
}

@test "wrong words get exit status 2 and one line, and nothing is sent" {
    echo hello >answer
    start_answerer
    fails 2 "the COMMAND is missing" "$CTL"
    fails 2 "the COMMAND is missing" "$CTL" control
    fails 2 "--json is for the command status only" "$CTL" control pause --json
    fails 2 "top takes no more words" "$CTL" control top now
    fails 2 "status takes no more words" "$CTL" control status now
    fails 2 "health takes no more words" "$CTL" control health now
    fails 2 "unrecognized option" "$CTL" --jason control status
    fails 2 "a control character" "$CTL" control set processes $'1\nset queue 1'
    fails 2 "a control character" "$CTL" control $'st\eatus'
    fails 2 "is empty" "$CTL" control set ''
    fails 2 "longer than" "$CTL" control "$(printf 'x%.0s' {1..1030})"
    fails 2 "longer than a Unix socket's" "$CTL" "$(printf '/x%.0s' {1..60})" status
    [[ ! -s requests && $(wc -l <error) == 1 ]]
}

@test "a first word that is neither a command nor a socket gets the command that was probably meant" {
    fails 2 '"stauts" is neither a command nor a socket (did you mean status?)' "$CTL" stauts
    fails 2 '"sett" is neither a command nor a socket (did you mean set?)' "$CTL" sett processes 4
    fails 2 '"dance" is neither a command nor a socket; try' "$CTL" dance
    fails 1 "cannot connect to run/x: No such file or directory" "$CTL" run/x status
    # A socket is a PATH, whatever its name.
    printf 'paused' >answer
    start_answerer
    mv control stauts
    [[ $("$CTL" stauts pause) == paused ]]
}

# ---- the only instance ----

# Runs dampenerctl where run/ is all that is below /run.
ctl_in_run() { unshare --mount sh -c 'mount --bind run /run && exec "$CTL" "$@"' sh "$@"; }

# Moves the socket of the stand-in to where a service manager has it.
make_instance() {
    mkdir -p "run/socket-burst-dampener/$1"
    mv control "run/socket-burst-dampener/$1/control"
}

@test "without a PATH the only instance gets the command" {
    [[ $(id -u) == 0 ]] || skip "a mount namespace needs root"
    printf 'processes is 16\n' >answer
    start_answerer
    make_instance rsync
    mkdir run/socket-burst-dampener/{empty,other}
    touch run/socket-burst-dampener/other/control # no socket
    [[ $(ctl_in_run set processes 16) == "processes is 16" ]]
    printf 'state           serving\n' >answer
    [[ $(ctl_in_run status) == "state           serving" ]]
    answer_figures
    ctl_in_run top | grep -q '^serving  rsync'
    [[ $(ctl_in_run health) == serving ]]
    # A first word that is no command is a PATH.
    [[ $(ctl_in_run /run/socket-burst-dampener/rsync/control health) == serving ]]
    fails 1 "cannot connect to run/other: No such file" ctl_in_run run/other status
    [[ $(cat requests) == "set processes 16"$'\n'table$'\n'figures$'\n'figures$'\n'figures ]]
}

@test "without a PATH, several instances are listed with the command for each" {
    [[ $(id -u) == 0 ]] || skip "a mount namespace needs root"
    start_answerer
    make_instance rsync
    end_process "$ANSWERER" TERM
    start_answerer
    make_instance "git dumb's"
    fails 2 "several instances run" ctl_in_run set rate 10/1m
    [[ $(cat error) == "dampenerctl: several instances run; name one of them:
   dampenerctl '/run/socket-burst-dampener/git dumb'\\''s/control' set rate 10/1m
   dampenerctl /run/socket-burst-dampener/rsync/control set rate 10/1m" ]]
    fails 2 "/rsync/control health" ctl_in_run health
    fails 2 "dampenerctl --json /run/socket-burst-dampener/rsync/control status" ctl_in_run --json status
    [[ ! -s requests ]]
}

@test "without a PATH and without an instance, the message says how to name one" {
    [[ $(id -u) == 0 ]] || skip "a mount namespace needs root"
    mkdir run
    fails 2 "no instance runs in /run/socket-burst-dampener: name the socket that the daemon got with --control, as in: dampenerctl PATH status;" \
        ctl_in_run status
    status=0
    ctl_in_run health >output || status=$?
    [[ $status == 1 && $(cat output) == "not serving: no instance runs in /run/socket-burst-dampener" ]]
}

# ---- health ----

# Expects that health prints this and exits with status 1, without a word on standard error.
is_not_serving() {
    local status=0
    "$CTL" control health >output 2>error || status=$?
    [[ $status == 1 && $(cat output) == "not serving: $1" && ! -s error ]] || { cat output error >&2; false; }
}

@test "health says in a word and by its exit status whether the daemon serves" {
    is_not_serving "cannot connect to control: No such file or directory; was the daemon started with --control and this path?"
    answer_figures
    start_answerer
    [[ $("$CTL" control health) == serving ]]
    answer_figures PAUSED
    is_not_serving paused
    answer_figures 'HANDED OVER'
    is_not_serving "handed over"
    answer_figures 'NOT SERVING'
    is_not_serving "no dispatcher can start a handler"
    printf 'version 9\n' >answer
    is_not_serving "the daemon does not say its state"
    echo hello >answer
    is_not_serving "the answer is not a list of figures"
    echo 'error: unknown command; try help' >answer
    is_not_serving "the daemon is too old to say it"
    printf 'version 9\nstate a\e[2J\n' >answer
    is_not_serving 'a?[2j'
    answer_figures
    fails 1 "cannot write to standard output" sh -c '"$CTL" control health >/dev/full'
}

@test "health of the daemon agrees with /healthz" {
    start_controlled --processes 1 0 cat
    [[ $("$CTL" control health) == serving ]]
    health_is 200
    "$CTL" control pause
    is_not_serving paused
    health_is 503
    "$CTL" control resume
    connect_more 2
    await field_is running 1
    "$CTL" control drain
    is_not_serving draining
    health_is 503
    hang_up
}

@test "--help fits 80 columns, and --version is one line" {
    "$CTL" --help >help
    grep -q '^Usage: dampenerctl' help
    [[ -z $(awk 'length > 80' help) ]]
    [[ $("$CTL" --version) =~ ^dampenerctl\ [0-9.]+$ ]]
    [[ $("$CTL" -h control status) == "$(cat help)" ]]
    fails 1 "cannot write to standard output" sh -c '"$CTL" --help >/dev/full'
}

# ---- status ----

@test "status asks for the table, and prints it" {
    printf 'state           serving\nqueued          3 of 100\n' >answer
    start_answerer
    "$CTL" control status | cmp - answer
    [[ $(cat requests) == table ]]
}

@test "--json prints the daemon's own object, wherever the option stands" {
    echo '{"version":"0.1.0","queued":3}' >answer
    start_answerer
    "$CTL" --json control status | cmp - answer
    "$CTL" control --json status | cmp - answer
    "$CTL" control status --json | cmp - answer
    [[ $(sort -u requests) == status ]]
}

# ---- output to a terminal ----

on_terminal() { script -qec "$1" /dev/null </dev/null; }

@test "control characters in an answer reach a file, but no terminal" {
    command -v script >/dev/null || skip "script is not installed"
    printf 'a\e[2Jb\x9bc\xc2\x9bd\te\xe2\x80\xaef\n' >answer
    start_answerer
    "$CTL" control metrics | cmp - answer
    [[ $(LC_ALL=C.UTF-8 on_terminal '"$CTL" control metrics' | tr -d '\r') == 'a?[2Jb?c?d'$'\t''e?f' ]]
    printf 'error: a\e[2Jb\n' >answer
    "$CTL" control pause 2>error || true
    [[ $(cat error) == 'dampenerctl: a?[2Jb' ]]
    printf 'version 1\nstate x\e[2J\ncommand \x9b1m\nbusiest 1 1 \e]0;\a\n' >answer
    "$CTL" control top >frame
    printf 'state           x\e[2J\ncommand         \x9b1m\n' >answer
    LC_ALL=C "$CTL" control status >>frame
    refute grep -q '[^[:print:]]' frame
    [[ $(grep -c 'x?\[2J' frame) == 2 ]]
}

# ---- the view without a suitable terminal ----

@test "top without a terminal prints one plain frame" {
    answer_figures
    start_answerer
    LC_ALL=C "$CTL" control top >frame
    grep -qx 'serving  rsync  up 1h02m  127.0.0.1 port 873  and 1 more  process 1234' frame
    grep -qx 'running  2 of 8           \[#########                           \]  starting 1' frame
    grep -qx 'rates    limit 10 in 1.0s' frame
    grep -qx 'machine  load 3.66 of 4' frame
    grep -qx 'held back by the limit on handlers' frame
    grep -qx 'unserved queue full 6  timeout 1' frame
    grep -qx 'busiest      2 waiting     1 running  192.0.2.1/32' frame
    # Nothing is empty or unknown, except the one count that the daemon does not know.
    [[ $(grep -c -- ' - ' frame) == 1 && $(grep -c '^$' frame) == 1 ]]
    refute grep -qE '^(queue |served/s)' frame
    refute grep -q '[^[:print:]]' frame
    refute grep -q 'q quits' frame
    [[ $(cat requests) == figures ]]
    LC_ALL=C.UTF-8 "$CTL" control top >frame
    grep -q '\[█████████  .*\]' frame
}

@test "top shows a dash for a figure that a daemon of another version does not send" {
    printf 'version 9\nqueued 3\nmood good\n' >answer
    start_answerer
    "$CTL" control top >frame
    grep -qx 'queued   3 of -.*' frame
    grep -qx -- '-  -  up -  process -  version 9' frame
    grep -qx 'held back by -' frame
    refute grep -qE 'nan|inf|mood' frame
}

@test "top on a dumb terminal prints one plain frame" {
    command -v script >/dev/null || skip "script is not installed"
    answer_figures
    start_answerer
    TERM=dumb on_terminal '"$CTL" control top' >frame
    grep -q 'held back by the limit on handlers' frame
    refute grep -q $'\e' frame
}

@test "top switches to the alternate screen first, and back last" {
    command -v script >/dev/null || skip "script is not installed"
    answer_figures
    start_answerer
    : >frames
    # shellcheck disable=SC2094 # it is what is read there that lets the writer end
    (await has_line 'held back by' frames; printf q) |
        TERM=xterm script -qec '"$CTL" control top' /dev/null >frames
    [[ $(cat frames) == $'\e[?1049h'*$'\e[?1049l' ]]
    [[ $(tr -d -c "\n" <frames | wc -c) == 0 ]] # top never scrolls
}

# ---- the live view ----

terminal() { env -u TMUX tmux -u -S "$PWD/tmux" -f /dev/null "$@"; }

# Opens a shell in a terminal of COLUMNS by ROWS, with some text on its screen.
open_terminal() {
    command -v tmux >/dev/null || skip "tmux is not installed"
    (
        close_descriptors
        LC_ALL=C.UTF-8 PS1='$ ' terminal new-session -d -x "$1" -y "$2" \
            "bash --norc --noprofile" </dev/null >/dev/null 2>&1
    )
    TMUX_SERVER=$(terminal display-message -p '#{pid}')
    enter 'stty -g >modes; echo earlier content'
    await shows '^earlier content$'
    await has_content modes
}

enter() { terminal send-keys "$1" Enter; }
screen() { terminal capture-pane -p; }
shows() { screen | grep -q -- "$1"; }
is_coloured() { terminal capture-pane -e -p | grep -q $'\e\\[38;5;'; }
shows_not() { ! shows "$1"; }
is_switched() { [[ $(terminal display-message -p '#{alternate_on} #{cursor_flag} #{wrap_flag}') == "$1" ]]; }

open_view() {
    enter "${1:-}\"\$CTL\" control top; echo status \$?; stty -g >modes.after"
    await shows 'held back by'
    is_switched '1 0 0'
}

# Expects the terminal as it was before top.
is_restored() {
    await shows "^status ${1:-0}\$"
    shows '^earlier content$'
    is_switched '0 1 1'
    await has_content modes.after
    cmp modes modes.after
}

@test "top on a terminal of 80 by 24 shows all figures, and ends at q" {
    answer_figures
    start_answerer
    open_terminal 80 24
    open_view
    await shows '^queue  .* ████* max 3$'
    answer_figures serving 90 24
    await shows '^queued   90 of 100 '
    await shows '^queue  .* [▂▃▄]*▂▂▂*█* max 90$'
    await shows_rates
    await shows '^running  2 of 8           \[█████████                           \]  starting 1$'
    await shows '^waited   p50 100ms  p90 400ms  p99 900ms  longest 1.2s  of the last 512$'
    await shows '^             1 waiting     - running  2001:db8::/64$'
    [[ $(screen | sed -n 24p) == 'q quits  p pauses  + - more or fewer handlers' ]]
    answer_figures DRAINING
    await shows '^DRAINING  rsync'
    await is_coloured # the colours that are legible on any background; tmux may still be drawing
    terminal send-keys q
    is_restored
}

# Raises "served" at each call: rates cover only the last seconds.
shows_rates() {
    SERVED=$((${SERVED:-24} + 10))
    answer_figures serving 90 "$SERVED"
    local grows='[1-9][0-9.]*/s'
    shows "^rates    started $grows  served $grows  accepted 0.0/s  limit 10 in 1.0s\$"
}

# Expects the screen of a terminal of 20 by 3.
is_tiny() { [[ $(screen) == "PAUSED  rsync
running  2 of 8
queued   3 of 100" ]]; }

@test "top on a terminal of 40 by 10 shows less, follows changes of the size, and ends at Ctrl-C" {
    answer_figures PAUSED
    start_answerer
    open_terminal 40 10
    open_view
    await shows '^machine'
    screen >frame
    grep -qx 'PAUSED  rsync  up 1h02m' frame
    grep -qx 'running  2 of 8           \[███         \]' frame
    grep -qx 'held back by the limit on handlers' frame
    grep -qx 'waited   p50 100ms  p90 400ms  p99 900ms' frame
    refute grep -q 'q quits' frame
    [[ $(sed -n 1p frame) == PAUSED* && $(sed -n 10p frame) == unserved* ]]
    terminal resize-window -x 80 -y 24
    await shows '^PAUSED  rsync  up 1h02m  127.0.0.1 port 873  and 1 more  process 1234$'
    await shows '^q quits  r resumes'
    terminal resize-window -x 20 -y 3
    await is_tiny
    terminal resize-window -x 80 -y 24
    await shows '^q quits  r resumes'
    terminal send-keys C-c
    is_restored
}

@test "top follows the size of its terminal at once, without asking the daemon" {
    answer_figures
    start_answerer
    open_terminal 80 24
    open_view
    local wide='  127.0.0.1 port 873  and 1 more  process 1234' before i at_once=0
    # If top waited for its next request, or sent one, the number of requests would grow each time.  On
    # a slow machine it may grow most times.
    for ((i = 0; i < 60 && at_once < 2; i++)); do
        before=$(wc -l <requests)
        terminal resize-window -x $((i % 2 ? 80 : 40)) -y 24
        if ((i % 2)); then
            await shows "^serving  rsync  up 1h02m$wide\$"
        else
            await shows '^serving  rsync  up 1h02m$'
        fi
        if has_requests "$before"; then at_once=$((at_once + 1)); fi
    done
    ((at_once == 2))
    terminal send-keys q
    is_restored
}

@test "top ends at SIGTERM, Ctrl-D or the end of its input, and restores the terminal" {
    answer_figures
    start_answerer
    open_terminal 80 24
    local way
    for way in term C-d; do
        rm -f modes.after
        enter "clear; echo earlier content"
        await shows '^earlier content$'
        open_view
        terminal send-keys C-s
        if [[ $way == term ]]; then
            kill -TERM "$(children "$(terminal display-message -p '#{pane_pid}')")"
        else
            terminal send-keys "$way"
        fi
        is_restored
    done
    rm -f modes.after
    enter clear
    await shows_not '^status'
    enter 'echo earlier content; true | "$CTL" control top; echo status $?; stty -g >modes.after'
    is_restored
}

@test "top restores the terminal at Ctrl-Z, and goes on after fg" {
    answer_figures
    start_answerer
    open_terminal 80 24
    open_view
    terminal send-keys C-z
    await shows 'Stopped'
    shows '^earlier content$'
    is_switched '0 1 1'
    enter 'rm -f modes.after; clear; echo earlier content'
    await shows_not 'Stopped'
    enter 'fg; echo status $?; stty -g >modes.after'
    await shows '^q quits  p pauses'
    is_switched '1 0 0'
    terminal send-keys q
    is_restored
}

@test "top sets up the terminal again after SIGSTOP and fg" {
    answer_figures
    start_answerer
    open_terminal 80 24
    open_view
    local shell
    shell=$(terminal display-message -p '#{pane_pid}')
    kill -STOP "$(children "$shell")"
    await shows 'Stopped'
    enter 'rm -f modes.after; clear; echo earlier content'
    await shows_not 'Stopped'
    enter 'fg; echo status $?; stty -g >modes.after'
    await shows '^q quits  p pauses'
    terminal send-keys q
    await shows '^status 0$'
    await has_content modes.after
    cmp modes modes.after
}

@test "top shows that the daemon is gone or silent, and keeps trying" {
    answer_figures
    start_answerer
    open_terminal 80 24
    open_view
    stop_answerer
    await shows '^TRYING AGAIN: cannot connect to control: Connection refused'
    await shows '^queued   3 of 100' # the last known figure
    answer_figures serving 42
    start_answerer
    await shows '^queued   42 of 100'
    await shows_not 'TRYING'
    rm answer
    await shows '^no answer for [0-9]* s$'
    terminal send-keys q
    is_restored
}

@test "top uses neither colours under NO_COLOR nor blocks outside of UTF-8" {
    answer_figures
    start_answerer
    open_terminal 80 24
    open_view 'NO_COLOR=1 LC_ALL=C '
    await shows '^queue  .* @@* max 3$'
    await shows '^running  2 of 8           \[#########  *\]  starting 1$'
    [[ $(terminal capture-pane -e -p) != *$'\e[3'* ]]
    terminal send-keys q
    is_restored
}

# ---- the daemon itself ----

# Starts the daemon with four slots, and a queue of eight.
start_daemon() { start_controlled --processes 4 --queue 8 0 cat; }

# True if one answer has all lines.  A starting client is neither queued nor running, so two answers may
# differ.
shows_lines() {
    local answer line
    answer=$("$CTL" control status)
    for line; do
        grep -qxF -- "$line" <<<"$answer" || return 1
    done
}

# Removes the fields that change between two requests.
standing() { sed 's/"uptime":[0-9.]*//; s/"oldest":[0-9.]*//'; }
says_the_same() { [[ $("$CTL" --json control status | standing) == "$(say status | standing)" ]]; }

@test "the status of the daemon is a table without unknown figures, and its JSON is passed on unchanged" {
    start_daemon
    connect_more 6
    await shows_lines 'queued          2 of 8' 'running         4 of 4' \
        'dispatchers     2 of 2 ready, 0 replaced'
    "$CTL" control status >table
    local line
    for line in 'state           serving' 'command         cat' "process         $DAEMON" \
        'accepted        6' 'running         4 of 4' 'held back by    --processes: as many handlers run as it allows' \
        'dispatchers     2 of 2 ready, 0 replaced' 'queue timeout   none' \
        'busiest         127.0.0.1/32                     waiting 2, running 4'; do
        grep -qxF -- "$line" table || { echo "not there: $line" >&2; cat table >&2; false; }
    done
    grep -qx "listening on    127.0.0.1 port $PORT  *backlog 0, dropped 0" table
    [[ -z $(awk 'length > 80' table) ]]
    # An unknown figure would be a dash.
    refute grep -qE ' -(,|  |$)' table
    grep -qx 'gates           none is set' table
    grep -qx 'start error     none' table
    await says_the_same
    "$CTL" --json control status | grep -q '^{"version":.*"queued":2,.*}$'
    hang_up
}

@test "set, pause and resume steer the daemon, and a refused command gives exit status 1" {
    start_daemon
    [[ $("$CTL" control set processes 2) == "processes is 2 now" ]]
    [[ $("$CTL" control pause) == "paused: 0 handlers run on, clients wait until resume" ]]
    connect_more 3
    await shows_lines 'queued          3 of 8'
    shows_lines 'state           PAUSED' 'running         0 of 2'
    [[ $("$CTL" control resume) == "serving: 3 clients have waited" ]]
    await shows_lines 'running         2 of 2' 'queued          1 of 8'
    fails 1 "dampenerctl: processes: 'x': expected a whole number" "$CTL" control set processes x
    fails 1 "dampenerctl: 'mood' cannot be set: expected one of processes, " "$CTL" control set mood 1
    fails 1 "dampenerctl: unknown command" "$CTL" control dance
    hang_up
}

@test "top of the daemon without a terminal prints one frame of the current figures" {
    start_daemon
    connect_more 6
    await shows_lines 'queued          2 of 8' 'running         4 of 4'
    LC_ALL=C "$CTL" control top >frame
    grep -qx "serving  cat  up [0-9.]*m*s  127.0.0.1 port $PORT  process $DAEMON  version .*" frame
    grep -qx 'running  4 of 4 .*\[####################################\]  starting 0' frame
    grep -qx 'queued   2 of 8 .*\[#########                           \]  oldest [0-9.]*m*s' frame
    grep -qx 'held back by --processes: as many handlers run as it allows' frame
    hang_up
}

@test "top of the daemon on a terminal of 80 by 24 follows the load, and ends at q" {
    start_daemon
    open_terminal 80 24
    open_view
    await shows '^running  0 of 4 .*\[  *\]  starting 0$'
    connect_more 6
    await shows '^running  4 of 4 .*\[████████████████████████████████████\]  starting 0$'
    await shows '^queued   2 of 8 .*\[█████████  *\]  oldest [0-9]'
    await shows '^busiest      2 waiting     4 running  127.0.0.1/32$'
    hang_up 4
    await shows '^running  2 of 4 .*\[██████████████████  *\]  starting 0$'
    await shows '^queued   0 of 8 .*\[  *\]$'
    await shows '^queue  .* max 2$'
    terminal send-keys q
    is_restored
    # top has changed nothing.
    hang_up
    await shows_lines 'served          6'
}

# ---- keys ----

press() { terminal send-keys "$1"; }

@test "keys pause and resume the daemon and change its handlers by one, after y, and show what came of it" {
    start_daemon
    open_terminal 80 24
    open_view
    press +
    await shows '^run at most 5 handlers, now 4? y: yes, any other key: no$'
    press n
    await shows '^q quits  p pauses'
    press +
    await shows '^run at most 5 handlers'
    press y
    await shows '^processes is 5 now$'
    await shows '^running  0 of 5 '
    press -
    await shows '^run at most 4 handlers, now 5?'
    press y
    await shows '^running  0 of 4 '
    press p
    await shows '^pause: start no more handlers, clients wait?'
    press y
    await shows '^PAUSED  cat'
    await shows '^paused: 0 handlers run on, clients wait until resume$'
    # The result makes room for the keys after a while.
    await shows '^q quits  r resumes'
    connect_more 1
    await shows '^held back by the operator.s pause$'
    press r
    await shows '^serving  cat'
    await shows '^serving: 1 clients have waited$'
    press q
    is_restored
    # Nothing else was changed.
    shows_lines 'running         1 of 4' 'queued          0 of 8'
    hang_up
}

@test "a function key does nothing, except that it answers a question with no" {
    start_daemon
    say pause >/dev/null
    open_terminal 80 24
    open_view
    await shows '^PAUSED  cat'
    press F2 # ESC O Q
    press F3 # ESC O R
    press +
    await shows '^run at most 5 handlers'
    press F2
    await shows '^q quits  r resumes'
    shows '^PAUSED  cat'
    press q
    is_restored
    field_is state paused
}

@test "a question that nobody answers goes away, and y does nothing then" {
    start_daemon
    open_terminal 80 24
    open_view
    press p
    await shows '^pause: start no more handlers'
    await shows '^q quits  p pauses'
    press y
    sleep 1.2 # it would ask again within a second
    shows '^serving  cat'
    press q
    is_restored
    field_is state serving
}

@test "top shows the refusal of a key's command, and that the daemon is gone" {
    answer_figures
    start_answerer
    open_terminal 80 24
    open_view
    press +
    await shows '^run at most 9 handlers, now 8?'
    printf 'error: processes: that is too many\n' >answer
    press y
    await shows '^processes: that is too many$'
    stop_answerer
    press r
    await shows '^cannot connect to control: Connection refused'
    press q
    is_restored
}
