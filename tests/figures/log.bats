#!/usr/bin/env bats
# The log: --log-format, the journal, and text that must not confuse a reader.

load ../shared/helpers
bats_require_minimum_version 1.5.0

# Checks that every line is one object, by a reader of the test's own, and by jq if it is installed.
is_json() {
    "$BUILD/tests/dispatcher/log" -c "$1"
    if command -v jq >/dev/null; then jq -e . "$1" >/dev/null; fi
}

# Prints the last line of event $1 with level $2.
event() {
    grep "\"level\":\"$2\".*\"program\":\"supervisor\",\"event\":\"$1\"," "$LOG" | tail -n 1
}

has_event() { [[ -n $(event "$1" "$2") ]]; }

# Prints the value of a member of the line on standard input; strings with their quotes.
member() { sed -n "s/.*,\"$1\":\(\"[^\"]*\"\|[^,]*\),.*/\1/p"; }

statuses_exceed() { (($(grep -c '"event":"status"' "$LOG") > $1)); }

# True if a new status has value $2 in member $1.
comes_to() {
    local before
    before=$(grep -c '"event":"status"' "$LOG" || true)
    kill -USR1 "$DAEMON"
    await statuses_exceed "$before"
    [[ $(event status info | member "$1") == "$2" ]]
}

@test "--log-format json: every line is an object, and each event has its fields" {
    start -v --log-format json --address 127.0.0.1 --queue 1 --when-full refuse --deny 127.0.0.2 0 cat
    connect_silently
    local first=$CLIENT port
    await comes_to running 1
    "$BURST" -m '' -f 127.0.0.2 "$ADDRESS" "$PORT" 30 >burst # denied: some lines, and a sum
    "$BURST" -h 1 "$ADDRESS" "$PORT" 1 >burst
    await has_event abandoned info
    connect_silently
    await comes_to queued 1
    "$BURST" -m '' "$ADDRESS" "$PORT" 1 >burst
    exec {CLIENT}>&- {first}>&-
    await comes_to served 2
    stop INT
    is_json "$LOG"

    [[ $(event listening info | member port) == "$PORT" ]]
    event started info >line
    [[ $(member ticket <line) == 33 && $(member address <line) == '"127.0.0.1"' ]]
    [[ $(member waited <line) =~ ^[0-9]+\.[0-9]{6}$ && $(member queued <line) == 0 ]]
    [[ $(<line) == *', 0 waiting"}' ]]
    port=$(member port <line)
    event ended info >line
    [[ $(member ticket <line) == 33 && $(member port <line) == "$port" ]]
    [[ $(member status <line) == 0 && $(member signal <line) == "" ]]
    local name
    for name in ran user_time system_time; do [[ $(member $name <line) =~ ^[0-9]+\.[0-9]{6}$ ]]; done
    [[ $(member memory <line) =~ ^[0-9]+$ && $(member process <line) =~ ^[0-9]+$ ]]
    [[ $(event abandoned info | member waited) =~ ^[0-9]+\.[0-9]{6}$ ]]
    [[ $(event refused warning | member reason) == '"refused-queue"' ]]
    [[ $(event denied warning | member address) == '"127.0.0.2"' ]]
    event denied-more warning >line
    [[ $(member reason <line) == "" && $(member count <line) =~ ^[0-9]+$ ]]
    event status info >line
    [[ $(member denied <line) == 30 && $(member refused_queue <line) == 1 ]]
    [[ $(member held_back_by <line) == '"none"' ]]
    [[ $(tail -n 1 "$LOG") == *'"level":"info",'*'"message":"interrupted."}' ]]
}

@test "--log-format json: a handler that is killed has a signal and no status" {
    start -v --log-format json --address 127.0.0.1 0 sh -c 'kill -KILL $$'
    nc -N 127.0.0.1 "$PORT" </dev/null
    await has_event ended info
    event ended info >line
    [[ $(member signal <line) == 9 && $(member status <line) == "" ]]
    is_json "$LOG"
}

