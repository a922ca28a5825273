# ironwrap-call, in a service whose unit takes every right of its own: the drop-in is the
# one of docs/daemon.md, the daemon's units are those that make install installs.
. "$(dirname "$0")/../lib.sh"

configure /etc/neutron 'sh: CommandFilter, sh, root
ip: IpFilter, ip, root
cat: CommandFilter, cat, root
sleep: CommandFilter, sleep, root
id: CommandFilter, id, root' 'authkey_file=/run/ironwrap/neutron.key
allow_groups=neutron'
unit=/run/systemd/system/neutron-l3-agent.service
mkdir -p $unit.d
sed -n '/^    # \/etc\/systemd\/system\/neutron-l3-agent.service.d/,/^$/s/^    //p' /usr/share/doc/ironwrap/daemon.md >$unit.d/ironwrap-call.conf
cat >$unit <<'EOF'
[Unit]
StartLimitIntervalSec=0
[Service]
Type=oneshot
User=neutron
WorkingDirectory=/var/lib/neutron
ExecStart=/bin/sh /var/lib/neutron/agent
StandardOutput=truncate:/var/lib/neutron/out
StandardError=truncate:/var/lib/neutron/err
EOF
systemctl daemon-reload
systemctl start ironwrap-daemon@neutron.socket

# agent COMMAND... has the service run it.
agent() {
    printf '%s\n' "$*" >/var/lib/neutron/agent
    systemctl start neutron-l3-agent.service >/dev/null 2>&1
    cat /var/lib/neutron/out
    cat /var/lib/neutron/err >&2
    return "$(systemctl show --property ExecMainStatus --value neutron-l3-agent.service)"
}
within() { # NAME COMMAND...
    local name="$1"
    shift
    row "$name" ironwrap "$(outcome agent "$@")"
}
rights='echo $(grep -E "^(NoNewPrivs|CapBnd):" /proc/self/status)'
within 'the rights of the service' "$rights"
for who in $both; do
    row 'through sudo' $who "$(outcome agent sudo -n "$(program $who neutron)" /etc/neutron/rootwrap.conf id -u)"
done
row 'the daemon before the first call' ironwrap "$(systemctl is-active ironwrap-daemon@neutron.service)"
within 'ironwrap-call' ironwrap-call neutron id -u
row 'the daemon after it' ironwrap "$(systemctl is-active ironwrap-daemon@neutron.service)"
within 'a command that no filter allows' ironwrap-call neutron mkfs
within 'the rights of its command' "ironwrap-call neutron sh -c 'echo \$(grep -E NoNewPrivs: /proc/self/status)'"
within 'what it reads and where it works' "echo text | ironwrap-call neutron sh -c 'pwd; cat'"
within 'a file that the service itself cannot make' 'touch /etc/made'
within 'made by its command' "ironwrap-call neutron sh -c 'echo made >/etc/made'"
row 'which the machine has' ironwrap "$(cat /etc/made)"
within 'a namespace that its command makes' ironwrap-call neutron ip netns add made
row 'which the machine has, too' ironwrap "$(ip netns list)"
within 'a status' "ironwrap-call neutron sh -c 'exit 7'"
ln -s ironwrap-call /usr/bin/called-rootwrap
within 'by the name of a root helper' called-rootwrap /etc/neutron/rootwrap.conf id -u
row 'another user' ironwrap "$(outcome as mallory ironwrap-call neutron id -u)"
row 'another user, by a socket for all' ironwrap "$(chmod 666 /run/ironwrap/neutron.call; outcome as mallory ironwrap-call neutron id -u)"

# A service that is stopped takes its command with it, though that is another's process.
sed -i s/oneshot/simple/ $unit
systemctl daemon-reload
echo 'exec ironwrap-call neutron sleep 4711' >/var/lib/neutron/agent
systemctl start neutron-l3-agent.service
until_true pgrep -f '^[^ ]*sleep 4711'
row 'a command that lasts' ironwrap "$(pgrep -f '^[^ ]*sleep 4711' >/dev/null && echo runs || echo does not run)"
systemctl stop neutron-l3-agent.service
gone() { ! pgrep -f '^[^ ]*sleep 4711'; }
until_true gone
row 'when its service is stopped' ironwrap "$(pgrep -f '^[^ ]*sleep 4711' >/dev/null && echo runs || echo does not run)"

ip netns delete made
systemctl stop ironwrap-daemon@neutron.socket ironwrap-daemon@neutron.service
rm -r $unit $unit.d /etc/made /usr/bin/called-rootwrap /var/lib/neutron/agent /var/lib/neutron/out /var/lib/neutron/err
systemctl daemon-reload
