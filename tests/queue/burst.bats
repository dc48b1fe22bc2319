#!/usr/bin/env bats
# Tests many simultaneous clients and the order in which the daemon serves them.

load ../shared/helpers

@test "8 handlers answer 5,000 simultaneous clients without a refusal or a reset" {
    start --address 127.0.0.1 --processes 8 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    run "$BURST" "$ADDRESS" "$PORT" 5000
    echo "$output"
    [[ $output == "connected 5000 answered 5000 failed 0" ]]
    [[ $(wc -l <"$ANSWERS") == 5000 ]]
    (($(most_handlers) <= 8))
    await status_is served 5000
}

@test "a single handler serves clients in exactly the order of arrival" {
    start --address 127.0.0.1 --processes 1 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    run "$BURST" "$ADDRESS" "$PORT" 2000
    echo "$output"
    [[ $output == "connected 2000 answered 2000 failed 0" ]]
    diff <(seq 2000 | awk '{ print $1, $1 }') "$ANSWERS"
    [[ $(most_handlers) == 1 ]]
}

@test "clients beyond a queue of 10 wait in the kernel's backlog and are served too" {
    start --address 127.0.0.1 --processes 2 --queue 10 0 "$ANSWER" "$ANSWERS" "$COUNTER" 5
    "$BURST" "$ADDRESS" "$PORT" 300 >burst &
    local client=$!
    local most=0 queued
    while is_alive "$client"; do
        queued=$(status_of queued)
        ((queued <= most)) || most=$queued
    done
    wait "$client"
    [[ $(cat burst) == "connected 300 answered 300 failed 0" ]]
    echo "most in the queue: $most"
    ((most == 10))
}

@test "--queue 0 accepts clients only when their handler can start" {
    start --address 127.0.0.1 --processes 3 --queue 0 0 "$ANSWER" "$ANSWERS" "$COUNTER" 20
    "$BURST" "$ADDRESS" "$PORT" 200 >burst &
    local client=$!
    while is_alive "$client"; do
        status_is queued 0
    done
    wait "$client"
    [[ $(cat burst) == "connected 200 answered 200 failed 0" ]]
    [[ $(most_handlers) == 3 ]]
}

@test "without a limit on handlers every client is served at once" {
    start --address 127.0.0.1 --processes 0 0 "$ANSWER" "$ANSWERS" "$COUNTER" 6000
    run "$BURST" "$ADDRESS" "$PORT" 60
    [[ $output == "connected 60 answered 60 failed 0" ]]
    [[ $(most_handlers) == 60 ]]
}
