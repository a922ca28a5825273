package faults

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"ironwrap/integration/rig"
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
				s := rig.SandboxScene(t, m.name, user, m.lines+"\n"+more)
				rig.RefusedWith(t, s.Play(t, ""), 97, "", want)
				best := rig.SandboxScene(t, m.name, user, m.lines+"\n"+m.key+" = best-effort\n"+more)
				o := best.Play(t, "")
				if present {
					rig.RefusedWith(t, o, 97, "", want)
				} else if o.Status != 0 || !o.Ran {
					t.Errorf("%s, best-effort: %v", m.name, o.Result)
				}
			}
		}
	}
}

// selinuxScene is one in which the kernel seems to run SELinux, up to the calls that set a
// context: what it says of this process is put in its place.
func selinuxScene(t *testing.T, name, more string) *rig.Scene {
	t.Helper()
	if own, err := os.ReadFile("/proc/self/attr/current"); err == nil && len(own) > 0 {
		t.Skip("this kernel has a security module that answers for itself: faults of setting a label were not tried")
	}
	s := rig.SandboxScene(t, name, "root", "selinux_context = "+aContext+"\n"+more)
	s.Play(t, "") // from here on there is a compiled policy
	log := s.Play(t, "").Log
	asked := slices.IndexFunc(log, func(line string) bool { return strings.Contains(line, "attr/current") })
	if asked < 1 {
		t.Fatalf("nobody asks for SELinux in\n%s", strings.Join(log, "\n"))
	}
	const own = "u:r:own_t:s0\x00"
	s.Strace = []string{"-e", fmt.Sprintf("inject=pread64:retval=%d:poke_exit=@arg2=%x:when=%d", len(own), own, count(log[1:asked], "pread64")+1)}
	return s
}

// Each call by which a label is set and read back.
func TestLabelFaults(t *testing.T) {
	s := selinuxScene(t, "SELinux", everything)
	const set, confirm = "cannot set the SELinux context of the command: " + aContext + ": ", "cannot confirm the SELinux context of the command: " + aContext + ": "
	// This kernel itself takes no context.
	o := s.Play(t, "")
	rig.RefusedWith(t, o, 97, "", set+"the kernel knows no such context (invalid argument): ")

	// nth is the number of the first call that holds a text, counted as strace does.
	nth := func(call, holds string) int {
		i := slices.IndexFunc(o.Log, func(line string) bool { return rig.CallName(line) == call && strings.Contains(line, holds) })
		if i < 1 {
			t.Fatalf("no %s with %s in\n%s", call, holds, strings.Join(o.Log, "\n"))
		}
		return count(o.Log[1:i+1], call)
	}
	asked := slices.IndexFunc(o.Log, func(line string) bool { return rig.CallName(line) == "pread64" && strings.Contains(line, "INJECTED") })
	if asked < 0 {
		t.Fatalf("nobody asks for SELinux in\n%s", strings.Join(o.Log, "\n"))
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
			when := count(o.Log[1:asked], c.call) // the last one before that
			if c.holds != "" {
				when = nth(c.call, c.holds)
			}
			rig.RefusedWith(t, s.Play(t, fmt.Sprintf("%s:%s:when=%d", c.call, c.how, when)), 97, "", c.want)
		})
	}
}

// The kernel takes a label and says another one afterwards.
func TestLabelOtherwise(t *testing.T) {
	s := selinuxScene(t, "SELinux", "")
	s.Strace[1] = s.Strace[1] + "+"
	base := s.Play(t, "")
	i := slices.IndexFunc(base.Log, func(line string) bool { return rig.CallName(line) == "write" && strings.Contains(line, aContext) })
	if i < 0 {
		t.Fatalf("no label was written:\n%s", strings.Join(base.Log, "\n"))
	}
	o := s.Play(t, fmt.Sprintf("write:retval=%d:when=%d", len(aContext), count(base.Log[1:i+1], "write")))
	rig.RefusedWith(t, o, 97, "", "cannot confirm the SELinux context of the command: "+aContext+": the kernel says another one: u:r:own_t:s0")
}

// With no_new_privs ironwrap asks for its own profile.
func TestLabelFaultsWithNoNewPrivs(t *testing.T) {
	s := rig.SandboxScene(t, "nnp", "root", "no_new_privs = yes")
	base := baseline(s, t, nil)
	tried := 0
	for _, p := range rig.Places(base.Log, section, nil) {
		if !(p.Call == "openat" && strings.Contains(p.Line, `"/proc", `)) && !(p.Call == "openat" && strings.Contains(p.Line, "attr/apparmor/current")) && p.Call != "fstatfs" {
			continue
		}
		tried++
		how := "error=EACCES"
		if p.Call == "openat" && strings.Contains(p.Line, `"/proc"`) {
			how = "error=ENOENT" // no /proc tells nothing of AppArmor
		}
		o := inject(s, t, section, p, rig.CountBefore(base.Log, section, p.Call)+p.N, how)
		rig.RefusedWith(t, o, 97, "", "cannot leave the AppArmor profile of ironwrap: ")
	}
	if tried != 3 {
		t.Errorf("%d calls were made to fail, not 3", tried)
	}
}

// What is mounted over /proc is not the kernel's: a label that is written there holds nobody.
func TestLabelProc(t *testing.T) {
	p := rig.SandboxScene(t, "proc", "root", "apparmor_profile = x\napparmor = best-effort\nselinux_context = u:r:t:s0\nselinux = best-effort")
	baseline(p, t, nil)
	for _, c := range []struct{ name, mount, want string }{
		{"another file system", "mount -t tmpfs none /proc && mkdir -p /proc/thread-self/attr/apparmor /proc/self/fd && echo unconfined >/proc/thread-self/attr/apparmor/current",
			"/proc is not a proc file system"},
		{"a file", "echo u:r:t:s0 >" + p.Dir() + "/own && mount --bind " + p.Dir() + "/own /proc/$$/task/$$/attr/current", "something is mounted over files of /proc"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := rig.RunCmd(t, exec.Command("/usr/bin/unshare", "--mount", "/bin/sh", "-c", c.mount+` && exec "$@"`, "sh", rig.Ours, p.Conf, "cp", "/etc/hostname", p.Dir()+"/out/x"))
			if _, err := os.Stat(p.Dir() + "/out/x"); err == nil || r.Status != 97 || !strings.Contains(r.Err, c.want) {
				t.Errorf("%v, the command ran: %v", r, err == nil)
			}
		})
	}
}

// count is the number of calls of a name.
func count(log []string, call string) (n int) {
	for _, line := range log {
		if rig.CallName(line) == call {
			n++
		}
	}
	return n
}
