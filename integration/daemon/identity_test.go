package daemon

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"ironwrap/integration/rig"
)

// allOfIt prints all that the kernel says of a command, from within: what the
// shell is, and what a program that it starts is.
const allOfIt = `
set -f
cat /proc/self/status /proc/self/limits /proc/self/oom_score_adj /proc/self/loginuid /proc/self/cgroup /proc/self/timerslack_ns
echo; pwd -P; umask; nice; chrt -p $$; ionice -p $$; taskset -p $$
tr '\0' '\n' </proc/$$/environ
tr '\0' '\n' </proc/$$/cmdline
ls -l /proc/$$/fd /proc/$$/exe /proc/$$/root
ls -l /proc/self/ns
cut -d' ' -f5 /proc/self/mountinfo | sort
stat -c '%a %u %g' /tmp
set -m 2>/dev/null; trap
cat
exit 5
`

// different is what may differ: whose child it is, where its pipes lead, how much
// memory it took, when it ran.
var different = regexp.MustCompile(`(?m)^(Pid|Tgid|Ngid|PPid|NSpid|NStgid|NSpgid|NSsid|SigQ|(non)?voluntary_ctxt_switches|Vm\w+|Rss\w+|HugetlbPages|FDSize|Mems_allowed_list):.*\n|pid \d+|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d|\[\d+\]|\d+ \d+ total|/proc/\d+/|/proc/self/fd/\d+|private-tmp-\w+`)

func neutralIdentity(out string) string {
	return different.ReplaceAllString(out, "")
}

// The command that the daemon starts is what the one-shot program would have
// become, line by line, whatever the daemon's own circumstances.
func TestDaemonIdentity(t *testing.T) {
	t.Parallel()
	p := rig.DaemonPolicy(t, "")
	work := p.Dir + "/work"
	if err := os.Mkdir(work, 0o755); err != nil {
		t.Fatal(err)
	}
	profile := rig.ProfileIn(t, p.Dir)
	rig.Write(t, p.Dir+"/images/f", "image\n")
	s := rig.ServeBy(t, p, "cd "+work+`; exec "$@"`)
	before := settleBy(s)
	hostileServer := hostileServe(t, p, work)
	for _, user := range []string{"root", "nobody", rig.Member(t)} {
		for _, lines := range []string{
			"-",
			"",
			"capabilities = CAP_NET_ADMIN, CAP_SYS_ADMIN",
			"capabilities = none\nno_new_privs = yes",
			"seccomp = " + profile,
			"seccomp = " + profile + "\nno_new_privs = yes",
			"landlock_ro = /\nlandlock_rw = /dev/null",
			"private_tmp = yes",
			"private_network = yes\nprivate_mounts = yes\nprivate_keyring = yes\nread_only = /etc",
			"umask = 077\nnice = 3\noom_score_adj = 100\nrlimit_core = 0\nrlimit_nofile = 77",
			"pin_paths = yes\nseccomp = " + profile + "\ncapabilities = CAP_NET_ADMIN\nno_new_privs = yes\nlandlock_ro = /\nlandlock_rw = /dev/null\nlandlock_tcp_bind = none\nprivate_tmp = yes",
		} {
			text := fmt.Sprintf("[Filters]\nsh: CommandFilter, sh, %[1]s\ncat: CommandFilter, cat, %[1]s\nls: PathFilter, ls, %[1]s, -lL, %[2]s/images\n", user, p.Dir)
			if lines != "-" {
				text += "[Sandbox:sh]\n" + lines + "\n[Sandbox:cat]\n" + lines + "\n[Sandbox:ls]\n" + lines + "\n"
			}
			rig.Write(t, p.Filters, text)
			for _, argv := range [][]string{{"sh", "-c", allOfIt, "a\xff", ""}, rig.Status, {"ls", "-lL", p.Dir + "/images/../images/f"}} {
				c := exec.Command(rig.Ours, append([]string{p.Conf}, argv...)...)
				c.Dir, c.Stdin = work, strings.NewReader("input")
				c.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", fmt.Sprintf("SUDO_UID=%d", rig.Caller.UID), fmt.Sprintf("SUDO_GID=%d", rig.Caller.GID)}
				want := rig.RunCmd(t, c)
				for name, server := range map[string]*rig.Server{"": s, "hostile: ": hostileServer} {
					got := server.Client().Feed("input", argv...)
					if got.Status != want.Status || got.Err != want.Err || want.Status != 5 && want.Status != 0 {
						t.Errorf("%s%s, %q: status %d, %q, not %d, %q", name, user, lines, got.Status, got.Err, want.Status, want.Err)
					}
					a, b := strings.Split(neutralIdentity(got.Out), "\n"), strings.Split(neutralIdentity(want.Out), "\n")
					if len(a) < 100 && argv[0] == "sh" {
						t.Errorf("only %d lines: %q", len(a), got.Out)
					}
					for i := range max(len(a), len(b)) {
						if i >= len(a) || i >= len(b) || a[i] != b[i] {
							t.Errorf("%s%s, %q: %q, not %q", name, user, lines, strings.Join(a[min(i, len(a)):min(i+1, len(a))], ""), strings.Join(b[min(i, len(b)):min(i+1, len(b))], ""))
							break
						}
					}
				}
			}
		}
	}
	s.DropAll()
	same(s, before)
}

