#!/bin/sh
# stage.sh ROOT GO USER COMMAND
#
# Has USER log in to ROOT and run COMMAND there, with Go from the directory GO: as on a
# machine of its own, but for the kernel and the network. It must be the first process of
# mount, pid, ipc and uts namespaces; what COMMAND mounts and starts goes with it.
set -eu
root=$1 go=$2 user=$3 command=$4
hostname fresh
mount --bind "$root" "$root"
cd "$root"
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts dev/pts
mount -t tmpfs -o mode=1777 shm dev/shm
mount -t tmpfs -o mode=0755 run run
mkdir -m 1777 run/lock
mkdir -p usr/local/go
mount --bind "$go" usr/local/go
mount -o remount,bind,ro usr/local/go
# A chroot would do, were it not that nobody in one may make a user namespace.
pivot_root . .
umount -l .
cd /
su --login --shell /bin/sh "$user" --command "$command"
