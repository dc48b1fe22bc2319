# Runs the commands of a document as a reader would, in the systemd of systemd.bash.  Requires
# helpers.bash, control.bash and systemd.bash.
# shellcheck shell=bash
# shellcheck disable=SC2016 # $ is an inner shell's
#
# In Markdown, each fenced block "sh" is run, in the order of the text, by a shell that stops at the
# first error.  A comment before a block says how:
#
#     <!-- serve -->     the block starts a daemon in the foreground.  It is run beside the blocks that
#                        follow, and gets Ctrl-C at the end of the section, or before another such
#                        block that does not take over
#     <!-- with NAME --> the function NAME of the test is called first
#
# A fenced block "text" shows what the block before it prints: each of its lines must be among those that
# were printed, numbers and the width of columns aside.
#
# In a manual, each display of the section EXAMPLES is such a block, and the comments are .\" serve and
# .\" with NAME.

# shellcheck disable=SC2154 # systemd.bash sets INSIDE
SOURCES=/usr/local/src/socket-burst-dampener # the checkout, in the root of the systemd
GIVEN=()                                     # what a test has to take back

# ---- the machine of the reader ----

# Makes the folder of the boot, with the programs installed as README says, and services to dampen.
prepare_boot() {
    local image=$BOOT/image part
    mkdir -p "$BOOT"/{root,layer} "$image$SOURCES" "$image"/{etc,srv/mirror,srv/git,root}
    for part in LICENSE Makefile README.md dispatcher scripts supervisor tests; do
        cp -a "$ROOT/$part" "$image$SOURCES"
    done
    mkdir "$image$SOURCES/build"
    cp -RLp "$BUILD"/{objects,flags,socket-burst-dampener,dispatcher,dampenerctl} "$image$SOURCES/build"
    make -C "$image$SOURCES" --no-print-directory -s install SYSCONFDIR=/etc DESTDIR="$image"
    echo hello >"$image/srv/mirror/file"
    printf '[mirror]\npath = /srv/mirror\n' >"$image/etc/rsyncd.conf"
    if command -v git >/dev/null; then git init -q --bare "$image/srv/git/project.git"; fi
    echo "dampener-test-$BASHPID" >"$BOOT/group"
}

# Runs a command there, as the shell of an operator would.
there() {
    inside env -i --default-signal=INT HOME=/root TERM=dumb LANG=C.UTF-8 "DAMPENER_TEST=$DAMPENER_TEST" \
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" \
        bash -c 'cd "$1" && shift && exec "$@"' bash "$SOURCES" "$@"
}

# Begins a test, on a machine where the programs are installed.
begin_reading() {
    [[ -z $(no_systemd) ]] || skip "$(no_systemd)"
    INIT=$(cat "$BOOT/init")
    INSIDE=/proc/$INIT/root
    # It may be unpacked in the folder of the build, which is not there.
    if command -v promtool >/dev/null && [[ ! -x $INSIDE/usr/local/bin/promtool ]]; then
        cp "$(command -v promtool)" "$INSIDE/usr/local/bin"
    fi
    SERVED=0
    SERVERS=()
    there test -x /usr/local/sbin/socket-burst-dampener || there make -s install SYSCONFDIR=/etc
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

# Writes the examples of a manual in the same way.
extract_examples() {
    rm -rf blocks
    mkdir blocks
    awk '
        function file(kind) { return sprintf("blocks/%03d.%s", number, kind) }
        /^\.Sh / { inside = $0 == ".Sh EXAMPLES" }
        !inside { next }
        /^\.\\" (serve|with [a-z_]+)$/ { sub(/^\.\\" /, ""); how = how $0 "\n"; next }
        /^\.Bd -literal/ { display = 1; number++; printf "%s", how >file("how"); how = ""; next }
        /^\.Ed/ { display = 0; next }
        display { gsub(/\\e/, "\\"); gsub(/\\&/, ""); gsub(/\\-/, "-"); print >file("sh") }' "$1"
    [[ -e blocks/001.sh ]] || { echo "$1: nothing to run in EXAMPLES" >&2; return 1; }
}

# Run all blocks of a section, or all examples of a manual: FILE [HEADING]
run_section() {
    extract_section "$@"
    run_blocks "$@"
}

run_examples() {
    extract_examples "$1"
    run_blocks "$@"
}

