#!/usr/bin/env bats
# Tests the pure parts of this room in C.

load ../shared/helpers

@test "metrics socket: listens on the given address and shows that address, or the reason for a failure" {
    run "$BUILD/tests/listen/metrics_socket"
    echo "$output"
    ((status == 0))
    [[ $output =~ "metrics on 127.0.0.1 port "[1-9] ]]
    [[ $output =~ "metrics on "(::|0.0.0.0)" port "[1-9] ]]
    [[ $output =~ "cannot listen on 127.0.0.1:"[1-9][0-9]*" (--metrics): " ]]
    [[ $output == *"cannot listen on 192.0.2.1:0 (--metrics): "* ]]
    [[ $output == *"cannot listen on []:0 (--metrics): "* ]]
}
@test "listener: recognizes the listeners that an earlier process hands over, and no other sockets" { "$BUILD/tests/listen/listener"; }
