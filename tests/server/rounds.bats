#!/usr/bin/env bats
# Tests that no round of the loop, in keeper and supervisor, grows with what there is to do.

load ../shared/helpers
load ../shared/control
load ../takeover/takeover

ORPHANS=$BUILD/tests/programs/handlers/orphans
# So many clients wait.  No round deals with more than MOST of them, or the test cannot tell.
CROWD=2000
MOST=400
CROWD_OPTIONS=() # of burst
# Milliseconds.  Alone on the machine it takes a tenth of that; the other tests may run beside.
SOON=1000

# Starts a daemon whose handlers make orphans for $1 seconds, $2 each second.
start_makers() { start --control control --address 127.0.0.1 0 "$ORPHANS" "$1" "$2"; }

# Prints the most calls of $1 between two waits for events, in the trace of one process.  The supervisor
# also asks for signs of clients, 64 at once, which is no wait.
most_in_a_round() {
    awk -v "call=$1(" '
        /epoll_p?wait\(/ && !/, 64, 0(, NULL, 8)?\) += / { count = 0 }
        index($0, call) && ++count > most { most = count }
        END { print most + 0 }
    ' traced
}

# Skips a test that traces a daemon, before there is anything to end.
skip_without_tracer() {
    local reason
    reason=$(no_tracer)
    if [[ -n $reason ]]; then skip "$reason"; fi
}

trace_or_skip() {
    skip_without_tracer
    trace "$@"
}

@test "the keeper reaps at most 64 orphans a round, however fast handlers make them" {
    start_makers 2 3000 # a traced keeper is slower than that
    trace_or_skip "$DAEMON" -e trace=epoll_wait,epoll_pwait,wait4
    exec 9<>"/dev/tcp/127.0.0.1/$PORT"
    grep -q '^made ' <&9
    exec 9>&-
    end_trace
    echo "most: $(most_in_a_round wait4)"
    # Besides, it looks at the standby and at each dispatcher for each orphan.
    (($(grep -c 'wait4(' traced) > 1000))
    (($(most_in_a_round wait4) <= 64 * (2 + $(dispatchers | wc -l)) + 8))
}

@test "the supervisor takes at most 64 reports a round, however many have piled up" {
    start_makers 1 3000
    local stopped
    stopped=$(supervisor)
    trace_or_skip "$stopped" -e trace=epoll_wait,epoll_pwait,recvmsg
    exec 9<>"/dev/tcp/127.0.0.1/$PORT"
    await status_of_handlers 1
    kill -STOP "$stopped"
    await is_stopped "$stopped"
    grep -q '^made ' <&9
    exec 9>&-
    kill -CONT "$stopped"
    await status_is served 1
    end_trace
    echo "most: $(most_in_a_round recvmsg)"
    (($(grep -c 'recvmsg(' traced) > 200))
    # Besides, each dispatcher is heard, and operators are.
    (($(most_in_a_round recvmsg) <= 64 + 40))
}

# True if that many handlers have been started.
status_of_handlers() { (($(children_of_dispatchers | wc -l) >= $1)); }
children_of_dispatchers() {
    local process
    for process in $(dispatchers); do children "$process" | xargs -n 1; done
}

# Prints the milliseconds of the slowest answer to an operator while a command runs.
slowest_answer() {
    local asker
    "$ASK" -p 1 ./control healthz >answers 2>asked 3>&- 4>&- &
    asker=$!
    await has_content answers
    "$@"
    kill "$asker"
    wait "$asker"
    awk '{ print int($4 / 1000) }' asked
}

make_orphans() { [[ $(timeout 20 nc -N 127.0.0.1 "$PORT" </dev/null) == "made "* ]]; }

@test "operators are answered promptly while a handler makes 20,000 orphans a second" {
    start_makers 2 20000
    local slowest
    slowest=$(slowest_answer make_orphans)
    echo "slowest: $slowest ms"
    ((slowest < SOON))
    # And none of them is left.
    await has_no_zombies
}

# Reads the files again, and waits until the log says so.
read_again() {
    local before
    before=$(grep -c 'SIGHUP: files were read again' "$LOG" || true)
    kill -HUP "$DAEMON"
    await was_read_again "$before"
}

