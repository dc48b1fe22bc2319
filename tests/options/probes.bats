#!/usr/bin/env bats
# The pure parts of this room, tested in C.

load ../shared/helpers

@test "limit: the names and values of resource limits, exactly" { "$BUILD/tests/options/limit"; }
@test "identity: users and groups by name and number, and what is neither" { "$BUILD/tests/options/identity"; }
@test "busy: what is a text, what is a file, and what is neither" { "$BUILD/tests/options/busy"; }
@test "access: the most specific rule decides, and wrong rules are refused" { "$BUILD/tests/options/access"; }
