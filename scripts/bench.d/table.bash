# Makes tables, in Markdown, of what has been recorded.  shellcheck shell=bash

# Prints "MEDIAN (LEAST–MOST)" of FIGURE, times SCALE and with so many DIGITS.
table_spread() {
    awk -v of="$1 $2 $3" -v scale="${4:-1}" -v digits="${5:-0}" -v form=spread -f "$parts/statistics.awk" "$raw"
}

table_median() { awk -v of="$1 $2 $3" -v form=median -f "$parts/statistics.awk" "$raw"; }

table_most() { awk -v of="$1 $2 $3" -v form=most -f "$parts/statistics.awk" "$raw"; }

# Of our figure to that of PROGRAM, in each round, with so many DIGITS; marked if PROGRAM did not answer all.
table_ratio() {
    local ratio
    ratio=$(awk -v of="$1 $OURS $3" -v to="$1 $2 $3" -v digits="${4:-2}" -v form=spread \
        -f "$parts/statistics.awk" "$raw")
    if [[ -n $ratio && $(table_failures "$1" "$2") != none ]]; then ratio+="*"; fi
    echo "$ratio"
}

table_ratio_median() {
    awk -v of="$1 $2 $3" -v to="$4 $5 $6" -v form=median -f "$parts/statistics.awk" "$raw"
}

table_align() { LC_ALL=C awk -f "$parts/align.awk"; }

# Prints its words as cells of a line.
table_line() {
    local IFS=$'\t'
    printf '%s\n' "$*"
}

# How many rounds there are of a figure.
table_rounds() {
    awk -F '\t' -v of="$1 $2 $3" '$1 " " $2 " " $4 == of { count++ } END { print count + 0 }' "$raw"
}

# Whether there is anything of a scenario.
table_has() { grep -q "^$1"$'\t' "$raw"; }

# How many clients of PROGRAM were not answered, in all rounds, and why.
table_failures() {
    awk -F '\t' -v scenario="$1" -v program="$2" '
        $1 == scenario && $2 == program && $4 ~ /^(refused|reset|wrong|lost)$/ && $5 > 0 { sum[$4] += $5 }
        END {
            for (reason in sum) { printf "%s%d %s", comma, sum[reason], reason; comma = ", " }
            if (!comma) print "none"
        }' "$raw"
}

table_all() {
    table_ratios
    table_rates
    table_persistent
    table_burst
    table_crowd
    table_depth
    table_idle
}

# ---- ours beside each peer ----

table_ratios() {
    local program lines
    lines=$(
        table_line "ours to" "one at a time: time" "static: rate" "cat: rate" \
            "burst: connect p99" "burst: all served" "idle: memory"
        for program in "${programs[@]}"; do
            [[ $program != "$OURS" ]] || continue
            table_line "$(peers_title "$program")" "$(table_ratio single "$program" done_median)" \
                "$(table_ratio static "$program" rate)" "$(table_ratio cat "$program" rate)" \
                "$(table_ratio burst "$program" connect_p99 4)" "$(table_ratio burst "$program" seconds)" \
                "$(table_ratio idle "$program" kibibytes)"
        done
        table_line "the limit" "" "$(table_ratio static limit rate)" "$(table_ratio cat spawn rate)"
    )
    lines=$(table_columns <<<"$lines")
    if [[ $lines != *$'\t'* ]]; then return; fi # there was nothing to compare with
    echo
    echo "Ours to each peer, the ratio within each round: median (least–most)."
    echo "Of times and memory less than 1.00 is better, of rates more."
    echo
    table_align <<<"$lines"
    if [[ $lines == *"*"* ]]; then
        echo
        echo "\\* Not all of its clients were answered; the ratio is to what it was for those that were."
    fi
}

# Leaves out columns that have no figure at all, and such lines.
table_columns() {
    awk -F '\t' '
        { for (i = 1; i <= 9; i++) { cell[NR, i] = $i; if (NR > 1 && i > 1 && $i != "") used[i] = any[NR] = 1 } }
        END {
            for (line = 1; line <= NR; line++) {
                if (line > 1 && !any[line]) continue
                text = cell[line, 1]
                for (i = 2; i <= 9; i++) if (used[i]) text = text "\t" cell[line, i]
                print text
            }
        }'
}

# ---- single, static and cat ----

table_rates() {
    local scenario
    for scenario in single static cat; do
        if table_has "$scenario"; then "table_rate_$scenario"; fi
    done
}

table_rate_single() {
    table_head "One client at a time, a handler that answers and exits: µs until it has its answer and the end"
    {
        table_line "program" "median" "p99" "a second" "not answered"
        for program in "${programs[@]}"; do
            table_line "$(peers_title "$program")" "$(table_spread single "$program" done_median)" \
                "$(table_spread single "$program" done_p99)" "$(table_spread single "$program" rate)" \
                "$(table_failures single "$program")"
        done
    } | table_align
}

