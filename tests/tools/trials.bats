#!/usr/bin/env bats
# Tests what all trials share (scripts/trials/trial.bash), and how scripts/check --long runs them.
# shellcheck disable=SC2016 # $ belongs to the shell that reads a script

load ../shared/helpers

TRIALS=$ROOT/scripts/trials

# Prints the names of all trials, which are the executable files of the folder.
all_trials() { find "$TRIALS" -maxdepth 1 -type f -executable -printf '%f\n' | sort; }

# ---- scripts ----

@test "each script refuses unknown words, and its --help fits 80 columns" {
    local script
    while read -r script; do
        run "$ROOT/$script" --help
        [[ $status == 0 && $output == "Usage: $script"* ]]
        echo "$output" | awk -v script="$script" \
            'length($0) > 80 { print script ": " $0; found = 1 } END { exit found }'
        run "$ROOT/$script" --nonsense
        [[ $status == 2 ]]
    done < <(all_trials | sed 's|^|scripts/trials/|' && printf 'scripts/%s\n' check bench bench-check demo)
}

@test "a trial that is ended midway leaves no process, file or control group" {
    [[ $(id -u) == 0 ]] || skip "most walls require root"
    local status=0
    mkdir place
    TMPDIR=$PWD/place DAMPENER_BUILD=$BUILD "$TRIALS/walls" --short >table 2>progress 3>&- 4>&- &
    local trial=$!
    DAMPENER_PATIENCE=120 await is_amid_or_gone "$trial" # the earlier walls need time
    kill -TERM "$trial" || skip "these walls cannot be tested here"
    wait "$trial" || status=$?
    [[ $status == 143 ]]
    [[ -z $(ls -A place) ]]
    [[ -z $(find /sys/fs/cgroup -maxdepth 2 -name "dampener-walls.$trial") ]]
    await nobody_is_at_it || { pgrep -af -- "$PWD/place"; return 1; }
}

nobody_is_at_it() { ! pgrep -f -- "$PWD/place" >/dev/null; }

# The third wall has a control group, and the fourth a disk.
is_amid_or_gone() { compgen -G 'place/*/[34]/ready' >/dev/null || is_gone "$1"; }

# ---- all trials ----

# Makes a project whose trials print a row and then run $1.
make_trials() {
    local name
    mkdir -p project/scripts results
    cp -r "$TRIALS/" project/scripts/
    while read -r name; do
        printf '%s\n' '#!/usr/bin/env bash' 'name=${0##*/}' 'echo "a row of $name"' "$1" >"project/scripts/trials/$name"
    done < <(all_trials)
    cat >run <<'SCRIPT'
set -euo pipefail
root=$PWD/project results=$PWD/results
source "$1/scripts/shared/progress.bash"
source "$1/scripts/trials/all.bash"
trap trials_end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trials_run_all
SCRIPT
}

@test "all trials run once, and the output of a trial that fails is shown" {
    make_trials 'if [[ $name == walls ]]; then echo "no wall" >&2; exit 1; fi; echo "$name: held"'
    bash run "$ROOT" >said 2>begun
    cat said
    [[ $(sed -n 's/^ok 1 trial: \(.*\): held (.*/\1/p' said | sort) == "$(all_trials | grep -vx walls)" ]]
    [[ $(grep -A 2 '^a row of walls$' said) == $'a row of walls\nno wall\nnot ok 1 trial: walls: did not come to its end '* ]]
    [[ $(cat results/*.trial.tap | grep -c '^not ok') == 1 ]]
}

@test "a signal to the run of all trials ends every running trial and its processes" {
    local signal
    for signal in INT TERM; do
        make_trials 'trap "echo $name >>ended; exit 1" TERM; sleep 1000 & echo >>begun; wait'
        rm -f begun ended
        # A background command of a shell without job control ignores SIGINT otherwise.
        (close_descriptors; exec env --default-signal=INT bash run "$ROOT" >said 2>&1) &
        local all=$!
        await has_begun 2
        kill -"$signal" "$all"
        wait "$all" || true
        [[ $(wc -l <ended) == 2 ]]
        await nothing_is_left
    done
}

has_begun() { [[ -e begun && $(wc -l <begun) == "$1" ]]; }
