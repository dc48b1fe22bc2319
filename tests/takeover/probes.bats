#!/usr/bin/env bats
# Tests the pure parts of this room in C.

load ../shared/helpers

@test "inheritance: what is not a message of a takeover is refused and leaves no descriptor open" { "$BUILD/tests/takeover/inheritance"; }
