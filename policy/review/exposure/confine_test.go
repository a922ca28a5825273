package exposure

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"ironwrap/policy"
)

// strict refuses what writes, mounts, signals and opens sockets, as the shipped
// profile of that name.
func strict(profile string, call Syscall) (bool, error) {
	if profile == "absent" {
		return false, errors.New("no such file")
	}
	switch {
	case call.Name == "openat":
		return call.Value[2] == 0, nil
	case slices.Contains([]string{"read", "execve", "chmod", "kill"}, call.Name):
		return profile != "strict" || call.Name == "read" || call.Name == "execve", nil
	}
	return false, nil
}

func uid(name string) (uint32, error) {
	switch name {
	case "toor":
		return 0, nil
	case "nova":
		return 115, nil
	}
	return 0, errors.New("no such user")
}

// TestConfine: what run-as users and sandbox sections leave of a filter.
func TestConfine(t *testing.T) {
	none := []string{}
	admin := []string{"cap_sys_admin"}
	for _, c := range []struct {
		what, definition string
		sandbox          policy.Sandbox
		score            Score
		cells            string // power=score, of some
		why              string // in a limit or a note
	}{
		{"another user", "CommandFilter, bash, nova", policy.Sandbox{}, 3, "run=3 write=3 mount=2.7 kernel=3 owner=3", "runs as nova, not as root"},
		{"root by another name", "CommandFilter, bash, toor", policy.Sandbox{}, 10, "mount=9", ""},
		{"a user whom nobody knows", "CommandFilter, bash, x", policy.Sandbox{}, 3, "", "runs as x"},
		{"ambient capabilities", "CommandFilter, bash, nova", policy.Sandbox{Capabilities: []string{"cap_dac_override"}}, 10, "write=10 mount=9 device=10", ""},
		{"ambient, of no use", "CommandFilter, tee, nova", policy.Sandbox{Capabilities: []string{"cap_net_admin"}}, 3, "write=3", ""},

		{"no capabilities do not keep root from root's files", "CommandFilter, bash, root", policy.Sandbox{Capabilities: none, NoNewPrivs: true}, 10, "write=10 mount=9 namespace=6 network=5 signal=5 owner=10", ""},
		{"mount without its capability", "CommandFilter, mount.nfs, root", policy.Sandbox{Capabilities: none}, 0, "mount=0", "has not the capability that it takes: cap_sys_admin"},
		{"mount with it", "CommandFilter, mount.nfs, root", policy.Sandbox{Capabilities: admin}, 9, "mount=9", ""},
		{"chown without its capability", "CommandFilter, chown, root", policy.Sandbox{Capabilities: admin}, 0, "owner=0", "cap_chown"},
		{"chmod needs none", "CommandFilter, chmod, root", policy.Sandbox{Capabilities: none}, 10, "owner=10", ""},
		{"sysctl needs none", "CommandFilter, sysctl, root", policy.Sandbox{Capabilities: none}, 10, "kernel=10", ""},

		{"Landlock on a tool", "CommandFilter, tee, root", policy.Sandbox{LandlockRO: []string{"/usr"}, LandlockRW: []string{"/var/lib/x"}}, 2, "write=2", "below /var/lib/x only"},
		{"Landlock that holds /etc", "CommandFilter, tee, root", policy.Sandbox{LandlockRW: []string{"/etc/cron.d", "/var/lib/x"}}, 10, "write=10", ""},
		{"Landlock that holds everything", "CommandFilter, tee, root", policy.Sandbox{LandlockRW: []string{"/"}}, 10, "write=10", ""},
		{"Landlock, best effort", "CommandFilter, tee, root", policy.Sandbox{LandlockRW: []string{"/var/lib/x"}, BestEffort: true}, 10, "write=10", "counts for nothing"},
		{"Landlock and reading", "CommandFilter, cat, root", policy.Sandbox{LandlockRO: []string{"/usr", "/lib"}, LandlockRW: none}, 1.4, "read=1.4", "read below /usr, /lib only"},
		{"Landlock does not look at chmod", "CommandFilter, bash, root", policy.Sandbox{LandlockRO: []string{"/usr"}, LandlockRW: none}, 10, "owner=10 write=10 mount=9 read=7", ""},
		{"Landlock and mounting", "CommandFilter, mount.nfs, root", policy.Sandbox{LandlockRO: []string{"/"}}, 0, "mount=0", "Landlock forbids mounting"},

		{"seccomp strict", "CommandFilter, bash, root", policy.Sandbox{Seccomp: "strict"}, 7, "run=7 write=0 owner=0 mount=0 kernel=0 signal=0 services=0 read=7", "the seccomp profile strict refuses"},
		{"seccomp that lets chmod pass", "CommandFilter, chmod, root", policy.Sandbox{Seccomp: "other"}, 10, "owner=10", ""},
		{"seccomp that cannot be read", "CommandFilter, tee, root", policy.Sandbox{Seccomp: "absent"}, 10, "write=10", "seccomp = absent counts for nothing: no such file"},
		{"seccomp that is only tried", "CommandFilter, bash, root", policy.Sandbox{Seccomp: "strict", SeccompLog: true}, 10, "write=10", "seccomp = strict counts for nothing: it is only tried"},
		{"seccomp = none", "CommandFilter, tee, root", policy.Sandbox{Seccomp: "none"}, 10, "", ""},

		{"private network", "CommandFilter, vconfig, root", policy.Sandbox{PrivateNetwork: true}, 0, "network=0", "a network of its own"},
		{"out of a private network", "CommandFilter, bash, root", policy.Sandbox{PrivateNetwork: true}, 10, "network=5", ""},
		{"private mounts", "CommandFilter, mount.nfs, root", policy.Sandbox{PrivateMounts: true}, 1.8, "mount=1.8", "nobody else sees them"},
		{"read-only", "CommandFilter, tee, root", policy.Sandbox{ReadOnly: []string{"/"}, Capabilities: none}, 10, "write=0 device=10", "read_only"},
		{"read-only, and may remount", "CommandFilter, bash, root", policy.Sandbox{ReadOnly: []string{"/"}}, 10, "write=10", ""},

		{"private_tmp and a script in /tmp", "RegExpFilter, sh, root, sh, /tmp/[a-z]+", policy.Sandbox{PrivateTmp: true}, 0, "run=0", "is hidden from the command"},
		{"private_tmp and a script below", "RegExpFilter, sh, root, sh, /var/tmp/.*/x", policy.Sandbox{PrivateTmp: true}, 10, "run=10", ""}, // .. leads out
		{"private_tmp and a home", "RegExpFilter, sh, root, sh, /(tmp|home/x)/[a-z]+", policy.Sandbox{PrivateTmp: true}, 10, "run=10", ""},
		{"private_tmp and the working directory", "RegExpFilter, sh, root, sh, [a-z]+", policy.Sandbox{PrivateTmp: true}, 10, "run=10", ""},
		{"private_tmp, best effort", "RegExpFilter, sh, root, sh, /tmp/[a-z]+", policy.Sandbox{PrivateTmp: true, BestEffort: true}, 10, "run=10", "counts for nothing"},
		{"private_tmp and any words", "CommandFilter, sh, root", policy.Sandbox{PrivateTmp: true}, 10, "run=10", ""},
		{"private_tmp and what is copied", "RegExpFilter, cp, root, cp, /tmp/[a-z]+, /etc/[a-z]+", policy.Sandbox{PrivateTmp: true}, 0, "write=0", "is hidden from the command"},
		{"private_tmp and what is read", "RegExpFilter, tee, root, tee, /etc/[a-z]+", policy.Sandbox{PrivateTmp: true}, 10, "write=10", ""},
		{"Landlock and a script elsewhere", "RegExpFilter, sh, root, sh, /tmp/[a-z]+", policy.Sandbox{LandlockRO: []string{"/usr", "/etc"}}, 0, "run=0", "is hidden from the command"},
		{"Landlock and a prefix", "RegExpFilter, nice, root, nice, /tmp/[a-z]+", policy.Sandbox{LandlockRO: []string{"/usr", "/etc"}}, 0, "run=0", "is hidden from the command"},
		{"Landlock and any program", "RegExpFilter, nice, root, nice, .*, .*, .*", policy.Sandbox{LandlockRO: []string{"/usr", "/etc"}}, 10, "run=10", ""},
		{"Landlock that leaves a home", "RegExpFilter, sh, root, sh, /tmp/[a-z]+", policy.Sandbox{LandlockRO: []string{"/usr", "/var/lib/nova"}}, 10, "run=10", ""}, // a link in /tmp
		{"Landlock that leaves /var", "RegExpFilter, sh, root, sh, /tmp/[a-z]+", policy.Sandbox{LandlockRO: []string{"/usr", "/var"}}, 10, "run=10", ""},

		{"everything", "CommandFilter, bash, root", policy.Sandbox{Capabilities: none, NoNewPrivs: true, Seccomp: "strict", LandlockRO: []string{"/usr"}, LandlockRW: none}, 2, "run=2 write=0 read=1.4 owner=0 device=0", ""},
	} {
		e := entry(t, c.definition)
		e.Sandbox = &c.sandbox
		f := Of(e, Machine{UID: uid, Seccomp: strict})
		if f.Score != c.score {
			t.Errorf("%s: score %v, want %v", c.what, f.Score, c.score)
		}
		said := strings.Join(f.Notes, "\n")
		for _, cell := range f.Cells {
			said += strings.Join(cell.Limits, "\n")
			if (cell.Score == 0) != (cell.Extent == Blocked) {
				t.Errorf("%s: %+v", c.what, cell)
			}
		}
		if !strings.Contains(said, c.why) {
			t.Errorf("%s: nothing says %q: %s", c.what, c.why, said)
		}
		for _, want := range strings.Fields(c.cells) {
			p, score, _ := strings.Cut(want, "=")
			cell := cellOf(f, p)
			if cell == nil || strconv.FormatFloat(float64(cell.Score), 'g', -1, 64) != score {
				t.Errorf("%s: want %s, got %+v", c.what, want, cell)
			}
		}
	}
}

