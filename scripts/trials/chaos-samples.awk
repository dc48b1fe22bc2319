# Invariants 1, 2, 5 and 6, of what the observer has seen: reads "notes", "last" (the ends of clients
# that the log of the last daemon has: served, abandoned, refused), and "observed".  `bound` is how many
# milliseconds an answer may take; `dear`, what the build makes everything dearer by.

FILENAME ~ /notes$/ && $1 == "rest" { rest = $2 }
FILENAME ~ /notes$/ && $1 == "plan" { plan = $2 }
FILENAME ~ /notes$/ && $1 == "exit" {
    exits++
    if ($3 != 0) wrong("6c", "-", "process " $2 " has ended with status " $3)
}
FILENAME ~ /notes$/ { next }
FILENAME ~ /last$/ { served = $2; abandoned = $3; refused = $4; next }

# sample TIME LATENCY PROCESS accepted queued starting running lingering served abandoned denied
#     refused_queue refused_source refused_timeout dropped handed_over processes ready wanted
$1 == "sample" {
    samples++
    if ($3 > longest) longest = $3
    if ($3 > bound) wrong("5a", $2, "an answer took " $3 " ms")
    sum = $6 + $7 + $8
    for (i = 10; i <= 17; i++) sum += $i
    if (sum != $5) wrong("2e", $2, "accepted " $5 ", and the sum is " sum)
    if ($7 + $8 > permitted($2)) wrong("1c", $2, $7 + $8 " are starting or running, it says; at most " permitted($2) " may")
    if ($4 == process) {
        for (i = 10; i <= 17; i++) if ($i < before[i]) wrong("2e", $2, "a counter went back, from " before[i] " to " $i)
        if ($5 < before[5]) wrong("2e", $2, "accepted went back, from " before[5] " to " $5)
        work += $5 - before[5] + $10 - before[10]
    } else {
        work += $5 + 100 # a daemon's start costs as much as some connections
    }
    process = $4
    for (i = 5; i <= 17; i++) before[i] = $i
    if (rest && $2 > rest) at_rest = $0
}
$1 == "again" { again++ }
$1 == "unanswered" { samples++; wrong("5a", $2, "no answer within " $3 " ms") }

# Of processor time: an eighth of one, and what connections cost.
$1 == "used" {
    if (window == "") { window = $2; window_used = $3; window_work = work; first_used = $3 }
    used = $3
    if ($2 - window < 2) next
    spent = $3 - window_used
    allowed = dear * (($2 - window) * 125 + (work - window_work) * 3)
    windows++
    share = spent / allowed
    if (share > worst) worst = share
    if (spent > allowed) wrong("6a", $2, "in " $2 - window " s, " spent " ms of processor time for " work - window_work " events")
    window = $2; window_used = $3; window_work = work
}

$1 == "alive" && rest && $2 > rest { rests++; if (NF > 2) wrong("6b", $2, NF - 2 " handlers are left") }
# One may just end; it is reaped within moments.
$1 == "zombies" && rest && $2 > rest { if (zombies_least == "" || $3 < zombies_least) zombies_least = $3 }
$1 == "process" {
    if (first == "" || $3 == first) {
        first = $3
        # Until the first client comes; the observer's own connection may or may not be closed yet.
        if ($2 < plan && $4 > descriptors_first) descriptors_first = $4
        if ($2 < plan && $5 > resident_first) resident_first = $5
    }
    if ($5 > resident_most) resident_most = $5
    if (rest && $2 > rest) {
        if (descriptors_last == "" || $4 < descriptors_last) descriptors_last = $4
        resident_last = $5
    }
}

function look_at_end(    fields) {
    if (at_rest == "") { wrong("6b", "-", "it was never seen at rest"); return }
    split(at_rest, fields)
    if (fields[6] + fields[7] + fields[8] > 0) wrong("6b", fields[2], "somebody is left: queued " fields[6] ", starting " fields[7] ", running " fields[8])
    if (fields[10] != served) wrong("2f", fields[2], "served " fields[10] ", and " served " by the log")
    if (fields[11] != abandoned) wrong("2f", fields[2], "abandoned " fields[11] ", and " abandoned " by the log")
    if (fields[12] + fields[13] + fields[14] + fields[15] != refused)
        wrong("2f", fields[2], "denied or refused " fields[12] + fields[13] + fields[14] + fields[15] ", and " refused " by the log")
    if (zombies_least > 0) wrong("6b", fields[2], zombies_least " zombies are left")
    if (descriptors_last > descriptors_first) wrong("6b", fields[2], "descriptors: " descriptors_first " at first, " descriptors_last " in the end")
    if (dear == 1 && resident_last > resident_first + 2048) wrong("6b", fields[2], "memory: " resident_first " KiB at first, " resident_last " in the end")
}

END {
    look_at_end()
    checked("1c", "starting and running, as it says itself", samples)
    checked("2e", "accepted = queued + starting + running + ended, and no counter goes back", samples)
    checked("2f", "counters of the last daemon, against its log", 3)
    checked("5a", sprintf("answers on the control socket, the longest after %.0f ms (%d may be); asked twice: %d times", longest, bound, again), samples)
    checked("6a", sprintf("processor time in two seconds; at worst %.0f %% of what it may be", worst * 100), windows)
    checked("6b", sprintf("at rest: no handlers, no zombies; descriptors %d, at first %d; memory %d KiB, at first %d, at most %d", descriptors_last, descriptors_first, resident_last, resident_first, resident_most), 4)
    checked("6c", "ends of daemons, with status 0", exits)
    print "cost", (work > 0 ? (used - first_used) / work * 2 : 0)
}
