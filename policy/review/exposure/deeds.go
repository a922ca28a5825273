package exposure

import (
	"fmt"
	"strconv"
	"strings"
)

// Syscall is a system call, and what is known of its arguments: where a bit of Mask is
// set, that of the argument is as in Value.
type Syscall struct {
	Name        string // or the number, in digits, of one that is the same on all machines
	Mask, Value [6]uint64
}

// passage is a row: one of the calls by which the kernel does a deed. No call of any
// row may pass where the deed is to be refused.
type passage struct {
	deed  string
	call  string // NAME [ARGUMENT[&MASK]=VALUE]...
	caps  string // capabilities, of which the kernel asks for one; "" where being root is enough
	about string // the source
}

// passages are all that is known to the kernel. Most names are those of calls in
// syscalls(2). io_uring_setup(2) stands for all that a ring does without a call of its
// own, and is not seen by a filter (io_uring_enter(2)).
var passages = []passage{
	{"write", "openat 2&3=1", "", "O_WRONLY, open(2)"},
	{"write", "openat 2&3=2", "", "O_RDWR, open(2)"},
	{"write", "open 1&3=1", "", "open(2)"},
	{"write", "open 1&3=2", "", "open(2)"},
	{"write", "creat", "", "creat(2)"},
	{"write", "openat2", "", "the flags are in memory, openat2(2)"},
	{"write", "io_uring_setup", "", "IORING_OP_OPENAT, io_uring_enter(2)"},
	{"write", "open_by_handle_at 2&3=1", "cap_dac_read_search", "open_by_handle_at(2)"},
	{"write", "open_by_handle_at 2&3=2", "cap_dac_read_search", "open_by_handle_at(2)"},
	{"write", "fanotify_init 1&3=1", "cap_sys_admin", "an event brings the file, opened so, fanotify_init(2)"},
	{"write", "fanotify_init 1&3=2", "cap_sys_admin", "an event brings the file, opened so, fanotify_init(2)"},
	{"write", "acct", "cap_sys_pacct", "it adds records with names of programs to a file, acct(2)"},

	{"place", "rename", "", "another file takes the place, rename(2)"},
	{"place", "renameat", "", "rename(2)"},
	{"place", "renameat2", "", "rename(2)"},
	{"place", "link", "", "link(2)"},
	{"place", "linkat", "", "link(2)"},
	{"place", "symlink", "", "symlink(2)"},
	{"place", "symlinkat", "", "symlink(2)"},
	{"place", "io_uring_setup", "", "IORING_OP_RENAMEAT, LINKAT, SYMLINKAT, io_uring_enter(2)"},

	// Where a file or a directory was not, there is one that anybody may write.
	{"make", "openat 2&0100=0100", "", "O_CREAT, whatever it is opened for, open(2)"},
	{"make", "open 1&0100=0100", "", "O_CREAT, open(2)"},
	{"make", "creat", "", "creat(2)"},
	{"make", "openat2", "", "the flags are in memory, openat2(2)"},
	{"make", "io_uring_setup", "", "IORING_OP_OPENAT, MKDIRAT, io_uring_enter(2)"},
	{"make", "mknod 1&0170000=0", "", "a file, mknod(2)"},
	{"make", "mknod 1&0170000=0100000", "", "S_IFREG, mknod(2)"},
	{"make", "mknod 1&0170000=0010000", "", "S_IFIFO: whoever reads it gets what the caller writes, mknod(2)"},
	{"make", "mknodat 2&0170000=0", "", "a file, mknod(2)"},
	{"make", "mknodat 2&0170000=0100000", "", "S_IFREG, mknod(2)"},
	{"make", "mknodat 2&0170000=0010000", "", "S_IFIFO, mknod(2)"},
	{"make", "mkdir", "", "mkdir(2)"},
	{"make", "mkdirat", "", "mkdir(2)"},

	{"remove", "unlink", "", "unlink(2)"},
	{"remove", "unlinkat", "", "unlink(2)"},
	{"remove", "rmdir", "", "rmdir(2)"},
	{"remove", "io_uring_setup", "", "IORING_OP_UNLINKAT, io_uring_enter(2)"},
	{"empty", "truncate", "", "truncate(2)"},
	{"empty", "open 1&0x200=0x200", "", "O_TRUNC, open(2)"},
	{"empty", "openat 2&0x200=0x200", "", "O_TRUNC, open(2)"},

	{"mode", "chmod", "", "chmod(2)"},
	{"mode", "fchmod", "", "chmod(2)"},
	{"mode", "fchmodat", "", "chmod(2)"},
	{"mode", "452", "", "fchmodat2, chmod(2)"},
	{"owner", "chown", "cap_chown", "chown(2)"},
	{"owner", "fchown", "cap_chown", "chown(2)"},
	{"owner", "lchown", "cap_chown", "chown(2)"},
	{"owner", "fchownat", "cap_chown", "chown(2)"},
	{"attribute", "setxattr", "", "system.posix_acl_access, acl(5)"},
	{"attribute", "lsetxattr", "", "setxattr(2)"},
	{"attribute", "fsetxattr", "", "setxattr(2)"},
	{"attribute", "463", "", "setxattrat, setxattr(2)"},
	{"attribute", "io_uring_setup", "", "IORING_OP_SETXATTR, io_uring_enter(2)"},
	{"set-id", "openat 2&0101=0101 3&04000=04000", "cap_fsetid", "a new file with the set-user-id bit keeps it when it is written, open(2), capabilities(7)"},
	{"set-id", "openat 2&0102=0102 3&04000=04000", "cap_fsetid", "open(2), capabilities(7)"},
	{"set-id", "open 1&0100=0100 2&04000=04000", "cap_fsetid", "open(2), capabilities(7)"},
	{"set-id", "creat 1&04000=04000", "cap_fsetid", "creat(2), capabilities(7)"},
	{"set-id", "openat2", "cap_fsetid", "openat2(2), capabilities(7)"},
	{"set-id", "io_uring_setup", "cap_fsetid", "IORING_OP_OPENAT, io_uring_enter(2)"},
	{"set-id", "mknod 1&04000=04000", "cap_fsetid", "a new file with the set-user-id bit, mknod(2), capabilities(7)"},
	{"set-id", "mknodat 2&04000=04000", "cap_fsetid", "mknod(2), capabilities(7)"},

	{"mount", "mount", "cap_sys_admin", "mount(2)"},
	{"mount", "move_mount", "cap_sys_admin", "what open_tree(2) or fsmount(2) made is put anywhere, move_mount(2)"},
	{"mount", "pivot_root", "cap_sys_admin", "pivot_root(2)"},
	{"remount", "mount_setattr", "cap_sys_admin", "mount_setattr(2)"},
	{"remount", "467", "cap_sys_admin", "open_tree_attr, Linux 6.15"},
	{"remount", "fsconfig", "cap_sys_admin", "fsconfig(2)"},
	{"unmount", "umount2", "cap_sys_admin", "umount(2)"},
	{"unmount", "umount", "cap_sys_admin", "umount(2), of other architectures"},
	{"chroot", "chroot", "cap_sys_chroot", "chroot(2)"},
	{"enter", "setns", "cap_sys_admin", "setns(2)"},
	{"new-mounts", "unshare 0&0x20000=0x20000", "cap_sys_admin", "CLONE_NEWNS, unshare(2)"},
	{"new-network", "unshare 0&0x40000000=0x40000000", "cap_sys_admin", "CLONE_NEWNET, unshare(2)"},

	{"module", "init_module", "cap_sys_module", "init_module(2)"},
	{"module", "finit_module", "cap_sys_module", "init_module(2)"},
	{"unload", "delete_module", "cap_sys_module", "delete_module(2)"},
	{"bpf", "bpf", "cap_bpf cap_sys_admin", "bpf(2), capabilities(7)"},
	{"kexec", "kexec_load", "cap_sys_boot", "kexec_load(2)"},
	{"kexec", "kexec_file_load", "cap_sys_boot", "kexec_load(2)"},
	{"ports", "iopl", "cap_sys_rawio", "iopl(2)"},
	{"ports", "ioperm", "cap_sys_rawio", "ioperm(2)"},
	{"reboot", "reboot", "cap_sys_boot", "reboot(2)"},
	{"swap", "swapon", "cap_sys_admin", "swapon(2)"},
	{"unswap", "swapoff", "cap_sys_admin", "swapoff(2)"},

	{"node", "mknod 1&0170000=060000", "cap_mknod", "S_IFBLK, mknod(2)"},
	{"node", "mknod 1&0170000=020000", "cap_mknod", "S_IFCHR, mknod(2)"},
	{"node", "mknodat 2&0170000=060000", "cap_mknod", "S_IFBLK, mknod(2)"},
	{"node", "mknodat 2&0170000=020000", "cap_mknod", "S_IFCHR, mknod(2)"},
	{"drive", "ioctl 1=0x2285", "cap_sys_rawio", "SG_IO gives a disk that was opened to read any command (linux/block/scsi_ioctl.c)"},
	{"drive", "ioctl 1&0xff00=0x4e00", "cap_sys_admin", "NVME_IOCTL_* likewise (linux/drivers/nvme/host/ioctl.c)"},
	{"drive", "ioctl 1&0xff00=0xfd00", "cap_sys_admin", "DM_* maps any disk anew (linux/drivers/md/dm-ioctl.c)"},
	{"drive", "ioctl 1&0xff00=0x4c00", "", "LOOP_* makes a disk of any file, loop(4)"},
	{"flag", "ioctl 1=0x40086602", "cap_linux_immutable", "FS_IOC_SETFLAGS, ioctl_iflags(2)"},
	{"flag", "ioctl 1=0x401c5820", "cap_linux_immutable", "FS_IOC_FSSETXATTR, ioctl_iflags(2)"},
	{"flag", "469", "cap_linux_immutable", "file_setattr, Linux 6.17"},

	// Whoever has a process of root's outside of the sandbox has what that has.
	{"process", "ptrace", "", "ptrace(2)"},
	{"trace", "ptrace", "", "ptrace(2)"},
	{"process", "process_vm_writev", "", "process_vm_writev(2)"},
	{"process", "pidfd_getfd", "", "pidfd_getfd(2)"},
	// systemd, the system bus, docker, containerd and libvirt obey root, by what they are
	// told over a socket. The caller may hand one over that is not connected.
	{"daemon", "connect", "", "unix(7)"},
	{"daemon", "io_uring_setup", "", "IORING_OP_CONNECT, io_uring_enter(2)"},

	{"kill", "kill", "cap_kill", "kill(2)"},
	{"kill", "tkill", "cap_kill", "tgkill(2)"},
	{"kill", "tgkill", "cap_kill", "tgkill(2)"},
	{"kill", "pidfd_send_signal", "cap_kill", "pidfd_send_signal(2)"},
	{"kill", "rt_sigqueueinfo", "cap_kill", "rt_sigqueueinfo(2)"},
	{"kill", "rt_tgsigqueueinfo", "cap_kill", "rt_sigqueueinfo(2)"},
	{"starve", "fcntl 1=10", "", "F_SETSIG names the signal that F_SETOWN's process gets, fcntl(2)"},
	{"starve", "prlimit64 0&1=1", "", "another process's RLIMIT_CPU, prlimit(2)"},
	{"slow", "setpriority", "", "setpriority(2)"},

	{"socket", "socket", "", "socket(2)"},
	{"socket", "io_uring_setup", "", "IORING_OP_SOCKET, io_uring_enter(2)"},
	{"interface", "ioctl 1&0xff00=0x8900", "cap_net_admin", "SIOCSIF*, on a socket that was inherited, too, netdevice(7)"},
	{"netlink", "socket 0=16", "cap_net_admin", "AF_NETLINK, netlink(7)"},
	{"packet", "socket 0=17", "cap_net_raw", "AF_PACKET, packet(7)"},

	{"become", "setuid", "cap_setuid", "setuid(2)"},
	{"become", "setreuid", "cap_setuid", "setreuid(2)"},
	{"become", "setresuid", "cap_setuid", "setresuid(2)"},
}

