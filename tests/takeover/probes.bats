#!/usr/bin/env bats
# Tests the pure parts of this room in C.

load ../shared/helpers

@test "inheritance: refuses anything but messages of a takeover, and leaves no descriptor open" { "$BUILD/tests/takeover/inheritance"; }
@test "handover: what the link does not take is said later, and not in the next takeover" { "$BUILD/tests/takeover/handover"; }
