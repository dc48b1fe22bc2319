#!/usr/bin/env bats
# The pure parts of this room, tested in C.

load ../shared/helpers

@test "timeout: who has run for too long, and gets which signal when" { "$BUILD/tests/running/timeout"; }
