#!/usr/bin/env bats
# Runs every command of README, the recipes and the manuals as a reader would.
# shellcheck disable=SC2016 # $ is an inner shell's

load ../shared/helpers
load ../shared/control
load systemd
load documents

setup_file() { boot_systemd; }
teardown_file() { end_systemd; }

README=$ROOT/README.md
RECIPES=$ROOT/scripts/install/recipes.md

# ---- what a document takes for granted ----
# At the end of a test, each function forget_NAME is called for which the test has set GIVEN.

forget_given() {
    local name
    for name in ${GIVEN[@]+"${GIVEN[@]}"}; do "forget_$name" || return 1; done
    GIVEN=()
}

# Runs words as a daemon in the foreground, which ends as served blocks do.
served() {
    echo "$*" >given.sh
    serve_block given
}

# Daemons with a control socket.
rsync_control() { control_at /run/rsync.control; }
rsync_instance() { control_at /run/socket-burst-dampener/rsync/control; }
control_at() {
    if there test -S "$1"; then return; fi
    served "mkdir -p ${1%/*}
        socket-burst-dampener --control $1 --processes 8 --abandon half-close 873 -- rsync --daemon"
}

# The instance "rsync" of the installed unit, with these options and this command.
an_instance() { instance_of "--processes 8 --abandon half-close" "rsync --daemon"; }
instance_of() {
    GIVEN+=(instance)
    there bash -euc 'printf "%s\n" DAMPENER_PORT=873 "DAMPENER_OPTIONS=$1" "DAMPENER_COMMAND=$2" \
        >/etc/default/socket-burst-dampener-rsync
        systemctl daemon-reload
        systemctl start socket-burst-dampener@rsync' bash "$@"
}

forget_instance() {
    there systemctl disable --now --quiet socket-burst-dampener@rsync
    there rm -f /etc/default/socket-burst-dampener-rsync
}

# The same instance, after recipe (e).
TAKEOVER=/etc/systemd/system/socket-burst-dampener@rsync.service.d/takeover.conf
reload_takes_over() {
    mkdir -p recipe_e
    (cd recipe_e && file_in_recipe e "$TAKEOVER") >takeover.conf
    has_content takeover.conf
    there mkdir -p "${TAKEOVER%/*}"
    GIVEN+=(takeover)
    there tee "$TAKEOVER" <takeover.conf >/dev/null
    an_instance
}

forget_takeover() {
    there rm "$TAKEOVER"
    there rmdir --ignore-fail-on-non-empty "${TAKEOVER%/*}"
    there systemctl daemon-reload
}

# Three clients, which stay, and room for one.
clients_wait() {
    needs jq
    instance_of "--processes 1" cat
    a_client_stays
    a_client_stays
    a_client_stays
    await status_there 2 .queued
}

a_client_stays() {
    GIVEN=(clients "${GIVEN[@]}")
    (
        close_descriptors
        there setsid bash -c 'echo $$ >>/run/clients; sleep 600 | nc 127.0.0.1 873 >/dev/null'
    ) &
}

# A handler that runs, and a note of the process that serves.
a_handler_runs() {
    a_client_stays
    await status_there 1 .running
    SERVING=$(there dampenerctl --json status | jq .process)
    HANDLER=$(there pgrep -f '^rsync --daemon')
}

# Fails unless the handler has survived, and another process serves; then the handler ends.
another_process_serves() {
    await there bash -c '[[ $(dampenerctl --json status | jq .process) != "$1" ]]' bash "$SERVING"
    [[ $(there pgrep -f '^rsync --daemon') == "$HANDLER" ]]
    forget_clients
}

status_there() { [[ $(there dampenerctl --json status | jq "$2") == "$1" ]]; }

forget_clients() {
    there bash -c 'if [[ -e /run/clients ]]; then
        for client in $(cat /run/clients); do kill -- -$client; done
        rm /run/clients
    fi'
}

a_client_of_the_network() {
    there ip address add 192.0.2.7/32 dev lo
    await is_denied
    there ip address del 192.0.2.7/32 dev lo
}

