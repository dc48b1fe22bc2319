# Sourced by the tests of the guard against a connection that becomes dearer.  shellcheck shell=bash

bench_check() { "$ROOT/scripts/bench-check" "$@" 3>&- 4>&-; }

# Fails if the recorded figures are more than 20 % above today's: such a gap would hide an increase.
expect_no_stale_figures() {
    local stale
    stale=$(awk -F '  +' '$NF == "cheaper" && $(NF - 1) + 0 < -20 { print $1 }' <<<"$output")
    if [[ -n $stale ]]; then
        echo "More than 20 % cheaper than recorded; scripts/bench-check --record records it:"
        echo "$stale"
        return 1
    fi
}
