#!/usr/bin/env bats
# The pure parts of this room, tested in C.

load ../shared/helpers

@test "view: frames of every size, bars and large counts, and nothing leaves the frame" { "$BUILD/tests/dampenerctl/view"; }
@test "samples: figures and rates of the last minutes" { "$BUILD/tests/dampenerctl/samples"; }
@test "keys: what each sends, and that one stray key changes nothing for clients" { "$BUILD/tests/dampenerctl/keys"; }
