# Runs the commands of a document as a reader would, in the systemd of systemd.bash.  Requires
# helpers.bash, control.bash and systemd.bash.
# shellcheck shell=bash
#
# In Markdown, each fenced block "sh" is run, in the order of the text, by a shell that stops at the
# first error.  A comment before a block says how:
#
#     <!-- serve -->     the block starts a daemon in the foreground: it is run beside the blocks that
#                        follow, and gets Ctrl-C at the end of the section
#     <!-- with NAME --> the function NAME of the test is called first
#
# A fenced block "text" shows what the block before it prints: each of its lines must be among those that
# were printed, numbers and the width of columns aside.
#
# In a manual, each display between ".Bd -literal" and ".Ed" in the section EXAMPLES is such a block, and
# the comment is .\" serve.

# shellcheck disable=SC2154 # systemd.bash sets INSIDE
SOURCES=/usr/local/src/socket-burst-dampener # the checkout, in the root of the systemd

# ---- the machine of the reader ----

# Makes the folder of the boot, with the programs installed as README says, and services to dampen.
prepare_boot() {
    local image=$BOOT/image part
    mkdir -p "$BOOT"/{root,layer} "$image$SOURCES" "$image"/{etc,srv/mirror,srv/git,root}
    for part in LICENSE Makefile README.md dispatcher scripts supervisor tests; do
        cp -a "$ROOT/$part" "$image$SOURCES"
    done
    mkdir "$image$SOURCES/build"
    cp -a "$BUILD"/{objects,flags,socket-burst-dampener,dispatcher,dampenerctl} "$image$SOURCES/build"
    make -C "$image$SOURCES" --no-print-directory -s install SYSCONFDIR=/etc DESTDIR="$image"
    echo hello >"$image/srv/mirror/file"
    printf '[mirror]\npath = /srv/mirror\n' >"$image/etc/rsyncd.conf"
    git init -q --bare "$image/srv/git/project.git"
    echo "dampener-test-$BASHPID" >"$BOOT/group"
}

# Runs a command there, as the shell of an operator would.
there() {
    inside env -i --default-signal=INT HOME=/root TERM=dumb LANG=C.UTF-8 "DAMPENER_TEST=$DAMPENER_TEST" \
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:$TOOLS" \
        bash -c 'cd "$1" && shift && exec "$@"' bash "$SOURCES" "$@"
}

# Begins a test: nothing of another test may run.
begin_reading() {
    [[ -z $(no_systemd) ]] || skip "$(no_systemd)"
    INIT=$(cat "$BOOT/init")
    INSIDE=/proc/$INIT/root
    TOOLS=$(dirname "$(command -v promtool || echo /nowhere/promtool)")
    SERVED=0
    SERVERS=()
}

# ---- the document ----

# Writes the blocks of section "## $2" of file $1 as NUMBER.sh, NUMBER.how and NUMBER.text.
extract_section() {
    rm -rf blocks
    mkdir blocks
    awk -v heading="## $2" '
        function file(kind) { return sprintf("blocks/%03d.%s", number, kind) }
        !fence && /^## / { inside = $0 == heading }
        !inside { next }
        !fence && /^<!-- .* -->$/ { sub(/^<!-- /, ""); sub(/ -->$/, ""); how = how $0 "\n"; next }
        !fence && /^```sh$/ {
            fence = "sh"; number++
            printf "%s", how >file("how"); how = ""
            next
        }
        !fence && /^```text$/ { fence = "text"; next }
        !fence && /^```/ { fence = "other"; next }
        /^```$/ { fence = ""; next }
        fence == "sh" || fence == "text" { print >file(fence) }' "$1"
    [[ -e blocks/001.sh ]] || { echo "$1: nothing to run in section \"$2\"" >&2; return 1; }
}

# Runs the blocks of a section: FILE HEADING
run_section() {
    local block
    extract_section "$@"
    for block in blocks/*.sh; do run_block "${block%.sh}" || { echo "--- $1: $2" >&2; return 1; }; done
    end_served
}

run_block() {
    local how=
    while read -r how; do
        case $how in
        "with "*) "${how#with }" ;;
        esac
    done <"$1.how"
    if grep -qx serve "$1.how"; then
        serve_block "$1"
    else
        there timeout "$((60 * ${PATIENT:-1}))" bash -euo pipefail -c "$(<"$1.sh")" </dev/null >"$1.output" 2>&1 3>&- 4>&- ||
            show_block "$1" "failed with status $?"
    fi
    [[ ! -e $1.text ]] || prints_its_text "$1"
}

show_block() {
    echo "--- a block $2:" >&2
    cat "$1.sh" >&2
    echo "--- its output:" >&2
    cat "$1.output" >&2
    return 1
}

# Replaces each number by N, and each run of blanks by one.
without_numbers() { sed -E 's/[0-9]+([.,][0-9]+)*/N/g; s/[[:blank:]]+/ /g; s/ $//' "$@"; }

prints_its_text() {
    without_numbers "$1.output" | sort -u >printed
    without_numbers "$1.text" | grep -vx -e '' -e '\.\.\.' | sort -u >shown
    comm -13 printed shown >missing
    [[ ! -s missing ]] || { echo "--- not printed:" >&2; cat missing >&2; show_block "$1" "prints something else"; }
}

# ---- daemons in the foreground ----

# Prints the supervisors that run there, and those that listen.
supervisors() { there pgrep -x supervisor || true; }
listening() { there ss -Hltnxp | grep -o '"supervisor",pid=[0-9]*' | grep -o '[0-9]*$' | sort -u; }

has_another_listener() {
    listening >now
    [[ -n $(comm -13 before now) ]] || is_gone "$SERVER"
}

serve_block() {
    listening >before || true
    SERVED=$((SERVED + 1))
    (
        close_descriptors
        there setsid bash -euo pipefail -c "echo \$\$ >/run/served.$SERVED; $(<"$1.sh")" </dev/null >"$1.output" 2>&1
    ) &
    SERVER=$!
    SERVERS+=("$SERVER")
    await_crowd has_another_listener
    is_alive "$SERVER" || show_block "$1" "does not serve"
    if [[ $(<"$1.sh") == *--takeover* ]]; then await are_gone_there; fi
}

are_gone_there() {
    supervisors | sort >now
    [[ -z $(comm -12 before now) ]]
}

# Types Ctrl-C where daemons run, the latest first.
end_served() {
    local number process
    for ((number = SERVED; number >= 1; number--)); do
        there bash -c 'kill -INT -- -"$(cat "$1")" 2>/dev/null; rm "$1"' bash "/run/served.$number" || true
    done
    SERVED=0
    await no_supervisor || return 1
    for process in ${SERVERS[@]+"${SERVERS[@]}"}; do wait "$process" || true; done
    SERVERS=()
}

no_supervisor() { [[ -z $(supervisors) ]]; }

# ---- nothing is left ----

# Prints the files that a reader's commands may change, with their sums.
list_files() {
    there find /etc /srv /usr/local/bin /usr/local/sbin /usr/local/etc /usr/local/libexec /usr/local/lib/systemd \
        /run/socket-burst-dampener /var/log -xdev \( -type f -exec cksum {} + -o -type l -print \) 2>/dev/null |
        grep -v -e /etc/ld.so.cache -e '/etc/.*-$' -e /var/log/journal -e /etc/.pwd.lock | sort
}

helpers_end() {
    if [[ -z ${INIT:-} ]]; then return; fi
    end_served || true
    inside systemctl stop 'socket-burst-dampener@*' 2>/dev/null || true
    inside systemctl reset-failed
}
end_others() { helpers_end; }
