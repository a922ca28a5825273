package lint

import (
	"slices"
	"strings"
)

// power is what a program does for whoever chooses its arguments. The table is
// about arguments alone: what else a program can be led to do, by files that it
// reads and by its faults, is not in it.
type power struct {
	names []string // base names; a star at the end stands for a version
	gives effect
	why   string // one line: how arguments become power
	// ways are arguments that do it, separated by blanks; a word with blanks stands
	// in single quotes. PROGRAM is a program of the caller's, FILE a file of root's,
	// SOURCE a file of the caller's, USER the caller.
	ways []string
	// live: the tests really go the first way, where the program is installed.
	live bool
}

// effect is what is given away.
type effect int

const (
	runs     effect = iota // starts a program of the caller's
	writes                 // writes a file of root's, or changes who may
	governs                // rules over what others run: services, accounts, the kernel
	destroys               // removes or overwrites any file, with nothing of the caller's in its place
	reads                  // shows a file that only root may read
)

// powers is the table. Interpreters and shells have one of their own (shells.go).
var powers = []power{
	// Programs that start another one.
	{[]string{"env"}, runs, "runs the program that it is given", []string{"PROGRAM"}, true},
	{[]string{"nice"}, runs, "runs the program that it is given", []string{"PROGRAM", "-n 5 PROGRAM"}, true},
	{[]string{"ionice"}, runs, "runs the program that it is given", []string{"PROGRAM", "-c3 PROGRAM", "-c 3 PROGRAM"}, true},
	{[]string{"chrt"}, runs, "runs the program that it is given", []string{"-o 0 PROGRAM"}, true},
	{[]string{"taskset"}, runs, "runs the program that it is given", []string{"-c 0 PROGRAM"}, true},
	{[]string{"nohup", "setsid", "eatmydata", "fakeroot", "linux64", "linux32", "time", "catchsegv", "torsocks", "proxychains"}, runs, "runs the program that it is given", []string{"PROGRAM"}, true},
	{[]string{"setarch"}, runs, "runs the program that it is given", []string{"x86_64 PROGRAM"}, false},
	{[]string{"timeout"}, runs, "runs the program that it is given", []string{"9 PROGRAM", "-k 9 9 PROGRAM"}, true},
	{[]string{"stdbuf"}, runs, "runs the program that it is given", []string{"-o0 PROGRAM"}, true},
	{[]string{"prlimit"}, runs, "runs the program that it is given", []string{"--nofile=64 PROGRAM", "PROGRAM"}, true},
	{[]string{"choom"}, runs, "runs the program that it is given", []string{"-n 0 -- PROGRAM"}, true},
	{[]string{"xargs"}, runs, "runs the program that it is given", []string{"-a /dev/null PROGRAM", "PROGRAM"}, true},
	{[]string{"flock"}, runs, "runs the program that it is given while it holds a lock", []string{"/dev/null PROGRAM"}, true},
	{[]string{"script"}, runs, "runs the command that it is given and records it", []string{"-qc PROGRAM /dev/null"}, true},
	{[]string{"watch"}, runs, "runs the command that it is given, again and again", []string{"PROGRAM"}, false},
	{[]string{"start-stop-daemon"}, runs, "starts the program that it is given", []string{"--start --exec PROGRAM"}, true},
	{[]string{"run-parts"}, runs, "runs every program of a directory", []string{"/tmp"}, false},
	{[]string{"setpriv"}, runs, "runs the program that it is given, with any user id", []string{"PROGRAM"}, true},
	{[]string{"capsh"}, runs, "runs a shell command", []string{"-- -c PROGRAM"}, true},
	{[]string{"su"}, runs, "runs a command as any user", []string{"-c PROGRAM"}, false},
	{[]string{"runuser"}, runs, "runs a command as any user", []string{"-u root -- PROGRAM"}, true},
	{[]string{"sudo", "doas", "pkexec"}, runs, "runs a command as any user", []string{"PROGRAM"}, false},
	{[]string{"chroot"}, runs, "runs a program under any root directory, / among them", []string{"/ PROGRAM"}, true},
	{[]string{"unshare"}, runs, "runs a program in new namespaces", []string{"PROGRAM"}, true},
	{[]string{"nsenter"}, runs, "runs a program in the namespaces of any process", []string{"PROGRAM", "-t 1 -m PROGRAM"}, true},
	{[]string{"switch_root", "pivot_root"}, governs, "changes which directory is the root", []string{"/tmp /tmp"}, false},
	{[]string{"cgexec"}, runs, "runs the program that it is given in a control group", []string{"-g cpu:x PROGRAM"}, false},
	{[]string{"numactl"}, runs, "runs the program that it is given", []string{"-N 0 PROGRAM"}, false},
	{[]string{"systemd-run"}, runs, "has systemd run a program as root, outside of any sandbox", []string{"PROGRAM"}, false},
	{[]string{"systemd-nspawn"}, runs, "runs a program in a container whose root directory is the caller's choice", []string{"-D / PROGRAM"}, false},
	{[]string{"dbus-run-session"}, runs, "runs the program that it is given", []string{"-- PROGRAM"}, false},
	{[]string{"dbus-launch"}, runs, "runs the program that it is given", []string{"PROGRAM"}, false},
	{[]string{"at"}, runs, "runs what it reads at another time", []string{"-f SOURCE now"}, false},
	{[]string{"batch"}, runs, "runs what it reads at another time", []string{"-f SOURCE"}, false},
	{[]string{"crontab"}, runs, "makes a file the list of root's timed jobs", []string{"SOURCE"}, false},
	{[]string{"strace"}, runs, "runs the program that it is given, or takes over one that runs", []string{"-o /dev/null PROGRAM", "PROGRAM"}, true},
	{[]string{"ltrace", "valgrind"}, runs, "runs the program that it is given", []string{"PROGRAM"}, false},
	{[]string{"perf"}, runs, "runs the program that it is given", []string{"stat PROGRAM"}, false},
	{[]string{"gdb"}, runs, "has a command that runs a program, and takes over processes", []string{"-batch -ex '!PROGRAM'"}, true},
	{[]string{"tmux"}, runs, "runs the command that it is given", []string{"new-session -d PROGRAM"}, false},
	{[]string{"screen"}, runs, "runs the command that it is given", []string{"-dm PROGRAM"}, false},
	{[]string{"tcpclient", "tcpserver"}, runs, "runs a program once it is connected", []string{"127.0.0.1 53 PROGRAM"}, false},
	{[]string{"logrotate"}, runs, "obeys a configuration file whose scripts it runs", []string{"-f SOURCE"}, false},
	{[]string{"busybox"}, runs, "holds a shell, and runs programs", []string{"sh -c PROGRAM"}, true},
	{[]string{"privsep-helper"}, runs, "obeys a log configuration, which is Python code", []string{"--log-config-append SOURCE --privsep_context os.path --privsep_sock_path /x"}, false},

	// Programs with an option, or a command of their own, that starts another one.
	{[]string{"find"}, runs, "-exec runs a program for each file, -fprintf writes one", []string{"/etc/hostname -exec PROGRAM ;"}, true},
	{[]string{"tar"}, runs, "--checkpoint-action and -I run a program; it unpacks over any file", []string{"-cf /dev/null --checkpoint=1 --checkpoint-action=exec=PROGRAM /etc/hostname", "-xf SOURCE -C /"}, true},
	{[]string{"cpio"}, writes, "unpacks over any file", []string{"-idu -F SOURCE"}, false},
	{[]string{"unzip"}, writes, "unpacks over any file", []string{"-o SOURCE -d /"}, false},
	{[]string{"7z", "7za", "7zr"}, writes, "unpacks over any file", []string{"x -y SOURCE -o/"}, false},
	{[]string{"bsdtar"}, writes, "unpacks over any file", []string{"-xf SOURCE -C /"}, false},
	{[]string{"zip"}, runs, "-TT names the program that tests the archive", []string{"-T -TT PROGRAM /tmp/x.zip /etc/hostname"}, false},
	{[]string{"rsync"}, runs, "-e names the program that connects; it writes any file", []string{"-e PROGRAM /etc/hostname x:/x", "SOURCE FILE"}, true},
	{[]string{"ssh"}, runs, "ProxyCommand is run by a shell", []string{"-o ProxyCommand=PROGRAM x"}, true},
	{[]string{"scp"}, runs, "-S names the program that connects", []string{"-S PROGRAM SOURCE x:"}, false},
	{[]string{"sftp"}, runs, "-S names the program that connects", []string{"-S PROGRAM x"}, false},
	{[]string{"git"}, runs, "an alias on its command line, or a hook of a repository, is a program", []string{"-c alias.x=!PROGRAM x"}, true},
	{[]string{"man"}, runs, "-P names the pager", []string{"-P PROGRAM man"}, false},
	{[]string{"less", "more", "most", "pg"}, runs, "a pager starts a shell at a key press", []string{"/etc/hostname"}, false},
	{[]string{"systemctl"}, governs, "installs and starts units, which run programs as root", []string{"enable --now SOURCE", "link SOURCE"}, false},
	{[]string{"journalctl"}, runs, "shows its output on a terminal in a pager, which starts a shell at a key press", []string{"-n 1000", ""}, false},
	{[]string{"vi", "vim", "nvim", "view", "vim.basic", "vim.tiny", "vimdiff", "ex"}, runs, "an editor runs commands, and writes any file", []string{"-c :!PROGRAM"}, false},
	{[]string{"ed", "nano", "pico", "joe", "emacs", "mcedit", "jed"}, runs, "an editor runs commands, and writes any file", []string{"FILE"}, false},
	{[]string{"split"}, runs, "--filter is run by a shell", []string{"--filter=PROGRAM /etc/hostname"}, true},
	{[]string{"sort"}, writes, "-o writes any file, --compress-program runs one", []string{"-o FILE SOURCE"}, true},
	{[]string{"make"}, runs, "runs the commands of any makefile", []string{"-f SOURCE"}, false},
	{[]string{"gcc", "cc", "g++", "c++"}, runs, "-wrapper names a program to run", []string{"-wrapper PROGRAM -x c /dev/null", "-wrapper PROGRAM /dev/null"}, true},
	{[]string{"tcpdump"}, runs, "-z names a program for each file that is full; -w writes any file", []string{"-i lo -w FILE -G 1 -z PROGRAM -Z root", "-w FILE"}, false},
	{[]string{"iptables", "ip6tables", "iptables-legacy", "ip6tables-legacy"}, runs, "--modprobe names the program that loads modules", []string{"--modprobe=PROGRAM -L"}, false},
	{[]string{"iptables-restore", "ip6tables-restore"}, runs, "--modprobe names the program that loads modules", []string{"--modprobe=PROGRAM"}, false},
	{[]string{"socat"}, runs, "EXEC: runs a program, and OPEN: writes any file", []string{"EXEC:PROGRAM -", "- EXEC:PROGRAM"}, false},
	{[]string{"nc.traditional", "ncat"}, runs, "-e runs a program for a connection", []string{"-e PROGRAM 127.0.0.1 1"}, false},
	{[]string{"nmap"}, runs, "--script runs a file of Lua", []string{"--script=SOURCE 127.0.0.1"}, false},
	{[]string{"openvpn"}, runs, "--up and --config run programs", []string{"--dev null --script-security 2 --up PROGRAM"}, false},
	{[]string{"dnsmasq"}, runs, "--conf-script and --dhcp-script name programs to run, --pid-file and --log-facility files to write", []string{"--conf-script=PROGRAM", "--dhcp-script=PROGRAM"}, false},
	{[]string{"haproxy"}, runs, "-f names a configuration, which may load Lua code and start programs", []string{"-f SOURCE"}, false},
	{[]string{"keepalived"}, runs, "-f names a configuration, in which scripts are listed", []string{"-f SOURCE"}, false},
	{[]string{"smbd", "nmbd"}, runs, "-s names a configuration, in which commands are listed (root preexec)", []string{"-s SOURCE"}, false},
	{[]string{"wget"}, writes, "-O writes any file, --use-askpass runs a program", []string{"-O FILE http://x/", "--use-askpass=PROGRAM http://x/"}, false},
	{[]string{"curl"}, writes, "-o writes any file, file:// reads any", []string{"-s -o FILE file://SOURCE", "-o FILE file://SOURCE"}, true},
	{[]string{"dpkg", "rpm"}, runs, "a package has scripts, which run as root", []string{"-i SOURCE"}, false},
	{[]string{"apt", "apt-get", "aptitude"}, runs, "-o sets a command that runs before others", []string{"-o APT::Update::Pre-Invoke::=PROGRAM update"}, false},
	{[]string{"yum", "dnf", "microdnf", "zypper"}, runs, "a package has scripts, which run as root", []string{"install SOURCE"}, false},
	{[]string{"pip", "pip3", "gem", "npm"}, runs, "a package has scripts, which run as root", []string{"install SOURCE"}, false},
	{[]string{"docker", "podman", "nerdctl"}, runs, "a container can be given the whole machine", []string{"run --privileged -v /:/host IMAGE PROGRAM"}, false},
	{[]string{"ctr"}, runs, "a container can be given the whole machine", []string{"run --privileged --mount type=bind,src=/,dst=/host,options=rbind IMAGE x PROGRAM"}, false},
	{[]string{"runc", "crun"}, runs, "the configuration in a bundle says what runs, and with what of the machine", []string{"run -b SOURCE x"}, false},
	{[]string{"virsh"}, governs, "a machine can be given any disk, file and program of the host", []string{"create SOURCE"}, false},
	{[]string{"qemu-system-*", "qemu-kvm", "kvm"}, writes, "a machine can be given any disk and file of the host", []string{"-drive file=FILE,format=raw"}, false},

	// Programs that write files, or change whose they are.
	{[]string{"tee"}, writes, "writes what it reads to any file", []string{"FILE", "-a FILE"}, true},
	{[]string{"dd"}, writes, "writes any file and any disk", []string{"if=SOURCE of=FILE", "of=FILE"}, true},
	{[]string{"cp"}, writes, "writes any file, and with --preserve keeps a set-user-id bit", []string{"SOURCE FILE", "-f SOURCE FILE"}, true},
	{[]string{"mv"}, writes, "puts any file in the place of another", []string{"SOURCE FILE", "-f SOURCE FILE"}, true},
	{[]string{"install"}, writes, "writes any file, with any owner and mode", []string{"-m 4755 SOURCE FILE"}, true},
	{[]string{"ln"}, writes, "puts a link in the place of any file", []string{"-sf SOURCE FILE"}, true},
	{[]string{"link"}, writes, "gives a file another name in any directory", []string{"SOURCE FILE"}, false},
	{[]string{"rename"}, writes, "gives files other names", []string{"s/a/b/ FILE"}, false},
	{[]string{"chmod"}, writes, "lets everybody write any file, or makes a program set-user-id", []string{"666 FILE"}, true},
	{[]string{"chown"}, writes, "gives any file to anybody", []string{"USER FILE"}, true},
	{[]string{"chgrp"}, writes, "gives any file to any group, a disk among them, which its group may write", []string{"nogroup FILE"}, true},
	{[]string{"setfacl"}, writes, "lets anybody write any file", []string{"-m u:USER:rw FILE"}, false},
	{[]string{"setcap"}, writes, "gives a program capabilities", []string{"cap_setuid+ep SOURCE"}, false},
	{[]string{"chattr"}, writes, "takes away what protects a file", []string{"-i FILE"}, false},
	{[]string{"setfattr"}, writes, "sets capabilities and access lists, which are attributes", []string{"-n security.capability -v SOURCE FILE"}, false},
	{[]string{"mount"}, writes, "puts files of the caller's choice in the place of any directory, set-user-id programs among them", []string{"--bind /tmp /etc", "SOURCE /etc"}, false},
	{[]string{"mount.nfs", "mount.cifs", "mount.glusterfs"}, writes, "puts files of the caller's choice in the place of any directory, set-user-id programs among them", []string{"x:/x /etc"}, false},
	{[]string{"losetup"}, writes, "makes any file a disk", []string{"-f FILE"}, false},
	{[]string{"dmsetup"}, writes, "makes any part of any disk a device", []string{"create x --table '0 8 linear /dev/sda 0'"}, false},
	{[]string{"debugfs"}, writes, "writes a file system below its permissions", []string{"-w /dev/sda1"}, false},
	{[]string{"mknod"}, writes, "makes a device file of any disk, with any mode", []string{"-m 666 /tmp/x b 8 0"}, false},
	{[]string{"qemu-img"}, writes, "writes any file as an image, and reads any as one", []string{"convert -f raw -O raw SOURCE FILE"}, false},
	{[]string{"qemu-nbd"}, writes, "serves any file or disk to others", []string{"-x x FILE"}, false},
	{[]string{"lvs", "pvs", "vgs", "lvdisplay", "pvdisplay", "vgdisplay", "lvcreate", "lvremove", "lvextend", "lvresize", "lvchange", "lvconvert", "lvrename", "vgcreate", "vgremove", "vgextend", "vgchange", "pvcreate", "pvremove", "pvresize", "pvscan", "vgscan", "lvscan"},
		writes, "--config sets any key of lvm.conf, such as the file of its log", []string{`--config 'log{file="FILE" level=7}'`}, false},
	{[]string{"lvm"}, writes, "--config sets any key of lvm.conf, such as the file of its log", []string{`version --config 'log{file="FILE" level=7}'`}, false},
	{[]string{"sed", "gsed"}, runs, "its command e runs a program, w and -i write any file", []string{"'1e PROGRAM' /etc/hostname", "-n '1e PROGRAM' /etc/hostname", "-i s/a/b/ FILE"}, true},
	{[]string{"patch"}, writes, "changes any file, and its ed scripts run commands", []string{"FILE SOURCE"}, false},
	{[]string{"exportfs"}, governs, "exports any directory to any machine, with root's rights there", []string{"-o rw,no_root_squash *:/"}, false},
	{[]string{"openssl"}, writes, "-out writes any file, -in reads any", []string{"enc -in SOURCE -out FILE", "rand -out FILE 8"}, true},

	// What rules the machine.
	{[]string{"insmod"}, governs, "loads any file into the kernel", []string{"SOURCE"}, false},
	{[]string{"kmod"}, governs, "loads any file into the kernel", []string{"insmod SOURCE"}, false},
	{[]string{"modprobe"}, runs, "-C names a configuration, in which commands are listed", []string{"-C SOURCE x"}, false},
	{[]string{"kexec"}, governs, "starts another kernel", []string{"-l SOURCE"}, false},
	{[]string{"sysctl"}, governs, "kernel.core_pattern and kernel.modprobe name programs that the kernel runs", []string{"-w kernel.core_pattern=|PROGRAM"}, false},
	{[]string{"bpftool"}, governs, "loads programs into the kernel", []string{"prog load SOURCE /sys/fs/bpf/x"}, false},
	{[]string{"ip"}, runs, "ip netns exec and ip vrf exec run a program; an IpFilter allows ip without them", []string{"netns exec x PROGRAM", "vrf exec default PROGRAM"}, false},
	{[]string{"tc"}, governs, "loads a BPF program from a file, and takes commands from one", []string{"-batch SOURCE", "filter add dev lo bpf obj SOURCE"}, false},
	{[]string{"useradd"}, governs, "makes an account with root's user id", []string{"-o -u 0 x"}, false},
	{[]string{"usermod"}, governs, "changes accounts, their groups among them", []string{"-a -G sudo USER"}, false},
	{[]string{"passwd"}, governs, "sets the password of any account", []string{"root"}, false},
	{[]string{"chpasswd"}, governs, "sets the password of any account", []string{"-e"}, false},
	{[]string{"newusers"}, governs, "makes accounts, root's user id among theirs", []string{"SOURCE"}, false},
	{[]string{"vipw", "vigr"}, governs, "an editor of the accounts", []string{""}, false},
	{[]string{"gpasswd"}, governs, "changes who is in a group", []string{"-a USER sudo"}, false},
	{[]string{"groupmod"}, governs, "changes who is in a group", []string{"-a -U USER sudo"}, false},

	// Programs that take files away.
	{[]string{"rm", "unlink"}, destroys, "removes any file", []string{"FILE"}, true},
	{[]string{"truncate"}, destroys, "empties any file", []string{"-s 0 FILE"}, true},
	{[]string{"shred"}, destroys, "overwrites any file", []string{"-n 1 FILE", "FILE"}, true},
	{[]string{"mkfs", "mkfs.ext2", "mkfs.ext3", "mkfs.ext4", "mke2fs"}, destroys, "makes a file system of any file or disk", []string{"-F FILE"}, false},
	{[]string{"mkswap"}, destroys, "overwrites any file or disk", []string{"-f FILE"}, false},
	{[]string{"wipefs"}, destroys, "overwrites any file or disk", []string{"-a -f FILE", "-a FILE"}, false},
	{[]string{"cryptsetup"}, destroys, "overwrites any file or disk", []string{"luksFormat -q FILE"}, false},

	// Programs that show files.
	{[]string{"cat", "tac", "nl", "head", "tail", "od", "hexdump", "xxd", "strings", "base64", "base32", "rev", "fold", "fmt", "pr", "expand", "paste", "uniq"}, reads, "shows any file", []string{"FILE"}, true},
	{[]string{"cut"}, reads, "shows any file", []string{"-c1- FILE"}, true},
	{[]string{"grep", "egrep", "fgrep"}, reads, "shows the lines of any file", []string{"-r '' FILE", "-F '' FILE"}, true},
	{[]string{"diff", "comm"}, reads, "shows what is in any file", []string{"/dev/null FILE"}, true},
	{[]string{"gzip", "bzip2", "xz"}, reads, "-c puts out any file", []string{"-c FILE"}, false},
}

