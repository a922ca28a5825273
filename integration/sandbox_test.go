package integration

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ironwrap/sandbox/seccomp"
)

// What a sandbox section does is asked of the command itself: of its status in
// /proc, and of what it can and cannot do.

// confined is a policy with one filter ("NAME: CLASS, ...") and the lines of its
// sandbox section.
func confined(t testing.TB, definition, lines string, extra ...string) policy {
	t.Helper()
	name, _, _ := strings.Cut(definition, ":")
	return newPolicy(t, definition+"\n[Sandbox:"+name+"]\n"+lines, extra...)
}

// start runs ironwrap as root, from /, with groups and a capability that the
// command must not end up with by itself.
func start(t testing.TB, p policy, words ...string) result {
	t.Helper()
	return startIn(t, "/", p, words...)
}

func startIn(t testing.TB, dir string, p policy, words ...string) result {
	t.Helper()
	c := exec.Command(ours, append([]string{p.conf}, words...)...)
	c.Dir, c.Env = dir, []string{"PATH=/usr/bin:/bin"}
	c.SysProcAttr = &syscall.SysProcAttr{
		Credential:  &syscall.Credential{Groups: []uint32{4, 24, 42}},
		AmbientCaps: []uintptr{capNetRaw},
	}
	return runCmd(t, c)
}

// notRun complains unless ironwrap refused with one line that holds why.
func notRun(t testing.TB, r result, why string) {
	t.Helper()
	if r.status != 97 || r.out != "" || !oneLine(r.err) || !strings.HasPrefix(r.err, "ironwrap: ") || !strings.Contains(r.err, why) {
		t.Errorf("not status 97 and one line with %q: %v", why, r)
	}
}

// capability sets as /proc/PID/status has them.
func capSet(numbers ...int) string {
	set := uint64(0)
	for _, n := range numbers {
		set |= 1 << n
	}
	return fmt.Sprintf("%016x", set)
}

// bounding is the bounding set that a command has without any limit: the one of
// this process.
func bounding(t testing.TB) (string, uint64) {
	t.Helper()
	own, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	text := fields(string(own))["CapBnd"]
	set, err := strconv.ParseUint(text, 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	return text, set
}

// profileIn writes a profile into dir, and its program: fchmodat(2) fails with
// EXDEV, which it never does by itself, and all else is allowed.
func profileIn(t testing.TB, dir string) string {
	t.Helper()
	source := `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["fchmodat"],"action":"SCMP_ACT_ERRNO","errnoRet":18}]}` + "\n"
	program, err := seccomp.New(refusing(unix.SYS_FCHMODAT, unix.EXDEV), 0, [3]uint8{2, 5, 4}, []byte(source))
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir+"/p.json", source)
	write(t, dir+"/p.bpf", string(program.Encode()))
	return dir + "/p.json"
}

// refusing is a filter under which one system call fails.
func refusing(number uint32, errno unix.Errno) []unix.SockFilter {
	return []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: number, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(errno)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
}

// One row for each key, and for those that touch each other: everything that the
// kernel says about the command's rights, for root and for another user.
func TestSandboxStatus(t *testing.T) {
	full, set := bounding(t)
	if set>>unix.CAP_NET_ADMIN&1 == 0 || set>>unix.CAP_SYS_ADMIN&1 == 0 || set>>unix.CAP_CHOWN&1 == 0 {
		t.Fatalf("root is too weak here for this test: bounding set %s", full)
	}
	common := newPolicy(t, "")
	profile := profileIn(t, common.dir)
	const (
		netAdmin = unix.CAP_NET_ADMIN
		sysAdmin = unix.CAP_SYS_ADMIN
	)
	highest := 63
	for set>>highest&1 == 0 {
		highest--
	}
	names := map[int]string{40: "CAP_CHECKPOINT_RESTORE", 39: "CAP_BPF", 38: "CAP_PERFMON", 37: "CAP_AUDIT_READ"}

	for _, c := range []struct {
		lines   string
		caps    string // in the bounding set, and what follows from it; "" for all
		nnp     string
		filters int // of seccomp, besides the one against typing: a profile, and one that keeps it in a private view
	}{
		{"", "", "0", 0},
		{"no_new_privs = no\ncapabilities = all\nlandlock = required\nseccomp = none\nprivate_tmp = no", "", "0", 0},
		{"no_new_privs = yes", "", "1", 0},
		{"capabilities = none", noCaps, "0", 0},
		{"capabilities = none\nno_new_privs = yes", noCaps, "1", 0},
		{"capabilities = CAP_NET_ADMIN", capSet(netAdmin), "0", 0},
		{"capabilities = cap_net_admin, CAP_CHOWN,CAP_SYS_ADMIN\nno_new_privs = yes", capSet(netAdmin, unix.CAP_CHOWN, sysAdmin), "1", 0},
		{"capabilities = " + names[highest], capSet(highest), "0", 0},
		{"seccomp = " + profile, "", "0", 1},
		{"seccomp = " + profile + "\nno_new_privs = yes", "", "1", 1},
		{"seccomp = " + profile + "\ncapabilities = none", noCaps, "0", 1},
		{"seccomp = " + profile + "\ncapabilities = none\nno_new_privs = yes", noCaps, "1", 1},
		{"seccomp = " + profile + "\ncapabilities = CAP_NET_ADMIN", capSet(netAdmin), "0", 1},
		{"landlock_ro = /", "", "0", 0},
		{"landlock_ro = /\nno_new_privs = yes", "", "1", 0},
		{"landlock_rw = /\ncapabilities = none", noCaps, "0", 0},
		{"landlock_tcp_bind = 1\nlandlock_tcp_connect = none\ncapabilities = CAP_NET_ADMIN", capSet(netAdmin), "0", 0},
		{"private_tmp = yes", "", "0", 1},
		{"private_tmp = yes\nread_only = /usr\ncapabilities = CAP_NET_ADMIN", capSet(netAdmin), "0", 1},
		{"private_network = yes\ncapabilities = none", noCaps, "0", 0},
		{"private_mounts = yes", "", "0", 0},
		{"private_mounts = yes\nread_only = /usr/share", "", "0", 1},
		{"private_keyring = yes", "", "0", 0},
		{"memory_deny_write_execute = yes", "", "0", 0},
		{"pin_paths = yes\numask = 077\nnice = 3\noom_score_adj = 100\nrlimit_core = 0", "", "0", 0},
		{"seccomp = " + profile + "\ncapabilities = CAP_NET_ADMIN\nno_new_privs = yes\nlandlock_ro = /\nlandlock_tcp_bind = none\nprivate_tmp = yes\n" +
			"private_network = yes\nprivate_mounts = yes\nprivate_keyring = yes\nread_only = /usr\nmemory_deny_write_execute = yes", capSet(netAdmin), "1", 2},
	} {
		for _, user := range []string{"root", "nobody"} {
			t.Run(user+"/"+strings.ReplaceAll(c.lines, "\n", ", "), func(t *testing.T) {
				t.Parallel()
				p := confined(t, "cat: CommandFilter, cat, "+user, c.lines)
				caps := c.caps
				if caps == "" {
					caps = full
				}
				want := map[string]string{"NoNewPrivs": c.nnp, "CapBnd": caps}
				filters := c.filters
				if user == "root" {
					want["Uid"], want["Gid"], want["Groups"] = "0 0 0 0", "0 0 0 0", "0"
					want["CapPrm"], want["CapEff"], want["CapInh"], want["CapAmb"] = caps, caps, noCaps, noCaps
				} else {
					want["Uid"], want["Gid"], want["Groups"] = "65534 65534 65534 65534", "65534 65534 65534 65534", "65534"
					mine := c.caps
					if mine == "" {
						mine = noCaps
					}
					want["CapPrm"], want["CapEff"], want["CapInh"], want["CapAmb"] = mine, mine, mine, mine
					filters++
				}
				want["Seccomp"], want["Seccomp_filters"] = "0", strconv.Itoa(filters)
				if filters > 0 {
					want["Seccomp"] = "2"
				}
				r := start(t, p, "cat", "/proc/self/status")
				if r.status != 0 || r.err != "" {
					t.Fatal(r)
				}
				have := fields(r.out)
				for key, value := range want {
					if have[key] != value {
						t.Errorf("%s is %q, not %q", key, have[key], value)
					}
				}
			})
		}
	}

	// A capability that root lacks itself (a container's) cannot be handed on.
	for n, name := range map[int]string{unix.CAP_SYS_RESOURCE: "CAP_SYS_RESOURCE", unix.CAP_SYS_MODULE: "CAP_SYS_MODULE", unix.CAP_SYS_TIME: "CAP_SYS_TIME"} {
		if set>>n&1 == 0 {
			notRun(t, start(t, confined(t, "cat: CommandFilter, cat, nobody", "capabilities = "+name), "cat", "/proc/self/status"), "cannot set the capabilities: ")
		}
	}
	notRun(t, start(t, confined(t, "cat: CommandFilter, cat, nobody", "capabilities = CAP_FOO"), "cat", "/proc/self/status"), `"cap_foo" is not a capability`)
}

