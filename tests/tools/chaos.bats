#!/usr/bin/env bats
# Tests the chaos trial in its short form, and its judge.
# shellcheck disable=SC2016,SC2030,SC2031,SC2153 # $ is awk's; tests are subshells of helpers.bash

load ../shared/helpers

CHAOS=$ROOT/scripts/trials/chaos
PLAN=$BUILD/tests/tools/chaos/plan

# The trial starts its daemons itself.
export DAMPENER_BUILD=$BUILD

@test "the seed determines the plan" {
    "$PLAN" 7 20 >one
    "$PLAN" 7 20 >same
    "$PLAN" 8 20 >other
    cmp one same
    refute cmp -s one other
    [[ $(cut -d ' ' -f 1 one) == "$(cut -d ' ' -f 1 one | sort -n)" ]]
}

# Changes file $2 of the records by command $3 and requires that the judge finds a contradiction of kind
# $1.
judge_sees() {
    local kind=$1 file=$2
    shift 2
    rm -rf changed
    cp -r kept changed
    "$@" "kept/$file" >"changed/$file"
    refute cmp -s "kept/$file" "changed/$file"
    if "$CHAOS" --judge changed >judged 2>&1; then
        echo "not seen: $kind" >&2
        return 1
    fi
    awk -v kind="$kind" '$2 == kind && $6 > 0 { found = 1 } END { exit !found }' judged ||
        { echo "not seen as $kind" >&2; cat judged >&2; return 1; }
}

# Prints the number of an answered client.
answered_client() { awk '$9 == "answered" { print $2; exit }' kept/clients; }

@test "the chaos trial holds, and its judge finds each kind of contradiction" {
    if ((EUID != 0)); then skip "requires root"; fi
    unshare --net true || skip "cannot create a network namespace"
    local number
    timeout 200 "$CHAOS" --short --keep "$BATS_TEST_TMPDIR/kept" >trial 2>&1 || { cat trial >&2; return 1; }
    cat trial # shows the seed
    "$CHAOS" --judge kept >/dev/null
    number=$(answered_client)

    judge_sees 1a notes awk '$1 == "limit" { $4 = 0 } { print }'
    judge_sees 1b observed awk '$1 == "alive" && $2 > 1 { $0 = $0 " 1 2 3 4 5 6 7 8 9 10 11 12 13" } { print }'
    judge_sees 1c observed awk '$1 == "sample" && !done++ { $8 += 13; $5 += 13 } { print }'
    judge_sees 2a handlers awk -v number="$number" '$2 == number { $3++ } { print }'
    judge_sees 2b log.1 awk '/: ended process/ && !done++ { next } { print }'
    judge_sees 2c log.1 awk '{ print } END { print "[INFO] ticket 1: given up by 127.1.0.1 port 1, waited 0.1 s" }'
    judge_sees 2d log.2 awk '/took over from/ { sub(/clients: [0-9]+/, "clients: 7777") } { print }'
    judge_sees 2e observed awk '$1 == "sample" && ++count == 20 { $5++ } { print }'
    judge_sees 2f observed awk '$1 == "sample" { $5++; $10++ } { print }'
    judge_sees 4a handlers awk -v number="$number" '$2 != number'
    judge_sees 4a handlers awk -v number="$number" '{ print } $2 == number { $4++; print }'
    judge_sees 4a clients awk -v number="$number" '$2 == number { $9 = "cut" } { print }'
    judge_sees 5a observed awk '$1 == "sample" && ++count == 20 { $1 = "unanswered" } { print }'
    judge_sees 5a observed awk '$1 == "sample" && ++count == 20 { $3 = 9000 } { print }'
    judge_sees 6a observed awk '$1 == "used" && $2 > 1 { $3 += 60000 } { print }'
    judge_sees 6b observed awk '$1 == "alive" { last = $0 } { print } END { print last " 77" }'
    judge_sees 6b observed awk '$1 == "process" && $3 == "keeper" { $5 += int($2) } { print }'
    judge_sees 6b observed awk '$1 == "process" && $3 == "supervisor" { $5 += int($2) } { print }'
    judge_sees 6c notes awk '$1 == "exit" { $3 = 1 } { print }'

    # A limit per source permits overtaking, and in some plans there is always such a limit.
    sed -i '/^while per-source /d' kept/notes
    judge_sees 3a handlers awk '$1 == "begin" && ++count <= 14 { $5 += 100 } { print }'
}
