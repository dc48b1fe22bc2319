#!/usr/bin/env bats
# The pure parts, tested in C: tests/probes/.

load helpers

@test "admission: how many may start, and the first reason why not more" { "$PROBES/admission"; }
@test "clients: their order, their places and their counts, at every step" { "$PROBES/clients"; }
@test "parse: words as values, exactly" { "$PROBES/parse"; }
@test "limit: the names and values of resource limits, exactly" { "$PROBES/limit"; }
@test "identity: users and groups by name and number, and what is neither" { "$PROBES/identity"; }
@test "descriptors: those that are open are found without /proc, and without close_range" { "$PROBES/descriptors"; }
@test "backoff: delays that grow, and one attempt between them" { "$PROBES/backoff"; }
@test "children: a process is found as long as it is there" { "$PROBES/children"; }
@test "spawn: as many handlers between clone and exec as there are slots, each in its own place" { "$PROBES/spawn"; }
@test "start: each start is answered once, together, and one that hangs holds up nobody" { "$PROBES/start"; }
@test "processor: bound to one while clients come one at a time" { "$PROBES/processor"; }
@test "wire: what is not a message of the protocol is refused and leaves nothing open" { "$PROBES/wire"; }
@test "inheritance: what is not a message of a takeover is refused, and leaves nothing open" { "$PROBES/inheritance"; }
@test "requests: each is answered once, and what nobody asked for is not believed" { "$PROBES/requests"; }
@test "starts: the ledger decides each start of a dead dispatcher, and no connection is left open" { "$PROBES/starts"; }
@test "remains: a failed start comes back, the others are handlers at the end of file, nothing else is believed" { "$PROBES/remains"; }
@test "dispatcher: an unread answer counts, and a dispatcher back from giving way is replaced at once" {
    run "$PROBES/dispatcher"
    echo "$output"
    ((status == 0))
    [[ $(grep -c 'gives way to handlers' <<<"$output") == 1 ]]
    [[ $(grep -c 'was killed by signal 9: replacing it$' <<<"$output") == 1 ]]
}
@test "order: whose turn it is, by arrival and in turn, with limits per source" { "$PROBES/order"; }
@test "source: what is one source, and a table that finds each of many" { "$PROBES/source"; }
@test "patience: an answer is waited for twice, and not held against who slept" { "$PROBES/patience"; }
@test "notify: what a service manager is told, in order, and later if it does not read" { "$PROBES/notify"; }
@test "timeout: who has run for too long, and gets which signal when" { "$PROBES/timeout"; }
@test "rate: a bucket never holds more than it may, and rounding loses no token" { "$PROBES/rate"; }
@test "brakes: the opening of gates, the limit on lines in the log" { "$PROBES/brakes"; }
@test "busy: what is a text, what is a file, and what is neither" { "$PROBES/busy"; }
@test "http: what is a request, and what is answered to what is none" { "$PROBES/http"; }
@test "control: one answer for each, whatever others do" { "$PROBES/control"; }
@test "metrics socket: it listens where it is told, and says where, or why not" {
    run "$PROBES/metrics_socket"
    echo "$output"
    ((status == 0))
    [[ $output =~ "metrics on 127.0.0.1 port "[1-9] ]]
    [[ $output =~ "metrics on "(::|0.0.0.0)" port "[1-9] ]]
    [[ $output =~ "--metrics 127.0.0.1:"[1-9][0-9]*": cannot listen there: " ]]
    [[ $output == *"--metrics 192.0.2.1:0: cannot listen there: "* ]]
    [[ $output == *"--metrics []:0: cannot listen there: "* ]]
    [[ $output == *"--metrics 9100: expected ADDRESS:PORT"* ]]
}
@test "access: the most specific rule decides, and wrong rules are refused" { "$PROBES/access"; }
@test "listener: what an earlier process hands over is taken for the same, and nothing else" { "$PROBES/listener"; }
@test "log: each line is one object, never too long, whatever it is to say" { "$PROBES/log"; }
@test "janitor: which files it publishes, removes and leaves alone" { "$PROBES/janitor"; }
@test "histogram: which bucket a duration is in, and quantiles of the latest" { "$PROBES/histogram"; }
@test "scale: a million who wait cost no more each than a thousand" { "$PROBES/scale"; }
@test "json: what is taken, what is refused, and values by their paths" { "$PROBES/json"; }
@test "samples: rates, the lengths of bars, and figures in words" { "$PROBES/samples"; }
@test "view: frames of every size, which show what they should and never leave it" { "$PROBES/view"; }