// of is the entry for a program; nil for one that is not listed.
func of(table []power, program string) *power {
	name := base(program)
	for i := range table {
		if slices.ContainsFunc(table[i].names, func(listed string) bool { return named(listed, name) }) {
			return &table[i]
		}
	}
	return nil
}

// named compares with a name of a table, in which a star stands for a version.
func named(listed, name string) bool {
	stem, star := strings.CutSuffix(listed, "*")
	if !star {
		return name == listed
	}
	rest, ok := strings.CutPrefix(name, stem)
	return ok && strings.Trim(rest, "0123456789.-") == ""
}

// example words for what stands in capitals in ways.
var blanks = map[string]string{
	"PROGRAM": "/tmp/evil", "FILE": "/etc/passwd", "SOURCE": "/tmp/mine", "USER": "nobody", "IMAGE": "debian",
}

// split makes words of one way, with these in the place of the capitals.
func split(way string, fill map[string]string) (words []string) {
	for word := range quoted(way) {
		for _, name := range []string{"PROGRAM", "SOURCE", "FILE", "USER", "IMAGE"} {
			word = strings.ReplaceAll(word, name, fill[name])
		}
		words = append(words, word)
	}
	return words
}

// quoted yields the words of a line; one in single quotes may hold blanks.
func quoted(line string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for line = strings.TrimLeft(line, " "); line != ""; line = strings.TrimLeft(line, " ") {
			var word string
			if line[0] == '\'' {
				word, line, _ = strings.Cut(line[1:], "'")
			} else {
				word, line, _ = strings.Cut(line, " ")
			}
			if !yield(word) {
				return
			}
		}
	}
}
