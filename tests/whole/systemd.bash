# Boots a systemd for a file of tests, and runs instances of the installed unit.  Requires
# helpers.bash.
# shellcheck shell=bash
#
# This systemd is process 1 of new namespaces.  Its root is an overlay over the machine's root, and
# ends with it.  Its control groups are in the hierarchy of version 2, which the kernel offers even
# where the machine uses version 1.

SYSTEMD=/lib/systemd/systemd
BOOT=$BATS_FILE_TMPDIR/boot
INSTALLED=/opt/dampener # the folder of the programs under test in the new root

# Prints why no systemd can be booted; nothing if one can, or is.
no_systemd() {
    if ((EUID != 0)); then
        echo "only root can boot a systemd"
    elif [[ ! -x $SYSTEMD ]]; then
        echo "systemd is not installed"
    elif is_sanitized; then
        echo "sanitizers and valgrind fail in the sandbox of the unit"
    elif [[ -s $BOOT/forbidden ]]; then
        cat "$BOOT/forbidden"
    fi
}

# Notes what the machine forbids, and the first line of the error.
forbids() { echo "this machine forbids $1: ${2%%$'\n'*}" >"$BOOT/forbidden"; }

# ---- boot: these functions run as process 1, in the folder $BOOT ----

# Performs one step of the boot.  If the machine forbids it, notes that, and exits.
step() {
    local output
    if output=$("$@" 2>&1); then return; fi
    forbids "'$*'" "$output"
    exit 1
}

become_member() { echo $$ >"$1/cgroup.procs"; }

# Enters a new control group below the present one.  Its name is in the file "group", which gets its
# path.
enter_group() {
    local group
    step mount -t tmpfs tmpfs layer
    mkdir layer/groups layer/upper layer/work
    step mount -t cgroup2 cgroup2 layer/groups
    group=$(sed -n 's/^0:://p' /proc/self/cgroup)/$(cat group)
    step mkdir "layer/groups$group"
    echo "$group" >group
    step become_member "layer/groups$group"
}

# Fills the new /dev with what the sandbox of the unit needs.
fill_devices() {
    local name
    step mount -t tmpfs -o mode=755 tmpfs root/dev
    for name in null zero full random urandom tty; do
        : >"root/dev/$name"
        step mount --bind "/dev/$name" "root/dev/$name"
    done
    mkdir root/dev/shm root/dev/pts
    ln -s pts/ptmx root/dev/ptmx
}

