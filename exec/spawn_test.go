package exec

import (
	"errors"
	"fmt"
	"io"
	"os"
	osexec "os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ironwrap/exec/launch"
	"ironwrap/filters"
	"ironwrap/sandbox"
)

// build makes the real launcher into a directory of root's, and has the tests use it.
func build(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not root: launchers were not checked")
	}
	dir, err := os.MkdirTemp("/var/lib", "ironwrap-test-")
	if err != nil {
		t.Fatal(err)
	}
	old := LauncherPath
	LauncherPath = dir + "/ironwrap-launch"
	t.Cleanup(func() { LauncherPath = old; os.RemoveAll(dir) })
	build := osexec.Command("go", "build", "-o", LauncherPath, "ironwrap/cmd/ironwrap-launch")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}

func launchers(t *testing.T, spares int) *Launchers {
	t.Helper()
	l, err := NewLaunchers(spares)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func plan(argv ...string) *Plan {
	return &Plan{Command: launch.Command{Argv: filters.Words(argv), Spec: sandbox.Spec{
		Umask: 0o22, NoFile: 256, Capabilities: sandbox.Capabilities{All: true},
	}}}
}

// confined is a plan whose launcher becomes the command; that of plan stays.
func confined(argv ...string) *Plan {
	p := plan(argv...)
	p.Spec.NoNewPrivs = true
	return p
}

var kinds = map[string]func(argv ...string) *Plan{"stays": plan, "becomes": confined}

// pipe is our end of one.
type pipe End

func (p pipe) Read(b []byte) (int, error) {
	for {
		unix.Poll([]unix.PollFd{{Fd: int32(p), Events: unix.POLLIN}}, -1)
		n, err := unix.Read(int(p), b)
		switch {
		case err == unix.EAGAIN || err == unix.EINTR:
			continue
		case n == 0 && err == nil:
			err = io.EOF
		}
		return max(n, 0), err
	}
}

// outcome is what a process printed, and how it ended.
func outcome(t *testing.T, p *Process) (string, syscall.WaitStatus, error) {
	t.Helper()
	defer p.Close()
	p.Stdin.Close()
	out, _ := io.ReadAll(pipe(p.Stdout))
	errs, _ := io.ReadAll(pipe(p.Stderr))
	status, err := p.Wait()
	return string(out) + string(errs), status, err
}

// mine lists the children of the test that are launchers or were.
func mine(t *testing.T) (pids []int) {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		b, _ := os.ReadFile("/proc/self/task/" + task.Name() + "/children")
		for _, f := range strings.Fields(string(b)) {
			var pid int
			fmt.Sscan(f, &pid)
			if exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); strings.HasPrefix(exe, LauncherPath) || exe == "" {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

func waitingSpares(l *Launchers) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.spares)
}

func idleOnes(l *Launchers) []*launcher {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.idle)
}

