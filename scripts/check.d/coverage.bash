# Counts the lines that the tests reach.  Sourced by scripts/check.  shellcheck shell=bash
#
# The programs, compiled by clang, map their counters from files in the build's folder profiles when
# they start.  So counts survive a kill, an exec, a change of user or root directory, and the
# supervisor's filter of system calls.

# shellcheck disable=SC2034 # scripts/check reads it
readonly COVERAGE_NEEDS=(
    "clang clang,libclang-rt-dev compiles programs with counters"
    "llvm-cov llvm shows the counters"
)

# The least percentage of reached lines in each file.
readonly COVERAGE_AIM=90

# Empties the counters of the programs in folder $1, and makes their files writable for daemons of any
# user.
coverage_begin() {
    local build=$1 profiles=$1/profiles
    rm -rf "$profiles"
    mkdir -p "$profiles"
    chmod 777 "$profiles"
    # Overrides the folder that is compiled in, because other users may not reach it.
    export LLVM_PROFILE_FILE=$profiles/%m%c.profraw
    "$build/socket-burst-dampener" --version >/dev/null
    "$build/dampenerctl" --help >/dev/null
    "$build/dispatcher" >/dev/null 2>&1 || true # the dispatcher refuses to be started by hand
    chmod 666 "$profiles"/*
}

# Prints the counters of one build as lines "FILE LINE TIMES".
coverage_counts_of() {
    local build=$1
    llvm-profdata merge -o "$build/counted" "$build/profiles" &&
        llvm-cov export -format lcov -skip-functions -instr-profile "$build/counted" \
            "$build/socket-burst-dampener" -object "$build/dispatcher" \
            -object "$build/dampenerctl" 2>/dev/null |
        awk -F '[:,]' -v root="$root/" '
            $1 == "SF" { file = $2; sub(root, "", file) }
            $1 == "DA" && file ~ /^(supervisor|dispatcher)\/.*\.c$/ { print file, $2, $3 }'
}

# Prints the sums of the counters of several builds.  The first build decides what is a line: in a
# function that a build does not use, even blank lines count.
coverage_counts() {
    local build
    for build; do coverage_counts_of "$build" | sed "s|^|$build |"; done |
        awk -v first="$1" '
            $1 == first { is_line[$2 " " $3] }
            { times[$2 " " $3] += $4 }
            END { for (line in is_line) print line, times[line] }'
}

# Prints a line for each file, the least reached first, and a total.  Fails if a file is below the aim.
coverage_table() {
    coverage_counts "$@" | awk '
        { lines[$1]++; if ($3 > 0) reached[$1]++ }
        END { for (file in lines)
                  printf "%s %d %d %.1f\n", file, lines[file], reached[file],
                         100 * reached[file] / lines[file] }' |
        sort -k 4,4n -k 1,1 | awk -v aim="$COVERAGE_AIM" '
        BEGIN { printf "%-40s %7s %7s %7s\n", "file", "lines", "reached", "%" }
        { printf "%-40s %7d %7d %7.1f\n", $1, $2, $3, $4
          files++; lines += $2; reached += $3; if ($4 < aim) below++ }
        END { if (lines == 0) exit 1
              printf "%-40s %7d %7d %7.1f\n", "all " files, lines, reached, 100 * reached / lines
              printf "%d of %d files below %d %%\n", below, files, aim
              exit below > 0 }'
}

# Prints the lines of file $1 that no build has reached.
coverage_uncovered() {
    local file=$1
    shift
    coverage_counts "$@" | awk -v file="$file" '
        NR == FNR { if ($1 == file && $3 == 0) missed[$2]; next }
        FNR in missed { found++; printf "%s:%d:%s\n", file, FNR, $0 }
        END { printf "%d lines of %s are not reached\n", found, file }' - "$root/$file"
}
