# Says what the rounds of a run have in common, as "MEDIAN (LEAST-MOST)", or the median or the most
# alone; nothing if there was no round.
#
#   awk -v of="SCENARIO PROGRAM FIGURE" [-v to="SCENARIO PROGRAM FIGURE"] [-v scale=NUMBER]
#       [-v digits=N] [-v form=spread|median|most] -f statistics.awk RAW
#
# RAW has lines SCENARIO<TAB>PROGRAM<TAB>ROUND<TAB>FIGURE<TAB>VALUE.  With "to", the values are the
# ratios of each round; a round that lacks one of the two is left out.

BEGIN { FS = "\t" }

$1 " " $2 " " $4 == of { value[$3] = $5 }
$1 " " $2 " " $4 == to { base[$3] = $5 }

function sort(list, count,    here, before, held) {
    for (here = 2; here <= count; here++) {
        held = list[here]
        for (before = here - 1; before > 0 && list[before] > held; before--) list[before + 1] = list[before]
        list[before + 1] = held
    }
}

# With a comma after each three digits before the point.
function grouped(number,    text, whole, rest) {
    text = sprintf("%." (digits + 0) "f", number)
    whole = text
    sub(/[.].*/, "", whole)
    rest = substr(text, length(whole) + 1)
    while (match(whole, /[0-9][0-9][0-9][0-9]+$/) && RLENGTH > 3) {
        rest = "," substr(whole, length(whole) - 2) rest
        whole = substr(whole, 1, length(whole) - 3)
    }
    return whole rest
}

END {
    if (!scale) scale = 1
    for (round in value) {
        if (to == "") list[++count] = value[round] * scale
        else if (base[round] + 0 != 0) list[++count] = value[round] / base[round] * scale
    }
    if (!count) exit
    sort(list, count)
    median = (list[int((count + 1) / 2)] + list[int(count / 2) + 1]) / 2
    if (form == "median") printf "%.9g\n", median
    else if (form == "most") printf "%.9g\n", list[count]
    else if (count == 1) print grouped(median)
    else print grouped(median) " (" grouped(list[1]) "–" grouped(list[count]) ")"
}
