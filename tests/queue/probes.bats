#!/usr/bin/env bats
# The pure parts of this room, tested in C.

load ../shared/helpers

@test "clients: their order, their places and their counts, at every step" { "$BUILD/tests/queue/clients"; }
@test "order: whose turn it is, by arrival and in turn, with limits per source" { "$BUILD/tests/queue/order"; }
@test "source: what is one source, and a table that finds each of many" { "$BUILD/tests/queue/source"; }
@test "scale: a million who wait cost no more each than a thousand" { "$BUILD/tests/queue/scale"; }