func descriptorCount(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for range 4000 {
		if done() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("waited in vain: %s", what)
}

func TestSpawn(t *testing.T) {
	build(t)
	l := launchers(t, 2)
	defer l.Close()
	for _, plan := range kinds {
		spawn(t, l, plan)
	}
}

func spawn(t *testing.T, l *Launchers, plan func(...string) *Plan) {
	for i := range 10 {
		p, err := l.Spawn(plan("/bin/echo", fmt.Sprint("number ", i)))
		if err != nil {
			t.Fatal(err)
		}
		if out, status, err := outcome(t, p); err != nil || status != 0 || out != fmt.Sprintf("number %d\n", i) {
			t.Errorf("%q, %v, %v", out, status, err)
		}
	}
	p, err := l.Spawn(plan("/bin/sh", "-c", "exit 7"))
	if err != nil {
		t.Fatal(err)
	}
	if _, status, err := outcome(t, p); err != nil || status.ExitStatus() != 7 {
		t.Errorf("%v, %v", status, err)
	}
	p, err = l.Spawn(plan("/etc/passwd"))
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = outcome(t, p)
	var exec *launch.ExecError
	if !errors.As(err, &exec) || exec.Path != "/etc/passwd" || exec.Err != unix.EACCES {
		t.Errorf("what cannot be executed: %v", err)
	}
}

// What waits is what is used, and another takes its place.
func TestSpares(t *testing.T) {
	build(t)
	l := launchers(t, 3)
	defer l.Close()
	eventually(t, "three launchers wait", func() bool { return len(mine(t)) == 3 && waitingSpares(l) == 3 })
	before := mine(t)
	p, err := l.Spawn(confined("/bin/cat"))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(before, p.launcher.pid) {
		t.Errorf("process %d is none of those that waited, %v", p.launcher.pid, before)
	}
	eventually(t, "another has taken its place", func() bool {
		return waitingSpares(l) == 3 && len(mine(t)) >= 3
	})
	outcome(t, p)
}

// Spares that somebody has killed cost nothing but themselves.
func TestKilledSpares(t *testing.T) {
	build(t)
	l := launchers(t, 3)
	defer l.Close()
	for range 5 {
		eventually(t, "launchers wait", func() bool { return waitingSpares(l) == 3 })
		for _, pid := range mine(t) {
			unix.Kill(pid, unix.SIGKILL)
			// The leading thread may be dead before the others, which hold the socket.
			eventually(t, "it is dead", func() bool {
				b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
				tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
				return err != nil || strings.Contains(string(b), ") Z ") && len(tasks) < 2
			})
		}
		for name, plan := range kinds {
			p, err := l.Spawn(plan("/bin/echo", "alive"))
			if err != nil {
				t.Fatal(err)
			}
			if out, _, err := outcome(t, p); err != nil || out != "alive\n" {
				t.Errorf("%s: %q, %v", name, out, err)
			}
		}
	}
}

// A launcher that always ends at once is not started over and over.
func TestSpareThatCannotWork(t *testing.T) {
	build(t)
	build := osexec.Command("go", "build", "-o", LauncherPath, "./testdata/ends")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	l := launchers(t, 1)
	time.Sleep(time.Second)
	l.Close()
	if n, err := os.ReadFile(LauncherPath + ".count"); err != nil || len(n) > 15 {
		t.Errorf("started %d times in a second, %v", len(n), err)
	}
}

// A signal reaches what the command has started, too.
func TestKillGroup(t *testing.T) {
	build(t)
	l := launchers(t, 1)
	defer l.Close()
	for _, plan := range kinds {
		killGroup(t, l, plan)
	}
}

func killGroup(t *testing.T, l *Launchers, plan func(...string) *Plan) {
	p, err := l.Spawn(plan("/bin/sh", "-c", "sleep 7531 & echo $!; wait"))
	if err != nil {
		t.Fatal(err)
	}
	var child int
	if _, err := fmt.Fscan(pipe(p.Stdout), &child); err != nil {
		t.Fatal(err)
	}
	p.Kill(unix.SIGTERM)
	for !p.Ended() {
		p.poll(-1)
		p.Listen()
	}
	_, status, err := outcome(t, p)
	if err != nil || !status.Signaled() || status.Signal() != unix.SIGTERM {
		t.Errorf("%v, %v", status, err)
	}
	eventually(t, "its child is gone", func() bool { return unix.Kill(child, 0) == unix.ESRCH })
	p.Kill(unix.SIGKILL) // of nobody: it was waited for
}

// Close leaves nothing: no process, no descriptor. What runs runs on.
func TestCloseLeavesNothing(t *testing.T) {
	build(t)
	launchers(t, 1).Close() // what the runtime opens once it has opened now
	before := descriptorCount(t)
	for _, spares := range []int{0, 1, 4} {
		l := launchers(t, spares)
		var running []*Process
		for _, plan := range kinds {
			idle, err := l.Spawn(plan("/bin/true"))
			if err != nil {
				t.Fatal(err)
			}
			outcome(t, idle)
			p, err := l.Spawn(plan("/bin/sh", "-c", "read x; echo $x"))
			if err != nil {
				t.Fatal(err)
			}
			running = append(running, p)
			eventually(t, "it has become the shell", func() bool { return p.stay || !slices.Contains(mine(t), p.launcher.pid) })
		}
		l.Close()
		for _, pid := range mine(t) {
			if !slices.ContainsFunc(running, func(p *Process) bool { return p.stay && p.launcher.pid == pid }) {
				t.Errorf("%d spares: process %d is left", spares, pid)
			}
		}
		for _, p := range running {
			unix.Write(int(p.Stdin), []byte("still here\n"))
			if out, _, err := outcome(t, p); out != "still here\n" || err != nil {
				t.Errorf("%q, %v", out, err)
			}
		}
		eventually(t, "the launcher that stayed is gone", func() bool { return len(mine(t)) == 0 })
		// One that was being started when it closed is closed by who starts it.
		eventually(t, fmt.Sprintf("%d spares: no more than %d descriptors are left", spares, before), func() bool { return descriptorCount(t) <= before })
	}
}

// An upgrade on disk does not change what runs.
func TestReplacedLauncher(t *testing.T) {
	build(t)
	l := launchers(t, 1)
	defer l.Close()
	os.Remove(LauncherPath)
	if err := os.WriteFile(LauncherPath, []byte("#!/bin/sh\necho another program\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		p, err := l.Spawn(plan("/bin/echo", "ours"))
		if err != nil {
			t.Fatal(err)
		}
		if out, _, err := outcome(t, p); err != nil || out != "ours\n" {
			t.Errorf("%q, %v", out, err)
		}
	}
}

// A launcher that is not there, or that somebody else could have written.
func TestUntrustedLauncher(t *testing.T) {
	dir := build(t)
	for _, tt := range []struct {
		name, want string
		spoil      func() error
	}{
		{"writable", "writable", func() error { return os.Chmod(LauncherPath, 0o777) }},
		{"foreign", "uid 65534", func() error { return errors.Join(os.Chmod(LauncherPath, 0o755), os.Chown(LauncherPath, 65534, 0)) }},
		{"in a foreign directory", dir, func() error { return errors.Join(os.Chown(LauncherPath, 0, 0), os.Chown(dir, 65534, 0)) }},
		{"missing", "no such file", func() error { return errors.Join(os.Chown(dir, 0, 0), os.Remove(LauncherPath)) }},
		{"a directory", "directory", func() error { return os.Mkdir(LauncherPath, 0o755) }},
	} {
		if err := tt.spoil(); err != nil {
			t.Fatal(err)
		}
		before := descriptorCount(t)
		l, err := NewLaunchers(1)
		if err == nil {
			l.Close()
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), LauncherPath) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", tt.name, err)
		}
		if after := descriptorCount(t); after > before {
			t.Errorf("%s: %d descriptors before, %d after", tt.name, before, after)
		}
	}
}