# The daemon reads the rules soon after the signal; before that, the client is served.
is_denied() {
    there nc -w 5 -s 192.0.2.7 127.0.0.1 873 </dev/null >/dev/null || true
    status_there 1 .ended.denied
}

an_s6_scan() {
    forget_given
    needs s6-svscan
    GIVEN+=(s6)
    (
        close_descriptors
        there bash -c 'mkdir -p /run/service; exec s6-svscan /run/service' >>"$LOG" 2>&1
    ) &
    SCAN=$!
    await there test -p /run/service/.s6-svscan/control
}

forget_s6() {
    there s6-svscanctl -t /run/service
    wait "$SCAN" || true
    there rm -r /run/service
}

container_engine() {
    needs musl-gcc jq
    GIVEN+=(engine)
    there cp tests/whole/engine.bash /usr/local/sbin/docker
}

forget_engine() { there rm -r /usr/local/sbin/docker /run/engine; }

# ---- README ----

@test "README has at most 250 lines" { (($(wc -l <"$README") <= 250)); }

@test "README: try it in 30 seconds" { read_section "$README" "Try it in 30 seconds"; }
@test "README: install" { read_section "$README" "Install"; }
@test "README: recipes" { needs git /etc/services && read_section "$README" "Recipes"; }
@test "README: operate it" { read_section "$README" "Operate it"; }
@test "README: run it under systemd, in a container" {
    GIVEN=(instance) # it stays, for the reader
    read_section "$README" "Run it under systemd, in a container"
    forget_given
}
@test "README: upgrade without loss" { read_section "$README" "Upgrade without loss"; }

# ---- recipes ----

@test "recipe (a): a public mirror" { follow_recipe a; }
@test "recipe (b): let systemd hold the socket" { follow_recipe b; }
@test "recipe (c): find out why nobody is started" { follow_recipe c; }
@test "recipe (d): raise a limit now and for good" { needs jq && follow_recipe d; }
@test "recipe (e): upgrade the daemon" { needs jq && follow_recipe e; }
@test "recipe (f): be alerted to waits and refusals" { needs promtool curl && follow_recipe f; }
@test "recipe (g): run it unprivileged in a container" { follow_recipe g; }
@test "recipe (h): block one network" { needs jq && follow_recipe h; }
@test "recipe (i): log lines with the time" { follow_recipe i; }
@test "recipe (j): collect the log" { needs jq logrotate && follow_recipe j; }
@test "recipe (k): start an interpreter once" { needs python3 curl && follow_recipe k; }

@test "recipe (e): if the new daemon cannot start, the reload fails, and the old daemon serves on" {
    needs jq
    begin_reading
    reload_takes_over
    a_handler_runs
    there sed -i 's/--processes 8/--processes none-at-all/' /etc/default/socket-burst-dampener-rsync
    refute there systemctl reload socket-burst-dampener@rsync
    there journalctl --unit socket-burst-dampener@rsync --quiet | grep -q 'none-at-all'
    [[ $(there dampenerctl health) == serving ]]
    status_there "$SERVING" .process
    status_there 1 .running
}

# ---- manuals ----

@test "the examples of socket-burst-dampener(8) run" {
    needs git /etc/services
    read_examples "$ROOT/supervisor/manual/socket-burst-dampener.8"
}
@test "the examples of dampenerctl(1) run" {
    needs jq
    read_examples "$ROOT/supervisor/dampenerctl/dampenerctl.1"
}

# ---- all of them ----

# Prints "FILE: HEADING" for each section with a block, and each manual with an example.
sections_with_blocks() {
    awk '
        !fence && /^## / { heading = substr($0, 4) }
        /^```/ { if (!fence && $0 == "```sh") print FILENAME ": " heading; fence = fence ? "" : $0 }' \
        "$README" "$RECIPES" | sort -u
    grep -lx '\.Sh EXAMPLES' "$ROOT"/supervisor/manual/*.[1-8] "$ROOT"/supervisor/*/*.1
}

