#!/usr/bin/env bats
# Tests the pure parts of this room in C.

load ../shared/helpers

@test "clients: keeps order, places and counts at every step" { "$BUILD/tests/queue/clients"; }
@test "books: whichever store is the last before a kill, each client is found in one state, and every count is right" { "$BUILD/tests/queue/books"; }
@test "damaged: impossible records are forgotten, and all other clients are found" { "$BUILD/tests/queue/damaged"; }
@test "order: chooses the next client by arrival or in turn, with limits per source" { "$BUILD/tests/queue/order"; }
@test "lingering: a connection with reports in its error queue costs no round after round" { "$BUILD/tests/queue/lingering"; }
@test "source: recognizes sources and finds each of many in a table" { "$BUILD/tests/queue/source"; }
@test "scale: a million waiting clients cost no more each than a thousand" { "$BUILD/tests/queue/scale"; }
