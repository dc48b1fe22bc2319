#!/usr/bin/env bats
# The pure parts of this room, tested in C.

load ../shared/helpers

@test "parse: words become values exactly" { "$BUILD/tests/base/parse"; }
@test "nearest: a slip of the finger leads to the word that was meant, and nothing far away does" { "$BUILD/tests/base/nearest"; }
@test "descriptors: all open descriptors are found without /proc and without close_range" { "$BUILD/tests/base/descriptors"; }
@test "backoff: delays grow, with one attempt between them" { "$BUILD/tests/base/backoff"; }
@test "histogram: durations fall into the right bucket, and quantiles are those of the latest" { "$BUILD/tests/base/histogram"; }
@test "loop: a timer expires in one round, and not before its time" { "$BUILD/tests/base/loop"; }
