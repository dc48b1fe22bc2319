#!/usr/bin/env bats
# Tests the picture of a burst: scripts/bench.d/picture.awk.

load ../shared/helpers

picture() { LC_ALL=C "${AWK[@]:-awk}" -f "$ROOT/scripts/bench.d/picture.awk"; }

headers() { printf '#machine\ta machine\n#clients\t10000\n#handlers\t8\n'; }

# timeline PROGRAM CONNECTED SERVED [LOST]: prints the timeline of 10,000 clients, all connected after
# CONNECTED ms and served after SERVED ms, except LOST clients, which are never served.
timeline() {
    awk -v name="$1" -v connected="$2" -v served="$3" -v lost="${4:-0}" 'BEGIN {
        for (step = 0; step <= 1000; step++) {
            ms = served * step / 1000
            present = connected ? ms / connected : 1
            printf "%s\t%.3f\t%d\t%d\n", name, ms, 10000 * (present < 1 ? present : 1), (10000 - lost) * step / 1000
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
    grep -q '>10,000 clients at once, 8 handlers<' picture.svg
    grep -q '>a machine<' picture.svg
    grep -q '>ours<' picture.svg
    grep -q '>all connected after 0.25 s<' picture.svg
    grep -q '>0.71 s<' picture.svg
    grep -q '>all connected after 3.0[56] s<' picture.svg
    grep -q '>8.30 s<' picture.svg
    grep -q '>12.3 s<' picture.svg
    grep -q '^theirs: all connected after 3.0[56] s, all served after 8.30 s\.$' picture.svg
}

@test "a picture shows how many clients were connected and how many never served" {
    { headers; timeline ours 250 710; timeline theirs 400 900 812; printf 'none\t5\t0\t0\n'; } | picture >picture.svg
    grep -q '>812</text>' picture.svg
    (($(grep -c '>never served<' picture.svg) == 2))
    (($(grep -c '>all served<' picture.svg) == 1))
    grep -q '^theirs: .* 9,188 served after 0.90 s, 812 never served\.$' picture.svg
    grep -q '>none connected<' picture.svg
}

@test "names of programs and machine may contain special characters of XML" {
    { printf '#machine\t"4 > 3" & <b>\a\n'; headers | tail -n 2; timeline 'a<b> & "c"' 250 710; } | picture >picture.svg
    is_well_formed picture.svg
    grep -q '>a&lt;b&gt; &amp; &quot;c&quot;<' picture.svg
    grep -q '>&quot;4 &gt; 3&quot; &amp; &lt;b&gt;<' picture.svg
}

@test "10,000 points are thinned to few that include the last and the corners of a step" {
    {
        headers
        timeline ours 250 710
        awk 'BEGIN {
            for (ms = 1; ms <= 4000; ms++) print "theirs\t" ms "\t10000\t" ms
            for (ms = 4001; ms <= 8000; ms++) print "theirs\t" ms "\t10000\t" 6000 + (ms - 4000) / 2
            for (ms = 8001; ms <= 10000; ms++) print "theirs\t" ms "\t10000\t" (ms < 8520 ? 8000 : 10000)
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
        printf 'slow\t1000\t10000\t5000\nslow\t90000\t10000\t10000\n'
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
    local expected="expected PROGRAM, MS, CONNECTED and SERVED, apart by tabs"
    is_refused "there is nothing to draw" </dev/null
    headers | is_refused "there is nothing to draw"
    timeline ours 250 710 | is_refused "#clients is missing"
    { headers; echo "ours 1 2 3"; } | is_refused "line 4: $expected"
    { headers; printf 'ours\t1\t2\n'; } | is_refused "line 4: $expected"
    { headers; printf 'ours\t1\t2\t2\t2\n'; } | is_refused "line 4: $expected"
    { headers; printf 'ours\t1\t2\tx\n'; } | is_refused "line 4: $expected"
    { headers; printf 'ours\t1\t2\t2\nours\t2\t1\t1\n'; } | is_refused "line 5: time and counts may only grow"
    { headers; printf 'ours\t1\t10001\t2\n'; } | is_refused "ours: more clients than #clients says"
}
