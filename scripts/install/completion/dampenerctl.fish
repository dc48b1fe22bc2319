# Completion of dampenerctl for fish(1).

# BEGIN options: scripts/lint.d/options --write makes this line
set -g __dampenerctl_limits processes queue queue-timeout per-source load-average rate
# END options

set -g __dampenerctl_commands status top health metrics help pause resume drain set

# Fulfilled if exactly the words $argv stand before the cursor, apart from options and a PATH: a first
# word that is no command.
function __dampenerctl_after
    set -l words (string match -v -- '-*' (commandline -opc))[2..]
    if set -q words[1]; and not contains -- $words[1] $__dampenerctl_commands
        set -e words[1]
    end
    test "$words" = "$argv"
end

# Fulfilled if the word at the cursor may be a PATH.
function __dampenerctl_is_first
    test (count (string match -v -- '-*' (commandline -opc))) -eq 1
end

complete -c dampenerctl -n __dampenerctl_is_first -F
complete -c dampenerctl -n 'not __dampenerctl_is_first' -f
complete -c dampenerctl -l json -d 'the answer as JSON'
complete -c dampenerctl -s h -l help -d 'show help'
complete -c dampenerctl -l version -d 'show the version'
complete -c dampenerctl -n __dampenerctl_after -a status -d 'how it stands'
complete -c dampenerctl -n __dampenerctl_after -a health -d 'whether it serves'
complete -c dampenerctl -n __dampenerctl_after -a metrics -d 'for Prometheus'
complete -c dampenerctl -n __dampenerctl_after -a top -d 'a live view'
complete -c dampenerctl -n __dampenerctl_after -a pause -d 'start no more handlers'
complete -c dampenerctl -n __dampenerctl_after -a resume -d 'start them again'
complete -c dampenerctl -n __dampenerctl_after -a drain -d 'serve those who wait, and end'
complete -c dampenerctl -n __dampenerctl_after -a set -d 'change a limit'
complete -c dampenerctl -n __dampenerctl_after -a help -d 'what can be asked'
complete -c dampenerctl -n '__dampenerctl_after set' -a '$__dampenerctl_limits'
