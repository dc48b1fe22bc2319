# Turns what became of each client, lines of BEGUN CONNECTED FIRST DONE in microseconds, into lines
# of PROGRAM MILLISECONDS BEGUN CONNECTED SERVED LOST: how many they were at that time.  A lost client
# is connected and gets no answer, however long it waits; it counts from when it is connected.
#
#   awk -v program=NAME -f timeline.awk FILE

function note(events, time) {
    if (time == "-") return
    events[NR] = time
    if (time > last) last = time
}

BEGIN { POINTS = 300 }

{
    note(begins, $1)
    note(connects, $2)
    if ($3 != "-") note(ends, $4)
    else note(losses, $2)
}

# How many of the events there have been at each point.
function count(events, counts,    event, point, sum) {
    for (event in events) counts[int(events[event] / step)]++
    for (point = 0; point <= POINTS; point++) counts[point] = sum += counts[point]
}

END {
    step = (last + 1) / POINTS
    count(begins, begun)
    count(connects, connected)
    count(ends, served)
    count(losses, lost)
    printf "%s\t0\t0\t0\t0\t0\n", program
    for (point = 0; point < POINTS; point++)
        printf "%s\t%.3f\t%d\t%d\t%d\t%d\n", program, (point + 1) * step / 1000, \
            begun[point], connected[point], served[point], lost[point]
}
