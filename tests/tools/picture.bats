#!/usr/bin/env bats
# Tests the picture of a burst: scripts/bench.d/picture.awk.

load ../shared/helpers

picture() { LC_ALL=C "${AWK[@]:-awk}" -f "$ROOT/scripts/bench.d/picture.awk"; }

headers() { printf '#machine\ta machine\n#clients\t10000\n#handlers\t8\n'; }

# timeline PROGRAM CONNECTED SERVED [UNSERVED [LOST]]: prints the timeline of 10,000 clients, all launched
# after CONNECTED/2 ms, connected after CONNECTED ms, and served after SERVED ms, except UNSERVED clients,
# which are never served.  LOST of them count as lost once all are connected.
timeline() {
    awk -v name="$1" -v connected="$2" -v served="$3" -v unserved="${4:-0}" -v lost="${5:-0}" '
        function share(part) { return part < 1 ? part : 1 }
        BEGIN {
            for (step = 0; step <= 1000; step++) {
                ms = served * step / 1000
                present = int(10000 * (connected ? share(ms / connected) : 1))
                done = int((10000 - unserved) * step / 1000)
                if (done > present) done = present
                printf "%s\t%.3f\t%d\t%d\t%d\t%d\n", name, ms, \
                    10000 * (connected ? share(2 * ms / connected) : 1), present, done, \
                    present == 10000 ? lost * step / 1000 : 0
            }
        }'
}

# Prints the timelines of $1 programs.
several() {
    local number
    headers
    for ((number = 1; number <= $1; number++)); do
        timeline "program-$number" $((100 * number)) $((700 * number))
    done
}

# Succeeds if tags close in the reverse order of their opening, and each "&" begins an entity.
has_balanced_tags() {
    awk 'BEGIN { RS = "<" }
        NR > 1 {
            tag = substr($0, 1, index($0, ">") - 1)
            if (tag == "") bad = 1
            else if (tag ~ /^\//) { if (!depth || substr(tag, 2) != open[depth--]) bad = 1 }
            else if (tag !~ /\/$/) { sub(/[ \n].*/, "", tag); open[++depth] = tag }
        }
        { gsub(/&(amp|lt|gt|quot);/, ""); if (/&/) bad = 1 }
        END { exit bad || depth || NR < 2 }' "$1"
}

is_well_formed() {
    has_balanced_tags "$1" || return 1
    if command -v xmllint >/dev/null; then xmllint --noout "$1"; fi
}

# Prints the corners of the last area of file $1, one "X Y" a line.  The area shows how many clients the
# last program had served.
corners() {
    grep '<path fill="#[0-9a-f]*" d="M[^V]*z"/>' "$1" | tail -n 1 |
        sed 's/.* d="M\(.*\)z".*/\1/' | tr 'L' '\n'
}

# Requires that picture.awk refuses its standard input with message $1.
is_refused() {
    picture >refused.svg 2>said && return 1
    (($? == 1))
    cat said
    [[ $(<said) == "picture.awk: $1" ]]
    [[ ! -s refused.svg ]]
}

@test "a picture with one, four or nine panels is well-formed" {
    local number
    for number in 1 4 9; do
        several "$number" | picture >picture.svg
        is_well_formed picture.svg
        (($(grep -c '>all served<' picture.svg) == number))
    done
}

@test "a picture shows machine, clients and handlers, and when each program had connected and served all" {
    { headers; timeline ours 250 710; timeline theirs 3050 8300; timeline slow 1000 12340; } | picture >picture.svg
    grep -q '>10,000 clients at once: ours serves all in 0.71 s<' picture.svg
    grep -q '>Other programs take 8.30 s to 12.3 s.<' picture.svg
    grep -q '>Each program runs at most 8 handlers at a time, if it has such a limit. a machine<' picture.svg
    refute grep -q '>lost<' picture.svg
    grep -q '>ours<' picture.svg
    grep -q '>all connected after 0.25 s<' picture.svg
    grep -q '>0.71 s<' picture.svg
    grep -q '>all connected after 3.0[56] s<' picture.svg
    grep -q '>8.30 s<' picture.svg
    grep -q '>12.3 s<' picture.svg
    grep -q '^theirs: all connected after 3.0[56] s, all served after 8.30 s\.$' picture.svg
}

@test "a picture shows how many clients were connected and how many never served" {
    { headers; timeline ours 250 710; timeline theirs 400 900 812; printf 'none\t5\t10000\t0\t0\t0\n'; } | picture >picture.svg
    grep -q '>Other programs leave up to 10,000 unserved.<' picture.svg
    grep -q '>812</text>' picture.svg
    (($(grep -c '>never served<' picture.svg) == 2))
    (($(grep -c '>all served<' picture.svg) == 1))
    grep -q '^theirs: .* 9,188 served after 0.90 s, 812 never served\.$' picture.svg
    grep -q '>none connected<' picture.svg
}

@test "lost clients have a colour of their own, from the top of the panel down" {
    { headers; timeline ours 250 710; timeline theirs 400 900 3000 3000; } | picture >picture.svg
    is_well_formed picture.svg
    grep -q '>3,000</text>' picture.svg
    grep -q '>lost<' picture.svg
    grep -q '>connected, never served<' picture.svg
    refute grep -q '>never served<' picture.svg
    grep -q '^theirs: .*, 3,000 lost\.$' picture.svg
    grep -q '>Another program leaves up to 3,000 unserved.<' picture.svg
    # The last corner of the red area is 3,000 of 10,000 clients below the top, which the next corner is.
    grep '<path fill="#b5302a"' picture.svg | sed 's/.* d="M\(.*\)z".*/\1/' | tr 'L' '\n' | tail -n 2 >corners
    cat corners
    local high
    high=$(awk 'NR == 1 { low = $2 } NR == 2 { split($2, y, "H"); print low - y[1] }' corners)
    # A panel of two is 120 high.
    awk -v high="$high" 'BEGIN { exit !(high > 35.4 && high < 36.6) }'
}

@test "clients that are not launched yet are told from those that are not connected" {
    { headers; timeline ours 400 800; } | picture >picture.svg
    grep '<path fill="#f2a765"' picture.svg | sed 's/.* d="M\(.*\)z".*/\1/' | tr 'L' '\n' >launched
    grep '<path fill="#b4d5ea"' picture.svg | sed 's/.* d="M\(.*\)z".*/\1/' | tr 'L' '\n' >connected
    # Launching takes half the time.
    local file
    for file in launched connected; do
        awk 'NR == 1 { start = $1 } $2 == "146.0" { print $1 - start; exit }' "$file"
    done >taken
    cat taken
    awk '{ time[NR] = $1 } END { exit !(time[2] / time[1] > 1.95 && time[2] / time[1] < 2.05) }' taken
}

@test "names of programs and machine may contain special characters of XML" {
    { printf '#machine\t"4 > 3" & <b>\a\n'; headers | tail -n 2; timeline 'a<b> & "c"' 250 710; } | picture >picture.svg
    is_well_formed picture.svg
    grep -q '>a&lt;b&gt; &amp; &quot;c&quot;<' picture.svg
    grep -q ' &quot;4 &gt; 3&quot; &amp; &lt;b&gt;<' picture.svg
}

@test "10,000 points are thinned to few that include the last and the corners of a step" {
    {
        headers
        timeline ours 250 710
        awk 'BEGIN {
            all = "\t10000\t10000\t"
            for (ms = 1; ms <= 4000; ms++) print "theirs\t" ms all ms "\t0"
            for (ms = 4001; ms <= 8000; ms++) print "theirs\t" ms all 6000 + (ms - 4000) / 2 "\t0"
            for (ms = 8001; ms <= 10000; ms++) print "theirs\t" ms all (ms < 8520 ? 8000 : 10000) "\t0"
        }'
    } | picture >picture.svg
    (($(wc -c <picture.svg) < 10000))
    grep -q '>8.52 s<' picture.svg
    corners picture.svg >line
    cat line
    (($(wc -l <line) < 10))
    # The parts of the line are: up to the step, the step, up to the wait, the wait, up to all; and
    # back.
    awk '{ x[NR] = $1; y[NR] = $2 + 0 }
        function near(value, other) { return value - other < 0.6 && other - value < 0.6 }
        END {
            wide = x[NR - 1] - x[1]
            high = y[1] - y[NR - 1]
            exit !(near(x[2], x[1] + wide * 4 / 8.52) && near(y[2], y[1] - high * 0.4) \
                && near(x[3], x[2]) && near(y[3], y[1] - high * 0.6) \
                && near(x[4], x[1] + wide * 8 / 8.52) && near(y[4], y[1] - high * 0.8) \
                && near(x[5], x[NR - 1]) && near(y[5], y[4]))
        }' line
}