// tries is a shell script that says of each command whether it could be done.
func tries(commands ...string) []string {
	script := ""
	for _, c := range commands {
		script += "if (" + c + ") >/dev/null 2>&1; then echo 'yes " + c + "'; else echo 'no " + c + "'; fi\n"
	}
	return []string{"sh", "-c", script}
}

// answers complains unless the commands could be done that begin with yes, and
// those with no could not.
func answers(t testing.TB, dir string, p policy, want ...string) {
	t.Helper()
	commands := make([]string, len(want))
	for i, w := range want {
		_, commands[i], _ = strings.Cut(w, " ")
	}
	r := startIn(t, dir, p, tries(commands...)...)
	if have := strings.Split(strings.TrimSuffix(r.out, "\n"), "\n"); r.status != 0 || !slices.Equal(have, want) {
		t.Errorf("in %s: %v\nnot\n%s", dir, r, strings.Join(want, "\n"))
	}
}

func TestSandboxLandlockFiles(t *testing.T) {
	for _, user := range []string{"root", "nobody"} {
		t.Run(user, func(t *testing.T) {
			t.Parallel()
			p := newPolicy(t, "")
			d := p.dir
			for _, f := range []string{"ro/f", "rw/f", "rw/g", "rw/sub/f", "no/f", "single", "sibling"} {
				write(t, d+"/"+f, "text\n")
			}
			if out, err := exec.Command("/bin/chown", "-R", "nobody", d+"/ro", d+"/rw", d+"/no", d+"/single", d+"/sibling").CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			write(t, p.filters, fmt.Sprintf("[Filters]\nsh: CommandFilter, sh, %[2]s\n[Sandbox:sh]\nlandlock_ro = /usr, %[1]s/ro, %[1]s/single\nlandlock_rw = %[1]s/rw, /dev/null\n", d, user))
			answers(t, "/", p,
				"yes cat "+d+"/ro/f", "yes ls "+d+"/ro", "yes cat "+d+"/single",
				"no echo x > "+d+"/ro/f", "no : > "+d+"/ro/new", "no rm "+d+"/ro/f", "no mkdir "+d+"/ro/dir", "no echo x > "+d+"/single",
				"no truncate -s 0 "+d+"/ro/f", "no ln -s x "+d+"/ro/link", "no mv "+d+"/rw/g "+d+"/ro/g", "no ln "+d+"/ro/f "+d+"/rw/hard",
				"yes cat "+d+"/rw/f", "yes echo x >> "+d+"/rw/f", "yes : > "+d+"/rw/new", "yes mkdir "+d+"/rw/dir", "yes rm "+d+"/rw/new",
				"yes mv "+d+"/rw/g "+d+"/rw/sub/g", "yes truncate -s 0 "+d+"/rw/sub/f",
				"no cat "+d+"/no/f", "no ls "+d+"/no", "no echo x > "+d+"/no/f", "no cat "+d+"/sibling", "no ls "+d, "no ls /",
				"no cat /etc/passwd", "no cat /proc/self/status", "no : > /tmp/ironwrap-landlock",
			)
			// A relative path leads around nothing.
			answers(t, d+"/no", p, "no cat f", "no : > new", "yes cat ../ro/f", "no : > ../ro/new")
		})
	}
	// Without reading the program itself nothing can be executed at all.
	for _, lines := range []string{"landlock_ro = none", "landlock_rw = /etc"} {
		r := start(t, confined(t, "id: CommandFilter, id, root", lines), "id")
		if r.status != 96 || r.out != "" || !oneLine(r.err) || !strings.Contains(r.err, "permission denied") {
			t.Errorf("%s: %v", lines, r)
		}
	}
	notRun(t, start(t, confined(t, "id: CommandFilter, id, root", "landlock_ro = /, /nonexistent/x"), "id"), `cannot open "/nonexistent/x" for a Landlock rule`)
}