// deedsOf are the deeds that are a power, for a program of which nothing is known: it may
// do them in any way.
var deedsOf = map[string][]string{
	Write:     {"write", "place", "make"},
	Destroy:   {"write", "place", "remove", "empty"},
	Owner:     {"mode", "owner", "attribute", "set-id"},
	Users:     {"write", "place", "make"},
	Kernel:    {"module", "bpf", "kexec", "ports", "setting"},
	Device:    {"disk", "node", "drive"},
	Mount:     {"mount", "remount"},
	Namespace: {"enter"},
	Signal:    {"kill", "starve", "process"},
	Services:  {"daemon", "socket", "kill", "starve", "write", "place", "remove", "empty", "mode", "owner", "attribute", "unmount", "unload", "module", "reboot", "unswap", "flag", "drive"},
	Network:   {"socket", "interface", "setting", "bpf"},
}

// rulers are the deeds that make whoever may choose the program root outside of the
// sandbox, and so give every power.
var rulers = []string{"write", "place", "make", "disk", "setting", "mode", "owner", "attribute", "set-id", "mount", "remount", "module", "bpf", "kexec", "ports", "process", "daemon", "node", "drive", "become"}

// alike are deeds with the calls of another, that a section confines otherwise: of writing,
// those on devices, on settings of the kernel and on accounts, and a copy, which may go to
// standard output; of mounting, that in a namespace of its own.
var alike = map[string]string{"disk": "write", "setting": "write", "accounts": "write", "copy": "write", "arrange": "mount"}