was_read_again() { (($(grep -c 'SIGHUP: files were read again' "$LOG") > $1)); }

@test "operators are answered promptly while 843,000 access rules are read again, which costs the supervisor next to nothing" {
    awk 'BEGIN {
        for (i = 0; i < 843000; i++) {
            j = i * 7919 % 843000 # no sorted list
            printf "deny 10.%d.%d.%d\n", j / 65536, j / 256 % 256, j % 256
        }
    }' >rules
    start -v --control control --access-file rules --address 127.0.0.1 0 cat
    local first spent slowest
    first=$(supervisor)
    spent=$(processor_time "$first")
    read_again
    read_again # now the first table is released
    spent=$(($(processor_time "$first") - spent))
    slowest=$(slowest_answer read_again)
    kill -KILL "$first"
    await is_replaced "$first"
    await status_is queued 0
    echo "spent: $spent ticks; slowest answer: $slowest ms; next supervisor: $(processor_time "$(supervisor)") ticks"
    ((spent * 1000 / $(getconf CLK_TCK) <= 50))
    (($(processor_time "$(supervisor)") * 1000 / $(getconf CLK_TCK) <= 50))
    ((slowest < SOON))
}

# ---- crowds ----

# Starts a paused daemon, and has a crowd of clients wait.  Sets BURST_PROCESS.
start_crowd() {
    skip_without_tracer
    start -v --control control --address 127.0.0.1 --processes 1 0 sleep 1000
    say pause
    connect_crowd
}

begin_crowd() {
    : >burst
    (
        close_descriptors
        ulimit -n "$(ulimit -Hn)"
        exec "$BURST" -H -h "$CROWD" "${CROWD_OPTIONS[@]}" 127.0.0.1 "$PORT" "$CROWD" >burst
    ) &
    BURST_PROCESS=$!
    await has_line waiting burst
}

connect_crowd() {
    begin_crowd
    await_crowd field_is queued "$CROWD"
}

# Has all clients of the crowd reset their connections, which are noticed if they are watched.
reset_crowd() {
    kill -USR1 "$BURST_PROCESS"
    wait "$BURST_PROCESS"
    await_crowd fields_are queued 0 abandoned "$CROWD"
}

end_crowd() {
    kill "$BURST_PROCESS" 2>/dev/null || true
    wait "$BURST_PROCESS" || true
}

# True if the trace shows that call $1 was made for the whole crowd, but for few clients in a round.
is_in_slices() {
    local most
    most=$(most_in_a_round "$1")
    echo "most: $most"
    (($(grep -c "$1(" traced) >= CROWD - 1 && most <= MOST))
}

@test "at a second SIGTERM a crowd that waits is closed in slices, each client counted" {
    start_crowd
    kill -TERM "$DAEMON"
    await has_line "^.INFO. ending: waiting for" "$LOG"
    await field_is running 1
    trace "$(supervisor)" -e trace=epoll_wait,epoll_pwait,close
    kill -TERM "$DAEMON"
    finish
    [[ $STATUS == 1 ]]
    end_trace
    end_crowd
    is_in_slices close
    [[ $(grep -c " closed $((CROWD - 1)) waiting connections$" "$LOG") == 1 ]]
}

# Has the supervisor die as it closes client 500 of a crowd, or nearly that one.
kill_between() { trace "$(supervisor)" -e trace=close -e inject=close:signal=KILL:when=500; }

@test "a supervisor that is killed between two slices has a successor that closes the rest of the crowd" {
    local left
    start_crowd
    kill -TERM "$DAEMON"
    await has_line "^.INFO. ending: waiting for" "$LOG"
    await field_is running 1
    kill_between
    kill -TERM "$DAEMON"
    finish
    [[ $STATUS == 1 ]]
    end_trace
    end_crowd
    left=$(sed -n 's/.*takes the place of another: \([0-9]*\) clients wait, .*/\1/p' "$LOG")
    echo "left: $left"
    ((left > 0 && left < CROWD - 400))
    [[ $(grep -c " closed $left waiting connections$" "$LOG") == 1 ]]
}

