package reading

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"ironwrap/policy/compiled"
	"ironwrap/policy/trust"
)

// TestUpgrade: whatever an upgrade has put in place of the reader, the one of this build
// reads, or none.
func TestUpgrade(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not root: whose reader reads was not tested")
	}
	dir, err := os.MkdirTemp("/var/lib", "ironwrap-reading-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	conf := dir + "/rootwrap.conf"
	write(conf, "[DEFAULT]\nfilters_path = "+dir+"\n")
	write(dir+"/a.filters", "[Filters]\ntrue: CommandFilter, true, root\n")
	for _, build := range []string{"one", "two"} {
		c := exec.Command("go", "build", "-ldflags", "-X ironwrap/policy/compiled.Build="+build, "-o", dir+"/"+build, "ironwrap/cmd/ironwrap-read")
		c.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	keptProgram, keptBuild, keptPauses := Program, compiled.Build, pauses
	t.Cleanup(func() { Program, compiled.Build, pauses = keptProgram, keptBuild, keptPauses })
	Program, compiled.Build, pauses = dir+"/ironwrap-read", "one", 5

	// put gives name another program, as dpkg does; "" removes it.
	put := func(name, build string) {
		t.Helper()
		if build == "" {
			os.Remove(name)
			return
		}
		text, err := os.ReadFile(dir + "/" + build)
		if err == nil {
			err = os.WriteFile(name+".new", text, 0o700)
		}
		if err == nil {
			err = os.Rename(name+".new", name)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	reads := func() error {
		_, err := read(Request{Path: conf, Level: trust.Object, Road: new(trust.Road)})
		return err
	}
	for _, c := range []struct {
		now, old string
		says     string // "" where it reads
	}{
		{"one", "", ""},
		{"one", "two", ""},
		{"two", "one", ""},
		{"two", "", "install both programs of one build"},
		{"two", "two", "install both programs of one build"},
		{"", "one", "no such file or directory"}, // an upgrade leaves no gap
	} {
		put(Program, c.now)
		put(Program+before, c.old)
		if err := reads(); (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("reader %q, the one before %q: %v", c.now, c.old, err)
		}
	}

	// One that the Go runtime ends is no other build, and not asked again.
	write(dir+"/dies", "#!/bin/sh\necho >>"+dir+"/asked\nexit 2\n")
	put(Program, "dies")
	put(Program+before, "one")
	if err := reads(); err == nil || !strings.Contains(err.Error(), "failed with status 2") {
		t.Errorf("a reader that dies: %v", err)
	}
	if asked, err := os.ReadFile(dir + "/asked"); err != nil || string(asked) != "\n" {
		t.Errorf("a reader that dies was asked %q, %v", asked, err)
	}

	put(Program, "two")
	put(Program+before, "one")
	if err := os.Chmod(Program+before, 0o757); err != nil {
		t.Fatal(err)
	}
	if err := reads(); !errors.Is(err, trust.ErrUntrusted) {
		t.Errorf("a reader that others may write to: %v", err)
	}

	// Ours comes later.
	pauses = keptPauses
	put(Program+before, "two")
	late := make(chan struct{})
	go func() {
		defer close(late)
		time.Sleep(300 * time.Millisecond)
		put(Program, "one")
	}()
	if err := reads(); err != nil {
		t.Errorf("a reader that comes later: %v", err)
	}
	<-late

	// A reader of another build reads nothing, and so keeps nothing.
	c := exec.Command(dir+"/two", conf, "1", "keep", "one")
	if out, err := c.CombinedOutput(); c.ProcessState.ExitCode() != foreign || len(out) > 0 {
		t.Errorf("another build: %v, %q", err, out)
	}
}
