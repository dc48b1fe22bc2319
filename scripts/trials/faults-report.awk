# The table of what was tried, of lines "VERDICT MILLISECONDS CUT FAULT WHAT"; below it what failed,
# with the command that repeats just that, and what came out.  Exits with 1 if anything failed.
# Set: trial, seed; quiet, to leave the table out.

function remember_error(row, error) {
    if (index(" " errors[row] " ", " " error " ") == 0) errors[row] = errors[row] error " "
}

{
    split($4, fault, ":")
    row = fault[1] " " fault[3]
    if (!(row in runs)) order[++rows] = row
    remember_error(row, fault[4])
    runs[row]++
    verdicts[row, $1]++
    all[$1]++
    cut += $3
    if ($1 == "failed") {
        what = $0
        sub(/^([^ ]* ){4}/, "", what)
        failures[++failed] = $4 ": " what "\n    scripts/trials/faults --only " $4
    }
}

function good(row) { return verdicts[row, "survived"] + verdicts[row, "refused"] }

function print_table(    i, part) {
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

END {
    if (!quiet) print_table()
    for (i = 1; i <= failed; i++) print "failed: " failures[i]
    if (quiet && all["not-hit"] > 0) failed += all["not-hit"] # then it was not tried
    printf "%s: %d faults in %d system calls of the programs, seed %d: %d survived", trial, NR, rows, \
        seed, all["survived"]
    printf ", %d refused to start or to go on and said why, %d not met this time", all["refused"], \
        all["not-hit"]
    printf ", %d failed; %d clients cut off\n", all["failed"], cut
    exit failed > 0
}
