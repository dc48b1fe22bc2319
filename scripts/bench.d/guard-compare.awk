# Compares two files of figures (guard-figures.bash): what is recorded, and what is now.
#
#   awk -f guard-compare.awk RECORDED NOW
#
# Prints a table and what it says in words; exits 1 if a figure is more than TOLERATED percent dearer,
# and 3 if nothing can be said, or not of all that is recorded.

function label(name)
{
    sub(/^single-/, "one at a time: ", name)
    sub(/^burst-/, "burst: ", name)
    sub(/-instructions$/, ", instructions", name)
    sub(/-calls$/, ", system calls", name)
    sub(/: start,/, ": clone to exec,", name)
    sub(/time-ratio$/, "processor time, in spawns", name)
    return name
}

# Whether the condition is another one now; notes it as the reason if so.
function differs(condition, name)
{
    if (recorded["condition " condition] == now["condition " condition])
        return 0
    other[condition] = 1
    unjudged[condition] = unjudged[condition] (unjudged[condition] == "" ? "" : "; ") label(name)
    return 1
}

# Instructions are the compiler's and the library's, which has some functions once for each kind of
# processor; how dear a system call is beside a new process is the processor's and the kernel's.  How
# many there are, is the same anywhere.
function is_comparable(name,    differences)
{
    if (name ~ /-instructions$/)
        differences = differs("compiler", name) + differs("libc", name) + \
            differs("architecture", name) + differs("processor", name) + differs("flags", name)
    else if (name ~ /-ratio$/)
        differences = differs("processor", name) + differs("kernel", name) + \
            differs("architecture", name)
    return differences == 0
}

# In percent.  What varies by itself from round to round is no finding.
function tolerance(name,    varies)
{
    varies = 100 * (recorded["spread " name] + now["spread " name])
    return varies > TOLERATED ? varies : TOLERATED
}

function verdict(name, change)
{
    if (!is_comparable(name))
        return "not judged"
    judged++
    if (change > tolerance(name)) {
        dearer[++dearer_count] = name
        return "DEARER"
    }
    if (change < -REMARKABLE) {
        cheaper++
        return "cheaper"
    }
    return "as it was"
}

# Which system calls make the difference.
function explain(name,    key, word)
{
    for (key in seen_call) {
        split(key, word, " ")
        if (word[2] == name && (now[key] - recorded[key]) ^ 2 >= 0.0025)
            printf "    %s: %.2f -> %.2f\n", word[3], recorded[key], now[key]
    }
}

# Names what is recorded and missing now, but for the processor time, which may be left out.
function find_vanished(    key, name)
{
    for (key in recorded) {
        name = substr(key, length("figure ") + 1)
        if (key ~ /^figure / && name !~ /-ratio$/ && !(key in now))
            vanished = vanished (vanished == "" ? "" : "; ") label(name)
    }
}

function read_line(values,    key)
{
    key = $1 " " $2
    if ($1 == "condition") {
        $1 = $2 = ""
        values[key] = substr($0, 3)
    } else if ($1 == "call") {
        key = key " " $3
        seen_call[key] = 1
        values[key] = $4
    } else {
        values[key] = $3
        if ($1 == "figure" && values[key] !~ /^[0-9]+([.][0-9]+)?$/)
            broken = $2
    }
}

BEGIN { TOLERATED = 10; REMARKABLE = 5 }

/^#/ || NF == 0 { next }
FILENAME == ARGV[1] { read_line(recorded); next }
{ read_line(now) }
$1 == "figure" { names[++count] = $2 }

END {
    if (broken != "") {
        printf "bench-check: %s has no number\n", broken >"/dev/stderr"
        exit 3
    }
    printf "%-42s %9s %9s %8s  %s\n", "per connection", "recorded", "now", "change", "verdict"
    for (i = 1; i <= count; i++) {
        name = names[i]
        key = "figure " name
        if (!(key in recorded) || recorded[key] == 0) {
            printf "%-42s %9s %9s %8s  %s\n", label(name), "-", now[key], "-", "not recorded"
            unrecorded++
            continue
        }
        change = 100 * (now[key] / recorded[key] - 1)
        printf "%-42s %9s %9s %+7.1f%%  %s\n", label(name), recorded[key], now[key], change, \
            verdict(name, change)
    }
    print ""
    for (condition in other)
        printf "Recorded with another %s, \"%s\" (now \"%s\"), and not judged for that: %s.\n", \
            condition, recorded["condition " condition], now["condition " condition], unjudged[condition]
    if (length(other) > 0)
        print "scripts/bench-check --against REVISION builds an older one here and compares with that."
    for (i = 1; i <= dearer_count; i++) {
        printf "More than %d %% dearer: %s.\n", tolerance(dearer[i]), label(dearer[i])
        explain(dearer[i])
    }
    find_vanished()
    if (vanished != "")
        printf "bench-check: recorded, but not measured now: %s\n", vanished >"/dev/stderr"
    if (dearer_count > 0)
        exit 1
    if (vanished != "")
        exit 3
    if (judged == 0) {
        print "bench-check: nothing could be compared" >"/dev/stderr"
        exit 3
    }
    if (cheaper > 0 || unrecorded > 0)
        print "scripts/bench-check --record takes today's figures as those to keep."
    print "Nothing has become dearer."
}
