package exposure

// wordsNZ are placeholders that the rows of the files *_nz.go have beside those of
// fixed: words that hold blanks, or that a program takes in a form of its own.
var wordsNZ = map[string][]string{
	"arch":         {"x86_64", "linux64", "i386", "linux32"},
	"pipe":         {"|id", "!id"},
	"proxycommand": {"ProxyCommand=id", "ProxyCommand id"},
	"localcommand": {"LocalCommand=id"},
	"sshcommand":   {"ssh_command=/tmp/x", "directport=1"},
	"remote":       {"h:x", "h:/x", "u@h:x"},
	"at":           {"@/etc/shadow"},
	"argfile":      {"@/etc/shadow"},
	"verb":         {"req", "x509", "enc", "s_client", "rand", "dgst"},
	"octave":       {`system("id")`},
	"rlang":        {`system("id")`},
	"slang":        {`system("id");`},
	"lisp":         {`(run-program "/bin/sh" (list "-c" "id"))`},
	"psql":         {`\! id`},
	"phpini":       {"auto_prepend_file=/tmp/x", "extension=/tmp/x"},
	"rpmlua":       {`%{lua:os.execute("id")}`, "%(id)"},
	"linker":       {"linker=/tmp/x"},
	"smbbang":      {"!id"},
	"scanmem":      {"shell id"},
	"resticsftp":   {"sftp.command=id"},
	"useaskpass":   {"use_askpass=/tmp/x"},
	"luascript":    {"lua_script:/tmp/x"},
	"vimpython":    {`:py3 import os; os.system("id")`},
	"sqliteread":   {"select readfile('/etc/shadow')"},
	"sqlitewrite":  {"select writefile('/etc/x', 'x')"},
	"qemuread":     {"read -v 0 512"},
	"qemuwrite":    {"write -s /tmp/x 0 512"},
	"xfspread":     {"pread -v 0 512"},
	"xfspwrite":    {"pwrite -i /tmp/x 0 512"},
	"lvmexec":      {`global{thin_check_executable="/tmp/x"}`},
	"zfsmount":     {"mountpoint=/etc"},
	"frrcopy":      {"copy /etc/shadow running-config"},
	"frrlog":       {"log file /etc/x"},
	"libvirturi":   {"qemu+ext:///system?command=/tmp/x", "qemu+ssh://h/system?command=/tmp/x"},
	"puppet":       {"exec { '/bin/id': }"},
	"up":           {"../../etc/shadow"},
}

// withoutNZ are options that take away what a row says, by program. They hold for all of
// a program's rows of the powers that are named.
var withoutNZ = map[string]struct{ powers, options string }{
	"nice":              {Run, "--help --version"},
	"npx":               {Run, "--no-install"},
	"partx":             {Destroy, "-s --show -l --list -a --add -u --update"},
	"pax":               {Write, "-f"}, // with neither -r nor -w it lists
	"prlimit":           {Run, "-p --pid"},
	"rsync":             {Write + " " + Destroy + " " + Owner, "-n --dry-run --list-only"},
	"run-parts":         {Run, "--test --list"},
	"script":            {Run, "-V --version -h --help"},
	"sed":               {Run, "--sandbox"},
	"sfdisk":            {Destroy, "-n --no-act -d --dump -l --list -J --json -s --show-size -g --show-geometry -F --list-free -V --verify -T --list-types"},
	"sgdisk":            {Destroy, "-P --pretend -p --print -i --info -v --verify -L --list-types"},
	"shred":             {Destroy, "--help --version"},
	"sort":              {Write + " " + Run, "-c -C"},
	"sqlite3":           {Run + " " + Read + " " + Write, "-safe"},
	"start-stop-daemon": {Run, "-t --test -K --stop -T --status"},
	"strace":            {Run, "-p --attach"},
	"su":                {Run, "-V --version"},
	"sudo":              {Run, "-l --list -v --validate -K -k -V --version"},
	"sysctl":            {Kernel, "--dry-run -N --names"},
	"systemctl":         {Run + " " + Services, "--dry-run"},
	"tar":               {Write, "-t --list -d --diff -O --to-stdout"},
	"taskset":           {Run, "-p --pid"},
	"tcpdump":           {Network, "-r -D --list-interfaces --version -h --help"},
	"touch":             {Services, "-c --no-create"},
	"truncate":          {Services, "-c --no-create"},
	"uclampset":         {Run, "-p --pid"},
	"umount":            {Services, "--fake"},
	"unzip":             {Write, "-l -v -t -p -Z -z"},
	"vipw":              {Run, "-h --help"},
	"wipefs":            {Destroy, "-n --no-act"},
	"xz":                {Destroy, "-k --keep -c --stdout -t --test -l --list"},
	"zstd":              {Destroy, "-k --keep -c --stdout -t --test -l --list"},
	"7z":                {Read, "-p"},
	"tshark":            {Network, "-r -D -v"},
	"nft":               {Network, "-c --check"},
	"parted":            {Destroy, "-l --list -v --version"},
	"udevadm":           {Services, "-n --dry-run"},
	"vtysh":             {Network, "-C --dryrun"},
	"radvd":             {Network, "-c --configtest -v --version -h --help"},
}

// falseAlarms are older rows that say too much, and why they should go.
var falseAlarmsNZ = map[string]string{
	"nft …":              "nft list ruleset changes nothing: the row is kept for what is not list, and loses read verbs in the verbs of its grammar",
	"tcpdump …":          "-r reads a file and listens to nothing: see withoutNZ",
	"radvd …":            "--version and --configtest answer nobody: see withoutNZ",
	"tc …":               "tc qdisc show changes nothing",
	"ovs-vsctl {free} …": "show, list and get change nothing",
}

// tableNZ are all rows of the files *_nz.go, those that were run first.
var tableNZ = [][]way{runNZ, filesNZ, runDocNZ, filesDocNZ, systemDocNZ}