@test "every section and every manual that has commands is run" {
    local section
    sections_with_blocks >sections
    (($(wc -l <sections) >= 18))
    while read -r section; do
        case $section in
        "$RECIPES: ("*)
            section=${section#*: (}
            grep -q "follow_recipe ${section%%)*}; }" "$BATS_TEST_FILENAME"
            ;;
        "$README: "*) grep -qF "read_section \"\$README\" \"${section#*: }\"" "$BATS_TEST_FILENAME" ;;
        *) grep -qF "read_examples \"\$ROOT${section#"$ROOT"}\"" "$BATS_TEST_FILENAME" ;;
        esac || { echo "not run: $section" >&2; return 1; }
    done <sections
}

# Prints the links of file $1 to other places of the project: PATH or PATH#HEADING.
links_of() { grep -oE '\]\([^) ]+\)' "$1" | sed 's/^](//; s/)$//' | grep -v '^https:'; }

# Prints the headings of a file as links name them.
anchors_of() {
    awk '/^```/ { fence = !fence } !fence && /^#+ /' "$1" |
        sed -E 's/^#+ //; s/.*/\L&/; s/[^a-z0-9 _-]//g; s/ /-/g'
}

@test "each link of the documents leads to a file and a heading" {
    local file link target
    for file in "$README" "$RECIPES" "$ROOT"/{tests,scripts/bench.d,scripts/lint.d}/README.md; do
        links_of "$file" >links
        while read -r link; do
            target=$(dirname "$file")/${link%%#*}
            if [[ $link == "#"* ]]; then target=$file; fi
            [[ -e $target ]] || { echo "$file: $link" >&2; return 1; }
            if [[ $link == *"#"* ]]; then
                anchors_of "$target" | grep -qxF "${link#*#}" || { echo "$file: $link" >&2; return 1; }
            fi
        done <links
    done
}

@test "recipe (c) has every reason why nobody is started, in the words of the daemon" {
    start --address 127.0.0.1 --control control 0 cat
    "$BUILD/dampenerctl" control metrics |
        sed -nE 's/^dampener_held_back_words\{by="([^"]*)",words="([^"]*)"\} 1$/| `\1` | \2 |/p' | sort >reasons
    (($(wc -l <reasons) >= 13))
    grep -oE '^\| `[a-z-]+` \| [^|`]* \|' "$RECIPES" | sort >shown
    diff reasons shown
}

# Prints file $2 as recipe $1 writes it.
file_in_recipe() {
    extract_section "$RECIPES" "$(sed -n "s/^## \(($1) .*\)/\1/p" "$RECIPES")"
    cat blocks/*.sh | awk -v begin="cat >$2 <<'END'" '
        $0 == "END" { inside = 0 }
        inside { print }
        $0 == begin { inside = 1 }'
}

@test "the alerts of recipe (f) are raised when clients wait and are refused, and not otherwise" {
    needs promtool
    file_in_recipe f /etc/prometheus/dampener-rules.yml >rules.yml
    has_content rules.yml
    cat >test.yml <<'END'
rule_files: [rules.yml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {series: 'dampener_oldest_wait_seconds{job="dampener"}', values: '0x9 90x10'}
      - {series: 'dampener_connections_refused_total{job="dampener",reason="timeout"}', values: '0x9 60+60x10'}
      - {series: 'dampener_connections_ended_total{job="dampener",how="denied"}', values: '0+60x19'}
      - {series: 'dampener_start_failures_total{job="dampener"}', values: '0x19'}
      - {series: 'dampener_state{job="dampener",state="serving"}', values: '1x19'}
      - {series: 'up{job="dampener"}', values: '1x19'}
    alert_rule_test:
      - {eval_time: 9m, alertname: DampenerWaitsLong}
      - {eval_time: 9m, alertname: DampenerRefuses}
      - eval_time: 15m
        alertname: DampenerWaitsLong
        exp_alerts: [{exp_labels: {job: dampener}, exp_annotations: {summary: 'a client has waited for 1m 30s'}}]
      - eval_time: 15m
        alertname: DampenerRefuses
        exp_alerts: [{exp_labels: {job: dampener}, exp_annotations: {summary: 'clients are refused: 1 a second'}}]
      - {eval_time: 15m, alertname: DampenerCannotStart}
      - {eval_time: 15m, alertname: DampenerNotServing}
END
    promtool test rules test.yml
}
