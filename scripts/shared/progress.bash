# Shows progress on standard error.  shellcheck shell=bash

progress_what= # the current step, such as a scenario and its round
progress_on_terminal=
if [[ -t 2 ]]; then progress_on_terminal=yes; fi

progress_elapsed() { printf '%d:%02d' $((SECONDS / 60)) $((SECONDS % 60)); }

# Shows the beginning of step $*.
progress_begin() {
    progress_what=$*
    if [[ -z $progress_on_terminal ]]; then echo "$(progress_elapsed) $progress_what" >&2; fi
}

# Shows a part of the current step, on a terminal only, in place of the last part.
progress() {
    if [[ -z $progress_on_terminal ]]; then return; fi
    if [[ -n ${NO_COLOR:-} ]]; then
        printf '\r\e[K%s %s: %s' "$(progress_elapsed)" "$progress_what" "$*" >&2
    else
        printf '\r\e[K\e[2m%s\e[0m %s: \e[1m%s\e[0m' "$(progress_elapsed)" "$progress_what" "$*" >&2
    fi
}

progress_end() { if [[ -n $progress_on_terminal ]]; then printf '\r\e[K' >&2; fi; }