table_rate_static() {
    table_head "$IN_FLIGHT in flight, $IN_FLIGHT handlers that answer and exit: connections a second"
    {
        table_line "program" "a second" "median wait, µs" "not answered"
        table_rates_of static
        table_line "bare accept and write" "$(table_spread static bare rate)" "$(table_spread static bare done_median)" "$(table_failures static bare)"
        table_line "bare vfork and exec" "$(table_spread static spawn rate)"
        table_line "the limit of both" "$(table_spread static limit rate)"
    } | table_align
}

table_rate_cat() {
    table_head "$IN_FLIGHT in flight, $IN_FLIGHT handlers, /bin/cat: connections a second"
    {
        table_line "program" "a second" "median wait, µs" "not answered"
        table_rates_of cat
        table_line "bare vfork and exec" "$(table_spread cat spawn rate)"
    } | table_align
}

table_rates_of() {
    local program
    for program in "${programs[@]}"; do
        table_line "$(peers_title "$program")" "$(table_spread "$1" "$program" rate)" \
            "$(table_spread "$1" "$program" done_median)" "$(table_failures "$1" "$program")"
    done
}

table_head() {
    echo
    echo "$1, median (least–most):"
    echo
}

# ---- burst ----

table_burst() {
    local program
    table_has burst || return 0
    table_head "$(table_number "$burst_clients") clients at once, $BURST_HANDLERS handlers: ms to connect, and s until all have been served"
    {
        table_line "program" "connect p50" "p99" "longest" "all, s" "not answered"
        for program in "${programs[@]}"; do
            table_line "$(peers_title "$program")" "$(table_spread burst "$program" connect_median 0.001 2)" \
                "$(table_spread burst "$program" connect_p99 0.001 2)" \
                "$(table_spread burst "$program" connect_longest 0.001 1)" \
                "$(table_spread burst "$program" seconds 1 2)" "$(table_failures burst "$program")"
        done
    } | table_align
    table_burst_left_out
}

# Who was not measured in all rounds, for being slow.
table_burst_left_out() {
    local program measured list=
    for program in "${programs[@]}"; do
        measured=$(table_rounds burst "$program" seconds)
        if ((measured < rounds_long)) && burst_was_slow "$program"; then
            list+="${list:+, }$(peers_title "$program") in $measured"
        fi
    done
    if [[ -z $list ]]; then return; fi
    echo
    echo "Who takes $BURST_SLOW s or more is not measured again. Of $rounds_long rounds: $list."
}

table_number() { LC_ALL=C awk -v n="$1" 'BEGIN { while (n >= 1000) { t = sprintf(",%03d%s", n % 1000, t); n = int(n / 1000) } print n t }'; }

# ---- crowd, depth, idle ----

table_crowd() {
    table_has crowd || return 0
    table_head "$(table_number "$crowd_clients") clients at once, all waiting, then all served"
    {
        table_line "what" "figure"
        table_line "connected, ms, longest" "$(table_spread crowd "$OURS" connect_longest 0.001)"
        table_line "answered" "$(table_spread crowd "$OURS" answered)"
        table_line "not answered" "$(table_failures crowd "$OURS")"
        table_line "supervisor, all waiting: resident KiB" "$(table_spread crowd "$OURS" resident)"
        table_line "supervisor, all waiting: KiB (PSS)" "$(table_spread crowd "$OURS" proportional)"
        table_line "supervisor, most of all time: resident KiB" "$(table_spread crowd "$OURS" peak)"
        table_line "bytes for each waiting client" "$(table_spread crowd "$OURS" bytes_each)"
    } | table_align
}

table_depth() {
    local depth
    table_has depth || return 0
    table_head "The supervisor's processor time for one connection, µs"
    {
        table_line "waiting" "they are overtaken" "to none waiting" "in order of arrival" "to none waiting"
        for depth in "${depths[@]}"; do
            table_line "$(table_number "$depth")" \
                "$(table_spread depth "$OURS" "overtaking_$depth" 1 1)" "$(table_depth_ratio overtaking "$depth")" \
                "$(table_spread depth "$OURS" "arrival_$depth" 1 1)" "$(table_depth_ratio arrival "$depth")"
        done
    } | table_align
}

table_depth_ratio() {
    awk -v of="depth $OURS ${1}_$2" -v to="depth $OURS ${1}_0" -v digits=2 -v form=spread \
        -f "$parts/statistics.awk" "$raw"
}

table_idle() {
    local program
    table_has idle || return 0
    echo
    echo "Idle, all processes of each program, for $idle_seconds s:"
    echo
    {
        table_line "program" "processes" "memory (PSS), KiB" "wake-ups"
        for program in "${programs[@]}"; do
            table_line "$(peers_title "$program")" "$(table_spread idle "$program" processes)" \
                "$(table_spread idle "$program" kibibytes)" "$(table_spread idle "$program" wake_ups)"
        done
    } | table_align
    echo
    echo "Each was weighed while no other ran; pages that it shares with the bench count by their share."
}
