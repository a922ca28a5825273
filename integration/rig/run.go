package rig

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"

	"ironwrap/integration/rig/debian"
)

// Need has a test end as failed unless file, of a Debian package, is there.
func Need(t testing.TB, pkg, file string) {
	t.Helper()
	if err := debian.Install(pkg, file); err != nil {
		t.Fatal(err)
	}
}

// Policy is a configuration of a test's own: a directory of root's that everybody
// may enter, with rootwrap.conf and filters.d/test.filters.
type Policy struct{ Dir, Conf, Filters string }

// Filters that many tests use.
const (
	AllowTrue       = "true: CommandFilter, true, root"
	AllowShell      = "sh: CommandFilter, sh, root"
	AllowIDAsNobody = "id: CommandFilter, id, nobody"
)

// NewPolicy writes filters (the lines of section [Filters]) and rootwrap.conf;
// extra lines go to its [DEFAULT]. It lies below /var/lib, where every directory
// is root's, and which is gone when the test ends.
func NewPolicy(t testing.TB, filters string, extra ...string) Policy {
	t.Helper()
	dir, err := os.MkdirTemp("/var/lib", "ironwrap-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	p := Policy{dir, dir + "/rootwrap.conf", dir + "/filters.d/test.filters"}
	conf := "[DEFAULT]\nfilters_path=" + dir + "/filters.d\n"
	if !strings.Contains(strings.Join(extra, "\n"), "exec_dirs") {
		conf += "exec_dirs=/usr/sbin,/usr/bin,/sbin,/bin\n"
	}
	Write(t, p.Conf, conf+strings.Join(extra, "\n")+"\n")
	Write(t, p.Filters, "[Filters]\n"+filters+"\n")
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return p
}

// Write makes a file of root's, 0644, and the directories above it, 0755.
func Write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Result is what a program did.
type Result struct {
	Status      int // exit status; 128+n when killed by signal n, as a shell has it
	Out, Err    string
	Elapsed     time.Duration
	UsageMaxRSS int64 // kB
}

func (r Result) String() string {
	return fmt.Sprintf("status %d, standard output %q, standard error %q", r.Status, r.Out, r.Err)
}

// Run starts argv as this process's user (root) and waits, at most a minute.
func Run(t testing.TB, argv ...string) Result {
	t.Helper()
	return RunCmd(t, exec.Command(argv[0], argv[1:]...))
}

// RunAs starts argv as an unprivileged user, in the user's home directory.
func RunAs(t testing.TB, u User, argv ...string) Result {
	t.Helper()
	c := exec.Command(argv[0], argv[1:]...)
	c.Dir = "/var/lib/" + u.Name
	c.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + c.Dir, "USER=" + u.Name}
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: u.UID, Gid: u.GID}}
	return RunCmd(t, c)
}

// ThroughSudo calls program (ours or peer) as the unprivileged caller does.
func ThroughSudo(t testing.TB, program string, args ...string) Result {
	t.Helper()
	return RunAs(t, Caller, append([]string{"/usr/bin/sudo", "-n", program}, args...)...)
}

func RunCmd(t testing.TB, c *exec.Cmd) Result {
	t.Helper()
	var out, errOut bytes.Buffer
	c.Stdout, c.Stderr = &out, &errOut
	next(t, c.Args)
	c.WaitDelay = 5 * time.Second
	start := time.Now()
	if err := c.Start(); err != nil {
		t.Fatalf("cannot start %s: %v", c.Path, err)
	}
	timer := time.AfterFunc(time.Minute, func() { c.Process.Kill() })
	err := c.Wait()
	timer.Stop()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("cannot wait for %s: %v", c.Path, err)
	}
	r := Result{Out: out.String(), Err: errOut.String(), Elapsed: time.Since(start)}
	ws := c.ProcessState.Sys().(syscall.WaitStatus)
	if r.Status = ws.ExitStatus(); ws.Signaled() {
		r.Status = 128 + int(ws.Signal())
	}
	if ru, ok := c.ProcessState.SysUsage().(*syscall.Rusage); ok {
		r.UsageMaxRSS = ru.Maxrss
	}
	return r
}

func OneLine(s string) bool {
	return strings.Count(s, "\n") == 1 && strings.HasSuffix(s, "\n") && len(s) > 1
}

// OneCleanLine tells whether s is one line that a terminal shows as it is.
func OneCleanLine(s string) bool {
	line, ok := strings.CutSuffix(s, "\n")
	return ok && line != "" && strings.IndexFunc(line, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }) < 0
}

func ReadFile(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func Must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Words splits at blanks.
func Words(s string) []string { return strings.Fields(s) }

// Until polls for at most ten seconds.
func Until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 1000 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("in vain for ten seconds: %s", what)
}
