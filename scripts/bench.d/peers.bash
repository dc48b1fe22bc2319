# The programs that are measured: where each is, its version, and the command that starts it.
# shellcheck shell=bash disable=SC2034 # what is set here is read elsewhere
#
# A program is known by one word: dampener, which is ours, or one of PEERS.

readonly OURS=dampener
readonly PEERS=(s6-tcpserver tcpserver tcpsvd xinetd openbsd-inetd socat systemd python)

declare -A peers_path=() # of each that was found
peers_command=()         # what peers_set_command() found

# Where --install puts what cannot be installed beside others.
peers_cache() { echo "${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/socket-burst-dampener/peers"; }

# Prints the first of the words that is a program, in PATH or with its own.
peers_first() {
    local word
    for word; do
        if [[ -n $word ]] && command -v "$word"; then return; fi
    done
    return 1
}

# Several programs are called inetd, and this one alone has the options that are needed.
peers_find_openbsd_inetd() {
    local path
    for path in "${OPENBSD_INETD:-}" inetd "$(peers_cache)/usr/sbin/inetd"; do
        path=$(peers_first "$path") || continue
        if [[ $("$path" -h 2>&1 || true) == *"[-q len"* ]]; then
            echo "$path"
            return
        fi
    done
    return 1
}

# PYTHON_DAMPENER names the program's file; else it is what Python can import.
peers_find_python() {
    command -v python3 >/dev/null || return 1
    if [[ -n ${PYTHON_DAMPENER:-} ]]; then
        [[ -r $PYTHON_DAMPENER ]] && realpath -- "$PYTHON_DAMPENER"
    else
        python3 -c 'import socket_burst_dampener as program; print(program.__file__)' 2>/dev/null
    fi
}

# Prints where it is.
peers_find() {
    case $1 in
    xinetd) peers_first "${XINETD:-}" xinetd "$(peers_cache)/usr/sbin/xinetd" ;;
    openbsd-inetd) peers_find_openbsd_inetd ;;
    systemd) peers_first systemd-socket-activate ;;
    python) peers_find_python ;;
    *) peers_first "$1" ;;
    esac
}

peers_title() {
    case $1 in
    "$OURS") echo "socket-burst-dampener" ;;
    systemd) echo "systemd-socket-activate" ;;
    python) echo "Python program" ;;
    *) echo "$1" ;;
    esac
}

# What a reader of the figures has to know of it.
peers_remark() {
    case $1 in
    xinetd) echo "backlog 64; refuses clients beyond its limit on handlers, which it has in burst only" ;;
    openbsd-inetd | systemd) echo "no limit on handlers" ;;
    esac
}

# Of the package that it belongs to, if it does.
peers_package_version() {
    local path package
    path=$(realpath -- "$1")
    # Where / and /usr are one, a package may list the file below either.
    package=$(dpkg-query -S "$path" "${path#/usr}" 2>/dev/null | head -n 1)
    [[ -n $package ]] && dpkg-query -W -f "\${Version}" "${package%%:*}" 2>/dev/null
}

# Of the skarnet release beside whose headers it is installed.
peers_skarnet_version() {
    local folder
    folder=$(dirname -- "$(realpath -- "$1")")
    sed -n 's/^#define S6_NETWORKING_VERSION "\(.*\)"$/\1/p' "$folder/../include/s6-networking/config.h" 2>/dev/null
}

# Nothing, if it cannot be told.
peers_version() {
    local path=${peers_path[$1]} version=
    case $1 in
    "$OURS")
        version=$("$path" --version)
        version=${version##* }
        ;;
    xinetd) version=$("$path" -version 2>&1 | grep -o '[0-9][0-9.]*' | head -n 1) ;;
    python) version=$(python3 --version) ;;
    s6-tcpserver) version=$(peers_package_version "$path" || peers_skarnet_version "$path" || true) ;;
    *) version=$(peers_package_version "$path" || true) ;;
    esac
    echo "$version"
}

# Sets peers_command to what starts PROGRAM on 127.0.0.1 and PORT with at most HANDLERS of COMMAND.
peers_set_command() {
    local program=$1 path=${peers_path[$1]}
    shift
    "peers_command_${program//-/_}" "$path" "$@"
}

# Each is called with PATH PORT HANDLERS COMMAND...

peers_command_dampener() {
    local path=$1 port=$2 handlers=$3
    shift 3
    peers_command=("$path" --address 127.0.0.1 --processes "$handlers" "${server_options[@]}"
        "$port" -- "$@")
}

peers_command_s6_tcpserver() {
    local path=$1 port=$2 handlers=$3
    shift 3
    peers_command=("$path" -q -c "$handlers" -C "$handlers" -b "$(peers_backlog)" 127.0.0.1 "$port" "$@")
}

# No look-ups of names nor of users.
peers_command_tcpserver() {
    local path=$1 port=$2 handlers=$3
    shift 3
    peers_command=("$path" -q -H -R -l 0 -c "$handlers" -b "$(peers_backlog)" 127.0.0.1 "$port" "$@")
}

peers_command_tcpsvd() {
    local path=$1 port=$2 handlers=$3
    shift 3
    peers_command=("$path" -l 0 -c "$handlers" -b "$(peers_backlog)" 127.0.0.1 "$port" "$@")
}

peers_command_socat() {
    local path=$1 port=$2 handlers=$3
    shift 3
    peers_command=("$path"
        "TCP-LISTEN:$port,bind=127.0.0.1,reuseaddr,fork,max-children=$handlers,backlog=$(peers_backlog)"
        "EXEC:$*,nofork")
}

peers_command_systemd() {
    local path=$1 port=$2
    shift 3
    peers_command=("$path" --accept --inetd --listen="127.0.0.1:$port" "$@")
}

peers_command_python() {
    local path=$1 port=$2 handlers=$3
    shift 3
    peers_command=(python3 "$path" --address 127.0.0.1 --processes "$handlers" "$port" "$@")
}

# The number is how many a minute it serves before it gives up.
peers_command_openbsd_inetd() {
    local path=$1 port=$2
    shift 3
    printf '127.0.0.1:%s stream tcp nowait.1000000000 %s %s %s\n' "$port" "$(id -un)" "$1" "$*" >"$work/inetd.conf"
    peers_command=("$path" -i -q "$(peers_backlog)" "$work/inetd.conf")
}

# A client may come before the handler of the last one has been collected: where clients are no more
# than handlers, its limit would refuse some of them all the same.
peers_command_xinetd() {
    local path=$1 port=$2 instances=$3
    shift 3
    if ((instances >= IN_FLIGHT)); then instances=UNLIMITED; fi
    cat >"$work/xinetd.conf" <<-CONFIGURATION
	service measured
	{
	    type = UNLISTED
	    socket_type = stream
	    protocol = tcp
	    bind = 127.0.0.1
	    port = $port
	    wait = no
	    user = $(id -un)
	    server = $1
	    ${2:+server_args = ${*:2}}
	    instances = $instances
	    per_source = UNLIMITED
	    cps = 1000000 1
	    log_type = FILE /dev/null
	}
	CONFIGURATION
    peers_command=("$path" -dontfork -filelog /dev/null -pidfile "$work/xinetd.pid"
        -f "$work/xinetd.conf")
}

peers_backlog() { cat /proc/sys/net/core/somaxconn; }
