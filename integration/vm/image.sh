#!/bin/sh
# image.sh DIRECTORY
#
# Makes DIRECTORY/root.raw, a Debian 12 with all that the scenarios need, and
# DIRECTORY/vmlinuz, its kernel, from Debian's packages alone. Takes a minute.
# What it makes depends on this file and on nothing else of the project: the tests
# come on a second disk.
set -eu
mkdir -p "$1"
cd "$1"
rm -rf .tree .unpacked # which go list passes over
trap 'rm -rf .tree .unpacked' EXIT

packages=systemd-sysv,dbus,udev,kmod,netbase,procps,iproute2,libcap2-bin,util-linux,acl
packages=$packages,sudo,opendoas,python3-oslo.rootwrap,libnss-extrausers        # the ways in
packages=$packages,dnsmasq-base,haproxy,qemu-utils                              # what services run
packages=$packages,rsyslog,auditd,apparmor                                      # who watches
packages=$packages,nfs-kernel-server,nfs-common                                 # servers

# The kernel is fetched but not installed: what its package does after unpacking
# (initrd, boot loader) takes longer than all the rest, and nothing needs it.
cat >kernel.sh <<'EOF'
set -eu
export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
kernel=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: //p' | head -1)
cd "$1/.."
apt-get download -q "$kernel"
EOF
mmdebstrap --quiet --mode=root --variant=minbase --include="$packages" \
    --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
    --dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --customize-hook='sh kernel.sh "$1"' bookworm .tree
rm kernel.sh

# Not into the tree itself: there /lib is a link, which unpacking would replace.
mkdir .unpacked
dpkg-deb --fsys-tarfile linux-image-*.deb | tar -x -C .unpacked ./boot ./lib/modules
rm linux-image-*.deb
mv .unpacked/boot/vmlinuz-* vmlinuz
mv .unpacked/lib/modules .tree/usr/lib/modules
chroot .tree depmod "$(ls .tree/usr/lib/modules)"

# What packages start by themselves, and no scenario wants running.
for unit in haproxy nfs-server nfs-client.target rpcbind.socket rpcbind nfs-blkmap nfs-idmapd \
            apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap fstrim.timer dpkg-db-backup.timer; do
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
timeout -k 10 1200 ./run.sh
echo $? >$OUT/rc
cp /run/ironwrap-vm.log $OUT/log
tar -cf "$(disk result)" -C $OUT .
sync
echo o >/proc/sysrq-trigger
sleep 60
EOF
chmod 755 .tree/usr/local/sbin/ironwrap-vm

mke2fs -q -t ext4 -O ^has_journal,^metadata_csum -m 0 -L root -d .tree root.raw 1200M
