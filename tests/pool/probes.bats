#!/usr/bin/env bats
# Tests the pure parts of this room in C.

load ../shared/helpers

@test "channel: counts one answer for each request and no other answer" { "$BUILD/tests/pool/channel"; }
@test "starts: the ledger decides each start of a dead dispatcher, and no connection stays open" { "$BUILD/tests/pool/starts"; }
@test "left children: a failed start comes back, the others are handlers at the end of file, nothing else is believed" { "$BUILD/tests/pool/left"; }
@test "dispatcher: an unread answer counts, and a dispatcher back from giving way is replaced at once" {
    run "$BUILD/tests/pool/dispatcher"
    echo "$output"
    ((status == 0))
    [[ $(grep -c 'makes room for a handler' <<<"$output") == 1 ]]
    [[ $(grep -c 'was killed by signal 9: replacing it$' <<<"$output") == 1 ]]
}
@test "patience: a silent dispatcher is continued and then killed, unless the supervisor slept" { "$BUILD/tests/pool/patience"; }