@test "--log-format json: a line has the current time in UTC, and the process that writes it" {
    local before after time
    before=$(date -u +%Y-%m-%dT%H:%M:%S.000Z)
    TZ=Asia/Tokyo start -v --log-format json --address 127.0.0.1 0 cat
    after=$(date -u -d '1 second' +%Y-%m-%dT%H:%M:%S.000Z)
    time=$(sed -n '1s/^{"time":"\([^"]*\)",.*/\1/p' "$LOG")
    echo "$before $time $after"
    [[ ! $time < $before && ! $time > $after ]]
    [[ $time =~ ^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$ ]]
    [[ $(event listening info | member process) == "$(supervisor)" ]]
    [[ $(event listening info | member program) == '"supervisor"' ]]
}

@test "--log-format json: hostile names stay within their strings, and long ones are cut" {
    local name long
    printf -v long 'x"\\\n%.0s' {1..500}
    for name in $'quote"' $'back\\' $'two\nlines' $'bell\a\e[31m' $'invalid\xff\xc3' $'\xed\xa0\x80' \
        $'gr\xc3\xbc\xc3\x9fe' '{"a":1}' "$long"; do
        refute "$DAMPENER" --log-format json 0 "./$name" 2>line
        cat line
        is_json line
        (($(wc -l <line) == 1))
        [[ $(<line) == *'"level":"error"'*'"program":"dispatcher"'*"CMD: cannot execute './"* ]]
    done
    (($(wc -c <line) > 1000))
}

@test "--log-format json: dispatchers write objects, and the supervisor logs a dead dispatcher in one" {
    start --log-format json --address 127.0.0.1 0 cat
    kill -KILL "$(dispatchers | head -n 1)"
    await has_line 'was killed by signal 9: replacing it' "$LOG"
    is_json "$LOG"
    grep -q '"level":"warning"' "$LOG"
    run -127 "$DAMPENER" --log-format json 0 ./missing
    [[ $output == '{"time":"'*'"program":"dispatcher","message":"CMD: cannot execute'* ]]
}

# True if the log has reported lost lines.  The daemon reports them before its next line.
tells_of_lost_lines() {
    kill -USR1 "$DAEMON"
    has_line '"event":"lines-dropped"' what-was-read
}

@test "--log-format json: lines that could not be written are counted in an object" {
    start_unread -vv --log-format json --address 127.0.0.1 --processes 8 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    run "$BURST" "$ADDRESS" "$PORT" 500
    [[ $output == "connected 500 answered 500 failed 0" ]]
    cat <&8 >what-was-read 3>&- 4>&- &
    local reader=$!
    await tells_of_lost_lines
    kill "$reader"
    wait "$reader" || true
    exec 8>&-
    is_json what-was-read
    grep -q '"level":"warning",.*"event":"lines-dropped","lines":[1-9].*log lines\? dropped' what-was-read
}

@test "--log-format timed: each line of every process begins with the time in UTC" {
    local before after time dispatcher
    before=$(date -u +%Y-%m-%dT%H:%M:%S.000Z)
    TZ=Asia/Tokyo start -v --log-format timed --address 127.0.0.1 0 cat
    dispatcher=$(dispatchers | head -n 1)
    kill -KILL "$dispatcher" "$(supervisor)" # now the standby, and the next supervisor, write lines
    await has_line ' \[WARNING\] the supervisor, process [0-9]*, was killed by signal 9' "$LOG"
    await has_line ' \[INFO\] a supervisor takes the place of another' "$LOG"
    stop INT
    TZ=Asia/Tokyo run -127 "$DAMPENER" --log-format timed 0 ./missing # a dispatcher writes this
    after=$(date -u -d '1 second' +%Y-%m-%dT%H:%M:%S.000Z)
    [[ $output == *" [ERROR] CMD: cannot execute './missing': No such file or directory" ]]
    cat "$LOG"
    (($(grep -c 'T.* \[INFO\] listening on 127.0.0.1 port' "$LOG") == 1))
    [[ $(tail -n 1 "$LOG") == *"Z interrupted." ]]
    while read -r time _; do
        [[ ! $time < $before && ! $time > $after ]]
        [[ $time =~ ^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$ ]]
    done < <(cat "$LOG"; echo "$output")
}

