# A profile that is tried, and what learn --from-audit makes of the kernel's records: of
# those in the file of auditd, and where no auditd runs of those in the journal.
. "$(dirname "$0")/../lib.sh"

dir=/etc/ironwrap/nova
mkdir -p $dir
confined() { # PROFILE [LINE]
    ironwrapctl seccomp compile "$1" >/dev/null
    configure /etc/nova "mkdir: CommandFilter, mkdir, root
[Sandbox:mkdir]
seccomp = $1
${2-}"
}
ask() { outcome as_service nova /usr/bin/nova-rootwrap mkdir "$@"; }
learnt() { # NAME RECORDS...
    local name="$1"
    shift
    cp /usr/lib/ironwrap/profiles/readonly-tools.json $dir/tried.json
    confined $dir/tried.json
    row "$name: the profile in force" ironwrap "$(ask /run/made)"
    confined $dir/tried.json 'seccomp_log = yes'
    row "$name: only tried" ironwrap "$(ask /run/made)"
    rmdir /run/made
    said() { ironwrapctl learn --from-audit --profile $dir/new.json /etc/nova/rootwrap.conf "$@" -- mkdir /run/made; }
    has() { said "$@" >"$scratch/learnt" 2>&1 && [ -e $dir/new.json ]; }
    until_true has "$@"
    row "$name: what is learnt" ironwrap "$(sed -n '/^added to the profile:/,+1p' "$scratch/learnt" | xargs)"
    confined $dir/new.json
    row "$name: the new profile in force" ironwrap "$(ask /run/made)"
    rmdir /run/made
    row "$name: what was not seen" ironwrap "$(ask -m 4755 /run/made)"
    rm -rf /run/made $dir
    mkdir $dir
}
learnt 'audit.log' /var/log/audit/audit.log
# Debian's unit lets nobody stop it.
systemctl kill auditd
stopped() { ! pidof auditd; }
until_true stopped
row "the journal: auditd" ironwrap "$(pidof auditd >/dev/null && echo runs || echo does not run)"
learnt 'the journal' --journal --since "@$(date +%s)"
systemctl start auditd
