# The tables of what was tried, of lines "VERDICT MILLISECONDS CUT TWICE UNTOLD FAULT WHAT": one of
# errors, one of deaths.  Below them what failed, with the command that repeats just that, and what came
# out.  Exits with 1 if anything failed.  Set: trial, seed; quiet, to leave the tables out.

function remember_error(row, error) {
    if (index(" " errors[row] " ", " " error " ") == 0) errors[row] = errors[row] error " "
}

function remember_death(    row, place) {
    row = fault[1] " " fault[2] " " fault[3]
    place = fault[4] == "KILL" ? 0 : 3
    place += fault[5] < 3 ? fault[5] : 3
    if (!(row in died)) deaths_order[++death_rows] = row
    died[row]++
    fates[row, place] = $1 == "survived" ? "held" : $1 == "not-hit" ? "not met" : $1
    lost[row] += $3
    twice[row] += $4
    untold[row] += $5
    deaths_of[fault[1]]++
    verdicts_of[fault[1], $1]++
    lost_of[fault[1]] += $3
    twice_of[fault[1]] += $4
    untold_of[fault[1]] += $5
}

{
    split($6, fault, ":")
    all[$1]++
    if (fault[4] ~ /^KILL/) {
        remember_death()
        deaths[$1]++
    } else {
        row = fault[1] " " fault[3]
        if (!(row in runs)) order[++rows] = row
        remember_error(row, fault[4])
        runs[row]++
        verdicts[row, $1]++
        cut += $3
    }
    calls[fault[1] " " fault[3]] = 1
    if ($1 == "failed") {
        what = $0
        sub(/^([^ ]* ){6}/, "", what)
        failures[++failed] = $6 ": " what "\n    scripts/trials/faults --only " $6
    }
}

function good(row) { return verdicts[row, "survived"] + verdicts[row, "refused"] }

function print_errors(    i, part) {
    printf "%-12s %-18s %5s %9s %8s %7s  %s\n", "program", "system call", "runs", "survived", \
        "refused", "not met", "errors"
    for (i = 1; i <= rows; i++) {
        row = order[i]
        split(row, part, " ")
        printf "%-12s %-18s %5d %9d %8d %7d  %s%s\n", part[1], part[2], runs[row], good(row), \
            verdicts[row, "refused"], verdicts[row, "not-hit"], errors[row], \
            (row, "failed") in verdicts ? "FAILED " verdicts[row, "failed"] : ""
    }
}

function fate(row, place) { return (row, place) in fates ? fates[row, place] : "-" }

# Each call was about to be made, or had been carried out, for the first or second time or later.
function print_deaths(    i, place, part) {
    printf "%-10s %-7s %-17s %-25s %-25s %4s %5s %6s\n", "killed", "phase", "at system call", \
        "before: 1st, 2nd, later", "after: 1st, 2nd, later", "lost", "twice", "untold"
    for (i = 1; i <= death_rows; i++) {
        row = deaths_order[i]
        split(row, part, " ")
        printf "%-10s %-7s %-17s", part[1], part[2], part[3]
        for (place = 1; place <= 6; place++)
            printf " %-7s%s", fate(row, place), place == 3 || place == 6 ? "  " : ""
        printf "%3d %5d %6d\n", lost[row], twice[row], untold[row]
    }
    printf "\n%-10s %6s %9s %8s %7s %5s %6s %7s\n", "killed", "cases", "survived", "not met", \
        "failed", "lost", "twice", "untold"
    for (i in deaths_of)
        printf "%-10s %6d %9d %8d %7d %5d %6d %7d\n", i, deaths_of[i], verdicts_of[i, "survived"], \
            verdicts_of[i, "not-hit"], verdicts_of[i, "failed"], lost_of[i], twice_of[i], untold_of[i]
}

function print_tables() {
    if (rows > 0) print_errors()
    if (rows > 0 && death_rows > 0) print ""
    if (death_rows > 0) print_deaths()
}

END {
    if (!quiet) print_tables()
    for (i = 1; i <= failed; i++) print "failed: " failures[i]
    if (quiet && all["not-hit"] > 0) failed += all["not-hit"] # then it was not tried
    for (i in calls) calls_count++
    for (i in deaths) deaths_count += deaths[i]
    for (i in lost_of) {
        all_lost += lost_of[i]
        all_twice += twice_of[i]
    }
    printf "%s: %d faults in %d system calls of the programs, seed %d: %d survived", trial, NR, \
        calls_count, seed, all["survived"]
    printf ", %d refused to start or to go on and said why, %d not met this time", all["refused"], \
        all["not-hit"]
    printf ", %d failed; %d clients cut off", all["failed"], cut
    if (deaths_count > 0)
        printf "; of %d deaths %d survived: %d clients lost, %d served twice", deaths_count, \
            deaths["survived"], all_lost, all_twice
    print ""
    exit failed > 0
}
