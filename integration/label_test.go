package integration

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// What AppArmor and SELinux do with a command only a machine that has them can show:
// scenarios/apparmor.sh. Here is what comes of sections that name a label the kernel does
// not have, and of system calls that fail.

const aContext = "system_u:system_r:nowhere_t:s0"

// Without the module the command does not run, unless the section says so; with it, a label
// that is not there is no label.
func TestLabels(t *testing.T) {
	for _, m := range []struct{ name, key, lines, current, unknown string }{
		{"AppArmor", "apparmor", "apparmor_profile = nowhere", "apparmor/current", "cannot set the AppArmor profile of the command: nowhere: the kernel knows no such profile"},
		{"SELinux", "selinux", "selinux_context = " + aContext, "current", "cannot set the SELinux context of the command: " + aContext + ": the kernel knows no such context"},
	} {
		own, err := os.ReadFile("/proc/self/attr/" + m.current)
		present := err == nil && (m.key != "selinux" || strings.Count(string(own), ":") >= 2)
		missing := "cannot set up the sandbox of filter cp: this kernel has no " + m.name + ", or it is turned off: set " + m.key + " = best-effort to do without"
		want := missing
		if present {
			want = m.unknown
		}
		for _, user := range []string{"root", "nobody"} {
			for _, more := range []string{"", "no_new_privs = yes\n", everything} {
				s := sandboxScene(t, m.name, user, m.lines+"\n"+more)
				refusedWith(t, s.play(t, ""), 97, "", want)
				best := sandboxScene(t, m.name, user, m.lines+"\n"+m.key+" = best-effort\n"+more)
				o := best.play(t, "")
				if present {
					refusedWith(t, o, 97, "", want)
				} else if o.status != 0 || !o.ran {
					t.Errorf("%s, best-effort: %v", m.name, o.result)
				}
			}
		}
	}
}

// selinuxScene is one in which the kernel seems to run SELinux, up to the calls that set a
// context: what it says of this process is put in its place.
func selinuxScene(t *testing.T, name, more string) *scene {
	t.Helper()
	if own, err := os.ReadFile("/proc/self/attr/current"); err == nil && len(own) > 0 {
		t.Skip("this kernel has a security module that answers for itself: faults of setting a label were not tried")
	}
	s := sandboxScene(t, name, "root", "selinux_context = "+aContext+"\n"+more)
	s.play(t, "") // from here on there is a compiled policy
	log := s.play(t, "").log
	asked := slices.IndexFunc(log, func(line string) bool { return strings.Contains(line, "attr/current") })
	if asked < 1 {
		t.Fatalf("nobody asks for SELinux in\n%s", strings.Join(log, "\n"))
	}
	const own = "u:r:own_t:s0\x00"
	s.strace = []string{"-e", fmt.Sprintf("inject=pread64:retval=%d:poke_exit=@arg2=%x:when=%d", len(own), own, count(log[1:asked], "pread64")+1)}
	return s
}

// Each call by which a label is set and read back.
func TestLabelFaults(t *testing.T) {
	s := selinuxScene(t, "SELinux", everything)
	const set, confirm = "cannot set the SELinux context of the command: " + aContext + ": ", "cannot confirm the SELinux context of the command: " + aContext + ": "
	// This kernel itself takes no context.
	o := s.play(t, "")
	refusedWith(t, o, 97, "", set+"the kernel knows no such context (invalid argument): ")

	// nth is the number of the first call that holds a text, counted as strace does.
	nth := func(call, holds string) int {
		i := slices.IndexFunc(o.log, func(line string) bool { return callName(line) == call && strings.Contains(line, holds) })
		if i < 1 {
			t.Fatalf("no %s with %s in\n%s", call, holds, strings.Join(o.log, "\n"))
		}
		return count(o.log[1:i+1], call)
	}
	asked := slices.IndexFunc(o.log, func(line string) bool { return callName(line) == "pread64" && strings.Contains(line, "INJECTED") })
	if asked < 0 {
		t.Fatalf("nobody asks for SELinux in\n%s", strings.Join(o.log, "\n"))
	}
	for _, c := range []struct {
		call, holds string
		how, want   string
	}{
		{"fstatfs", "", "error=EPERM", "cannot set up the sandbox of filter cp: cannot ask whether this kernel has SELinux: cannot look at /proc: operation not permitted"},
		{"openat", "attr/current", "error=EACCES", "cannot set up the sandbox of filter cp: cannot ask whether this kernel has SELinux: permission denied"},
		{"statx", "", "error=EPERM", "cannot set up the sandbox of filter cp: cannot ask whether this kernel has SELinux: operation not permitted"},
		{"openat", "attr/current", "error=ENOENT", "cannot set up the sandbox of filter cp: this kernel has no SELinux"},
		{"openat", "attr/exec", "error=EACCES", set + "permission denied"},
		{"write", aContext, "error=EACCES", set + "the context that ironwrap runs under does not allow it: permission denied"},
		{"write", aContext, "error=EPERM", set + "the context that ironwrap runs under does not allow it: operation not permitted"},
		{"write", aContext, "error=ENOMEM", set + "cannot allocate memory"},
		{"write", aContext, "retval=3", set + "input/output error"},
		{"write", aContext, "retval=0", set + "input/output error"},
		// Success, and the kernel knows of no label.
		{"write", aContext, fmt.Sprintf("retval=%d", len(aContext)), confirm + "invalid argument"},
	} {
		t.Run(fmt.Sprintf("%s %s %s", c.call, c.holds, c.how), func(t *testing.T) {
			t.Parallel()
			when := count(o.log[1:asked], c.call) // the last one before that
			if c.holds != "" {
				when = nth(c.call, c.holds)
			}
			refusedWith(t, s.play(t, fmt.Sprintf("%s:%s:when=%d", c.call, c.how, when)), 97, "", c.want)
		})
	}
}

