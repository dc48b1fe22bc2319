# Scenario burst: many more clients at once than handlers.  shellcheck shell=bash

readonly BURST_SLOW=10 # seconds: who needs more is not asked again

scenario_burst() {
    local program
    expected=()
    for program in "${programs[@]}"; do
        if burst_was_slow "$program"; then continue; fi
        progress "$program"
        server_start "$program" "$BURST_HANDLERS" "$STATIC" || continue
        tool_load burst "$program" -t "$burst_patience" -c "$burst_clients" \
            -w "$work/timeline.$program.$round" 127.0.0.1 "$server_port" "$burst_clients" || true
        server_end
        if [[ $program == "$OURS" ]]; then tool_must_answer burst "$program" || true; fi
    done
}

burst_was_slow() {
    local took
    took=$(table_median burst "$1" seconds)
    [[ $1 != "$OURS" ]] && ((10#0${took%.*} >= BURST_SLOW))
}

# Prints the round of PROGRAM whose time is in the middle.
burst_median_round() {
    awk -F '\t' -v program="$1" '$1 == "burst" && $2 == program && $4 == "seconds" { print $5, $3 }' "$raw" |
        sort -n | awk '{ round[NR] = $2 } END { print round[int((NR + 1) / 2)] }'
}

# A picture of all programs would be too tall to be taken in: it shows the first five of these that were
# measured.  Fast ones come first, and one that loses clients.
readonly BURST_PICTURED=("$OURS" tcpserver xinetd systemd s6-tcpserver tcpsvd socat openbsd-inetd python)
readonly BURST_PANELS=5

# Prints how many were launched, connected, served and lost as time went by.
burst_timelines() {
    local program file panels=0
    printf '#machine\t%s\n' "$(machine_short)"
    printf '#clients\t%s\n' "$burst_clients"
    printf '#handlers\t%s\n' "$BURST_HANDLERS"
    for program in "${BURST_PICTURED[@]}"; do
        if [[ " ${programs[*]} " != *" $program "* ]] || ((panels == BURST_PANELS)); then continue; fi
        file=$work/timeline.$program.$(burst_median_round "$program")
        [[ -s $file ]] || continue
        panels=$((panels + 1))
        awk -v program="$(peers_title "$program")" -f "$parts/timeline.awk" "$file"
    done
}

burst_picture() {
    burst_timelines >"$work/timelines" &&
        LC_ALL=C awk -f "$parts/picture.awk" <"$work/timelines" >"$work/picture.svg" &&
        cp -- "$work/picture.svg" "$1"
}
