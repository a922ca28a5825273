package install

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ironwrap/integration/rig"
)

// TestInstall installs into a directory, and looks whether each shell reads its
// completions, and man the pages.
func TestInstall(t *testing.T) {
	dir := t.TempDir()
	c := exec.Command("make", "install", "DESTDIR="+dir, "PREFIX=/usr")
	c.Dir = rig.Root
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("make install: %v\n%s", err, out)
	}
	share := dir + "/usr/share"
	installed := dir + "/usr/bin/ironwrapctl"

	for _, shell := range []struct{ pkg, program, file, check string }{
		{"bash", "/bin/bash", "bash-completion/completions/ironwrapctl", "-n"},
		{"zsh", "/bin/zsh", "zsh/vendor-completions/_ironwrapctl", "-n"},
		{"fish", "/usr/bin/fish", "fish/vendor_completions.d/ironwrapctl.fish", "--no-execute"},
	} {
		rig.Need(t, shell.pkg, shell.program)
		if r := rig.Run(t, shell.program, shell.check, share+"/"+shell.file); r.Status != 0 || r.Err != "" {
			t.Errorf("%s: %v", shell.file, r)
		}
		if st, err := os.Stat(share + "/" + shell.file); err != nil || st.Size() < 1000 {
			t.Errorf("%s: %v, %v", shell.file, st, err)
		}
	}
	// What the scripts ask the program for.
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{""}, "check\n"},
		{[]string{"check", "--format", ""}, "json\n"},
		{[]string{"check", "--fail-on", "w"}, "warning\n"},
		{[]string{"check", "--ignore", "open-s"}, "open-shell\n"},
		{[]string{"explain", "--format", ""}, "text\n"},
	} {
		if r := rig.Run(t, append([]string{installed, "__complete"}, tt.args...)...); !strings.Contains(r.Out, tt.want) {
			// A description may follow the word.
			if !strings.Contains(r.Out, strings.TrimSpace(tt.want)+"\t") {
				t.Errorf("completion of %q: %v", tt.args, r)
			}
		}
	}

	rig.Need(t, "man-db", "/usr/bin/man")
	rig.Need(t, "groff-base", "/usr/bin/groff")
	pages, _ := filepath.Glob(share + "/man/man*/*")
	have := map[string]bool{}
	for _, page := range pages {
		have[strings.TrimPrefix(page, share+"/man/")] = true
		r := rig.Run(t, "/usr/bin/man", "--warnings", "--local-file", page)
		if r.Status != 0 || r.Err != "" || !strings.Contains(r.Out, "DESCRIPTION") {
			t.Errorf("%s: %v", page, r)
		}
	}
	for _, want := range []string{"man8/ironwrap.8", "man8/ironwrap-daemon.8", "man1/ironwrap-call.1", "man5/ironwrap.conf.5", "man7/ironwrap-profiles.7",
		"man1/ironwrapctl.1", "man1/ironwrapctl-explain.1", "man1/ironwrapctl-seccomp-compile.1"} {
		if !have[want] {
			t.Errorf("no page %s among %q", want, pages)
		}
	}
}
