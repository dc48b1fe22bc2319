# For the other parts of the chaos trial's judge: what was in force when, from the file "notes", and
# how a contradiction is told.  In times, too little is known rather than too much: what may have been
# in force was.

function wrong(invariant, time, text) { print "wrong", invariant, time, text }

# So often a check was made, whatever came of it.
function checked(invariant, what, times) { print "checked", invariant, times + 0, what }

FILENAME ~ /notes$/ && $1 == "limit" {
    limit_since[++limits] = $2
    limit_until[limits - 1] = $3
    limit_until[limits] = 1e9
    limit[limits] = $4
}
FILENAME ~ /notes$/ && $1 == "while" {
    spans[$2]++
    span_since[$2, spans[$2]] = $3
    span_until[$2, spans[$2]] = $4
}

# Whether it may have been in force at some time between the two.
function was(what, since, until,    i) {
    for (i = 1; i <= spans[what]; i++)
        if (span_since[what, i] <= until && span_until[what, i] >= since) return 1
    return 0
}

# The most handlers that may run at a time, when times only rise: a handler that was about to start
# when the limit was lowered may begin a little later, and much later if its dispatcher was stopped.
function permitted(time,    since, most, i) {
    since = time - (was("stopped", time - 16, time) ? 16 : 4)
    while (first_limit < limits && limit_until[first_limit] < time - 16) first_limit++
    for (i = first_limit; i <= limits && limit_since[i] <= time; i++)
        if (limit_until[i] >= since && limit[i] > most) most = limit[i]
    return most + 0
}
