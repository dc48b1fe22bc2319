# Invariants 2 and 4: what became of each client, by its own record, by those of handlers, and by the
# daemon's log.  Reads "notes", "lives", "clients", and the logs in the order of their daemons.  Prints
# "outcome KIND COUNT" as well.

FILENAME ~ /notes$/ { next }

FILENAME ~ /lives$/ {
    begun[$3]++
    ticket[$3] = $2; lasted[$3] = $5 - $4; how[$3] = $6
    lives++
    next
}

FILENAME ~ /clients$/ {
    clients++
    manner[$2] = $5
    if ($9 == "unconnected") { wrong("4a", $7, "client " $2 " could not connect"); next }
    connected++
    number_at[$3] = $2
    look_at_fate($2, $3, $4, $5, $6, $7, $8, $9)
    next
}

# The number of a client, from its address.
function number_of(address,    parts) {
    sub(/:$/, "", address)
    split(address, parts, ".")
    return parts[3] * 256 + parts[4]
}

FNR == 1 { daemons++ }
/^\[INFO\] ticket [0-9]+: started process/ { started[$3 + 0]++; all_started++ }
/^\[INFO\] ticket [0-9]+: ended process/ { ended[$3 + 0]++; all_ended++; own_ended[daemons]++ }
/^\[WARNING\] ticket [0-9]+: process [0-9]+ has been starting for too long/ { slow[$3 + 0] = 1 }
/^\[INFO\] ticket [0-9]+: given up by/ {
    abandoned++
    own_abandoned[daemons]++
    look_at_abandoned(number_of($7), $3 + 0)
}
/^\[WARNING\] refused [0-9]+ more/ { refused += $3; own_refused[daemons] += $3 }
/^\[WARNING\] [0-9]+ more clients were denied/ { refused += $2; own_refused[daemons] += $2 }
/^\[WARNING\] (refused|denied) [0-9.]+ port|^\[WARNING\] refused 1[0-9.]+:? / { if ($3 !~ /^[0-9]+$/) { refused++; own_refused[daemons]++ } }
/^\[INFO\] process [0-9]+ took over; / { handovers++; given[daemons] = $8 + 0 }
/^\[INFO\] took over from process/ { takeovers++; taken[daemons - 1] = $9 + 0; foreign[daemons] = $15 }
# Of one whose place has just been taken: it has no clients any more but those with a handler.
/^\[INFO\] status: accepted/ { asked[daemons] = 1; for (i = 3; i < NF; i += 2) last_said[daemons, $i] = $(i + 1) + 0 }
/^\[BUG\]|Sanitizer|runtime error/ { wrong("6c", "-", "the daemon says: " $0) }

function look_at_abandoned(number, ticket) {
    if (manner[number] != "reset" && manner[number] != "vanish" && manner[number] != "leave" && manner[number] != "unread")
        wrong("2c", "-", "client " number " had not given up, ticket " ticket)
    if (begun[number]) wrong("2c", "-", "client " number " has given up, and had a handler, ticket " ticket)
}

function look_at_fate(number, place, source, manner, word, since, until, outcome,    kind) {
    kind = fate(number, source, manner, word, since, until, outcome)
    if (kind == "lost") lost[place] = since " client " number " (" manner ") was lost: " outcome
    else outcomes[kind]++
    fates++
    if (begun[number] > 1) wrong("4a", since, "client " number " was served " begun[number] " times")
    if (!begun[number]) { unserved++; return }
    if (ticket[number] != place)
        wrong("2a", since, "client " number " has ticket " ticket[number] ", and was the " place "th to connect")
}

# A kind for the table; what may not be is a contradiction.  What the daemon makes of one that has gone
# may come later.
function fate(number, source, manner, word, since, until, outcome) {
    if (outcome == "left") until = 1e9
    if (outcome == "waiting") { wrong("4a", since, "client " number " waits for ever"); return "waiting for ever" }
    if (outcome == "garbled") { wrong("4a", since, "client " number " got what was not for it"); return "garbled" }
    if (!begun[number]) return fate_unserved(number, source, manner, since, until, outcome)
    if (outcome == "busy") wrong("2c", since, "client " number " was refused, and had a handler")
    if (outcome == "left") return "has gone by itself, and had a handler"
    if (how[number] == "silent") return "too slow for its handler"
    if (how[number] == "term" || (how[number] == "-" && lasted[number] > timeout - 0.3)) {
        if (how[number] == "term" && lasted[number] < timeout - 0.3)
            wrong("4a", since, "the handler of client " number " got SIGTERM after " lasted[number] " s")
        return "handler ended by --timeout"
    }
    if (word == "segv" || word == "abort") {
        if (outcome != "empty" && outcome != "reset") wrong("4a", since, "client " number " of a handler that crashed: " outcome)
        return "handler crashed"
    }
    if (word == "hang" || word == "deaf" || word == "frozen") return "handler ended by --timeout"
    if (outcome != "answered") wrong("4a", since, "client " number " was not answered (" manner ", " word "): " outcome ", " how[number])
    return "answered"
}

