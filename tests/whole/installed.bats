#!/usr/bin/env bats
# What gets installed for service managers and shells: it is sound, and it works.

load ../shared/helpers

# The files as they are installed, with the program of this build.
setup_file() {
    make -C "$BATS_TEST_DIRNAME/../.." --no-print-directory -s install-services \
        PREFIX=/usr DESTDIR="$BATS_FILE_TMPDIR/image" \
        SBINDIR="$BUILD"
}

IMAGE=$BATS_FILE_TMPDIR/image
SHARE=$IMAGE/usr/share

needs() { command -v "$1" >/dev/null || skip "$1 is not installed"; }

# ---- systemd ----

# Instances of both units, as files, as one that is on no unit path is only found under its name.
instances() {
    cp "$IMAGE/usr/lib/systemd/system/socket-burst-dampener@.service" socket-burst-dampener@873.service
    cp "$IMAGE/usr/lib/systemd/system/socket-burst-dampener@.socket" socket-burst-dampener@873.socket
}

# All values of a setting, in a line.
setting() { sed -n "s/^$1=//p" socket-burst-dampener@873.service | tr '\n' ' '; }

@test "systemd finds nothing wrong with the units" {
    needs systemd-analyze
    instances
    systemd-analyze verify --man=no "$PWD/socket-burst-dampener@873.service" >verified 2>&1
    systemd-analyze verify --man=no "$PWD/socket-burst-dampener@873.socket" >>verified 2>&1
    cat verified
    refute grep -i 'socket-burst-dampener' verified
}

@test "systemd takes the service for well protected" {
    needs systemd-analyze
    instances
    systemd-analyze security --offline=true --no-pager --threshold=35 \
        "$PWD/socket-burst-dampener@873.service"
}

@test "the unit waits longer than a drain takes, and the watchdog longer than a dispatcher is waited for" {
    instances
    (($(setting TimeoutStopSec) >= 30 + 5 + 3))
    (($(setting WatchdogSec) >= 2 * 11))
    [[ $(setting KillMode) == "mixed " && $(setting Type) == "notify " ]]
}

