#!/usr/bin/env bats
# The pure parts of this room, tested in C.

load ../shared/helpers

@test "children: a process is found as long as it is there" { "$BUILD/tests/dispatcher/children"; }
@test "spawn: as many handlers between clone and exec as there are slots, each in its own place" { "$BUILD/tests/dispatcher/spawn"; }
@test "start: each start is answered once, together, and one that hangs holds up nobody" { "$BUILD/tests/dispatcher/start"; }
@test "wire: what is not a message of the protocol is refused and leaves nothing open" { "$BUILD/tests/dispatcher/wire"; }
@test "log: each line is one object, never too long, whatever it is to say" { "$BUILD/tests/dispatcher/log"; }
