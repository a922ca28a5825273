package exposure

import (
	"fmt"
	"strings"
	"testing"
)

// siblings are words of filters, the program first, that give the same away although
// nobody named them in the table; and neighbours, that look alike and do not. The patterns
// are those that people write.
var siblings = []struct {
	band  string // as in TestKinds
	lines string
}{
	{"root", `
sh, -c, .*
sh, -xc, .*
sh, -e, -c, .*
sh, -c, ls [^ ]*
sh, -c, cd /srv && .*
sh, -c, cat .* \| grep x
sh, -ce, .*, .*
sh, -o, errexit, -c, .*
sh, .*
sh, -s, .*
bash, -lc, .*
bash, --norc, -c, .*
bash, --init-file, x, -c, .*
bash, -x, /home/[a-z]+/.*
bash, --, /tmp/[a-z]+
dash, -c, .*
zsh, -fc, .*
python3, -c, .*
python3, -u, -c, .*
python3, -uc, .*
python3, -W, ignore, .*
python3, -m, .*
python3, /tmp/[a-z]+\.py, .*
python3, -I, /var/lib/nova/.*
perl, -e, .*
perl, -ne, .*
perl, -we, .*, .*
perl, -pi, -e, .*, .*
perl, -Mstrict, -e, .*
perl, /tmp/.*
ruby, -e, .*
ruby, -rjson, -e, .*
awk, .*, /etc/hostname
awk, -F, :, .*
awk, -v, x=1, .*
awk, -f, .*, .*
awk, -F:, -f, /tmp/[a-z]+
node, -e, .*
node, --eval, .*
php, -r, .*
php, -d, .*, .*
env, .*
env, -i, .*
env, -u, HOME, .*
env, A=[a-z]*, .*
env, [A-Za-z_]+=.*, ls, -l
env, -, LD_PRELOAD=.*, id
env, -S, .*
env, --split-string=.*
env, -C, /tmp, .*
env, PATH=.*, ls
nice, .*
nice, -n, \d+, .*
nice, -n5, .*
nice, --adjustment=5, .*
nice, -5, .*
ionice, -c2, -n, 0, .*
ionice, -t, -c, 3, .*
chrt, -f, 10, .*
chrt, --rr, \d+, .*
taskset, -c, 0-3, .*
taskset, 0x3, .*
timeout, 10, .*
timeout, -k, 5, 10, .*
timeout, --kill-after=5, --signal, KILL, \d+, .*
timeout, --foreground, 5s, .*
stdbuf, -oL, .*
stdbuf, --output=0, -e, 0, .*
nohup, .*
setsid, -w, .*
setsid, --fork, .*
setpriv, --reuid=1000, .*
setpriv, --reuid, 0, --clear-groups, .*
setarch, -R, .*
setarch, x86_64, --addr-no-randomize, .*
time, -p, .*
time, -o, /tmp/x, .*
unshare, -m, .*
unshare, -rn, .*
unshare, --net, --fork, .*
nsenter, -t, \d+, -n, .*
nsenter, --target, \d+, --net, .*
nsenter, --net=/run/netns/[a-z]+, .*
nsenter, -n/run/netns/x, .*
prlimit, --nofile=10, .*
prlimit, -n10, .*
xargs, .*
xargs, -0, -n1, .*
xargs, -I, {}, .*
xargs, --max-args=1, .*
xargs, -r, -a, /tmp/x, .*
sudo, .*
sudo, -n, .*
sudo, -u, .*, .*
sudo, -E, -H, .*
sudo, --user=root, .*
sudo, -nu, root, .*
su, -c, .*
su, -, nova, -c, .*
su, -s, /bin/sh, -c, .*
su, --command=.*
runuser, -u, nova, .*
runuser, -l, root, -c, .*
start-stop-daemon, --start, --exec, .*
start-stop-daemon, -S, -b, -m, -p, /run/x.pid, -x, .*
start-stop-daemon, --start, --pidfile, /run/x, --startas, .*
strace, -f, .*
strace, -f, -o, /tmp/x, .*
strace, -o, .*, true
systemd-run, .*
systemd-run, --scope, .*
systemd-run, --unit=x, -p, A=b, .*
script, -c, .*
script, -qec, .*, /dev/null
script, --command, .*
watch, .*
watch, -n, 1, .*
run-parts, .*
run-parts, --report, /tmp/.*
tar, -xf, .*
tar, xf, .*
tar, -xvzf, .*, -C, .*
tar, --extract, --file=.*, --directory, .*
tar, -C, .*, -xpf, .*
tar, --to-command=.*, -xf, .*
tar, -cf, /tmp/x, --checkpoint=1, --checkpoint-action, .*, /etc/hostname
tar, -I, .*, -xf, /tmp/x
tar, cf, /tmp/x, --use-compress-program=.*, /etc/hostname
rsync, .*, .*
rsync, -a, .*, .*
rsync, -avz, --delete, /tmp/x/, /etc/.*
rsync, -e, .*, x:y, /tmp/z
rsync, --rsh=.*, x:y, /tmp/z
rsync, -a, --rsync-path=x, -e, .*, /tmp/x, h:y
scp, -S, .*, /tmp/x, h:y
scp, -o, .*, h:y, /tmp/x
scp, -r, .*, /etc/[a-z]+
ssh, -o, .*, host
ssh, -oProxyCommand=.*, host
ssh, -F, .*, host
ssh, -p, 22, -o, .*, host
ssh, host, -o, .*
sftp, -b, -, -S, .*, host
sed, -i, .*, .*
sed, -i.bak, -e, .*, .*
sed, --in-place, s/a/.*/, /etc/[a-z]+
sed, -n, .*, /etc/hostname
sed, -e, .*, /etc/hostname
sed, -f, .*, /etc/hostname
sed, --expression=.*, /etc/hostname
sort, -o, .*, .*
sort, --output=/etc/[a-z]+, /tmp/.*
sort, -u, -o/etc/passwd, /tmp/x
split, --filter=.*, /etc/hostname
split, -l, 1, --filter, .*, /etc/hostname
sqlite3, /tmp/x, .*
sqlite3, -batch, /tmp/x, .*
sqlite3, -cmd, .*, /tmp/x
tee, .*
tee, -a, .*
tee, -ai, /etc/.*
tee, /etc/cron\.d/x, .*
tee, --, .*
tee, /proc/sys/kernel/core_pattern
tee, /sys/.*
tee, /usr/local/bin/[a-z]+
tee, /var/lib/nova/[a-z]+/[a-z]+
cp, .*, .*
cp, -a, .*, .*
cp, -rf, /tmp/[a-z]+, /usr/bin/[a-z]+
cp, --no-clobber, .*, /etc/[a-z]+
cp, -t, /etc, .*
cp, --target-directory=/etc/cron.d, .*
cp, -rt, /usr/lib, .*
cp, --preserve=mode, .*, .*
cp, -S, .bak, -b, .*, .*
mv, .*, .*
mv, -f, .*, /etc/.*
mv, -T, /tmp/.*, /etc/[a-z]+
mv, -t, /usr/bin, .*
ln, -s, .*, .*
ln, -sf, .*, .*
ln, -sfn, /tmp/[a-z]+, /etc/[a-z]+
ln, --symbolic, --force, .*, .*
ln, -s, -t, /etc/systemd/system, .*
ln, -nfs, .*, /usr/lib/.*
install, .*, .*
install, -m, 0644, .*, /etc/.*
install, -D, -o, root, -g, root, .*, .*
install, -m0755, -t, /usr/bin, .*
dd, if=.*, of=.*
dd, of=.*, if=.*, bs=1M
dd, if=/tmp/.*, of=/dev/.*, conv=notrunc
dd, of=.*
dd, bs=\d+k, count=\d+, if=/dev/zero, of=.*, oflag=direct
chmod, .*, .*
chmod, -R, .*, .*
chmod, u\+s, .*
chmod, -v, 4755, /tmp/.*
chmod, [0-7]+, /tmp/.*/x
chmod, -R, 0777, /etc/.*
chown, .*, .*
chown, -R, .*, /etc/.*
chown, -h, nova:nova, .*
chown, nova, /var/lib/.*
chown, --from=root, nova, /.*
chown, --reference=.*, .*
chgrp, nova, /etc/.*
setfacl, -m, .*, .*
setfacl, -R, -m, u:nova:rwX, .*
setfacl, --modify=.*, .*
setcap, .*, .*
usermod, -aG, .*, .*
usermod, -a, -G, wheel, .*
usermod, --append, --groups=sudo, .*
usermod, -s, /bin/sh, -p, .*, root
useradd, -o, -u, 0, .*
useradd, -m, -G, sudo, .*
passwd, .*
sysctl, .*
sysctl, -w, .*
sysctl, -qw, .*=.*
sysctl, -e, -w, kernel\..*=.*
sysctl, -p, .*
sysctl, --load=/tmp/.*
sysctl, -f, .*
sysctl, -eqp, /tmp/x
sysctl, -N, kernel/.*
sysctl, -w, net\..*=.*
sysctl, -w, net/.*=.*
sysctl, net\.ipv4\..*=.*
sysctl, -qw, net[./]ipv6[./]conf[./].*
sysctl, /?vm.*=.*
sysctl, --, .*
iscsiadm, .*, .*, .*, .*, .*, .*
iscsiadm, -m, iface, -I, .*, -o, new
iscsiadm, -m, iface, -o, new, -I, .*
iscsiadm, --mode=iface, --op=new, --interface=.*
iscsiadm, -m, iface, -I, hw-[a-z./:]+, -o, .*, -I.*
systemctl, link, .*
systemctl, enable, --now, .*
systemctl, --now, enable, /tmp/.*
systemctl, edit, .*
systemctl, set-environment, .*
pip3, install, .*
pip3, install, -U, --no-deps, .*
pip, install, -r, .*
rpm, -i, .*
rpm, -Uvh, .*
rpm, --install, .*
rpm, --eval, .*
rpm, -q, --pipe, .*, x
yum, -y, install, .*
zypper, --non-interactive, install, .*
snap, install, --dangerous, .*
snap, install, --classic, .*
supervisord, -c, .*
supervisord, --configuration=.*
supervisord, -n, -c, /tmp/.*
puppet, apply, .*
puppet, apply, -e, .*
salt-call, --local, cmd.run, .*
salt-call, -c, .*, state.apply
podman, run, -v, /:/x, .*
podman, run, --rm, --privileged, .*
openvpn, --config, .*
openvpn, --daemon, --config, /tmp/.*
socat, -, EXEC:.*
socat, TCP-LISTEN:1, SYSTEM:.*
vi, .*
view, .*
vim, -c, .*, x
nano, .*
visudo, -f, .*
wget, -O, .*, .*
wget, -qO, /etc/[a-z]+, http://.*
wget, -q, --output-document=.*, http://x/y
wget, --use-askpass=.*, http://x/
wget, -P, /etc/cron.d, http://.*
unzip, .*, -d, .*
unzip, -o, -q, .*, -d, /etc
7z, x, .*, -o.*
qemu-img, convert, -O, raw, .*, .*
qemu-img, convert, -p, -f, qcow2, -O, raw, /tmp/.*, /etc/.*
qemu-img, convert, -t, none, -O, raw, /tmp/x, /dev/.*
qemu-img, convert, -n, -O, host_device, .*, .*
xfs_io, -c, .*, .*
qemu-nbd, -c, /dev/nbd0, .*
tcpdump, -i, any, -z, .*, -w, /tmp/x, -G, 1
nmap, --script, .*, localhost
ncat, -e, .*, h, 1
virsh, create, .*
vgs, --noheadings, --config, .*
pvs, --config=.*, -o, x
lvs, -o, x, --config, .*
ovs-vsctl, --timeout=10, list-ports, .*
install, -m, 0755, -D, /tmp/.*, /usr/bin/[a-z]+
make, -f, .*
make, -C, /tmp/.*, all
make, --eval=.*
make, -s, --file=.*
man, -P, .*, ls
git, -c, .*, status
git, --exec-path=.*, .*
gdb, -batch, -ex, .*
gdb, --batch, --eval-command=.*
gcc, -fplugin=.*, x\.c
gcc, -wrapper, .*, x\.c
java, -jar, .*
java, -Xmx1g, -cp, .*, [A-Z].*
java, -javaagent:.*, X
lua, -e, .*
mount, --bind, .*, .*
mount, -o, bind,ro, /tmp/[a-z]+, /etc
mount, -t, tmpfs, [a-z]+, /usr/.*
mount, -o, .*, .*, .*
modprobe, -C, .*, [a-z]+
modprobe, -d, /tmp/.*, [a-z]+
insmod, /tmp/.*
kmod, insmod, .*
kexec, -l, .*
ip, netns, exec, .*, .*
ip, -batch, .*
ip, -force, -b, .*
logrotate, -f, .*
keepalived, -n, -f, .*
iptables-legacy, --modprobe=.*, -L
mkfs, -t, .*, /dev/x
gpasswd, -a, .*, sudo
groupmod, -a, -U, .*, sudo
find, /srv, -exec, .*, ;
find, .*, -name, x, -exec, .*, \{\}, \+
dpkg, -i, .*
apt-get, -o, .*, update
apt-get, -y, -o, .*, install, x
crontab, -u, root, .*
crontab, /tmp/.*
chroot, .*, ls
curl, -o, .*, http://x/
curl, -sSL, --output, /etc/[a-z]+, .*
curl, -fsS, -K, .*
dnsmasq, --conf-file=.*
dnsmasq, -C, .*
dhclient, -sf, .*, eth0
ed, .*
emacs, .*
expect, -c, .*
flock, -n, /tmp/x, .*
flock, /tmp/x, -c, .*
bash, -p, .*
busybox, sh, -c, .*
busybox, .*
bpftool, prog, load, .*, /sys/fs/bpf/x
cpio, -idmu, -F, .*
debugfs, -w, -R, .*, /dev/sda
docker, --debug, run, --privileged, .*
dmsetup, create, --mode, 0666, .*
dmsetup, create, --uid, .*, x
mkdir, -m, 777, .*
mdadm, --monitor, --program, .*
rbd, .*, .*
neutron-netns-cleanup, --config-file, .*
neutron-ns-metadata-proxy, --config-file, .*
net, conf, setparm, global, root preexec, .*
conntrackd, -C, .*
nginx, -c, .*
mysql, -e, .*
psql, -c, .*
puppet, .*
ansible-playbook, .*
targetcli, .*
exportfs, -o, .*, .*`},
	{"root", `
nice, -n, 5, dd, if=.*, of=.*
nice, -n, \d+, tee, .*
ionice, -c3, nice, -n, 5, rsync, .*, .*
env, LC_ALL=C, lvs, --config, .*
env, LC_ALL=C, nice, -n, 1, chmod, .*, .*
env, -i, A=.*, tee, .*
env, PYTHONPATH=.*, python3, /usr/lib/x.py
env, BASH_ENV=.*, bash, /usr/lib/x
timeout, 5, tar, -xf, .*, -C, .*
timeout, -k, 5, 5, mount, .*, .*
stdbuf, -oL, sed, -i, .*, .*
setsid, cp, .*, .*
nohup, install, .*, .*
ip, netns, exec, [a-z]+, sysctl, -w, kernel\.core_pattern=.*
ip, netns, exec, .*, tee, .*
nsenter, --net=/run/x, dd, if=.*, of=.*
unshare, -n, chown, .*, .*
flock, /run/x, mv, .*, .*
taskset, -c, 0, ln, -sf, .*, .*
chrt, -f, 1, tee, -a, .*
xargs, chmod, 4755
xargs, -n, 1, cp, /tmp/x
xargs, tee
sudo, -n, usermod, -aG, .*, .*
prlimit, --as=\d+, --cpu=\d+, env, LC_ALL=C, qemu-img, convert, .*, .*
setpriv, --no-new-privs, tee, .*
choom, -n, 5, dd, of=.*
nice, (tee|cat), .*
zypper, in, .*
zypper, --non-interactive, in, .*
modprobe, .*
find, .*, -exec, .*, ;
find, .*, -exec, chmod, 777, {}, ;
find, .*, -type, f, -exec, chown, .*, {}, \+
find, /srv, -exec, tee, .*, ;
find, -L, .*, -exec, nice, chmod, .*, {}, ;
sh, -c, echo 1 > /proc/sys/[a-z/_]+
sh, -c, echo [a-z]+ >> /etc/[a-z.]+
bash, -ec, chmod 4755 [a-z/]+
sudo, sh, -c, chown nova "/[a-z/]+"
env, LC_ALL=C, bash, -c, nice tee /etc/[a-z]+
mount, -t, ext4, .*, /mnt/x
mount, .*, /mnt
mount, -o, loop, .*, /srv/x
mount, -t, nfs, [^ ]+:/[a-z]+, /mnt/x
rsync, -e, ssh, .*, host:/tmp`},
	{"high/root", `
timeout, 5, cat, .*
nice, cat, .*
ip, netns, exec, [a-z]+, cat, .*
ip, netns, exec, [a-z]+, ip, netns, exec, x, cat, .*
xargs, cat
xargs, rm, -rf
xargs, -0, -n1, rm
find, .*, -exec, cat, {}, ;
sh, -c, cat /etc/[a-z]+
su, -c, cat /etc/[a-z]+
script, -c, cat /etc/[a-z]+, /dev/null
flock, /run/x, -c, cat /etc/[a-z]+
runuser, -c, chmod 4755 /[a-z/]+
sh, -c, cd /srv && cat [a-z./]+
sh, -c, grep x < /etc/[a-z]+
sh, -c, (ls|cat) '/etc/[a-z]+'
bash, -c, rm -rf /[a-z/]+
cmp, .*, .*
find, .*, -name, .*, -exec, rm, -f, {}, \+
find, .*, -type, f, .*
uconv, .*
size, .*
klist, -kK, .*
man, -C, .*, .*
ps, .*
env, LC_ALL=C, head, -n, 1, .*`},
	{"little/low", `
nice, -n, 5, ls, .*
sh, -c, cat /etc/hostname
sh, -c, ls [a-z/]+ 2>/dev/null
sh, -c, echo [a-z]+ > /dev/null
mount, -o, nosuid, /dev/mapper/[a-z]+, /mnt/x
find, /var, -name, .*, -exec, .*
find, /var, -name, .*, -newer, .*
find, /srv/x, -name, .*
find, /srv/x, -name, .*, -delete
modprobe, nbd
ps, -ef
env, LC_ALL=C, cat, /etc/hostname
timeout, 5, echo, .*
xargs, echo
env, LC_ALL=.*, lvs, --noheadings
systemctl, is-active, .*
docker, ps, .*
getent, passwd, .*`},
	{"not assessed", `
bash, /usr/lib/x/run, .*
sh, -c, unknownprogram [a-z]+
python3, /usr/lib/x/run.py, .*
find, .*, -exec, unknownprogram, {}, ;
hostnamectl, .*
nice, -n, 5, unknownprogram, .*
env, LC_ALL=C, unknownprogram, .*
env, UNKNOWN=.*, unknownprogram
env, PERL5LIB=.*, pcs, status
timeout, 5, env, A=b, unknownprogram, .*
ip, netns, exec, unknown, unknownprogram, .*
zypper, unknown, .*
apt-get, source, .*
docker, unknown, .*
snap, unknown, .*`},
	{"high/root", `
blkid, -c, .*
mkfs.ext4, -d, .*, /tmp/x
ipset, save, -file, .*
bridge, -batch, .*
cat, .*
cat, -n, .*
head, -c, \d+, .*
head, -n1, /root/.*
tail, -f, .*
tail, -n, 5, /var/log/.*
tac, .*
nl, -ba, .*
od, -c, .*
strings, -a, .*
xxd, -p, .*
sort, -r, /etc/.*
uniq, -c, .*
rev, .*
paste, -s, .*
tar, -cf, -, .*
tar, czf, /tmp/x, /etc/.*
xz, -dc, -f, .*
zgrep, x, .*
readelf, -a, @.*
rm, -rf, .*
rm, -r, --, .*
rm, --recursive, --force, /etc/.*
rm, -fv, /usr/lib/[a-z]+/.*
rm, .*/[a-z]+
unlink, .*
shred, -u, .*
truncate, -s, 0, .*
truncate, --size=0, /etc/.*
wipefs, -a, .*
wipefs, --all, --force, /dev/.*
sgdisk, --zap-all, /dev/.*
sgdisk, -Z, .*
parted, -s, /dev/.*, .*, .*
vgremove, -f, .*
qemu-img, create, -f, raw, .*, 1G
ss, -F, .*
vtysh, --dryrun, -f, .*
vtysh, -C, -f, .*
rndc, -c, .*, status
nft, -c, -f, .*
nft, -f, .*
openssl, enc, -in, .*
openssl, base64, -in, .*
wget, -i, .*
wget, --post-file=.*, http://x/`},
	{"medium/high/root", `
systemctl, restart, .*
systemctl, stop, [a-z-]+
systemctl, --no-block, restart, .*
tc, qdisc, add, .*, .*, .*
ovs-vsctl, --timeout=5, add-port, .*, .*
ovs-vsctl, -t, 5, --, set, .*, .*, .*
ovs-ofctl, add-flows, br-int, -
nft, add, rule, .*, .*, .*
pkill, -9, -f, .*
umount, /etc/.*
umount, -l, .*
rmmod, .*`},
	{"little/low", `
sh, -c, ls -l /srv
sh, -c, echo [a-z]+
sh, -n, /srv/x
python3, -m, json\.tool, /etc/hostname
python3, /usr/share/x/[a-z]+\.py
env, LC_ALL=C, lvs, --noheadings
env, LC_ALL=.*, ls, /srv
env, -u, HOME, ls
nice, -n, 5, ls, /srv
ionice, -c3, ls
timeout, 5, true
timeout, \d+, ls, /srv
nsenter, --version
unshare, --help
sudo, -l
sudo, -n, -l, ls
strace, -V
systemctl, status, [a-z]+
systemctl, is-active, .*
systemctl, show, [a-z]+
systemctl, restart, nova-compute
tar, -tf, /tmp/[a-z]+
tar, tvf, /srv/x
tar, --list, --file=/srv/[a-z]+
rsync, --dry-run, /srv/a, /srv/b
rsync, --version
sed, --version
sort, -c, /etc/hostname
sort, /etc/hostname
tee, /dev/null
tee, -a, /dev/null
cp, /etc/hostname, /dev/null
cp, --version
dd, if=/dev/zero, of=/dev/null, bs=.*
dd, if=/dev/zero, of=/dev/null
chmod, 0600, /srv/[a-z]+
chmod, 0640, /var/log/nova/x
chown, root:root, /etc/hostname
usermod, --help
sysctl, -n, net\.ipv4\.[a-z_]+
sysctl, -a
sysctl, net\.ipv4\.ip_forward=[01]
sysctl, -w, net\.ipv6\.conf\.[a-z0-9-]+\.accept_ra=\d
rpm, -q, [a-z]+
rpm, -qa
pip3, list
pip3, show, [a-z]+
snap, list
supervisorctl, status
qemu-img, info, /srv/[a-z]+
qemu-img, --version
wget, --version
openssl, version
vgs, --noheadings, -o, name
pvs, -o, pv_name, --units, b
lvs, --noheadings, --units=g, -o, vg_name,name,size
virsh, list, --all
virsh, dominfo, [a-z]+
tcpdump, --version
iptables, -L, -n
iptables, --list-rules
iptables-save, -c
ip6tables-save, -t, nat
ipset, list
ipset, list, [a-z]+
journalctl, -u, [a-z-]+
journalctl, -n, \d+, --no-pager
ip, link, show
ip, -o, addr, show, [a-z0-9]+
ip, netns, list
ip, route, show, table, \d+
mount, -l
mount, --fake, /srv/a, /srv/b
findmnt, -J
losetup, -a
modprobe, --show-depends, [a-z]+
mkdir, -p, /srv/[a-z]+
mktemp, -d
grep, -c, x, /etc/hostname
head, -n, 1, /etc/hostname
gzip, -t, /srv/[a-z]+
git, --version
make, --version
lvdisplay, --units, b
iscsiadm, --version
mdadm, --detail, /dev/md[0-9]
kubectl, version
dmidecode, -t, 1
df, -h
du, -sh, /srv/x
cat, /etc/hostname
cat, /proc/cpuinfo
blockdev, --getsize64, /dev/sd[a-z]
docker, ps
docker, version
ethtool, -i, [a-z0-9]+
conntrack, -L
dmsetup, ls
exportfs, -v
tcpdump, -D
tcpdump, -n, -r, /srv/[a-z]+
nft, list, ruleset
nft, -j, list, tables
nft, --version
tc, qdisc, show, dev, .*
tc, -s, class, show, dev, [a-z0-9]+
ovs-vsctl, show
ovs-vsctl, get, Interface, [a-z]+, ofport
ovs-ofctl, dump-flows, br-int
radvd, --version
radvd, --configtest
rabbitmqctl, status
rabbitmqctl, list_queues
route, -n
ss, -tnl
ps, aux
ps, -ef
pgrep, -f, [a-z]+
uname, -a
stat, -c, %s, .*
readlink, -f, .*
realpath, .*
sha256sum, .*
sleep, \d+
udevadm, settle
udevadm, info, --query=all, .*
unshare, --version
vtysh, --version
zpool, list
zfs, list
xfs_info, /dev/[a-z]+
wipefs, --no-act, /dev/[a-z]+
sfdisk, -l, /dev/[a-z]+
sgdisk, -p, /dev/sda
parted, -l
nvme, list
smartctl, -H, /dev/sd[a-z]
sg_inq, /dev/sd[a-z]`},
}

// TestSiblings: none is on the wrong side.
func TestSiblings(t *testing.T) {
	for _, group := range siblings {
		for line := range strings.SplitSeq(strings.TrimSpace(group.lines), "\n") {
			program, _, _ := strings.Cut(line, ",")
			definition := fmt.Sprintf("RegExpFilter, %s, root, %s", program, line)
			f := Of(entry(t, definition), Machine{})
			if strings.Contains("/"+group.band+"/", "/"+f.Band+"/") {
				continue
			}
			text := ""
			if len(f.Cells) > 0 {
				text = f.Cells[0].How + ": " + Command(f.Cells[0].Example)
			}
			t.Errorf("%s: %s, want %s: %s", line, f.Band, group.band, text)
		}
	}
}
