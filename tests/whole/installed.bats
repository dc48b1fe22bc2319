#!/usr/bin/env bats
# Tests the files that are installed for service managers and shells.

load ../shared/helpers

# Installs the files with the programs of this build.
setup_file() {
    make -C "$BATS_TEST_DIRNAME/../.." --no-print-directory -s install-services \
        PREFIX=/usr DESTDIR="$BATS_FILE_TMPDIR/image" \
        SBINDIR="$BUILD" BINDIR="$BUILD"
}

IMAGE=$BATS_FILE_TMPDIR/image
SHARE=$IMAGE/usr/share

needs() { command -v "$1" >/dev/null || skip "$1 is not installed"; }

# ---- what the templates and examples suggest ----

# Prints the command lines of this program in a file, and the options of templates, one a line.  A
# backslash continues a line; in the manual it is "\e".  Commands that edit or read a template are none,
# and a worker is no rsync.
examples_in() {
    sed 's/\\e$/\\/' "$1" | sed -e ':again' -e '/\\$/{N;s/ *\\\n */ /;bagain' -e '}' |
        grep -E 'socket-burst-dampener .*rsync --daemon|DAMPENER_OPTIONS=.*--' | grep -v -e 'sed -' -e --persistent
}

@test "each example for rsync takes killed clients out of the queue" {
    local file
    "$DAMPENER" --help >help
    for file in "$ROOT/README.md" "$ROOT/scripts/install/recipes.md" \
        "$ROOT/supervisor/manual/socket-burst-dampener.8" help \
        "$IMAGE/usr/lib/systemd/system/socket-burst-dampener@.service" \
        "$IMAGE/etc/conf.d/socket-burst-dampener" "$SHARE/socket-burst-dampener/s6/config"; do
        examples_in "$file" >examples
        has_content examples
        refute grep -v -e '--abandon half-close' examples
    done
}

