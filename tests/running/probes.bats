#!/usr/bin/env bats
# Tests the pure parts of this room in C.

load ../shared/helpers

@test "timeout: decides which handler has run too long and which signal it gets when" { "$BUILD/tests/running/timeout"; }