function fate_unserved(number, source, manner, since, until, outcome) {
    if (outcome == "busy") {
        if (!was("refuse", since, until) && !was("queue-timeout", since, until))
            wrong("2c", since, "client " number " was refused, as nobody may be")
        return "refused"
    }
    if (source > 0 && was("denied." source, since, until)) return "denied"
    if (outcome == "left" && (was("refuse", since, until) || was("queue-timeout", since, until)))
        return "has gone by itself, unserved"
    if (outcome == "left" && (manner == "reset" || manner == "vanish" || manner == "leave" || manner == "unread"))
        return "has gone by itself, unserved"
    return "lost"
}

# A start that --timeout ends, because the dispatcher was stopped for so long, never comes to a word.
function look_at_lost(    i, since) {
    for (i in lost) {
        if (i in slow && i in started) {
            outcomes["start ended by --timeout"]++
            continue
        }
        since = lost[i]
        sub(/ .*/, "", since)
        sub(/^[^ ]* /, "", lost[i])
        wrong("4a", since, lost[i])
        outcomes["lost"]++
    }
}

# Who had a handler, by the daemon's account and by those of handlers, and by whom it ended.
function look_at_log(    i) {
    for (i in started) {
        if (started[i] != 1) wrong("2b", "-", "ticket " i " was started " started[i] " times, says the log")
        if (ended[i] != 1) wrong("2b", "-", "ticket " i " ended " ended[i] + 0 " times, says the log")
        if (!begun[number_at[i]] && i in slow) unspoken++
        else if (!begun[number_at[i]]) wrong("4a", "-", "ticket " i " was started, says the log, and its handler never came to a word")
    }
    if (all_started != lives + unspoken) wrong("2b", "-", all_started + 0 " handlers were started, says the log; " lives + 0 " have begun")
    if (abandoned + refused + unspoken != unserved)
        wrong("2c", "-", abandoned + 0 " clients had given up and " refused + 0 " were refused, says the log; " unserved + 0 " were not served")
    for (i = 1; i < daemons; i++)
        if (given[i] != taken[i]) wrong("2d", "-", "takeover " i ": " given[i] " clients were handed over, " taken[i] " were taken")
    if (takeovers != handovers) wrong("2d", "-", handovers + 0 " handovers, " takeovers + 0 " takeovers")
}

# What the daemon counts, and what its log has.
function look_at_counters(daemon,    i, words, count, sum, away) {
    count = split("queued starting running served abandoned denied refused-queue refused-source refused-timeout dropped handed-over", words, " ")
    for (i = 1; i <= count; i++) sum += last_said[daemon, words[i]]
    for (i = 6; i <= 9; i++) away += last_said[daemon, words[i]]
    if (sum != last_said[daemon, "accepted"]) wrong("2g", "-", "daemon " daemon ": accepted " last_said[daemon, "accepted"] ", and the sum is " sum)
    if (last_said[daemon, "abandoned"] != own_abandoned[daemon] + 0) wrong("2g", "-", "daemon " daemon ": abandoned " last_said[daemon, "abandoned"] ", and " own_abandoned[daemon] + 0 " by its log")
    if (away != own_refused[daemon] + 0) wrong("2g", "-", "daemon " daemon ": denied or refused " away ", and " own_refused[daemon] + 0 " by its log")
    if (last_said[daemon, "handed-over"] != given[daemon]) wrong("2g", "-", "daemon " daemon ": handed over " last_said[daemon, "handed-over"] ", and " given[daemon] " by its log")
    counters += 4
}

END {
    look_at_lost()
    look_at_log()
    for (i = 1; i < daemons; i++) if (i in asked) look_at_counters(i)
    checked("2g", "counters of a daemon whose place was taken, against its log", counters)
    checked("2a", "one ticket for each connection, in the order in which they came", lives)
    checked("2b", "one end for each handler, by the daemon's log and by the handlers'", all_started)
    checked("2c", "clients without a handler: as many as the log has given up or refused", unserved)
    checked("2d", "takeovers: as many clients taken as given", takeovers)
    checked("4a", "fates of clients: what it and its handler say, and what it had asked for", fates)
    for (i in outcomes) print "outcome", outcomes[i], i
    print "last", own_ended[daemons] + foreign[daemons] + 0, own_abandoned[daemons] + 0, own_refused[daemons] + 0
}
