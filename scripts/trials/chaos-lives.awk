# How long each handler has certainly been alive: from its first record, until its last one or else
# until it was last seen.  Reads "TIME begin CLIENT TICKET PROCESS", "TIME end CLIENT TICKET PROCESS HOW" and
# "TIME alive PROCESS..." by time; prints "life TICKET CLIENT BEGIN END HOW", where HOW is "-" of one that
# was killed.

$2 == "begin" {
    lives++
    ticket[lives] = $4; client[lives] = $3; begin[lives] = $1; end[lives] = $1; how[lives] = "-"
    living[$5] = lives
}
$2 == "alive" {
    for (i = 3; i <= NF; i++) if ($i in living) end[living[$i]] = $1
}
$2 == "end" && ($5 in living) {
    end[living[$5]] = $1; how[living[$5]] = $6
    delete living[$5]
}
END { for (i = 1; i <= lives; i++) print "life", ticket[i], client[i], begin[i], end[i], how[i] }