@test "wrong arguments are reported in plain text, whatever the format" {
    run -2 "$DAMPENER" --log-format json --processes x 0 cat
    [[ $output == "socket-burst-dampener: --processes: 'x':"* ]]
    run -2 "$DAMPENER" --log-format xml 0 cat
    [[ $output == "socket-burst-dampener: --log-format: 'xml': expected text, timed or json"* ]]
}

# Prints the value of JOURNAL_STREAM that marks a file as the journal's.
journal_of() { stat -c %d:%i "$1"; }

# Makes a dispatcher write one line, without bats in between.
misses() {
    local status=0
    "$DAMPENER" "$@" 0 ./missing || status=$?
    ((status == 127))
}

@test "lines for the journal begin with their priority" {
    JOURNAL_STREAM=$(journal_of "$LOG") start -vv --address 127.0.0.1 0 cat
    grep -qx '<6>listening on 127.0.0.1 port [0-9]*' "$LOG"
    await has_line '^<7>dispatcher 0: ready' "$LOG"
    kill -KILL "$(dispatchers | head -n 1)"
    await has_line '^<4>dispatcher [01], process [0-9]*, was killed' "$LOG"
    stop INT
    [[ $(tail -n 1 "$LOG") == "<6>interrupted." ]]
    refute grep -qv '^<[467]>' "$LOG"
}

@test "lines of dispatchers for the journal begin with their priority, also before a JSON object" {
    : >journal
    local stream
    stream=$(journal_of journal)
    JOURNAL_STREAM=$stream misses 2>>journal
    JOURNAL_STREAM=$stream misses --log-format json 2>>journal
    cat journal
    [[ $(head -n 1 journal) == "<3>CMD: cannot execute './missing': No such file or directory" ]]
    tail -n 1 journal | sed -n 's/^<3>//p' >line
    is_json line
}

@test "--log-format timed: the journal, which keeps the time of each line, gets lines without" {
    : >journal
    # shellcheck disable=SC2094 # the file is only appended to
    JOURNAL_STREAM=$(journal_of journal) misses --log-format timed 2>>journal
    [[ $(<journal) == "<3>CMD: cannot execute './missing': No such file or directory" ]]
}

@test "lines have no priority if JOURNAL_STREAM names another file" {
    : >other
    local stream
    for stream in "$(journal_of "$LOG")" "$(journal_of other)0" "0$(journal_of other)" \
        "$(stat -c %d other)" "" ":"; do
        JOURNAL_STREAM=$stream misses 2>other
        [[ $(<other) == "[ERROR] CMD: cannot execute './missing': No such file or directory" ]]
    done
}

have_died() { [[ $(grep -c 'the supervisor, process .* was killed by signal 9: another takes its place$' "$LOG") == "$1" ]]; }

@test "the log stays open while supervisors replace one another, also if it is a pipe" {
    mkfifo pipe
    cat <pipe >>"$LOG" 3>&- 4>&- &
    local reader=$! i
    # shellcheck disable=SC2016
    WRAPPER=(bash -c 'exec "$@" 2>pipe' bash)
    start -v --address 127.0.0.1 0 cat
    for i in 1 2 3; do
        kill -KILL "$(supervisor)"
        await have_died "$i" # the standby says so
        # Clients may get the numbers of descriptors that were closed.
        [[ $(echo hello | timeout 10 nc -N 127.0.0.1 "$PORT") == hello ]]
        await status_is served "$i" # the supervisor says so
    done
    stop
    wait "$reader"
}
