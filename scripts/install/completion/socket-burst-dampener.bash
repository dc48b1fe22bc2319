# Completion of socket-burst-dampener and dampenerctl for bash(1).
# shellcheck shell=bash disable=SC2207 # no word of a list has blanks in it

# BEGIN options: scripts/lint.d/options --write makes these lines
_socket_burst_dampener_flags="--ipv4 --ipv6 --reuse-port --free-bind --nodelay --no-env --no-new-privs --persistent --verbose --check-config --help --version"
_socket_burst_dampener_valued="--address --defer-accept --bind-to-device --socket-mode --socket-owner --processes --queue --queue-timeout --when-full --busy-message --order --per-source --per-source-queue --source-prefix --load-average --pressure --rate --allow --deny --access-file --abandon --user --group --chroot --chdir --umask --nice --limit --timeout --kill-after --on-hangup --idle-timeout --linger --leftovers --stderr --max-requests --spare --spare-timeout --dispatchers --drain-timeout --supervisor-user --dispatcher-user --control --metrics --takeover --ready-fd --pid-file --log-format"
_socket_burst_dampener_ignored="--backlog"
_socket_burst_dampener_limits="processes queue queue-timeout per-source load-average rate"
declare -gA _socket_burst_dampener_values=(
    [--address]=host
    [--bind-to-device]=interface
    [--socket-owner]=user
    [--when-full]="words wait refuse"
    [--busy-message]=at_file
    [--order]="words arrival fair"
    [--pressure]="words cpu= memory= io="
    [--allow]="words all"
    [--deny]="words all"
    [--access-file]=file
    [--abandon]="words hangup half-close silent never"
    [--user]=user
    [--group]=group
    [--chroot]=directory
    [--chdir]=directory
    [--limit]="words as= core= cpu= data= fsize= locks= memlock= msgqueue= nice= nofile= nproc= rss= rtprio= rttime= sigpending= stack="
    [--on-hangup]="words wait end"
    [--leftovers]="words keep end"
    [--stderr]="words_or_file inherit socket null"
    [--supervisor-user]=user
    [--dispatcher-user]=user
    [--control]=file
    [--takeover]=file
    [--pid-file]=file
    [--log-format]="words text timed json"
)
# END options

_socket_burst_dampener_words() { COMPREPLY=($(compgen -W "$1" -- "$2")); }

_socket_burst_dampener_files() {
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen "$1" -- "$2")
}

# Completes the value of option $1, which begins with $2.
_socket_burst_dampener_value() {
    local kind=${_socket_burst_dampener_values[$1]-}
    case $kind in
    words_or_file*)
        if [[ $2 == [./~]* ]]; then
            _socket_burst_dampener_files -f "$2"
        else
            _socket_burst_dampener_words "${kind#words_or_file }" "$2"
        fi
        ;;
    words*)
        if [[ $kind == *= ]]; then compopt -o nospace 2>/dev/null; fi
        _socket_burst_dampener_words "${kind#words }" "$2"
        ;;
    user) COMPREPLY=($(compgen -u -- "$2")) ;;
    group) COMPREPLY=($(compgen -g -- "$2")) ;;
    host) COMPREPLY=($(compgen -A hostname -- "$2")) ;;
    interface) _socket_burst_dampener_words "$(cd /sys/class/net 2>/dev/null && echo *)" "$2" ;;
    directory) _socket_burst_dampener_files -d "$2" ;;
    file) _socket_burst_dampener_files -f "$2" ;;
    at_file)
        if [[ $2 == @* ]]; then
            _socket_burst_dampener_files -f "${2#@}"
            COMPREPLY=("${COMPREPLY[@]/#/@}")
        fi
        ;;
    esac
}

# Sets `port` and `command` to the places of PORT and CMD; 0 for a word that is not there yet.
_socket_burst_dampener_places() {
    local i word
    port=0 command=0
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ $word == -- ]]; then
            if ((port > 0)); then command=$((i + 1)); fi
        elif [[ " $_socket_burst_dampener_valued $_socket_burst_dampener_ignored " == *" $word "* ]]; then
            # With "=", readline makes it a word of its own.
            if [[ ${COMP_WORDS[i + 1]} == "=" ]]; then ((i++)); fi
            ((i++))
        elif [[ $word == -* ]]; then
            continue
        elif ((port == 0)); then
            port=$i
        else
            command=$i
        fi
        if ((command > 0)); then return; fi
    done
}

_socket_burst_dampener() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} port command
    COMPREPLY=()
    _socket_burst_dampener_places
    if ((command > 0)); then
        if declare -F _command_offset >/dev/null; then
            _command_offset "$command"
        elif ((command == COMP_CWORD)); then
            COMPREPLY=($(compgen -c -- "$current"))
        else
            _socket_burst_dampener_files -f "$current"
        fi
        return
    fi
    if [[ $current == "=" ]]; then
        current=
    elif [[ $previous == "=" ]]; then
        previous=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    if [[ " $_socket_burst_dampener_valued " == *" $previous "* ]]; then
        _socket_burst_dampener_value "$previous" "$current"
    elif [[ $current == -* ]]; then
        _socket_burst_dampener_words \
            "$_socket_burst_dampener_flags $_socket_burst_dampener_valued" "$current"
    elif ((port == 0)); then
        compopt +o nospace 2>/dev/null
        _socket_burst_dampener_words "systemd $(compgen -A service 2>/dev/null)" "$current"
        [[ $current != u* ]] || COMPREPLY+=("unix:")
    else
        COMPREPLY=($(compgen -c -- "$current"))
    fi
}

_dampenerctl() {
    local current=${COMP_WORDS[COMP_CWORD]} i place=0
    local commands="status top health metrics help pause resume drain set"
    local -a words=()
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        if [[ ${COMP_WORDS[i]} != -* ]]; then words+=("${COMP_WORDS[i]}"); fi
    done
    # A first word that is no command is a PATH.
    if [[ " $commands " != *" ${words[0]-} "* ]]; then place=1; fi
    if [[ $current == -* ]]; then
        _socket_burst_dampener_words "--json --help --version" "$current"
    elif ((${#words[@]} == 0)); then
        _socket_burst_dampener_files -f "$current"
        mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -W "$commands" -- "$current")
    elif ((${#words[@]} == place)); then
        _socket_burst_dampener_words "$commands" "$current"
    elif ((${#words[@]} == place + 1)) && [[ ${words[place]} == set ]]; then
        _socket_burst_dampener_words "$_socket_burst_dampener_limits" "$current"
    fi
}

complete -F _socket_burst_dampener socket-burst-dampener
complete -F _dampenerctl dampenerctl
