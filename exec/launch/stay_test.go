package launch

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ironwrap/filters"
	"ironwrap/sandbox"
)

// Whatever a section can say takes a command from those that a launcher stays for.
func TestPlain(t *testing.T) {
	if !order("/bin/true").Plain() {
		t.Error("a command of root's without confinement is not plain")
	}
	c := order("/bin/true")
	c.Spec.Groups, c.Spec.Umask, c.Spec.NoFile, c.Spec.Keyring = []uint32{0, 7}, 0o77, 5, sandbox.KeyringFresh
	if !c.Plain() {
		t.Error("groups, umask, descriptors and a new keyring confine nothing")
	}
	for name, change := range map[string]func(*Command){
		"uid":             func(c *Command) { c.Spec.UID = 1 },
		"gid":             func(c *Command) { c.Spec.GID = 1 },
		"limits":          func(c *Command) { c.Spec.Limits = []sandbox.Limit{{Resource: 1, Value: 2}} },
		"nice":            func(c *Command) { c.Spec.Nice = -1 },
		"oom score":       func(c *Command) { c.Spec.OOMScore = 1 },
		"capabilities":    func(c *Command) { c.Spec.Capabilities = sandbox.Capabilities{Set: 1<<63 - 1} },
		"no_new_privs":    func(c *Command) { c.Spec.NoNewPrivs = true },
		"mdwe":            func(c *Command) { c.Spec.DenyWriteExec = true },
		"nice, asked":     func(c *Command) { c.Spec.NiceAsked = true },
		"score, asked":    func(c *Command) { c.Spec.OOMScoreAsked = true },
		"private network": func(c *Command) { c.Spec.PrivateNetwork = true },
		"landlock log":    func(c *Command) { c.Spec.LandlockLog = true },
		"private mounts":  func(c *Command) { c.Spec.PrivateMounts = true },
		"private tmp":     func(c *Command) { c.Spec.PrivateTmp = []sandbox.Place{{Path: "/tmp", FD: 7}} },
		"read only":       func(c *Command) { c.Spec.ReadOnly = []sandbox.Place{{Path: "/etc", FD: 7}} },
		"profile":         func(c *Command) { c.Spec.AppArmor = "p" },
		"context":         func(c *Command) { c.Spec.SELinux = "u:r:t" },
		"landlock":        func(c *Command) { c.Spec.Landlock = []int{7} },
		"seccomp":         func(c *Command) { c.Spec.Seccomp = full(t).Spec.Seccomp },
		"kept file":       func(c *Command) { c.Spec.Keep = []int{7} },
		"pinned word":     func(c *Command) { c.Pinned(0, 7) },
		"signal":          func(c *Command) { c.Signal = &filters.Signal{} },
	} {
		c := order("/bin/true")
		change(c)
		if c.Plain() {
			t.Errorf("%s: plain", name)
		}
	}
}

// staying talks to one launcher that stays.
type staying struct {
	*testing.T
	socket int
	end    func() (exit int, stderr string)
}

func stays(t *testing.T) *staying {
	t.Helper()
	needRoot(t)
	theirs, ours := socketpair(t)
	p, stderr := child(t, theirs)
	unix.Close(theirs)
	t.Cleanup(func() { unix.Close(ours) })
	return &staying{t, ours, func() (int, string) { p.Wait(); return p.ProcessState.ExitCode(), stderr.String() }}
}

// run has one command started, and returns what it printed, its pid and its status.
func (s *staying) run(c *Command) (text string, pid int, status syscall.WaitStatus, err error) {
	s.Helper()
	stdio, out, done := output(s)
	err = give(s.socket, c, stdio, true)
	done()
	if err != nil {
		return "", 0, 0, err
	}
	for {
		reply, err := ReadReply(reader(s.socket), c)
		switch {
		case err != nil:
			return "", pid, 0, err
		case reply.Err != nil:
			return "", pid, 0, reply.Err
		case reply.Started > 0:
			pid = reply.Started
		case reply.Ended:
			b, _ := io.ReadAll(out)
			return string(b), pid, syscall.WaitStatus(reply.Status), nil
		}
	}
}

func (s *staying) reap() {
	s.Helper()
	if err := sendAll(s.socket, Reap(), nil); err != nil {
		s.Fatal(err)
	}
}

