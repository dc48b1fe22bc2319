# What all trials share: where the project is, a folder to work in, and how a trial ends.
# shellcheck shell=bash
#
# A trial is a program in this folder that puts the daemon through something for as long as it takes,
# prints a table, and as its last line "NAME: " and what came out of it; the exit status is 0 if all
# held.  What goes on is shown on standard error.  --short is what fits into every run of the tests.
# scripts/check --long runs all of them.

trial=$(basename "$0")
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${DAMPENER_BUILD:-} # what to try; empty: build it first
work=                     # a folder that goes away with the trial

# shellcheck source=scripts/shared/packages.bash
source "$root/scripts/shared/packages.bash"
# shellcheck source=scripts/shared/progress.bash
source "$root/scripts/shared/progress.bash"

# Ends it as not carried out.
trial_fail() {
    progress_end
    echo "$trial: $*" >&2
    exit 1
}

# A wrong word of the command line.
trial_misused() {
    echo "$trial: $*; see $trial --help" >&2
    exit 2
}

# Builds the programs, unless that has been done, with the words given to make.
trial_build() {
    local output
    if [[ -n $build ]]; then return; fi
    build=$root/build
    if ! output=$(make -C "$root" -j"$(nproc)" "$@" all tests 2>&1); then
        echo "$output" >&2
        trial_fail "the build failed"
    fi
}

# Makes the folder; when the trial ends, however it does, it goes, after a function trial_end if
# there is one, which ends what was started.
trial_begin() {
    work=$(mktemp -d)
    trap trial_clean EXIT
    trap 'trap "" INT TERM; exit 130' INT
    trap 'trap "" INT TERM; exit 143' TERM
}

# Undisturbed: who ends a group of processes may send the signal twice (timeout(1) does).
trial_clean() {
    trap '' INT TERM
    if declare -F trial_end >/dev/null; then trial_end || true; fi
    progress_end
    rm -rf "$work"
}

# Kills who was started with such words.  Nobody else's have the trial's own folder in them.
trial_kill() {
    local process
    for process in $(pgrep -f -- "$1"); do kill -KILL "$process" 2>/dev/null || true; done
}
