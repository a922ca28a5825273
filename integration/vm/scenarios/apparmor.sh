# AppArmor: the command comes into the profile of its program, as from a shell.
. "$(dirname "$0")/../lib.sh"

cp /usr/bin/cat /usr/bin/confined-cat
cat >"$scratch/profile" <<'EOF'
abi <abi/3.0>,
profile confined-cat /usr/bin/confined-cat {
  /usr/bin/confined-cat mr,
  /{usr/,}lib/** mr,
  /etc/ld.so.cache r,
  /proc/*/attr/current r,
  /etc/hostname r,
}
EOF
apparmor_parser --replace "$scratch/profile"
configure /etc/nova 'cat: CommandFilter, /usr/bin/confined-cat, root'
through_sudo 'the profile of the command' nova /usr/bin/confined-cat /proc/self/attr/current
through_sudo 'what the profile allows' nova /usr/bin/confined-cat /etc/hostname
through_sudo 'what it does not allow, though root may' nova /usr/bin/confined-cat /etc/shadow
apparmor_parser --remove "$scratch/profile"
rm /usr/bin/confined-cat

# Profiles by key: none of these is any program's own.
cat >"$scratch/named" <<'EOP'
abi <abi/3.0>,
profile held {
  /usr/bin/{cat,tail,tac} mr,
  /{usr/,}lib/** mr,
  /etc/{ld.so.cache,hostname} r,
  /proc/[0-9]*/attr/current r,
}
profile held-ip flags=(attach_disconnected) {
  / r,
  /** rwkmix,
  deny /etc/shadow r,
  capability,
  network,
  mount,
  umount,
}
# Callers that are confined themselves, and whose ironwrap inherits that.
profile caller {
  / r,
  /** rwkmix,
  capability,
  network,
  signal,
  ptrace,
}
profile choosing-caller {
  / r,
  /** rwkmix,
  change_profile,
  capability,
  network,
  signal,
  ptrace,
}
EOP
apparmor_parser --replace "$scratch/named"
lines='cat: CommandFilter, cat, root
tail: CommandFilter, tail, root
tac: CommandFilter, tac, nova
head: CommandFilter, head, root
nl: CommandFilter, nl, root
sed: CommandFilter, sed, root
id: CommandFilter, id, root
ip_exec: IpNetnsExecFilter, ip, root
ip: IpFilter, ip, root
nice: ChainingRegExpFilter, nice, root, nice, -n, 5
[Sandbox:cat]
apparmor_profile = held
[Sandbox:tail]
apparmor_profile = held
no_new_privs = yes
[Sandbox:tac]
apparmor_profile = held
capabilities = none
no_new_privs = yes
seccomp = default
landlock_ro = /usr, /lib, /lib64, /etc, /proc
private_tmp = yes
read_only = /
[Sandbox:head]
apparmor_profile = nowhere-loaded
apparmor = best-effort
[Sandbox:nl]
selinux_context = system_u:system_r:unconfined_t
[Sandbox:ip_exec]
apparmor_profile = held-ip
[Sandbox:nice]
apparmor_profile = held-ip'
label=/proc/self/attr/current
configure /etc/nova "$lines"
through_sudo 'a profile by its key' nova cat $label
through_sudo 'what it allows' nova cat /etc/hostname
through_sudo 'what it does not allow' nova cat /etc/shells
through_sudo 'with no_new_privs' nova tail -n1 $label
through_sudo 'with every other key' nova tac $label
through_sudo 'no key, no profile' nova sed -n p $label
under() { # NAME PREFIX COMMAND...: as nova, with what was said after PREFIX
    local name="$1" prefix="$2"
    shift 2
    row "$name" ironwrap "$(because "$(outcome "$@")" "$prefix")"
}
call() { as_service nova /usr/bin/nova-rootwrap "$@"; }
under 'a profile that is not loaded' 'of the command: ' call head -n1 $label
under 'an SELinux context where SELinux is not' 'filter nl: ' call nl $label
under 'two profiles in a chain' 'filter cat: ' call nice -n 5 cat $label
ip netns add held
through_sudo 'in a network namespace' nova ip netns exec held sed -n p $label
ip netns delete held
# As root, since a profile that ironwrap inherits cannot come through sudo's own.
within() { local profile="$1"; shift; bounded aa-exec -p "$profile" -- "$@"; }
ours='/usr/bin/nova-rootwrap /etc/nova/rootwrap.conf'
under 'asked by a confined process whose profile does not let it choose' 'of the command: ' within caller $ours cat $label
row 'by one whose profile does' ironwrap "$(outcome within choosing-caller $ours cat $label)"
under 'by one whose profile does, with no_new_privs' 'rootwrap: ' within choosing-caller $ours tail -n1 $label

configure /etc/ironwrap/nova "$lines" 'allow_users=nova'
row 'setuid' ironwrap "$(outcome as nova /opt/ironwrap/bin/ironwrap /etc/ironwrap/nova/rootwrap.conf cat $label)"
under 'setuid, a profile that is not loaded' 'of the command: ' as nova /opt/ironwrap/bin/ironwrap /etc/ironwrap/nova/rootwrap.conf head -n1 $label

configure /etc/neutron "$lines" 'authkey_file=/run/ironwrap/neutron.key
allow_groups=neutron'
cp "$here/client.py" /var/lib/neutron/client.py
asked() { as neutron python3 -I client.py start "$@" -- sudo -n /usr/bin/neutron-rootwrap-daemon /etc/neutron/rootwrap.conf; }
row 'the daemon' ironwrap "$(outcome asked cat $label)"
row 'the daemon, with no_new_privs' ironwrap "$(outcome asked tail -n1 $label)"
row 'the daemon, with every other key' ironwrap "$(outcome asked tac $label)"
under 'the daemon, a profile that is not loaded' 'of the command: ' asked head -n1 $label
systemctl start ironwrap-daemon@neutron.socket
row 'ironwrap-call' ironwrap "$(outcome as neutron ironwrap-call neutron cat $label)"
row 'ironwrap-call, with no_new_privs' ironwrap "$(outcome as neutron ironwrap-call neutron tail -n1 $label)"
under 'ironwrap-call, a profile that is not loaded' 'of the command: ' as neutron ironwrap-call neutron head -n1 $label
row 'the profile of the daemon' ironwrap "$(cat "/proc/$(systemctl show --property MainPID --value ironwrap-daemon@neutron.service)/attr/current")"
systemctl stop ironwrap-daemon@neutron.socket ironwrap-daemon@neutron.service
apparmor_parser --remove "$scratch/named"
