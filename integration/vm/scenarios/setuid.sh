# ironwrap installed setuid root (make install SETUID=1), called by those whom its
# policy names, and by those whom it does not. The kernel ignores the set-user-id
# bit of a script, so that the peer has nothing to set beside it but that.
. "$(dirname "$0")/../lib.sh"

ours=/opt/ironwrap/bin/ironwrap
conf=/etc/ironwrap/nova/rootwrap.conf
configure /etc/ironwrap/nova 'id: CommandFilter, id, root
cat: PathFilter, cat, nova, /var/lib/nova/images
kill: KillFilter, root, /usr/bin/sleep, -9
env: CommandFilter, env, root
sleep: CommandFilter, sleep, root' 'allow_users=nova
allow_groups=remoteops
use_syslog=True'
configure /etc/nova 'id: CommandFilter, id, root' 'allow_users=nova'

alone() { # NAME USER COMMAND...
    local name="$1" user="$2"
    shift 2
    row "$name" ironwrap "$(outcome as "$user" "$@")"
}
chmod 4755 /usr/bin/peer-nova-rootwrap
chmod 755 /etc/nova
row 'a user who is named' peer "$(outcome as nova /usr/bin/peer-nova-rootwrap /etc/nova/rootwrap.conf id -u)"
chmod 750 /etc/nova
chmod 755 /usr/bin/peer-nova-rootwrap
alone 'a user who is named' nova $ours $conf id -u
row 'a user of a group of a name service that is named' ironwrap \
    "$(outcome bounded setpriv --reuid=70000 --regid=70001 --groups=70003 $ours $conf id -u)"
alone 'a user who is not' mallory $ours $conf id -u
alone 'a command that no filter allows' nova $ours $conf bash
alone 'a configuration elsewhere' nova $ours /etc/nova/rootwrap.conf id -u
alone 'a configuration of the caller' mallory $ours /var/lib/mallory/rootwrap.conf id -u

said() { # NAME COMMAND...: the outcome, with what was said of it
    local name="$1"
    shift
    row "$name" ironwrap "$(because "$(outcome "$@")" 'uid 64055: ')"
}
unit() { bounded systemd-run --quiet --wait --pipe -p User=nova "$@"; }
said 'a service with NoNewPrivileges=' unit -p NoNewPrivileges=yes $ours $conf id -u
row 'sudo in a service with NoNewPrivileges=' ironwrap "$(outcome unit -p NoNewPrivileges=yes sudo -n /usr/bin/nova-rootwrap /etc/nova/rootwrap.conf id -u)"
row 'sudo in a service with NoNewPrivileges=' peer "$(outcome unit -p NoNewPrivileges=yes sudo -n /usr/bin/peer-nova-rootwrap /etc/nova/rootwrap.conf id -u)"
row 'a service without' ironwrap "$(outcome unit $ours $conf id -u)"
mkdir -p /run/nosuid
mount -t tmpfs -o nosuid,mode=755 none /run/nosuid
cp -p $ours /run/nosuid/ironwrap
said 'on a nosuid mount' as nova /run/nosuid/ironwrap $conf id -u
umount /run/nosuid

# Attempts of a user who has an account and nothing else. Each prints its name and
# what it got.
mkdir -p /etc/ironwrap/mallory
configure /etc/ironwrap/mallory 'env: CommandFilter, env, root
id: CommandFilter, id, root
cat: CommandFilter, cat, nobody
touch: CommandFilter, touch, root
sleep: CommandFilter, sleep, root
python3: CommandFilter, /usr/bin/python3, nobody
images: PathFilter, head, root, -c1, /var/lib/mallory/images
[Sandbox:images]
pin_paths = yes' 'allow_users=mallory'
install -d -o mallory -g mallory /var/lib/mallory/images
echo root-only >/root/root-only
cp "$here/attempts.py" /var/lib/mallory/attempts.py
LIMIT=240
as mallory python3 -I /var/lib/mallory/attempts.py $ours /etc/ironwrap/mallory/rootwrap.conf $conf >"$scratch/attempts" 2>"$scratch/attempts.err"
[ -s "$scratch/attempts.err" ] && cat "$scratch/attempts.err"
while IFS='	' read -r name got; do
    row "attempt: $name" ironwrap "$got"
done <"$scratch/attempts"