run_blocks() {
    local block
    PLACE=$*
    for block in blocks/*.sh; do run_block "${block%.sh}"; done
    end_served
}

# Must not be called behind "if" or before "||", where bash overlooks the errors of called functions.
run_block() {
    local how status=0
    while read -r how; do
        case $how in
        "with "*) "${how#with }" ;;
        esac
    done <"$1.how"
    if grep -qx serve "$1.how"; then
        serve_block "$1"
    else
        there timeout 180 bash -euo pipefail -c "$(<"$1.sh")" \
            </dev/null >"$1.output" 2>&1 3>&- 4>&- || status=$?
        ((status == 0)) || complain "$1" "failed with status $status"
    fi
    [[ ! -e $1.text ]] || prints_its_text "$1"
}

# Shows a block and its output, and fails.
complain() {
    {
        echo "--- $PLACE: a block $2:"
        cat "$1.sh"
        echo "--- its output:"
        tail -n 40 "$1.output" | cut -c 1-160
    } >&2
    return 1
}

# Replaces each number by N, and each run of blanks by one.
without_numbers() { sed -E 's/[0-9]+([.,][0-9]+)*/N/g; s/[[:blank:]]+/ /g; s/^ //; s/ $//' "$@"; }

prints_its_text() {
    without_numbers "$1.output" | sort -u >printed
    without_numbers "$1.text" | grep -vx -e '' -e '\.\.\.' | sort -u >shown
    comm -13 printed shown >missing
    [[ ! -s missing ]] || complain "$1" "does not print: $(<missing)"
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
    if [[ $(<"$1.sh") != *--takeover* ]]; then end_served; fi
    listening >before || true
    SERVED=$((SERVED + 1))
    (
        close_descriptors
        there setsid bash -euo pipefail -c "echo \$\$ >/run/served.$SERVED; $(<"$1.sh")" \
            </dev/null >"$1.output" 2>&1
    ) &
    SERVER=$!
    SERVERS+=("$SERVER")
    await_crowd has_another_listener
    is_alive "$SERVER" || complain "$1" "does not serve"
}

# Types Ctrl-C where daemons run, the latest first.
end_served() {
    local number process
    for ((number = SERVED; number >= 1; number--)); do
        there bash -c 'kill -INT -- -"$(cat "$1")" 2>/dev/null; rm "$1"' bash "/run/served.$number" || true
    done
    SERVED=0
    for process in ${SERVERS[@]+"${SERVERS[@]}"}; do
        await is_gone "$process" || return 1
        wait "$process" || true
    done
    SERVERS=()
}

# ---- nothing is left ----

# Prints the files that a reader's commands have written, with their sums.  Such files have the number of
# another device than those of the machine.
list_files() {
    there bash -c '
        find /etc /srv /run/socket-burst-dampener /usr/local /var/log -path "$0" -prune -o \
            -not -type d -printf "%D %p\n" 2>/dev/null |
            sed -n "s/^$(stat -c %d /etc/rsyncd.conf) //p" | grep -v -e ^/var/log/journal -e ld.so.cache |
            xargs -r cksum 2>&1
        ls -d build/static /tmp/metrics /tmp/try.control 2>/dev/null' "$SOURCES" | sort
}

# Skips the test unless these programs or files are there.
needs() {
    local name
    for name; do
        [[ -e $name ]] || command -v "$name" >/dev/null || skip "$name is not installed"
    done
}

# Begins a test, and runs a section: FILE HEADING
read_section() {
    begin_reading
    run_section "$@"
}

read_examples() {
    begin_reading
    run_examples "$1"
}

# Files of other recipes and services, in folders that recipes use.  (a) takes the service away for good.
add_neighbours() {
    NEIGHBOURS=(/etc/socket-burst-dampener/git.busy)
    if [[ $1 != a ]]; then
        NEIGHBOURS+=(/etc/systemd/system/socket-burst-dampener@rsync.service.d/override.conf)
    fi
    there bash -euc 'for file; do mkdir -p "${file%/*}"; : >"$file"; done' bash "${NEIGHBOURS[@]}"
}

remove_neighbours() {
    there bash -euc 'for file; do
        rm -f "$file"
        if [[ -d ${file%/*} ]]; then rmdir "${file%/*}"; fi
    done' bash "${NEIGHBOURS[@]}"
}

# Runs a recipe, and fails unless its undo leaves files and units as they were: LETTER
follow_recipe() {
    local heading
    begin_reading
    heading=$(grep "^## ($1) " "$RECIPES")
    add_neighbours "$1"
    list_files >files
    run_section "$RECIPES" "${heading#\#\# }"
    forget_given
    list_files >left
    remove_neighbours
    diff files left || { echo "--- the undo of $1 leaves other files" >&2; return 1; }
    [[ -z $(there systemctl list-units --plain --no-legend 'socket-burst-dampener@*' 'mirror.*') ]]
    [[ -z $(supervisors) ]]
}

end_others() {
    if [[ -z ${INIT:-} ]]; then return; fi
    end_served || true
    forget_given || true
    there systemctl stop 'socket-burst-dampener@*' 'mirror.*' || return 1
    there systemctl reset-failed
}
