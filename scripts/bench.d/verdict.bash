# Compares the figures of a run with the targets.  shellcheck shell=bash

verdict_all() {
    local scenario
    echo
    echo "Targets:"
    echo
    for scenario in "${scenarios[@]}"; do "verdict_$scenario"; done
}

# Prints one line: whether FIGURE is at most or at least TARGET (OPERATOR <= or >=).
#
# BEST is the figure of OF, a bare program of the same structure.  Where OF itself does not reach the
# target, and FIGURE is not better than BEST, the target is out of reach: neither met nor missed.
# Usage: verdict_line SCENARIO WHAT FIGURE OPERATOR TARGET [UNIT [BEST OF]]
verdict_line() {
    local scenario=$1 what=$2 figure=$3 operator=$4 target=$5 unit=${6:-} best=${7:-} of=${8:-} word
    if [[ -z $figure ]]; then
        word="not measured"
    elif verdict_reaches "$figure" "$operator" "$target"; then
        word=met
    elif [[ -n $best ]] && ! verdict_reaches "$best" "$operator" "$target" &&
        verdict_reaches "$best" "$operator" "$figure"; then
        word="out of reach here"
    else
        word=missed
    fi
    printf -- '- %-10s %s: %s %s (target: %s %s%s)\n' "$scenario" "$(verdict_word "$word")" \
        "$what" "$(verdict_figure "$figure")$unit" "$operator" "$target$unit" \
        "${best:+; $of: $(verdict_figure "$best")$unit}"
}

# Usage: verdict_reaches FIGURE OPERATOR TARGET
verdict_reaches() {
    awk -v figure="$1" -v operator="$2" -v target="$3" \
        'BEGIN { exit !(operator == "<=" ? figure <= target : figure >= target) }'
}

verdict_figure() {
    awk -v figure="$1" 'BEGIN {
        printf figure == "" ? "–" : figure == int(figure) ? "%d" : "%.4g", figure }'
}

verdict_word() {
    if [[ ! -t 1 || -n ${NO_COLOR:-} ]]; then
        echo "$1"
    elif [[ $1 == met ]]; then
        printf '\e[32m%s\e[0m' "$1"
    elif [[ $1 == "out of reach"* ]]; then
        printf '\e[33m%s\e[0m' "$1"
    else
        printf '\e[31m%s\e[0m' "$1"
    fi
}

# Whether PROGRAM has any figure in SCENARIO.
verdict_has() { [[ -n $(table_median "$1" "$2" "$3") ]]; }

verdict_single() {
    local fastest
    fastest=$(verdict_fastest)
    verdict_line single "median time to that of ${fastest:-the fastest peer}" \
        "$(table_ratio_median single "$OURS" done_median single "$fastest" done_median)" "<=" 0.95
}

# The peer whose median is the least, of those that answered all clients.
verdict_fastest() {
    local program median
    for program in "${programs[@]}"; do
        [[ $program != "$OURS" ]] || continue
        median=$(table_median single "$program" done_median)
        if [[ -n $median && $(table_failures single "$program") == none ]]; then echo "$median $program"; fi
    done | sort -n | head -n 1 | cut -d ' ' -f 2
}

verdict_static() {
    if verdict_has static s6-tcpserver rate || ! verdict_has static tcpserver rate; then
        verdict_rate s6-tcpserver 1.7
    else
        verdict_rate tcpserver 2.0
    fi
    verdict_line static "rate to the limit" \
        "$(table_ratio_median static "$OURS" rate static limit rate)" ">=" 0.95
}

verdict_rate() {
    verdict_line static "rate to that of $1" \
        "$(table_ratio_median static "$OURS" rate static "$1" rate)" ">=" "$2"
}

verdict_cat() {
    verdict_line cat "rate to that of bare vfork and exec" \
        "$(table_ratio_median cat "$OURS" rate cat spawn rate)" ">=" 0.95
}

verdict_burst() {
    verdict_line burst "connect p99" "$(verdict_divided "$(table_median burst "$OURS" connect_p99)" 1000)" "<=" 10 " ms"
    verdict_line burst "time until all are served, to what it takes at the rate of static" \
        "$(verdict_burst_to_rate)" "<=" 1.1
}

verdict_burst_to_rate() {
    awk -v took="$(table_median burst "$OURS" seconds)" -v rate="$(table_median static "$OURS" rate)" \
        -v clients="$burst_clients" 'BEGIN { if (took && rate) printf "%.3f\n", took * rate / clients }'
}

# Nothing, if there is nothing to be divided.
verdict_divided() { awk -v value="$1" -v by="$2" 'BEGIN { if (value != "") printf "%.3f\n", value / by }'; }

verdict_crowd() {
    verdict_line crowd "not answered, of $(table_number "$crowd_clients")" "$(verdict_lost)" "<=" 0
    verdict_line crowd "supervisor's memory" "$(verdict_divided "$(table_median crowd "$OURS" peak)" 1024)" \
        "<=" "$((crowd_clients > 20000 ? 32 : 8))" " MiB"
}

verdict_lost() {
    awk -F '\t' '$1 == "crowd" && $4 == "clients" { sum += $5; any = 1 }
        $1 == "crowd" && $4 == "answered" { sum -= $5 }
        END { if (any) print sum }' "$raw"
}

verdict_depth() {
    local deepest=${depths[-1]}
    verdict_line depth "time with $(table_number "$deepest") waiting, to that with none" \
        "$(table_ratio_median depth "$OURS" "overtaking_$deepest" depth "$OURS" overtaking_0)" "<=" 1.1
}

verdict_idle() {
    verdict_line idle "memory" "$(verdict_divided "$(table_median idle "$OURS" kibibytes)" 1024)" "<=" 1.5 " MiB"
    verdict_line idle "wake-ups in $idle_seconds s" "$(table_median idle "$OURS" wake_ups)" "<=" 0
}
