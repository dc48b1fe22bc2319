#!/usr/bin/env bash
# Plays the part of a container engine for the recipes: knows what their commands and Dockerfiles use,
# and refuses all else.  A container has the machine's system below its own files, and its network.
# Requires root.
set -euo pipefail

state=/run/engine
setting() { cat "$state/$1/$2"; }
refuse() { echo "engine: does not know: $*" >&2; exit 125; }

# Executes one instruction of a Dockerfile, in the folder of the image $1.
instruct() {
    local image=$1 instruction=$2 rest=$3
    local -a words
    read -r -a words <<<"$rest"
    case $instruction in
    FROM) ;;
    RUN) bash -euc "apt-get() { echo \"apt-get \$*\"; }; $rest" ;; # the machine has the packages
    COPY)
        mkdir -p "$state/$image/files${words[-1]}"
        (cd "$context" && cp "${words[@]:0:${#words[@]}-1}" "$state/$image/files${words[-1]}")
        ;;
    USER) echo "$rest" >"$state/$image/user" ;;
    ENTRYPOINT | CMD) jq -r '.[]' <<<"$rest" >"$state/$image/$instruction" ;;
    HEALTHCHECK) jq -r '.[]' <<<"${rest#CMD }" >"$state/$image/health" ;;
    *) refuse "$instruction" ;;
    esac
}

# build --tag IMAGE FOLDER
build() {
    [[ $1 == --tag && $# == 3 ]] || refuse "build $*"
    context=$3
    mkdir -p "$state/$2/files"
    while read -r instruction rest; do instruct "$2" "$instruction" "$rest"; done <"$3/Dockerfile"
}

# Becomes the first process of a container: NAME COMMAND...  Its settings are in the environment.
become() {
    local root=$state/$1/root volume source target user
    user=$(setting "$IMAGE" user)
    mount -t overlay overlay -o "lowerdir=$state/$IMAGE/files:/" "$root" # read-only without an upper folder
    mount -t proc proc "$root/proc"
    mount -t tmpfs tmpfs "$root/dev"
    touch "$root/dev/null"
    mount --bind /dev/null "$root/dev/null"
    if [[ -n $TMPFS ]]; then mount -t tmpfs -o mode=1777 tmpfs "$root$TMPFS"; fi
    for volume in $VOLUMES; do
        IFS=: read -r source target _ <<<"$volume"
        mount --bind -o ro "$source" "$root$target"
    done
    ulimit -Sn "${NOFILE%:*}"
    ulimit -Hn "${NOFILE#*:}" || true # a machine may allow less
    exec chroot "$root" setpriv "--reuid=${user%:*}" "--regid=${user#*:}" \
        --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all \
        env -i PATH=/usr/local/bin:/usr/bin:/bin "${@:2}"
}

run() {
    local name='' port=''
    export VOLUMES='' TMPFS='' NOFILE='' IMAGE=''
    local -a command
    local given=" $* "
    for word in --detach --read-only "--cap-drop ALL" "--security-opt no-new-privileges"; do
        [[ $given == *" $word "* ]] || refuse "a container without $word"
    done
    while [[ $1 == --* ]]; do
        case $1 in
        --detach | --read-only) shift; continue ;;
        --name) name=$2 ;;
        --publish) port=$2 ;;
        --volume) VOLUMES+=" $2" ;;
        --tmpfs) TMPFS=$2 ;;
        --ulimit) NOFILE=${2#nofile=} ;;
        --cap-drop | --security-opt) ;;
        *) refuse "$1" ;;
        esac
        shift 2
    done
    IMAGE=$1
    mkdir -p "$state/$name/root"
    mapfile -t command < <(setting "$IMAGE" ENTRYPOINT; setting "$IMAGE" CMD)
    setsid unshare --mount --pid --fork --kill-child "$0" become "$name" "${command[@]}" \
        </dev/null >"$state/$name/log" 2>&1 &
    echo $! >"$state/$name/process"
    echo "$IMAGE" >"$state/$name/image"
    until [[ -S $(root_of "$name")/tmp/control ]] 2>/dev/null; do
        kill -0 "$(setting "$name" process)" || { setting "$name" log >&2; exit 125; }
        sleep 0.1
    done
    setsid systemd-socket-activate -l "${port%:*}" /lib/systemd/systemd-socket-proxyd "127.0.0.1:${port#*:}" \
        </dev/null >/dev/null 2>&1 &
    echo $! >"$state/$name/proxy"
}

# Prints the first process of a container, and its root.
first_of() { tr -d ' ' 2>/dev/null <"/proc/$(setting "$1" process)/task/$(setting "$1" process)/children"; }
root_of() { echo "/proc/$(first_of "$1")/root"; }

# exec NAME COMMAND...
execute() {
    local user
    user=$(setting "$(setting "$1" image)" user)
    nsenter "--target=$(first_of "$1")" --mount --pid --root --wd=/ setpriv "--reuid=${user%:*}" \
        "--regid=${user#*:}" --clear-groups --no-new-privs --bounding-set=-all "${@:2}"
}

# stop --time SECONDS NAME
stop() {
    [[ $1 == --time ]] || refuse "stop $*"
    kill -TERM "$(first_of "$3")"
    timeout "$2" tail -f /dev/null "--pid=$(setting "$3" process)"
    kill "$(setting "$3" proxy)"
}

verb=$1
shift
case $verb in
build | run | stop | become) "$verb" "$@" ;;
exec) execute "$@" ;;
logs) setting "$1" log ;;
rm) rm -r "${state:?}/$1/root" ;;
rmi) rm -r "${state:?}/$1" ;;
*) refuse "$verb" ;;
esac
