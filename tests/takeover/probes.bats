#!/usr/bin/env bats
# The pure parts of this room, tested in C.

load ../shared/helpers

@test "inheritance: what is not a message of a takeover is refused, and leaves nothing open" { "$BUILD/tests/takeover/inheritance"; }
