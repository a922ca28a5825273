package integration

import (
	"strings"
	"testing"
)

// As in sandbox_faults_test.go: what fails on the way to a sandbox that is tried ends in
// nothing being executed, though what is tried refuses nothing.
func TestSandboxFaultsTried(t *testing.T) {
	s := sandboxScene(t, "tried", "nobody", "seccomp = DIR/p.json\nseccomp_log = yes\nlandlock_ro = /\nlandlock_rw = DIR/out\nlandlock_log = yes\n")
	base := s.baseline(t, nil)
	tried := map[string]bool{}
	try := func(part stretch, p place, end, why string) {
		tried[p.call] = true
		t.Run(p.String(), func(t *testing.T) {
			t.Parallel()
			refusedWith(t, s.inject(t, part, p, countBefore(base.log, part, p.call)+p.n, "error=EPERM"), 97, end, why)
		})
	}
	for _, p := range places(base.log, road, section.begin) {
		switch {
		case p.call == "openat" && strings.Contains(p.line, "actions_logged"):
			try(road, p, "", "cannot set up the sandbox of filter cp: cannot tell whether the kernel writes records of system calls (seccomp_log): ")
		case p.call == "landlock_create_ruleset" && strings.Contains(p.line, "VERSION") && p.n == 1:
			try(road, p, "", "cannot set up the sandbox of filter cp: this kernel writes no records of what Landlock refuses (Linux 6.15 does)")
		}
	}
	for _, p := range places(base.log, section, nil) {
		switch {
		case p.call == "landlock_restrict_self":
			try(section, p, ": operation not permitted", "cannot enter the Landlock ruleset: ")
		case p.call == "seccomp" && p.n == 2: // after the filter against typing
			try(section, p, ": operation not permitted", "cannot install the seccomp profile: ")
		}
	}
	for _, call := range []string{"openat", "landlock_create_ruleset", "landlock_restrict_self", "seccomp"} {
		if !tried[call] {
			t.Errorf("no %s: nothing was tried there", call)
		}
	}
}
