#!/usr/bin/env bats
# Nothing grows with the number of connections: the short form of scripts/trials/endurance.

load ../shared/helpers

endurance() { "$ROOT/scripts/trials/endurance" "$@" 3>&- 4>&-; }

@test "20,000 connections of all kinds: as many descriptors, and as much memory, as after 10,000" {
    ((EUID == 0)) || skip "only root may look at the memory of a daemon that hides"
    if is_sanitized; then skip "a sanitizer keeps what has been freed"; fi
    run endurance --short
    echo "$output"
    [[ $status == 0 ]]
    [[ ${lines[-1]} == "endurance: 20000 connections through one process, and nothing has grown" ]]
}

@test "the trial refuses what it does not understand" {
    run endurance --long
    [[ $status == 2 && $output == "endurance: unknown option or word --long"* ]]
    run endurance --connections 15000
    [[ $status == 2 && $output == "endurance: --connections: 15000 is no multiple of 10000"* ]]
    run endurance --connections
    [[ $status == 2 ]]
}