@test "the axis ends early if a program takes very long, and the panel shows its time" {
    {
        headers
        timeline ours 250 1000
        timeline theirs 3000 8000
        printf 'slow\t1000\t10000\t10000\t5000\t0\nslow\t90000\t10000\t10000\t10000\t0\n'
    } | picture >picture.svg
    grep -q '>8 s</text>' picture.svg
    refute grep -q '>10 s</text>' picture.svg
    grep -q '>90.0 s</text>' picture.svg
    # The area extends to where the line below the panel ends.
    local area
    area=$(corners picture.svg | tail -n 2 | head -n 1)
    grep -q "H${area%% *}\" stroke" picture.svg
}

@test "every awk draws the same picture" {
    local -a others=()
    several 4 >timelines
    picture <timelines >picture.svg
    command -v mawk >/dev/null && others+=("mawk")
    command -v gawk >/dev/null && others+=("gawk --posix")
    command -v busybox >/dev/null && others+=("busybox awk")
    ((${#others[@]} > 0)) || skip "only one awk is installed"
    local other
    for other in "${others[@]}"; do
        echo "$other"
        read -r -a AWK <<<"$other"
        picture <timelines >other.svg
        cmp picture.svg other.svg
        is_refused "there is nothing to draw" </dev/null
    done
}

@test "picture.awk refuses anything but a timeline with one line" {
    local expected="expected PROGRAM, MS, LAUNCHED, CONNECTED, SERVED and LOST, apart by tabs"
    is_refused "there is nothing to draw" </dev/null
    headers | is_refused "there is nothing to draw"
    timeline ours 250 710 | is_refused "#clients is missing"
    { headers; echo "ours 1 2 3 4 5"; } | is_refused "line 4: $expected"
    { headers; printf 'ours\t1\t2\n'; } | is_refused "line 4: $expected"
    { headers; printf 'ours\t1\t2\t2\t2\t2\t2\n'; } | is_refused "line 4: $expected"
    { headers; printf 'ours\t1\t2\t2\tx\t0\n'; } | is_refused "line 4: $expected"
    { headers; printf 'ours\t1\t2\t2\t2\t0\nours\t2\t2\t1\t1\t0\n'; } |
        is_refused "line 5: time and counts may only grow"
    { headers; printf 'ours\t1\t10001\t2\t0\t0\n'; } | is_refused "ours: more clients than #clients says"
    local wrong="more clients connected than launched, or more served and lost than connected"
    { headers; printf 'ours\t1\t2\t3\t0\t0\n'; } | is_refused "line 4: $wrong"
    { headers; printf 'ours\t1\t2\t2\t1\t2\n'; } | is_refused "line 4: $wrong"
}
