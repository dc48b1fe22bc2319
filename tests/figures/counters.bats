#!/usr/bin/env bats
# At every moment: accepted = queued + starting + running + the sum of all ends.

load ../shared/helpers

# Reads a status line into LINE, and checks the sum.
add_up() {
    status_of accepted >/dev/null
    LINE=$(grep '^\[INFO\] status: ' "$LOG" | tail -n 1)
    awk '{
        gsub(",", "")
        for (i = 3; i < NF; i += 2) count[$i] = $(i + 1)
        sum = 0
        n = split("queued starting running served abandoned denied refused-queue refused-source" \
                  " refused-timeout dropped", names, " ")
        for (i = 1; i <= n; i++) {
            if (!(names[i] in count)) { print "missing: " names[i]; exit 1 }
            sum += count[names[i]]
        }
        if (sum != count["accepted"]) { print "sum " sum ": " $0; exit 1 }
    }' <<<"$LINE"
}

# Runs bursts of all kinds in sequence.  $1: a number that tells the streams apart.  A denied client
# gets no message, so it counts as failed.
stream() {
    local round options
    for round in 1 2 3 4; do
        for options in "" "-h 20" "-c" "-b 20000" "-e 2 -h 5"; do
            # shellcheck disable=SC2086
            "$BURST" -f "127.0.$1.$round" -s 5 $options -m 'busy\n' "$ADDRESS" "$PORT" 40 2>/dev/null || true
        done
    done
}

@test "the counters add up at every moment of a mix of all kinds of ends, and no client is lost" {
    echo 'deny 127.0.3.4' >rules
    start --address 127.0.0.1 --processes 4 --queue 60 --when-full refuse --queue-timeout 300ms \
        --busy-message 'busy\n' --order fair --per-source 2 --per-source-queue 5 --rate 150 \
        --load-average 1000 --access-file rules 0 "$ANSWER" "$ANSWERS" "$COUNTER" 8
    local streams=() i looks=0
    for i in 1 2 3; do
        stream "$i" >"stream.$i" &
        streams+=($!)
    done
    while is_alive "${streams[0]}" || is_alive "${streams[1]}" || is_alive "${streams[2]}"; do
        add_up
        looks=$((looks + 1))
        if ((looks % 20 == 10)); then kill -KILL "$(dispatchers | head -n 1)"; fi
        if ((looks % 20 == 0)); then kill -HUP "$DAEMON"; fi
    done
    for i in "${streams[@]}"; do wait "$i"; done
    # Read all from one line: clients that hung up may still wait when no handler runs.
    await status_says 'queued 0' 'starting 0' 'running 0' 'lingering 0'
    add_up
    echo "$looks looks; $LINE"
    cat stream.*
    # No client is in between now, so the counters must match what the clients saw.
    [[ $LINE == *"accepted 2400, queued 0, starting 0, running 0,"* ]]
    local name
    for name in served abandoned denied refused-queue refused-source refused-timeout; do
        echo "$name: $(status_of "$name")"
        (($(status_of "$name") > 0))
    done
    status_is sources 0
    status_is dropped 0
    # Every answered client was served; some served clients had hung up before.
    local answered failed
    read -r answered failed < <(awk '{ a += $4; f += $NF } END { print a, f }' stream.*)
    (($(status_of denied) >= failed && failed > 0))
    (($(status_of served) >= answered))
    (($(wc -l <"$ANSWERS") >= answered))
    (($(most_handlers) <= 4))
}
