# Completion of socket-burst-dampener for fish(1).

# Prints the words behind the program's name that are no options and no values of options: PORT, then
# CMD and all behind it.
function __socket_burst_dampener_operands
    set -l words (commandline -opc)[2..-1]
    set -l count 0
    while set -q words[1]
        set -l word $words[1]
        set -e words[1]
        switch $word
            case --
                test $count -gt 0; and break
                continue
            case '-*'
                contains -- $word $__socket_burst_dampener_valued; and set -e words[1]
                continue
        end
        set count (math $count + 1)
        echo $word
        test $count -eq 2; and break
    end
    string join -- \n $words
end

# Options may stand before CMD.
function __socket_burst_dampener_takes_options
    test (count (__socket_burst_dampener_operands)) -lt 2
end

function __socket_burst_dampener_takes_port
    test (count (__socket_burst_dampener_operands)) -eq 0
end

function __socket_burst_dampener_takes_command
    test (count (__socket_burst_dampener_operands)) -eq 1
end

# Completes CMD's words as if CMD stood alone.
function __socket_burst_dampener_complete_command
    set -l words (__socket_burst_dampener_operands)
    complete -C (string join ' ' -- (string escape -- $words[2..-1]) (commandline -ct))
end

function __socket_burst_dampener_option
    complete -c socket-burst-dampener -n __socket_burst_dampener_takes_options $argv
end

complete -c socket-burst-dampener -f
complete -c socket-burst-dampener -n __socket_burst_dampener_takes_port -a 'systemd unix:'
complete -c socket-burst-dampener -n __socket_burst_dampener_takes_command -a '(__fish_complete_command)'
complete -c socket-burst-dampener -n 'not __socket_burst_dampener_takes_options' \
    -a '(__socket_burst_dampener_complete_command)'

