#!/usr/bin/env bats
# Tests takeovers under load, also if processes are killed at a certain message of the takeover: no client
# is lost, none is served twice, and one daemon serves.
# shellcheck disable=SC2030,SC2031,SC2153 # each test is a subshell, and helpers.bash has the variables

load ../shared/helpers
load ../shared/control
load takeover

export ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0 # the leak checker cannot be traced

AMBUSH=$BUILD/tests/programs/attackers/ambush

# A silent client holds one of two handlers.  So each takeover has a handler to report, and the crowd is
# served by the other handler, in order of arrival.
OPTIONS=(--address 127.0.0.1 --processes 2 --dispatchers 2 --control control --pid-file pid)
DELAY=10 # milliseconds of each handler
CROWD=50

require_tracer() { ((EUID == 0)) || skip "only root may trace a daemon, which hides"; }

begin_service() {
    start "${OPTIONS[@]}" 0 "$ANSWER" "$ANSWERS" "$COUNTER" "$DELAY"
    hold_one
}

# ---- the clients ----

hold_one() {
    exec {HELD}<>"/dev/tcp/127.0.0.1/$PORT"
    await control_says '"running":1'
}

# The silent client speaks, and gets its answer.
release_one() {
    local line
    echo held >&"$HELD"
    read -r -t 20 line <&"$HELD"
    exec {HELD}>&-
    [[ $line == held ]]
}

answers_exceed() { (($(wc -l <"$ANSWERS") > $1)); }

# Begins to connect the crowd.  Arguments are those of burst.
crowd_comes() {
    : >"$ANSWERS"
    (close_descriptors; exec "$BURST" "$@" 127.0.0.1 "$PORT" "$CROWD" >burst 2>complaints) &
    CROWD_CLIENT=$!
    await answers_exceed 2
}

# Waits until no client of the crowd waits any more.  Sets LOST and TWICE.
crowd_leaves() {
    wait "$CROWD_CLIENT" || cat complaints
    [[ $(cat burst) =~ ^connected\ ([0-9]+)\ answered\ ([0-9]+)\  ]]
    LOST=$((BASH_REMATCH[1] - BASH_REMATCH[2]))
    TWICE=$(cut -d ' ' -f 2 "$ANSWERS" | sort | uniq -d | wc -l)
}

# Requires that the whole crowd was served in order of arrival.
is_in_order() {
    grep -v held "$ANSWERS" | awk -v count="$CROWD" '
        $2 != NR || $1 <= ticket { print "answer " NR ": " $0; wrong = 1; exit 1 }
        { ticket = $1 }
        END { if (!wrong && NR != count) { print NR " answers"; exit 1 } }'
}

# ---- takeovers ----

@test "takeovers in a row under load serve each client once, in order of arrival, by no more handlers than allowed" {
    local rounds=3 i
    if [[ -n ${DAMPENER_LONG:-} ]]; then rounds=10; fi
    CROWD=$((rounds * 100)) DELAY=3
    begin_service
    crowd_comes -e 3
    for ((i = 1; i <= rounds; i++)); do
        take_over "${OPTIONS[@]}" "$PORT" "$ANSWER" "$ANSWERS" "$COUNTER" "$DELAY"
        await answers_exceed $((i * 20))
    done
    crowd_leaves
    release_one
    old_has_left
    [[ $(cat burst) == "connected $CROWD answered $CROWD failed 0" ]]
    is_in_order
    [[ $(most_handlers) == 2 && $(cat pid) == "$DAEMON" ]]
}