// python is a policy for Python programs, which can make the system calls that
// the shell's tools do not.
func python(t testing.TB, lines string) policy {
	t.Helper()
	return confined(t, "python: CommandFilter, /usr/bin/python3, root", lines)
}

const trySockets = `
import socket, sys
def attempt(what, port):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.settimeout(5)
    try:
        if what == 'bind':
            s.bind(('127.0.0.1', port))
            s.listen()
        else:
            s.connect(('127.0.0.1', port))
        print(what, port, 'yes')
        return s
    except OSError as e:
        print(what, port, e.strerror)
held = [attempt(*a) for a in eval(sys.argv[1])]
`

// TCP ports, by a listener on the loopback interface of a network of the
// command's own.
func TestSandboxLandlockPorts(t *testing.T) {
	for _, c := range []struct{ lines, attempts, want string }{
		{"", "('bind', 7001), ('connect', 7001), ('connect', 7002)", "bind 7001 yes\nconnect 7001 yes\nconnect 7002 Connection refused\n"},
		{"landlock_tcp_bind = 7001", "('bind', 7001), ('bind', 7002), ('bind', 0), ('connect', 7001)",
			"bind 7001 yes\nbind 7002 Permission denied\nbind 0 Permission denied\nconnect 7001 yes\n"},
		{"landlock_tcp_bind = none", "('bind', 7001), ('connect', 7001)", "bind 7001 Permission denied\nconnect 7001 Connection refused\n"},
		{"landlock_tcp_connect = 7001", "('bind', 7001), ('bind', 7002), ('connect', 7001), ('connect', 7002)",
			"bind 7001 yes\nbind 7002 yes\nconnect 7001 yes\nconnect 7002 Permission denied\n"},
		{"landlock_tcp_connect = none\nlandlock_tcp_bind = 7001, 7003", "('bind', 7003), ('connect', 7003)", "bind 7003 yes\nconnect 7003 Permission denied\n"},
	} {
		t.Run(strings.ReplaceAll(c.lines, "\n", ", "), func(t *testing.T) {
			t.Parallel()
			r := start(t, python(t, "private_network = yes\n"+c.lines), "python3", "-c", trySockets, "["+c.attempts+"]")
			if r.status != 0 || r.out != c.want {
				t.Errorf("%v, not %q", r, c.want)
			}
		})
	}
}

// Nothing of the machine's network is there, its abstract sockets included.
func TestSandboxPrivateNetwork(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	name := fmt.Sprintf("ironwrap-test-%d", os.Getpid())
	abstract, err := net.Listen("unix", "@"+name)
	if err != nil {
		t.Fatal(err)
	}
	defer abstract.Close()
	script := fmt.Sprintf(`
import socket, os, fcntl, struct
print(sorted(n for _, n in socket.if_nameindex()))
s = socket.socket()
flags = struct.unpack('16sh', fcntl.ioctl(s, 0x8913, struct.pack('16sh', b'lo', 0)))[1]
print('up' if flags & 1 else 'down')
for family, address in (socket.AF_INET, ('127.0.0.1', %d)), (socket.AF_UNIX, '\0%s'):
    try:
        socket.socket(family).connect(address)
        print('connected')
    except OSError as e:
        print(e.strerror)
`, l.Addr().(*net.TCPAddr).Port, name)
	if r := start(t, python(t, "private_network = yes"), "python3", "-c", script); r.status != 0 || r.out != "['lo']\nup\nConnection refused\nConnection refused\n" {
		t.Errorf("%v", r)
	}
	if r := start(t, python(t, "private_network = no"), "python3", "-c", script); r.status != 0 || !strings.HasSuffix(r.out, "connected\nconnected\n") {
		t.Errorf("without the key: %v", r)
	}
}

func TestSandboxPrivateTmp(t *testing.T) {
	name := fmt.Sprintf("ironwrap-private-%d", os.Getpid())
	outside := []string{"/tmp/" + name, "/var/tmp/" + name}
	for _, path := range outside {
		if err := os.Mkdir(path, 0o777); err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(path)
	}
	for _, user := range []string{"root", "nobody"} {
		p := confined(t, "sh: CommandFilter, sh, "+user, "private_tmp = yes")
		r := start(t, p, "sh", "-c", "ls -A /tmp /var/tmp; stat -c '%a %u %F' /tmp /var/tmp; echo x > /tmp/new && echo y > /var/tmp/new && cat /tmp/new /var/tmp/new")
		if r.status != 0 || r.out != "/tmp:\n\n/var/tmp:\n1777 0 directory\n1777 0 directory\nx\ny\n" {
			t.Errorf("%s: %v", user, r)
		}
		// Standing in the machine's own is no way back to it.
		for _, path := range append([]string{"/tmp", "/var/tmp"}, outside...) {
			notRun(t, startIn(t, path, p, "sh", "-c", "echo x > escaped"), "the working directory ")
		}
	}
	for _, path := range []string{"/tmp/new", "/var/tmp/new", "/tmp/escaped", outside[0] + "/escaped", outside[1] + "/escaped"} {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s was written to", path)
			os.Remove(path)
		}
	}
}

