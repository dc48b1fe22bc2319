#!/usr/bin/env bats
# The pure parts of this room, tested in C.

load ../shared/helpers

@test "admission: how many may start, and the first reason why not more" { "$BUILD/tests/admission/admission"; }
@test "rate: a bucket never holds more than it may, and rounding loses no token" { "$BUILD/tests/admission/rate"; }
@test "brakes: the opening of gates" { "$BUILD/tests/admission/brakes"; }
