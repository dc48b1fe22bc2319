#!/usr/bin/env bats
# The pure parts of this room, tested in C.

load ../shared/helpers

@test "processor: bound to one while clients come one at a time" { "$BUILD/tests/server/processor"; }
