#!/usr/bin/env bats
# --check-config: what a start would find wrong is said, and nothing else happens.

load ../shared/helpers
bats_require_minimum_version 1.5.0

# Runs a check with the words behind $1, and requires status $1.
checks() {
    local expected=$1
    shift
    run "-$expected" timeout 20 "$DAMPENER" --check-config "$@"
    echo "$output"
}

# Prints all files with their times, sizes and modes.
listing() { find . ! -name check ! -name traced -printf '%p %m %s %T@\n' | sort; }

nothing_is_wrong() {
    [[ ${#lines[@]} == 1 && $output == "[INFO] --check-config: nothing is wrong; CMD is $(type -P cat)" ]]
}

@test "a configuration in which nothing is wrong gets one line and status 0, and no file is made or changed" {
    echo 'allow 127.0.0.1' >access
    echo busy >message
    echo before >errors
    local before
    before=$(listing)
    checks 0 --control control --pid-file pid --metrics 127.0.0.1:0 --access-file access \
        --busy-message @message --stderr ./new --address 127.0.0.1 0 cat
    nothing_is_wrong
    checks 0 --stderr ./errors unix:here cat
    nothing_is_wrong
    checks 0 systemd cat # as a service manager passes sockets only at a start
    nothing_is_wrong
    [[ $(listing) == "$before" ]]
}

@test "everything that is wrong gets a line of its own, and the status is 1" {
    mkdir directory
    checks 1 --address 192.0.2.1 --control directory --metrics 192.0.2.1:9100 --takeover missing \
        --pid-file missing/pid --stderr ./directory --access-file missing --busy-message @missing 0 cat
    [[ $output == *"[ERROR] cannot listen on 192.0.2.1 port 0: Cannot assign requested address"* ]]
    [[ $output == *"[ERROR] --control: 'directory': the file exists and is no socket;"* ]]
    [[ $output == *"[ERROR] cannot listen on 192.0.2.1:9100 (--metrics): Cannot assign requested address"* ]]
    [[ $output == *"[ERROR] --takeover: cannot connect to missing: No such file or directory;"* ]]
    [[ $output == *"[ERROR] --pid-file: cannot open the directory of missing/pid: No such file or directory"* ]]
    [[ $output == *"[ERROR] --stderr: cannot open './directory' to append to it: Is a directory"* ]]
    [[ $output == *"[ERROR] --access-file: cannot read missing: No such file or directory"* ]]
    [[ $output == *"[ERROR] --busy-message: cannot read missing: No such file or directory"* ]]
    [[ ${#lines[@]} == 8 ]]
    checks 1 --pid-file missing/pid unix:directory/missing/socket cat
    [[ $output == *"[ERROR] PORT: 'directory/missing/socket': cannot make a socket in that directory: No such file or directory"* ]]
    [[ ${#lines[@]} == 2 ]]
    checks 1 --bind-to-device nothing --pid-file directory 0 cat
    [[ $output == *"[ERROR] --bind-to-device: 'nothing': there is no such network interface"* ]]
    [[ $output == *"[ERROR] --pid-file: directory exists, and is not a regular file"* ]]
    [[ ${#lines[@]} == 2 ]]
}

@test "a FILE of --stderr is wrong if it is a pipe that nobody reads, or a link into a missing directory" {
    mkfifo pipe
    ln -s missing/errors astray
    mkdir directory
    ln -s ../new directory/onward
    ln -s directory/onward link
    checks 1 --stderr ./pipe 0 cat
    [[ $output == "[ERROR] --stderr: cannot open './pipe' to append to it: No such device or address"* ]]
    checks 1 --stderr ./astray 0 cat
    [[ $output == "[ERROR] --stderr: cannot open './astray' to append to it: No such file or directory"* ]]
    checks 0 --stderr ./link 0 cat
    [[ ! -e new ]]
    exec {PIPE}<>pipe
    checks 0 --stderr ./pipe 0 cat
    exec {PIPE}>&-
}

@test "the status is the one that the start would end with: 126 and 127 for CMD, 2 for the command line" {
    touch plain
    checks 126 0 ./plain
    [[ $output == "[ERROR] CMD: cannot execute './plain': Permission denied" ]]
    checks 127 --control control --pid-file missing/pid 0 ./missing
    [[ ${lines[0]} == "[ERROR] CMD: cannot execute './missing': No such file or directory" ]]
    [[ ${lines[1]} == "[ERROR] --pid-file: cannot open the directory of "* ]]
    checks 2 --proceses 3 0 cat
    [[ $output == "socket-burst-dampener: --proceses: no such option (did you mean --processes?); see --help" ]]
}

@test "each wrong value behind --check-config gets a line" {
    checks 2 --processes x --limit nofile=many --order fiar 0 --user '' cat
    [[ ${lines[0]} == "socket-burst-dampener: --processes: 'x': expected "* ]]
    [[ ${lines[1]} == "socket-burst-dampener: --limit: 'nofile=many': expected "* ]]
    [[ ${lines[2]} == *": --order: 'fiar': expected arrival or fair (did you mean fair?); see --help" ]]
    [[ ${lines[3]} == "socket-burst-dampener: --user: '': expected "* ]]
    [[ ${#lines[@]} == 4 ]]
    checks 2 --processes x --help
    [[ ${#lines[@]} == 1 ]]
}

@test "users, groups and the root directory are checked" {
    [[ $(id -u) == 0 ]] || skip "only root can become another user"
    checks 1 --user nobdy 0 cat
    [[ $output == "[ERROR] --user: 'nobdy': there is no such user;"* ]]
    checks 1 --supervisor-user nobdy --pid-file missing/pid 0 cat
    [[ ${lines[0]} == "[ERROR] --supervisor-user: 'nobdy': "* && ${lines[1]} == "[ERROR] --pid-file: "* ]]
    checks 1 --chroot missing 0 cat
    [[ $output == "[ERROR] --chroot: cannot make 'missing' the root directory: No such file or directory;"* ]]
    checks 1 --socket-owner nobdy unix:here cat
    [[ $output == "[ERROR] --socket-owner: 'nobdy': there is no such user;"* ]]
    checks 0 --socket-owner nobody --user nobody unix:here cat
    make_root_with cat "$(type -P cat)"
    checks 0 --user nobody --chroot root 0 /bin/cat
    [[ $output == "[INFO] --check-config: nothing is wrong; CMD is /bin/cat" ]]
    checks 127 --chroot root 0 /bin/other
}

@test "what the user who checks may not do is wrong" {
    [[ $(id -u) == 0 ]] || skip "only root can become another user"
    open_to_others
    mkdir closed
    run run_as 65534 timeout 20 "$DAMPENER" --check-config --control closed/control --pid-file closed/pid \
        --stderr ./closed/errors --socket-owner root unix:closed/socket cat
    echo "$output"
    [[ $status == 1 && ${#lines[@]} == 4 ]]
    (($(grep -c ": Permission denied$" <<<"$output") == 4))
    mkdir -m 777 open
    run run_as 65534 timeout 20 "$DAMPENER" --check-config --socket-owner root unix:open/socket cat
    echo "$output"
    [[ $status == 1 && $output == "[ERROR] PORT: 'open/socket': cannot give the file to user 0, which requires root" ]]
}

@test "a daemon that runs with the same options is not disturbed, and is no error" {
    local -a options=(--address 127.0.0.1 --control control --pid-file pid --metrics 127.0.0.1:0
        --stderr ./errors)
    start -v "${options[@]}" 0 cat
    local before metrics
    metrics=$(sed -n 's/^\[INFO\] metrics on 127\.0\.0\.1 port //p' "$LOG")
    before=$(listing)
    checks 0 "${options[@]}" --metrics "127.0.0.1:$metrics" "$PORT" cat
    nothing_is_wrong
    checks 0 "${options[@]}" --takeover control "$PORT" cat
    nothing_is_wrong
    [[ $(listing) == "$before" ]] # the log, too
    [[ $(status_of accepted) == 0 ]]
    [[ $(echo hello | nc -N 127.0.0.1 "$PORT") == hello ]]
}

@test "a daemon that listens on the same Unix socket gets no connection" {
    start unix:here cat
    checks 0 unix:here cat
    nothing_is_wrong
    [[ ! -s $LOG && $(status_of accepted) == 0 ]]
}

@test "a check makes no socket listen, and makes, renames and removes no file" {
    command -v strace >/dev/null || skip "strace is not installed"
    strace -f -qq -o traced -e trace=listen,open,openat,creat,mkdir,mknod,link,rename,renameat,renameat2,unlink,unlinkat \
        "$DAMPENER" --check-config --address 127.0.0.1 --control control --pid-file pid --metrics :0 \
        --stderr ./errors 0 cat 2>check
    cat check
    grep -q openat traced # it was traced
    refute grep -E '(listen|creat|mkdir|mknod|link|rename|unlink)[a-z0-9]*\(|O_CREAT' traced
}