// TestTighter: a key more in a section never makes a score larger. Of programs with the
// same rows, and that do the same, one is asked about.
func TestTighter(t *testing.T) {
	t.Parallel()
	add := map[string]func(s *policy.Sandbox){
		"capabilities":    func(s *policy.Sandbox) { s.Capabilities = []string{} },
		"seccomp":         func(s *policy.Sandbox) { s.Seccomp = "strict" },
		"landlock":        func(s *policy.Sandbox) { s.LandlockRW = []string{"/var/lib/x"} },
		"private_network": func(s *policy.Sandbox) { s.PrivateNetwork = true },
		"private_mounts":  func(s *policy.Sandbox) { s.PrivateMounts = true },
		"read_only":       func(s *policy.Sandbox) { s.ReadOnly = []string{"/"} },
		"no_new_privs":    func(s *policy.Sandbox) { s.NoNewPrivs = true },
	}
	keys := slices.Sorted(maps.Keys(add))
	asked := map[string]bool{}
	for _, program := range slices.Sorted(maps.Keys(table)) {
		kind := fmt.Sprint(asks(program))
		for _, w := range table[program] {
			kind += fmt.Sprintf("\n%q", []any{w.power, w.form, w.caps, w.deeds(program)})
		}
		if asked[kind] {
			continue
		}
		asked[kind] = true
		e := entry(t, "CommandFilter, "+program+", root")
		scores := make([]Score, 1<<len(keys)) // by the keys that are there
		for set := range scores {
			e.Sandbox = &policy.Sandbox{}
			for i, key := range keys {
				if set>>i&1 != 0 {
					add[key](e.Sandbox)
				}
			}
			scores[set] = Of(e, Machine{Seccomp: strict}).Score
			for i, key := range keys {
				if less := scores[set&^(1<<i)]; scores[set] > less {
					t.Errorf("%s: %s makes %v of %v in %+v", program, key, scores[set], less, e.Sandbox)
				}
			}
		}
	}
	if len(asked) < 300 {
		t.Errorf("%d kinds of programs were asked about", len(asked))
	}
	t.Logf("%d kinds of %d programs", len(asked), len(table))
}
