#!/bin/sh
# stage.sh ROOT TREE COMMAND [WORD]...
#
# Runs COMMAND in ROOT with TREE's files over it. It must be the first process of mount,
# pid and network namespaces of its own. What is written goes with it.
set -eu
root=$1 tree=$2
shift 2
stage=$(mktemp -d)
mount -t tmpfs stage "$stage"
mkdir "$stage/upper" "$stage/work" "$stage/root"
mount -t overlay -o lowerdir="$tree:$root,upperdir=$stage/upper,workdir=$stage/work" stage "$stage/root"
cd "$stage/root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t tmpfs dev dev
for node in null zero full random urandom tty net/tun; do
    mkdir -p "$(dirname dev/$node)"
    cp -a /dev/$node dev/$node 2>/dev/null || true
done
[ -e dev/net/tun ] || { mkdir -p dev/net; mknod -m 666 dev/net/tun c 10 200; }
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount -t tmpfs -o mode=755 run run
mount -t tmpfs -o mode=1777 tmp tmp
mkdir -p run/netns run/lock
chmod 1777 run/lock dev/shm
ip link set lo up
hostname localhost

# What the calls find.
mkdir -p srv/root/dir
chmod 755 srv srv/root
echo text >srv/root/file
echo junk >srv/root/junk
truncate -s 8M srv/root/disk
echo secret >root/secret
chmod 700 root
chmod 600 root/secret
chroot . qemu-img create -q -f qcow2 /srv/root/image 1M
for helper in sbin/mount.nfs usr/sbin/scstadmin; do
    printf '#!/bin/sh\ngrep -E "^(CapBnd|CapEff|NoNewPrivs):" /proc/self/status\nexit 7\n' >$helper
    chmod 755 $helper
done
mkdir run/openvswitch # with a switch of its own, not the kernel's, which would load a module
chroot . ovsdb-tool create /run/openvswitch/conf.db /usr/share/openvswitch/vswitch.ovsschema
chroot . ovsdb-server --detach --pidfile --remote=punix:/run/openvswitch/db.sock \
    --remote=db:Open_vSwitch,Open_vSwitch,manager_options /run/openvswitch/conf.db
chroot . ovs-vsctl --no-wait init
chroot . /usr/lib/openvswitch-switch/ovs-vswitchd --detach --pidfile --enable-dummy=override 2>/dev/null
setpriv --reuid 65534 --regid 65534 --clear-groups sleep 1000 &
echo $! >run/victim

status=0
chroot . "$@" || status=$?
cd /
umount -l "$stage"
rmdir "$stage"
exit $status