@test "a supervisor that is killed after a takeover, between two slices, has a successor that lets the daemon leave" {
    start_crowd
    kill_between
    take_over -v --address 127.0.0.1 --processes 1 --control control "$PORT" sleep 1000
    old_has_left
    end_trace
    has_line "a supervisor takes the place of another: 1[0-9]* clients wait" "$LOG"
    field_is queued "$CROWD"
    reset_crowd
}

# Stops the supervisor, and lets the whole crowd reset its connections meanwhile.
reset_crowd_unseen() {
    kill -STOP "$1"
    await is_stopped "$1"
    kill -USR1 "$BURST_PROCESS"
    wait "$BURST_PROCESS"
}

@test "a crowd that resets its connections at once is ended in slices" {
    local stopped
    start_crowd
    stopped=$(supervisor)
    trace "$stopped" -e trace=epoll_wait,epoll_pwait,close
    reset_crowd_unseen "$stopped"
    kill -CONT "$stopped"
    await_crowd fields_are queued 0 abandoned "$CROWD"
    end_trace
    is_in_slices close
}

# Starts a daemon with options, whose handler serves client 1 until end_first().  A crowd waits.
start_crowd_behind() {
    skip_without_tracer
    start -v --control control --address 127.0.0.1 --processes 1 "$@" 0 cat
    connect_silently
    await field_is running 1
    connect_crowd
}

# Has the supervisor find all at once: the whole crowd has reset its connections, and whatever the
# command $@ causes.  The tracer makes the supervisor too slow to see all resets in one slice.
find_crowd_gone_and() {
    local stopped
    stopped=$(supervisor)
    trace "$stopped" -e trace=epoll_wait,epoll_pwait,close
    reset_crowd_unseen "$stopped"
    "$@"
    kill -CONT "$stopped"
}

end_first() {
    children_of_dispatchers | xargs kill
    await has_no_handlers
}
has_no_handlers() { [[ -z $(children_of_dispatchers) ]]; }

@test "a client that has reset its connection is not started while others that did are still to be ended" {
    start_crowd_behind
    find_crowd_gone_and end_first
    await_crowd fields_are queued 0 running 0
    end_trace
    fields_are abandoned "$CROWD" served 1
}

@test "no newcomer is refused because of clients that have reset their connections, and are still to be ended" {
    CROWD_OPTIONS=(-f 127.0.1.1 -s 200) # 10 clients of each source
    start_crowd_behind --per-source-queue 10
    find_crowd_gone_and connect_newcomers
    await_crowd fields_are queued 5 abandoned "$CROWD"
    end_trace
    field_is refused_source 0
    end_first
    await field_is served 6
    wait "$BURST_PROCESS"
}

# They are of the source whose old clients are ended last.
connect_newcomers() {
    "$BURST" -c -f 127.0.1.200 127.0.0.1 "$PORT" 5 >newcomers 3>&- 4>&- &
    BURST_PROCESS=$!
    await backlog_is "$PORT" 5
}

@test "in a takeover, a crowd is sent in slices, and then closed in slices" {
    start_crowd
    local first=$DAEMON
    trace "$(supervisor)" -e trace=epoll_wait,epoll_pwait,close,sendmsg
    take_over -v --address 127.0.0.1 --processes 1 --control control "$PORT" sleep 1000
    old_has_left
    end_trace
    is_in_slices close
    # 32 clients in a message, and answers for 32 messages in a round.
    echo "most messages: $(most_in_a_round sendmsg) of $(grep -c 'sendmsg(' traced)"
    (($(most_in_a_round sendmsg) < CROWD / 32))
    field_is queued "$CROWD"
    has_line "took over from process $first; waiting clients: $CROWD;" "$LOG"
    reset_crowd
}

@test "the next supervisor watches a crowd in slices" {
    start_crowd
    local first
    first=$(supervisor)
    trace "$(standby)" -e trace=epoll_wait,epoll_pwait,epoll_ctl
    kill -KILL "$first"
    await is_replaced "$first"
    await_crowd field_is queued "$CROWD"
    reset_crowd
    end_trace
    # Clients are watched without a look at the clock, so slices are longer here.
    MOST=1200 is_in_slices epoll_ctl
}