func TestSandboxReadOnly(t *testing.T) {
	p := newPolicy(t, "")
	d := p.dir + "/data"
	for _, f := range []string{"/f", "/sub/f", "/mnt/under"} {
		write(t, d+f, "text\n")
	}
	write(t, p.dir+"/other/f", "text\n")
	// What is mounted below is read-only too.
	if err := unix.Mount("tmpfs", d+"/mnt", "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(d+"/mnt", unix.MNT_DETACH)
	write(t, d+"/mnt/f", "text\n")

	with := func(lines string) policy {
		write(t, p.filters, "[Filters]\nsh: CommandFilter, sh, root\n[Sandbox:sh]\n"+lines+"\n")
		return p
	}
	// Root's own capability would undo the mount.
	with("read_only = " + d + "\ncapabilities = CAP_DAC_OVERRIDE")
	answers(t, "/", p, "yes cat "+d+"/f", "no : > "+d+"/f", "no : > "+d+"/new", "no rm "+d+"/f", "no chmod 600 "+d+"/f", "no : > "+d+"/sub/f",
		"no : > "+d+"/mnt/f", "no : > "+d+"/mnt/new", "yes : > "+p.dir+"/other/f", "yes : > "+p.dir+"/other/new",
		"no mount -o remount,bind,rw "+d, "no umount "+d)
	// Standing inside is no way around it.
	answers(t, d, p, "yes cat f", "no : > f", "no : > new", "no : > ../data/new", "no : > sub/new", "no : > mnt/new", "yes : > ../other/new")
	answers(t, d+"/mnt", p, "yes cat f", "no : > new", "no : > ../new")

	with("read_only = /\ncapabilities = CAP_DAC_OVERRIDE")
	for _, dir := range []string{"/", d, "/tmp"} {
		answers(t, dir, p, "yes cat "+d+"/f", "no : > "+d+"/f", "no : > "+d+"/mnt/new", "no : > "+p.dir+"/other/new", "no : > /tmp/ironwrap-ro", "no : > ironwrap-ro", "no : > /dev/shm/ironwrap-ro", "yes : > /dev/null")
	}
	with("read_only = /\nprivate_tmp = yes\ncapabilities = CAP_DAC_OVERRIDE")
	answers(t, "/", p, "no : > "+d+"/f", "yes : > /tmp/ironwrap-ro", "yes : > /var/tmp/ironwrap-ro")
	for _, path := range []string{"/tmp/ironwrap-ro", "/var/tmp/ironwrap-ro"} {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s was written to", path)
			os.Remove(path)
		}
	}

	with("read_only = " + d + ", /nonexistent/x")
	notRun(t, start(t, p, "sh", "-c", "echo ran"), `"/nonexistent/x": no such file or directory`)
	if err := os.WriteFile(d+"/mnt/after", nil, 0o644); err != nil {
		t.Errorf("the machine's own mount has changed: %v", err)
	}
}

// A mount that the command makes is its own. In a private view it can make none, as
// it could take the view apart.
func TestSandboxPrivateMounts(t *testing.T) {
	p := newPolicy(t, "")
	if err := os.Mkdir(p.dir+"/m", 0o755); err != nil {
		t.Fatal(err)
	}
	command := []string{"sh", "-c", "mount -t tmpfs iwtest " + p.dir + "/m && echo x > " + p.dir + "/m/x && cat " + p.dir + "/m/x"}
	mounted := func() bool {
		list, err := os.ReadFile("/proc/self/mountinfo")
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(list), p.dir+"/m ")
	}
	defer unix.Unmount(p.dir+"/m", unix.MNT_DETACH)
	for key, seen := range map[string]bool{"private_mounts = yes": false, "private_tmp = yes": false, "read_only = /usr": false, "private_network = yes": true} {
		write(t, p.filters, "[Filters]\nsh: CommandFilter, sh, root\n[Sandbox:sh]\n"+key+"\n")
		view := key == "private_tmp = yes" || key == "read_only = /usr"
		if r := start(t, p, command...); view && (r.status != 32 || r.out != "") || !view && (r.status != 0 || r.out != "x\n") {
			t.Errorf("%s: %v", key, r)
		}
		if mounted() != seen {
			t.Errorf("%s: the mount is seen outside: %v", key, !seen)
		}
		unix.Unmount(p.dir+"/m", unix.MNT_DETACH)
	}
}

func TestSandboxNumbers(t *testing.T) {
	p := confined(t, "sh: CommandFilter, sh, root", "umask = 027\nnice = 7\noom_score_adj = 123\n"+
		"rlimit_as = 2000000000\nrlimit_core = 0\nrlimit_cpu = 77\nrlimit_data = 1000000000\nrlimit_fsize = 12345\nrlimit_locks = 11\n"+
		"rlimit_memlock = 65536\nrlimit_msgqueue = 4096\nrlimit_nice = 0\nrlimit_nofile = 123\nrlimit_nproc = 5000\nrlimit_rss = unlimited\n"+
		"rlimit_rtprio = 0\nrlimit_rttime = 1000000\nrlimit_sigpending = 99\nrlimit_stack = 4194304", "rlimit_nofile = 512")
	r := start(t, p, "sh", "-c", "umask; nice; cat /proc/self/oom_score_adj /proc/self/limits")
	if r.status != 0 || !strings.HasPrefix(r.out, "0027\n7\n123\n") {
		t.Errorf("%v", r)
	}
	limits := map[string]string{}
	for line := range strings.Lines(r.out) {
		if rest, ok := strings.CutPrefix(line, "Max "); ok && len(rest) > 44 {
			limits[strings.TrimSpace(rest[:22])] = strings.Join(strings.Fields(rest[22:])[:2], " ")
		}
	}
	for name, value := range map[string]string{
		"address space": "2000000000", "core file size": "0", "cpu time": "77", "data size": "1000000000", "file size": "12345", "file locks": "11",
		"locked memory": "65536", "msgqueue size": "4096", "nice priority": "0", "open files": "123", "processes": "5000", "resident set": "unlimited",
		"realtime priority": "0", "realtime timeout": "1000000", "pending signals": "99", "stack size": "4194304",
	} {
		if limits[name] != value+" "+value {
			t.Errorf("limit %s is %q, not %s", name, limits[name], value)
		}
	}

	for lines, want := range map[string]string{"umask = 0": "0000\n", "umask = 002": "0002\n", "umask = 777": "0777\n", "nice = 0": "0022\n"} {
		if r := start(t, confined(t, "sh: CommandFilter, sh, nobody", lines), "sh", "-c", "umask"); r.status != 0 || r.out != want {
			t.Errorf("%s: %v", lines, r)
		}
	}
	if r := start(t, confined(t, "sh: CommandFilter, sh, nobody", "nice = -5"), "sh", "-c", "nice"); r.status != 0 || r.out != "-5\n" {
		t.Errorf("nice: %v", r)
	}
	// What the machine does not give is an error, not something near it.
	r = start(t, confined(t, "cat: CommandFilter, cat, root", "oom_score_adj = -500"), "cat", "/proc/self/oom_score_adj")
	if _, set := bounding(t); set>>unix.CAP_SYS_RESOURCE&1 == 0 {
		notRun(t, r, "cannot set the OOM score: permission denied")
		notRun(t, start(t, confined(t, "id: CommandFilter, id, root", "rlimit_nofile = 1000000000"), "id"), "cannot reset the resource limits: limit 7 to 1000000000: operation not permitted")
	} else if r.status != 0 || r.out != "-500\n" {
		t.Errorf("oom_score_adj: %v", r)
	}
}