// settleBy is settle for a policy that allows nothing.
func settleBy(s *rig.Server) idle {
	s.Helper()
	rig.Write(s, s.Filters, "[Filters]\n"+rig.AllowTrue+"\n")
	return settle(s)
}

// hostileServe starts a daemon as a caller could who sets all that survives
// execve(2).
func hostileServe(t *testing.T, p rig.Policy, dir string) *rig.Server {
	t.Helper()
	c := rig.Without(t, rig.Hostile, rig.OursDaemon, p.Conf)
	c.Dir = dir
	c.SysProcAttr = &syscall.SysProcAttr{
		Credential:  &syscall.Credential{Uid: 0, Gid: 6, Groups: []uint32{4, 24, 42}},
		AmbientCaps: []uintptr{rig.CapNetRaw, 21},
	}
	return rig.Await(t, p, c)
}

// A signal is sent by the daemon's launcher, and no process is held open beyond the
// request.
func TestDaemonKill(t *testing.T) {
	t.Parallel()
	p := rig.DaemonPolicy(t, "")
	program, other := p.Dir+"/sbin/daemon", p.Dir+"/sbin/other"
	if err := os.Mkdir(p.Dir+"/sbin", 0o755); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{program, other} {
		if r := rig.Run(t, "/usr/bin/cp", "/usr/bin/sleep", path); r.Status != 0 {
			t.Fatal(r)
		}
	}
	policy := "[Filters]\ntrue: CommandFilter, true, root\nkill: KillFilter, %s, " + program + ", -9, -HUP\n"
	rig.Write(t, p.Filters, fmt.Sprintf(policy, "root"))
	s := rig.Serve(t, p)
	before := settle(s)
	c := s.Client()
	begin := func(path string) (pid string, ended chan error) {
		t.Helper()
		target := exec.Command(path, "60")
		if err := target.Start(); err != nil {
			t.Fatal(err)
		}
		ended = make(chan error, 1)
		go func() { ended <- target.Wait() }()
		t.Cleanup(func() { target.Process.Kill() })
		return fmt.Sprint(target.Process.Pid), ended
	}
	for _, signal := range []string{"-HUP", "-9"} {
		pid, ended := begin(program)
		if r := c.Run("kill", signal, pid); r.Status != 0 || r.Out+r.Err != "" {
			t.Errorf("%s: %v", signal, r)
		}
		if err := <-ended; !strings.HasPrefix(fmt.Sprint(err), "signal: ") {
			t.Errorf("%s: the process ended with %v", signal, err)
		}
	}
	pid, ended := begin(program)
	not, _ := begin(other)
	for range 50 {
		for _, argv := range [][]string{{"kill", "-HUP", not}, {"kill", "-TERM", pid}, {"kill", "-9", "1"}, {"kill", "-9", "-" + pid}} {
			if r := c.Run(argv...); r.Status != 99 || r.Out+r.Err != "" {
				t.Fatalf("%q: %v", argv, r)
			}
		}
	}
	restsAs(s, with(before, 1))
	// Allowed, and yet the kernel says no.
	rig.Write(t, p.Filters, fmt.Sprintf(policy, "nobody"))
	for range 20 {
		if r := c.Run("kill", "-9", pid); r.Status != 1 || r.Out != "" || !rig.OneLine(r.Err) || !strings.Contains(r.Err, "cannot send signal 9 to process "+pid+": operation not permitted") {
			t.Fatalf("as nobody: %v", r)
		}
	}
	select {
	case err := <-ended:
		t.Errorf("the process ended: %v", err)
	default:
	}
	s.DropAll()
	same(s, before)
}
