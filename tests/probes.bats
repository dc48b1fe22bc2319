#!/usr/bin/env bats
# The pure parts, tested in C: tests/probes/.

load helpers

@test "admission: how many may start, and the first reason why not more" { "$PROBES/admission"; }
@test "clients: their order, their places and their counts, at every step" { "$PROBES/clients"; }
@test "parse: words as values, exactly" { "$PROBES/parse"; }
@test "limit: the names and values of resource limits, exactly" { "$PROBES/limit"; }
@test "identity: users and groups by name and number, and what is neither" { "$PROBES/identity"; }
@test "backoff: delays that grow, and one attempt between them" { "$PROBES/backoff"; }
@test "children: a process is found as long as it is there" { "$PROBES/children"; }
@test "wire: what is not a message of the protocol is refused and leaves nothing open" { "$PROBES/wire"; }
@test "requests: each is answered once, and what nobody asked for is not believed" { "$PROBES/requests"; }
@test "order: whose turn it is, by arrival and in turn, with limits per source" { "$PROBES/order"; }
@test "source: what is one source, and a table that finds each of many" { "$PROBES/source"; }
@test "patience: an answer is waited for twice, and not held against who slept" { "$PROBES/patience"; }
@test "timeout: who has run for too long, and gets which signal when" { "$PROBES/timeout"; }
@test "brakes: the rate, the opening of gates, the limit on lines in the log" { "$PROBES/brakes"; }
@test "busy: what is a text, what is a file, and what is neither" { "$PROBES/busy"; }
@test "access: the most specific rule decides, and wrong rules are refused" { "$PROBES/access"; }
@test "scale: a million who wait cost no more each than a thousand" { "$PROBES/scale"; }
