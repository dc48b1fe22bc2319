# Installs programs that a fresh machine lacks.  Sourced by scripts.  shellcheck shell=bash
#
# A need is one line: "PROGRAM PACKAGE[,PACKAGE]... PURPOSE".  The packages are Debian's; PROGRAM may be
# the path of a file.
#
# PACKAGE:FILE is a single file of a package whose installation would start a service.  The file is
# unpacked into build/unpacked, the last folder of PATH.

# shellcheck disable=SC2154 # the sourcing script sets root to its checkout
readonly PACKAGES_UNPACKED=$root/build/unpacked
PATH=$PATH:$PACKAGES_UNPACKED

# Succeeds if program or file $1 exists and is the required variant.
packages_has() {
    local -a compiler
    case $1 in
    cc) # must find libc's headers, a package of its own in Debian
        read -r -a compiler <<<"${CC:-cc}"
        echo '#include <stdio.h>' | "${compiler[@]}" -E -x c -
        ;;
    nc) # must be able to half-close
        [[ $(nc -h 2>&1) == *-N* ]]
        ;;
    /*) [[ -e $1 ]] ;;
    *) command -v "$1" ;;
    esac >/dev/null 2>&1
}

# Prints those of the given needs that are not met.
packages_missing() {
    local need
    for need; do
        packages_has "${need%% *}" || echo "$need"
    done
}

packages_can_install() {
    ((EUID == 0)) && command -v apt-get >/dev/null
}

# Runs apt-get and shows its output only if it fails.
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
    packages_apt_get -q update || true # older lists may suffice
    if ((${#whole[@]} > 0)); then packages_apt_get -q -y --no-install-recommends install "${whole[@]}"; fi
    for package in ${files[@]+"${files[@]}"}; do packages_unpack "${package%%:*}" "${package#*:}"; done
}

# Copies file $2 of package $1 into build/unpacked.
packages_unpack() {
    local folder
    folder=$(mktemp -d)
    mkdir -p "$PACKAGES_UNPACKED"
    (
        cd "$folder" && packages_apt_get -q download "$1" &&
            dpkg-deb --extract ./*.deb content && install -m 755 "content$2" "$PACKAGES_UNPACKED"
    ) || true # the caller looks for the program
    rm -rf "$folder"
}

# Meets the given needs if possible, or shows the unmet ones and returns 1.
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
        packages_install "${wanted[@]}" || true # the next line looks for the programs
        mapfile -t missing < <(packages_missing "$@")
        if ((${#missing[@]} == 0)); then return; fi
    fi
    echo "Missing programs (in brackets their packages on Debian):" >&2
    for need in "${missing[@]}"; do
        read -r program packages purpose <<<"$need"
        packages=${packages%%:*}
        printf '  %-14s %s (%s)\n' "$program" "$purpose" "${packages//,/, }" >&2
    done
    return 1
}
