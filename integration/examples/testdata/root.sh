# Makes in the root $1 what the examples name. What is below examples/ lies in the working
# directory of each page.
set -e
cd "$1"
mkdir -p etc/ironwrap/nova root/new var/lib/node_exporter var/lib/ironwrap var/lib/nova var/log srv usr/share/examples
cp usr/lib/ironwrap/profiles/default.json etc/ironwrap/backup.json
usr/bin/ironwrapctl seccomp compile etc/ironwrap/backup.json
cp -r etc/nova/rootwrap.d etc/ironwrap/nova
printf '[DEFAULT]\nfilters_path=/etc/ironwrap/nova/rootwrap.d\nallow_users=nova\n' >etc/ironwrap/nova/rootwrap.conf
cp etc/nova/rootwrap.conf root/new
echo 'call_socket = /run/ironwrap/neutron.call' >>etc/neutron/rootwrap.conf

for host in host1 host2; do
    mkdir -p srv/collected/$host/etc
    cp -r etc/nova etc/neutron srv/collected/$host/etc
    echo $host >srv/collected/$host/etc/hostname
    ln -s collected/$host srv/$host
done

record='nova-rootwrap[1]: ruid=0 sudo_uid=64059 loginuid=- (nova > root) Executing'
helper='/usr/sbin/privsep-helper --config-file /etc/nova/nova.conf --privsep_context nova.privsep.sys_admin_pctxt --privsep_sock_path /tmp/x'
for file in auth.log auth.log.1; do
    echo "Nov 28 07:00:01 host1 $record $helper (filter match = privsep) filter=- run_as=root cwd=/" >var/log/$file
done
echo "2026-11-27T23:10:00.123456Z $record $helper (filter match = privsep) filter=- run_as=root cwd=/" >var/lib/ironwrap/audit.log

cd usr/share/examples
mkdir -p build/etc policy debian
cp -r ../../../etc/neutron build/etc
cp neutron.yaml policy
cp ../../../etc/sudoers.d/nova-common debian/nova-common.sudoers
cp ../../../etc/nova/rootwrap.conf debian
echo 'accepted: []' >accepted.yaml
printf 'privsep-helper --config-file /etc/nova/nova.conf\nqemu-img info /tmp/a\n' >commands
for side in old new; do
    mkdir $side $side.d
    printf "[DEFAULT]\nfilters_path=/srv/desk/$side.d\n" >$side.conf
    cp $side.conf $side/rootwrap.conf
done
printf '[Filters]\nt: RegExpFilter, iw-tool, root, iw-tool, /srv/[a-z]+\nid: CommandFilter, id, root\n' >old.d/a.filters
printf '[Filters]\nt: RegExpFilter, iw-tool, root, iw-tool, /srv/[a-z]*\n' >new.d/a.filters
