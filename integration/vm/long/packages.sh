# The packages for Debian where systemd runs: beside neutron-common, upgraded with calls
# in flight, removed, purged. Nothing of ironwrap is on the machine before.
. "$(dirname "$0")/../lib.sh"

# Of neutron-common what its root helper needs; it asks for 400 packages more.
useradd --system --create-home --home-dir /var/lib/neutron neutron
dpkg --unpack --force-depends /root/neutron-common.deb >/dev/null 2>&1
dpkg-deb --fsys-tarfile /root/neutron-common.deb | tar -x -C / ./etc # dpkg does so later
install -m 755 /bin/true /usr/bin/privsep-helper
conf=/etc/neutron/rootwrap.conf
printf '[agent]\nroot_helper = sudo neutron-rootwrap %s\n' $conf >/etc/neutron/neutron.conf
sed -i 's/^use_syslog=.*/use_syslog=True/' $conf

put() { dpkg -i "$here/$1"/*.deb >"$scratch/dpkg" 2>&1 || cat "$scratch/dpkg"; }
answers() {
    as neutron sudo -n neutron-rootwrap $conf no-such-command 2>"$scratch/err"
    case "$? $(cat "$scratch/err")" in
    99*'ironwrapctl explain'*) echo ironwrap ;;
    99*'no filter matched'*) echo oslo.rootwrap ;;
    *) cat "$scratch/err" ;;
    esac
}
# The verdict, and what is not as it should be.
doctor() {
    ironwrapctl doctor --format json neutron >"$scratch/doctor"
    python3 -I -c '
import json, sys
d = json.load(open(sys.argv[1]))
bad = sorted({a["id"] for a in d["answers"] if a["state"] in ("warning", "problem", "unknown")})
print(d["verdict"] + ":" if bad else d["verdict"], *bad)' "$scratch/doctor"
}
state() { # NAME
    row "$1: who answers" ironwrap "$(answers)"
    row "$1: doctor" ironwrap "$(command -v ironwrapctl >/dev/null && doctor || echo is not there)"
}
is() { systemctl "is-$1" "ironwrap-daemon@neutron.$2"; }
units() { row "$1: socket and daemon" ironwrap "$(is enabled socket), $(is active socket), $(is active service)"; }

row 'before: who answers' ironwrap "$(answers)"
dpkg -i "$here"/1.0.0/ironwrapctl_*.deb >/dev/null
state 'ironwrapctl alone'
put 1.0.0
state installed
units installed
row 'the AppArmor profile of the package' ironwrap "$(outcome apparmor_parser --replace /usr/share/ironwrap/apparmor/ironwrap)"

# A daemon of systemd's, and one that its client starts.
sed -i "/^\[DEFAULT\]/a authkey_file=/run/ironwrap/neutron.key\nallow_groups=neutron" $conf
printf '[Filters]\ntail: CommandFilter, tail, root\n' >/etc/neutron/rootwrap.d/long.filters
systemctl --quiet enable --now ironwrap-daemon@neutron.socket
units 'its socket enabled'
row 'a call by ironwrap-call' ironwrap "$(outcome as neutron ironwrap-call neutron sleep 0)"
units 'after it'
state 'with the daemon'

# calling NAME COMMAND... calls again and again, until the upgrade is over.
mkdir "$scratch/calls"
calling() {
    local name="$1"
    shift
    (
        while [ ! -e "$scratch/over" ]; do
            as neutron "$@" >"$scratch/$name" 2>&1 || tail -n 1 "$scratch/$name" >>"$scratch/calls/$name.lost"
            echo >>"$scratch/calls/$name"
        done
    ) &
    callers="$callers $!"
}
callers=
cp "$here/client.py" /var/lib/neutron/client.py
calling ironwrap-call ironwrap-call neutron sleep 0
calling 'a client of the socket' python3 -I client.py socket /run/ironwrap/neutron.sock /run/ironwrap/neutron.key sleep 0
calling 'a client that starts its daemon' python3 -I client.py start sleep 0 -- sudo -n neutron-rootwrap-daemon $conf
# One command goes on as long as the process $upgrade.
sleep 10000 &
upgrade=$!
LIMIT=1000
as neutron ironwrap-call neutron tail -f --pid=$upgrade /dev/null >"$scratch/long" 2>&1 &
long=$!
lasting() { pgrep -f '^[^ ]*tail -f --pid' >/dev/null; }
going() { [ "$(ls "$scratch"/calls | grep -vc lost)" = 3 ] && lasting; }
until_true going
before=$(systemctl show --property MainPID --value ironwrap-daemon@neutron.service)
put 1.0.1
row 'upgraded: the command in flight' ironwrap "$(lasting && echo goes on || echo ended)"
touch "$scratch/over"
wait $callers
row 'upgraded beside it: a new call' ironwrap "$(outcome as neutron ironwrap-call neutron sleep 0)"
row 'upgraded beside it: the daemon of before' ironwrap "$(readlink /proc/[0-9]*/exe | grep -c '^/usr/bin/ironwrap-daemon (deleted)$') finishes it"
kill $upgrade
wait $long
row 'upgraded: the command in flight ended with' ironwrap $?
for name in ironwrap-call 'a client of the socket' 'a client that starts its daemon'; do
    row "upgraded: calls of $name that were lost" ironwrap "$(cat "$scratch/calls/$name.lost" 2>/dev/null | sort | uniq -c | grep . || echo none)"
done
after=$(systemctl show --property MainPID --value ironwrap-daemon@neutron.service)
row 'upgraded: the daemon is' ironwrap "$([ "$after" != "$before" ] && echo another one): $(readlink "/proc/$after/exe") $(ironwrap-daemon --version | grep -o '1\.0\.[0-9]')"
old() { readlink /proc/[0-9]*/exe | grep 'ironwrap.*(deleted)'; }
none_old() { ! old; }
until_true none_old
row 'upgraded: programs of before that still run' ironwrap "$(old || echo none)"
units upgraded
state upgraded

dpkg --remove ironwrap-neutron >/dev/null
state 'ironwrap-neutron removed'
dpkg --remove ironwrap >/dev/null
state 'ironwrap removed'
row 'ironwrap removed: units' ironwrap "$(systemctl list-unit-files --no-legend 'ironwrap*' | xargs) $(systemctl list-units --all --no-legend 'ironwrap-daemon*' | xargs)."
row 'ironwrap removed: /run/ironwrap' ironwrap "$(ls -d /run/ironwrap 2>/dev/null || echo is gone)"
row 'ironwrap removed: processes' ironwrap "$(pgrep -c '^ironwrap-daemon')"
dpkg --purge ironwrap-neutron ironwrap ironwrapctl >/dev/null
state purged
row 'purged: what is left' ironwrap "$(ls -d /etc/ironwrap /usr/lib/ironwrap /etc/systemd/system/*/ironwrap* /usr/bin/ironwrap* /usr/bin/*-rootwrap*.oslo 2>/dev/null | grep . || echo nothing)"
