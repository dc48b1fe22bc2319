# Lets other users reach the programs of a build.  Sourced by scripts/check and helpers.bash.
# shellcheck shell=bash
#
# Some tests run programs as a user other than root.  If the checkout is below a folder that only root
# enters, such as /root, that user reaches no program of the build.  The tests then use a copy of the
# build in a temporary folder.

# True if another user can run the programs of the build in folder $1.  True also if this process cannot
# become another user: then no test can either.
reach_is_open() {
    local -a other=(setpriv --reuid=65534 --regid=65534 --clear-groups --)
    ((EUID == 0)) || return 0
    [[ -x $1/socket-burst-dampener ]] || return 0 # nothing is built
    "${other[@]}" test -x "$1/socket-burst-dampener" || ! "${other[@]}" true
} 2>/dev/null

# Makes folder $2 a copy of the build in folder $1.  Copies the programs that other users run.  Links the
# rest, which only root can follow.
reach_copy() {
    local build=$1 folder=$2 path
    mkdir -p "$folder/tests"
    cp "$build"/{socket-burst-dampener,dispatcher,dampenerctl} "$folder"
    for path in "$build"/tests/{programs,tools}; do
        if [[ -d $path ]]; then cp -R "$path" "$folder/tests"; fi
    done
    for path in "$build"/* "$build"/tests/*; do
        path=${path#"$build/"}
        if [[ -e $build/$path && ! -e $folder/$path ]]; then ln -s "$build/$path" "$folder/$path"; fi
    done
    chmod -R go+rX "$folder"
}

# Prints the folder with the build for the tests of one bats process.  The folder is $1 itself, or a
# copy in BATS_RUN_TMPDIR, which bats removes.  The first test makes the copy.
reach_within_bats() {
    local build=$1 folder=$BATS_RUN_TMPDIR/reachable
    if reach_is_open "$build"; then
        echo "$build"
        return
    fi
    if [[ ! -d $folder ]]; then
        reach_copy "$build" "$folder.$BASHPID"
        # Another test may have been faster.
        mv -T "$folder.$BASHPID" "$folder" 2>/dev/null || rm -rf "$folder.$BASHPID"
    fi
    chmod go+x "$BATS_RUN_TMPDIR"
    if reach_is_open "$folder"; then echo "$folder"; else echo "$build"; fi
}

# Sets `copied` to a temporary folder with a copy of the build in folder $1 that other users reach.
# Fails, with `copied` empty, if they reach no folder for temporary files, or may execute nothing there.
reach_in_temporary() {
    local place
    for place in "${TMPDIR:-/tmp}" /tmp /var/tmp; do
        copied=$(mktemp -d -p "$place" dampener-build.XXXXXXXXXX) || continue
        if reach_copy "$1" "$copied" && reach_is_open "$copied"; then return; fi
        rm -rf "$copied"
        copied=
    done
    return 1
}