@test "under the capabilities of the unit, and without new privileges, clients are served and end" {
    ((EUID == 0)) || skip "only root has capabilities to go without"
    instances
    open_to_others
    local capability bounding=-all
    for capability in $(setting CapabilityBoundingSet); do
        capability=${capability#CAP_}
        bounding+=,+${capability,,}
    done
    WRAPPER=(setpriv --no-new-privs --bounding-set "$bounding")
    start --address 127.0.0.1 --user 65533 --group 65533 --nice -1 --limit nofile=2000 --timeout 20s 0 "$STATE"
    ask_state
    says "uid 65533 65533 65533"
    stop
    # One that becomes somebody else by itself is ended, too.
    start --address 127.0.0.1 --timeout 300ms --kill-after 1h 0 \
        setpriv --reuid=65533 --regid=65533 --clear-groups sleep 60
    connect_silently
    await status_is served 1
    exec {CLIENT}>&-
}

# The calls of a set of systemd's, those of the sets in it included.
calls_of() {
    local name
    for name in $(systemd-analyze --no-pager syscall-filter "$1" | sed '1d; s/#.*//'); do
        if [[ $name == @* ]]; then calls_of "$name"; else echo "$name"; fi
    done
}

@test "the unit permits every system call that daemon, dispatchers and a handler make" {
    needs systemd-analyze
    needs strace
    if is_sanitized; then skip "a sanitizer makes calls of its own"; fi
    instances
    local word
    for word in $(setting SystemCallFilter); do
        if [[ $word == @* ]]; then calls_of "$word"; else echo "$word"; fi
    done | sort -u >permitted
    local -a other=()
    if ((EUID == 0)); then other=(--user 65533 --group 65533 --nice 1); fi
    WRAPPER=(strace -f -qq -o trace)
    start --address 127.0.0.1 "${other[@]}" 0 cat
    [[ $(echo hello | nc -N 127.0.0.1 "$PORT") == hello ]]
    # The daemon is a child of strace's, which passes no signal on.
    kill -TERM "$(children "$DAEMON" | tr ' ' '\n' | head -n 1)"
    finish
    sed -n 's/^[0-9]* *\([a-z_0-9]*\)(.*/\1/p' trace | sort -u >made
    (($(wc -l <made) > 40))
    # Forbidden on purpose: the command is not tried then.
    comm -23 made permitted | grep -vx ptrace >missing || true
    cat missing
    [[ ! -s missing ]]
}

# ---- s6, runit, OpenRC ----

service_directory() {
    cp -r "$SHARE/socket-burst-dampener/s6" service
    cat >service/config <<CONFIG
DAMPENER_PORT=0
DAMPENER_OPTIONS="-v --address 127.0.0.1"
DAMPENER_COMMAND="sh -c cat"
CONFIG
}

@test "s6: the run script starts the daemon, which says when it is ready" {
    service_directory
    [[ $(<service/notification-fd) == 3 ]]
    (close_descriptors; cd service && exec ./run 3>../ready >>"$LOG" 2>/dev/null </dev/null) &
    DAEMON=$!
    await has_content ready
    [[ $(wc -l <ready) == 1 ]]
    read -r ADDRESS PORT <ready
    [[ $(cat "/proc/$DAEMON/comm") == socket-burst-da* ]]
    [[ $(echo hello | nc -N 127.0.0.1 "$PORT") == hello ]]
    # What it logs comes on standard output.
    grep -q '^\[INFO\] listening on 127.0.0.1' "$LOG"
    DESCRIPTORS=$(open_descriptors "$DAEMON")
}

@test "runit: the same script, without a descriptor for that" {
    service_directory
    (close_descriptors; cd service && exec ./run >>"$LOG" 2>/dev/null </dev/null) &
    DAEMON=$!
    await has_line '^\[INFO\] listening on ' "$LOG"
    PORT=$(sed -n 's/^\[INFO\] listening on .* port //p' "$LOG")
    [[ $(echo hello | nc -N 127.0.0.1 "$PORT") == hello ]]
    DESCRIPTORS=$(open_descriptors "$DAEMON")
}

@test "s6: a service that does not say what it serves is left down, and so is a wrong one" {
    cp -r "$SHARE/socket-burst-dampener/s6" service
    cd service || return 1
    run ./run
    ((status != 0))
    [[ $output == *"DAMPENER_PORT"* ]]
    printf 'DAMPENER_PORT=0\nDAMPENER_OPTIONS=--nonsense\nDAMPENER_COMMAND=cat\n' >config
    run ./run
    ((status == 2))
    run ./finish 2 0
    ((status == 125))
    run ./finish 1 0
    ((status == 0))
}

# Runs a line of sh after the configuration and the init script, as openrc-run does.
openrc() {
    cat >openrc-run <<'SCRIPT'
eerror() { echo "$@"; }
ebegin() { :; }
eend() { return "$1"; }
supervise-daemon() { echo "supervise-daemon $*"; }
RC_SVCNAME=socket-burst-dampener.test
. ./conf.d
SCRIPT
    { cat openrc-run; sed 1d "$IMAGE/etc/init.d/socket-burst-dampener"; echo "$1"; } >script
    bash script
}

@test "OpenRC: the script is sound, and its command is the daemon with what is configured" {
    cp "$IMAGE/etc/conf.d/socket-burst-dampener" conf.d
    run openrc start_pre
    ((status == 1))
    [[ $output == *"must be set in /etc/conf.d/socket-burst-dampener.test"* ]]
    cat >conf.d <<'CONFIG'
DAMPENER_PORT="0"
DAMPENER_OPTIONS="--address 127.0.0.1 --ready-fd 7"
DAMPENER_COMMAND="cat"
CONFIG
    openrc start_pre
    [[ $(openrc reload) == "supervise-daemon socket-burst-dampener.test --pidfile "*" --signal HUP" ]]
    # In a place where everybody may write.
    local words
    # shellcheck disable=SC2016 # openrc expands them
    words=$(openrc 'echo "$command $command_args"')
    words=${words//\/run\//"$PWD"/}
    read -r -a words <<<"$words"
    DAMPENER=${words[0]}
    start "${words[@]:1:2}" "${words[@]:3}"
    [[ $(echo hello | nc -N 127.0.0.1 "$PORT") == hello ]]
}

@test "shellcheck finds nothing in what is installed" {
    needs shellcheck
    shellcheck -s sh -e SC1091 "$IMAGE/etc/conf.d/"* "$SHARE/socket-burst-dampener/s6/"{run,finish,config}
    shellcheck -s sh -e SC1008 "$IMAGE/etc/init.d/"*
    shellcheck "$SHARE/bash-completion/completions/"*
}

@test "what an operator has changed is neither overwritten nor removed" {
    cp -r "$IMAGE" image
    local make=(make -C "$ROOT" --no-print-directory -s PREFIX=/usr DESTDIR="$PWD/image")
    echo 'DAMPENER_PORT=873' >>image/etc/conf.d/socket-burst-dampener
    "${make[@]}" install-services
    grep -q '^DAMPENER_PORT=873' image/etc/conf.d/socket-burst-dampener
    "${make[@]}" uninstall-services
    [[ $(find image -type f) == image/etc/conf.d/socket-burst-dampener ]]
}

# ---- completions ----

options_in_help() {
    "$DAMPENER" --help | grep -E '^  (-[a-z], )?--' | grep -oE -- '--[a-z][a-z0-9-]+' | sort -u
}

# What bash offers behind these words, the last of which is begun.
offered() {
    # shellcheck disable=SC2016
    bash --norc -c '
        source "$1"; shift
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        case $(complete -p "$1") in
        *" -F _dampenerctl "*) _dampenerctl ;;
        *" -F _socket_burst_dampener "*) _socket_burst_dampener ;;
        esac
        for word in "${COMPREPLY[@]}"; do echo "$word"; done' \
        bash "$SHARE/bash-completion/completions/$1" "$@"
}

