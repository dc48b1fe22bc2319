#!/usr/bin/env bats
# Tests the pure parts of this room in C.

load ../shared/helpers

@test "inheritance: refuses anything but messages of a takeover, and leaves no descriptor open" { "$BUILD/tests/takeover/inheritance"; }
