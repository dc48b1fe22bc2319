# Shows on standard error what is measured just now.  shellcheck shell=bash

progress_what= # scenario and round
progress_on_terminal=
if [[ -t 2 ]]; then progress_on_terminal=yes; fi

progress_elapsed() { printf '%d:%02d' $((SECONDS / 60)) $((SECONDS % 60)); }

# Names what begins now, of several steps.
progress_begin() {
    progress_what=$*
    if [[ -z $progress_on_terminal ]]; then echo "$(progress_elapsed) $progress_what" >&2; fi
}

# Names one step of it; on a terminal only, where it replaces the last one.
progress() {
    if [[ -z $progress_on_terminal ]]; then return; fi
    if [[ -n ${NO_COLOR:-} ]]; then
        printf '\r\e[K%s %s: %s' "$(progress_elapsed)" "$progress_what" "$*" >&2
    else
        printf '\r\e[K\e[2m%s\e[0m %s: \e[1m%s\e[0m' "$(progress_elapsed)" "$progress_what" "$*" >&2
    fi
}

progress_end() { if [[ -n $progress_on_terminal ]]; then printf '\r\e[K' >&2; fi; }