# Leaves no unit but the journal, because some would change the machine's kernel.
reduce_units() {
    rm -rf root/etc/systemd root/lib/systemd/system/*.wants root/lib/systemd/system-generators
    mkdir -p root/etc/systemd/system/multi-user.target.d
    ln -s /lib/systemd/system/multi-user.target root/etc/systemd/system/default.target
    printf '[Unit]\nWants=systemd-journald.socket systemd-journald.service\n' \
        >root/etc/systemd/system/multi-user.target.d/journal.conf
    printf '[Journal]\nStorage=volatile\nRateLimitBurst=0\n' >root/etc/systemd/journald.conf
    : >root/etc/fstab
    printf '%032d\n' 1 >root/etc/machine-id
}

# Makes the new root, and becomes systemd there.
become_systemd() {
    local place
    step mount -t overlay overlay -o lowerdir=/,upperdir=layer/upper,workdir=layer/work root
    for place in run tmp; do step mount -t tmpfs tmpfs "root/$place"; done
    step mount -t proc proc root/proc
    # systemd raises limits of the kernel, which all namespaces share.
    step mount --bind root/proc/sys root/proc/sys
    step mount -o remount,bind,ro root/proc/sys
    step mount -t sysfs -o ro sysfs root/sys
    step mount -t cgroup2 cgroup2 root/sys/fs/cgroup
    fill_devices
    reduce_units
    cp -a image/. root
    mkdir root/run/machine
    cd root || exit 1
    step pivot_root . run/machine
    umount -l run/machine
    exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin container=test \
        "$SYSTEMD" --system --log-target=journal --show-status=no
}

boot() {
    enter_group
    # The new control group is the root of the hierarchy that systemd sees.
    exec unshare --cgroup bash -c become_systemd
}

# ---- begin and end ----

# Makes the folder of the boot, and in it what the new root has and the machine has not.
prepare_boot() {
    mkdir -p "$BOOT"/{root,layer,image/srv,image/etc/default} "$BOOT/image$INSTALLED"
    make -C "$ROOT" --no-print-directory -s install-services PREFIX=/usr DESTDIR="$BOOT/image" \
        SBINDIR="$INSTALLED"
    cp "$BUILD"/{socket-burst-dampener,dispatcher,dampenerctl} "$ANSWER" "$BOOT/image$INSTALLED"
    echo "dampener-test-$BASHPID" >"$BOOT/group"
}

# Boots systemd, unless the machine forbids it.  The file "init" gets the number of its process.
boot_systemd() {
    local -a namespaces=(--mount --mount-proc --pid --fork --kill-child --uts --ipc --net)
    local output
    if [[ -n $(no_systemd) ]]; then return; fi
    prepare_boot
    cd "$BOOT" || return 1
    if ! output=$(unshare "${namespaces[@]}" --cgroup true 2>&1); then
        forbids namespaces "$output"
        return
    fi
    export -f boot step forbids become_member enter_group become_systemd fill_devices reduce_units
    export SYSTEMD BOOT
    (
        close_descriptors
        exec unshare "${namespaces[@]}" bash -c boot </dev/null >output 2>&1
    ) &
    echo $! >unshare
    await boot_is_over || return 1
    is_booted || [[ -s forbidden ]] || { cat output >&2; return 1; }
}

boot_is_over() { has_exited "$(cat unshare)" || is_booted; }

is_booted() {
    INIT=$(children_named "$(cat unshare)" systemd)
    [[ -n $INIT ]] || return 1
    echo "$INIT" >init
    [[ $(inside timeout 5 systemctl is-system-running 2>&1) == @(running|degraded) ]]
}

# Kills systemd, and all its processes with it.  Fails if something is left.
end_systemd() {
    [[ -e $BOOT/unshare ]] || return 0
    cd "$BOOT" || return 1
    children "$(cat unshare)" | xargs -r kill -KILL
    # unshare exits once process 1 and all others of the namespace have ended.
    await has_exited "$(cat unshare)" || return 1
    await remove_groups || return 1
    refute grep "$BOOT" /proc/mounts
}

has_exited() { is_gone "$1" || grep -q '^State:.Z' "/proc/$1/status"; }

# Removes the control groups, which outlive their processes.
remove_groups() {
    local group
    group=$(cat group)
    if [[ $group != /* ]]; then return; fi # the boot did not come that far
    # shellcheck disable=SC2016 # the inner shell expands them
    unshare --mount bash -c '
        mount -t cgroup2 cgroup2 layer || exit 1
        [[ ! -d layer$1 ]] || find "layer$1" -depth -type d -exec rmdir {} +' bash "$group"
}

# ---- inside ----

# Run a command in the namespaces of systemd; or in its network, but with the machine's files.
inside() { nsenter "--target=$INIT" --mount --pid --net --ipc --uts --cgroup -- "$@"; }
in_network() { nsenter "--target=$INIT" --net -- "$@"; }

# Makes and enables instance NAME of the unit: NAME OPTION...  Skips the test if systemd was not
# booted.  DELAY may hold the milliseconds that a handler takes, and SETTING a line for the section
# [Service].
make_unit() {
    [[ -z $(no_systemd) ]] || skip "$(no_systemd)"
    INIT=$(cat "$BOOT/init")
    INSIDE=/proc/$INIT/root
    UNIT=socket-burst-dampener@$1.service
    ADDRESS=127.0.0.1
    PORT=7000
    ANSWERS=$INSIDE/srv/answers
    COUNTER=$INSIDE/srv/counter
    rm -f "$ANSWERS" "$COUNTER"
    : >"$ANSWERS"
    ln -s "$INSIDE/run/socket-burst-dampener/$1/control" control
    cat >"$INSIDE/etc/default/socket-burst-dampener-$1" <<CONFIGURATION
DAMPENER_PORT=$PORT
DAMPENER_OPTIONS=--address $ADDRESS ${*:2}
DAMPENER_COMMAND=$INSTALLED/answer /srv/answers /srv/counter ${DELAY:-0}
CONFIGURATION
    add_drop_in "$UNIT" "[Service]" "ReadWritePaths=/srv" "${SETTING:-}"
    # systemd forgets how a unit ended that no other unit wants.
    inside systemctl enable -q "$UNIT"
}

# Adds lines to a unit: UNIT LINE...
add_drop_in() {
    local folder=$INSIDE/etc/systemd/system/$1.d
    mkdir -p "$folder"
    printf '%s\n' "${@:2}" >"$folder/test.conf"
    inside systemctl daemon-reload
}

start_unit() {
    make_unit "$@"
    inside systemctl start "$UNIT"
    find_daemon
}

# Sets DAEMON, the number of the unit's main process on the machine.
find_daemon() {
    local process main
    main=$(property MainPID)
    DAEMON=
    for process in $(children "$INIT"); do
        if [[ $(awk '/^NSpid:/ { print $NF }' "/proc/$process/status") == "$main" ]]; then
            DAEMON=$process
        fi
    done
    [[ -n $DAEMON ]]
}

property() { inside systemctl show --value -p "$1" "$UNIT"; }
property_is() { [[ $(property "$1") == "$2" ]]; }

# Fails unless the unit has all these properties: NAME=VALUE...
is_unit() {
    local all pair
    all=$(inside systemctl show "$UNIT")
    for pair; do
        grep -qxF -- "$pair" <<<"$all" || {
            echo "not $pair, but $(grep "^${pair%%=*}=" <<<"$all")" >&2
            return 1
        }
    done
}

# Prints what the journal has about the unit: from the daemon, and from systemd.
journal() { inside journalctl --no-pager -q -o cat -u "$UNIT" "$@"; }
journal_says() { journal | grep -q -- "$1"; }

# helpers.bash calls this at the end of each test.
end_others() {
    if [[ -z ${UNIT:-} ]]; then return; fi
    # shellcheck disable=SC2046 # numbers
    if [[ -n ${HOLDER:-} ]]; then kill "$HOLDER" $(children "$HOLDER"); fi
    DAEMON=
    inside systemctl stop 'socket-burst-dampener@*'
    inside systemctl reset-failed
    journal >"$LOG"
    # The journal shows a priority in the place of "[BUG]".
    [[ -z $(journal -p crit) ]]
}
