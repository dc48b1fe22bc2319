#!/usr/bin/env bats
# The pure parts of this room, tested in C.

load ../shared/helpers

@test "children: a child is found as long as it exists" { "$BUILD/tests/dispatcher/children"; }
@test "spawn: each slot holds a handler between clone and exec, up to the last slot" { "$BUILD/tests/dispatcher/spawn"; }
@test "start: each start is answered once, and a hanging start delays no other" { "$BUILD/tests/dispatcher/start"; }
@test "ledger: a worker is named from the moment at which it has the client, and not before" { "$BUILD/tests/dispatcher/ledger"; }
@test "setup: a setup that is not whole is refused, and a dispatcher's user keeps handlers from harming it" { "$BUILD/tests/dispatcher/setup"; }
@test "wire: an invalid message is refused and leaves no descriptor open" { "$BUILD/tests/dispatcher/wire"; }
@test "log: each line is one object of limited length, whatever its text" { "$BUILD/tests/dispatcher/log"; }
