#!/usr/bin/env bats
# Addresses, families, and what is said when one cannot be listened on.

load ../shared/helpers
load ../shared/control

CROWD= # the process of many clients

end_others() {
    if [[ -z $CROWD ]]; then return; fi
    kill "$CROWD" 2>/dev/null || true # or all of them were cut off
    wait "$CROWD" || true
}

answers() { [[ $(echo hello | timeout 20 nc -N "$1" "$2") == hello ]]; }
# The daemon writes a line for each, one by one.
names_listeners() { has_lines "$1" "$READY"; }

does_not_answer() { refute timeout 20 nc -z "$1" "$2" 2>/dev/null; }

@test "without an address both families are served by one socket" {
    start -v 0 cat
    answers 127.0.0.1 "$PORT"
    answers ::1 "$PORT"
    grep -q "listening on :: port $PORT\$" "$LOG"
    [[ $(wc -l <"$READY") == 1 ]]
}

@test "both families are served also where net.ipv6.bindv6only is set" {
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

@test "--ipv6 alone listens on IPv6 only, so that another service can have IPv4" {
    start --ipv6 0 cat
    [[ $ADDRESS == :: ]]
    answers ::1 "$PORT"
    does_not_answer 127.0.0.1 "$PORT"
}

@test "--ipv4 and --ipv6 together are as neither" {
    start --ipv4 --ipv6 0 cat
    answers 127.0.0.1 "$PORT"
    answers ::1 "$PORT"
}

@test "several addresses of both families are all served" {
    start --address 127.0.0.1 --address ::1 --address 127.0.0.2 0 cat
    await names_listeners 3
    local address port
    while read -r address port; do answers "$address" "$port"; done <"$READY"
    does_not_answer 127.0.0.3 "$PORT"
}

@test "a host name that the hosts file has for both families is listened on once" {
    [[ $(id -u) == 0 ]] || skip "a mount namespace needs root"
    printf '127.0.0.1 localhost\n::1 localhost ip6-localhost\n' >hosts
    # shellcheck disable=SC2016
    WRAPPER=(unshare --mount sh -c 'mount --bind hosts /etc/hosts && exec "$@"' sh)
    start --ipv4 --address localhost 0 cat
    [[ $(wc -l <"$READY") == 1 ]]
}

@test "both wildcards can be given together" {
    start --address :: --address 0.0.0.0 0 cat
    local address port
    await names_listeners 2
    while read -r address port; do
        if [[ $address == :: ]]; then answers ::1 "$port"; else answers 127.0.0.1 "$port"; fi
    done <"$READY"
}

@test "a host name is listened on at all its addresses, or those of the preferred family" {
    start --ipv4 --address localhost 0 cat
    [[ $(cat "$READY") == "127.0.0.1 $PORT" ]]
    answers 127.0.0.1 "$PORT"
}

@test "a port in use is named with its address, status 1" {
    start --address 127.0.0.1 0 cat
    run "$DAMPENER" --address 127.0.0.1 "$PORT" cat
    [[ $status == 1 ]]
    [[ ${lines[0]} == "[WARNING] 127.0.0.1 port $PORT is in use: trying again for up to 2 s" ]]
    [[ ${lines[1]} == "[ERROR] cannot listen on 127.0.0.1 port $PORT: Address already in use" ]]
    ((${#lines[@]} == 2))
    answers 127.0.0.1 "$PORT"
}

@test "a port in use is taken once it is free" {
    start --address 127.0.0.1 0 echo first
    local port=$PORT
    start_after "127.0.0.1 port $port" --address 127.0.0.1 "$port" cat
    [[ $PORT == "$port" ]]
    answers 127.0.0.1 "$port"
}

@test "a metrics port in use is taken once it is free" {
    start_controlled 0 cat
    start_after "127.0.0.1:$METRICS (--metrics)" --address 127.0.0.1 --metrics "127.0.0.1:$METRICS" 0 cat
    answers 127.0.0.1 "$PORT"
}

@test "an address that is not here is named, status 1, and no other one is served" {
    run "$DAMPENER" --address 127.0.0.1 --address 192.0.2.1 0 cat
    [[ $status == 1 ]]
    [[ $output == "[ERROR] cannot listen on 192.0.2.1 port 0: "* ]]
}

@test "the port is free again at once after the end" {
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

# Sends SIGTERM to the daemon, which a tracer has started, and waits for both.
stop_traced() {
    local number
    number=$(children "$DAEMON")
    kill -TERM "${number%% *}"
    finish
}

@test "where the kernel has no IPv6 the default is IPv4" {
    # A failing system call stands in for such a kernel: the first socket of that family, which is
    # not the first of all, as users are looked up before.
    command -v strace >/dev/null || skip "strace is not installed"
    local number
    export ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0 # the leak checker cannot be traced
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

@test "--ipv6 with :: as the address listens on IPv6 only" {
    start --ipv6 --address :: 0 cat
    answers ::1 "$PORT"
    does_not_answer 127.0.0.1 "$PORT"
}

@test "a host name of both families is listened on at both, or at the preferred one" {
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

@test "with little room each listener gets its turn" {
    start --address 127.0.0.1 --address 127.0.0.2 --queue 0 0 "$ANSWER" "$ANSWERS" "$COUNTER"
    local address port
    await names_listeners 2
    { read -r _ _; read -r address port; } <"$READY"
    [[ $address == 127.0.0.2 ]]
    connect_silently # and keeps all others in the backlogs
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
    # It is the second or third that is served of these.
    head -n 4 "$ANSWERS" | grep ' single$'
    exec {CLIENT}>&-
}

@test "--nodelay holds for clients, and without it they are as the kernel has them" {
    start --address 127.0.0.1 --nodelay 0 "$STATE"
    ask_state
    says "option nodelay 1"
    stop
    start --address 127.0.0.1 0 "$STATE"
    ask_state
    says "option nodelay 0"
}

@test "--defer-accept: who is silent is not taken at once, who talks is, and who is late is in the end" {
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

@test "--reuse-port: two services share a port, and both get clients; without it they cannot" {
    local first first_descriptors client
    start --address 127.0.0.1 --reuse-port 0 echo first
    first=$DAEMON first_descriptors=$DESCRIPTORS
    run "$DAMPENER" --address 127.0.0.1 "$PORT" cat
    [[ $status == 1 && $output == *"Address already in use" ]]
    start --address 127.0.0.1 --reuse-port "$PORT" echo second
    # By chance all would go to one of them once in 10^15 times.
    for ((client = 0; client < 50; client++)); do nc 127.0.0.1 "$PORT" </dev/null >>both; done
    grep -q first both
    grep -q second both
    stop
    DAEMON=$first DESCRIPTORS=$first_descriptors
    [[ $(nc 127.0.0.1 "$PORT" </dev/null) == first ]]
}

@test "--free-bind listens on addresses that are not here yet, of both families" {
    start --free-bind --address 192.0.2.1 --address 2001:db8::1 --address 127.0.0.1 0 cat
    await names_listeners 3
    [[ $(cut -d " " -f 1 "$READY") == $'192.0.2.1\n2001:db8::1\n127.0.0.1' ]]
    answers 127.0.0.1 "$(tail -n 1 "$READY" | cut -d " " -f 2)"
}

@test "--free-bind: an address is served once it has come" {
    [[ $(id -u) == 0 ]] || skip "a network namespace needs root"
    # shellcheck disable=SC2016
    WRAPPER=(unshare --net sh -c 'ip link set lo up; exec "$@"' sh)
    start --free-bind --address 192.0.2.1 0 cat
    refute nsenter --target "$DAEMON" --net timeout 1 nc -z 192.0.2.1 "$PORT" 2>/dev/null
    nsenter --target "$DAEMON" --net ip address add 192.0.2.1/32 dev lo
    nsenter --target "$DAEMON" --net timeout 20 nc -z 192.0.2.1 "$PORT"
}

@test "--bind-to-device: only clients that come through it are served, and handlers stay bound" {
    start --bind-to-device lo 0 "$STATE"
    ask_state
    says "option device lo"
    ss -Hltn "sport = :$PORT" | grep -q '%lo:'
}

@test "--bind-to-device: clients through another interface find nobody there" {
    [[ $(id -u) == 0 ]] || skip "a network namespace needs root"
    unshare --net ip tuntap add other mode tun || skip "there is no other interface to be had"
    # shellcheck disable=SC2016
    WRAPPER=(unshare --net sh -c 'ip link set lo up; ip tuntap add other mode tun; exec "$@"' sh)
    start --bind-to-device other 0 cat
    refute nsenter --target "$DAEMON" --net timeout 20 nc -z 127.0.0.1 "$PORT" 2>/dev/null
    # Without the option, it is served.
    stop
    start 0 cat
    nsenter --target "$DAEMON" --net timeout 20 nc -z 127.0.0.1 "$PORT"
}

@test "--bind-to-device: an interface that is not there is named, status 1" {
    run "$DAMPENER" --bind-to-device nowhere0 0 cat
    [[ $status == 1 ]]
    [[ $output == "[ERROR] --bind-to-device: 'nowhere0': there is no such network interface" ]]
}

@test "killed with thousands waiting, its place can be taken within two seconds" {
    local clients=3000
    (($(ulimit -Hn) > clients + 100)) || skip "so many cannot wait here"
    start_controlled --pid-file "$PWD/pid" 0 cat
    local port=$PORT metrics=$METRICS
    "$BUILD/tests/tools/bench/load" -c "$clients" "$ADDRESS" "$PORT" "$clients" >/dev/null 2>&1 3>&- 4>&- &
    CROWD=$!
    await_crowd field_is queued $((clients - 1))
    # The kernel takes its time to close what it had, and its listeners come last.
    kill -KILL "$DAEMON"
    start -v --address 127.0.0.1 --control control --metrics "127.0.0.1:$metrics" --pid-file "$PWD/pid" "$port" cat
    [[ $PORT == "$port" ]]
    answers "$ADDRESS" "$PORT"
}