# BEGIN options: scripts/lint.d/options --write makes these lines
set -g __socket_burst_dampener_valued --address --defer-accept --bind-to-device --socket-mode --socket-owner --processes --queue --queue-timeout --when-full --busy-message --order --per-source --per-source-queue --source-prefix --load-average --pressure --rate --allow --deny --access-file --abandon --user --group --chroot --chdir --umask --nice --limit --timeout --kill-after --on-hangup --idle-timeout --linger --leftovers --stderr --max-requests --spare --spare-timeout --dispatchers --drain-timeout --supervisor-user --dispatcher-user --control --metrics --takeover --ready-fd --pid-file --log-format --backlog
__socket_burst_dampener_option -l address -x -a '(__fish_print_hostnames)' -d 'bind to ADDRESS'
__socket_burst_dampener_option -l ipv4 -d 'listen on IPv4 addresses only'
__socket_burst_dampener_option -l ipv6 -d 'listen on IPv6 addresses only'
__socket_burst_dampener_option -l defer-accept -x -d 'accept a client once it sends something'
__socket_burst_dampener_option -l reuse-port -d 'share the port with other processes that use this option'
__socket_burst_dampener_option -l free-bind -d 'bind even to addresses that this machine does not have yet'
__socket_burst_dampener_option -l nodelay -d 'send small answers at once (TCP_NODELAY)'
__socket_burst_dampener_option -l bind-to-device -x -a '(__fish_print_interfaces)' -d 'accept only clients that come through the interface IF'
__socket_burst_dampener_option -l socket-mode -x -d 'permissions of unix:PATH'
__socket_burst_dampener_option -l socket-owner -x -a '(__fish_complete_users)' -d 'give unix:PATH to USER and GROUP'
__socket_burst_dampener_option -l processes -x -d 'run at most N handlers at once'
__socket_burst_dampener_option -l queue -x -d 'let at most N clients wait'
__socket_burst_dampener_option -l queue-timeout -x -d 'refuse a client that has waited for TIME'
__socket_burst_dampener_option -l when-full -x -a 'wait refuse' -d 'with the queue full, leave clients in the kernel\'s backlog or refuse them'
__socket_burst_dampener_option -l busy-message -x -d 'send TEXT to a refused client, with \\n, \\r and \\\\'
__socket_burst_dampener_option -l order -x -a 'arrival fair' -d 'serve clients by arrival, or fair: sources take turns'
__socket_burst_dampener_option -l per-source -x -d 'run at most N handlers for one source'
__socket_burst_dampener_option -l per-source-queue -x -d 'let at most N clients of one source wait'
__socket_burst_dampener_option -l source-prefix -x -d 'take clients as one source whose addresses begin with the same V4 (or V6) bits'
__socket_burst_dampener_option -l load-average -x -d 'start no second handler while the 1-minute load average is LOAD or more'
__socket_burst_dampener_option -l pressure -x -a 'cpu= memory= io=' -d 'start no second handler while tasks stall for P percent of the last 10 seconds'
__socket_burst_dampener_option -l rate -x -d 'start at most N handlers per TIME'
__socket_burst_dampener_option -l allow -x -a 'all' -d 'serve these clients: an address, ADDRESS/LENGTH, a host name or all'
__socket_burst_dampener_option -l deny -x -a 'all' -d 'disconnect these clients'
__socket_burst_dampener_option -l access-file -r -F -d 'take more rules from FILE'
__socket_burst_dampener_option -l abandon -x -a 'hangup half-close silent never' -d 'take a waiting client out of the queue at this sign'
__socket_burst_dampener_option -l user -x -a '(__fish_complete_users)' -d 'run handlers as USER, a name or number'
__socket_burst_dampener_option -l group -x -a '(__fish_complete_groups)' -d 'run handlers with GROUP, a name or number'
__socket_burst_dampener_option -l chroot -x -a '(__fish_complete_directories)' -d 'make DIR the root directory of handlers'
__socket_burst_dampener_option -l chdir -x -a '(__fish_complete_directories)' -d 'start handlers in DIR, inside their root'
__socket_burst_dampener_option -l umask -x -d 'set the umask of handlers'
__socket_burst_dampener_option -l nice -x -d 'set the nice value of handlers, -20 to 19'
__socket_burst_dampener_option -l limit -x -a 'as= core= cpu= data= fsize= locks= memlock= msgqueue= nice= nofile= nproc= rss= rtprio= rttime= sigpending= stack=' -d 'set a resource limit of handlers, such as nofile=256, cpu=60:90, as=512M or core=unlimited'
__socket_burst_dampener_option -l timeout -x -d 'send SIGTERM to a handler that has run for TIME'
__socket_burst_dampener_option -l kill-after -x -d 'send SIGKILL TIME after such a SIGTERM'
__socket_burst_dampener_option -l on-hangup -x -a 'wait end' -d 'when a client resets its connection, let its handler run or end it'
__socket_burst_dampener_option -l idle-timeout -x -d 'end a handler when no byte has moved on its connection for TIME'
__socket_burst_dampener_option -l linger -x -d 'when a handler has ended, let its client read the answer for up to TIME, even if it sends more'
__socket_burst_dampener_option -l leftovers -x -a 'keep end' -d 'keep or end the processes that a handler has left in its group when it ends'
__socket_burst_dampener_option -l stderr -x -a 'inherit socket null (string match "*/*" -- (__fish_complete_path (commandline -ct)))' -d 'send standard error of handlers to that of the daemon, the client, nothing, or FILE, a path with a /'
__socket_burst_dampener_option -l no-env -d 'set no environment variables about client and user'
__socket_burst_dampener_option -l no-new-privs -d 'keep handlers from gaining privileges, as by set-user-ID programs'
__socket_burst_dampener_option -l persistent -d 'run CMD as a worker, which gets one client after another by its standard input'
__socket_burst_dampener_option -l max-requests -x -d 'with --persistent: replace a worker after about N clients'
__socket_burst_dampener_option -l spare -x -d 'with --persistent: keep N idle workers'
__socket_burst_dampener_option -l spare-timeout -x -d 'with --persistent: let other workers leave that have been idle for TIME'
__socket_burst_dampener_option -l dispatchers -x -d 'start handlers from N processes'
__socket_burst_dampener_option -l drain-timeout -x -d 'let SIGTERM wait at most TIME for queue and handlers'
__socket_burst_dampener_option -l supervisor-user -x -a '(__fish_complete_users)' -d 'run the supervisor as USER if root starts it'
__socket_burst_dampener_option -l dispatcher-user -x -a '(__fish_complete_users)' -d 'keep dispatchers apart from --user as USER'
__socket_burst_dampener_option -l control -r -F -d 'make a Unix socket for the operator at PATH'
__socket_burst_dampener_option -l metrics -x -d 'show metrics and status over HTTP'
__socket_burst_dampener_option -l takeover -r -F -d 'take listeners and queue over from the daemon with the control socket PATH'
__socket_burst_dampener_option -l ready-fd -x -d 'once serving, write a line \'ADDRESS PORT\' for each listener to descriptor FD'
__socket_burst_dampener_option -l pid-file -r -F -d 'keep the process id in FILE, locked'
__socket_burst_dampener_option -l log-format -x -a 'text timed json' -d 'write log lines as text, as text after the time in UTC, or as JSON objects'
__socket_burst_dampener_option -s v -l verbose -d 'log the start and end of each handler'
__socket_burst_dampener_option -l check-config -d 'check options, files and CMD as at a start, say what is wrong, and exit'
__socket_burst_dampener_option -s h -l help -d 'show this help'
__socket_burst_dampener_option -l version -d 'show the version'
# END options
