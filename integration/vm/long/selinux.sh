# SELinux in enforcing mode, with Debian's policy: the context of the command by its key.
# The domains are those of docs/sandbox-keys.md, docs/packages.md and held.cil.
. "$(dirname "$0")/../lib.sh"

row 'SELinux' ironwrap "$(getenforce), $(sestatus | sed -n 's/^Loaded policy name: *//p')"
sed -n '/^    ; held.cil/,/^$/s/^    //p' "$here/sandbox-keys.md" >"$scratch/held.cil"
sed -n '/^    ; ironwrap.cil/,/^$/s/^    //p' "$here/packages.md" >"$scratch/ironwrap.cil"
cp "$here/long/held.cil" "$scratch/more.cil"
semodule --install "$scratch/held.cil" --install "$scratch/more.cil" --install "$scratch/ironwrap.cil"

label=/proc/self/attr/current
u=system_u:system_r
lines="cat: CommandFilter, cat, root
head: CommandFilter, head, root
tac: CommandFilter, tac, nova
tail: CommandFilter, tail, root
nl: CommandFilter, nl, root
od: CommandFilter, od, root
sort: CommandFilter, sort, root
uniq: CommandFilter, uniq, root
cut: CommandFilter, cut, root
paste: CommandFilter, paste, root
own: CommandFilter, /usr/bin/confined-cat, root
touch: CommandFilter, touch, root
sed: CommandFilter, sed, root
id: CommandFilter, id, root
ip_exec: IpNetnsExecFilter, ip, root
ip: IpFilter, ip, root
nice: ChainingRegExpFilter, nice, root, nice, -n, 5
privsep: CommandFilter, privsep-helper, root
[Sandbox:cat]
selinux_context = $u:held_t:s0
[Sandbox:head]
selinux_context = $u:held_t:s0
no_new_privs = yes
[Sandbox:tail]
selinux_context = $u:held_nnp_t:s0
no_new_privs = yes
[Sandbox:tac]
selinux_context = $u:held_nnp_t:s0
capabilities = none
no_new_privs = yes
seccomp = default
landlock_ro = /usr, /lib, /lib64, /etc, /proc
private_tmp = yes
read_only = /
[Sandbox:nl]
selinux_context = $u:nowhere_t:s0
[Sandbox:od]
selinux_context = $u:nowhere_t:s0
selinux = best-effort
[Sandbox:touch]
selinux_context = $u:held_alone_t:s0
[Sandbox:sort]
selinux_context = $u:held_t
[Sandbox:uniq]
selinux_context = $u:held_t:s0-s0
[Sandbox:cut]
apparmor_profile = held
[Sandbox:paste]
apparmor_profile = held
apparmor = best-effort
[Sandbox:ip_exec]
selinux_context = $u:held_ip_t:s0
[Sandbox:nice]
selinux_context = $u:held_ip_t:s0"
privsep="[Privsep:neutron.privileged.default]
selinux_context = $u:held_t:s0"
cp /usr/bin/cat /usr/bin/confined-cat
chcon --type held_exec_t /usr/bin/confined-cat
echo secret >/etc/held-secret
chcon --type shadow_t /etc/held-secret
printf '#!/bin/sh\nexec cat %s\n' $label >/usr/bin/privsep-helper
chmod 755 /usr/bin/privsep-helper
configure /etc/nova "$lines" "$privsep"

under() { # NAME PREFIX COMMAND...: with what was said after PREFIX
    local name="$1" prefix="$2"
    shift 2
    row "$name" ironwrap "$(because "$(outcome "$@")" "$prefix")"
}
call() { as_service nova /usr/bin/nova-rootwrap "$@"; }
through_sudo 'the domain of the program' nova /usr/bin/confined-cat $label
through_sudo 'a context by its key' nova cat $label
through_sudo 'what its domain allows' nova cat /etc/shells
through_sudo 'what it does not allow' nova cat /etc/held-secret
through_sudo 'no key' nova sed -n p $label
under 'with no_new_privs, where the policy has no nnp_transition' 'rootwrap: ' call head -n1 $label
through_sudo 'with no_new_privs, where it has' nova tail -n1 $label
through_sudo 'with every other key' nova tac $label
under 'a context that the policy does not know' 'of the command: ' call nl $label
under 'the same with best-effort' 'of the command: ' call od -c $label
under 'one that the policy lets nobody into' 'rootwrap: ' call touch /run/made
row 'what its command made' ironwrap "$(ls /run/made 2>/dev/null || echo nothing)"
under 'a context without its range' 'of the command: ' call sort $label
under 'a context in other words than the kernel has for it' 'of the command: ' call uniq $label
under 'an AppArmor profile where AppArmor is not' 'filter cut: ' call cut -c1- $label
through_sudo 'the same with best-effort, an AppArmor profile' nova paste $label
ip netns add held
through_sudo 'in a network namespace' nova ip netns exec held sed -n p $label
ip netns delete held
under 'two contexts in a chain' 'filter cat: ' call nice -n 5 cat $label
helper='privsep-helper --privsep_context neutron.privileged.default --privsep_sock_path /run/x'
through_sudo 'privsep-helper, by the section of its context' nova $helper
ours='/usr/bin/nova-rootwrap /etc/nova/rootwrap.conf'
under 'asked in a domain that may not choose' 'of the command: ' bounded runcon $u:caller_t:s0 $ours cat $label