# Attempts a takeover.  When the process $1 (new, old) sends or receives message $2, processes are killed,
# $4 as ambush names them: "before" or "after" that ($3).  Sets OUTCOME: "taken", or "before" if the
# new process gave up.
attempt() {
    local words=(-o struck "$2" "$4") status=0
    if [[ $3 == before ]]; then words=(-b "${words[@]}"); fi
    rm -f struck
    : >attached
    OUTCOME=taken AMBUSHER=
    if [[ $1 == new ]]; then
        WRAPPER=("$AMBUSH" "${words[@]}")
    else
        "$AMBUSH" "${words[@]}" -p "$(supervisor)" >attached 2>&1 3>&- 4>&- &
        AMBUSHER=$!
        await has_line attached attached
    fi
    take_over "${OPTIONS[@]}" "$PORT" "$ANSWER" "$ANSWERS" "$COUNTER" "$DELAY" || status=$?
    NEW=$DAEMON WRAPPER=()
    if ((status != 0)); then
        wait "$NEW" || true
        OUTCOME=before DAEMON=$OLD
    fi
}

has_struck() { [[ -s struck ]]; }

end_ambush() {
    if [[ -n $AMBUSHER ]]; then
        kill "$AMBUSHER" 2>/dev/null || true # it ends when it has struck
        wait "$AMBUSHER" || true
    fi
}

# ---- supervisors and standbys ----

# In order.  The first ones go to the new keeper, and the last ones come when the new process serves.
MESSAGES=(HELLO LISTENER GO RUNNING QUEUED TAKEN ALL READY COMMITTED SERVING SETTLED LEFT ENDED)
OF_NEW=" GO TAKEN READY SERVING SETTLED " # the others are the old process's

# Of all cases, those of every run of the tests.
SHORT=" new:READY:after new:SERVING:before old:ALL:after old:COMMITTED:before old:SERVING:after
    both:READY:before both:SERVING:after old-standby:QUEUED:after "

# True in a long test, or if the case is short.
is_chosen() { [[ -n ${DAMPENER_LONG:-} || $SHORT == *[[:space:]]"$1"[[:space:]]* ]]; }

# True if $1 can be killed then: whoever receives a message knows it only afterwards.
is_possible() {
    case $1:$2:$3 in
    new:HELLO:* | new:LISTENER:* | both:HELLO:* | both:LISTENER:* | new-*:HELLO:* | new-*:LISTENER:*) return 1 ;;
    *-standby:*:before) return 1 ;; # the moment does not matter to the other processes
    *:after) ;;
    old:*) [[ $OF_NEW != *" $2 "* ]] ;;
    *) [[ $OF_NEW == *" $2 "* ]] ;;
    esac
}

# Prints how the takeover must end.  A new supervisor is replaced once it has been told to serve, an old
# one goes on with the takeover once it has decided to say so.
expected() {
    local place=0
    while [[ ${MESSAGES[place]} != "$2" ]]; do place=$((place + 1)); done
    case $1 in
    *-standby) echo taken ;;
    old) if ((place < 8)); then echo before; else echo taken; fi ;;
    *) if ((place < 9)); then echo before; else echo taken; fi ;;
    esac
}

is_whole() { [[ -n $(standby) && -n $(children_named "$(standby)" supervisor) ]]; }

# Requires that the daemon that must serve does, and has all that belongs to it.
one_serves() {
    await is_whole
    [[ $OUTCOME == before || $(most_handlers) == 2 ]]
    (($(most_handlers) <= 2))
    await control_says "\"process\":$DAEMON," '"running":0' '"queued":0' '"dropped":0,"handed_over"'
    [[ $(cat pid) == "$DAEMON" ]]
    say status | check_sums >sums
    if [[ $OUTCOME == taken ]]; then old_has_left; fi
}

# A takeover under load.  Processes are killed at that message: WHO MESSAGE WHEN.
survive_once() {
    local victims=self
    case $1 in
    both) victims="self,$(supervisor)" ;;
    *-standby) victims=parent ;;
    esac
    crowd_comes -e 2
    if [[ $1 == old* ]]; then attempt old "$2" "$3" "$victims"; else attempt new "$2" "$3" "$victims"; fi
    if [[ $2 == ENDED ]]; then release_one; fi # by that the crowd has two handlers
    crowd_leaves
    if [[ $2 != ENDED ]]; then is_in_order && release_one; fi
    one_serves
    end_ambush
    hold_one
}

