# The daemon, asked by the original's own client: started by it through sudo, as
# services do, and by systemd at the first call.
. "$(dirname "$0")/../lib.sh"

configure /etc/neutron 'id: CommandFilter, id, root' 'use_syslog=True
daemon_timeout=30'
cp "$here/client.py" /var/lib/neutron/client.py
cp "$here/client.py" /var/lib/mallory/client.py
started() { # NAME COMMAND...
    local name="$1" who
    shift
    for who in $both; do
        row "$name" $who "$(outcome as neutron python3 -I client.py start "$@" -- sudo -n "$(program $who neutron)-daemon" /etc/neutron/rootwrap.conf)"
    done
}
started 'started by its client, an allowed command' id -u
started 'a command that no filter allows' bash

# A socket of systemd's. Everybody may connect to it: who is served is for the
# daemon to say.
configure /etc/ironwrap/neutron 'id: CommandFilter, id, root' 'use_syslog=True
allow_users=neutron
authkey_file=/run/neutron-rootwrap.key'
head -c 32 /dev/urandom >/run/neutron-rootwrap.key
chmod 644 /run/neutron-rootwrap.key
cat >/run/systemd/system/neutron-rootwrap.socket <<'EOF'
[Socket]
ListenStream=/run/neutron-rootwrap.socket
SocketMode=0666
EOF
cat >/run/systemd/system/neutron-rootwrap.service <<'EOF'
[Service]
Type=notify
ExecStart=/usr/bin/neutron-rootwrap-daemon /etc/ironwrap/neutron/rootwrap.conf
EOF
systemctl daemon-reload
systemctl start neutron-rootwrap.socket
called() { # NAME USER COMMAND...
    local name="$1" user="$2"
    shift 2
    row "$name" ironwrap "$(outcome as "$user" python3 -I client.py socket /run/neutron-rootwrap.socket /run/neutron-rootwrap.key "$@")"
}
row 'a socket of systemd: before the first call' ironwrap "$(systemctl is-active neutron-rootwrap.service)"
called 'the first call' neutron id -u
row 'after it' ironwrap "$(systemctl is-active neutron-rootwrap.service)"
called 'a command that no filter allows there' neutron bash
called 'another user, with the key' mallory id -u
cp /usr/bin/ironwrap-daemon /usr/bin/ironwrap-daemon.new
mv /usr/bin/ironwrap-daemon.new /usr/bin/ironwrap-daemon
row 'an upgrade under the running daemon' ironwrap "$(readlink "/proc/$(systemctl show --property MainPID --value neutron-rootwrap.service)/exe")"
called 'a call after it' neutron id -u
systemctl stop neutron-rootwrap.service
called 'a call after the service was stopped' neutron id -u
systemctl stop neutron-rootwrap.socket neutron-rootwrap.service
rm /run/systemd/system/neutron-rootwrap.*
