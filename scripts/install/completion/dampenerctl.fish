# Completion of dampenerctl for fish(1).

# BEGIN options: scripts/lint.d/options --write makes this line
set -g __dampenerctl_limits processes queue queue-timeout per-source load-average rate
# END options

# Fulfilled if $argv[1] words that are no options stand before the cursor, and $argv[2], if it is given,
# is the last of them.
function __dampenerctl_at
    set -l words (string match -v -- '-*' (commandline -opc))
    test (count $words) -eq (math $argv[1] + 1)
    and begin
        test (count $argv) -lt 2; or test $words[-1] = $argv[2]
    end
end

complete -c dampenerctl -n '__dampenerctl_at 0' -F
complete -c dampenerctl -n 'not __dampenerctl_at 0' -f
complete -c dampenerctl -l json -d 'the answer as JSON'
complete -c dampenerctl -s h -l help -d 'show help'
complete -c dampenerctl -l version -d 'show the version'
complete -c dampenerctl -n '__dampenerctl_at 1' -a status -d 'how it stands'
complete -c dampenerctl -n '__dampenerctl_at 1' -a metrics -d 'for Prometheus'
complete -c dampenerctl -n '__dampenerctl_at 1' -a top -d 'a live view'
complete -c dampenerctl -n '__dampenerctl_at 1' -a pause -d 'start no more handlers'
complete -c dampenerctl -n '__dampenerctl_at 1' -a resume -d 'start them again'
complete -c dampenerctl -n '__dampenerctl_at 1' -a drain -d 'serve those who wait, and end'
complete -c dampenerctl -n '__dampenerctl_at 1' -a set -d 'change a limit'
complete -c dampenerctl -n '__dampenerctl_at 1' -a help -d 'what can be asked'
complete -c dampenerctl -n '__dampenerctl_at 2 set' -a '$__dampenerctl_limits'
