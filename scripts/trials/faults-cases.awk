# Which faults to try, of the table of errors (the first file) and of the calls that were made (the
# second): each error at the first, the second and, by chance, one later occurrence of each call, for
# each of those who make it, and in each phase.  Set: seed; left_out, the calls not to try.
#
# EPIPE is not tried in the keeper: it says that the supervisor is dead.

BEGIN { srand(seed) }

NR == FNR { # "CALL ERROR..."
    known[$1] = 1
    errors[$1] = $0
    sub(/^[^ ]* ?/, "", errors[$1])
    next
}

$1 == "usual" { next }

!($3 in known) {
    print "no errors are known for the system call " $3 " (" $1 ", " $2 ")" >"/dev/stderr"
    unknown = 1
    next
}

index(" " left_out " ", " " $3 " ") { next }

{ # "ACTOR PHASE CALL COUNT"
    count = split(errors[$3], list, " ")
    for (i = 1; i <= count; i++) {
        if ($1 == "keeper" && list[i] == "EPIPE") continue
        fault = $1 ":" $2 ":" $3 ":" list[i] ":"
        print fault 1
        if ($4 >= 2) print fault 2
        if ($4 >= 3) print fault (3 + int(rand() * ($4 - 2)))
    }
}

END { exit unknown }