// Memory that is writable and executable, at once or one after the other.
func TestSandboxDenyWriteExecute(t *testing.T) {
	const script = `
import ctypes, mmap, os, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
failed = ctypes.c_void_p(-1).value
def say(what, ok):
    print(what, 'yes' if ok else os.strerror(ctypes.get_errno()))
say('wx', libc.mmap(None, 4096, 7, 0x22, -1, 0) != failed)
a = libc.mmap(None, 4096, 3, 0x22, -1, 0)
say('w', a != failed)
say('w to x', libc.mprotect(a, 4096, 5) == 0)
if len(sys.argv) == 1:
    sys.stdout.flush()
    os.execv('/usr/bin/python3', ['python3', '-c', sys.orig_argv[2], 'again'])
`
	const denied = "wx Permission denied\nw yes\nw to x Permission denied\n"
	const allowed = "wx yes\nw yes\nw to x yes\n"
	for lines, want := range map[string]string{"memory_deny_write_execute = yes": denied + denied, "memory_deny_write_execute = no": allowed + allowed} {
		if r := start(t, python(t, lines), "python3", "-c", script); r.status != 0 || r.out != want {
			t.Errorf("%s: %v", lines, r)
		}
	}
}

// The keys of the caller's session do not reach the command.
func TestSandboxPrivateKeyring(t *testing.T) {
	const calls = `
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
add_key, keyctl = (248, 250) if os.uname().machine == 'x86_64' else (217, 219)
SESSION, JOIN, SEARCH = ctypes.c_long(-3), 1, 10
`
	const command = calls + `
print('yes' if libc.syscall(keyctl, SEARCH, SESSION, b'user', b'ironwrap', 0) > 0 else os.strerror(ctypes.get_errno()))
`
	const starter = calls + `
assert libc.syscall(keyctl, JOIN, None) > 0
assert libc.syscall(add_key, b'user', b'ironwrap', b'secret', 6, SESSION) > 0
os.execv(sys.argv[1], sys.argv[1:])
`
	for lines, want := range map[string]string{"private_keyring = yes": "Required key not available\n", "private_keyring = no": "yes\n"} {
		p := python(t, lines)
		if r := run(t, "/usr/bin/python3", "-c", starter, ours, p.conf, "python3", "-c", command); r.status != 0 || r.out != want {
			t.Errorf("%s: %v", lines, r)
		}
	}
}

// The profile is installed, and has its say.
func TestSandboxSeccomp(t *testing.T) {
	p := newPolicy(t, "")
	profile := profileIn(t, p.dir)
	for _, user := range []string{"root", "nobody"} {
		write(t, p.filters, "[Filters]\nchmod: CommandFilter, chmod, "+user+"\n[Sandbox:chmod]\nseccomp = "+profile+"\n")
		write(t, p.dir+"/f", "")
		if r := start(t, p, "chmod", "600", p.dir+"/f"); r.status != 1 || !strings.Contains(r.err, "Invalid cross-device link") {
			t.Errorf("%s: %v", user, r)
		}
	}
}

// What [Sandbox] says holds for each filter of each file; [Profile:NAME] and the
// filter's own section come on top of it key by key.
func TestSandboxSections(t *testing.T) {
	defaults := "[Sandbox]\nno_new_privs = yes\numask = 027\ncapabilities = CAP_CHOWN, CAP_NET_ADMIN\n[Profile:net]\ncapabilities = CAP_NET_ADMIN\numask = 077\n"
	p := newPolicy(t, "cat: CommandFilter, cat, root\nhead: CommandFilter, head, root\ntail: CommandFilter, tail, root\ngrep: CommandFilter, grep, root\n"+
		"[Sandbox:head]\ninherit = net\n[Sandbox:tail]\nno_new_privs = no\numask = 0\ninherit = net\n[Sandbox:grep]\ncapabilities = all", defaults)
	write(t, filepath.Dir(p.filters)+"/z.filters", "[Filters]\nsort: CommandFilter, sort, nobody\n")
	full, _ := bounding(t)
	both := capSet(unix.CAP_CHOWN, unix.CAP_NET_ADMIN)
	for _, c := range []struct {
		words           []string
		bnd, nnp, umask string
	}{
		{[]string{"cat"}, both, "1", "0027"},
		{[]string{"sort"}, both, "1", "0027"},
		{[]string{"head", "-n", "100"}, capSet(unix.CAP_NET_ADMIN), "1", "0077"},
		{[]string{"tail", "-n", "100"}, capSet(unix.CAP_NET_ADMIN), "0", "0000"},
		{[]string{"grep", ":"}, full, "1", "0027"},
	} {
		r := start(t, p, append(c.words, "/proc/self/status")...)
		f := fields(r.out)
		if r.status != 0 || f["CapBnd"] != c.bnd || f["NoNewPrivs"] != c.nnp || f["Umask"] != c.umask {
			t.Errorf("%v: %v, not %v", c.words, r, c)
		}
	}
	// Both programs read these files: the peer ignores the sections.
	for _, program := range []string{peer, ours} {
		if r := throughSudo(t, program, p.conf, "cat", "/proc/self/comm"); r.status != 0 || r.out != "cat\n" {
			t.Errorf("%s: %v", program, r)
		}
	}

	// An error in a section that this command has nothing to do with stops it too:
	// somebody meant to confine something, and does not.
	for lines, why := range map[string]string{
		"[Sandbox:cat]\nno_new_priv = yes":      "test.filters:6: no_new_priv: unknown key",
		"[Sandbox:cat]\nno_new_privs = perhaps": "is not yes or no",
		"[Sandbox:mv]\nno_new_privs = yes":      "no filter of that name",
		"[sandbox:cat]\nno_new_privs = yes":     "is written [Sandbox:NAME]",
		"[Sandbox:cat]\ninherit = x":            "has no section [Profile:x]",
	} {
		write(t, p.filters, "[Filters]\ncat: CommandFilter, cat, root\nid: CommandFilter, id, root\n\n"+lines+"\n")
		notRun(t, start(t, p, "id"), why)
	}
}

