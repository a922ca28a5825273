package sandbox

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

	"ironwrap/integration/rig"
	"ironwrap/sandbox/seccomp"
)

// capability sets as /proc/PID/status has them.
func capSet(numbers ...int) string {
	set := uint64(0)
	for _, n := range numbers {
		set |= 1 << n
	}
	return fmt.Sprintf("%016x", set)
}

// One row for each key, and for those that touch each other: everything that the
// kernel says about the command's rights, for root and for another user.
func TestSandboxStatus(t *testing.T) {
	full, set := rig.Bounding(t)
	if set>>unix.CAP_NET_ADMIN&1 == 0 || set>>unix.CAP_SYS_ADMIN&1 == 0 || set>>unix.CAP_CHOWN&1 == 0 {
		t.Fatalf("root is too weak here for this test: bounding set %s", full)
	}
	common := rig.NewPolicy(t, "")
	profile := rig.ProfileIn(t, common.Dir)
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
		{"capabilities = none", rig.NoCaps, "0", 0},
		{"capabilities = none\nno_new_privs = yes", rig.NoCaps, "1", 0},
		{"capabilities = CAP_NET_ADMIN", capSet(netAdmin), "0", 0},
		{"capabilities = cap_net_admin, CAP_CHOWN,CAP_SYS_ADMIN\nno_new_privs = yes", capSet(netAdmin, unix.CAP_CHOWN, sysAdmin), "1", 0},
		{"capabilities = " + names[highest], capSet(highest), "0", 0},
		{"seccomp = " + profile, "", "0", 1},
		{"seccomp = " + profile + "\nno_new_privs = yes", "", "1", 1},
		{"seccomp = " + profile + "\ncapabilities = none", rig.NoCaps, "0", 1},
		{"seccomp = " + profile + "\ncapabilities = none\nno_new_privs = yes", rig.NoCaps, "1", 1},
		{"seccomp = " + profile + "\ncapabilities = CAP_NET_ADMIN", capSet(netAdmin), "0", 1},
		{"landlock_ro = /", "", "0", 0},
		{"landlock_ro = /\nno_new_privs = yes", "", "1", 0},
		{"landlock_rw = /\ncapabilities = none", rig.NoCaps, "0", 0},
		{"landlock_tcp_bind = 1\nlandlock_tcp_connect = none\ncapabilities = CAP_NET_ADMIN", capSet(netAdmin), "0", 0},
		{"private_tmp = yes", "", "0", 1},
		{"private_tmp = yes\nread_only = /usr\ncapabilities = CAP_NET_ADMIN", capSet(netAdmin), "0", 1},
		{"private_network = yes\ncapabilities = none", rig.NoCaps, "0", 0},
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
				p := rig.Confined(t, "cat: CommandFilter, cat, "+user, c.lines)
				caps := c.caps
				if caps == "" {
					caps = full
				}
				want := map[string]string{"NoNewPrivs": c.nnp, "CapBnd": caps}
				filters := c.filters
				if user == "root" {
					want["Uid"], want["Gid"], want["Groups"] = "0 0 0 0", "0 0 0 0", "0"
					want["CapPrm"], want["CapEff"], want["CapInh"], want["CapAmb"] = caps, caps, rig.NoCaps, rig.NoCaps
				} else {
					want["Uid"], want["Gid"], want["Groups"] = "65534 65534 65534 65534", "65534 65534 65534 65534", "65534"
					mine := c.caps
					if mine == "" {
						mine = rig.NoCaps
					}
					want["CapPrm"], want["CapEff"], want["CapInh"], want["CapAmb"] = mine, mine, mine, mine
					filters++
				}
				want["Seccomp"], want["Seccomp_filters"] = "0", strconv.Itoa(filters)
				if filters > 0 {
					want["Seccomp"] = "2"
				}
				r := rig.Start(t, p, "cat", "/proc/self/status")
				if r.Status != 0 || r.Err != "" {
					t.Fatal(r)
				}
				have := rig.Fields(r.Out)
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
			rig.NotRun(t, rig.Start(t, rig.Confined(t, "cat: CommandFilter, cat, nobody", "capabilities = "+name), "cat", "/proc/self/status"), "cannot set the capabilities: ")
		}
	}
	rig.NotRun(t, rig.Start(t, rig.Confined(t, "cat: CommandFilter, cat, nobody", "capabilities = CAP_FOO"), "cat", "/proc/self/status"), `"cap_foo" is not a capability`)
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
func answers(t testing.TB, dir string, p rig.Policy, want ...string) {
	t.Helper()
	commands := make([]string, len(want))
	for i, w := range want {
		_, commands[i], _ = strings.Cut(w, " ")
	}
	r := rig.StartIn(t, dir, p, tries(commands...)...)
	if have := strings.Split(strings.TrimSuffix(r.Out, "\n"), "\n"); r.Status != 0 || !slices.Equal(have, want) {
		t.Errorf("in %s: %v\nnot\n%s", dir, r, strings.Join(want, "\n"))
	}
}