// Errors at any time leave no descriptor behind.
func TestStartWithoutDescriptors(t *testing.T) {
	build(t)
	l := launchers(t, 0)
	defer l.Close()
	before := descriptorCount(t)
	var old unix.Rlimit
	unix.Getrlimit(unix.RLIMIT_NOFILE, &old)
	defer unix.Setrlimit(unix.RLIMIT_NOFILE, &old)
	for more := range 9 {
		unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(before + more), Max: old.Max})
		if p, err := l.start(); err == nil {
			p.end()
		} else if !strings.Contains(err.Error(), "cannot start "+LauncherPath+": too many open files") {
			t.Errorf("%d free: %v", more, err)
		}
		unix.Setrlimit(unix.RLIMIT_NOFILE, &old)
		if after := descriptorCount(t); after > before {
			t.Fatalf("%d free: %d descriptors before, %d after", more, before, after)
		}
	}
}

// Those that stay come back, are not more than are needed, and make way for another
// kind.
func TestStaying(t *testing.T) {
	build(t)
	l := launchers(t, 1)
	defer l.Close()
	several := func(n int, argv ...string) (list []*Process) {
		for range n {
			p, err := l.Spawn(plan(argv...))
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, p)
		}
		return list
	}
	used := map[int]bool{}
	for range 20 {
		p := several(1, "/bin/true")[0]
		used[p.launcher.pid] = true
		outcome(t, p)
	}
	if len(used) != 1 {
		t.Errorf("20 commands, one after the other, took %d launchers", len(used))
	}
	for _, p := range several(6, "/bin/cat") {
		outcome(t, p)
	}
	if len(idleOnes(l)) != 6 {
		t.Errorf("after six commands at once %d launchers stay", len(idleOnes(l)))
	}
	l.Trim() // since the last time all were needed
	l.Trim()
	if len(idleOnes(l)) != 1 {
		t.Errorf("%d launchers stay, of which none was needed", len(idleOnes(l)))
	}
	eventually(t, "the others are gone", func() bool { return len(mine(t)) == 2 }) // a spare, and the one

	other := plan("/bin/sh", "-c", "ulimit -n")
	other.Spec.NoFile = 99
	p, err := l.Spawn(other)
	if err != nil {
		t.Fatal(err)
	}
	if out, _, err := outcome(t, p); out != "99\n" || err != nil {
		t.Errorf("%q, %v", out, err)
	}
	if idle := idleOnes(l); len(idle) != 1 || idle[0] != p.launcher {
		t.Errorf("%d launchers stay, not the one of the new kind", len(idle))
	}
}

