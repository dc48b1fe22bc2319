# Runs every program under valgrind's memcheck.  Sourced by scripts/check.  shellcheck shell=bash
#
# The programs, except handlers, start valgrind themselves (tests/shared/memcheck.c).  The build's
# folder findings has a file for each process.  A finding fails the test whose process has it.

# shellcheck disable=SC2034 # scripts/check reads it
readonly MEMCHECK_NEEDS=("valgrind valgrind examines memory")

# Prepares the folder of the programs under test, $1.
memcheck_begin() {
    rm -rf "$1/findings"
    mkdir -p "$1/findings"
    chmod 777 "$1/findings" # daemons of any user write here
    rm -f "$1/memcheck.supp"
    install -m 644 "$root/scripts/check.d/memcheck.supp" "$1"
    export DAMPENER_EXAMINED=$1
}

# Prints how many processes were examined.  Fails if there are findings.
memcheck_report() {
    local -a found all
    mapfile -t found < <(find "$1/findings" -type f -size +0)
    mapfile -t all < <(find "$1/findings" -type f)
    echo "memcheck: ${#all[@]} processes examined, ${#found[@]} with findings"
    ((${#found[@]} == 0)) || { head -n 40 "${found[@]}" >&2; return 1; }
}
