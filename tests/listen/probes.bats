#!/usr/bin/env bats
# The pure parts of this room, tested in C.

load ../shared/helpers

@test "metrics socket: it listens where it is told, and says where, or why not" {
    run "$BUILD/tests/listen/metrics_socket"
    echo "$output"
    ((status == 0))
    [[ $output =~ "metrics on 127.0.0.1 port "[1-9] ]]
    [[ $output =~ "metrics on "(::|0.0.0.0)" port "[1-9] ]]
    [[ $output =~ "cannot listen on 127.0.0.1:"[1-9][0-9]*" (--metrics): " ]]
    [[ $output == *"cannot listen on 192.0.2.1:0 (--metrics): "* ]]
    [[ $output == *"cannot listen on []:0 (--metrics): "* ]]
}
@test "listener: what an earlier process hands over is taken for the same, and nothing else" { "$BUILD/tests/listen/listener"; }