# The same, again if the message was not sent: RUNNING and QUEUED only if there are such clients.
survive() {
    local try
    for ((try = 0; try < 5; try++)); do
        survive_once "$@"
        if has_struck; then break; fi
    done
    printf '%-9s %-6s %-11s %-6s lost %d twice %d\n' "$2" "$3" "$1" "$OUTCOME" "$LOST" "$TWICE" | tee -a table
    has_struck
    [[ $OUTCOME == "$(expected "$@")" && $LOST == 0 && $TWICE == 0 ]]
    grep -q "^connected $CROWD " burst
}

survive_all() {
    local message when who count=0
    begin_service
    for message in "${MESSAGES[@]}"; do
        for when in before after; do
            for who; do
                if ! is_possible "$who" "$message" "$when"; then continue; fi
                if ! is_chosen "$who:$message:$when"; then continue; fi
                survive "$who" "$message" "$when"
                count=$((count + 1))
            done
        done
    done
    release_one
    echo "$count cases"
    ((count > 0))
}

@test "no client is lost or served twice if the new supervisor is killed at any message of a takeover" {
    require_tracer
    survive_all new
}

@test "no client is lost or served twice if the old supervisor is killed at any message of a takeover" {
    require_tracer
    survive_all old
}

@test "no client is lost or served twice if both supervisors are killed at any message of a takeover" {
    require_tracer
    survive_all both
}

@test "no client is lost or served twice if a standby is killed at any message of a takeover" {
    require_tracer
    survive_all new-standby old-standby
}

# ---- supervisor and standby at once ----

# Requires that each request goes to the daemon that serves, so that no other one answers operators.
alone_answers() {
    local i
    for ((i = 0; i < 20; i++)); do control_says "\"process\":$DAEMON," || return 1; done
}

# The old pair dies when MESSAGE passes, while the crowd is being served: MESSAGE WHEN STATUS.  STATUS is
# that of the old daemon, which only waits for its handler.
lose_old_pair() {
    local status=0
    rm -f "$COUNTER"
    begin_service
    crowd_comes -e 2
    attempt old "$1" "$2" parent,self
    crowd_leaves
    end_ambush
    alone_answers
    is_alive "$OLD"
    release_one
    await is_gone "$OLD"
    wait "$OLD" || status=$?
    printf '%-9s %-6s old pair    %-6s lost %d twice %d, status %d\n' "$1" "$2" "$OUTCOME" "$LOST" "$TWICE" "$status"
    has_struck
    [[ $OUTCOME == taken && $LOST == 0 && $TWICE == 0 && $status == "$3" ]]
    [[ $(grep -c 'waiting clients that were lost' "$LOG") == 0 ]]
    await control_says '"running":0' '"dropped":0,"handed_over"'
    # Its files are in their places.
    [[ $(cat pid) == "$DAEMON" && -S control ]]
    stop
}

# Without COMMITTED the next old pair cannot know whether the new process lives, and exits with 1.
@test "no client is lost, and one daemon serves, if the old supervisor and standby are killed at once from ALL on" {
    require_tracer
    lose_old_pair READY after 1
    if [[ -z ${DAMPENER_LONG:-} ]]; then return; fi
    lose_old_pair ALL after 1
    lose_old_pair COMMITTED before 0
    lose_old_pair COMMITTED after 0
    lose_old_pair SERVING after 0
    lose_old_pair LEFT after 0
}

# ---- keepers ----

# True once the daemon $1 has ended, or answers operators.
serves_or_is_gone() { is_gone "$1" || control_says "\"process\":$1,"; }

