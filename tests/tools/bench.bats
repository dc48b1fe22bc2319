#!/usr/bin/env bats
# Tests scripts/bench: its measurements, its tables and verdicts, and wrong usage.

load ../shared/helpers

BENCH=$ROOT/scripts/bench
MEASURE=$ROOT/scripts/bench.d

# Runs the bench on the programs under test.
bench() { DAMPENER_BUILD=$BUILD "$BENCH" "$@" 3>&- 4>&- </dev/null; }

# Adds a line to the raw figures.
raw() { printf '%s\t%s\t%s\t%s\t%s\n' "$@" >>raw; }

# Prints the statistics of a figure; each word is an assignment VARIABLE=VALUE for awk.
statistics() {
    local word arguments=()
    for word; do arguments+=(-v "$word"); done
    awk "${arguments[@]}" -f "$MEASURE/statistics.awk" raw
}

@test "a quick bench without peers prints figures, ratios to the limit and targets" {
    bench --quick --only single,static --peers none --raw figures >output
    cat output
    grep -qE '^\| the limit +\| +[0-9]\.[0-9]{2} \([0-9.]+–[0-9.]+\) \|$' output
    grep -qE '^\| socket-burst-dampener +\| +[0-9,]+ \(.*\) \| +[0-9,]+ \(.*\) \| .*none \|$' output
    grep -qE '^- single +not measured: ' output
    grep -qE '^- static +(met|missed): rate to the limit [0-9.]+ ' output
    [[ $(grep -c $'^static\tdampener\t[12]\trate\t' figures) == 2 ]]
    [[ $(grep -c $'^static\tlimit\t[12]\trate\t' figures) == 2 ]]
}

@test "a bench of workers compares them with handlers that are executed, in C and in Python" {
    [[ -n ${DAMPENER_LONG:-} ]] || skip "takes 8 s; scripts/check --long runs it"
    command -v python3 >/dev/null || skip "python3 is not installed"
    bench --quick --rounds 1 --only persistent --peers none --raw figures >output
    cat output
    grep -qE '^\| worker in C +\| +32 \| +[0-9,]+ \| +[0-9,]+ \| +none \|$' output
    grep -qE '^\| worker in C, by relay alone +\| +32 \| +[0-9,]+ \| +[0-9,]+ \| +none \|$' output
    grep -qE '^\| Python, executed +\| +1 \| +[0-9,]+ \| +[0-9,]+ \| +none \|$' output
    [[ $(grep -cE '^- persistent +(met|missed|out of reach here): ' output) == 4 ]]
    [[ $(cut -f 2 figures | sort -u | wc -l) == 7 ]]
}

@test "a bench that is ended leaves no file and no process" {
    mkdir folder
    TMPDIR=$PWD/folder DAMPENER_BUILD=$BUILD "$BENCH" --quick --only idle --peers none \
        >output 2>&1 3>&- 4>&- </dev/null &
    local process=$!
    await compgen -G "$PWD/folder/*/ready"
    kill "$process"
    local status=0
    wait "$process" || status=$?
    ((status == 143))
    [[ -z $(ls folder) ]]
    await no_program_is_left || { processes_of_test; return 1; }
}

no_program_is_left() { [[ $(processes_of_test) != *"$BUILD"* ]]; }

