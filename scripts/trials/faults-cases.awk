# Which faults to try, of the table of errors (the first file) and of the calls that were made (the
# second): each error at the first, the second and, by chance, one later occurrence of each call, for
# each of those who make it, and in each phase.  Set: seed; left_out, the calls not to try; only, an
# error to try alone, or nothing.
#
# EPIPE is not tried in the keeper: it says that the supervisor is dead.
#
# Deaths are tried of those that another process replaces, once clients may be there.  After some calls
# nobody is left to die.

BEGIN {
    srand(seed)
    split("standby supervisor dispatcher", names, " ")
    for (i in names) dies[names[i]] = 1
    split("serving roll end", names, " ")
    for (i in names) dies_in[names[i]] = 1
    split("exit exit_group rt_sigreturn", names, " ")
    for (i in names) does_not_return[names[i]] = 1
}

function try(error,    fault) {
    if (only != "" && error != only) return
    fault = $1 ":" $2 ":" $3 ":" error ":"
    print fault 1
    if ($4 >= 2) print fault 2
    if ($4 >= 3) print fault (3 + int(rand() * ($4 - 2)))
}

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
    for (i = 1; i <= count; i++)
        if ($1 != "keeper" || list[i] != "EPIPE") try(list[i])
    if ($1 in dies && $2 in dies_in) try("KILL")
    if ($1 in dies && $2 in dies_in && !($3 in does_not_return)) try("KILL_AFTER")
}

END { exit unknown }
