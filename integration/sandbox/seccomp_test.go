package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"ironwrap/integration/rig"
	"ironwrap/sandbox/seccomp"
	"ironwrap/sandbox/seccomp/compile"
)

// underProfile, in the environment, names a compiled program: this test program
// then becomes its arguments under it, as ironwrap does.
const underProfile = "IRONWRAP_TEST_SECCOMP"

func init() {
	path := os.Getenv(underProfile)
	if path == "" {
		return
	}
	// An init runs on the leading thread, and nowhere else.
	fmt.Fprintln(os.Stderr, "cannot begin:", becomeUnder(path, os.Args[1:]))
	os.Exit(120)
}

func becomeUnder(path string, argv []string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	p, err := seccomp.Parse(data)
	if err != nil {
		return err
	}
	os.Unsetenv(underProfile)
	program, err := exec.LookPath(argv[0])
	if err != nil {
		return err
	}
	name, err := unix.BytePtrFromString(program)
	if err != nil {
		return err
	}
	args, err := syscall.SlicePtrFromStrings(argv)
	if err != nil {
		return err
	}
	env, err := syscall.SlicePtrFromStrings(os.Environ())
	if err != nil {
		return err
	}
	filter := p.Filter()
	load := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if _, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, uintptr(p.Flags()), uintptr(unsafe.Pointer(&load))); errno != 0 {
		return fmt.Errorf("load: %w", errno)
	}
	_, _, errno := unix.RawSyscall(unix.SYS_EXECVE, uintptr(unsafe.Pointer(name)), uintptr(unsafe.Pointer(&args[0])), uintptr(unsafe.Pointer(&env[0])))
	return errno
}

