#!/usr/bin/env bats
# The pure parts of this room, tested in C.

load ../shared/helpers

@test "admission: computes how many handlers may start, and the first reason why not more" { "$BUILD/tests/admission/admission"; }
@test "rate: a bucket never holds more than its limit, and rounding loses no token" { "$BUILD/tests/admission/rate"; }
@test "brakes: closed gates are looked at every second and open in steps, and a figure is read every half second at most" { "$BUILD/tests/admission/brakes"; }
