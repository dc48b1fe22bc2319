#!/usr/bin/env bats
# The pure parts, tested in C: tests/probes/.

load helpers

@test "admission: how many may start, and the first reason why not more" { "$PROBES/admission"; }
@test "clients: their order, their places and their counts, at every step" { "$PROBES/clients"; }
@test "parse: words as values, exactly" { "$PROBES/parse"; }
@test "backoff: delays that grow, and one attempt between them" { "$PROBES/backoff"; }
@test "children: a process is found as long as it is there" { "$PROBES/children"; }
@test "wire: what is not a message of the protocol is refused and leaves nothing open" { "$PROBES/wire"; }
