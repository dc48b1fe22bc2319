#!/usr/bin/env bats
# Replays the inputs that fuzzing found worth keeping in every parser, without the fuzzer.

load ../shared/helpers

TARGETS=$BUILD/tests/fuzz
CORPORA=$ROOT/tests/fuzz/corpora

# Closes the descriptors of bats, because targets need their numbers.
replay() {
    local target=$1
    (
        close_descriptors
        exec timeout 60 "$TARGETS/$target" "$CORPORA/$target"/* </dev/null
    )
}

# takes_linear_time TARGET UNIT COUNT: parses COUNT units and twice as many, and compares the times.
takes_linear_time() {
    local output
    output=$(close_descriptors && timeout 60 "$TARGETS/$1" --linear "$2" "$3" </dev/null 2>&1) || {
        echo "$1, $2: $output"
        return 1
    }
}

@test "every target keeps its promises for each input of its corpus" {
    local source target
    for source in "$ROOT"/tests/fuzz/*.c; do
        target=$(basename "$source" .c)
        run replay "$target"
        echo "$target: $output"
        ((status == 0))
        [[ $output == *[1-9]*" inputs" ]]
    done
}

@test "corpora are small and have plain names" {
    local folder
    (($(cat "$CORPORA"/*/* | wc -c) < 200000))
    for folder in "$CORPORA"/*/; do
        (($(find "$folder" -type f | wc -l) <= 70))
        [[ -f $ROOT/tests/fuzz/$(basename "$folder").c ]]
    done
    [[ -z $(find "$CORPORA" -name '*[^a-z0-9._-]*') ]]
}

@test "an input of twice the length takes twice the time" {
    takes_linear_time access $'allow 2001:db8:??:??::/64\n' 4000
    takes_linear_time access $'deny 2001:db8:??:??::/64 # some\nallow 2001:db8::/32\n' 3000
    takes_linear_time command_line $'--allow=2001:db8:??:??::/64\n' 4000
    takes_linear_time command_line $'--address\nhost-??-??\n' 4000
    takes_linear_time figures $'version ??\nbusiest ?? ?? ??\n' 4000
    takes_linear_time figures $'version ??' 30000
}

@test "an invalid pressure or load figure counts as 0" {
    printf 'nan\n' >nan
    printf 'inf 1 1\n' >infinite
    printf 'some avg10=-1\n' >negative
    run "$TARGETS/gauge" nan infinite negative
    echo "$output"
    ((status == 0))
}
