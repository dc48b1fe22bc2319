# Draws the daemon's log as a picture.  Sourced by show.bash.  shellcheck shell=bash
#
# Redraws the picture in place on a terminal, and prints a line about every second elsewhere.

picture_clients=0      # clients in total
picture_started=()     # by ticket; tickets count the connections from 1
picture_ended=()       # by ticket
picture_longest_wait=0 # in milliseconds
declare -A picture_status=([accepted]=0 [queued]=0 [starting]=0 [running]=0 [served]=0)

picture_terminal= # descriptor of the terminal, if there is one
picture_height=24
picture_width=80
picture_resized=1 # the size is unknown
picture_drawn=0   # lines of the picture above the cursor
picture_next=0    # time of the next line without a terminal
declare -A picture_colours=()

# Prepares a picture of $1 clients.
picture_open() {
    picture_clients=$1
    if [[ ! -t 1 || ${TERM:-dumb} == dumb ]]; then return; fi
    exec {picture_terminal}>&1
    trap 'picture_resized=1' WINCH
    if [[ -z ${NO_COLOR:-} ]]; then
        picture_colours=(["."]=$'\e[2m' ["o"]=$'\e[36m' ["#"]=$'\e[1;33m' ["="]=$'\e[32m')
    fi
    echo "Each character is one client, in order of arrival:"
    echo
}

# Reads line $1 of the daemon's log.
picture_note() {
    local name count wait
    if [[ $1 =~ ^\[INFO\]\ ticket\ ([0-9]+):\ started\ .*\ waited\ ([0-9]+)\.([0-9]{3})\ s ]]; then
        picture_started[BASH_REMATCH[1]]=1
        wait=$((10#${BASH_REMATCH[2]}${BASH_REMATCH[3]}))
        if ((wait > picture_longest_wait)); then picture_longest_wait=$wait; fi
    elif [[ $1 =~ ^\[INFO\]\ ticket\ ([0-9]+):\ ended\  ]]; then
        picture_ended[BASH_REMATCH[1]]=1
    elif [[ $1 == "[INFO] status: "* ]]; then
        while read -r -d , name count; do
            picture_status[$name]=$count
        done <<<"${1#*status: },"
    fi
}

picture_seconds() { printf '%d.%02d s' $(($1 / 1000)) $(($1 % 1000 / 10)); }

# ---- on a terminal ----

# Prints one character for each client, in order of arrival.
picture_cells() {
    local ticket cells=''
    for ((ticket = 1; ticket <= picture_clients; ticket++)); do
        if [[ -n ${picture_ended[ticket]:-} ]]; then
            cells+='='
        elif [[ -n ${picture_started[ticket]:-} ]]; then
            cells+='#'
        elif ((ticket <= picture_status[accepted])); then
            cells+='o'
        else
            cells+='.'
        fi
    done
    echo "$cells"
}

# Prints the tickets of the running handlers.
picture_running() {
    local ticket
    for ticket in "${!picture_started[@]}"; do
        if [[ -z ${picture_ended[ticket]:-} ]]; then printf '[%d] ' "$ticket"; fi
    done
}

# Prints cells with colours, and text, cut to the terminal's width.
picture_line() {
    local cells=$1 text=${2:0:picture_width-${#1}-2} cell
    for cell in "${!picture_colours[@]}"; do
        cells=${cells//"$cell"/"${picture_colours[$cell]}$cell"$'\e[m'}
    done
    printf '  %s%s\e[K\n' "$cells" "$text"
}

picture_count() {
    local text
    printf -v text ' %-8s %4d   %s' "$2" "$3" "$4"
    picture_line "$1" "$text"
}

picture_lines() {
    local cells from per_line=$((picture_width - 4))
    cells=$(picture_cells)
    if ((per_line > 50)); then per_line=50; fi
    for ((from = 0; from < picture_clients; from += per_line)); do
        picture_line "${cells:from:per_line}" ''
    done
    picture_line '' ''
    picture_count '.' 'to come' $((picture_clients - picture_status[accepted])) ''
    picture_count 'o' 'waiting' $((picture_status[queued] + picture_status[starting])) \
        "longest wait so far $(picture_seconds "$picture_longest_wait")"
    picture_count '#' 'running' "${picture_status[running]}" "$(picture_running)"
    picture_count '=' 'served' "${picture_status[served]}" "after $(picture_seconds "$1")"
}

picture_ask_size() {
    local height width
    read -r height width < <(stty size <&"$picture_terminal" 2>/dev/null) || true
    # A terminal of unknown size reports 0.
    if ((${height:-0} > 0 && ${width:-0} > 0)); then
        picture_height=$height
        picture_width=$((width > 10 ? width : 10))
    fi
    picture_resized=
}

picture_draw() {
    local lines
    if [[ -n $picture_resized ]]; then
        picture_ask_size
        # The terminal may have wrapped the old picture in any way.
        if ((picture_drawn > 0)); then printf '\e[H\e[2J'; fi
    elif ((picture_drawn > 0)); then
        printf '\r\e[%dA' "$picture_drawn"
    fi
    mapfile -t lines < <(picture_lines "$1")
    lines=("${lines[@]:0:picture_height-1}")
    printf '%s\n' "${lines[@]}"
    picture_drawn=${#lines[@]}
}

# ---- elsewhere ----

picture_print() {
    printf '%s: %d to come, %d waiting, %d running, %d served, longest wait so far %s\n' \
        "$(picture_seconds "$1")" $((picture_clients - picture_status[accepted])) \
        $((picture_status[queued] + picture_status[starting])) "${picture_status[running]}" \
        "${picture_status[served]}" "$(picture_seconds "$picture_longest_wait")"
}

# ---- both ----

# Shows the state $1 milliseconds after the beginning.
picture_show() {
    if [[ -n $picture_terminal ]]; then
        picture_draw "$1"
    elif (($1 >= picture_next)); then
        picture_print "$1"
        picture_next=$(($1 + 1000))
    fi
}

# Shows the final state.
picture_end() {
    picture_next=0
    picture_show "$1"
}
