package rig

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// Each system call that leads to a command is made to fail, one at a time, on the
// real program, by strace(1). Whatever fails, either nothing is executed and one
// line says why, or the command is exactly what it would have been.
//
// strace is told not to follow threads: the leading thread is the one that
// becomes the command, and the Go runtime's own threads stay out of it.

// Scene is one call of the program that succeeds when nothing fails.
type Scene struct {
	Name    string
	Program string
	Strace  []string // options
	Conf    string
	Words   func(marker string, pid int) []string
	stdin   string // a file; "" for /dev/null
	// as is what the command says of itself when nothing fails; nil for a
	// signal.
	As map[string]string
}

// Outcome is what one run of a scene came to.
type Outcome struct {
	Result
	Log []string          // strace's, one system call a line
	Ran bool              // the command ran, or the signal was sent
	As  map[string]string // what the command was
}

// Play runs the scene, with one injection unless inject is empty.
func (s *Scene) Play(t *testing.T, inject string) Outcome {
	t.Helper()
	dir := s.Dir()
	marker, err := os.CreateTemp(dir+"/out", "")
	if err != nil {
		t.Fatal(err)
	}
	marker.Close()
	os.Remove(marker.Name())
	log := filepath.Join(dir, filepath.Base(marker.Name())+".strace")

	sleeper := exec.Command("/usr/bin/sleep", "60")
	if s.As == nil {
		if err := sleeper.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() {
			sleeper.Process.Kill()
			sleeper.Wait()
		}()
	}
	pid := 0
	if sleeper.Process != nil {
		pid = sleeper.Process.Pid
	}

	args := append([]string{"-o", log}, s.Strace...)
	if inject != "" {
		args = append(args, "-e", "inject="+inject)
	}
	args = append(args, s.Program, s.Conf)
	c := exec.Command("/usr/bin/strace", append(args, s.Words(marker.Name(), pid)...)...)
	c.Dir = "/"
	c.Env = []string{"PATH=/usr/bin:/bin", "SUDO_UID=1234"}
	// Groups and capabilities that the command must not end up with.
	c.SysProcAttr = &syscall.SysProcAttr{
		Credential:  &syscall.Credential{Groups: []uint32{4, 24, 42}},
		AmbientCaps: []uintptr{CapNetRaw},
	}
	if s.stdin != "" {
		f, err := os.Open(s.stdin)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		c.Stdin = f
	}
	o := Outcome{Result: RunCmd(t, c)}

	data, err := os.ReadFile(log)
	if err != nil {
		t.Fatalf("strace wrote no log: %v\n%v", err, o.Result)
	}
	os.Remove(log)
	for line := range strings.Lines(string(data)) {
		if CallName(line) != "" {
			o.Log = append(o.Log, strings.TrimSpace(line))
		}
	}
	if s.As == nil {
		o.Ran = Signalled(t, pid)
		return o
	}
	if data, err := os.ReadFile(marker.Name()); err == nil {
		o.Ran, o.As = true, Identity(string(data))
		os.Remove(marker.Name())
	}
	return o
}

// Dir is the directory of the scene's policy.
func (s *Scene) Dir() string { return filepath.Dir(s.Conf) }

var callPattern = regexp.MustCompile(`^([a-z_0-9]+)\(`)

// CallName is the system call that a line of strace's log shows; "" for others.
func CallName(line string) string {
	m := callPattern.FindStringSubmatch(line)
	if m == nil {
		return ""
	}
	return m[1]
}

// Noise is what the Go runtime does by itself, at moments of its own choice.
// Where one of these fails it ends the process or does without, as in any Go
// program.
var Noise = []string{
	"futex", "mmap", "munmap", "madvise", "mprotect", "clone", "clone3", "rt_sigreturn", "sigaltstack", "sched_yield", "nanosleep",
	"gettid", "getpid", "tgkill", "epoll_create1", "epoll_ctl", "epoll_pwait", "eventfd2", "restart_syscall", "exit_group", "exit",
	"sched_getaffinity", "arch_prctl", "timer_create", "timer_settime", "timer_delete", "clock_gettime", "getrandom",
}

