# Part of scripts/trials/fuzz: what became of a target, from what libFuzzer has said.
# shellcheck shell=bash disable=SC2154 # what trial.bash and the trial have set

findings_header() {
    printf '| %-12s | %10s | %8s | %13s | %5s | %s |\n' target executions 'a second' \
        'edges' new found
    printf '| :--- | ---: | ---: | ---: | ---: | :--- |\n'
}

# The figure behind a word, in the last line that has it.
findings_figure() {
    grep -a -o "$1 *[0-9]*" "$2" | tail -1 | grep -o '[0-9]*$' || echo 0
}

# What kind of end it has come to; nothing if it has come to that of its time.
findings_kind() {
    local output=$1
    if grep -aq ': does not hold: ' "$output"; then
        echo "a property"
    elif grep -aq '^\[BUG\] ' "$output"; then
        echo "a broken invariant"
    elif grep -aq 'LeakSanitizer: detected' "$output"; then
        echo "a leak"
    elif grep -aq 'ERROR: libFuzzer: timeout' "$output"; then
        echo "a timeout"
    elif grep -aq 'ERROR: libFuzzer: out-of-memory' "$output"; then
        echo "too much memory"
    elif grep -aq 'fuzz target exited' "$output"; then
        echo "an exit"
    elif grep -aq 'ERROR: \|runtime error: ' "$output"; then
        echo "a crash"
    elif ! grep -aq '^stat::number_of_executed_units' "$output"; then
        echo "that it does not run"
    fi
}

# Keeps what repeats it, and says how.
findings_keep() {
    local target=$1 folder=$work/$1 file
    mkdir -p "$found/$target"
    cp "$folder/output" "$found/$target/"
    for file in "$folder/found"/*; do
        if [[ ! -f $file ]]; then continue; fi
        cp "$file" "$found/$target/"
        echo "$target: repeat it with build/fuzz/tests/fuzz/$target build/fuzz/found/$target/$(basename "$file")" >&2
    done
    grep -a ': does not hold: \|^\[BUG\] \|^SUMMARY: \|runtime error: ' "$folder/output" | head -4 >&2 || true
}

# One row of the table; returns 1 if something was found.
findings_row() {
    local target=$1 output=$work/$1/output kind edges total
    kind=$(findings_kind "$output")
    edges=$(findings_figure 'cov:' "$output")
    total=$(grep -a -o '([0-9]* inline 8-bit counters)\|[0-9]* inline 8-bit counters' "$output" |
        grep -o '[0-9]*' | head -1 || echo 0)
    printf '| %-12s | %10s | %8s | %13s | %5s | %s |\n' "$target" \
        "$(findings_figure 'stat::number_of_executed_units:' "$output")" \
        "$(findings_figure 'stat::average_exec_per_sec:' "$output")" \
        "$edges of $total" \
        "$(findings_figure 'stat::new_units_added:' "$output")" "${kind:-nothing}"
    if [[ -z $kind ]]; then return 0; fi
    findings_keep "$target"
    return 1
}