// A command behind a prefix has the prefix's sandbox and its own: whichever is
// stricter, in each respect. No prefix is a way out.
func TestSandboxChain(t *testing.T) {
	common := newPolicy(t, "")
	profile := profileIn(t, common.dir)
	write(t, common.dir+"/secret/f", "text\n")
	chain := "nice: ChainingRegExpFilter, nice, root, nice, -n, \\d+\ncat: CommandFilter, cat, root\nsh: CommandFilter, sh, root\n"
	status := []string{"nice", "-n", "1", "cat", "/proc/self/status"}
	shell := func(script string) []string { return []string{"nice", "-n", "0", "sh", "-c", script} }
	full, _ := bounding(t)
	for _, c := range []struct {
		name, sections string
		words          []string
		want           map[string]string // of status
		out            string
	}{
		{"the leaf's alone", "[Sandbox:cat]\ncapabilities = none\nno_new_privs = yes\nseccomp = " + profile + "\numask = 077",
			status, map[string]string{"CapBnd": noCaps, "CapEff": noCaps, "NoNewPrivs": "1", "Seccomp": "2", "Seccomp_filters": "1", "Umask": "0077"}, ""},
		{"the prefix's alone", "[Sandbox:nice]\ncapabilities = none\nno_new_privs = yes\nseccomp = " + profile + "\numask = 077",
			status, map[string]string{"CapBnd": noCaps, "CapEff": noCaps, "NoNewPrivs": "1", "Seccomp": "2", "Seccomp_filters": "1", "Umask": "0077"}, ""},
		{"both", "[Sandbox:nice]\ncapabilities = CAP_CHOWN, CAP_SYS_NICE\nseccomp = " + profile + "\numask = 020\n[Sandbox:cat]\ncapabilities = CAP_CHOWN, CAP_NET_ADMIN\nno_new_privs = yes\numask = 007\nseccomp = " + profile,
			status, map[string]string{"CapBnd": capSet(unix.CAP_CHOWN), "CapEff": capSet(unix.CAP_CHOWN), "NoNewPrivs": "1", "Seccomp_filters": "2", "Umask": "0027"}, ""},
		{"yes and no", "[Sandbox:nice]\ncapabilities = none\nno_new_privs = yes\n[Sandbox:cat]\ncapabilities = all\nno_new_privs = no",
			status, map[string]string{"CapBnd": noCaps, "NoNewPrivs": "1"}, ""},
		{"no and yes", "[Sandbox:nice]\ncapabilities = all\nno_new_privs = no\n[Sandbox:cat]\ncapabilities = none\nno_new_privs = yes",
			status, map[string]string{"CapBnd": noCaps, "NoNewPrivs": "1"}, ""},
		{"of another leaf", "[Sandbox:sh]\ncapabilities = none\nno_new_privs = yes",
			status, map[string]string{"CapBnd": full, "NoNewPrivs": "0"}, ""},
		{"limits", "[Sandbox:nice]\nrlimit_nofile = 50\nrlimit_cpu = 10\n[Sandbox:sh]\nrlimit_nofile = 40\nrlimit_cpu = unlimited\nrlimit_core = 0",
			shell("ulimit -n; ulimit -t"), nil, "40\n10\n"},
		{"nice and oom", "[Sandbox:nice]\nnice = 9\noom_score_adj = 10\n[Sandbox:sh]\nnice = 2\noom_score_adj = 200",
			shell("nice; cat /proc/self/oom_score_adj"), nil, "9\n200\n"},
		{"landlock", "[Sandbox:nice]\nlandlock_ro = /usr, /proc, " + common.dir + "\n[Sandbox:sh]\nlandlock_ro = /usr, /proc, /etc",
			shell("cat " + common.dir + "/secret/f 2>&1; head -n 1 /etc/passwd 2>&1; cat /proc/self/comm"), nil,
			"cat: " + common.dir + "/secret/f: Permission denied\nhead: cannot open '/etc/passwd' for reading: Permission denied\ncat\n"},
		{"namespaces", "[Sandbox:nice]\nprivate_network = yes\n[Sandbox:sh]\nprivate_tmp = yes",
			shell("ls -A /tmp; ls /sys/class/net | head -n 0; grep -c : /proc/net/dev"), nil, "1\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := start(t, newPolicy(t, chain+c.sections), c.words...)
			if r.status != 0 || c.out != "" && r.out != c.out {
				t.Errorf("%v", r)
			}
			f := fields(r.out)
			for key, value := range c.want {
				if f[key] != value {
					t.Errorf("%s is %q, not %q", key, f[key], value)
				}
			}
		})
	}
}

// ip netns exec enters a network, and mounts; what the leaf's sandbox says holds
// nevertheless, and where it cannot, nothing runs.
func TestSandboxChainNamespace(t *testing.T) {
	need(t, "iproute2", "/sbin/ip")
	ns := fmt.Sprintf("iwtest%d", os.Getpid())
	if r := run(t, "/sbin/ip", "netns", "add", ns); r.status != 0 {
		t.Fatal(r)
	}
	defer run(t, "/sbin/ip", "netns", "del", ns)
	words := func(leaf ...string) []string { return append([]string{"ip", "netns", "exec", ns}, leaf...) }
	chain := "ip: IpNetnsExecFilter, ip, root\ncat: CommandFilter, cat, root\nsh: CommandFilter, sh, root\n"

	r := start(t, newPolicy(t, chain+"[Sandbox:cat]\ncapabilities = CAP_SYS_ADMIN\nno_new_privs = yes"), words("cat", "/proc/self/status")...)
	f := fields(r.out)
	if r.status != 0 || f["CapBnd"] != capSet(unix.CAP_SYS_ADMIN) || f["CapEff"] != capSet(unix.CAP_SYS_ADMIN) || f["NoNewPrivs"] != "1" {
		t.Errorf("%v", r)
	}
	// Without the capability to enter it nothing runs in the machine's network.
	if r := start(t, newPolicy(t, chain+"[Sandbox:cat]\ncapabilities = none"), words("cat", "/proc/self/status")...); r.status == 0 || r.out != "" {
		t.Errorf("%v", r)
	}
	p := newPolicy(t, chain)
	if err := os.Mkdir(p.dir+"/data", 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, p.filters, "[Filters]\n"+chain+"[Sandbox:sh]\nread_only = "+p.dir+"/data\nprivate_tmp = yes\ncapabilities = CAP_SYS_ADMIN, CAP_DAC_OVERRIDE\n")
	notRun(t, start(t, p, words("sh", "-c", "ls -A /tmp; : > "+p.dir+"/data/x")...), "ip(8) mounts /sys: the sandbox of filter sh has private_tmp or read_only")
	write(t, p.filters, "[Filters]\n"+chain+"[Sandbox:ip]\nprivate_tmp = yes\n")
	notRun(t, start(t, p, words("sh", "-c", "echo ran")...), "the sandbox of filter ip has private_tmp or read_only")
	notRun(t, start(t, newPolicy(t, chain+"[Sandbox:cat]\nprivate_network = yes"), words("cat", "/proc/self/comm")...), "private_network")
}

