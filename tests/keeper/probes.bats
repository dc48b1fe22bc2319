#!/usr/bin/env bats
# The pure parts of this room, tested in C.

load ../shared/helpers

@test "notify: what a service manager is told, in order, and later if it does not read" { "$BUILD/tests/keeper/notify"; }
@test "janitor: which files it publishes, removes and leaves alone" { "$BUILD/tests/keeper/janitor"; }