offers() { [[ $(offered "${@:2}" | tr '\n' ' ') == "$1 " ]] || { offered "${@:2}" >&2; return 1; }; }

# What fish offers behind this line, without what it means.
offered_by_fish() {
    # shellcheck disable=SC2016 # fish expands it
    HOME=$PWD fish --no-config -c 'for file in $argv[2..]; source $file; end; complete -C $argv[1]' \
        "$1" "$SHARE/fish/vendor_completions.d/"*.fish | cut -f 1 | sed 's/\\//g'
}

fish_offers() { [[ $(offered_by_fish "$2" | LC_ALL=C sort | paste -sd ' ') == "$1" ]] || { offered_by_fish "$2" >&2; return 1; }; }

@test "bash completes exactly the options that --help has" {
    [[ $(offered socket-burst-dampener -- | sort) == "$(options_in_help)" ]]
    [[ $(offered socket-burst-dampener 873 -- | sort) == "$(options_in_help)" ]]
}

@test "bash completes values that are words, PORT and CMD" {
    offers "wait refuse" socket-burst-dampener --when-full ""
    offers "refuse" socket-burst-dampener --when-full = r
    offers "arrival fair" socket-burst-dampener --order ""
    offers "hangup half-close never" socket-burst-dampener 873 --abandon ""
    offers "inherit socket null" socket-burst-dampener --stderr ""
    offers "text json" socket-burst-dampener --log-format ""
    offers "cpu= memory= io=" socket-burst-dampener --pressure ""
    offers "nofile=" socket-burst-dampener --limit nof
    offers "--queue --queue-timeout" socket-burst-dampener --processes 8 --q
    offers "root" socket-burst-dampener --user roo
    offers "systemd" socket-burst-dampener --processes 8 systemd
    offers "unix:" socket-burst-dampener --backlog 5 uni
    [[ -z $(offered socket-burst-dampener --processes "") ]]
    touch "a file"
    offers "a file" socket-burst-dampener --access-file "a f"
    offers "@a file" socket-burst-dampener --busy-message "@a f"
    [[ $(offered socket-burst-dampener 873 --processes 8 sh) == *sha256sum* ]]
    # From CMD on, every word is the command's.
    offers "a file" socket-burst-dampener 873 cat "a f"
    [[ -z $(offered socket-burst-dampener 873 -- cat --) ]]
}

@test "bash completes what dampenerctl can ask" {
    touch socket
    offers "socket" dampenerctl soc
    offers "status metrics top pause resume drain set help" dampenerctl socket ""
    offers "processes per-source" dampenerctl --json socket set p
    offers "--json" dampenerctl --j
}

