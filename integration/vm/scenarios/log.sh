# Who is told: journald, rsyslog behind it, and the kernel's audit.
. "$(dirname "$0")/../lib.sh"

configure /etc/nova 'arch: CommandFilter, arch, root' 'use_syslog=True
syslog_log_level=INFO'
for who in $both; do
    name=$(basename "$(program $who nova)")
    since=$(date +%s)
    audited=$(wc -c </var/log/audit/audit.log)
    auditctl -a always,exit -F arch=b64 -S execve -F exe=/usr/bin/arch >/dev/null
    (
        echo 64070 >/proc/self/loginuid # as pam_loginuid(8) does for mallory, who logs in
        as_service nova "$(program $who nova)" arch
        as_service nova "$(program $who nova)" mkfs /dev/vda
        as_service nova "$(program $who nova)" "mkfs
$name: (root > root) Executing forged"
    ) >/dev/null 2>&1
    auditctl -D >/dev/null
    journalctl --sync
    journal() { journalctl --quiet --since "@$since" --output cat | grep -v COMMAND= | grep -- "$1" | head -n 1; }
    row 'an execution in the journal' $who "$(journal 'Executing .*arch')"
    row 'a refusal in the journal' $who "$(journal 'Unauthorized command.*vda')"
    row 'a forged line in the journal' $who "$(journal "^$name: (root > root) Executing forged" | grep -q . && echo yes || echo no)"
    until_true grep -q " $name.*mkfs /dev/vda" /var/log/syslog
    row 'the refusal in the file of rsyslog' $who "$(grep -q " $name[^ ]*: .*Unauthorized command: .*mkfs /dev/vda" /var/log/syslog && echo yes || echo no)"
    until_true grep -q 'exe="/usr/bin/arch"' /var/log/audit/audit.log
    row 'the execution in the audit log' $who \
        "$(tail -c +"$audited" /var/log/audit/audit.log | grep 'exe="/usr/bin/arch"' | grep -o ' auid=[0-9]* uid=[0-9]*' | tail -n 1)"
done