// A signal is sent with the rights that the sandbox leaves.
func TestSandboxKill(t *testing.T) {
	p := newPolicy(t, "")
	profile := profileIn(t, p.dir)
	mute, err := seccomp.New(refusing(unix.SYS_PIDFD_SEND_SIGNAL, unix.EXDEV), 0, [3]uint8{2, 5, 4}, []byte("{}\n"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, p.dir+"/mute.json", "{}\n")
	write(t, p.dir+"/mute.bpf", string(mute.Encode()))
	for _, c := range []struct {
		lines, why string // why it is not sent
		uid        uint32
	}{
		{"no_new_privs = yes\nseccomp = " + profile + "\nlandlock_ro = /usr\nprivate_network = yes\nprivate_tmp = yes", "", 65534},
		{"capabilities = CAP_KILL", "", 65534},
		{"capabilities = none", "operation not permitted", 65534},
		{"capabilities = CAP_SYS_ADMIN\nseccomp = " + profile, "operation not permitted", 65534},
		{"capabilities = none\nseccomp = " + profile, "operation not permitted", 65534},
		{"capabilities = none", "", 0},
		{"seccomp = " + p.dir + "/mute.json", "invalid cross-device link", 65534},
	} {
		sleeper := exec.Command("/usr/bin/sleep", "60")
		sleeper.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: c.uid, Gid: c.uid}}
		if err := sleeper.Start(); err != nil {
			t.Fatal(err)
		}
		pid := sleeper.Process.Pid
		r := start(t, confined(t, "kill: KillFilter, root, /usr/bin/sleep, -9", c.lines), "kill", "-9", strconv.Itoa(pid))
		sent := signalled(t, pid)
		for end := time.Now().Add(2 * time.Second); c.why == "" && !sent && time.Now().Before(end); time.Sleep(time.Millisecond) {
			sent = signalled(t, pid)
		}
		if c.why == "" && (r.status != 0 || !sent || r.err != "") {
			t.Errorf("%s, uid %d: %v, sent: %v", c.lines, c.uid, r, sent)
		}
		if c.why != "" && (r.status != 1 || sent || !oneLine(r.err) || !strings.Contains(r.err, c.why)) {
			t.Errorf("%s, uid %d: %v, sent: %v", c.lines, c.uid, r, sent)
		}
		sleeper.Process.Kill()
		sleeper.Wait()
	}
}

// grove is a directory of the caller's, with a file in it that a filter allows,
// and a tree of root's beside it that it does not.
func grove(t testing.TB, user, lines string) (p policy, base string) {
	t.Helper()
	p = newPolicy(t, "")
	base = p.dir + "/base"
	write(t, base+"/a/f", "public\n")
	write(t, p.dir+"/secret/f", "SECRET\n")
	if err := os.Chmod(p.dir+"/secret", 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{base, base + "/a", base + "/a/f"} {
		if err := os.Chown(path, int(caller.uid), int(caller.gid)); err != nil {
			t.Fatal(err)
		}
	}
	if user == "caller" {
		user = caller.name
	}
	text := "[Filters]\n"
	for _, program := range []string{"cat", "echo", "stat", "ls"} {
		text += fmt.Sprintf("%s: PathFilter, %[1]s, %s, %s\n", program, user, base)
	}
	text += "nice: ChainingRegExpFilter, nice, root, nice, -n, \\d+\n"
	for _, program := range []string{"cat", "echo", "stat", "ls"} {
		text += fmt.Sprintf("[Sandbox:%s]\n%s\n", program, lines)
	}
	write(t, p.filters, text)
	return p, base
}

func TestSandboxPinPaths(t *testing.T) {
	for _, user := range []string{"root", "caller"} {
		p, base := grove(t, user, "pin_paths = yes")
		if r := start(t, p, "cat", base+"/a/../a/f"); r.status != 0 || r.out != "public\n" {
			t.Errorf("%s: %v", user, r)
		}
		word := start(t, p, "echo", base+"/a/f").out
		if _, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(word, "/proc/self/fd/"), "\n")); err != nil {
			t.Errorf("%s: the word is %q", user, word)
		}
		if r := start(t, p, "ls", base+"/a"); r.status != 0 || r.err != "" {
			t.Errorf("%s: a directory: %v", user, r)
		}
		if r := start(t, p, "stat", base+"/a/f"); r.status != 0 || !strings.Contains(r.out, " -> "+base+"/a/f\n") {
			t.Errorf("%s: stat: %v", user, r)
		}
		// A file that is not there cannot be held.
		notRun(t, start(t, p, "cat", base+"/a/missing"), "cannot pin "+base+"/a/missing (pin_paths): no such file or directory")
		if r := start(t, p, "cat", p.dir+"/secret/f"); r.status != 99 || r.out != "" {
			t.Errorf("%s: outside: %v", user, r)
		}
		if user == "root" {
			if r := start(t, p, "nice", "-n", "1", "cat", base+"/a/f"); r.status != 0 || r.out != "public\n" {
				t.Errorf("behind a prefix: %v", r)
			}
		}
	}
	// A file that is open is not under what is mounted over its name.
	p, base := grove(t, "root", "")
	write(t, p.filters, strings.ReplaceAll(readFile(t, p.filters), "[Sandbox:cat]\n", "[Sandbox:cat]\npin_paths = yes\nread_only = "+p.dir+"\n"))
	notRun(t, start(t, p, "cat", base+"/a/f"), "read_only")
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// exchange swaps two names in one step.
func exchange(a, b string) error {
	return unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
}

