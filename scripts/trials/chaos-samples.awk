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
    role = $3
    if (!(role in first) || $4 == first[role]) {
        first[role] = $4
        # Until the first client comes; the observer's own connection may or may not be closed yet.
        if ($2 < plan && $5 > descriptors_first[role]) descriptors_first[role] = $5
        if ($2 < plan && $6 > resident_first[role]) resident_first[role] = $6
    }
    if ($6 > resident_most[role]) resident_most[role] = $6
    if (rest && $2 > rest) {
        if (!(role in descriptors_last) || $5 < descriptors_last[role]) descriptors_last[role] = $5
        resident_last[role] = $6
    }
}

function look_at_process(role) {
    if (!(role in descriptors_last)) wrong("6b", "-", "the " role " was never seen at rest")
    if (descriptors_last[role] > descriptors_first[role]) wrong("6b", "-", "descriptors of the " role ": " descriptors_first[role] " at first, " descriptors_last[role] " in the end")
    if (dear == 1 && resident_last[role] > resident_first[role] + 2048) wrong("6b", "-", "memory of the " role ": " resident_first[role] " KiB at first, " resident_last[role] " in the end")
    return sprintf("%s: descriptors %d, at first %d; memory %d KiB, at first %d, at most %d", role, descriptors_last[role], descriptors_first[role], resident_last[role], resident_first[role], resident_most[role])
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
}

END {
    look_at_end()
    checked("1c", "starting and running, as it says itself", samples)
    checked("2e", "accepted = queued + starting + running + ended, and no counter goes back", samples)
    checked("2f", "counters of the last daemon, against its log", 3)
    checked("5a", sprintf("answers on the control socket, the longest after %.0f ms (%d may be); asked twice: %d times", longest, bound, again), samples)
    checked("6a", sprintf("processor time in two seconds; at worst %.0f %% of what it may be", worst * 100), windows)
    checked("6b", "at rest: no handlers, no zombies; " look_at_process("keeper") "; " look_at_process("standby") "; " look_at_process("supervisor"), 8)
    checked("6c", "ends of daemons, with status 0", exits)
    print "cost", (work > 0 ? (used - first_used) / work * 2 : 0)
}