// calls are the passages of a deed, ready to be asked for.
var callsOf = func() map[string][]open {
	all := map[string][]open{}
	for _, p := range passages {
		all[p.deed] = append(all[p.deed], open{parseCall(p.call), strings.Fields(p.caps)})
	}
	for deed, other := range alike {
		all[deed] = all[other]
	}
	return all
}()

// open is a passage.
type open struct {
	Syscall
	caps []string
}

func parseCall(text string) (c Syscall) {
	words := strings.Fields(text)
	c.Name = words[0]
	for _, w := range words[1:] {
		place, value, _ := strings.Cut(w, "=")
		index, mask, masked := strings.Cut(place, "&")
		i := parseNumber(index)
		if c.Mask[i] = ^uint64(0) >> 32; masked {
			c.Mask[i] = parseNumber(mask)
		}
		c.Value[i] = parseNumber(value)
	}
	return c
}

func parseNumber(text string) uint64 {
	n, err := strconv.ParseUint(text, 0, 32)
	if err != nil {
		panic(fmt.Sprintf("a passage has the number %q", text))
	}
	return n
}

// does is a row: what programs do where they give a power away, and nothing else. A
// program without a row may do it in any way, and may have a daemon do it.
type does struct {
	power    string
	programs string
	with     string // a word of the form, or the capability, of the rows of the table that it is about; "" for all others
	deeds    string // one of them is enough; of those that are joined by + it takes all
}