// between runs a command under strace, which holds the n-th call of a name up,
// and does something meanwhile. The execve(2) that starts ironwrap is in the log,
// but not counted.
func between(t testing.TB, p policy, call string, n int, do func(), words ...string) result {
	t.Helper()
	return betweenIn(t, "/", p, call, n, do, words...)
}

func betweenIn(t testing.TB, dir string, p policy, call string, n int, do func(), words ...string) result {
	t.Helper()
	need(t, "strace", "/usr/bin/strace")
	pin(t, p.conf, kept)
	log := p.dir + "/strace"
	os.Remove(log)
	args := []string{"-o", log, "-e", "trace=" + call, "-e", fmt.Sprintf("inject=%s:delay_enter=1000000:when=%d", call, n), ours, p.conf}
	c := exec.Command("/usr/bin/strace", append(args, words...)...)
	c.Dir = dir
	done := make(chan struct{})
	go func() {
		defer close(done)
		// strace writes the line of a call that it holds up as far as it knows it.
		for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
			data, _ := os.ReadFile(log)
			if call == "execve" && strings.Contains(string(data), "/usr/bin/cat\"") || call != "execve" && strings.Count(string(data), call+"(") == n {
				break
			}
		}
		time.Sleep(50 * time.Millisecond)
		do()
	}()
	r := runCmd(t, c)
	<-done
	return r
}

// Somebody swaps a directory on the way with a link to what is root's, just
// between the check and the command's use. It is shown at that very moment, and
// what the key changes: without it the file at the name is used, as by the peer.
func TestSandboxPinPathsRace(t *testing.T) {
	for _, c := range []struct {
		user, lines, call string
		n                 int
		other             func(p policy, base string) error // makes base/b
		want              string
	}{
		{"root", "", "execve", 1, linkToSecret, "SECRET\n"}, // why there is the key
		{"root", "pin_paths = yes", "execve", 1, linkToSecret, "public\n"},
		{"caller", "pin_paths = yes", "execve", 1, linkToSecret, "public\n"},
		// Before the file is held: by the last openat2(2) of its name.
		{"root", "pin_paths = yes", "openat2", 0, linkToSecret, ""},
		{"caller", "pin_paths = yes", "openat2", 0, linkToSecret, ""},
		// A directory that the user cannot enter, where the file in it is readable.
		{"caller", "pin_paths = yes", "openat2", 0, closedToCaller, ""},
	} {
		name := fmt.Sprintf("%s/%s/%s", c.user, c.lines, c.call)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, base := grove(t, c.user, c.lines)
			if err := c.other(p, base); err != nil {
				t.Fatal(err)
			}
			n := c.n
			if n == 0 {
				n = callsUpTo(t, p, c.call, base+"/a/f", "cat", base+"/a/f")
			}
			var swapped error
			r := between(t, p, c.call, n, func() { swapped = exchange(base+"/a", base+"/b") }, "cat", base+"/a/f")
			if swapped != nil || r.out != c.want {
				t.Errorf("%v, not %q; swap: %v\n%s", r, c.want, swapped, readFile(t, p.dir+"/strace"))
			}
			if c.want == "" && (r.status != 97 || !oneLine(r.err) || !strings.Contains(r.err, "cannot pin ")) {
				t.Errorf("%v", r)
			}
		})
	}
}

// callsUpTo is how many calls of a name ironwrap makes for a command, up to the last that
// is about the path.
func callsUpTo(t testing.TB, p policy, call, path string, words ...string) (n int) {
	t.Helper()
	need(t, "strace", "/usr/bin/strace")
	pin(t, p.conf, kept) // as in between: with and without a compiled policy the number differs
	log := p.dir + "/strace"
	if r := run(t, append([]string{"/usr/bin/strace", "-o", log, "-e", "trace=" + call, ours, p.conf}, words...)...); r.status != 0 {
		t.Fatal(r)
	}
	made := 0
	for line := range strings.Lines(readFile(t, log)) {
		if strings.HasPrefix(line, call+"(") {
			made++
			if strings.Contains(line, "\""+path+"\"") {
				n = made
			}
		}
	}
	if n == 0 {
		t.Fatalf("no %s is about %s:\n%s", call, path, readFile(t, log))
	}
	return n
}

func linkToSecret(p policy, base string) error { return os.Symlink(p.dir+"/secret", base+"/b") }

func closedToCaller(p policy, base string) error { return os.Rename(p.dir+"/secret", base+"/b") }

// The same without any help from outside, some hundred times.
func TestSandboxPinPathsStress(t *testing.T) {
	const calls = 200
	p, base := grove(t, "root", "pin_paths = yes")
	if err := linkToSecret(p, base); err != nil {
		t.Fatal(err)
	}
	q, _ := grove(t, "root", "")
	write(t, q.filters, strings.ReplaceAll(readFile(t, q.filters), q.dir+"/base", base))

	var stop atomic.Bool
	var swaps atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for !stop.Load() {
			if err := exchange(base+"/a", base+"/b"); err != nil {
				t.Error(err)
				return
			}
			swaps.Add(1)
			time.Sleep(20 * time.Microsecond)
		}
	}()
	read, refused := 0, 0
	for range calls {
		r := start(t, p, "cat", base+"/a/f")
		switch {
		case strings.Contains(r.out, "SECRET"):
			t.Errorf("a hit: %v", r)
		case r.status == 0 && r.out == "public\n":
			read++
		case (r.status == 97 || r.status == 99) && r.out == "" && oneLine(r.err):
			refused++
		default:
			t.Errorf("%v", r)
		}
	}
	hits := map[string]int{}
	for range 5 {
		for _, program := range []string{ours, peer} {
			if strings.Contains(run(t, program, q.conf, "cat", base+"/a/f").out, "SECRET") {
				hits[program]++
			}
		}
	}
	stop.Store(true)
	<-done
	if read == 0 || swaps.Load() < calls {
		t.Errorf("%d calls read the file, %d were refused, %d swaps: nothing was tried", read, refused, swaps.Load())
	}
	t.Logf("%d calls with pin_paths: %d read the file, %d were refused; %d swaps. Of 5 calls without: %d hits, of the peer: %d",
		calls, read, refused, swaps.Load(), hits[ours], hits[peer])
}