func TestSandboxLandlockFiles(t *testing.T) {
	for _, user := range []string{"root", "nobody"} {
		t.Run(user, func(t *testing.T) {
			t.Parallel()
			p := rig.NewPolicy(t, "")
			d := p.Dir
			for _, f := range []string{"ro/f", "rw/f", "rw/g", "rw/sub/f", "no/f", "single", "sibling"} {
				rig.Write(t, d+"/"+f, "text\n")
			}
			if out, err := exec.Command("/bin/chown", "-R", "nobody", d+"/ro", d+"/rw", d+"/no", d+"/single", d+"/sibling").CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			rig.Write(t, p.Filters, fmt.Sprintf("[Filters]\nsh: CommandFilter, sh, %[2]s\n[Sandbox:sh]\nlandlock_ro = /usr, %[1]s/ro, %[1]s/single\nlandlock_rw = %[1]s/rw, /dev/null\n", d, user))
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
		r := rig.Start(t, rig.Confined(t, "id: CommandFilter, id, root", lines), "id")
		if r.Status != 96 || r.Out != "" || !rig.OneLine(r.Err) || !strings.Contains(r.Err, "permission denied") {
			t.Errorf("%s: %v", lines, r)
		}
	}
	rig.NotRun(t, rig.Start(t, rig.Confined(t, "id: CommandFilter, id, root", "landlock_ro = /, /nonexistent/x"), "id"), `cannot open "/nonexistent/x" for a Landlock rule`)
}

// python is a policy for Python programs, which can make the system calls that
// the shell's tools do not.
func python(t testing.TB, lines string) rig.Policy {
	t.Helper()
	return rig.Confined(t, "python: CommandFilter, /usr/bin/python3, root", lines)
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
			r := rig.Start(t, python(t, "private_network = yes\n"+c.lines), "python3", "-c", trySockets, "["+c.attempts+"]")
			if r.Status != 0 || r.Out != c.want {
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
	if r := rig.Start(t, python(t, "private_network = yes"), "python3", "-c", script); r.Status != 0 || r.Out != "['lo']\nup\nConnection refused\nConnection refused\n" {
		t.Errorf("%v", r)
	}
	if r := rig.Start(t, python(t, "private_network = no"), "python3", "-c", script); r.Status != 0 || !strings.HasSuffix(r.Out, "connected\nconnected\n") {
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
		p := rig.Confined(t, "sh: CommandFilter, sh, "+user, "private_tmp = yes")
		r := rig.Start(t, p, "sh", "-c", "ls -A /tmp /var/tmp; stat -c '%a %u %F' /tmp /var/tmp; echo x > /tmp/new && echo y > /var/tmp/new && cat /tmp/new /var/tmp/new")
		if r.Status != 0 || r.Out != "/tmp:\n\n/var/tmp:\n1777 0 directory\n1777 0 directory\nx\ny\n" {
			t.Errorf("%s: %v", user, r)
		}
		// Standing in the machine's own is no way back to it.
		for _, path := range append([]string{"/tmp", "/var/tmp"}, outside...) {
			rig.NotRun(t, rig.StartIn(t, path, p, "sh", "-c", "echo x > escaped"), "the working directory ")
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
	p := rig.NewPolicy(t, "")
	d := p.Dir + "/data"
	for _, f := range []string{"/f", "/sub/f", "/mnt/under"} {
		rig.Write(t, d+f, "text\n")
	}
	rig.Write(t, p.Dir+"/other/f", "text\n")
	// What is mounted below is read-only too.
	if err := unix.Mount("tmpfs", d+"/mnt", "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(d+"/mnt", unix.MNT_DETACH)
	rig.Write(t, d+"/mnt/f", "text\n")

	with := func(lines string) rig.Policy {
		rig.Write(t, p.Filters, "[Filters]\nsh: CommandFilter, sh, root\n[Sandbox:sh]\n"+lines+"\n")
		return p
	}
	// Root's own capability would undo the mount.
	with("read_only = " + d + "\ncapabilities = CAP_DAC_OVERRIDE")
	answers(t, "/", p, "yes cat "+d+"/f", "no : > "+d+"/f", "no : > "+d+"/new", "no rm "+d+"/f", "no chmod 600 "+d+"/f", "no : > "+d+"/sub/f",
		"no : > "+d+"/mnt/f", "no : > "+d+"/mnt/new", "yes : > "+p.Dir+"/other/f", "yes : > "+p.Dir+"/other/new",
		"no mount -o remount,bind,rw "+d, "no umount "+d)
	// Standing inside is no way around it.
	answers(t, d, p, "yes cat f", "no : > f", "no : > new", "no : > ../data/new", "no : > sub/new", "no : > mnt/new", "yes : > ../other/new")
	answers(t, d+"/mnt", p, "yes cat f", "no : > new", "no : > ../new")

	with("read_only = /\ncapabilities = CAP_DAC_OVERRIDE")
	for _, dir := range []string{"/", d, "/tmp"} {
		answers(t, dir, p, "yes cat "+d+"/f", "no : > "+d+"/f", "no : > "+d+"/mnt/new", "no : > "+p.Dir+"/other/new", "no : > /tmp/ironwrap-ro", "no : > ironwrap-ro", "no : > /dev/shm/ironwrap-ro", "yes : > /dev/null")
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
	rig.NotRun(t, rig.Start(t, p, "sh", "-c", "echo ran"), `"/nonexistent/x": no such file or directory`)
	if err := os.WriteFile(d+"/mnt/after", nil, 0o644); err != nil {
		t.Errorf("the machine's own mount has changed: %v", err)
	}
}

// A mount that the command makes is its own. In a private view it can make none, as
// it could take the view apart.
func TestSandboxPrivateMounts(t *testing.T) {
	p := rig.NewPolicy(t, "")
	if err := os.Mkdir(p.Dir+"/m", 0o755); err != nil {
		t.Fatal(err)
	}
	command := []string{"sh", "-c", "mount -t tmpfs iwtest " + p.Dir + "/m && echo x > " + p.Dir + "/m/x && cat " + p.Dir + "/m/x"}
	mounted := func() bool {
		list, err := os.ReadFile("/proc/self/mountinfo")
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(list), p.Dir+"/m ")
	}
	defer unix.Unmount(p.Dir+"/m", unix.MNT_DETACH)
	for key, seen := range map[string]bool{"private_mounts = yes": false, "private_tmp = yes": false, "read_only = /usr": false, "private_network = yes": true} {
		rig.Write(t, p.Filters, "[Filters]\nsh: CommandFilter, sh, root\n[Sandbox:sh]\n"+key+"\n")
		view := key == "private_tmp = yes" || key == "read_only = /usr"
		if r := rig.Start(t, p, command...); view && (r.Status != 32 || r.Out != "") || !view && (r.Status != 0 || r.Out != "x\n") {
			t.Errorf("%s: %v", key, r)
		}
		if mounted() != seen {
			t.Errorf("%s: the mount is seen outside: %v", key, !seen)
		}
		unix.Unmount(p.Dir+"/m", unix.MNT_DETACH)
	}
}

func TestSandboxNumbers(t *testing.T) {
	p := rig.Confined(t, "sh: CommandFilter, sh, root", "umask = 027\nnice = 7\noom_score_adj = 123\n"+
		"rlimit_as = 2000000000\nrlimit_core = 0\nrlimit_cpu = 77\nrlimit_data = 1000000000\nrlimit_fsize = 12345\nrlimit_locks = 11\n"+
		"rlimit_memlock = 65536\nrlimit_msgqueue = 4096\nrlimit_nice = 0\nrlimit_nofile = 123\nrlimit_nproc = 5000\nrlimit_rss = unlimited\n"+
		"rlimit_rtprio = 0\nrlimit_rttime = 1000000\nrlimit_sigpending = 99\nrlimit_stack = 4194304", "rlimit_nofile = 512")
	r := rig.Start(t, p, "sh", "-c", "umask; nice; cat /proc/self/oom_score_adj /proc/self/limits")
	if r.Status != 0 || !strings.HasPrefix(r.Out, "0027\n7\n123\n") {
		t.Errorf("%v", r)
	}
	limits := map[string]string{}
	for line := range strings.Lines(r.Out) {
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
		if r := rig.Start(t, rig.Confined(t, "sh: CommandFilter, sh, nobody", lines), "sh", "-c", "umask"); r.Status != 0 || r.Out != want {
			t.Errorf("%s: %v", lines, r)
		}
	}
	if r := rig.Start(t, rig.Confined(t, "sh: CommandFilter, sh, nobody", "nice = -5"), "sh", "-c", "nice"); r.Status != 0 || r.Out != "-5\n" {
		t.Errorf("nice: %v", r)
	}
	// What the machine does not give is an error, not something near it.
	r = rig.Start(t, rig.Confined(t, "cat: CommandFilter, cat, root", "oom_score_adj = -500"), "cat", "/proc/self/oom_score_adj")
	if _, set := rig.Bounding(t); set>>unix.CAP_SYS_RESOURCE&1 == 0 {
		rig.NotRun(t, r, "cannot set the OOM score: permission denied")
		rig.NotRun(t, rig.Start(t, rig.Confined(t, "id: CommandFilter, id, root", "rlimit_nofile = 1000000000"), "id"), "cannot reset the resource limits: limit 7 to 1000000000: operation not permitted")
	} else if r.Status != 0 || r.Out != "-500\n" {
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
		if r := rig.Start(t, python(t, lines), "python3", "-c", script); r.Status != 0 || r.Out != want {
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
		if r := rig.Run(t, "/usr/bin/python3", "-c", starter, rig.Ours, p.Conf, "python3", "-c", command); r.Status != 0 || r.Out != want {
			t.Errorf("%s: %v", lines, r)
		}
	}
}

// The profile is installed, and has its say.
func TestSandboxSeccomp(t *testing.T) {
	p := rig.NewPolicy(t, "")
	profile := rig.ProfileIn(t, p.Dir)
	for _, user := range []string{"root", "nobody"} {
		rig.Write(t, p.Filters, "[Filters]\nchmod: CommandFilter, chmod, "+user+"\n[Sandbox:chmod]\nseccomp = "+profile+"\n")
		rig.Write(t, p.Dir+"/f", "")
		if r := rig.Start(t, p, "chmod", "600", p.Dir+"/f"); r.Status != 1 || !strings.Contains(r.Err, "Invalid cross-device link") {
			t.Errorf("%s: %v", user, r)
		}
	}
}

// What [Sandbox] says holds for each filter of each file; [Profile:NAME] and the
// filter's own section come on top of it key by key.
func TestSandboxSections(t *testing.T) {
	defaults := "[Sandbox]\nno_new_privs = yes\numask = 027\ncapabilities = CAP_CHOWN, CAP_NET_ADMIN\n[Profile:net]\ncapabilities = CAP_NET_ADMIN\numask = 077\n"
	p := rig.NewPolicy(t, "cat: CommandFilter, cat, root\nhead: CommandFilter, head, root\ntail: CommandFilter, tail, root\ngrep: CommandFilter, grep, root\n"+
		"[Sandbox:head]\ninherit = net\n[Sandbox:tail]\nno_new_privs = no\numask = 0\ninherit = net\n[Sandbox:grep]\ncapabilities = all", defaults)
	rig.Write(t, filepath.Dir(p.Filters)+"/z.filters", "[Filters]\nsort: CommandFilter, sort, nobody\n")
	full, _ := rig.Bounding(t)
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
		r := rig.Start(t, p, append(c.words, "/proc/self/status")...)
		f := rig.Fields(r.Out)
		if r.Status != 0 || f["CapBnd"] != c.bnd || f["NoNewPrivs"] != c.nnp || f["Umask"] != c.umask {
			t.Errorf("%v: %v, not %v", c.words, r, c)
		}
	}
	// Both programs read these files: the peer ignores the sections.
	for _, program := range []string{rig.Peer, rig.Ours} {
		if r := rig.ThroughSudo(t, program, p.Conf, "cat", "/proc/self/comm"); r.Status != 0 || r.Out != "cat\n" {
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
		rig.Write(t, p.Filters, "[Filters]\ncat: CommandFilter, cat, root\nid: CommandFilter, id, root\n\n"+lines+"\n")
		rig.NotRun(t, rig.Start(t, p, "id"), why)
	}
}

// A command behind a prefix has the prefix's sandbox and its own: whichever is
// stricter, in each respect. No prefix is a way out.
func TestSandboxChain(t *testing.T) {
	common := rig.NewPolicy(t, "")
	profile := rig.ProfileIn(t, common.Dir)
	rig.Write(t, common.Dir+"/secret/f", "text\n")
	chain := "nice: ChainingRegExpFilter, nice, root, nice, -n, \\d+\ncat: CommandFilter, cat, root\nsh: CommandFilter, sh, root\n"
	status := []string{"nice", "-n", "1", "cat", "/proc/self/status"}
	shell := func(script string) []string { return []string{"nice", "-n", "0", "sh", "-c", script} }
	full, _ := rig.Bounding(t)
	for _, c := range []struct {
		name, sections string
		words          []string
		want           map[string]string // of status
		out            string
	}{
		{"the leaf's alone", "[Sandbox:cat]\ncapabilities = none\nno_new_privs = yes\nseccomp = " + profile + "\numask = 077",
			status, map[string]string{"CapBnd": rig.NoCaps, "CapEff": rig.NoCaps, "NoNewPrivs": "1", "Seccomp": "2", "Seccomp_filters": "1", "Umask": "0077"}, ""},
		{"the prefix's alone", "[Sandbox:nice]\ncapabilities = none\nno_new_privs = yes\nseccomp = " + profile + "\numask = 077",
			status, map[string]string{"CapBnd": rig.NoCaps, "CapEff": rig.NoCaps, "NoNewPrivs": "1", "Seccomp": "2", "Seccomp_filters": "1", "Umask": "0077"}, ""},
		{"both", "[Sandbox:nice]\ncapabilities = CAP_CHOWN, CAP_SYS_NICE\nseccomp = " + profile + "\numask = 020\n[Sandbox:cat]\ncapabilities = CAP_CHOWN, CAP_NET_ADMIN\nno_new_privs = yes\numask = 007\nseccomp = " + profile,
			status, map[string]string{"CapBnd": capSet(unix.CAP_CHOWN), "CapEff": capSet(unix.CAP_CHOWN), "NoNewPrivs": "1", "Seccomp_filters": "2", "Umask": "0027"}, ""},
		{"yes and no", "[Sandbox:nice]\ncapabilities = none\nno_new_privs = yes\n[Sandbox:cat]\ncapabilities = all\nno_new_privs = no",
			status, map[string]string{"CapBnd": rig.NoCaps, "NoNewPrivs": "1"}, ""},
		{"no and yes", "[Sandbox:nice]\ncapabilities = all\nno_new_privs = no\n[Sandbox:cat]\ncapabilities = none\nno_new_privs = yes",
			status, map[string]string{"CapBnd": rig.NoCaps, "NoNewPrivs": "1"}, ""},
		{"of another leaf", "[Sandbox:sh]\ncapabilities = none\nno_new_privs = yes",
			status, map[string]string{"CapBnd": full, "NoNewPrivs": "0"}, ""},
		{"limits", "[Sandbox:nice]\nrlimit_nofile = 50\nrlimit_cpu = 10\n[Sandbox:sh]\nrlimit_nofile = 40\nrlimit_cpu = unlimited\nrlimit_core = 0",
			shell("ulimit -n; ulimit -t"), nil, "40\n10\n"},
		{"nice and oom", "[Sandbox:nice]\nnice = 9\noom_score_adj = 10\n[Sandbox:sh]\nnice = 2\noom_score_adj = 200",
			shell("nice; cat /proc/self/oom_score_adj"), nil, "9\n200\n"},
		{"landlock", "[Sandbox:nice]\nlandlock_ro = /usr, /proc, " + common.Dir + "\n[Sandbox:sh]\nlandlock_ro = /usr, /proc, /etc",
			shell("cat " + common.Dir + "/secret/f 2>&1; head -n 1 /etc/passwd 2>&1; cat /proc/self/comm"), nil,
			"cat: " + common.Dir + "/secret/f: Permission denied\nhead: cannot open '/etc/passwd' for reading: Permission denied\ncat\n"},
		{"namespaces", "[Sandbox:nice]\nprivate_network = yes\n[Sandbox:sh]\nprivate_tmp = yes",
			shell("ls -A /tmp; ls /sys/class/net | head -n 0; grep -c : /proc/net/dev"), nil, "1\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := rig.Start(t, rig.NewPolicy(t, chain+c.sections), c.words...)
			if r.Status != 0 || c.out != "" && r.Out != c.out {
				t.Errorf("%v", r)
			}
			f := rig.Fields(r.Out)
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
	rig.Need(t, "iproute2", "/sbin/ip")
	ns := fmt.Sprintf("iwtest%d", os.Getpid())
	if r := rig.Run(t, "/sbin/ip", "netns", "add", ns); r.Status != 0 {
		t.Fatal(r)
	}
	defer rig.Run(t, "/sbin/ip", "netns", "del", ns)
	words := func(leaf ...string) []string { return append([]string{"ip", "netns", "exec", ns}, leaf...) }
	chain := "ip: IpNetnsExecFilter, ip, root\ncat: CommandFilter, cat, root\nsh: CommandFilter, sh, root\n"

	r := rig.Start(t, rig.NewPolicy(t, chain+"[Sandbox:cat]\ncapabilities = CAP_SYS_ADMIN\nno_new_privs = yes"), words("cat", "/proc/self/status")...)
	f := rig.Fields(r.Out)
	if r.Status != 0 || f["CapBnd"] != capSet(unix.CAP_SYS_ADMIN) || f["CapEff"] != capSet(unix.CAP_SYS_ADMIN) || f["NoNewPrivs"] != "1" {
		t.Errorf("%v", r)
	}
	// Without the capability to enter it nothing runs in the machine's network.
	if r := rig.Start(t, rig.NewPolicy(t, chain+"[Sandbox:cat]\ncapabilities = none"), words("cat", "/proc/self/status")...); r.Status == 0 || r.Out != "" {
		t.Errorf("%v", r)
	}
	p := rig.NewPolicy(t, chain)
	if err := os.Mkdir(p.Dir+"/data", 0o755); err != nil {
		t.Fatal(err)
	}
	rig.Write(t, p.Filters, "[Filters]\n"+chain+"[Sandbox:sh]\nread_only = "+p.Dir+"/data\nprivate_tmp = yes\ncapabilities = CAP_SYS_ADMIN, CAP_DAC_OVERRIDE\n")
	rig.NotRun(t, rig.Start(t, p, words("sh", "-c", "ls -A /tmp; : > "+p.Dir+"/data/x")...), "ip(8) mounts /sys: the sandbox of filter sh has private_tmp or read_only")
	rig.Write(t, p.Filters, "[Filters]\n"+chain+"[Sandbox:ip]\nprivate_tmp = yes\n")
	rig.NotRun(t, rig.Start(t, p, words("sh", "-c", "echo ran")...), "the sandbox of filter ip has private_tmp or read_only")
	rig.NotRun(t, rig.Start(t, rig.NewPolicy(t, chain+"[Sandbox:cat]\nprivate_network = yes"), words("cat", "/proc/self/comm")...), "private_network")
}

// A signal is sent with the rights that the sandbox leaves.
func TestSandboxKill(t *testing.T) {
	p := rig.NewPolicy(t, "")
	profile := rig.ProfileIn(t, p.Dir)
	mute, err := seccomp.New(rig.Refusing(unix.SYS_PIDFD_SEND_SIGNAL, unix.EXDEV), 0, [3]uint8{2, 5, 4}, []byte("{}\n"))
	if err != nil {
		t.Fatal(err)
	}
	rig.Write(t, p.Dir+"/mute.json", "{}\n")
	rig.Write(t, p.Dir+"/mute.bpf", string(mute.Encode()))
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
		{"seccomp = " + p.Dir + "/mute.json", "invalid cross-device link", 65534},
	} {
		sleeper := exec.Command("/usr/bin/sleep", "60")
		sleeper.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: c.uid, Gid: c.uid}}
		if err := sleeper.Start(); err != nil {
			t.Fatal(err)
		}
		pid := sleeper.Process.Pid
		r := rig.Start(t, rig.Confined(t, "kill: KillFilter, root, /usr/bin/sleep, -9", c.lines), "kill", "-9", strconv.Itoa(pid))
		sent := rig.Signalled(t, pid)
		for end := time.Now().Add(2 * time.Second); c.why == "" && !sent && time.Now().Before(end); time.Sleep(time.Millisecond) {
			sent = rig.Signalled(t, pid)
		}
		if c.why == "" && (r.Status != 0 || !sent || r.Err != "") {
			t.Errorf("%s, uid %d: %v, sent: %v", c.lines, c.uid, r, sent)
		}
		if c.why != "" && (r.Status != 1 || sent || !rig.OneLine(r.Err) || !strings.Contains(r.Err, c.why)) {
			t.Errorf("%s, uid %d: %v, sent: %v", c.lines, c.uid, r, sent)
		}
		sleeper.Process.Kill()
		sleeper.Wait()
	}
}

// grove is a directory of the caller's, with a file in it that a filter allows,
// and a tree of root's beside it that it does not.
func grove(t testing.TB, user, lines string) (p rig.Policy, base string) {
	t.Helper()
	p = rig.NewPolicy(t, "")
	base = p.Dir + "/base"
	rig.Write(t, base+"/a/f", "public\n")
	rig.Write(t, p.Dir+"/secret/f", "SECRET\n")
	if err := os.Chmod(p.Dir+"/secret", 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{base, base + "/a", base + "/a/f"} {
		if err := os.Chown(path, int(rig.Caller.UID), int(rig.Caller.GID)); err != nil {
			t.Fatal(err)
		}
	}
	if user == "caller" {
		user = rig.Caller.Name
	}
	text := "[Filters]\n"
	for _, program := range []string{"cat", "echo", "stat", "ls"} {
		text += fmt.Sprintf("%s: PathFilter, %[1]s, %s, %s\n", program, user, base)
	}
	text += "nice: ChainingRegExpFilter, nice, root, nice, -n, \\d+\n"
	for _, program := range []string{"cat", "echo", "stat", "ls"} {
		text += fmt.Sprintf("[Sandbox:%s]\n%s\n", program, lines)
	}
	rig.Write(t, p.Filters, text)
	return p, base
}

func TestSandboxPinPaths(t *testing.T) {
	for _, user := range []string{"root", "caller"} {
		p, base := grove(t, user, "pin_paths = yes")
		if r := rig.Start(t, p, "cat", base+"/a/../a/f"); r.Status != 0 || r.Out != "public\n" {
			t.Errorf("%s: %v", user, r)
		}
		word := rig.Start(t, p, "echo", base+"/a/f").Out
		if _, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(word, "/proc/self/fd/"), "\n")); err != nil {
			t.Errorf("%s: the word is %q", user, word)
		}
		if r := rig.Start(t, p, "ls", base+"/a"); r.Status != 0 || r.Err != "" {
			t.Errorf("%s: a directory: %v", user, r)
		}
		if r := rig.Start(t, p, "stat", base+"/a/f"); r.Status != 0 || !strings.Contains(r.Out, " -> "+base+"/a/f\n") {
			t.Errorf("%s: stat: %v", user, r)
		}
		// A file that is not there cannot be held.
		rig.NotRun(t, rig.Start(t, p, "cat", base+"/a/missing"), "cannot pin "+base+"/a/missing (pin_paths): no such file or directory")
		if r := rig.Start(t, p, "cat", p.Dir+"/secret/f"); r.Status != 99 || r.Out != "" {
			t.Errorf("%s: outside: %v", user, r)
		}
		if user == "root" {
			if r := rig.Start(t, p, "nice", "-n", "1", "cat", base+"/a/f"); r.Status != 0 || r.Out != "public\n" {
				t.Errorf("behind a prefix: %v", r)
			}
		}
	}
	// A file that is open is not under what is mounted over its name.
	p, base := grove(t, "root", "")
	rig.Write(t, p.Filters, strings.ReplaceAll(rig.ReadFile(t, p.Filters), "[Sandbox:cat]\n", "[Sandbox:cat]\npin_paths = yes\nread_only = "+p.Dir+"\n"))
	rig.NotRun(t, rig.Start(t, p, "cat", base+"/a/f"), "read_only")
}

// between runs a command under strace, which holds the n-th call of a name up,
// and does something meanwhile. The execve(2) that starts ironwrap is in the log,
// but not counted.
func between(t testing.TB, p rig.Policy, call string, n int, do func(), words ...string) rig.Result {
	t.Helper()
	return betweenIn(t, "/", p, call, n, do, words...)
}

func betweenIn(t testing.TB, dir string, p rig.Policy, call string, n int, do func(), words ...string) rig.Result {
	t.Helper()
	rig.Need(t, "strace", "/usr/bin/strace")
	rig.Pin(t, p.Conf, rig.Kept)
	log := p.Dir + "/strace"
	os.Remove(log)
	args := []string{"-o", log, "-e", "trace=" + call, "-e", fmt.Sprintf("inject=%s:delay_enter=1000000:when=%d", call, n), rig.Ours, p.Conf}
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
	r := rig.RunCmd(t, c)
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
		other             func(p rig.Policy, base string) error // makes base/b
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
			r := between(t, p, c.call, n, func() { swapped = rig.Exchange(base+"/a", base+"/b") }, "cat", base+"/a/f")
			if swapped != nil || r.Out != c.want {
				t.Errorf("%v, not %q; swap: %v\n%s", r, c.want, swapped, rig.ReadFile(t, p.Dir+"/strace"))
			}
			if c.want == "" && (r.Status != 97 || !rig.OneLine(r.Err) || !strings.Contains(r.Err, "cannot pin ")) {
				t.Errorf("%v", r)
			}
		})
	}
}

// callsUpTo is how many calls of a name ironwrap makes for a command, up to the last that
// is about the path.
func callsUpTo(t testing.TB, p rig.Policy, call, path string, words ...string) (n int) {
	t.Helper()
	rig.Need(t, "strace", "/usr/bin/strace")
	rig.Pin(t, p.Conf, rig.Kept) // as in between: with and without a compiled policy the number differs
	log := p.Dir + "/strace"
	if r := rig.Run(t, append([]string{"/usr/bin/strace", "-o", log, "-e", "trace=" + call, rig.Ours, p.Conf}, words...)...); r.Status != 0 {
		t.Fatal(r)
	}
	made := 0
	for line := range strings.Lines(rig.ReadFile(t, log)) {
		if strings.HasPrefix(line, call+"(") {
			made++
			if strings.Contains(line, "\""+path+"\"") {
				n = made
			}
		}
	}
	if n == 0 {
		t.Fatalf("no %s is about %s:\n%s", call, path, rig.ReadFile(t, log))
	}
	return n
}

func linkToSecret(p rig.Policy, base string) error { return os.Symlink(p.Dir+"/secret", base+"/b") }

func closedToCaller(p rig.Policy, base string) error { return os.Rename(p.Dir+"/secret", base+"/b") }

// The same without any help from outside, some hundred times.
func TestSandboxPinPathsStress(t *testing.T) {
	const calls = 200
	p, base := grove(t, "root", "pin_paths = yes")
	if err := linkToSecret(p, base); err != nil {
		t.Fatal(err)
	}
	q, _ := grove(t, "root", "")
	rig.Write(t, q.Filters, strings.ReplaceAll(rig.ReadFile(t, q.Filters), q.Dir+"/base", base))

	var stop atomic.Bool
	var swaps atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for !stop.Load() {
			if err := rig.Exchange(base+"/a", base+"/b"); err != nil {
				t.Error(err)
				return
			}
			swaps.Add(1)
			time.Sleep(20 * time.Microsecond)
		}
	}()
	read, refused := 0, 0
	for range calls {
		r := rig.Start(t, p, "cat", base+"/a/f")
		switch {
		case strings.Contains(r.Out, "SECRET"):
			t.Errorf("a hit: %v", r)
		case r.Status == 0 && r.Out == "public\n":
			read++
		case (r.Status == 97 || r.Status == 99) && r.Out == "" && rig.OneLine(r.Err):
			refused++
		default:
			t.Errorf("%v", r)
		}
	}
	hits := map[string]int{}
	for range 5 {
		for _, program := range []string{rig.Ours, rig.Peer} {
			if strings.Contains(rig.Run(t, program, q.Conf, "cat", base+"/a/f").Out, "SECRET") {
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
		calls, read, refused, swaps.Load(), hits[rig.Ours], hits[rig.Peer])
}
