# Runs all trials, for scripts/check --long.  shellcheck shell=bash
#
# Each stage is some lanes, side by side; the trials of a lane run one after another.  What a trial
# prints is shown when it has ended, and counts as one test.

# chaos mostly waits, fuzzers take what they get of a processor, and endurance measures it.
readonly TRIALS_STAGES=(
    "chaos | fuzz platforms walls"
    "coverage | faults memcheck"
    "endurance"
)

trials_seed= # for those that decide by chance; empty: their own

# Prints the words for a trial.
trials_words() {
    case $1 in
    chaos | faults) if [[ -n $trials_seed ]]; then echo "--seed $trials_seed"; fi ;;
    fuzz) echo "--jobs $(nproc)" ;;
    esac
}

# Runs one, and leaves in $results what a file of tests leaves there.
trials_run() {
    local name=$1 begun=$SECONDS status=0 result=ok
    local -a words
    read -r -a words < <(trials_words "$name") || true
    echo "$(progress_elapsed) $name begins" >&2
    # Their tests are the ordinary ones.
    env -u DAMPENER_LONG "$root/scripts/trials/$name" ${words[@]+"${words[@]}"} \
        >"$results/$name.table" 2>"$results/$name.progress" </dev/null || status=$?
    if ((status != 0)); then result="not ok"; fi
    {
        echo "1..1"
        echo "$result 1 trial: $(tail -n 1 "$results/$name.table") ($((SECONDS - begun)) s)"
    } >"$results/$name.trial.tap"
    echo 0 >"$results/$name.trial.status"
    trials_show "$name"
}

# In one piece, whatever else ends at the same time.
trials_show() {
    {
        flock 9
        echo
        head -n -1 "$results/$1.table"
        if grep -q '^not ok' "$results/$1.trial.tap"; then tail -n 20 "$results/$1.progress"; fi
        tail -n 1 "$results/$1.trial.tap"
    } 9>"$results/showing"
}

trials_run_lane() {
    local name
    for name; do trials_run "$name"; done
}

trials_run_all() {
    local stage lane
    local -a lanes names
    for stage in "${TRIALS_STAGES[@]}"; do
        IFS='|' read -r -a lanes <<<"$stage"
        for lane in "${lanes[@]}"; do
            read -r -a names <<<"$lane"
            trials_run_lane "${names[@]}" &
        done
        wait
    done
}
