#!/usr/bin/env bats
# Tests real services that change their user or start further processes.

load ../shared/helpers

# Makes the directory that sshd requires for its privilege separation, if no sshd has run here.
setup_file() {
    if [[ $(id -u) == 0 && ! -e /run/sshd ]] && mkdir -m 755 /run/sshd; then
        export MADE_BY_TESTS=/run/sshd
    fi
}

teardown_file() {
    if [[ -n ${MADE_BY_TESTS:-} ]]; then rmdir "$MADE_BY_TESTS"; fi
}

require_sshd() {
    [[ -x /usr/sbin/sshd ]] || skip "sshd is not installed"
    command -v ssh >/dev/null || skip "ssh is not installed"
    [[ $(id -u) == 0 ]] || skip "sshd requires root for logins"
    ssh-keygen -q -t ed25519 -N '' -f host_key
    ssh-keygen -q -t ed25519 -N '' -f user_key
    cat >sshd_config <<CONFIGURATION
HostKey $PWD/host_key
AuthorizedKeysFile $PWD/user_key.pub
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
PermitRootLogin yes
CONFIGURATION
}

start_sshd() {
    start -v --address 127.0.0.1 "$@" 0 -- /usr/sbin/sshd -i -e -f "$PWD/sshd_config"
    echo "[127.0.0.1]:$PORT $(cat host_key.pub)" >known_hosts
}

log_in() {
    timeout 30 ssh -F /dev/null -p "$PORT" -i user_key -o IdentitiesOnly=yes -o BatchMode=yes \
        -o UserKnownHostsFile="$PWD/known_hosts" -o StrictHostKeyChecking=yes \
        -o GlobalKnownHostsFile=/dev/null root@127.0.0.1 "$@"
}

@test "an ssh client logs in and runs a command with sshd as the handler" {
    require_sshd
    start_sshd
    # The supervisor has no privileges, but the session has all those of root.
    grep -q '^CapEff:[[:space:]]*0*$' "/proc/$(supervisor)/status"
    local said
    # shellcheck disable=SC2016
    said=$(echo "from the client" |
        log_in 'cat; echo "$SSH_CONNECTION"; id -u; grep ^CapEff: /proc/self/status; exit 7') ||
        [[ $? == 7 ]]
    echo "$said"
    [[ $(sed -n 1p <<<"$said") == "from the client" ]]
    [[ $(sed -n 2p <<<"$said") =~ ^127\.0\.0\.1\ [0-9]+\ 127\.0\.0\.1\ $PORT$ ]]
    [[ $(sed -n 3p <<<"$said") == 0 ]]
    [[ $(sed -n 4p <<<"$said") == "$(grep ^CapEff: /proc/self/status)" ]]
    await status_is served 1
}

@test "six simultaneous ssh clients are served two at a time" {
    require_sshd
    start_sshd --processes 2
    local i clients=()
    for i in 1 2 3 4 5 6; do
        log_in "echo $i; seq 20000" </dev/null >"said.$i" 2>"error.$i" &
        clients+=($!)
    done
    for i in "${clients[@]}"; do wait "$i"; done
    for i in 1 2 3 4 5 6; do diff <(echo "$i"; seq 20000) "said.$i"; done
    await status_is served 6
    # Two sessions ran at a time, and never a third.
    local most
    most=$(awk '/ started process / { n++ } / ended process / { n-- } n > most { most = n }
        END { print most }' "$LOG")
    [[ $most == 2 ]]
}

@test "--timeout ends a long ssh session, and the next client logs in" {
    require_sshd
    start_sshd --timeout 8 --kill-after 2 # enough time for a login on a loaded machine
    # The session's command has left the handler's group; it ends with its connection.
    mkfifo silence
    exec {CLIENT}<>silence
    local begin=$SECONDS
    refute log_in cat <&"$CLIENT"
    ((SECONDS - begin >= 7 && SECONDS - begin < 25))
    [[ $(log_in 'echo hello' </dev/null) == hello ]]
    await status_is served 2
    grep -q 'ticket 1: .* has run for too long: sending SIGTERM' "$LOG"
}

# Makes a repository that git accepts as owned by the user of the handlers.
make_repository() {
    local i
    git init -q --bare repositories/project.git
    git init -q work
    for i in 1 2 3; do
        head -c 50000 /dev/urandom >"work/file$i"
        git -C work add "file$i"
        git -C work -c user.name=tester -c user.email=tester@localhost commit -q -m "number $i"
    done
    git -C work push -q "$PWD/repositories/project.git" HEAD:refs/heads/main
    git -C repositories/project.git symbolic-ref HEAD refs/heads/main
    chown -R nobody repositories
}

start_git() {
    command -v git >/dev/null || skip "git is not installed"
    [[ $(id -u) == 0 ]] || skip "only root can become another user"
    git --exec-path | xargs -I {} test -x {}/git-daemon || skip "this git has no daemon"
    # Ignores the machine's configuration.
    export GIT_CONFIG_NOSYSTEM=1 HOME=$PWD
    unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE
    open_to_others
    make_repository
    start -v --address 127.0.0.1 --user nobody --supervisor-user 71000:71000 "$@" 0 -- \
        git daemon --inetd --export-all --base-path="$PWD/repositories" "$PWD/repositories"
}

clone() { timeout 60 git clone -q "git://127.0.0.1:$PORT/project.git" "$1"; }

same_as_work() {
    diff -r --exclude=.git work "$1" &&
        [[ $(git -C "$1" rev-parse HEAD) == "$(git -C work rev-parse HEAD)" ]]
}

@test "git clones a repository from git daemon, which runs as another user" {
    start_git
    clone copy
    same_as_work copy
    await status_is served 1
}

@test "10 simultaneous git clones succeed through 3 handlers" {
    start_git --processes 3
    local i clients=()
    for ((i = 0; i < 10; i++)); do
        clone "copy.$i" 2>"error.$i" &
        clients+=($!)
    done
    for i in "${clients[@]}"; do wait "$i"; done
    for ((i = 0; i < 10; i++)); do same_as_work "copy.$i"; done
    await status_is served 10
}

# Options that watch a connection while its handler runs.
WATCHED=(--linger 5 --on-hangup end --idle-timeout 60 --abandon silent)

@test "with --linger, --on-hangup, --idle-timeout and --abandon silent, git clones and ssh logs in" {
    start_git "${WATCHED[@]}" --processes 2
    local i clients=()
    for ((i = 0; i < 4; i++)); do
        clone "copy.$i" 2>"error.$i" &
        clients+=($!)
    done
    for i in "${clients[@]}"; do wait "$i"; done
    for ((i = 0; i < 4; i++)); do same_as_work "copy.$i"; done
    await status_is served 4
    refute grep -E 'has hung up|idle for too long' "$LOG"
    stop
    require_sshd
    start_sshd "${WATCHED[@]}"
    [[ $(log_in 'echo hello; seq 20000 | tail -n 1' </dev/null) == "hello"$'\n'20000 ]]
    await status_is served 1
}

@test "--idle-timeout ends a silent ssh session, and spares one that prints" {
    require_sshd
    start_sshd --processes 2 --idle-timeout 8 # enough time for a login on a loaded machine
    mkfifo silence
    exec {CLIENT}<>silence
    # shellcheck disable=SC2016
    log_in 'for i in $(seq 50); do echo $i; sleep 0.25; done' </dev/null >said &
    local printing=$!
    refute log_in cat <&"$CLIENT"
    wait "$printing"
    diff <(seq 50) said
    await status_is served 2
    [[ $(grep -c 'its connection was idle for too long' "$LOG") == 1 ]]
}
