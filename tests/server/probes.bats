#!/usr/bin/env bats
# Tests the pure parts of this room in C.

load ../shared/helpers

@test "processor: binds the supervisor to one processor while clients come one at a time" { "$BUILD/tests/server/processor"; }