// done holds for the programs whose rows TestConfinedRows and TestConfinedScenes run, and
// for those that are of one make with them.
var done = []does{
	{Read, "cp install rsync tar bsdtar dd curl qemu-img", "{dest}", "copy"},
	{Write, "tee dd sort shuf uniq xxd split openssl script ptx curl", "", "write"},
	{Write, "link ln", "", "place"},
	{Write, "mkfifo", "", "make"},
	{Write, "sed gsed", "", "write+place"},
	{Read, "strace ltrace", "-p", "trace"},
	{Code, "strace ltrace", "-p", "trace"},
	{Write, "strace ltrace", "-p", "trace+write"},
	{Write, "awk mawk gawk nawk install strace wget xfs_io zstd", "", "write"},
	{Write, "cp", "-l {mine}", "place"},
	{Write, "cp", "-s {mine}", "place"},
	{Write, "cp mv rsync tar bsdtar cpio unzip 7z 7za 7zr patch", "", "write place"}, // a link in an archive is made without opening a file
	{Destroy, "rm unlink", "", "remove"},
	{Destroy, "install", "", "remove"}, // before it writes
	{Destroy, "cp", "-f", "write remove"},
	{Destroy, "cp", "", "remove"}, // --remove-destination
	{Destroy, "zstd", "-o", "write remove"},
	{Destroy, "tar", "-U", "remove"},
	{Destroy, "tar", "--remove-files", "remove"},
	{Destroy, "tar curl", "", "write"},
	{Destroy, "ln", "", "place remove"},
	{Destroy, "find", "-delete", "remove"},
	{Destroy, "find", "-f", "write"}, // -fprint, -fls,
	{Destroy, "mv", "", "place write"},
	{Destroy, "shred truncate openssl iptables-save ip6tables-save start-stop-daemon", "", "write"},
	{Destroy, "rsync", "--log-file", "write"},
	{Destroy, "rsync", "--delete", "remove"},
	{Destroy, "rsync", "", "write+remove"}, // --remove-source-files
	{Destroy, "gzip bzip2 xz zstd", "", "write+remove"},
	{Owner, "chmod", "", "mode"},
	{Owner, "chown chgrp", "", "owner"},
	{Owner, "install", "-o", "write+owner"},
	{Owner, "install", "-m", "write+mode"},
	{Owner, "rsync", "--chown", "write+owner"},
	{Owner, "rsync", "", "write+mode"},
	{Owner, "setfacl", "", "attribute mode"},
	{Owner, "setcap setfattr", "", "attribute"},
	{Device, "dd", "", "disk"},
	{Device, "mknod", "", "node"},
	{Mount, "mount mount.* switch_root pivot_root", "", "mount"},
	{Services, "umount umount.nfs", "", "unmount"},
	{Services, "modprobe", "", "module"},
	{Services, "rmmod", "", "unload"},
	{Services, "chattr", "", "flag"},
	{Services, "swapoff", "", "unswap"},
	{Services, "touch", "", "write"},
	{Kernel, "sysctl", "", "setting"},
	{Kernel, "insmod kmod modprobe", "cap_sys_module", "module"},
	{Kernel, "kexec", "", "kexec"},
	{Kernel, "bpftool", "", "bpf"},
	{Kernel, "tc", "", "netlink"},
	{Users, "useradd usermod groupmod userdel groupadd groupdel adduser gpasswd passwd chage chpasswd vipw vigr newusers", "", "accounts+place"},
	{Signal, "kill pkill killall skill fuser", "", "kill"},
	{Signal, "renice", "", "slow"},
	{Network, "ip bridge tc nft ipset", "", "netlink"},
	{Network, "iptables ip6tables iptables-legacy ip6tables-legacy iptables-restore ip6tables-restore arptables ebtables ethtool", "", "socket"},
	{Network, "brctl ifconfig route vconfig", "", "socket+interface"},
	{Network, "tcpdump arping", "", "packet"},
	{Network, "nc ncat nc.openbsd nc.traditional socat", "", "socket"},
	{Namespace, "nsenter", "", "enter"},
	{Namespace, "ip", "-n", "enter+new-mounts+arrange"},
	{Namespace, "ip", "", "new-network+mount"},
	{Run, "chroot unshare", "cap_sys_chroot", "chroot"},
	{Run, "nsenter", "cap_sys_admin", "enter"},
	{Run, "ip", "netns", "enter+new-mounts+arrange"},
}

