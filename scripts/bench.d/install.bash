# Fetches those peers that Debian packages.  shellcheck shell=bash
#
# No service is started by it: the two inetds, which would start at once and of which Debian has only
# one at a time, are unpacked into a folder of their own.

readonly INSTALL_PLAIN=(
    "tcpserver ucspi-tcp is a peer"
    "tcpsvd ipsvd is a peer"
    "socat socat is a peer"
    "systemd-socket-activate systemd is a peer"
)

install_peers() {
    if ! command -v apt-get >/dev/null; then
        echo "bench: --install is for Debian: there is no apt-get here" >&2
        return 1
    fi
    packages_provide "${INSTALL_PLAIN[@]}" >&2 || return 1
    install_aside xinetd xinetd >&2 && install_aside openbsd-inetd openbsd-inetd >&2
}

# Unpacks PACKAGE, unless the peer PROGRAM of it is there, and installs the libraries that it needs.
install_aside() {
    local program=$1 package=$2 folder libraries
    if peers_find "$program" >/dev/null; then return; fi
    folder=$(peers_cache)
    echo "Unpacking $package into $folder"
    mkdir -p "$folder" "$work/packages"
    (cd "$work/packages" && packages_apt_get -q -y download "$package") || return 1
    dpkg -x "$work/packages/$package"_*.deb "$folder" || return 1
    mapfile -t libraries < <(apt-cache depends "$package" | sed -n 's/^ *Depends: \(lib[^<]*\)$/\1/p')
    if packages_can_install; then
        packages_apt_get -q -y --no-install-recommends install "${libraries[@]}"
    fi
}
