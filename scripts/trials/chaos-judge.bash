# The end of the chaos trial: holds all records against each other, and shows what came of it.
# shellcheck shell=bash
#
# Each awk program prints lines "checked ID TIMES WHAT" and "wrong ID TIME WHAT", where
# ID is the number of an invariant, and a letter for each way to check it.

readonly ANSWER_WITHIN=3000 # milliseconds; a blocked supervisor takes seconds, a loaded machine does not
readonly CONTRADICTIONS_SHOWN=10

# What the notes say of the trial itself.
judge_noted() { awk -v what="$1" -v column="$2" '$1 == what { print $column }' "$records/notes"; }

# The file "lives", and those that chaos-order.awk reads besides.
judge_lives() {
    {
        awk '{ print $5, $1, $2, $3, $4, $6 }' "$records/handlers"
        awk '$1 == "alive" { time = $2; $1 = time; $2 = "alive"; print }' "$records/observed"
    } | sort -s -n -k 1,1 | awk -f "$parts/chaos-lives.awk" >"$records/lives"
    awk '{ print $2, $3 }' "$records/lives" | sort -n -u >"$records/tickets"
    {
        awk '{ print $4, 1, $2, $3; print $5, 0, $2, $3 }' "$records/lives"
        awk '$1 == "alive" { time = $2; $1 = time; $2 = "2 alive"; print }' "$records/observed"
    } | sort -n -k 1,1 -k 2,2 >"$records/events"
}

judge_all() {
    local parts=$root/scripts/trials log
    local -a logs=()
    for log in $(judge_noted serving 4); do logs+=("$records/$log"); done
    judge_lives
    awk -f "$parts/chaos-limits.awk" -f "$parts/chaos-order.awk" \
        "$records/notes" "$records/clients" "$records/tickets" "$records/events"
    awk -v timeout="$HANDLER_TIMEOUT" -f "$parts/chaos-limits.awk" -f "$parts/chaos-fates.awk" \
        "$records/notes" "$records/lives" "$records/clients" "${logs[@]}" >"$records/fates"
    cat "$records/fates"
    awk '$1 == "last"' "$records/fates" >"$records/last"
    awk -v bound="$ANSWER_WITHIN" -v dear="$(judge_noted trial 4)" -f "$parts/chaos-limits.awk" \
        -f "$parts/chaos-samples.awk" "$records/notes" "$records/last" "$records/observed"
}

# ---- what is shown ----

show_actions() {
    awk '$1 == "did" { did[$3]++ } $1 == "skipped" { did[$3] += 0; skipped[$3]++ }
        END { for (i in did) printf "| %-8s | %5d | %7d |\n", i, did[i], skipped[i] + 0 }' \
        "$records/notes" | sort >"$work/actions"
    echo "| action   |  done | skipped |"
    echo "|----------|------:|--------:|"
    cat "$work/actions"
}

show_outcomes() {
    echo "| clients | what became of them |"
    echo "|--------:|---------------------|"
    awk '$1 == "outcome" { $1 = ""; count = $2; $2 = ""; sub(/^ +/, ""); printf "| %7d | %s |\n", count, $0 }' \
        "$records/verdict" | sort -t '|' -k 2,2nr
}

show_checks() {
    echo "|    | checked, times | wrong | what |"
    echo "|---:|---------------:|------:|------|"
    awk '$1 == "wrong" { wrong[$2]++ }
        $1 == "checked" { id[++lines] = $2; times[lines] = $3; $1 = $2 = $3 = ""; sub(/^ +/, ""); what[lines] = $0 }
        END { for (i = 1; i <= lines; i++) printf "| %s | %14d | %5d | %s |\n", id[i], times[i], wrong[id[i]], what[i] }' \
        "$records/verdict" | sort
}

show_contradictions() {
    echo "What does not hold, by invariant and time, the first of $1:" >&2
    awk '$1 == "wrong" { $1 = ""; print " " $0 }' "$records/verdict" |
        head -n "$CONTRADICTIONS_SHOWN" >&2
    echo "The records are in $records" >&2
}

judge() {
    local wrongs clients daemons cost
    judge_all >"$records/verdict"
    cat "$records/seen" >>"$records/verdict"
    show_actions
    echo
    show_outcomes
    echo
    show_checks
    echo
    progress_end
    wrongs=$(awk '$1 == "wrong" { count++ } END { print count + 0 }' "$records/verdict")
    clients=$(wc -l <"$records/clients")
    cost=$(awk '$1 == "cost" { printf "%.2f", $2 }' "$records/verdict")
    daemons=$(judge_noted serving 4 | wc -l)
    seed=$(judge_noted trial 2)
    if ((wrongs > 0)); then
        failed=yes
        show_contradictions "$wrongs"
        echo "$trial: with seed $seed, $wrongs contradictions"
        return 1
    fi
    echo "$trial: with seed $seed, $clients clients and $daemons daemons in $(judge_noted trial 3) s, all six invariants held; $cost ms of processor time for each connection"
}
