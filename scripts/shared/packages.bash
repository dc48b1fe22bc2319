# Sourced by scripts that put programs to work which a fresh machine lacks.  shellcheck shell=bash
#
# A need is one line, "PROGRAM PACKAGE[,PACKAGE]... PURPOSE", the packages being Debian's.  The path
# of a file may stand for PROGRAM.
#
# PACKAGE:FILE is one file of a package that would start a service if it were installed.  The file is
# unpacked into build/unpacked, which is at the end of PATH.

# shellcheck disable=SC2154 # root is the checkout of the script that sources this
readonly PACKAGES_UNPACKED=$root/build/unpacked
PATH=$PATH:$PACKAGES_UNPACKED

# Whether it is there and is the one that is meant.
packages_has() {
    local -a compiler
    case $1 in
    cc) # One without the headers of libc is of no use, and Debian packs them apart.
        read -r -a compiler <<<"${CC:-cc}"
        echo '#include <stdio.h>' | "${compiler[@]}" -E -x c -
        ;;
    nc) # There are several of this name, and not all can half-close.
        [[ $(nc -h 2>&1) == *-N* ]]
        ;;
    /*) [[ -e $1 ]] ;;
    *) command -v "$1" ;;
    esac >/dev/null 2>&1
}

# Prints the needs, of those given, that are not met.
packages_missing() {
    local need
    for need; do
        packages_has "${need%% *}" || echo "$need"
    done
}

packages_can_install() {
    ((EUID == 0)) && command -v apt-get >/dev/null
}

# Quietly, unless it fails.
packages_apt_get() {
    local output
    if ! output=$(DEBIAN_FRONTEND=noninteractive apt-get "$@" </dev/null 2>&1); then
        echo "$output" >&2
        return 1
    fi
}

packages_install() {
    local package
    local -a whole=() files=()
    for package; do
        if [[ $package == *:* ]]; then files+=("$package"); else whole+=("$package"); fi
    done
    echo "Installing with apt-get: $*"
    packages_apt_get -q update || true # the lists of before may do
    if ((${#whole[@]} > 0)); then packages_apt_get -q -y --no-install-recommends install "${whole[@]}"; fi
    for package in ${files[@]+"${files[@]}"}; do packages_unpack "${package%%:*}" "${package#*:}"; done
}

# Puts file $2 of package $1 into build/unpacked.
packages_unpack() {
    local folder
    folder=$(mktemp -d)
    mkdir -p "$PACKAGES_UNPACKED"
    (
        cd "$folder" && packages_apt_get -q download "$1" &&
            dpkg-deb --extract ./*.deb content && install -m 755 "content$2" "$PACKAGES_UNPACKED"
    ) || true # what counts is what is there now
    rm -rf "$folder"
}

# Meets the needs given, or names those that it cannot meet and returns 1.
packages_provide() {
    local need program packages purpose
    local -a missing some wanted=()

    mapfile -t missing < <(packages_missing "$@")
    if ((${#missing[@]} == 0)); then return; fi
    if packages_can_install; then
        for need in "${missing[@]}"; do
            read -r program packages purpose <<<"$need"
            IFS=, read -r -a some <<<"$packages"
            wanted+=("${some[@]}")
        done
        packages_install "${wanted[@]}" || true # what counts is what is there now
        mapfile -t missing < <(packages_missing "$@")
        if ((${#missing[@]} == 0)); then return; fi
    fi
    echo "These are missing (in brackets the packages that have them on Debian):" >&2
    for need in "${missing[@]}"; do
        read -r program packages purpose <<<"$need"
        packages=${packages%%:*}
        printf '  %-14s %s (%s)\n' "$program" "$purpose" "${packages//,/, }" >&2
    done
    return 1
}
