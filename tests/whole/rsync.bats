#!/usr/bin/env bats
# Tests the service that this program was made for, with the real programs.

load ../shared/helpers

make_module() {
    local i
    mkdir module
    for i in 1 2 3; do head -c $((i * 20000)) /dev/urandom >"module/file$i"; done
    mkdir module/folder
    echo text >module/folder/text
    cat >rsyncd.conf <<CONFIGURATION
use chroot = no
log file = $PWD/rsyncd.log
[module]
    path = $PWD/module
    read only = yes
CONFIGURATION
}

fetch() { rsync -a "rsync://$ADDRESS:$PORT/module/" "copies/$1/" >"output.$1" 2>&1; }

@test "200 simultaneous rsync clients get all files through 4 handlers" {
    command -v rsync >/dev/null || skip "rsync is not installed"
    make_module
    start --address 127.0.0.1 --processes 4 0 -- \
        "$BUILD/tests/programs/handlers/counted" "$COUNTER" rsync --daemon --config="$PWD/rsyncd.conf"
    mkdir copies
    local i clients=()
    for ((i = 1; i <= 200; i++)); do
        fetch "$i" &
        clients+=($!)
    done
    for i in "${clients[@]}"; do wait "$i"; done
    for ((i = 1; i <= 200; i++)); do diff -r module "copies/$i"; done
    # The handlers counted themselves: all four were used, and never a fifth.
    [[ $(most_handlers) == 4 ]]
    await status_is served 200
}

# Runs 60 simultaneous clients in front of a slow daemon; each leaves "copies/N" or an error in
# "output.N".  Handlers wait until $1 clients have come.
fetch_by_many() {
    local i clients=()
    mkdir copies
    for ((i = 1; i <= 60; i++)); do
        fetch "$i" &
        clients+=($!)
    done
    await have_come "$1"
    touch go
    for i in "${clients[@]}"; do wait "$i" || true; done
}

have_come() { (($(status_of accepted) >= $1)); }

start_slow_rsync() {
    # shellcheck disable=SC2016
    start --address 127.0.0.1 --processes 2 --queue 10 "$@" 0 -- \
        bash -c 'sleep 0.3; until [[ -e go ]]; do sleep 0.1; done; exec rsync --daemon --config="$0"' "$PWD/rsyncd.conf"
}

# Requires that each of 60 clients has all files or has printed a line that matches $1.
refuses_with() {
    make_module
    start_slow_rsync --when-full refuse --busy-message "$2"
    fetch_by_many 60
    local i served=0 refused=0
    for ((i = 1; i <= 60; i++)); do
        if diff -r module "copies/$i" >/dev/null 2>&1; then
            served=$((served + 1))
        else
            cat "output.$i"
            grep -q "$1" "output.$i"
            refused=$((refused + 1))
        fi
    done
    echo "$served served, $refused refused"
    ((served >= 10 && refused >= 10))
    status_is refused-queue "$refused"
}

@test "a refused rsync client prints the busy message" {
    command -v rsync >/dev/null || skip "rsync is not installed"
    refuses_with '@ERROR: max connections reached -- try again later' \
        '@ERROR: max connections reached -- try again later\n'
}

@test "a refused rsync client prints a busy message with a greeting as rsync's own error" {
    command -v rsync >/dev/null || skip "rsync is not installed"
    refuses_with '^@ERROR: max connections reached -- try again later$' \
        '@RSYNCD: 31.0\n@ERROR: max connections reached -- try again later\n'
}

@test "with --when-full wait all rsync clients are served" {
    command -v rsync >/dev/null || skip "rsync is not installed"
    make_module
    start_slow_rsync --when-full wait
    fetch_by_many 12
    local i
    for ((i = 1; i <= 60; i++)); do diff -r module "copies/$i"; done
    await status_is served 60
    status_is accepted 60
}

# Prints the options that the templates for service managers suggest for rsync, without the user.
suggested_options() {
    sed -n 's/^#DAMPENER_OPTIONS="\(.*\)"$/\1/p' "$ROOT/scripts/install/s6/config" | sed 's/--user mirror//'
}

@test "with the suggested options, rsync clients that are killed while they wait cost no handler" {
    command -v rsync >/dev/null || skip "rsync is not installed"
    make_module
    mkdir copies
    # shellcheck disable=SC2046
    start_slow_rsync $(suggested_options) --processes 1
    local i killed=() client served=()
    fetch 0 &
    served+=($!)
    await status_is running 1
    for i in 1 2 3 4 5; do
        rsync -a "rsync://$ADDRESS:$PORT/module/" "copies/$i/" >/dev/null 2>&1 &
        killed+=($!)
    done
    await status_is queued 5
    fetch 6 &
    served+=($!)
    await status_is queued 6
    kill -INT "${killed[@]}"
    for client in "${killed[@]}"; do wait "$client" || true; done
    await status_is queued 1
    touch go
    for client in "${served[@]}"; do wait "$client"; done
    diff -r module copies/0
    diff -r module copies/6
    await status_is served 2
    status_is accepted 7
}

@test "the command line of the earlier program in Python works unchanged" {
    command -v rsync >/dev/null || skip "rsync is not installed"
    [[ $(id -u) == 0 ]] || skip "port 873 needs root"
    make_module
    # Uses a private /etc/rsyncd.conf and a network namespace in which port 873 is free.
    cp -a /etc etc
    cp rsyncd.conf etc/
    local reached
    # shellcheck disable=SC2016
    reached=$(PATH=$BUILD:$PATH unshare --mount --net bash -c '
        set -e
        mount --bind etc /etc
        ip link set lo up
        socket-burst-dampener 873 --processes $(nproc) --load-average $(nproc) -- rsync --daemon \
            2>>log </dev/null >/dev/null 3>&- 4>&- &
        daemon=$!
        for ((i = 0; i < 500; i++)); do
            rsync -a rsync://127.0.0.1/module/ copy/ >/dev/null 2>&1 && break
            sleep 0.02
        done
        rsync -a rsync://localhost/module/ second/
        kill $daemon
        wait $daemon
        echo served
    ')
    [[ $reached == served ]]
    diff -r module copy
    diff -r module second
}
