package features

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

// TestProbes: what has no number is not there, what the machine of the tests must have is,
// and whoever is not root is told that root could try.
func TestProbes(t *testing.T) {
	if p := there(9_999, [6]uintptr{}); p.Has || p.Err != nil {
		t.Errorf("a system call without a number: %+v", p)
	}
	if p := there(unix.SYS_PRCTL, [6]uintptr{9_999}); p.Has {
		t.Errorf("an operation without a number: %+v", p)
	}
	for name, p := range map[string]Probe{"calls": Calls(), "seccomp": Seccomp()} {
		if !p.Has {
			t.Errorf("%s: %+v", name, p)
		}
	}
	p := MountNamespace()
	if os.Geteuid() != 0 && !errors.Is(p.Err, fs.ErrPermission) || os.Geteuid() == 0 && p.Has != (exec.Command("unshare", "--mount", "true").Run() == nil) {
		t.Errorf("mount namespace: %+v", p)
	}
}

// TestNothingChanges: the namespaces of this process are what they were.
func TestNothingChanges(t *testing.T) {
	names := []string{"mnt", "net"}
	var before []string
	for _, name := range names {
		link, _ := os.Readlink("/proc/self/ns/" + name)
		before = append(before, link)
	}
	for range 100 {
		MountNamespace()
		NetworkNamespace()
		for i, name := range names {
			for _, whose := range []string{"self", "thread-self"} {
				if link, _ := os.Readlink("/proc/" + whose + "/ns/" + name); link != before[i] {
					t.Fatalf("%s, %s: %s, not %s", name, whose, link, before[i])
				}
			}
		}
	}
}
