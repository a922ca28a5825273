# sudo, with the line that packages ship, and with what sites add to it.
. "$(dirname "$0")/../lib.sh"

configure /etc/neutron 'id: CommandFilter, id, root
env: CommandFilter, env, root
sh: CommandFilter, sh, root'

through_sudo 'an allowed command' neutron id -u
through_sudo 'a command that no filter allows' neutron bash -c id
through_sudo 'a command killed by a signal' neutron sh -c 'kill -9 $$'
through_sudo 'exit status of the command' neutron sh -c 'exit 7'
through_sudo 'variables that the command has' neutron sh -c 'env -0 | cut -z -d= -f1 | sort -z | tr "\0" " "'

configure /var/lib/neutron/own 'sh: CommandFilter, sh, root'
chown -R neutron: /var/lib/neutron/own
for who in $both; do
    row 'the caller names another configuration' $who \
        "$(outcome as neutron sudo -n "$(program $who neutron)" /var/lib/neutron/own/rootwrap.conf sh -c 'id -u')"
done

# A line that pins no arguments, as some deployment tools write it.
printf 'neutron ALL = (root) NOPASSWD: %s\n' "$(program peer neutron)" "$(program ironwrap neutron)" >/etc/sudoers.d/unpinned
for who in $both; do
    row 'the same where sudoers pins none' $who \
        "$(outcome as neutron sudo -n "$(program $who neutron)" /var/lib/neutron/own/rootwrap.conf sh -c 'id -u')"
done
rm /etc/sudoers.d/unpinned

terminal() {
    local name="$1" who
    shift
    for who in $both; do
        # script(1) shows the end of its own input as ^@ or ^D.
        row "$name" $who "$(outcome as neutron script -qec "sudo -n $(program $who neutron) /etc/neutron/rootwrap.conf $*" /dev/null | sed 's/\^[@D]//g')"
    done
}
echo 'Defaults use_pty' >/etc/sudoers.d/zz-site
through_sudo 'use_pty, no terminal' neutron id -u
terminal 'use_pty, on a terminal' id -u
echo 'Defaults:neutron requiretty' >/etc/sudoers.d/zz-site
through_sudo 'requiretty, no terminal' neutron id -u
terminal 'requiretty, on a terminal' id -u
rm /etc/sudoers.d/zz-site

# What the owner of /etc/neutron can do to the configuration in it.
configure /etc/neutron 'id: CommandFilter, id, root' 'strict_paths=yes'
through_sudo 'strict_paths in a directory of the service' neutron id -u
configure /etc/neutron 'id: CommandFilter, id, root'
as neutron mv /etc/neutron/rootwrap.d /etc/neutron/gone
as neutron cp -r /var/lib/neutron/own/rootwrap.d /etc/neutron/rootwrap.d
through_sudo 'the service puts filters of its own there' neutron sh -c 'id -u'
rm -r /etc/neutron/rootwrap.d
mv /etc/neutron/gone /etc/neutron/rootwrap.d
as neutron mv /etc/neutron/rootwrap.conf /etc/neutron/gone
as neutron cp /var/lib/neutron/own/rootwrap.conf /etc/neutron/rootwrap.conf
through_sudo 'the service puts a rootwrap.conf of its own there' neutron sh -c 'id -u'
rm /etc/neutron/rootwrap.conf /etc/neutron/gone
