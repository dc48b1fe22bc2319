# Turns lines of cells with tabs between them into a Markdown table that is also one to the eye: the
# first line is its head, the first column to the left, the others to the right.
#
# To be run with LC_ALL=C, as it counts the characters of UTF-8 itself.

BEGIN { FS = "\t" }

function width(text) {
    gsub(/[\200-\277]/, "", text) # all bytes of a character but its first
    return length(text)
}

{
    for (column = 1; column <= NF; column++) {
        cell[NR, column] = $column == "" ? "–" : $column
        if (width(cell[NR, column]) > widest[column]) widest[column] = width(cell[NR, column])
    }
    if (NF > columns) columns = NF
}

function spaces(count) { return sprintf("%" count "s", "") }

END {
    for (line = 1; line <= NR; line++) {
        for (column = 1; column <= columns; column++) {
            if (cell[line, column] == "") cell[line, column] = "–"
            filler = spaces(widest[column] - width(cell[line, column]))
            printf "| %s ", column == 1 ? cell[line, column] filler : filler cell[line, column]
        }
        print "|"
        if (line > 1) continue
        for (column = 1; column <= columns; column++) {
            rule = spaces(widest[column])
            gsub(/ /, "-", rule)
            printf "|%s", column == 1 ? "-" rule "-" : "-" rule ":"
        }
        print "|"
    }
}
