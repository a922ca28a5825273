package sandbox

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"ironwrap/integration/rig"
)

// A path of a rule or a view that the caller replaced by a link is not followed, and
// nothing runs. Links of root's are, and so are directories of the caller's.
func TestViewLinks(t *testing.T) {
	s := newScenery(t)
	outside := s.in.Dir + "/outside"
	for _, mode := range []string{"sudo", "setuid"} {
		for _, c := range []struct{ key, make, path, why string }{
			{"landlock_rw", "ln -s / @home/job", s.u + "/job", s.u + "/job"},
			{"landlock_rw", "ln -s @home/.. @home/job", s.u + "/job/ro", s.u + "/job"},
			{"landlock_ro", "ln -s / @home/job", s.u + "/job", s.u + "/job"},
			{"landlock_ro", "ln -s /proc/self/root @home/job", s.u + "/job", s.u + "/job"},
			{"read_only", "mv @home/keep @home/real; ln -s /etc @home/keep", s.u + "/keep", s.u + "/keep"},
			{"read_only", "mv @home/keep @home/real; ln -s /etc @home/keep", s.u + "/keep/sub", s.u + "/keep"},
			{"read_only", "mv @home/keep @home/real; mkdir @home/keep; ln -s real @home/keep/sub", s.u + "/keep/sub", s.u + "/keep/sub"},
		} {
			s.reset()
			if r := s.shell(mode, "mkdir @home/keep @home/keep/sub; touch @home/keep/sub/f; "+c.make); r.Status != 0 {
				t.Fatal(r)
			}
			s.confine(c.key + " = /usr, /lib, /lib64, /etc, " + c.path)
			r := s.shell(mode, "echo evil | $W tee -a @ro/f @home/real/f "+outside)
			if r.Status != 97 || r.Out != "" || !rig.OneLine(r.Err) || !strings.Contains(r.Err, c.why) || !strings.Contains(r.Err, fmt.Sprint("uid ", rig.Caller.UID)) {
				t.Errorf("%s, %s: not status 97 with the link and its owner: %v", mode, c.key, r)
			}
			if _, err := os.Lstat(outside); err == nil || rig.ReadFile(t, s.ro+"/f") != "first\nsecond\n" {
				t.Errorf("%s, %s: written", mode, c.key)
				os.Remove(outside)
			}
		}
		// Links of root's (/bin, /lib, /var/run), and real directories of the caller's.
		s.reset()
		if err := os.RemoveAll(s.in.Dir + "/link"); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("u", s.in.Dir+"/link"); err != nil {
			t.Fatal(err)
		}
		s.confine("landlock_ro = /bin, /lib, /lib64, /var/run, /etc, @ro\nlandlock_rw = " + s.in.Dir + "/link")
		if r := s.shell(mode, "echo x | $W tee -a @home/f; echo x | $W tee -a @ro/f"); r.Out != "x\nx\n" || !strings.Contains(r.Err, "Permission denied") ||
			rig.ReadFile(t, s.u+"/f") != "first\nsecond\nx\n" || rig.ReadFile(t, s.ro+"/f") != "first\nsecond\n" {
			t.Errorf("%s: %v", mode, r)
		}
		s.confine("read_only = " + s.in.Dir + "/link, /var/run, " + s.u + ", " + s.u + "/f, " + s.u + "/f")
		if r := s.shell(mode, "echo x | $W tee -a @home/f; echo x | $W tee -a /run/iwview"); !strings.Contains(r.Err, "f: Read-only") || !strings.Contains(r.Err, "iwview: Read-only") ||
			rig.ReadFile(t, s.u+"/f") != "first\nsecond\nx\n" {
			t.Errorf("%s: %v", mode, r)
		}
	}
}

// The same while the caller swaps the directory and a link without end.
func TestViewLinkRace(t *testing.T) {
	s := newScenery(t)
	s.shell("sudo", "mkdir @home/job; ln -s @ro @home/other")
	s.confine("landlock_ro = /usr, /lib, /lib64, /etc\nlandlock_rw = " + s.u + "/job")
	done, ended := make(chan bool), make(chan bool)
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			default:
				if err := rig.Exchange(s.u+"/job", s.u+"/other"); err != nil {
					t.Error(err)
					return
				}
			}
		}
	}()
	ran, refused := 0, 0
	for range 100 {
		switch r := rig.Run(t, rig.Ours, s.in.Dir+"/sudo.conf", "tee", "-a", s.ro+"/f"); r.Status {
		case 97:
			refused++
		case 1:
			ran++
		default:
			t.Errorf("%v", r)
		}
		rig.Run(t, rig.Ours, s.in.Dir+"/sudo.conf", "sh", "-c", "echo evil >> "+s.ro+"/f")
	}
	close(done)
	<-ended
	if text := rig.ReadFile(t, s.ro+"/f"); text != "first\nsecond\n" {
		t.Errorf("written: %q", text)
	}
	if ran == 0 || refused == 0 {
		t.Errorf("%d commands ran, %d were refused: nothing was tried", ran, refused)
	}
}

// The working directory is entered by its name once more, when the name has become
// a link to the same directory by way of another process.
func TestViewWorkingDirectoryRace(t *testing.T) {
	p := rig.NewPolicy(t, "")
	dir := p.Dir + "/u/work"
	rig.Write(t, dir+"/f", "text\n")
	rig.Write(t, p.Filters, "[Filters]\nsh: CommandFilter, sh, root\n[Sandbox:sh]\nread_only = "+p.Dir+"\n")
	other := exec.Command("/usr/bin/sleep", "60")
	other.Dir = dir
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		other.Process.Kill()
		other.Wait()
	}()
	if err := os.Symlink(fmt.Sprintf("/proc/%d/cwd", other.Process.Pid), p.Dir+"/u/link"); err != nil {
		t.Fatal(err)
	}
	var swapped error
	r := betweenIn(t, dir, p, "mount", 1, func() { swapped = rig.Exchange(dir, p.Dir+"/u/link") }, "sh", "-c", "echo x >> f")
	if swapped != nil || rig.ReadFile(t, fmt.Sprintf("/proc/%d/cwd/f", other.Process.Pid)) != "text\n" {
		t.Errorf("swap: %v; written: %v", swapped, r)
	}
	rig.NotRun(t, r, "is not there any more")
}

// A held file (pin_paths) stands on the machine's mounts.
func TestViewPins(t *testing.T) {
	p, base := grove(t, "root", "pin_paths = yes\nprivate_tmp = yes")
	if r := rig.Start(t, p, "cat", base+"/a/f"); r.Status != 0 || r.Out != "public\n" {
		t.Errorf("%v", r)
	}
	rig.NotRun(t, rig.Start(t, p, "ls", base+"/a"), "it is a directory")
	hidden, err := os.MkdirTemp("/tmp", "iwhidden")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(hidden)
	rig.Write(t, hidden+"/f", "SECRET\n")
	rig.Write(t, p.Filters, strings.ReplaceAll(rig.ReadFile(t, p.Filters), base, hidden))
	rig.NotRun(t, rig.Start(t, p, "cat", hidden+"/f"), "private_tmp")
}