// One launcher starts one command after the other, each as if it were the first.
func TestStay(t *testing.T) {
	s := stays(t)
	var first string
	for range 3 {
		// What a command leaves behind in its own process is nothing to the next.
		c := order("/bin/sh", "-c", "umask; ulimit -n; ulimit -c; grep -E '^(Sig[PBIC]|Cap|Uid|Gid|Groups|NoNew|Seccomp)' /proc/self/status; ls /proc/self/fd | wc -l; umask 0; ulimit -n 9; exit 3")
		text, pid, status, err := s.run(c)
		if err != nil || pid < 1 || !status.Exited() || status.ExitStatus() != 3 || !strings.HasPrefix(text, "0022\n256\n0\n") {
			t.Fatalf("%q, %d, %v, %v", text, pid, status, err)
		}
		if first == "" {
			first = text
		} else if text != first {
			t.Errorf("%q, and the first saw %q", text, first)
		}
		// Its id is held until it is let go of.
		if err := unix.Kill(pid, 0); err != nil {
			t.Errorf("before: %v", err)
		}
		s.reap()
	}
	_, pid, status, err := s.run(order("/bin/sh", "-c", "kill -9 $$"))
	if err != nil || !status.Signaled() || status.Signal() != unix.SIGKILL {
		t.Errorf("killed: %v, %v", status, err)
	}
	s.reap()
	_, other, status, err := s.run(order("/bin/sh", "-c", "exit 0"))
	if err != nil || status != 0 || unix.Kill(pid, 0) != unix.ESRCH && pid != other {
		t.Errorf("after: %v, %v, and process %d is there still", status, err, pid)
	}
	s.reap()

	// What cannot be executed costs nothing but itself.
	var program *ExecError
	if _, _, _, err := s.run(order("/nonexistent")); !errors.As(err, &program) || program.Err != unix.ENOENT {
		t.Errorf("%v", err)
	}
	if text, _, status, err := s.run(order("/bin/echo", "on")); text != "on\n" || status != 0 || err != nil {
		t.Errorf("%q, %v, %v", text, status, err)
	}
	s.reap()
	unix.Shutdown(s.socket, unix.SHUT_RDWR)
	if exit, stderr := s.end(); exit != 0 || stderr != "" {
		t.Errorf("it ended with status %d, and said %q", exit, stderr)
	}
}

// A launcher stays for nothing that is confined, and for nothing but what it began
// with.
func TestStayRefuses(t *testing.T) {
	mark := t.TempDir() + "/mark"
	touch := func(change func(*Command)) *Command {
		c := order("/usr/bin/touch", mark)
		change(c)
		return c
	}
	for name, commands := range map[string][]*Command{
		"another user's":            {touch(func(c *Command) { c.Spec.UID = 65534 })},
		"confined":                  {touch(func(c *Command) { c.Spec.NoNewPrivs = true })},
		"another umask than before": {order("/bin/true"), touch(func(c *Command) { c.Spec.Umask = 0o77 })},
		"confined, afterwards":      {order("/bin/true"), touch(func(c *Command) { c.Spec.PrivateMounts = true })},
	} {
		s := stays(t)
		for i, c := range commands {
			_, _, _, err := s.run(c)
			if last := i == len(commands)-1; last != (err != nil) {
				t.Errorf("%s: command %d: %v", name, i, err)
			}
			if err == nil {
				s.reap()
			}
		}
		s.end()
		if _, err := os.Stat(mark); err == nil {
			t.Fatalf("%s: it was executed", name)
		}
	}
}

// Whoever kills the launcher kills the command, as where they are one process.
func TestStayKilled(t *testing.T) {
	s := stays(t)
	stdio, out, done := output(t)
	c := order("/bin/sh", "-c", "echo $PPID; exec sleep 60")
	if err := give(s.socket, c, stdio, true); err != nil {
		t.Fatal(err)
	}
	done()
	reply, err := ReadReply(reader(s.socket), c)
	if err != nil || reply.Started == 0 {
		t.Fatalf("%+v, %v", reply, err)
	}
	line := make([]byte, 32)
	n, _ := out.Read(line)
	launcher := 0
	for _, digit := range bytes.TrimSpace(line[:n]) {
		launcher = launcher*10 + int(digit-'0')
	}
	if err := unix.Kill(launcher, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	// The pipe ends when the last process that holds it is gone.
	if rest, err := io.ReadAll(out); err != nil || len(rest) > 0 {
		t.Errorf("%q, %v", rest, err)
	}
}
