# Network namespaces with servers in them, as neutron's agents run and kill them.
. "$(dirname "$0")/../lib.sh"

printf "#!/bin/sh\necho code of the caller ran as uid \$(id -u)\n" >/var/lib/neutron/id
chmod 755 /var/lib/neutron/id
configure /etc/neutron 'ip: IpFilter, ip, root
ip_exec: IpNetnsExecFilter, ip, root
dnsmasq: CommandFilter, dnsmasq, root
haproxy: RegExpFilter, haproxy, root, haproxy, -f, .*
haproxy_env: EnvFilter, env, root, PROCESS_TAG=, haproxy, -f, .*
kill_dnsmasq: KillFilter, root, /usr/sbin/dnsmasq, -9, -HUP, -15
kill_haproxy: KillFilter, root, haproxy, -15, -9, -HUP
id: CommandFilter, id, root'

cat >"$scratch/haproxy.cfg" <<'EOF'
global
    daemon
defaults
    mode http
    timeout connect 5s
    timeout client 5s
    timeout server 5s
listen proxy
    bind 127.0.0.1:9697
    server self 127.0.0.1:9698
EOF
chmod 755 "$scratch"

gone() { [ ! -e "/proc/$1" ] || grep -q '^State:.Z' "/proc/$1/status"; }
# killed NAME WHO PID SIGNAL asks for a signal and looks whether it came.
killed() {
    result=$(outcome as_service neutron "$(program "$2" neutron)" kill "$4" "$3")
    case "$result $4" in
    "ran -9" | "ran -15") until_true gone "$3" ;;
    *) sleep 0.5 ;;
    esac
    gone "$3" && result="$result; it is gone"
    row "$1" "$2" "$result"
}
for who in $both; do
    ask() { as_service neutron "$(program $who neutron)" "$@"; }
    row 'ip netns add' $who "$(outcome ask ip netns add qdhcp-1)"
    row 'ip netns list' $who "$(outcome ask ip netns list)"
    row 'ip -n' $who "$(outcome ask ip -n qdhcp-1 link set lo up)"
    row 'dnsmasq in a namespace' $who "$(outcome ask ip netns exec qdhcp-1 dnsmasq --conf-file=/dev/null --no-resolv --pid-file=/run/dm.pid --port=5353 --listen-address=127.0.0.1)"
    until_true test -s /run/dm.pid
    pid=$(cat /run/dm.pid)
    row 'it is in that namespace' $who "$(ip netns identify "$pid")"
    killed 'dnsmasq, -HUP, and it lives on' $who "$pid" -HUP
    killed 'dnsmasq, a signal that is not listed' $who "$pid" -USR1
    killed 'dnsmasq, -9' $who "$pid" -9

    ask ip netns exec qdhcp-1 dnsmasq --conf-file=/dev/null --no-resolv --pid-file=/run/dm.pid --port=5353 --listen-address=127.0.0.1
    until_true test -s /run/dm.pid
    pid=$(cat /run/dm.pid)
    cp /usr/sbin/dnsmasq /usr/sbin/dnsmasq.new
    mv /usr/sbin/dnsmasq.new /usr/sbin/dnsmasq
    row 'an upgrade under a running dnsmasq' $who "$(readlink "/proc/$pid/exe")"
    killed 'dnsmasq of before the upgrade, -15' $who "$pid" -15

    row 'haproxy with PROCESS_TAG in a namespace' $who \
        "$(outcome ask ip netns exec qdhcp-1 env PROCESS_TAG=haproxy-1 haproxy -f "$scratch/haproxy.cfg")"
    pid=$(ip netns pids qdhcp-1 | head -n 1)
    row 'its variable' $who "$(tr '\0' '\n' <"/proc/$pid/environ" | grep ^PROCESS_TAG)"
    killed 'haproxy, -15' $who "$pid" -15
    sleep 300 &
    killed 'a process of another program' $who $! -9
    kill $!
    row 'a program of the caller in a namespace' $who "$(outcome ask ip netns exec qdhcp-1 /var/lib/neutron/id)"
    row 'ip netns delete' $who "$(outcome ask ip netns delete qdhcp-1)"
done
