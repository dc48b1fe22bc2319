# Runs scripts/check for a trial.  Sourced after trial.bash.  shellcheck shell=bash
# shellcheck disable=SC2154 # trial.bash sets root and work

# Runs scripts/check with the words in $@ and shows each test.  All output goes to the file "tests" in
# the trial's folder, its last line also to standard output.  Fails if a test does.
run_check() {
    local line status=0
    progress_begin "scripts/check $*"
    "$root/scripts/check" "$@" 2>&1 </dev/null | tee "$work/tests" |
        while IFS= read -r line; do
            case $line in
            "not ok "*) progress_begin "$line" ;;
            "ok "*) progress "$line" ;;
            esac
        done || status=1
    progress_end
    tail -n 1 "$work/tests"
    if ((status)); then
        grep -A 40 '^not ok \|^check: \|^==> ' "$work/tests" >&2 || true
        grep '^not ok ' "$work/tests" >&2 || true # repeats the failures where they are easily seen
    fi
    return "$status"
}
