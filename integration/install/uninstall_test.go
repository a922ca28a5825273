package install

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"ironwrap/integration/rig"
)

// TestUninstall: make install, the second time for callers without sudo, and make
// uninstall leave what was there before, whatever the umask.
func TestUninstall(t *testing.T) {
	dest := t.TempDir()
	rig.Write(t, dest+"/usr/bin/other", "not ours")
	rig.Write(t, dest+"/usr/share/man/man1/other.1", "not ours")
	for _, empty := range []string{"/usr/share/fish/vendor_completions.d", "/usr/lib/systemd/system"} {
		if err := os.MkdirAll(dest+empty, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	tree := func() []string {
		return strings.Split(rig.Run(t, "find", dest, "-printf", "%P %y %m %s\n").Out, "\n")
	}
	make := func(args string) {
		t.Helper()
		c := exec.Command("sh", "-c", "umask 077 && exec make -s "+args+` DESTDIR="$0"`, dest)
		c.Dir = rig.Root
		if r := rig.RunCmd(t, c); r.Status != 0 {
			t.Fatal(r)
		}
	}
	before := tree()
	make("install")
	make("install SETUID=1")
	after := tree()
	if st, err := os.Stat(dest + "/usr/bin/ironwrap"); err != nil || st.Mode() != 0o755|os.ModeSetuid {
		t.Errorf("ironwrap: %v, %v", st, err)
	}
	for _, line := range after {
		if slices.Contains(before, line) || line == "" {
			continue
		}
		if path, what, _ := strings.Cut(line, " "); !slices.ContainsFunc([]string{"f 644 ", "f 755 ", "d 755 "}, func(usual string) bool { return strings.HasPrefix(what, usual) }) &&
			!slices.Contains([]string{"usr/bin/ironwrap", "usr/lib/ironwrap/ironwrap-launch", "usr/lib/ironwrap/ironwrap-read"}, path) {
			t.Errorf("installed as %s", line)
		}
	}
	if len(after) < len(before)+40 {
		t.Errorf("only %d paths were installed", len(after)-len(before))
	}
	make("uninstall")
	after = tree()
	slices.Sort(before)
	slices.Sort(after)
	if !slices.Equal(before, after) {
		t.Errorf("before:\n%s\nafter:\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
	}
}
