#!/bin/sh
# image.sh DIRECTORY [short|long]
#
# Makes DIRECTORY/root.raw, a Debian 12 with all that the scenarios need, and
# DIRECTORY/vmlinuz, its kernel, from Debian's packages alone. Takes a minute. A long
# one has SELinux's policy and labels too, and a service's package, in /root.
# What it makes depends on this file and debian.sh and on nothing else of the project:
# the tests come on a second disk, or by Vagrant.
# DIRECTORY/initrd is for a root on virtio, which the kernel alone cannot find.
set -eu
. "$(dirname "$0")/debian.sh"
mkdir -p "$1"
cd "$1"
kind=${2:-short}
rm -rf .tree .unpacked .initrd # which go list passes over
trap 'rm -rf .tree .unpacked .initrd' EXIT

packages="$packages openssh-server" # for Vagrant; elsewhere nobody starts it
[ $kind = short ] || packages="$packages $packages_long"

# The kernel is fetched but not installed: what its package does after unpacking
# (initrd, boot loader) takes longer than all the rest, and nothing needs it.
cat >kernel.sh <<'EOF'
set -eu
export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
kernel=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: //p' | head -1)
cd "$1/.."
apt-get download -q "$kernel" busybox-static
[ "$2" = short ] || apt-get download -q neutron-common
EOF
mmdebstrap --quiet --mode=root --variant=minbase --include="$(echo $packages | tr ' ' ,)" \
    --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
    --dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --customize-hook="sh kernel.sh \"\$1\" $kind" bookworm .tree
rm kernel.sh

# Not into the tree itself: there /lib is a link, which unpacking would replace.
mkdir .unpacked
dpkg-deb --fsys-tarfile linux-image-*.deb | tar -x -C .unpacked ./boot ./lib/modules
rm linux-image-*.deb
mv .unpacked/boot/vmlinuz-* vmlinuz
mv .unpacked/lib/modules .tree/usr/lib/modules
version=$(ls .tree/usr/lib/modules)
chroot .tree depmod "$version"

mkdir -p .initrd/bin .initrd/dev .initrd/proc .initrd/root
dpkg-deb --fsys-tarfile busybox-static_*.deb | tar -x -C .initrd --strip-components=2 ./bin/busybox
rm busybox-static_*.deb
mv .initrd/busybox .initrd/bin/
{
    echo '#!/bin/busybox sh'
    echo 'busybox mount -t devtmpfs dev /dev'
    chroot .tree modprobe --set-version "$version" --show-depends virtio_pci
    chroot .tree modprobe --set-version "$version" --show-depends virtio_blk
    cat <<'INIT'
while [ ! -b /dev/vda ]; do busybox sleep 0.1; done
busybox mount -t ext4 /dev/vda /root
busybox mount -o move /dev /root/dev
exec busybox switch_root /root /sbin/init
INIT
} | sed 's|^insmod .*/\([^/ ]*\) *$|busybox insmod /\1 2>/dev/null|; /^builtin/d' | awk '!/insmod/ || !seen[$0]++' >.initrd/init
chmod 755 .initrd/init
for module in $(sed -n 's|.*insmod /\([^ ]*\).*|\1|p' .initrd/init); do
    find .tree/usr/lib/modules -name "$module" -exec cp {} .initrd/ \;
done
(cd .initrd && find . | cpio -o -H newc --quiet | gzip) >initrd

for unit in $unwanted ssh; do
    systemctl --root=.tree --quiet disable "$unit" 2>/dev/null || true
done

echo ironwrap >.tree/etc/hostname
echo 127.0.1.1 ironwrap >>.tree/etc/hosts

# One unit runs what is on the disk "payload", and nothing else is started that it
# does not ask for.
cat >.tree/etc/systemd/system/ironwrap-vm.target <<'EOF'
[Unit]
Description=The scenarios of ironwrap
Requires=basic.target ironwrap-vm.service
Wants=rsyslog.service auditd.service
AllowIsolate=yes
EOF
cat >.tree/etc/systemd/system/ironwrap-vm.service <<'EOF'
[Unit]
After=basic.target rsyslog.service auditd.service apparmor.service
[Service]
Type=oneshot
ExecStart=/usr/local/sbin/ironwrap-vm
StandardOutput=file:/run/ironwrap-vm.log
StandardError=inherit
EOF
cat >.tree/usr/local/sbin/ironwrap-vm <<'EOF'
#!/bin/sh
# Unpacks the disk "payload", runs its run.sh, and leaves the exit status, the log
# and what it put into $OUT on the disk "result".
modprobe virtio_pci
modprobe virtio_blk
disk() { for d in /sys/block/vd*; do [ "$(cat $d/serial)" = $1 ] && echo /dev/${d##*/}; done; }
while [ -z "$(disk payload)" ] || [ -z "$(disk result)" ]; do sleep 0.1; done
export OUT=/run/out
mkdir -p $OUT /run/payload
tar -xf "$(disk payload)" -C /run/payload
cd /run/payload
timeout -k 10 3000 ./run.sh
echo $? >$OUT/rc
cp /run/ironwrap-vm.log $OUT/log
tar -cf "$(disk result)" -C $OUT .
sync
echo o >/proc/sysrq-trigger
sleep 60
EOF
chmod 755 .tree/usr/local/sbin/ironwrap-vm

# What Vagrant asks of a machine: a user with its public insecure key, who may
# become root, a network, ssh. Started only where multi-user.target is.
chroot .tree useradd --create-home --shell /bin/bash vagrant
echo 'vagrant ALL = (ALL) NOPASSWD: ALL' >.tree/etc/sudoers.d/vagrant
chmod 440 .tree/etc/sudoers.d/vagrant
mkdir -m 700 .tree/home/vagrant/.ssh
echo 'ssh-rsa AAAAB3NzaC1yc2EAAAABIwAAAQEA6NF8iallvQVp22WDkTkyrtvp9eWW6A8YVr+kz4TjGYe7gHzIw+niNltGEFHzD8+v1I2YJ6oXevct1YeS0o9HZyN1Q9qgCgzUFtdOKLv6IedplqoPkcmF0aYet2PkEDo3MlTBckFXPITAMzF8dJSIFo9D8HfdOV0IAdx4O7PtixWKn5y2hMNG0zQPyUecp4pzC6kivAIhyfHilFR61RGL+GPXQ2MWZWFYbAGjyiYJnAmCP3NOTd0jMZEnDkbUvxhMmBYSdETk1rRgm+R4LOzFUGaHqHDLKLX+FIPKcF96hrucXzcWyLbIbEgE98OHlnVYCzRdK8jlqm8tehUc9c9WhQ== vagrant insecure public key' \
    >.tree/home/vagrant/.ssh/authorized_keys
chroot .tree chown -R vagrant: /home/vagrant/.ssh
printf '[Match]\nName=eth0\n[Network]\nDHCP=ipv4\n' >.tree/etc/systemd/network/eth0.network
for unit in ssh systemd-networkd; do
    ln -s "/lib/systemd/system/$unit.service" .tree/etc/systemd/system/multi-user.target.wants/
done

# SELinux's labels. The kernel here has no say in them, and setfiles(8) must not ask it.
if [ $kind = long ]; then
    mv neutron-common_*.deb .tree/root/neutron-common.deb
    unshare --mount sh -c 'mount -t proc proc .tree/proc
        chroot .tree setfiles -F -m /etc/selinux/default/contexts/files/file_contexts /'
fi

mke2fs -q -t ext4 -O ^has_journal,^metadata_csum -m 0 -L root -d .tree root.raw 1200M