// The kernel takes a label and says another one afterwards.
func TestLabelOtherwise(t *testing.T) {
	s := selinuxScene(t, "SELinux", "")
	s.strace[1] = s.strace[1] + "+"
	base := s.play(t, "")
	i := slices.IndexFunc(base.log, func(line string) bool { return callName(line) == "write" && strings.Contains(line, aContext) })
	if i < 0 {
		t.Fatalf("no label was written:\n%s", strings.Join(base.log, "\n"))
	}
	o := s.play(t, fmt.Sprintf("write:retval=%d:when=%d", len(aContext), count(base.log[1:i+1], "write")))
	refusedWith(t, o, 97, "", "cannot confirm the SELinux context of the command: "+aContext+": the kernel says another one: u:r:own_t:s0")
}

// With no_new_privs ironwrap asks for its own profile.
func TestLabelFaultsWithNoNewPrivs(t *testing.T) {
	s := sandboxScene(t, "nnp", "root", "no_new_privs = yes")
	base := s.baseline(t, nil)
	tried := 0
	for _, p := range places(base.log, section, nil) {
		if !(p.call == "openat" && strings.Contains(p.line, `"/proc", `)) && !(p.call == "openat" && strings.Contains(p.line, "attr/apparmor/current")) && p.call != "fstatfs" {
			continue
		}
		tried++
		how := "error=EACCES"
		if p.call == "openat" && strings.Contains(p.line, `"/proc"`) {
			how = "error=ENOENT" // no /proc tells nothing of AppArmor
		}
		o := s.inject(t, section, p, countBefore(base.log, section, p.call)+p.n, how)
		refusedWith(t, o, 97, "", "cannot leave the AppArmor profile of ironwrap: ")
	}
	if tried != 3 {
		t.Errorf("%d calls were made to fail, not 3", tried)
	}
}

// What is mounted over /proc is not the kernel's: a label that is written there holds nobody.
func TestLabelProc(t *testing.T) {
	p := sandboxScene(t, "proc", "root", "apparmor_profile = x\napparmor = best-effort\nselinux_context = u:r:t:s0\nselinux = best-effort")
	p.baseline(t, nil)
	for _, c := range []struct{ name, mount, want string }{
		{"another file system", "mount -t tmpfs none /proc && mkdir -p /proc/thread-self/attr/apparmor /proc/self/fd && echo unconfined >/proc/thread-self/attr/apparmor/current",
			"/proc is not a proc file system"},
		{"a file", "echo u:r:t:s0 >" + p.dir() + "/own && mount --bind " + p.dir() + "/own /proc/$$/task/$$/attr/current", "something is mounted over files of /proc"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := runCmd(t, exec.Command("/usr/bin/unshare", "--mount", "/bin/sh", "-c", c.mount+` && exec "$@"`, "sh", ours, p.conf, "cp", "/etc/hostname", p.dir()+"/out/x"))
			if _, err := os.Stat(p.dir() + "/out/x"); err == nil || r.status != 97 || !strings.Contains(r.err, c.want) {
				t.Errorf("%v, the command ran: %v", r, err == nil)
			}
		})
	}
}

// count is the number of calls of a name.
func count(log []string, call string) (n int) {
	for _, line := range log {
		if callName(line) == call {
			n++
		}
	}
	return n
}
