#!/usr/bin/env bats
# Tests the pure parts of this room in C.

load ../shared/helpers

@test "limit: reads the names and values of resource limits exactly" { "$BUILD/tests/options/limit"; }
@test "identity: finds users and groups by name and number, and refuses others" { "$BUILD/tests/options/identity"; }
@test "busy: tells texts from files, and refuses other values" { "$BUILD/tests/options/busy"; }
@test "hosts: each address of a host is a rule, a lost host and a mistyped address are errors, and memory files keep rules" { "$BUILD/tests/options/hosts"; }
@test "access: the most specific rule decides, and wrong rules are refused" { "$BUILD/tests/options/access"; }
