package sandbox

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ironwrap/integration/rig"
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