// OfRuntime tells that a line of a log is the Go runtime's: it blocks all signals while it
// makes a thread.
func OfRuntime(log []string, i int) bool {
	name := CallName(log[i])
	return slices.Contains(Noise, name) ||
		name == "rt_sigprocmask" && (strings.Contains(log[i], "SIG_SETMASK, ~[") || i > 0 && strings.HasPrefix(CallName(log[i-1]), "clone"))
}

// Stretch is a part of the road: from the first call that begins it, to execve(2)
// or pidfd_send_signal(2), or to where another stretch begins.
type Stretch struct {
	Name  string
	Begin func(line string) bool
}

// Place is one call of a stretch: the n-th of its name there, from 1.
type Place struct {
	Call string
	N    int
	Line string
}

func (p Place) String() string { return fmt.Sprintf("%s#%d", p.Call, p.N) }

// Places lists the calls of a stretch, up to the one that begins another.
func Places(log []string, in Stretch, until func(string) bool) []Place {
	var list []Place
	count := map[string]int{}
	inside := false
	for i, line := range log {
		if inside = inside || i > 0 && in.Begin(line); !inside {
			continue
		}
		if until != nil && until(line) {
			break
		}
		name := CallName(line)
		if !OfRuntime(log, i) {
			count[name]++
			list = append(list, Place{name, count[name], line})
		}
		if name == "execve" || name == "pidfd_send_signal" && !strings.Contains(line, ", 0, NULL, 0)") {
			break
		}
	}
	return list
}

// CountBefore is the number of calls of a name before a stretch.
func CountBefore(log []string, in Stretch, call string) int {
	n := 0
	for _, line := range log[1:] {
		if in.Begin(line) {
			break
		}
		if CallName(line) == call {
			n++
		}
	}
	return n
}

// NoCaps is an empty set in /proc/PID/status.
const NoCaps = "0000000000000000"

// RefusedWith complains unless nothing ran, and one line on standard error, which
// begins in one of the ways given, says so.
func RefusedWith(t *testing.T, o Outcome, status int, end string, begin ...string) {
	t.Helper()
	if o.Ran {
		t.Errorf("it ran, as %v: %v", o.As, o.Result)
	}
	begins := func(s string) bool { return strings.HasPrefix(o.Err, "ironwrap: "+s) }
	if o.Status != status || o.Out != "" || !OneLine(o.Err) || !slices.ContainsFunc(begin, begins) || !strings.HasSuffix(o.Err, end+"\n") {
		t.Errorf("not status %d and one line %q ... %q: %v", status, begin, end, o.Result)
	}
}

// As in faults_test.go, one system call at a time is made to fail: here those
// that only a sandbox section brings.

// SandboxScene is a scene whose filter has a sandbox section; DIR in its lines is
// the scene's directory.
func SandboxScene(t *testing.T, name, user, lines string) *Scene {
	t.Helper()
	Need(t, "strace", "/usr/bin/strace")
	p := NewPolicy(t, "")
	if err := os.Mkdir(p.Dir+"/out", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(p.Dir+"/out", 65534, 0); err != nil {
		t.Fatal(err)
	}
	ProfileIn(t, p.Dir)
	Write(t, p.Dir+"/in/f", "text\n")
	lines = strings.ReplaceAll(lines, "DIR", p.Dir)
	Pin(t, p.Conf, Kept)
	Write(t, p.Filters, fmt.Sprintf("[Filters]\ncp: CommandFilter, cp, %s\n[Sandbox:cp]\n%s\n", user, lines))
	return &Scene{Name: name, Program: Ours, Conf: p.Conf, As: map[string]string{}, stdin: p.Dir + "/in/f",
		Words: func(marker string, _ int) []string { return []string{"cp", "/proc/self/status", marker} }}
}