@test "the bench refuses wrong options with one line" {
    local words
    for words in --wrong word --rounds "--rounds 0" "--rounds x" "--only" "--only nothing" \
        "--only single,,static" "--only single," "--peers somebody" "--picture file --only single" \
        "--raw none/file" "--raw ." "--picture /proc/none/file --only burst"; do
        echo "$words"
        # shellcheck disable=SC2086 # they are words
        run bench $words
        ((status == 2 && ${#lines[@]} == 1))
        [[ ${lines[0]} == "bench: "* ]]
    done
    run bench --only "single static"
    ((status == 2))
    [[ $output == 'bench: --only: "single static" is none of: single static '* ]]
    DAMPENER_BUILD="$PWD/with blank" run "$BENCH" --only single
    ((status == 2))
    [[ $output == "bench: peers cannot start a handler in $PWD/with blank: "* ]]
}

# Calls function $1 of the tables or verdicts on the file raw, with ours and the peers in $2.
says() {
    raw=raw parts=$MEASURE rounds_long=3 burst_clients=100 IN_FLIGHT=32 bash -euo pipefail -c '
        source "$parts/peers.bash" && source "$parts/burst.bash" && source "$parts/persistent.bash"
        source "$parts/table.bash" && source "$parts/verdict.bash"
        BURST_HANDLERS=8 programs=(dampener $2)
        "$1"' - "$@"
}

@test "a program that did not answer all clients is marked and is never the fastest" {
    raw single dampener 1 done_median 100
    raw single socat 1 done_median 50
    raw single socat 1 refused 2
    raw single tcpsvd 1 done_median 200
    says table_ratios "socat tcpsvd" >output
    cat output
    grep -qE '^\| socat +\| +2\.00\* \|$' output
    grep -qE '^\| tcpsvd +\| +0\.50 \|$' output
    grep -q '^\\\* Not all of its clients were answered' output
    [[ $(says verdict_fastest "socat tcpsvd") == tcpsvd ]]
}

@test "a program that is slow in a burst is not measured again, and the table shows that" {
    raw burst dampener 1 seconds 1
    raw burst dampener 2 seconds 1
    raw burst dampener 3 seconds 1
    raw burst socat 1 seconds 12.5
    says table_burst socat >output
    cat output
    [[ $(tail -n 1 output) == "Who takes 10 s or more is not measured again. Of 3 rounds: socat in 1." ]]
}

# The verdict on a C worker that serves $1 clients a second, and relay $2, and static 1,000.
says_of_worker() {
    : >raw
    raw persistent c-exec 1 rate 1000
    if [[ -n $1 ]]; then raw persistent c-worker 1 rate "$1"; fi
    if [[ -n $2 ]]; then raw persistent c-relay 1 rate "$2"; fi
    says verdict_persistent "" | sed -n "s/^- persistent \\(.*\\): C worker's rate to that of $3 /\\1: /p"
}

@test "a target that relay does not reach either is out of reach, unless the worker reaches it or passes relay" {
    [[ $(says_of_worker 1800 2700 static) == "out of reach here: 1.8 (target: >= 3; relay at best: 2.7)" ]]
    [[ $(says_of_worker 2800 2700 static) == "missed: 2.8 (target: >= 3; relay at best: 2.7)" ]]
    [[ $(says_of_worker 3000 2700 static) == "met: 3 (target: >= 3; relay at best: 2.7)" ]]
    [[ $(says_of_worker 2900 3000 static) == "missed: 2.9 (target: >= 3; relay at best: 3)" ]]
    [[ $(says_of_worker 1800 "" static) == "missed: 1.8 (target: >= 3)" ]]
    # Relay counts as it was in its best round.
    raw persistent c-relay 2 rate 2500
    raw persistent c-relay 3 rate 2600
    raw persistent c-exec 2 rate 900
    [[ $(says verdict_persistent "") == *"(target: >= 3; relay at best: 2.6)"* ]]
    [[ $(says_of_worker "" 2700 static) == "not measured: – (target: >= 3; relay at best: 2.7)" ]]
}

@test "a C worker is also compared with relay, and the table shows both" {
    [[ $(says_of_worker 1800 2700 relay) == "met: 0.6667 (target: >= 0.6)" ]]
    [[ $(says_of_worker 1599 2700 relay) == "missed: 0.5922 (target: >= 0.6)" ]]
    says table_persistent "" >output
    cat output
    grep -qE '^\| worker in C +\| +32 \| +1,599 \| +– \| +none \|$' output
    grep -qE '^\| worker in C, by relay alone +\| +32 \| +2,700 \| +– \| +none \|$' output
}

@test "statistics show the median, the least and the greatest of all rounds" {
    raw static ours 1 rate 1200
    raw static ours 2 rate 15000.6
    raw static ours 3 rate 999
    raw static ours 3 other 1
    raw cat ours 1 rate 1
    [[ $(statistics of="static ours rate") == "1,200 (999–15,001)" ]]
    [[ $(statistics of="static ours rate" form=median) == 1200 ]]
    [[ $(statistics of="static ours rate" scale=0.001 digits=1) == "1.2 (1.0–15.0)" ]]
    [[ $(statistics of="cat ours rate") == 1 ]]
    [[ $(statistics of="static ours rate" form=most) == 15000.6 ]]
    [[ -z $(statistics of="cat peer rate") ]]
    raw static ours 4 rate 1300
    [[ $(statistics of="static ours rate" form=median) == 1250 ]]
}

@test "ratios are computed for each round" {
    raw static ours 1 rate 200
    raw static peer 1 rate 100
    raw static ours 2 rate 90
    raw static peer 2 rate 30
    raw static ours 3 rate 1234567
    raw static peer 3 rate 1234567
    # Rounds count only if they have both figures and a ratio.
    raw static ours 4 rate 5
    raw static peer 5 rate 5
    raw static ours 6 rate 5
    raw static peer 6 rate 0
    [[ $(statistics of="static ours rate" to="static peer rate" digits=2) == "2.00 (1.00–3.00)" ]]
}

@test "tables are aligned by characters, not bytes" {
    printf 'name\tfigure\tmore\na\t1 (1–2)\nlonger\t\tµs\n' | LC_ALL=C awk -f "$MEASURE/align.awk" >table
    diff table - <<'TABLE'
| name   |  figure | more |
|--------|--------:|-----:|
| a      | 1 (1–2) |    – |
| longer |       – |   µs |
TABLE
}

@test "a timeline counts the clients launched, connected, served and lost at each time" {
    printf '%s\n' "0 100 300 400" "0 200 - -" "10 - - -" "10 250 300 600" "20 260 - 500" "20 - - 90" |
        awk -v program="some program" -f "$MEASURE/timeline.awk" >line
    [[ $(head -n 1 line) == $'some program\t0\t0\t0\t0\t0' ]]
    [[ $(tail -n 1 line) == $'some program\t0.601\t6\t4\t2\t2' ]]
    [[ $(awk -F '\t' '$2 <= 0.24 { last = $3 " " $4 " " $5 " " $6 } END { print last }' line) == "6 2 0 1" ]]
}
