#!/usr/bin/env bats
# Tests addresses, address families, and the messages about addresses that the daemon cannot listen on.

load ../shared/helpers
load ../shared/control

CROWD= # a process that plays many clients

end_others() {
    if [[ -z $CROWD ]]; then return; fi
    kill "$CROWD" 2>/dev/null || true # fails if the clients have ended already
    wait "$CROWD" || true
}

answers() { [[ $(echo hello | timeout 20 nc -N "$1" "$2") == hello ]]; }
# The daemon writes its lines one by one.
names_listeners() { has_lines "$1" "$READY"; }

does_not_answer() { refute timeout 20 nc -z "$1" "$2" 2>/dev/null; }

@test "without --address one socket serves both families" {
    start -v 0 cat
    answers 127.0.0.1 "$PORT"
    answers ::1 "$PORT"
    grep -q "listening on :: port $PORT\$" "$LOG"
    [[ $(wc -l <"$READY") == 1 ]]
}

@test "one socket serves both families even if net.ipv6.bindv6only is set" {
    [[ $(id -u) == 0 ]] || skip "a network namespace needs root"
    # shellcheck disable=SC2016
    WRAPPER=(unshare --net sh -c 'ip link set lo up; echo 1 >/proc/sys/net/ipv6/bindv6only; exec "$@"' sh)
    start 0 cat
    nsenter --target "$DAEMON" --net nc -z 127.0.0.1 "$PORT"
    nsenter --target "$DAEMON" --net nc -z ::1 "$PORT"
}

@test "--ipv4 alone listens on IPv4 only" {
    start --ipv4 0 cat
    [[ $ADDRESS == 0.0.0.0 ]]
    answers 127.0.0.1 "$PORT"
    does_not_answer ::1 "$PORT"
}

@test "--ipv6 alone listens on IPv6 only and leaves IPv4 to other services" {
    start --ipv6 0 cat
    [[ $ADDRESS == :: ]]
    answers ::1 "$PORT"
    does_not_answer 127.0.0.1 "$PORT"
}

@test "--ipv4 and --ipv6 together serve both families" {
    start --ipv4 --ipv6 0 cat
    answers 127.0.0.1 "$PORT"
    answers ::1 "$PORT"
}

@test "the daemon serves all given addresses of both families" {
    start --address 127.0.0.1 --address ::1 --address 127.0.0.2 0 cat
    await names_listeners 3
    local address port
    while read -r address port; do answers "$address" "$port"; done <"$READY"
    does_not_answer 127.0.0.3 "$PORT"
}

@test "the daemon listens once on a host name that the hosts file repeats" {
    [[ $(id -u) == 0 ]] || skip "a mount namespace needs root"
    printf '127.0.0.1 localhost\n::1 localhost ip6-localhost\n' >hosts
    # shellcheck disable=SC2016
    WRAPPER=(unshare --mount sh -c 'mount --bind hosts /etc/hosts && exec "$@"' sh)
    start --ipv4 --address localhost 0 cat
    [[ $(wc -l <"$READY") == 1 ]]
}

@test "the daemon can listen on both wildcard addresses" {
    start --address :: --address 0.0.0.0 0 cat
    local address port
    await names_listeners 2
    while read -r address port; do
        if [[ $address == :: ]]; then answers ::1 "$port"; else answers 127.0.0.1 "$port"; fi
    done <"$READY"
}

@test "--ipv4 limits a host name to its IPv4 addresses" {
    start --ipv4 --address localhost 0 cat
    [[ $(cat "$READY") == "127.0.0.1 $PORT" ]]
    answers 127.0.0.1 "$PORT"
}

