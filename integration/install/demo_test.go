package install

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ironwrap/integration/rig"
)

// make run as a user with sudo: the checkout is in the user's home and belongs to the
// user, and the umask is the user's.
func TestDemonstrationInAHome(t *testing.T) {
	src := "/var/lib/" + rig.Caller.Name + "/checkout"
	t.Cleanup(func() { os.RemoveAll(src) })
	if err := os.MkdirAll(src+"/bin", 0o755); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-o", src+"/bin/demo", "./integration/demo")
	build.Dir = rig.Root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, program := range []string{rig.Ours, rig.Ours + "-read", rig.OursDaemon, rig.OursLaunch, rig.OursCall} {
		content, err := os.ReadFile(program)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(src+"/bin/"+filepath.Base(program), content, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("chown", "-R", rig.Caller.Name, src).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	r := rig.Run(t, "/bin/sh", "-c", "cd "+src+" && umask 077 && exec bin/demo")
	if r.Status != 0 || !strings.Contains(r.Out, "\n44 calls, 44 as expected.") {
		t.Error(r)
	}
}

// sudo looks for programs in its secure_path, which has no Go below /usr/local/go.
func TestDemonstrationNeedsNoGoOfRoots(t *testing.T) {
	c := exec.Command("make", "--dry-run", "--no-print-directory", "run")
	// make test has variables of its own for the makes below it.
	c.Dir, c.Env = rig.Root, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if last := strings.TrimSpace(lines[len(lines)-1]); last != "bin/demo" {
		t.Errorf("as root the last line runs %q", last)
	}
}
