#!/usr/bin/env bats
# The pure parts of this room, tested in C.

load ../shared/helpers

@test "figures: each rendering shows each figure, and no name can forge a line" { "$BUILD/tests/figures/figures"; }
@test "report: ends are counted, and lines about trouble are few, with the number of those left out" { "$BUILD/tests/figures/report"; }
