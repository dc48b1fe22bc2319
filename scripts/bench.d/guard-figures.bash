# Sourced by scripts/bench-check: takes the figures of one build.  shellcheck shell=bash
#
# Each function prints lines:
#   condition NAME TEXT           what the figures were made with
#   figure NAME VALUE             per connection
#   call NAME CALL VALUE          what a figure of system calls is made of
#   spread NAME VALUE             how far the rounds of a figure lie apart: the middle half, by the median

readonly GUARD_WARM_UP=10 # connections, for all that is done for the first time only

tracer= # process id, while there is one

# ---- conditions ----

# How the compiler was called, but for what the programs are not made of.
guard_conditions() {
    local build=$1 line word flags=
    local -a compiler words
    read -r line <"$build/flags"
    read -r -a compiler <<<"${line%% -*}"
    read -r -a words <<<"$line"
    for word in "${words[@]}"; do
        case $word in
        -O* | -f* | -m* | -pie | -static* | -no-pie | -D_FORTIFY*) flags+=" $word" ;;
        esac
    done
    # cc and gcc are one.
    echo "condition compiler $("${compiler[@]}" --version | sed -n '1s/^[^ ]*cc[^ ]* (/gcc (/p; 1!d; t; p')"
    if [[ $line == *musl* ]]; then
        echo "condition libc musl"
    else
        echo "condition libc $(getconf GNU_LIBC_VERSION 2>/dev/null || echo unknown)"
    fi
    echo "condition architecture $(uname -m)"
    echo "condition flags${flags:- none}"
    echo "condition processor $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
    echo "condition kernel $(uname -r | cut -d . -f 1,2)"
}

# ---- system calls ----

guard_is_traced() { grep -q '^TracerPid:.*[1-9]' "/proc/$1/status"; }

guard_all_traced() {
    local process
    kill -0 "$tracer" 2>/dev/null || cannot "$(tail -n 1 "$folder/strace")"
    for process in "$supervisor" "${dispatchers[@]}"; do guard_is_traced "$process" || return 1; done
}

guard_trace() {
    local process
    local -a targets=()
    for process in "$supervisor" "${dispatchers[@]}"; do targets+=(-p "$process"); done
    strace -f -qq -o "$folder/trace" "${targets[@]}" 2>"$folder/strace" {nap}>&- &
    tracer=$!
    guard_await guard_all_traced
    guard_settle "$supervisor" "${dispatchers[@]}"
}

guard_untrace() {
    kill -INT "$tracer" 2>/dev/null || true
    wait "$tracer" 2>/dev/null || true
    tracer=
}

# With drive "single" or "burst", of so many connections.
guard_calls() {
    local build=$1 drive=$2 clients=$3
    guard_start "$build" /bin/cat
    guard_drive_single "$GUARD_WARM_UP"
    guard_trace
    "guard_drive_$drive" "$clients"
    guard_untrace
    awk -v drive="$drive" -v clients="$clients" \
        -v supervisor="$supervisor" -v dispatchers="${dispatchers[*]}" \
        -f "$root/scripts/bench.d/guard-calls.awk" "$folder/trace" | sort -k 1,1r -k 2,2r -k 3
    guard_end
}

# The same, as the median of some drives: in a burst it is chance to some extent what is gathered.
guard_calls_of_drives() {
    local build=$1 drive=$2 clients=$3 drives=$4 i
    for ((i = 0; i < drives; i++)); do guard_calls "$build" "$drive" "$clients"; done >"$folder/drives"
    awk -v drives="$drives" '
        { value = $NF; $NF = ""; count[$0]++; values[$0, count[$0]] = value }
        END {
            for (key in count) {
                for (i = 1; i <= drives; i++) of[i] = values[key, i] + 0
                for (i = 2; i <= drives; i++)
                    for (j = i; j > 1 && of[j] < of[j - 1]; j--) {
                        value = of[j]; of[j] = of[j - 1]; of[j - 1] = value
                    }
                median = of[int((drives + 1) / 2)]
                print key median
                if (key ~ /^figure / && median > 0)
                    printf "spread %s%.3f\n", substr(key, 8), (of[drives] - of[1]) / median
            }
        }' "$folder/drives" | sort -k 1,1r -k 2,2r -k 3
}

# ---- instructions ----

guard_instructions() {
    local build=$1 clients=$2 process count sum=0 line
    LD_PRELOAD=$tools/clock.so guard_start "$build" /bin/cat
    guard_drive_single "$GUARD_WARM_UP"
    mkfifo "$folder/counting" "$folder/counted"
    "$tools/instructions" "$supervisor" "${dispatchers[@]}" \
        <"$folder/counting" >"$folder/counted" 2>"$folder/counter" {nap}>&- &
    tracer=$!
    exec {counting}>"$folder/counting" {counted}<"$folder/counted"
    rm "$folder/counting" "$folder/counted"
    read -r line <&"$counted" || cannot "$(tail -n 1 "$folder/counter")"
    guard_drive_single "$clients"
    exec {counting}>&-
    while read -r -t 60 process count; do
        if [[ $process == "$supervisor" ]]; then
            echo "figure single-supervisor-instructions $((count / clients))"
        else
            sum=$((sum + count))
        fi
    done <&"$counted"
    echo "figure single-dispatchers-instructions $((sum / clients))"
    exec {counted}<&-
    wait "$tracer" || guard_fail "counting instructions failed: $(tail -n 1 "$folder/counter")"
    tracer=
    guard_end
}

# ---- processor time ----

# Nanoseconds that the daemon has used, without its handlers.
guard_time_used() {
    local process nanoseconds sum=0
    for process in "$daemon" "$supervisor" "${dispatchers[@]}"; do
        read -r nanoseconds _ <"/proc/$process/schedstat"
        sum=$((sum + nanoseconds))
    done
    echo "$sum"
}

# Nanoseconds for one connection of a burst.
guard_time_of_connection() {
    local clients=$1 before after
    before=$(guard_time_used)
    "$tools/load" -c "$clients" "$address" "$port" "$clients" >"$folder/load" ||
        guard_fail "not all clients were answered: $(tr '\n' ' ' <"$folder/load" | cut -c 1-200)"
    guard_settle "$supervisor" "${dispatchers[@]}"
    after=$(guard_time_used)
    echo $(((after - before) / clients))
}

# Nanoseconds for one handler of a bare loop, its own included.
guard_time_of_spawn() {
    local handlers=$1 TIMEFORMAT='%U %S'
    { time "$tools/spawn" -p 1 "$handlers" "$tools/static" >/dev/null; } 2>&1 |
        awk -v handlers="$handlers" '{ printf "%d\n", ($1 + $2) * 1e9 / handlers }'
}

# Prints so many ratios, of rounds that alternate.
guard_ratios() {
    local rounds=$1 clients=$2 round connection spawn
    guard_time_of_connection "$clients" >/dev/null
    for ((round = 0; round < rounds; round++)); do
        connection=$(guard_time_of_connection "$clients")
        spawn=$(guard_time_of_spawn "$clients")
        echo "$connection $spawn"
    done
}

guard_time() {
    guard_start "$1" "$tools/static"
    guard_ratios "$2" "$3" >"$folder/ratios"
    guard_end
    awk '{ printf "%.4f\n", $1 / $2 }' "$folder/ratios" | sort -n | awk '
        { ratio[NR] = $1 }
        END {
            median = ratio[int((NR + 1) / 2)]
            printf "figure burst-time-ratio %.3f\n", median
            printf "spread burst-time-ratio %.3f\n", (ratio[int((3 * NR + 3) / 4)] - ratio[int((NR + 3) / 4)]) / median
        }'
}
