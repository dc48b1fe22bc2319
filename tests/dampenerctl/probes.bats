#!/usr/bin/env bats
# The pure parts of this room, tested in C.

load ../shared/helpers

@test "view: frames of every size, which show what they should and never leave it" { "$BUILD/tests/dampenerctl/view"; }
@test "samples: rates, the lengths of bars, and numbers in words" { "$BUILD/tests/dampenerctl/samples"; }