// A launcher that is killed while its command runs takes it along, and says so.
func TestKilledLauncher(t *testing.T) {
	build(t)
	l := launchers(t, 1)
	defer l.Close()
	p, err := l.Spawn(plan("/bin/sh", "-c", "echo $$; exec sleep 60"))
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Fscan(pipe(p.Stdout), &pid); err != nil {
		t.Fatal(err)
	}
	unix.Kill(p.launcher.pid, unix.SIGKILL)
	if _, _, err := outcome(t, p); err != errLauncher {
		t.Errorf("%v", err)
	}
	eventually(t, "the command is gone", func() bool { return unix.Kill(pid, 0) == unix.ESRCH })
	p.Kill(unix.SIGKILL) // of nobody
	if out, _, err := func() (string, syscall.WaitStatus, error) {
		p, err := l.Spawn(plan("/bin/echo", "next"))
		if err != nil {
			return "", 0, err
		}
		return outcome(t, p)
	}(); out != "next\n" || err != nil {
		t.Errorf("%q, %v", out, err)
	}
}

// An end that was dropped is not waited for, though another process may hold the pipe
// a while longer.
func TestDrop(t *testing.T) {
	build(t)
	l := launchers(t, 1)
	defer l.Close()
	p, err := l.Spawn(confined("/bin/sh", "-c", "exec >&-; sleep 0.3"))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	held, err := unix.Dup(int(p.Stdout))
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(held)
	seen := false
	for turns := 0; !p.Ended(); turns++ {
		ready, err := p.Waiter.Wait()
		if err != nil || turns > 20 {
			t.Fatalf("after %d turns: %v, %v", turns, ready, err)
		}
		for _, fd := range ready {
			switch {
			case fd == held:
				t.Error("another descriptor of the pipe")
			case fd == int(p.Stdout):
				seen = true
				p.Drop(&p.Stdout)
			case fd == int(p.Stderr):
				p.Drop(&p.Stderr)
			default:
				p.Listen()
			}
		}
	}
	if !seen {
		t.Error("the end of the output was not seen")
	}
}