@test "no template and no example suggests a user that supervisor or dispatchers may have" {
    local -a files=("$ROOT/README.md" "$ROOT/scripts/install/recipes.md" "$ROOT/supervisor/manual/socket-burst-dampener.8")
    local -a templates
    mapfile -t templates < <(grep -rl --exclude=recipes.md DAMPENER_OPTIONS= "$IMAGE")
    ((${#templates[@]} == 3))
    # --supervisor-user and --dispatcher-user are other options.
    grep -ohE -e '(^|[^-a-z])--(user|group)[ =][a-z][-a-z]*' "${files[@]}" "${templates[@]}" |
        grep -o '[^ =]*$' | sort -u >users
    has_line '^mirror$' users
    refute grep -xE 'nobody|daemon|root|dampener-.*' users
    for file in "${templates[@]}"; do has_line '--user mirror' "$file"; done
}

@test "the unit's comments say what rsync needs below /home, which it cannot see" {
    instances
    [[ $(setting ProtectHome) == "yes " ]]
    has_line '^#  *rsync .*below /home  *ProtectHome=read-only' socket-burst-dampener@873.service
}

# ---- systemd ----

# Copies both units under instance names, because systemd finds a unit outside the unit path only by its
# file name.
instances() {
    cp "$IMAGE/usr/lib/systemd/system/socket-burst-dampener@.service" socket-burst-dampener@873.service
    cp "$IMAGE/usr/lib/systemd/system/socket-burst-dampener@.socket" socket-burst-dampener@873.socket
}

# Prints all values of setting $1 on one line.
setting() { sed -n "s/^$1=//p" socket-burst-dampener@873.service | tr '\n' ' '; }

@test "systemd-analyze finds no fault in the units" {
    needs systemd-analyze
    instances
    systemd-analyze verify --man=no "$PWD/socket-burst-dampener@873.service" >verified 2>&1
    systemd-analyze verify --man=no "$PWD/socket-burst-dampener@873.socket" >>verified 2>&1
    cat verified
    refute grep -i 'socket-burst-dampener' verified
}

@test "systemd-analyze rates the service as well protected" {
    needs systemd-analyze
    instances
    systemd-analyze security --offline=true --no-pager --threshold=35 \
        "$PWD/socket-burst-dampener@873.service"
}

@test "the unit's time-outs exceed those of a drain and of a silent dispatcher" {
    instances
    (($(setting TimeoutStopSec) >= 30 + 5 + 3))
    (($(setting WatchdogSec) >= 2 * 11))
    [[ $(setting KillMode) == "mixed " && $(setting Type) == "notify " ]]
}

@test "with the unit's capabilities and no_new_privs the daemon serves clients and ends handlers" {
    ((EUID == 0)) || skip "only root has capabilities to drop"
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
    # The daemon also ends a handler that changes its user itself.
    start --address 127.0.0.1 --timeout 300ms --kill-after 1h 0 \
        setpriv --reuid=65533 --regid=65533 --clear-groups sleep 60
    connect_silently
    await status_is served 1
    exec {CLIENT}>&-
}

# Prints the system calls of a set of systemd, including those of nested sets.
calls_of() {
    local name
    for name in $(systemd-analyze --no-pager syscall-filter "$1" | sed '1d; s/#.*//'); do
        if [[ $name == @* ]]; then calls_of "$name"; else echo "$name"; fi
    done
}

@test "the unit permits every system call of daemon, dispatchers and a handler" {
    needs systemd-analyze
    needs strace
    if is_sanitized; then skip "a sanitizer makes additional calls"; fi
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
    # The daemon is a child of strace, which passes no signals on.
    kill -TERM "$(children "$DAEMON" | tr ' ' '\n' | head -n 1)"
    finish
    sed -n 's/^[0-9]* *\([a-z_0-9]*\)(.*/\1/p' trace | sort -u >made
    (($(wc -l <made) > 40))
    # The unit forbids ptrace deliberately; the daemon then does not try the command.
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
DAMPENER_CONTROL=$PWD/operator/control
CONFIG
}

@test "s6: the run script starts the daemon, which reports when it is ready" {
    service_directory
    [[ $(<service/notification-fd) == 3 ]]
    (close_descriptors; cd service && exec ./run 3>../ready >>"$LOG" 2>/dev/null </dev/null) &
    DAEMON=$!
    await has_content ready
    [[ $(wc -l <ready) == 1 ]]
    read -r ADDRESS PORT <ready
    [[ $(cat "/proc/$DAEMON/comm") == socket-burst-da* ]]
    [[ $(echo hello | nc -N 127.0.0.1 "$PORT") == hello ]]
    # The daemon logs to standard output.
    grep -q '^\[INFO\] listening on 127.0.0.1' "$LOG"
    count_descriptors
}

@test "s6: a daemon that the run script starts takes the place of one that serves already" {
    local first
    service_directory
    (close_descriptors; cd service && exec ./run >>"$LOG" 2>/dev/null </dev/null) &
    first=$!
    await "$BUILD/dampenerctl" operator/control status
    (close_descriptors; cd service && exec ./run >>"$LOG" 2>/dev/null </dev/null) &
    DAEMON=$!
    await has_line "^\[INFO\] took over from process $first;" "$LOG"
    wait "$first"
    count_descriptors
}

@test "runit: the run script works without a descriptor for readiness" {
    service_directory
    (close_descriptors; cd service && exec ./run >>"$LOG" 2>/dev/null </dev/null) &
    DAEMON=$!
    await has_line '^\[INFO\] listening on ' "$LOG"
    PORT=$(sed -n 's/^\[INFO\] listening on .* port //p' "$LOG")
    [[ $(echo hello | nc -N 127.0.0.1 "$PORT") == hello ]]
    count_descriptors
}

@test "s6: a service without a port or with wrong options stays down" {
    cp -r "$SHARE/socket-burst-dampener/s6" service
    cd service || return 1
    run ./run
    ((status != 0))
    [[ $output == *"DAMPENER_PORT"* ]]
    printf 'DAMPENER_PORT=0\nDAMPENER_OPTIONS=--nonsense\nDAMPENER_COMMAND=cat\n' >config
    echo 'DAMPENER_CONTROL=operator/control' >>config
    run ./run
    ((status == 2))
    run ./finish 2 0
    ((status == 125))
    run ./finish 1 0
    ((status == 0))
}

# Runs line $1 of sh after the configuration and the init script, as openrc-run does.
openrc() {
    cat >openrc-run <<'SCRIPT'
eerror() { echo "$@"; }
ebegin() { :; }
eend() { return "$1"; }
supervise-daemon() { echo "supervise-daemon $*"; }
checkpath() { echo "checkpath $*"; }
RC_SVCNAME=socket-burst-dampener.test
. ./conf.d
SCRIPT
    { cat openrc-run; sed 1d "$IMAGE/etc/init.d/socket-burst-dampener"; echo "$1"; } >script
    bash script
}

@test "openRC: the init script checks its configuration and starts the daemon with it" {
    cp "$IMAGE/etc/conf.d/socket-burst-dampener" conf.d
    run openrc start_pre
    ((status == 1))
    [[ $output == *"must be set in /etc/conf.d/socket-burst-dampener.test"* ]]
    cat >conf.d <<'CONFIG'
DAMPENER_PORT="0"
DAMPENER_OPTIONS="--address 127.0.0.1 --ready-fd 7"
DAMPENER_COMMAND="cat"
CONFIG
    [[ $(openrc start_pre) == "checkpath --directory --mode 0755 /run/socket-burst-dampener /run/socket-burst-dampener/test" ]]
    [[ $(openrc reload) == "supervise-daemon socket-burst-dampener.test --pidfile "*" --signal HUP" ]]
    # Replaces /run/ by a directory that everybody may write to.
    local words
    # shellcheck disable=SC2016 # openrc expands them
    words=$(openrc 'echo "$command $command_args"')
    words=${words//\/run\//"$PWD"/}
    read -r -a words <<<"$words"
    mkdir -p socket-burst-dampener/test
    DAMPENER=${words[0]}
    start "${words[@]:1:2}" "${words[@]:3}"
    [[ $(echo hello | nc -N 127.0.0.1 "$PORT") == hello ]]
}

@test "shellcheck finds no fault in the installed scripts" {
    needs shellcheck
    shellcheck -s sh -e SC1091 "$IMAGE/etc/conf.d/"* "$SHARE/socket-burst-dampener/s6/"{run,finish,config}
    shellcheck -s sh -e SC1008 "$IMAGE/etc/init.d/"*
    shellcheck "$SHARE/bash-completion/completions/"*
}

@test "install does not overwrite a configuration that the operator has changed, and uninstall does not remove it" {
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

# Prints the words that bash offers after the words in $@, the last of which is incomplete.
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

# Prints the words that fish offers after line $1, without descriptions.
offered_by_fish() {
    # shellcheck disable=SC2016 # fish expands it
    HOME=$PWD fish --no-config -c 'for file in $argv[2..]; source $file; end; complete -C $argv[1]' \
        "$1" "$SHARE/fish/vendor_completions.d/"*.fish | cut -f 1 | sed 's/\\//g'
}

fish_offers() { [[ $(offered_by_fish "$2" | LC_ALL=C sort | paste -sd ' ') == "$1" ]] || { offered_by_fish "$2" >&2; return 1; }; }

@test "bash completes exactly the options in --help" {
    [[ $(offered socket-burst-dampener -- | sort) == "$(options_in_help)" ]]
    [[ $(offered socket-burst-dampener 873 -- | sort) == "$(options_in_help)" ]]
}

@test "bash completes the values of options, PORT and CMD" {
    offers "wait refuse" socket-burst-dampener --when-full ""
    offers "refuse" socket-burst-dampener --when-full = r
    offers "arrival fair" socket-burst-dampener --order ""
    offers "hangup half-close silent never" socket-burst-dampener 873 --abandon ""
    offers "inherit socket null" socket-burst-dampener --stderr ""
    touch here.log
    offers "./here.log" socket-burst-dampener --stderr "./he"
    offers "text timed json" socket-burst-dampener --log-format ""
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
    # From CMD on, every word belongs to the command.
    offers "a file" socket-burst-dampener 873 cat "a f"
    [[ -z $(offered socket-burst-dampener 873 -- cat --) ]]
}

@test "bash completes the commands of dampenerctl" {
    touch socket
    offers "socket" dampenerctl soc
    offers "socket status set" dampenerctl s
    offers "status top health metrics help pause resume drain set" dampenerctl socket ""
    offers "processes per-source" dampenerctl set p
    offers "processes per-source" dampenerctl --json socket set p
    offers "--json" dampenerctl --j
}

# Prints the commands in the help of dampenerctl.
commands_in_help() {
    "$BUILD/dampenerctl" --help | sed -n '/^To look:/,/^Options:/s/^  \([a-z]\{1,\}\) .*/\1/p' | sort
}

# Prints the daemon's commands for operators.  dampenerctl shows "table" as status, and "figures" as top
# and health; only another daemon sends "takeover".
commands_of_daemon() {
    sed -n 's/^\([a-z]\{1,\}\)  *.*/\1/p' told | grep -vxE 'takeover|table|figures' |
        cat - <(printf 'top\nhealth\n') | sort
}
limits_of_daemon() { sed -n 's/^NAME is one of \(.*\)\.$/\1/p' told | sed 's/, /\n/g' | sort; }

# Prints the words that zsh has in its array $1, without descriptions.
offered_by_zsh() {
    tr '\n' ' ' <"$SHARE/zsh/site-functions/_dampenerctl" | sed -E "s/.* $1=\(([^)]*)\).*/\1/" |
        sed -E "s/'([^:']*):[^']*'/\1/g" | xargs -n 1 | sort
}

@test "completions of dampenerctl match its help and the daemon's help" {
    start --address 127.0.0.1 --control control 0 cat
    "$BUILD/dampenerctl" control help >told
    commands_in_help >commands
    limits_of_daemon >limits
    [[ $(wc -l <commands) == 9 && $(wc -l <limits) == 6 ]]
    diff commands <(commands_of_daemon)
    diff commands <(offered dampenerctl control "" | sort)
    diff commands <(offered_by_zsh commands)
    diff limits <(offered dampenerctl control set "" | sort)
    diff limits <(offered_by_zsh limits)
}

@test "fish completes exactly the options in --help, their values, PORT and CMD" {
    needs fish
    [[ $(offered_by_fish "socket-burst-dampener --" | sort) == "$(options_in_help)" ]]
    [[ $(offered_by_fish "socket-burst-dampener 873 --" | sort) == "$(options_in_help)" ]]
    fish_offers "refuse wait" "socket-burst-dampener --when-full "
    fish_offers "half-close hangup never silent" "socket-burst-dampener 873 --abandon "
    fish_offers "inherit null socket" "socket-burst-dampener --stderr "
    fish_offers "nofile=" "socket-burst-dampener --limit nof"
    fish_offers "root" "socket-burst-dampener --user roo"
    fish_offers "systemd" "socket-burst-dampener --processes 8 sys"
    fish_offers "unix:" "socket-burst-dampener --backlog 5 uni"
    fish_offers "" "socket-burst-dampener --processes "
    touch "a file"
    fish_offers "a file" "socket-burst-dampener --access-file a\\ f"
    touch plain
    fish_offers "./plain" "socket-burst-dampener --stderr ./pl"
    fish_offers "sha256sum" "socket-burst-dampener 873 --processes 8 sha256s"
    # From CMD on, every word belongs to the command.
    fish_offers "a file" "socket-burst-dampener 873 cat a\\ f"
    fish_offers "" "socket-burst-dampener 873 -- cat --proc"
}

@test "fish completes the commands of dampenerctl" {
    needs fish
    touch socket
    fish_offers "socket" "dampenerctl soc"
    fish_offers "set socket status" "dampenerctl s"
    fish_offers "drain health help metrics pause resume set status top" "dampenerctl socket "
    fish_offers "per-source processes" "dampenerctl set p"
    fish_offers "per-source processes" "dampenerctl --json socket set p"
    fish_offers "--json" "dampenerctl --j"
}

@test "completions and manual match the table of options" {
    "$ROOT/scripts/lint.d/options"
}

# Copies what scripts/lint.d/manuals reads.
copy_for_lint() {
    mkdir -p copy/scripts/lint.d copy/supervisor
    cp "$ROOT/scripts/lint.d/manuals" copy/scripts/lint.d
    cp -r "$ROOT/dispatcher" copy
    cp -r "$ROOT"/supervisor/* copy/supervisor
}

@test "the manuals have every figure, metric, log line, event and reason, and no others" {
    "$ROOT/scripts/lint.d/manuals"
    copy_for_lint
    # shellcheck disable=SC2016 # each is a program of sed
    sed -i 's/"connections_queued"/"connections_planted"/' copy/supervisor/figures/figures.c
    sed -i 's/"handlers can be started again"/"handlers may begin"/; s/"abandoned",$/"planted",/' \
        copy/supervisor/figures/report.c
    sed -i 's/{"rate", /{"planted", /' copy/supervisor/server/snapshot.c
    run copy/scripts/lint.d/manuals
    ((status == 1))
    echo "$output"
    [[ $output == *"dampener_connections_planted is missing"* ]]
    [[ $output == *"there is no metric dampener_connections_queued"* ]]
    [[ $output == *"is missing: [WARNING] handlers may begin"* ]]
    [[ $output == *"no program logs: [WARNING] handlers can be started again"* ]]
    [[ $output == *"the event planted of supervisor/figures/report.c is missing"* ]]
    [[ $output == *"the reason planted is missing"* ]]
    (($(wc -l <<<"$output") == 6))
}

@test "zsh completes exactly the options in --help" {
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
