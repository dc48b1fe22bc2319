#!/usr/bin/env bats
# The pure parts of this room, tested in C.

load ../shared/helpers

@test "http: what an operator asks for, in a line or in HTTP, and which errors answer the rest" { "$BUILD/tests/control/http"; }
@test "control: one answer for each, whatever others do" { "$BUILD/tests/control/control"; }
