# What endurance has found, as a table, and what of it did not hold; the exit status is 1 then.
#
# Reads files "rounds", "samples", and in a long run "pairs" and "instructions"; each line is as told
# where it is written.  Variables: tolerance, in percent, and short.

function say_not(what) {
    if (!failed) print ""
    print "Not held: " what
    failed = 1
}

function deviation(value, from) { return from == 0 ? (value == 0 ? 0 : 100) : (value - from) * 100 / from }

function is_within(value, from, percent, by) {
    by = deviation(value, from)
    return by <= percent && by >= -percent
}

# The values list[1..count], in order.
function sort(list, count, i, j, value) {
    for (i = 2; i <= count; i++)
        for (j = i; j > 1 && list[j] < list[j - 1]; j--) {
            value = list[j]; list[j] = list[j - 1]; list[j - 1] = value
        }
}

function median(list, count) {
    sort(list, count)
    return count % 2 == 1 ? list[(count + 1) / 2] : (list[count / 2] + list[count / 2 + 1]) / 2
}

# ---- reading ----

FILENAME ~ /rounds$/ {
    if ($1 == "long") {
        rounds = $2
        for (i = 1; i <= 4; i++) time[rounds, i] = $(i + 2)
    }
    next
}

FILENAME ~ /samples$/ {
    split($0, field, "\t")
    if (!(field[1] in known)) { known[field[1]] = 1; sampled[++samples] = field[1] }
    if (!(field[2] in named)) { named[field[2]] = 1; process[++processes] = field[2] }
    for (i = 3; i <= 6; i++) seen[field[1], field[2], i] = field[i]
    next
}

FILENAME ~ /pairs$/ { ratio[$1, ++pairs[$1]] = $2 / $3; next }

FILENAME ~ /instructions$/ { instructions[$1, $2] = $3; next }

# ---- the table ----

# Of the rounds since the last sample, the one in the middle.
function middle_of_rounds(from, to, column, i, list, count) {
    for (i = from; i <= to; i++) list[++count] = time[i, column]
    return median(list, count)
}

function print_row(number, from, to, j, line) {
    line = "| " grouped(sampled[number]) " |"
    for (j = 3; j <= 6; j++)
        line = line " " grouped(seen[sampled[number], process[1], j]) " + " grouped(of_others(sampled[number], j)) " |"
    for (j = 1; j <= 3; j++) line = line sprintf(" %.1f |", middle_of_rounds(from, to, j) / 1000)
    print line " " grouped(middle_of_rounds(from, to, 4)) " |"
}

# Of the keeper and all dispatchers, which come behind the supervisor.
function of_others(connections, column, i, sum) {
    for (i = 2; i <= processes; i++) sum += seen[connections, process[i], column]
    return sum
}

function grouped(number, text) {
    text = sprintf("%d", number)
    while (match(text, /[0-9][0-9][0-9][0-9]($|,)/))
        text = substr(text, 1, RSTART) "," substr(text, RSTART + 1)
    return text
}

# ---- what must hold ----

function judge_processes(i, first, last) {
    for (i = 1; i <= processes; i++) {
        first = sampled[1] SUBSEP process[i]
        last = sampled[samples] SUBSEP process[i]
        if (seen[last, 3] != seen[first, 3])
            say_not(process[i] " has " seen[last, 3] " descriptors, and had " seen[first, 3])
        judge(process[i] ", anonymous memory in KiB", seen[last, 4], seen[first, 4], tolerance)
        judge(process[i] ", RSS in KiB", seen[last, 5], seen[first, 5], tolerance)
    }
}

function judge(what, value, from, percent) {
    if (!is_within(value, from, percent))
        say_not(sprintf("%s: %s, and was %s (%+.1f %%)", what, value, from, deviation(value, from)))
}

# How far chance may carry the median of list[1..count] either way, as a part of it: the order
# statistics between which the true one lies in 19 of 20 cases.
function uncertainty(list, count, away) {
    away = 0.98 * sqrt(count)
    return (list[ceiling((count + 1) / 2 + away, count)] - list[floor_of((count + 1) / 2 - away)]) / 2 / median(list, count)
}

function ceiling(number, most, whole) {
    whole = int(number)
    if (whole < number) whole++
    return whole > most ? most : whole
}

function floor_of(number) { return number < 1 ? 1 : int(number) }

function middle_ratio(end, i, list) {
    for (i = 1; i <= pairs[end]; i++) list[i] = ratio[end, i]
    middle = median(list, pairs[end])
    unsure = uncertainty(list, pairs[end])
    return middle
}

function judge_cost(first, last, first_unsure, by, unsure_percent) {
    first = middle_ratio("first")
    first_unsure = unsure
    last = middle_ratio("last")
    by = deviation(last, first)
    unsure_percent = 100 * sqrt(unsure ^ 2 + first_unsure ^ 2)
    printf "Processor time of a connection, in units of what the twin takes: %.3f, in the end %.3f (%+.1f ± %.1f %%).\n",
        first, last, by, unsure_percent
    if ((by < 0 ? -by : by) > tolerance + unsure_percent)
        say_not("processor time of a connection")
}

function judge_instructions(name, first, last) {
    first = instructions["first", name]
    last = instructions["last", name]
    if (first == "" || last == "") {
        print "Instructions of the " name ": not counted."
        return
    }
    printf "Instructions of a connection, %s: %s, in the end %s (%+.1f %%).\n", name, grouped(first), grouped(last),
        deviation(last, first)
    judge("instructions of the " name, last, first, tolerance)
}

# Two rounds are too few for more than this.
function judge_roughly(first, last) {
    first = time[1, 1] + time[1, 2]
    last = time[rounds, 1] + time[rounds, 2]
    printf "Processor time of a connection: %.1f µs, in the end %.1f (%+.0f %%).\n", first / 1000, last / 1000,
        deviation(last, first)
    if (last > 2 * first) say_not("a connection takes more than twice the processor time")
}

END {
    print "| connections | descriptors | anonymous | RSS | PSS | supervisor | dispatchers | handlers | a second |"
    print "|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
    for (n = 1; n <= samples; n++) {
        to = sampled[n] / sampled[1]
        print_row(n, from + 1, to)
        from = to
    }
    print ""
    print "Descriptors, and memory in KiB, of the supervisor, and of keeper and dispatchers together; processor time of"
    print "a connection in microseconds, and connections a second, are the median of the rounds since the line before."
    judge_processes()
    if (short) {
        judge_roughly()
    } else {
        judge_cost()
        judge_instructions("supervisor")
        judge_instructions("dispatchers")
    }
    exit failed
}
