# Invariants 1 and 3, of handlers: reads "notes", "clients", "tickets" (those of handlers, rising), and
# then "TIME 1 TICKET CLIENT" where one has begun, "TIME 0 TICKET CLIENT" where it has ended, and
# "TIME 2 alive PID..." where some were seen, by time.

FILENAME ~ /clients$/ { connected[$2] = $7; source[$2] = $4; next }
FILENAME ~ /tickets$/ { rank[$1] = ++ranks; ticket_at[ranks] = $1; client_at[ranks] = $2; next }
FILENAME !~ /events$/ { next }

$2 == 0 { living-- }
$2 == 1 {
    living++
    counts++
    if (living > most) most = living
    if (living > permitted($1)) wrong("1a", $1, living " handlers run, as ticket " $3 " begins; at most " permitted($1) " may")
    look_at_order($1, $3, permitted($1))
}
$2 == 2 {
    seen++
    if (NF - 3 > most_seen) most_seen = NF - 3
    if (NF - 3 > permitted($1)) wrong("1b", $1, NF - 3 " handlers were seen; at most " permitted($1) " may run")
}

# Whoever came before has begun, too, or is about to: and there are no more of these than handlers
# may run, this one included.  Only a limit per source lets others overtake.
function look_at_order(time, ticket, limit,    i, overtaken) {
    begun[ticket] = 1
    while (lowest < ranks && begun[ticket_at[lowest + 1]]) lowest++
    for (i = lowest + 1; i < rank[ticket]; i++)
        if (!begun[ticket_at[i]] && !was("per-source", connected[client_at[i]], time)) overtaken++
    orders++
    if (overtaken > most_overtaken) most_overtaken = overtaken
    if (overtaken > limit - 1)
        wrong("3a", time, "ticket " ticket " begins before " overtaken " that came earlier; " limit " handlers may run")
}

END {
    checked("1a", "handlers alive, by their own records, as one begins; most " most + 0, counts)
    checked("1b", "handlers alive, as seen in /proc; most " most_seen + 0, seen)
    checked("3a", "who came earlier, as one begins; at most " most_overtaken + 0 " were still to begin", orders)
}
