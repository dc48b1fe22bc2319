#!/usr/bin/env bats
# Tests that a test that hangs is ended and leaves nothing behind (tests/shared/helpers.bash).

load ../shared/helpers

# Runs a test with body $1 in another bats, which permits LIMIT seconds.  The output is in "told".
run_hanging() {
    local name unset=() test=@test # bats takes each line that begins with @test for a test of this file
    for name in $(compgen -e BATS_); do unset+=(-u "$name"); done
    cat >hanging.bats <<END
load '$ROOT/tests/shared/helpers'

$test "this test hangs" {
    start --address 127.0.0.1 0 sleep 1000
    connect_silently
    await status_is running 1
    $1
}

$test "the next test" { start --address 127.0.0.1 0 cat; }
END
    STATUS=0
    LIMIT=$((3 * ${DAMPENER_PATIENCE:-20} / 20))
    env "${unset[@]}" BATS_TEST_TIMEOUT=$LIMIT DAMPENER_PATIENCE=$((${DAMPENER_PATIENCE:-20} / 4)) \
        DAMPENER_BUILD="$BUILD" timeout 300 bats --tap hanging.bats >told 2>&1 3>&- 4>&- </dev/null || STATUS=$?
    cat told
}

# Requires that the output names the test, the next test ran, and no process is left: neither daemon nor
# countdown.
is_ended_alone() {
    [[ $STATUS == 1 ]]
    grep -q "^not ok 1 this test hangs # timeout after ${LIMIT}s$" told
    grep -q '^ok 2 the next test$' told
    await nothing_is_left
}

@test "a test that waits for a process is ended together with its daemon, and named" {
    # shellcheck disable=SC2016
    run_hanging 'sleep 1000 & wait $!'
    is_ended_alone
    refute grep 'killing what was left' told
}

@test "a test that reads the output of a grandchild is ended" {
    # shellcheck disable=SC2016
    run_hanging 'SAID=$(cat <&"$CLIENT"; true)'
    is_ended_alone
}

@test "a test whose daemon hangs is ended, and its daemon killed" {
    # shellcheck disable=SC2016
    run_hanging 'kill -STOP "$DAEMON"; sleep 1000'
    is_ended_alone
    grep -q '^# killing what was left: .*socket-burst-dampener' told
}
