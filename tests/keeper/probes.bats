#!/usr/bin/env bats
# The pure parts of this room, tested in C.

load ../shared/helpers

@test "notify: messages reach a service manager in order, and later if the manager does not read" { "$BUILD/tests/keeper/notify"; }
@test "files: publishes, removes and leaves alone the right files" { "$BUILD/tests/keeper/files"; }
@test "keeper: carries out the requests of a supervisor under attack, and nothing else" { "$BUILD/tests/keeper/keeper"; }
@test "outbox: reports are kept, repeated and forgotten by their numbers, and a full link loses none" { "$BUILD/tests/keeper/outbox"; }
