#!/usr/bin/env bats
# The pure parts of this room, tested in C.

load ../shared/helpers

@test "http: what is a request, and what is answered to what is none" { "$BUILD/tests/control/http"; }
@test "control: one answer for each, whatever others do" { "$BUILD/tests/control/control"; }