var doneBy = func() map[string][]does {
	all := map[string][]does{}
	for _, d := range done {
		for _, p := range strings.Fields(d.programs) {
			all[d.power+" "+p] = append(all[d.power+" "+p], d)
		}
	}
	return all
}()

// deeds are what a program does that gives a power away by a row of the table; nil where
// nobody knows.
func (w way) deeds(program string) []string {
	if strings.HasPrefix(w.how, policys) {
		w.power = Write // it is done in that way
	}
	for _, name := range []string{baseName(program), family(baseName(program))} {
		for _, d := range doneBy[w.power+" "+name] {
			if d.with == "" || d.with == w.caps || strings.Contains(w.form, d.with) {
				return strings.Fields(d.deeds)
			}
		}
	}
	return nil
}

// itself are programs that have no daemon do what they do: what they are refused is not
// done. What they do they may do in any way.
var itself = fieldSet("awk mawk gawk nawk ip base32 base64 bsdtar bzip2 cat cmp column comm cp cpio csplit curl cut date dd diff du egrep expand fgrep file find fmt fold grep gzip head hexdump install join link ln lz4 mkfs mke2fs mkswap mkfifo mkdir mktemp mv nl od openssl paste patch pr ptx rename rev rm rmdir rsync script sed gsed shred shuf sort split strings sum tac tail tar tee touch truncate tsort uniq unlink unzip wc wget xxd xz zcat zip zstd e2fsck resize2fs tune2fs debugfs wipefs sgdisk sfdisk fdisk 7z 7za 7zr qemu-img iptables-save ip6tables-save xfs_io strace ltrace")

// asks tells that a program may have a daemon do it.
func asks(program string) bool {
	return !itself[baseName(program)] && !itself[family(baseName(program))]
}
