#!/usr/bin/env bats
# The pure parts of this room, tested in C.

load ../shared/helpers

@test "parse: words as values, exactly" { "$BUILD/tests/base/parse"; }
@test "descriptors: those that are open are found without /proc, and without close_range" { "$BUILD/tests/base/descriptors"; }
@test "backoff: delays that grow, and one attempt between them" { "$BUILD/tests/base/backoff"; }
@test "histogram: which bucket a duration is in, and quantiles of the latest" { "$BUILD/tests/base/histogram"; }
