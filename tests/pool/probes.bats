#!/usr/bin/env bats
# Tests the pure parts of this room in C.

load ../shared/helpers

@test "channel: counts one answer for each request and no other answer" { "$BUILD/tests/pool/channel"; }
@test "starts: the ledger decides each start of a dead dispatcher, and no connection stays open" { "$BUILD/tests/pool/starts"; }
@test "left children: a failed start comes back, the others are handlers at the end of file, nothing else is believed" { "$BUILD/tests/pool/left"; }
@test "pool: each start has one answer whenever its dispatcher dies, and reports on another generation count for nothing" { "$BUILD/tests/pool/pool"; }
@test "patience: a silent dispatcher is killed, and that is asked for until its death, unless the supervisor slept" { "$BUILD/tests/pool/patience"; }
