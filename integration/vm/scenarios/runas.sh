# Each kind of run-as user: what the kernel says of the command.
. "$(dirname "$0")/../lib.sh"

configure /etc/nova 'id: CommandFilter, id, root
whoami: CommandFilter, whoami, nobody
groups: CommandFilter, groups, nova
logname: CommandFilter, logname, remote
arch: CommandFilter, arch, missing
true: CommandFilter, true, 64055
false: CommandFilter, false, -1
wc: CommandFilter, wc, 4294967295
sh: CommandFilter, sh, nobody
bash: CommandFilter, bash, nova
dash: CommandFilter, dash, remote'

ids='echo $(grep -E "^(Uid|Gid|Groups):" /proc/self/status)'
through_sudo root nova id
through_sudo nobody nova sh -c "$ids"
through_sudo 'a service, with a group besides' nova bash -c "$ids"
through_sudo 'a user of a name service' nova dash -c "$ids"
through_sudo 'a user who does not exist' nova arch
through_sudo 'a number' nova true
through_sudo 'the number that means no change' nova wc
through_sudo 'the same, as -1' nova false