configure /etc/ironwrap/nova "$lines" 'allow_users=nova'
own() { as nova /opt/ironwrap/bin/ironwrap /etc/ironwrap/nova/rootwrap.conf "$@"; }
row 'setuid' ironwrap "$(outcome own cat $label)"
under 'setuid, a context that the policy does not know' 'of the command: ' own nl $label
under 'setuid, one that it lets nobody into' 'ironwrap: ' own touch /run/made

configure /etc/neutron "$lines" "authkey_file=/run/ironwrap/neutron.key
allow_groups=neutron
$privsep"
cp "$here/client.py" /var/lib/neutron/client.py
asked() { as neutron python3 -I client.py start "$@" -- sudo -n /usr/bin/neutron-rootwrap-daemon /etc/neutron/rootwrap.conf; }
row 'the daemon' ironwrap "$(outcome asked cat $label)"
row 'the daemon, with no_new_privs' ironwrap "$(outcome asked tail -n1 $label)"
row 'the daemon, with every other key' ironwrap "$(outcome asked tac $label)"
row 'the daemon, privsep-helper, by the section of its context' ironwrap "$(outcome asked $helper)"
under 'the daemon, a context that the policy does not know' 'of the command: ' asked nl $label
under 'the daemon, one that it lets nobody into' 'rootwrap: ' asked touch /run/made
rm -rf /run/ironwrap
systemctl start ironwrap-daemon@neutron.socket
by_call() { as neutron ironwrap-call neutron "$@"; }
row 'ironwrap-call' ironwrap "$(outcome by_call cat $label)"
row 'ironwrap-call, with no_new_privs' ironwrap "$(outcome by_call tail -n1 $label)"
row 'ironwrap-call, privsep-helper, by the section of its context' ironwrap "$(outcome by_call $helper)"
under 'ironwrap-call, a context that the policy does not know' 'of the command: ' by_call nl $label
under 'ironwrap-call, one that it lets nobody into' 'rootwrap: ' by_call touch /run/made
row 'what any of them made' ironwrap "$(ls /run/made 2>/dev/null || echo nothing)"

# Services in domains of their own.
from() { as neutron runcon $u:$1:s0 ironwrap-call neutron id -u; }
row 'ironwrap-call from a domain that may reach the daemon' ironwrap "$(outcome from neutron_t)"
under 'ironwrap-call from one that may not' 'ironwrap-call: ' from stranger_t

context() { ls -dZ "$1" | cut -d' ' -f1; }
row 'the context of the daemon' ironwrap "$(tr -d '\0' <"/proc/$(systemctl show --property MainPID --value ironwrap-daemon@neutron.service)/attr/current")"
for path in /usr/bin/ironwrap /usr/bin/ironwrap-daemon /usr/lib/ironwrap/ironwrap-launch /usr/lib/ironwrap/ironwrap-read /run/ironwrap /run/ironwrap/neutron.call; do
    row "the label of $path" ironwrap "$(context $path)"
done
systemctl stop ironwrap-daemon@neutron.socket ironwrap-daemon@neutron.service
# Choosing a context is what was refused above.
row 'what SELinux refused in the domain of ironwrap' ironwrap "$(grep -h 'avc:  denied' /var/log/audit/audit.log | grep -E 'scontext=[^ ]*:(init|initrc)_t:' | grep -vE '\{ (transition|nnp_transition) \}' |
    sed 's/.*avc:  denied //; s/ pid=[0-9]*//; s/ ino=[0-9]*//' | sort | uniq -c | head -n 12 | grep . || echo nothing)"
rm /usr/bin/confined-cat /usr/bin/privsep-helper /etc/held-secret