@test "connections whose time to linger is over at once are closed in slices" {
    skip_without_tracer
    CROWD=600
    start --control control --address 127.0.0.1 --processes 8 --linger 3s 0 true
    say pause
    connect_crowd
    local stopped
    stopped=$(supervisor)
    trace "$stopped" -e trace=epoll_wait,epoll_pwait,close
    say resume
    await_crowd field_is served "$CROWD"
    kill -STOP "$stopped"
    await is_stopped "$stopped"
    sleep 3 # the time that the clients, which never read, have left
    kill -CONT "$stopped"
    await has_its_descriptors
    end_trace
    end_crowd
    is_in_slices close
}

@test "a crowd that dispatchers have no room for is refused in slices, once it counts as waiting" {
    local stopped
    skip_without_tracer
    start --control control --address 127.0.0.1 --processes 3000 --queue 5 --when-full refuse 0 cat
    hold_dispatchers
    stopped=$(supervisor)
    kill -STOP "$stopped" # it finds all at once
    begin_crowd
    trace "$stopped" -e trace=epoll_wait,epoll_pwait,shutdown
    kill -CONT "$stopped"
    await_crowd field_is queued 5
    end_trace
    release_dispatchers
    end_crowd
    echo "most: $(most_in_a_round shutdown) of $(grep -c 'shutdown(' traced)"
    (($(grep -c 'shutdown(' traced) >= CROWD - 100 && $(most_in_a_round shutdown) <= MOST))
}

# ---- handlers ----

# Starts a daemon with options, whose 200 handlers serve until their clients go, and stops the supervisor
# for $1 seconds.  Traces call $2 from then on.
stop_while_handlers_run() {
    local stopped
    skip_without_tracer
    CROWD=200
    start --control control --address 127.0.0.1 --processes "$CROWD" "${@:3}" 0 cat
    begin_crowd
    await_crowd field_is running "$CROWD"
    stopped=$(supervisor)
    kill -STOP "$stopped"
    await is_stopped "$stopped"
    sleep "$1"
    trace "$stopped" -e "trace=epoll_wait,epoll_pwait,$2"
    kill -CONT "$stopped"
    await_crowd fields_are served "$CROWD" running 0
    end_trace
    end_crowd
    echo "most: $(most_in_a_round "$2") of $(grep -c "$2(" traced)"
}

@test "handlers whose --timeout is over at once are signalled in slices" {
    stop_while_handlers_run 4 sendmsg --timeout 3
    (($(grep -c 'sendmsg(' traced) >= CROWD && $(most_in_a_round sendmsg) <= 64 + 16))
}

@test "connections are looked at in slices, and handlers ended whose connections have been idle for too long" {
    stop_while_handlers_run 4 getsockopt --idle-timeout 3
    (($(grep -c 'getsockopt(' traced) >= CROWD && $(most_in_a_round getsockopt) <= 64 + 16))
}

# ---- process groups ----

@test "the keeper looks at at most 64 awaited process groups a round, and in the end at all" {
    local groups=200 leftovers one
    skip_without_tracer
    # shellcheck disable=SC2016 # the handler expands it
    start -v --control control --address 127.0.0.1 --processes "$groups" --leftovers end --kill-after 5m 0 \
        bash -c 'trap "" TERM; sleep 1000 & echo $!'
    (close_descriptors; exec "$BURST" 127.0.0.1 "$PORT" "$groups" >burst 2>/dev/null) &
    BURST_PROCESS=$!
    await_crowd has_signalled "$groups"
    leftovers=$(children_named "$DAEMON" sleep)
    (($(wc -w <<<"$leftovers") == groups))
    field_is running "$groups"
    trace "$DAEMON" -e trace=epoll_wait,epoll_pwait,waitid
    one=${leftovers%%$'\n'*}
    kill -KILL "$one"
    await field_is running $((groups - 1))
    await has_looked_at $((groups - 1))
    end_trace
    echo "most: $(most_in_a_round waitid)"
    (($(most_in_a_round waitid) <= 64 + 16))
    xargs kill -KILL <<<"${leftovers#*$'\n'}"
    await_crowd field_is running 0
    end_crowd
}

has_signalled() { (($(grep -c 'sending SIGTERM to the rest of its group' "$LOG") == $1)); }
has_looked_at() { (($(grep -c 'waitid(P_PGID' traced) >= $1)); }
