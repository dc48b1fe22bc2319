#!/usr/bin/env bats
# Tests that other users reach the programs under test in any checkout (tests/shared/reach.bash).

load ../shared/helpers

# Makes the folder private/checkout, which only root reaches, with the build and one test.  The test
# runs the daemon as another user and then $1.
make_private_checkout() {
    ((EUID == 0)) || skip "only root can become another user"
    open_to_others
    mkdir -m 700 private
    mkdir -p private/checkout/tests/one place
    chmod 1777 place # valgrind writes there as another user
    cp -r "$ROOT/scripts" private/checkout
    cp -r "$ROOT/tests/shared" private/checkout/tests
    reach_copy "$BUILD" "$PWD/private/checkout/build"
    refute run_as 65534 test -x private/checkout/build/socket-burst-dampener
    local test=@test # bats takes each line that begins with @test for a test of this file
    cat >private/checkout/tests/one/one.bats <<ONE
load ../shared/helpers

$test "another user starts the daemon" {
    open_to_others
    WRAPPER=(setpriv --reuid=65534 --regid=65534 --clear-groups --)
    start --address 127.0.0.1 0 "\$STATE"
    ask_state
    says "uid 65534 65534 65534"
    stop
    $1
}
ONE
}

# Executes a command in a session of its own and without bats' variables.  Temporary files go to
# "place"; make and apt-get are replaced by programs that do nothing.
exec_alone() {
    local name unset=()
    for name in $(compgen -e BATS_); do unset+=(-u "$name"); done
    mkdir tools
    printf '#!/bin/sh\n' >tools/make
    printf '#!/bin/sh\nexit 1\n' >tools/apt-get
    chmod +x tools/*
    exec setsid env "${unset[@]}" -u CI -u DAMPENER_BUILD TMPDIR="$PWD/place" PATH="$PWD/tools:$PATH" "$@" \
        >told 2>&1 3>&- 4>&- </dev/null
}

check_private_checkout() { exec_alone private/checkout/scripts/check private/checkout/tests/one/one.bats; }

@test "another user can run each program that tests start as another user" {
    ((EUID == 0)) || skip "only root can become another user"
    local program
    run_as 65534 "$DAMPENER" --version
    for program in "$BUILD"/{dispatcher,dampenerctl} "$BUILD"/tests/{programs,tools}/*/*; do
        if [[ -f $program && ! -x $program ]]; then continue; fi
        run_as 65534 test -x "$program" || { echo "cannot be reached: $program" >&2; false; }
    done
}

@test "in a folder that only root enters, bats alone copies the build and removes the copy" {
    make_private_checkout
    (exec_alone bats --tap private/checkout/tests/one) || { cat told; false; }
    grep -q '^ok 1 another user starts the daemon$' told
    [[ -z $(ls -A place) ]]
}

@test "in a folder that only root enters, scripts/check copies the build and removes the copy" {
    make_private_checkout
    (check_private_checkout) || { cat told; false; }
    grep -qF "Other users cannot reach build/: the tests use a copy in $PWD/place/dampener-build." told
    grep -qx '1 passed, 0 failed' told
    [[ -z $(ls -A place) ]]
}

@test "scripts/check removes the copy even if it is ended" {
    make_private_checkout "touch '$PWD/begun'; await test -e '$PWD/never'"
    check_private_checkout &
    local check=$!
    await test -e begun
    local ended=0
    kill -TERM -- "-$check" # a terminal would send SIGINT to the group
    wait "$check" || ended=$?
    ((ended == 143))
    await nothing_is_left
    [[ -z $(find place -name 'dampener-build.*') ]]
}