// shipped compiles the shipped profiles, and returns the directory.
func shipped(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	m, err := compile.ThisMachine(nil)
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(rig.Root, "profiles", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no profiles: %v", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		p, _, err := compile.Program(data, m)
		if err != nil {
			t.Fatal(file, err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".json") + ".bpf"
		if err := os.WriteFile(filepath.Join(dir, name), p.Encode(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// material makes a directory that a command of the table finds itself in.
func material(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	disks(t)
	err := errors.Join(
		os.WriteFile(filepath.Join(dir, "text"), []byte("one\ntwo\n"), 0o644),
		os.Symlink("text", filepath.Join(dir, "link")),
		os.Mkdir(filepath.Join(dir, "dir"), 0o755),
		os.WriteFile(filepath.Join(dir, "disk"), diskImage, 0o644),
		os.WriteFile(filepath.Join(dir, "ext4"), ext4Image, 0o644),
	)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// A disk with two partitions, and a file system.
var diskImage, ext4Image []byte

func disks(t *testing.T) {
	t.Helper()
	if diskImage != nil {
		return
	}
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/disk", make([]byte, 4<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, argv := range [][]string{{"sfdisk", "-q", "disk"}, {"mkfs.ext4", "-q", "-F", "ext4", "2M"}} {
		c := exec.Command(argv[0], argv[1:]...)
		c.Dir, c.Stdin = dir, strings.NewReader("2048,1024\n4096,1024\n")
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", argv, err, out)
		}
	}
	var err1, err2 error
	diskImage, err1 = os.ReadFile(dir + "/disk")
	ext4Image, err2 = os.ReadFile(dir + "/ext4")
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
}

// runUnder is one command in fresh surroundings, free or under a profile.
func runUnder(t *testing.T, program string, argv []string) (status int, output string) {
	t.Helper()
	dir := material(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(argv[0], argv[1:]...)
	env := []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "LVM_SUPPRESS_FD_WARNINGS=1", fmt.Sprintf("NS=iwsec%d", os.Getpid())}
	if program != "" {
		c = exec.Command(self, argv...)
		env = append(env, underProfile+"="+program)
	}
	c.Env = env
	c.Dir = dir
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err = c.Run()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		t.Fatalf("%v: %v", argv, err)
	}
	status = c.ProcessState.ExitCode() // -1 if a signal killed it
	return status, strings.ReplaceAll(out.String(), dir, "DIR")
}

func script(lines ...string) []string {
	return []string{"sh", "-e", "-c", strings.Join(lines, "\n")}
}

// The tools that a profile is for do under it just what they do without.
func TestSeccompTools(t *testing.T) {
	for file, pkg := range map[string]string{
		"/usr/bin/qemu-img": "qemu-utils", "/usr/sbin/kpartx": "kpartx", "/usr/sbin/lvs": "lvm2", "/usr/sbin/dmsetup": "dmsetup", "/usr/sbin/nft": "nftables",
		"/usr/sbin/iptables": "iptables", "/usr/sbin/dnsmasq": "dnsmasq-base", "/usr/sbin/ip": "iproute2", "/usr/sbin/mkfs.ext4": "e2fsprogs", "/usr/sbin/sfdisk": "fdisk",
		"/usr/bin/mount": "mount", "/usr/sbin/cryptsetup": "cryptsetup-bin", "/usr/bin/ping": "iputils-ping", "/usr/sbin/arping": "arping", "/usr/sbin/xfs_info": "xfsprogs",
	} {
		if _, err := os.Stat(strings.Replace(file, "/usr/sbin", "/sbin", 1)); err != nil {
			rig.Need(t, pkg, file)
		}
	}
	programs := shipped(t)
	t.Cleanup(func() { exec.Command("ip", "netns", "del", fmt.Sprintf("iwsec%d", os.Getpid())).Run() })
	for _, c := range []struct {
		profiles string
		argv     []string
	}{
		{"strict readonly-tools default", []string{"cat", "text"}},
		{"strict readonly-tools default", []string{"stat", "-c", "%s %F %U", "text", "dir", "link"}},
		{"strict", []string{"head", "-c", "3", "text"}},
		{"strict", []string{"wc", "-l", "text"}},
		{"strict", []string{"readlink", "-f", "link"}},
		{"strict", []string{"sha256sum", "text"}},
		{"strict", []string{"ls", "-1", "/usr/lib/os-release", "dir"}},

		{"readonly-tools default", []string{"dd", "if=text", "bs=4", "count=1", "status=none"}},
		{"readonly-tools default", []string{"dd", "if=disk", "iflag=direct", "bs=4096", "count=1", "skip=3", "status=none"}},
		{"readonly-tools", []string{"ls", "-ln", "--time-style=+", "/etc/passwd"}},
		{"readonly-tools", []string{"find", ".", "-name", "te*"}},
		{"readonly-tools", []string{"grep", "-r", "two", "."}},
		{"readonly-tools", []string{"df", "--output=target", "/"}},
		{"readonly-tools", []string{"du", "--apparent-size", "disk"}},
		{"readonly-tools storage", []string{"blkid", "-p", "ext4"}},
		{"readonly-tools storage", []string{"lsblk", "--raw", "-o", "NAME,SIZE,TYPE"}},
		{"readonly-tools", []string{"findmnt", "-n", "-o", "TARGET", "/"}},
		{"readonly-tools", []string{"partx", "-o", "NR,START,SECTORS", "--show", "disk"}},
		{"readonly-tools default", script("cat text | tr a-z A-Z | wc -c")},
		{"storage", []string{"qemu-img", "info", "disk"}},

		{"default storage network", script("cp text a", "mv a b", "ln b c", "ln -s b d", "chown 1:1 b", "chmod 600 b", "mkfifo f", "rm c d f", "mkdir e", "truncate -s 9 b", "touch -d @1 b", "stat -c '%n %a %u %s %Y' b")},
		{"default", script("tar cf a.tar text link", "tar tf a.tar", "gzip a.tar", "zcat a.tar.gz | wc -c")},
		{"default", []string{"getent", "passwd", "root"}},
		{"default network", []string{"ip", "-o", "link", "show", "lo"}},
		{"default network", []string{"ping", "-c", "1", "-q", "-W", "9", "-i", "1", "-n", "127.0.0.1", "-A", "-w", "9", "-Q", "0", "-V"}},
		{"default", script("sleep 0.1 & wait", "setsid true", "nice -n 5 nice", "timeout 5 true", "setpriv --reuid=65534 --regid=65534 --clear-groups id -u")},
		{"default", script("flock text echo locked", "mktemp -u >/dev/null", "printf x | tee y")},

		{"storage", script("qemu-img create -q -f qcow2 a.qcow2 4M", "qemu-img resize -q a.qcow2 8M", "qemu-img convert -O raw a.qcow2 a.raw", "qemu-img check -q a.qcow2", "qemu-img info --output=json a.qcow2 | grep virtual-size", "stat -c %s a.raw")},
		{"storage", script("qemu-img convert -t none -T none -n -O raw disk ext4 || true", "qemu-img compare disk disk")},
		{"storage", script("mkfs.ext4 -q -F new 4M", "tune2fs -L name new | head -1", "e2fsck -fn new >/dev/null 2>&1", "e2label new", "resize2fs new 6M >/dev/null 2>&1")},
		{"storage", script("mount -t tmpfs none dir", "mount --bind dir dir", "mount -o remount,bind,ro dir", "findmnt -n -o FSTYPE --target dir", "umount dir", "umount dir")},
		{"storage", script("mount -o loop ext4 dir", "echo text >dir/file", "df --output=fstype dir", "umount dir")},
		{"storage", script("d=$(losetup --find --show --partscan disk)", "blkid -p -o value -s PTTYPE $d", "blockdev --getsize64 $d", "losetup -d $d")},
		{"storage", script("kpartx -l disk | cut -d: -f2- | sed 's/loop[0-9]*/loop/'")},
		{"storage", script("lvs --version | wc -l", "lvm version | head -1", "pvs -a --noheadings 2>&1 | wc -l", "dmsetup version 2>&1 | head -1")},
		{"storage", script("mknod node b 7 200", "stat -c %F node", "sync -f node")},
		{"storage", script("echo pass >key", "cryptsetup -q luksFormat --type luks1 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 disk key; echo $?", "cryptsetup isLuks disk; echo $?")},
		{"storage", script("mkswap -q disk 2>&1", "sfdisk -d disk 2>&1 | wc -l", "wipefs -a -q disk")},

		{"network", script("ip netns add $NS", "trap 'ip netns del $NS' EXIT", "ip netns list | grep -c $NS",
			"ip -n $NS link add br0 type bridge", "ip -n $NS link add d0 type veth peer name d1", "ip -n $NS link set d0 master br0", "ip -n $NS link set lo up", "ip -n $NS addr add 192.0.2.1/24 dev br0", "ip -n $NS link set br0 up",
			"ip netns exec $NS ip -o -4 addr show br0 | cut -d' ' -f2-7", "ip netns exec $NS bridge -o link show | wc -l", "ip netns exec $NS sysctl -w net.ipv4.ip_forward=1", "ip netns exec $NS ping -c 1 -q 192.0.2.1 | grep -c '1 received'")},
		{"network", script("ip netns add $NS", "trap 'ip netns del $NS' EXIT",
			"ip netns exec $NS iptables -A INPUT -p tcp --dport 22 -j ACCEPT 2>&1", "ip netns exec $NS iptables -S 2>&1", "ip netns exec $NS iptables-save 2>&1 | grep -c dport", "ip netns exec $NS iptables-legacy -A INPUT -s 192.0.2.0/24 -j DROP 2>&1; echo $?",
			"ip netns exec $NS nft add table inet t 2>&1; echo $?", "ip netns exec $NS nft list tables 2>&1; echo $?", "ip netns exec $NS tc qdisc add dev lo root pfifo_fast 2>&1; echo $?")},
		{"network", script("ip netns add $NS", "trap 'ip netns del $NS; kill $(cat pid)' EXIT", "ip -n $NS link add d0 type veth peer name d1", "ip -n $NS addr add 192.0.2.1/24 dev d0", "ip -n $NS link set d0 up",
			"ip netns exec $NS dnsmasq --conf-file=/dev/null --pid-file=$PWD/pid --interface=d0 --bind-interfaces --dhcp-range=192.0.2.10,192.0.2.20 --dhcp-leasefile=$PWD/leases --no-resolv --user=root", "ip netns exec $NS ss -lnuH | wc -l")},
		{"network", []string{"dnsmasq", "--test", "--conf-file=/dev/null"}},
		{"network", script("ip netns add $NS", "trap 'ip netns del $NS' EXIT", "ip -n $NS link add d0 type veth peer name d1", "ip -n $NS addr add 192.0.2.1/24 dev d0", "ip -n $NS link set d0 up", "ip -n $NS link set d1 up", "ip netns exec $NS arping -U -c 1 -i d0 -S 192.0.2.1 192.0.2.1 2>&1 | head -1")},
	} {
		wantStatus, want := runUnder(t, "", c.argv)
		if wantStatus != 0 {
			t.Errorf("%q does not work here without a profile: status %d\n%s", c.argv, wantStatus, want)
		}
		for name := range strings.FieldsSeq(c.profiles) {
			status, output := runUnder(t, filepath.Join(programs, name+".bpf"), c.argv)
			if status != wantStatus || !sameOutput(output, want) {
				t.Errorf("%s: %q: status %d, not %d\n%s\nnot\n%s", name, c.argv, status, wantStatus, output, want)
			}
		}
	}
}

// sameOutput forgives the times that ping prints.
func sameOutput(a, b string) bool {
	keep := func(s string) string {
		var b strings.Builder
		for line := range strings.Lines(s) {
			if !strings.Contains(line, "rtt ") && !strings.Contains(line, "time ") {
				b.WriteString(line)
			}
		}
		return b.String()
	}
	return keep(a) == keep(b)
}

// The same tools, doing what a profile must not let them: they say so themselves.
// Without the profile they do it; but for those that the machine is spared.
func TestSeccompRefusals(t *testing.T) {
	programs := shipped(t)
	const eperm = "Operation not permitted"
	for _, c := range []struct {
		profiles string
		argv     []string
		want     string
		spare    bool
	}{
		{"strict", []string{"sh", "-c", "cat text | cat"}, "Cannot fork", false},
		{"strict readonly-tools", []string{"cp", "text", "copy"}, eperm, false},
		{"strict readonly-tools", []string{"touch", "text"}, eperm, false},
		{"strict readonly-tools", []string{"rm", "-f", "text"}, eperm, false},
		{"strict readonly-tools", []string{"dd", "if=text", "of=copy", "status=none"}, eperm, false},
		{"strict readonly-tools", []string{"chmod", "777", "text"}, eperm, false},
		{"strict readonly-tools", []string{"ip", "link", "show"}, eperm, false},
		{"strict readonly-tools default", []string{"mount", "-t", "tmpfs", "none", "dir"}, "permission denied", true},
		{"readonly-tools", []string{"blockdev", "--rereadpt", "/dev/loop7"}, eperm, true},
		{"default storage", []string{"unshare", "-n", "true"}, eperm, false},
		{"default storage network", []string{"unshare", "-U", "true"}, eperm, false},
		{"default network", []string{"mknod", "node", "b", "7", "200"}, eperm, true},
		{"default storage network", []string{"chroot", "/", "true"}, eperm, false},
		{"default storage network", []string{"dmesg", "-S"}, eperm, false},
		{"default storage network", []string{"date", "-s", "@1"}, eperm, true},
		{"default storage network", []string{"hostname", "other"}, "you must be root", true},
		{"default storage", []string{"nsenter", "--net=/proc/self/ns/net", "true"}, eperm, false},
		{"network", []string{"nsenter", "--mount=/proc/self/ns/mnt", "true"}, eperm, false},
	} {
		if !c.spare {
			if status, output := runUnder(t, "", c.argv); status != 0 {
				t.Errorf("%q does not work here without a profile: status %d\n%s", c.argv, status, output)
			}
		}
		for name := range strings.FieldsSeq(c.profiles) {
			status, output := runUnder(t, filepath.Join(programs, name+".bpf"), c.argv)
			if status == 0 || !strings.Contains(output, c.want) {
				t.Errorf("%s: %q: status %d\n%s", name, c.argv, status, output)
			}
		}
	}
}
