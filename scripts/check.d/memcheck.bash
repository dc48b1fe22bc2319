# Every program under valgrind's memcheck.  Sourced by scripts/check.  shellcheck shell=bash
#
# The programs start themselves under it (tests/shared/memcheck.c), handlers do not.  What is found lies in
# the folder findings of the build, a file for each process; the test that it belongs to fails.

# shellcheck disable=SC2034 # scripts/check reads it
readonly MEMCHECK_NEEDS=("valgrind valgrind examines memory")

# $1 is the folder of the programs that the tests use.
memcheck_begin() {
    rm -rf "$1/findings"
    mkdir -p "$1/findings"
    chmod 777 "$1/findings" # daemons of any user write there
    rm -f "$1/memcheck.supp"
    install -m 644 "$root/scripts/check.d/memcheck.supp" "$1"
    export DAMPENER_EXAMINED=$1
}

# Says how many processes were examined.  Fails if anything was found.
memcheck_report() {
    local -a found all
    mapfile -t found < <(find "$1/findings" -type f -size +0)
    mapfile -t all < <(find "$1/findings" -type f)
    echo "memcheck: ${#all[@]} processes examined, ${#found[@]} with findings"
    ((${#found[@]} == 0)) || { head -n 40 "${found[@]}" >&2; return 1; }
}
