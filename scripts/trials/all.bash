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

trials_seed=    # for those that decide by chance; empty: their own
trials_running= # in a lane: the process of a trial, while there is one
trials_lanes=() # processes

# Prints the words for a trial.
trials_words() {
    case $1 in
    chaos | faults) if [[ -n $trials_seed ]]; then echo "--seed $trials_seed"; fi ;;
    fuzz) echo "--jobs $(($(nproc) * 3 / 2))" ;;
    esac
}

# What it has come to: its last line, which begins with its name unless it did not get so far.
trials_sentence() {
    local sentence
    sentence=$(tail -n 1 "$results/$1.table")
    if [[ $sentence == "$1: "* ]]; then echo "$sentence"; else echo "$1: did not come to its end"; fi
}

# Runs one, and leaves in $results what a file of tests leaves there.
#
# It is in a session of its own: the shell has what is started with & ignore SIGINT, and when the
# tests are ended all of its processes are to be.
trials_run() {
    local name=$1 begun=$SECONDS status=0 result=ok
    local -a words
    read -r -a words < <(trials_words "$name") || true
    echo "$(progress_elapsed) $name begins" >&2
    # Their tests are the ordinary ones.
    setsid env -u DAMPENER_LONG "$root/scripts/trials/$name" ${words[@]+"${words[@]}"} \
        >"$results/$name.table" 2>"$results/$name.progress" </dev/null &
    trials_running=$!
    wait "$trials_running" || status=$?
    trials_running=
    if ((status != 0)); then result="not ok"; fi
    {
        echo "1..1"
        echo "$result 1 trial: $(trials_sentence "$name") ($((SECONDS - begun)) s)"
    } >"$results/$name.trial.tap"
    echo 0 >"$results/$name.trial.status"
    trials_show "$name"
}

# In one piece, whatever else ends at the same time.
trials_show() {
    {
        flock 9
        echo
        grep -v "^$1: " "$results/$1.table" || true
        if grep -q '^not ok' "$results/$1.trial.tap"; then tail -n 20 "$results/$1.progress"; fi
        tail -n 1 "$results/$1.trial.tap"
    } 9>"$results/showing"
}

# Runs some one after another.  A signal that ends its process ends what runs then, too.
trials_run_lane() {
    local name
    trap 'trap "" INT TERM; trials_end_one; exit 143' INT TERM
    for name; do trials_run "$name"; done
}

trials_end_one() {
    if [[ -z $trials_running ]]; then return; fi
    kill -TERM -- "-$trials_running" 2>/dev/null || true # it may just have ended
    wait "$trials_running" || true
}

trials_run_lanes() {
    local lane
    local -a names
    trials_lanes=()
    for lane; do
        read -r -a names <<<"$lane"
        trials_run_lane "${names[@]}" &
        trials_lanes+=("$!")
    done
    wait
    trials_lanes=()
}

trials_run_all() {
    local stage
    local -a lanes
    for stage in "${TRIALS_STAGES[@]}"; do
        IFS='|' read -r -a lanes <<<"$stage"
        trials_run_lanes "${lanes[@]}"
    done
}

# For scripts/check, which may be ended in the middle.
trials_end() {
    local lane
    for lane in ${trials_lanes[@]+"${trials_lanes[@]}"}; do
        kill -TERM "$lane" 2>/dev/null || true
        wait "$lane" || true
    done
}
