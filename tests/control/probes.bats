#!/usr/bin/env bats
# The pure parts of this room, tested in C.

load ../shared/helpers

@test "http: a request is a line or HTTP, and each invalid request gets its error" { "$BUILD/tests/control/http"; }
@test "control: each client gets one answer, whatever other clients do" { "$BUILD/tests/control/control"; }
