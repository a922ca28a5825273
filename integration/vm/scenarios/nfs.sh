# NFS with the kernel's server: on the machine NFS_SERVER, or where there is none in a
# network namespace of its own. What root may do there is for the server to say.
. "$(dirname "$0")/../lib.sh"

server=${NFS_SERVER:-10.77.0.1}
if [ -z "${NFS_SERVER-}" ] && [ ! -e /run/netns/nfs-server ]; then
    ip netns add nfs-server
    ip link add nfs type veth peer name nfs netns nfs-server
    ip addr add 10.77.0.2/24 dev nfs
    ip link set nfs up
    ip -n nfs-server addr add $server/24 dev nfs
    ip -n nfs-server link set nfs up
    ip -n nfs-server link set lo up
    ip netns exec nfs-server "$here/nfs-server.sh" 10.77.0.0/24
fi
device=$(ip route get "$server" | sed -n 's/.* dev \([^ ]*\).*/\1/p')
mounted() { # EXPORT [OPTIONS]
    mkdir -p "/mnt/$1"
    mount -t nfs4 -o "vers=4.2,noac${2:+,$2}" "$server:/run/nfs/$1" "/mnt/$1"
}
modprobe nfsv4

# An instances directory, worked on as root and as nova.
for squash in root_squash no_root_squash all_squash; do
    mounted $squash
    for user in root nova; do
        dir=/mnt/$squash/instances
        configure /etc/nova "cat: CommandFilter, cat, $user
chown: CommandFilter, chown, $user
qemu-img: CommandFilter, qemu-img, $user
mv: CommandFilter, mv, $user
head: PathFilter, head, $user, $dir"
        for who in $both; do
            ask() { as_service nova "$(program $who nova)" "$@"; }
            tell() { row "$squash, as $user: $1" $who "$2"; }
            tell 'cat a file for all' "$(outcome ask cat $dir/public)"
            tell 'cat a file of nova' "$(outcome ask cat $dir/private/file)"
            tell 'chown a file of nova' "$(outcome ask chown nova $dir/public)"
            tell 'qemu-img create in the directory of nova' "$(outcome ask qemu-img create -q -f qcow2 $dir/private/disk 1M)"
            tell 'PathFilter, below a directory of nova alone' "$(outcome ask head $dir/private/file)"
            tell 'mv in the directory of nova' "$(outcome ask mv $dir/private/file $dir/private/moved)"
            rm -f $dir/private/disk 2>/dev/null
            as nova sh -c "mv $dir/private/moved $dir/private/file; rm -f $dir/private/disk" 2>/dev/null
        done
    done
    umount /mnt/$squash
done

# The refusal names the reason and what to do.
mounted root_squash
configure /etc/nova 'head: PathFilter, head, root, /mnt/root_squash/instances'
ask() { as_service nova "$(program ironwrap nova)" "$@"; }
row 'what is said of root_squash' ironwrap "$(because "$(outcome ask head /mnt/root_squash/instances/private/file)" 'as user root: ')"

umount /mnt/root_squash

# Configuration, filters and a profile on NFS, of root's: what all may read root may
# read too, and what only root may read root may not.
mounted root_squash
mounted no_root_squash
written=/mnt/no_root_squash/etc read=/mnt/root_squash/etc
configure $written 'grep: CommandFilter, grep, root
[Sandbox:grep]
seccomp = /mnt/root_squash/etc/profile.json'
sed -i "s|$written|$read|" $written/rootwrap.conf
cp /usr/lib/ironwrap/profiles/default.json $written/profile.json
ironwrapctl seccomp compile $written/profile.json >/dev/null
both_read() { # NAME
    for who in $both; do
        row "$1" $who "$(outcome bounded "$(program $who nova)" $read/rootwrap.conf grep Seccomp: /proc/self/status)"
    done
}
unreadable() { # NAME FILE
    chmod 600 "$2"
    # A client that has read a file may go on reading it (delegation).
    umount /mnt/root_squash
    mounted root_squash
    both_read "$1"
    row "$1: what is said" ironwrap "$(because "$(outcome bounded "$(program ironwrap nova)" $read/rootwrap.conf grep Seccomp: /proc/self/status)" "$read/")"
    chmod 644 "$2"
}
both_read 'configuration, filters and profile that all may read'
unreadable 'a configuration that root alone may read' $written/rootwrap.conf
unreadable 'filters that root alone may read' $written/rootwrap.d/test.filters
unreadable 'a profile that root alone may read' $written/profile.json
umount /mnt/root_squash

# The server goes away. A soft mount gives up by itself, a hard one never.
mkdir -p /mnt/soft
mount -t nfs4 -o vers=4.2,noac,nosharecache,soft,timeo=20,retrans=1 $server:/run/nfs/no_root_squash /mnt/soft
sed -i "s|$read|$written|" $written/rootwrap.conf
sed 's|/mnt/no_root_squash|/mnt/soft|' $written/rootwrap.conf >/mnt/soft/etc/soft.conf
configure /etc/nova 'head: PathFilter, head, nova, /mnt/no_root_squash/instances'
# Packets to an address that nobody has get lost, as on a network that is cut.
ip neigh replace $server lladdr 02:00:00:00:00:99 dev $device nud permanent
while_gone() { # NAME WHO COMMAND...
    local name="server gone, $1" who="$2"
    shift 2
    scratch=$(mktemp -d)
    row "$name" $who "$(LIMIT=80 outcome bounded "$(program $who nova)" "$@")"
    [ $who = peer ] || row "$name: what is said" ironwrap "$(tail -n 1 "$scratch/err")"
    rm -r "$scratch"
}
waiting=
for who in $both; do
    while_gone 'configuration on a soft mount' $who /mnt/soft/etc/soft.conf grep x &
    waiting="$waiting $!"
    while_gone 'configuration on a hard mount' $who $written/rootwrap.conf grep x &
    waiting="$waiting $!"
    while_gone 'PathFilter on a hard mount' $who /etc/nova/rootwrap.conf head /mnt/no_root_squash/instances/public &
    waiting="$waiting $!"
    "$(program $who nova)" $written/rootwrap.conf grep x 2>/dev/null &
    pid=$!
    sleep 5
    kill -TERM $pid
    (sleep 5; kill -KILL $pid 2>/dev/null) &
    wait $pid
    row 'server gone, hard mount, SIGTERM' $who "killed by signal $(($? - 128))"
done
wait $waiting
ip neigh delete $server dev $device
umount -f -l /mnt/soft /mnt/no_root_squash
