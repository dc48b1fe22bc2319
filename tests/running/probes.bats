#!/usr/bin/env bats
# Tests the pure parts of this room in C.

load ../shared/helpers

@test "timeout: decides which handler has run too long and which signal it gets when" { "$BUILD/tests/running/timeout"; }
@test "strays: a connection goes back to its client once, and what finds no room is closed" { "$BUILD/tests/running/strays"; }
@test "copies: a connection that FAILED brought back waits again, and one out of a dead dispatcher's packet is closed" { "$BUILD/tests/running/copies"; }
@test "aside: a client that alone fails is closed after three tries, and nobody if all fail" { "$BUILD/tests/running/aside"; }
@test "adopted: one end of a process ends each client that has its number" { "$BUILD/tests/running/adopted"; }
@test "ending: each client of an adopted worker ends, once, and no signal goes to a worker that may have the next one" { "$BUILD/tests/running/ending"; }
@test "counted: whichever instruction is the last before a kill, each start and each end of a handler counts once in all figures" { "$BUILD/tests/running/counted"; }
