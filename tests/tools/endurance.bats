#!/usr/bin/env bats
# Tests in short form that nothing grows with the number of connections: scripts/trials/endurance.

load ../shared/helpers

endurance() { "$ROOT/scripts/trials/endurance" "$@" 3>&- 4>&-; }

@test "memory and descriptors after 20,000 connections are those after 10,000" {
    ((EUID == 0)) || skip "only root can read the memory use of an undumpable daemon"
    if is_sanitized; then skip "a sanitizer keeps freed memory"; fi
    run endurance --short
    echo "$output"
    [[ $status == 0 ]]
    [[ ${lines[-1]} == "endurance: 20000 connections through one process, and nothing has grown" ]]
}

@test "the endurance trial refuses unknown options and wrong values" {
    run endurance --long
    [[ $status == 2 && $output == "endurance: unknown option or word --long"* ]]
    run endurance --connections 15000
    [[ $status == 2 && $output == "endurance: --connections: 15000 is no multiple of 10000"* ]]
    run endurance --connections
    [[ $status == 2 ]]
}
