# doas, which cannot pin the first argument while it leaves the others free: the
# caller chooses the configuration.
. "$(dirname "$0")/../lib.sh"

configure /etc/nova 'id: CommandFilter, id, root'
configure /var/lib/nova/own 'sh: CommandFilter, sh, root'
chown -R nova: /var/lib/nova/own
through_doas() {
    local name="$1" who
    shift
    for who in $both; do
        row "$name" $who "$(outcome as nova "$@" doas -n "$(program $who nova)" "$conf" $command)"
    done
}
allow() {
    printf "permit nopass $1 nova as root cmd %s\n" "$(program peer nova)" "$(program ironwrap nova)" >/etc/doas.conf
    chmod 400 /etc/doas.conf
}

allow ''
conf=/etc/nova/rootwrap.conf command='id -u'
through_doas 'an allowed command' env
command='bash -c id'
through_doas 'a command that no filter allows' env
conf=/var/lib/nova/own/rootwrap.conf command='sh -c whoami'
through_doas 'the caller names another configuration' env

# keepenv leaves the caller's variables: Python obeys some before its first line.
allow keepenv
mkdir -p /var/lib/nova/lib
echo 'import os; print("code of the caller ran as uid", os.geteuid(), flush=True)' >/var/lib/nova/lib/sitecustomize.py
conf=/etc/nova/rootwrap.conf command='id -u'
through_doas "keepenv, and PYTHONPATH of the caller" env PYTHONPATH=/var/lib/nova/lib
rm -r /etc/doas.conf /var/lib/nova/lib /var/lib/nova/own
