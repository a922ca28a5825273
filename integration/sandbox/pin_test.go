package sandbox

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ironwrap/integration/rig"
)

// grove is a directory of the caller's, with a file in it that a filter allows,
// and a tree of root's beside it that it does not.
func grove(t testing.TB, user, lines string) (p rig.Policy, base string) {
	t.Helper()
	p = rig.NewPolicy(t, "")
	base = p.Dir + "/base"
	rig.Write(t, base+"/a/f", "public\n")
	rig.Write(t, p.Dir+"/secret/f", "SECRET\n")
	if err := os.Chmod(p.Dir+"/secret", 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{base, base + "/a", base + "/a/f"} {
		if err := os.Chown(path, int(rig.Caller.UID), int(rig.Caller.GID)); err != nil {
			t.Fatal(err)
		}
	}
	if user == "caller" {
		user = rig.Caller.Name
	}
	text := "[Filters]\n"
	for _, program := range []string{"cat", "echo", "stat", "ls"} {
		text += fmt.Sprintf("%s: PathFilter, %[1]s, %s, %s\n", program, user, base)
	}
	text += "nice: ChainingRegExpFilter, nice, root, nice, -n, \\d+\n"
	for _, program := range []string{"cat", "echo", "stat", "ls"} {
		text += fmt.Sprintf("[Sandbox:%s]\n%s\n", program, lines)
	}
	rig.Write(t, p.Filters, text)
	return p, base
}

func TestSandboxPinPaths(t *testing.T) {
	for _, user := range []string{"root", "caller"} {
		p, base := grove(t, user, "pin_paths = yes")
		if r := rig.Start(t, p, "cat", base+"/a/../a/f"); r.Status != 0 || r.Out != "public\n" {
			t.Errorf("%s: %v", user, r)
		}
		word := rig.Start(t, p, "echo", base+"/a/f").Out
		if _, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(word, "/proc/self/fd/"), "\n")); err != nil {
			t.Errorf("%s: the word is %q", user, word)
		}
		if r := rig.Start(t, p, "ls", base+"/a"); r.Status != 0 || r.Err != "" {
			t.Errorf("%s: a directory: %v", user, r)
		}
		if r := rig.Start(t, p, "stat", base+"/a/f"); r.Status != 0 || !strings.Contains(r.Out, " -> "+base+"/a/f\n") {
			t.Errorf("%s: stat: %v", user, r)
		}
		// A file that is not there cannot be held.
		rig.NotRun(t, rig.Start(t, p, "cat", base+"/a/missing"), "cannot pin "+base+"/a/missing (pin_paths): no such file or directory")
		if r := rig.Start(t, p, "cat", p.Dir+"/secret/f"); r.Status != 99 || r.Out != "" {
			t.Errorf("%s: outside: %v", user, r)
		}
		if user == "root" {
			if r := rig.Start(t, p, "nice", "-n", "1", "cat", base+"/a/f"); r.Status != 0 || r.Out != "public\n" {
				t.Errorf("behind a prefix: %v", r)
			}
		}
	}
	// A file that is open is not under what is mounted over its name.
	p, base := grove(t, "root", "")
	rig.Write(t, p.Filters, strings.ReplaceAll(rig.ReadFile(t, p.Filters), "[Sandbox:cat]\n", "[Sandbox:cat]\npin_paths = yes\nread_only = "+p.Dir+"\n"))
	rig.NotRun(t, rig.Start(t, p, "cat", base+"/a/f"), "read_only")
}

// between runs a command under strace, which holds the n-th call of a name up,
// and does something meanwhile. The execve(2) that starts ironwrap is in the log,
// but not counted.
func between(t testing.TB, p rig.Policy, call string, n int, do func(), words ...string) rig.Result {
	t.Helper()
	return betweenIn(t, "/", p, call, n, do, words...)
}

func betweenIn(t testing.TB, dir string, p rig.Policy, call string, n int, do func(), words ...string) rig.Result {
	t.Helper()
	rig.Need(t, "strace", "/usr/bin/strace")
	rig.Pin(t, p.Conf, rig.Kept)
	log := p.Dir + "/strace"
	os.Remove(log)
	args := []string{"-o", log, "-e", "trace=" + call, "-e", fmt.Sprintf("inject=%s:delay_enter=1000000:when=%d", call, n), rig.Ours, p.Conf}
	c := exec.Command("/usr/bin/strace", append(args, words...)...)
	c.Dir = dir
	done := make(chan struct{})
	go func() {
		defer close(done)
		// strace writes the line of a call that it holds up as far as it knows it.
		for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
			data, _ := os.ReadFile(log)
			if call == "execve" && strings.Contains(string(data), "/usr/bin/cat\"") || call != "execve" && strings.Count(string(data), call+"(") == n {
				break
			}
		}
		time.Sleep(50 * time.Millisecond)
		do()
	}()
	r := rig.RunCmd(t, c)
	<-done
	return r
}