# The words of the help of dampenerctl that can stand behind PATH, and what can be set.
commands_in_help() {
    "$BUILD/dampenerctl" --help | sed -n '/^To look:/,/^Options:/s/^  \([a-z]\{1,\}\) .*/\1/p' | sort
}

# The daemon's commands for people.  dampenerctl shows "table" as status and "figures" as top; only another
# daemon says "takeover".
commands_of_daemon() {
    sed -n 's/^\([a-z]\{1,\}\)  *.*/\1/p' told | grep -vxE 'takeover|table|figures' | cat - <(echo top) | sort
}
limits_of_daemon() { sed -n 's/^NAME is one of \(.*\)\.$/\1/p' told | sed 's/, /\n/g' | sort; }

# What zsh offers as the word of this number and name.
offered_by_zsh() {
    sed -n "s/^ *'$1:((*\(.*[^)]\))*'.*/\1/p" "$SHARE/zsh/site-functions/_dampenerctl" |
        sed 's/\\:"[^"]*"//g; s/ /\n/g' | sort
}

@test "what dampenerctl is completed with is what its help, and the daemon's, knows" {
    start --address 127.0.0.1 --control control 0 cat
    "$BUILD/dampenerctl" control help >told
    commands_in_help >commands
    limits_of_daemon >limits
    [[ $(wc -l <commands) == 8 && $(wc -l <limits) == 6 ]]
    diff commands <(commands_of_daemon)
    diff commands <(offered dampenerctl control "" | sort)
    diff commands <(offered_by_zsh 2:command)
    diff limits <(offered dampenerctl control set "" | sort)
    diff limits <(offered_by_zsh 3:limit)
}

@test "fish completes exactly the options that --help has, values that are words, PORT and CMD" {
    needs fish
    [[ $(offered_by_fish "socket-burst-dampener --" | sort) == "$(options_in_help)" ]]
    [[ $(offered_by_fish "socket-burst-dampener 873 --" | sort) == "$(options_in_help)" ]]
    fish_offers "refuse wait" "socket-burst-dampener --when-full "
    fish_offers "half-close hangup never" "socket-burst-dampener 873 --abandon "
    fish_offers "inherit null socket" "socket-burst-dampener --stderr "
    fish_offers "nofile=" "socket-burst-dampener --limit nof"
    fish_offers "root" "socket-burst-dampener --user roo"
    fish_offers "systemd" "socket-burst-dampener --processes 8 sys"
    fish_offers "unix:" "socket-burst-dampener --backlog 5 uni"
    fish_offers "" "socket-burst-dampener --processes "
    touch "a file"
    fish_offers "a file" "socket-burst-dampener --access-file a\\ f"
    fish_offers "sha256sum" "socket-burst-dampener 873 --processes 8 sha256s"
    # From CMD on, every word is the command's.
    fish_offers "a file" "socket-burst-dampener 873 cat a\\ f"
    fish_offers "" "socket-burst-dampener 873 -- cat --proc"
}

@test "fish completes what dampenerctl can ask" {
    needs fish
    touch socket
    fish_offers "socket" "dampenerctl soc"
    fish_offers "drain help metrics pause resume set status top" "dampenerctl socket "
    fish_offers "per-source processes" "dampenerctl --json socket set p"
    fish_offers "--json" "dampenerctl --j"
}

@test "completions, README and manual say what the table of options does" {
    "$ROOT/scripts/lint.d/options"
}

@test "zsh completes exactly the options that --help has, and reads its functions" {
    [[ $(grep -oE -- "('|\{-[vh],|\))--[a-z0-9-]+" "$SHARE/zsh/site-functions/_socket-burst-dampener" |
        grep -oE -- '--.*' | sort -u) == "$(grep -v -e '^--address$' -e '^--allow$' -e '^--deny$' \
            -e '^--limit$' <(options_in_help))" ]]
    local repeated
    for repeated in address allow deny limit; do
        grep -q "'\*--$repeated\[" "$SHARE/zsh/site-functions/_socket-burst-dampener"
    done
    needs zsh
    zsh -n "$SHARE/zsh/site-functions/_socket-burst-dampener"
    zsh -n "$SHARE/zsh/site-functions/_dampenerctl"
}