# A keeper dies when MESSAGE passes, while the crowd is being served: SIDE MESSAGE WHEN.  Its daemon serves
# those who wait, and ends.  Sets SERVES, the daemon that serves afterwards: "new", "old" or "nobody".
lose_keeper_once() {
    local victim=first other
    rm -f "$COUNTER" control pid
    begin_service
    crowd_comes
    await control_says "\"accepted\":$((CROWD + 1))"
    if [[ $1 == old ]]; then victim=$DAEMON; fi
    attempt "$1" "$2" "$3" "$victim"
    crowd_leaves
    is_in_order
    release_one
    (($(most_handlers) <= 2))
    end_ambush
    other=$DAEMON
    if has_struck && [[ $1 == old ]]; then other=$NEW; elif has_struck; then other=$OLD; fi
    await serves_or_is_gone "$other"
    SERVES=nobody DAEMON=
    if is_alive "$other"; then
        if [[ $1 == old ]]; then SERVES=new; else SERVES=old; fi
        [[ $(echo hello | timeout 20 nc -N 127.0.0.1 "$PORT") == hello ]]
        DAEMON=$other
        stop
    fi
    await nothing_is_left
}

# The same with SERVES as a fourth word, if that must be so; again if the message was not sent.
lose_keeper() {
    local try
    for ((try = 0; try < 5; try++)); do
        lose_keeper_once "$@"
        if has_struck; then break; fi
    done
    printf '%-9s %-6s %s keeper  lost %d twice %d, then serves: %s\n' "$2" "$3" "$1" "$LOST" "$TWICE" "$SERVES"
    has_struck
    [[ $LOST == 0 && $TWICE == 0 && (-z ${4:-} || $SERVES == "$4") ]]
}

@test "no client who waits is lost if the new keeper is killed, and until READY the old process serves on" {
    require_tracer
    lose_keeper new TAKEN before old
    lose_keeper new COMMITTED after
    if [[ -z ${DAMPENER_LONG:-} ]]; then return; fi
    lose_keeper new HELLO after old
    lose_keeper new LISTENER after old
    lose_keeper new GO before old
    lose_keeper new RUNNING after old
    lose_keeper new QUEUED after old
    lose_keeper new ALL after old
    lose_keeper new READY before
    lose_keeper new SERVING before
    lose_keeper new SETTLED before
    lose_keeper new LEFT after
}

@test "no client who waits is lost if the old keeper is killed" {
    require_tracer
    lose_keeper old QUEUED after
    lose_keeper old COMMITTED before new
    if [[ -z ${DAMPENER_LONG:-} ]]; then return; fi
    lose_keeper old HELLO after
    lose_keeper old LISTENER after
    lose_keeper old GO after
    lose_keeper old RUNNING after
    lose_keeper old TAKEN after
    lose_keeper old ALL after
    lose_keeper old READY after
    lose_keeper old SERVING after new
    lose_keeper old SETTLED after new
    lose_keeper old LEFT after new
}

# ---- the end of the service ----

# The new process ends the service, and a supervisor dies as END passes: SIDE WHEN.
end_all() {
    rm -f terminated
    start "${OPTIONS[@]}" 0 ./handler
    connect_clients 1
    await has_content "client.$CLIENTS"
    take_over "${OPTIONS[@]}" "$PORT" ./handler
    local process words=(-o struck END self)
    process=$(supervisor "$([[ $1 == old ]] && echo "$OLD" || echo "$DAEMON")")
    if [[ $2 == before ]]; then words=(-b "${words[@]}"); fi
    rm -f struck
    : >attached
    "$AMBUSH" "${words[@]}" -p "$process" >attached 2>&1 3>&- 4>&- &
    AMBUSHER=$!
    await has_line attached attached
    stop INT
    await is_gone "$OLD"
    end_ambush
    has_struck
    [[ $(sort -u terminated) == 1 ]]
    await nothing_is_left
}

@test "handlers of the old process are ended although the supervisor is killed that says or hears so" {
    require_tracer
    make_noting_handler
    end_all new before
    end_all new after
    end_all old after
}