// Somebody swaps a directory on the way with a link to what is root's, just
// between the check and the command's use. It is shown at that very moment, and
// what the key changes: without it the file at the name is used, as by the peer.
func TestSandboxPinPathsRace(t *testing.T) {
	for _, c := range []struct {
		user, lines, call string
		n                 int
		other             func(p rig.Policy, base string) error // makes base/b
		want              string
	}{
		{"root", "", "execve", 1, linkToSecret, "SECRET\n"}, // why there is the key
		{"root", "pin_paths = yes", "execve", 1, linkToSecret, "public\n"},
		{"caller", "pin_paths = yes", "execve", 1, linkToSecret, "public\n"},
		// Before the file is held: by the last openat2(2) of its name.
		{"root", "pin_paths = yes", "openat2", 0, linkToSecret, ""},
		{"caller", "pin_paths = yes", "openat2", 0, linkToSecret, ""},
		// A directory that the user cannot enter, where the file in it is readable.
		{"caller", "pin_paths = yes", "openat2", 0, closedToCaller, ""},
	} {
		name := fmt.Sprintf("%s/%s/%s", c.user, c.lines, c.call)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, base := grove(t, c.user, c.lines)
			if err := c.other(p, base); err != nil {
				t.Fatal(err)
			}
			n := c.n
			if n == 0 {
				n = callsUpTo(t, p, c.call, base+"/a/f", "cat", base+"/a/f")
			}
			var swapped error
			r := between(t, p, c.call, n, func() { swapped = rig.Exchange(base+"/a", base+"/b") }, "cat", base+"/a/f")
			if swapped != nil || r.Out != c.want {
				t.Errorf("%v, not %q; swap: %v\n%s", r, c.want, swapped, rig.ReadFile(t, p.Dir+"/strace"))
			}
			if c.want == "" && (r.Status != 97 || !rig.OneLine(r.Err) || !strings.Contains(r.Err, "cannot pin ")) {
				t.Errorf("%v", r)
			}
		})
	}
}

// callsUpTo is how many calls of a name ironwrap makes for a command, up to the last that
// is about the path.
func callsUpTo(t testing.TB, p rig.Policy, call, path string, words ...string) (n int) {
	t.Helper()
	rig.Need(t, "strace", "/usr/bin/strace")
	rig.Pin(t, p.Conf, rig.Kept) // as in between: with and without a compiled policy the number differs
	log := p.Dir + "/strace"
	if r := rig.Run(t, append([]string{"/usr/bin/strace", "-o", log, "-e", "trace=" + call, rig.Ours, p.Conf}, words...)...); r.Status != 0 {
		t.Fatal(r)
	}
	made := 0
	for line := range strings.Lines(rig.ReadFile(t, log)) {
		if strings.HasPrefix(line, call+"(") {
			made++
			if strings.Contains(line, "\""+path+"\"") {
				n = made
			}
		}
	}
	if n == 0 {
		t.Fatalf("no %s is about %s:\n%s", call, path, rig.ReadFile(t, log))
	}
	return n
}

func linkToSecret(p rig.Policy, base string) error { return os.Symlink(p.Dir+"/secret", base+"/b") }

func closedToCaller(p rig.Policy, base string) error { return os.Rename(p.Dir+"/secret", base+"/b") }

// The same without any help from outside, some hundred times.
func TestSandboxPinPathsStress(t *testing.T) {
	const calls = 200
	p, base := grove(t, "root", "pin_paths = yes")
	if err := linkToSecret(p, base); err != nil {
		t.Fatal(err)
	}
	q, _ := grove(t, "root", "")
	rig.Write(t, q.Filters, strings.ReplaceAll(rig.ReadFile(t, q.Filters), q.Dir+"/base", base))

	var stop atomic.Bool
	var swaps atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for !stop.Load() {
			if err := rig.Exchange(base+"/a", base+"/b"); err != nil {
				t.Error(err)
				return
			}
			swaps.Add(1)
			time.Sleep(20 * time.Microsecond)
		}
	}()
	read, refused := 0, 0
	for range calls {
		r := rig.Start(t, p, "cat", base+"/a/f")
		switch {
		case strings.Contains(r.Out, "SECRET"):
			t.Errorf("a hit: %v", r)
		case r.Status == 0 && r.Out == "public\n":
			read++
		case (r.Status == 97 || r.Status == 99) && r.Out == "" && rig.OneLine(r.Err):
			refused++
		default:
			t.Errorf("%v", r)
		}
	}
	hits := map[string]int{}
	for range 5 {
		for _, program := range []string{rig.Ours, rig.Peer} {
			if strings.Contains(rig.Run(t, program, q.Conf, "cat", base+"/a/f").Out, "SECRET") {
				hits[program]++
			}
		}
	}
	stop.Store(true)
	<-done
	if read == 0 || swaps.Load() < calls {
		t.Errorf("%d calls read the file, %d were refused, %d swaps: nothing was tried", read, refused, swaps.Load())
	}
	t.Logf("%d calls with pin_paths: %d read the file, %d were refused; %d swaps. Of 5 calls without: %d hits, of the peer: %d",
		calls, read, refused, swaps.Load(), hits[rig.Ours], hits[rig.Peer])
}
