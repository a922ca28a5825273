package sandbox

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ironwrap/integration/rig"
	"ironwrap/sandbox/seccomp"
)

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
			status, map[string]string{"CapBnd": capSet(unix.CAP_CHOWN), "CapEff": capSet(unix.CAP_CHOWN), "NoNewPrivs": "1", "Seccomp_filters": "1", "Umask": "0027"}, ""},
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

// TestSandboxChainProfiles: whatever profile a prefix has, and whatever its command has, both
// hold. Some refuse seccomp(2), under which no second one could be installed.
func TestSandboxChainProfiles(t *testing.T) {
	common := rig.NewPolicy(t, "")
	all, err := filepath.Glob(filepath.Join(rig.Root, "profiles", "*.json"))
	if err != nil || len(all) < 5 {
		t.Fatal(all, err)
	}
	for i, path := range all {
		to := common.Dir + "/" + filepath.Base(path)
		rig.Write(t, to, rig.ReadFile(t, path))
		compileProfile(t, to)
		all[i] = to
	}
	run := func(prefix, leaf string) (tried, status rig.Result) {
		sections := ""
		for name, profile := range map[string]string{"nice": prefix, "cat": leaf} {
			if profile != "" {
				sections += "[Sandbox:" + name + "]\nno_new_privs = yes\nseccomp = " + profile + "\n"
			}
		}
		p := rig.NewPolicy(t, "nice: ChainingRegExpFilter, nice, root, nice, -n, \\d+\ncat: CommandFilter, cat, root\n"+sections)
		return rig.Start(t, p, "nice", "-n", "0", "cat", "/etc/hostname"), rig.Start(t, p, "nice", "-n", "0", "cat", "/proc/self/status")
	}
	tried := rig.NewPolicy(t, "nice: ChainingRegExpFilter, nice, root, nice, -n, \\d+\ncat: CommandFilter, cat, root\n"+
		"[Sandbox:nice]\nseccomp_log = yes\nseccomp = "+common.Dir+"/default.json\n[Sandbox:cat]\nread_only = /\nseccomp_log = yes\nseccomp = "+common.Dir+"/strict.json\n")
	if r := rig.Start(t, tried, "nice", "-n", "0", "cat", "/proc/self/status"); r.Status != 0 || rig.Fields(r.Out)["Seccomp"] != "2" {
		t.Errorf("two that are tried: %v", r)
	}
	both := 0
	for _, prefix := range all {
		alone, _ := run(prefix, "")
		for _, leaf := range all {
			other, _ := run("", leaf)
			got, status := run(prefix, leaf)
			want := alone
			if alone.Status == 0 {
				want = other
			}
			if got.Status != want.Status || got.Out != want.Out {
				t.Errorf("%s before %s: %v, not %v", filepath.Base(prefix), filepath.Base(leaf), got, want)
			}
			if got.Status != 0 {
				continue
			}
			both++
			if f := rig.Fields(status.Out); f["Seccomp"] != "2" || f["Seccomp_filters"] != "1" {
				t.Errorf("%s before %s: %v", filepath.Base(prefix), filepath.Base(leaf), status)
			}
		}
	}
	if both < 16 {
		t.Errorf("only %d pairs let the command run", both)
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
		if c.why != "" && (r.Status != 1 || sent || !rig.OneLine(r.Err) || !strings.Contains(r.Err, c.why) || !strings.Contains(r.Err, "the sandbox of filter kill")) {
			t.Errorf("%s, uid %d: %v, sent: %v", c.lines, c.uid, r, sent)
		}
		sleeper.Process.Kill()
		sleeper.Wait()
	}
}
