package faults

import (
	"strings"
	"testing"

	"ironwrap/integration/rig"
)

// As in sandbox_faults_test.go: what fails on the way to a sandbox that is tried ends in
// nothing being executed, though what is tried refuses nothing.
func TestSandboxFaultsTried(t *testing.T) {
	s := rig.SandboxScene(t, "tried", "nobody", "seccomp = DIR/p.json\nseccomp_log = yes\nlandlock_ro = /\nlandlock_rw = DIR/out\nlandlock_log = yes\n")
	base := baseline(s, t, nil)
	tried := map[string]bool{}
	try := func(part rig.Stretch, p rig.Place, end, why string) {
		tried[p.Call] = true
		t.Run(p.String(), func(t *testing.T) {
			t.Parallel()
			rig.RefusedWith(t, inject(s, t, part, p, rig.CountBefore(base.Log, part, p.Call)+p.N, "error=EPERM"), 97, end, why)
		})
	}
	for _, p := range rig.Places(base.Log, road, section.Begin) {
		switch {
		case p.Call == "openat" && strings.Contains(p.Line, "actions_logged"):
			try(road, p, "", "cannot set up the sandbox of filter cp: cannot tell whether the kernel writes records of system calls (seccomp_log): ")
		case p.Call == "landlock_create_ruleset" && strings.Contains(p.Line, "VERSION") && p.N == 1:
			try(road, p, "", "cannot set up the sandbox of filter cp: this kernel writes no records of what Landlock refuses (Linux 6.15 does)")
		}
	}
	for _, p := range rig.Places(base.Log, section, nil) {
		switch {
		case p.Call == "landlock_restrict_self":
			try(section, p, ": operation not permitted", "cannot enter the Landlock ruleset: ")
		case p.Call == "seccomp" && p.N == 2: // after the filter against typing
			try(section, p, ": operation not permitted", "cannot install the seccomp profile: ")
		}
	}
	for _, call := range []string{"openat", "landlock_create_ruleset", "landlock_restrict_self", "seccomp"} {
		if !tried[call] {
			t.Errorf("no %s: nothing was tried there", call)
		}
	}
}
