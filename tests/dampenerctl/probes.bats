#!/usr/bin/env bats
# The pure parts of this room, tested in C.

load ../shared/helpers

@test "json: what is taken, what is refused, and values by their paths" { "$BUILD/tests/dampenerctl/json"; }
@test "samples: rates, the lengths of bars, and figures in words" { "$BUILD/tests/dampenerctl/samples"; }
@test "view: frames of every size, which show what they should and never leave it" { "$BUILD/tests/dampenerctl/view"; }
