#!/bin/sh
# nfs-server.sh NETWORK: exports one tree three times to NETWORK with the kernel's
# server, each time with another idea of whom to believe. Run as root on the server, or in a
# network namespace.
set -eu
dir=/run/nfs/tree
mkdir -p "$dir/instances/private" "$dir/etc/rootwrap.d"
echo data >"$dir/instances/public"
echo data >"$dir/instances/private/file"
chown -R 64055:64055 "$dir/instances"
chmod 755 "$dir" "$dir/instances"
chmod 644 "$dir/instances/public"
chmod 700 "$dir/instances/private"
chmod 600 "$dir/instances/private/file"
for squash in root_squash no_root_squash all_squash; do
    mkdir -p "/run/nfs/$squash"
    mountpoint -q "/run/nfs/$squash" || mount --bind "$dir" "/run/nfs/$squash"
done
modprobe nfsd
mount -t nfsd nfsd /proc/fs/nfsd 2>/dev/null || true
if [ "$(cat /proc/fs/nfsd/threads)" = 0 ]; then
    echo 10 >/proc/fs/nfsd/nfsv4leasetime
    echo 10 >/proc/fs/nfsd/nfsv4gracetime
    rpc.mountd -N 2 -N 3 2>/dev/null
    rpc.nfsd -N 3 -V 4.2 4
fi
id=0
for squash in root_squash no_root_squash all_squash; do
    id=$((id + 1))
    exportfs -o "rw,sync,no_subtree_check,insecure,fsid=$id,$squash" "$1:/run/nfs/$squash"
done
# Clients may come at once: nobody had locks before.
echo Y >/proc/fs/nfsd/v4_end_grace 2>/dev/null || true