@test "the daemon retries a port in use for 2 s, then shows its address, status 1" {
    start --address 127.0.0.1 0 cat
    run "$DAMPENER" --address 127.0.0.1 "$PORT" cat
    [[ $status == 1 ]]
    [[ ${lines[0]} == "[WARNING] 127.0.0.1 port $PORT is in use: trying again for up to 2 s" ]]
    [[ ${lines[1]} == "[ERROR] cannot listen on 127.0.0.1 port $PORT: Address already in use" ]]
    ((${#lines[@]} == 2))
    answers 127.0.0.1 "$PORT"
}

@test "the daemon takes a port in use once the port is free" {
    start --address 127.0.0.1 0 echo first
    local port=$PORT
    start_after "127.0.0.1 port $port" --address 127.0.0.1 "$port" cat
    [[ $PORT == "$port" ]]
    answers 127.0.0.1 "$port"
}

@test "the daemon takes a metrics port in use once the port is free" {
    start_controlled 0 cat
    start_after "127.0.0.1:$METRICS (--metrics)" --address 127.0.0.1 --metrics "127.0.0.1:$METRICS" 0 cat
    answers 127.0.0.1 "$PORT"
}

@test "the daemon shows an address that this machine lacks, and serves no other address, status 1" {
    run "$DAMPENER" --address 127.0.0.1 --address 192.0.2.1 0 cat
    [[ $status == 1 ]]
    [[ $output == "[ERROR] cannot listen on 192.0.2.1 port 0: "* ]]
}

# Makes WRAPPER start the daemon without IPv6 addresses, where the name "both" has an address of each
# family, and "none" only addresses that this machine lacks.
lack_ipv6() {
    [[ $(id -u) == 0 ]] || skip "a namespace needs root"
    printf '::1 both\n127.0.0.1 both\n::1 none\n192.0.2.1 none\n' >hosts
    # shellcheck disable=SC2016
    WRAPPER=(unshare --net --mount sh -ec 'ip link set lo up; mount --bind hosts /etc/hosts
        echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6; exec "$@"' sh)
}

@test "an address of a host name that this machine lacks is a warning, because another can be had" {
    lack_ipv6
    start --address both 0 echo hello
    [[ $(cut -d ' ' -f 1 "$READY") == 127.0.0.1 ]]
    [[ $(nsenter --target "$DAEMON" --net nc 127.0.0.1 "$PORT" </dev/null) == hello ]]
    has_lines 1 "$LOG"
    has_line '^\[WARNING\] cannot listen on ::1 port 0, an address of both: Cannot assign' "$LOG"
}

@test "if no address of a host name can be had, the error names each, status 1" {
    lack_ipv6
    run "${WRAPPER[@]}" "$DAMPENER" --address both --address none 0 cat
    [[ $status == 1 ]]
    [[ ${lines[0]} == "[WARNING] cannot listen on ::1 port 0, an address of both: "* ]]
    [[ $output == *"[ERROR] cannot listen on ::1 port 0, an address of none: Cannot assign"* ]]
    [[ $output == *"[ERROR] cannot listen on 192.0.2.1 port 0, an address of none: Cannot assign"* ]]
    ((${#lines[@]} == 3))
}

@test "a literal address that this machine lacks is an error, even beside a host name that can be had" {
    lack_ipv6
    run "${WRAPPER[@]}" "$DAMPENER" --address both --address ::1 0 cat
    [[ $status == 1 ]]
    [[ ${lines[1]} == "[ERROR] cannot listen on ::1 port 0: Cannot assign requested address" ]]
    run "${WRAPPER[@]}" "$DAMPENER" --ipv6 --address both 0 cat
    [[ $status == 1 ]]
    [[ $output == "[ERROR] cannot listen on ::1 port 0: Cannot assign requested address" ]]
}

@test "metrics are on the first address of a host name that can be had; if there is none, the error names each" {
    lack_ipv6
    start -v --address 127.0.0.1 --metrics both:0 0 cat
    has_line '^\[INFO\] metrics on 127.0.0.1 port ' "$LOG"
    stop
    run "${WRAPPER[@]}" "$DAMPENER" --address 127.0.0.1 --metrics none:9100 0 cat
    [[ $status == 1 ]]
    [[ $output == *"[ERROR] cannot listen on ::1 port 9100, an address of none:9100 (--metrics): "* ]]
    [[ $output == *"[ERROR] cannot listen on 192.0.2.1 port 9100, an address of none:9100 (--metrics): "* ]]
    ((${#lines[@]} == 2))
}

@test "a metrics port in use is named even if another address of the host name is lacking" {
    lack_ipv6
    printf '127.0.0.1 mixed\n::1 mixed\n' >hosts # found in this order, or in the other
    start_controlled 0 cat
    WRAPPER=(nsenter --target "$DAEMON" --net --mount)
    run "${WRAPPER[@]}" "$DAMPENER" --address 127.0.0.1 --metrics "mixed:$METRICS" 0 cat
    [[ $status == 1 ]]
    [[ ${lines[0]} == "[WARNING] mixed:$METRICS (--metrics) is in use: trying again for up to 2 s" ]]
    [[ $output == *"[ERROR] cannot listen on 127.0.0.1 port $METRICS, an address of "*": Address already in use"* ]]
}

# Starts the daemon on the name "both", with the first socket() for AF_INET6 failing with error $1.
# Earlier calls come from looking up users and names.
start_without_ipv6_socket() {
    local number
    WRAPPER=("${MOUNTED[@]}" strace -qq -o sockets -e trace=socket)
    start --address both 0 cat
    stop_traced
    number=$(grep '^socket(' sockets | grep -n -m 1 'AF_INET6, SOCK_STREAM' | cut -d : -f 1)
    WRAPPER=("${MOUNTED[@]}" strace -qq -o /dev/null -e trace=socket
        -e "inject=socket:error=$1:when=$number")
    start --address both 0 cat
    stop_traced
}

# Kernels without IPv6 have no such family; filters of system calls in containers answer EPERM, too.
@test "an address of a host name whose family the kernel lacks is a warning" {
    command -v strace >/dev/null || skip "strace is not installed"
    lack_ipv6
    local error
    export ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0 # the leak checker cannot run in a traced process
    # shellcheck disable=SC2016
    MOUNTED=(unshare --mount sh -ec 'mount --bind hosts /etc/hosts; exec "$@"' sh)
    for error in EAFNOSUPPORT EPERM; do
        : >"$LOG"
        start_without_ipv6_socket "$error"
        [[ $ADDRESS == 127.0.0.1 ]]
        has_lines 1 "$READY"
        has_line '^\[WARNING\] cannot listen on ::1 port 0, an address of both: ' "$LOG"
    done
}

@test "a port is free as soon as its daemon has ended" {
    start --address 127.0.0.1 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    local port=$PORT
    "$BURST" 127.0.0.1 "$port" 5 # leaves connections in TIME_WAIT
    stop
    start --address 127.0.0.1 "$port" cat
    answers 127.0.0.1 "$port"
}

@test "the backlog is as long as the kernel allows, and accepted sockets have keepalive" {
    start --address 127.0.0.1 0 sleep 100
    exec 9<>"/dev/tcp/127.0.0.1/$PORT"
    await status_is running 1
    ss -Hltn "sport = :$PORT" | awk '{ exit $3 != '"$(cat /proc/sys/net/core/somaxconn)"' }'
    ss -Htno "sport = :$PORT" | grep -q keepalive
    exec 9>&-
    stop INT
}

# Sends SIGTERM to the daemon that a tracer has started, and waits for both.
stop_traced() {
    local number
    number=$(children "$DAEMON")
    kill -TERM "${number%% *}"
    finish
}

@test "the daemon listens on IPv4 if the kernel lacks IPv6" {
    # A failing system call simulates such a kernel: the first socket() for AF_INET6.  Earlier calls of
    # socket() come from looking up users.
    command -v strace >/dev/null || skip "strace is not installed"
    local number
    export ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0 # the leak checker cannot run in a traced process
    WRAPPER=(strace -qq -o sockets -e trace=socket)
    start 0 cat
    stop_traced
    number=$(grep '^socket(' sockets | grep -n -m 1 AF_INET6 | cut -d : -f 1)
    WRAPPER=(strace -qq -o /dev/null -e trace=socket
        -e "inject=socket:error=EAFNOSUPPORT:when=$number")
    start 0 cat
    stop_traced
    [[ $ADDRESS == 0.0.0.0 ]]
}

@test "--ipv6 with the address :: listens on IPv6 only" {
    start --ipv6 --address :: 0 cat
    answers ::1 "$PORT"
    does_not_answer 127.0.0.1 "$PORT"
}

@test "the daemon listens on all addresses of a host name, or on those of the chosen family" {
    [[ $(id -u) == 0 ]] || skip "a mount namespace needs root"
    printf '127.0.0.1 both\n::1 both\n' >hosts
    # shellcheck disable=SC2016
    WRAPPER=(unshare --mount sh -c 'mount --bind hosts /etc/hosts && exec "$@"' sh)
    start --address both 0 cat
    await names_listeners 2
    [[ $(cut -d ' ' -f 1 "$READY" | sort) == $'127.0.0.1\n::1' ]]
    stop
    start --ipv4 --address both 0 cat
    [[ $(cut -d " " -f 1 "$READY" | sort -u) == 127.0.0.1 ]]
    stop
    start --ipv6 --address both 0 cat
    [[ $(cut -d " " -f 1 "$READY" | sort -u) == ::1 ]]
}

@test "the daemon accepts from all listeners in turn when it has room for one client" {
    start --address 127.0.0.1 --address 127.0.0.2 --queue 0 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    local address port
    await names_listeners 2
    { read -r _ _; read -r address port; } <"$READY"
    [[ $address == 127.0.0.2 ]]
    connect_silently # keeps all others in the backlogs
    await status_is running 1
    "$BURST" "$ADDRESS" "$PORT" 200 >crowd &
    local crowd=$!
    await backlog_is "$PORT" 200
    echo single | nc -N "$address" "$port" >single &
    local single=$!
    await backlog_is "$port" 1
    echo >&"$CLIENT"
    wait "$single" "$crowd"
    [[ $(cat single) == single ]]
    # The daemon serves this client second or third.
    head -n 4 "$ANSWERS" | grep ' single$'
    exec {CLIENT}>&-
}

@test "--nodelay sets TCP_NODELAY for clients; by default the option is off" {
    start --address 127.0.0.1 --nodelay 0 "$STATE"
    ask_state
    says "option nodelay 1"
    stop
    start --address 127.0.0.1 0 "$STATE"
    ask_state
    says "option nodelay 0"
}

@test "--defer-accept accepts clients that send data at once, and silent clients after its time" {
    # shellcheck disable=SC2016
    start --address 127.0.0.1 --defer-accept 1.5s 0 \
        bash -c 'read -r line; echo "$DAMPENER_TICKET $line"'
    connect_silently
    [[ $(echo early | timeout 20 nc -N 127.0.0.1 "$PORT") == "1 early" ]]
    await status_is accepted 2
    echo late >&"$CLIENT"
    [[ $(cat <&"$CLIENT") == "2 late" ]]
    exec {CLIENT}>&-
}

@test "--reuse-port lets two services share a port and its clients" {
    local first first_descriptors client
    start --address 127.0.0.1 --reuse-port 0 echo first
    first=$DAEMON first_descriptors=$DESCRIPTORS
    run "$DAMPENER" --address 127.0.0.1 "$PORT" cat
    [[ $status == 1 && $output == *"Address already in use" ]]
    start --address 127.0.0.1 --reuse-port "$PORT" echo second
    # All clients go to the same service by chance once in 10^15 runs.
    for ((client = 0; client < 50; client++)); do nc 127.0.0.1 "$PORT" </dev/null >>both; done
    grep -q first both
    grep -q second both
    stop
    DAEMON=$first DESCRIPTORS=$first_descriptors
    [[ $(nc 127.0.0.1 "$PORT" </dev/null) == first ]]
}

@test "--free-bind listens on addresses of both families that this machine lacks" {
    start --free-bind --address 192.0.2.1 --address 2001:db8::1 --address 127.0.0.1 0 cat
    await names_listeners 3
    [[ $(cut -d " " -f 1 "$READY") == $'192.0.2.1\n2001:db8::1\n127.0.0.1' ]]
    answers 127.0.0.1 "$(tail -n 1 "$READY" | cut -d " " -f 2)"
}

@test "--free-bind serves an address once the machine has it" {
    [[ $(id -u) == 0 ]] || skip "a network namespace needs root"
    # shellcheck disable=SC2016
    WRAPPER=(unshare --net sh -c 'ip link set lo up; exec "$@"' sh)
    start --free-bind --address 192.0.2.1 0 cat
    refute nsenter --target "$DAEMON" --net timeout 1 nc -z 192.0.2.1 "$PORT" 2>/dev/null
    nsenter --target "$DAEMON" --net ip address add 192.0.2.1/32 dev lo
    nsenter --target "$DAEMON" --net timeout 20 nc -z 192.0.2.1 "$PORT"
}

@test "--bind-to-device binds the listener and its handlers to the interface" {
    start --bind-to-device lo 0 "$STATE"
    ask_state
    says "option device lo"
    ss -Hltn "sport = :$PORT" | grep -q '%lo:'
}

@test "--bind-to-device refuses clients of other interfaces" {
    [[ $(id -u) == 0 ]] || skip "a network namespace needs root"
    unshare --net ip tuntap add other mode tun || skip "cannot create another interface"
    # shellcheck disable=SC2016
    WRAPPER=(unshare --net sh -c 'ip link set lo up; ip tuntap add other mode tun; exec "$@"' sh)
    start --bind-to-device other 0 cat
    refute nsenter --target "$DAEMON" --net timeout 20 nc -z 127.0.0.1 "$PORT" 2>/dev/null
    # Without the option the daemon serves the client.
    stop
    start 0 cat
    nsenter --target "$DAEMON" --net timeout 20 nc -z 127.0.0.1 "$PORT"
}

@test "--bind-to-device shows an interface that does not exist, status 1" {
    run "$DAMPENER" --bind-to-device nowhere0 0 cat
    [[ $status == 1 ]]
    [[ $output == "[ERROR] --bind-to-device: 'nowhere0': there is no such network interface" ]]
}

@test "a new daemon starts within two seconds after SIGKILL to a daemon with thousands of waiting clients" {
    local clients=3000
    (($(ulimit -Hn) > clients + 100)) || skip "too few descriptors for the clients"
    start_controlled --pid-file "$PWD/pid" 0 cat
    local port=$PORT metrics=$METRICS
    "$BUILD/tests/tools/bench/load" -c "$clients" "$ADDRESS" "$PORT" "$clients" >/dev/null 2>&1 3>&- 4>&- &
    CROWD=$!
    await_crowd field_is queued $((clients - 1))
    # The kernel takes time to close the descriptors of the killed daemon, and closes listeners last.
    kill -KILL "$DAEMON"
    start -v --address 127.0.0.1 --control control --metrics "127.0.0.1:$metrics" --pid-file "$PWD/pid" "$port" cat
    [[ $PORT == "$port" ]]
    answers "$ADDRESS" "$PORT"
}
