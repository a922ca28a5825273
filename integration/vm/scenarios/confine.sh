# Sandbox sections, on the distribution's kernel. The peer passes over them.
. "$(dirname "$0")/../lib.sh"

configure /etc/nova 'sh: CommandFilter, sh, root
bash: CommandFilter, bash, nova
dash: CommandFilter, dash, root
cp: CommandFilter, cp, root
ip: CommandFilter, ip, root
unshare: CommandFilter, unshare, root
grep: CommandFilter, grep, nova
sed: CommandFilter, sed, nova
[Sandbox:sh]
capabilities = CAP_NET_ADMIN, CAP_CHOWN
[Sandbox:bash]
capabilities = CAP_NET_ADMIN
[Sandbox:sed]
capabilities = CAP_NET_ADMIN
[Sandbox:dash]
seccomp = default
[Sandbox:cp]
landlock_ro = /usr, /etc, /lib, /lib64
landlock_rw = /var/lib/nova
[Sandbox:ip]
private_network = yes
[Sandbox:unshare]
seccomp = strict
[Sandbox:grep]
no_new_privs = yes'

echo secret >/var/lib/mallory/secret
chmod 600 /var/lib/mallory/secret
chown mallory /var/lib/mallory/secret
caps='echo $(grep -E "^Cap(Eff|Bnd|Amb):" /proc/self/status)'
through_sudo 'capabilities of root' nova sh -c "$caps"
through_sudo 'capabilities of nova' nova sed -n '/^Cap[EBA]/p' /proc/self/status
through_sudo 'capabilities of nova, for an interpreter' nova bash -c "$caps"
through_sudo 'chown without CAP_DAC_OVERRIDE' nova sh -c 'chown nova /var/lib/nova; cat /var/lib/mallory/secret'
through_sudo 'a seccomp profile is there' nova dash -c 'echo $(grep Seccomp: /proc/self/status)'
through_sudo 'a system call that it refuses' nova unshare --mount true
through_sudo 'Landlock, inside' nova cp /etc/hostname /var/lib/nova/inside
through_sudo 'Landlock, outside' nova cp /etc/hostname /root/outside
ip link add iw0 type veth peer name iw1
through_sudo 'an interface of the machine, with private_network' nova ip -br addr show iw0
ip link delete iw0
through_sudo 'no_new_privs' nova grep NoNewPrivs /proc/self/status
rm -f /var/lib/nova/inside /root/outside
