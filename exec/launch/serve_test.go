package launch

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	osexec "os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ironwrap/filters"
	"ironwrap/sandbox"
)

// The children are on the leading thread, as the launcher is.
func init() { runtime.LockOSThread() }

func TestMain(m *testing.M) {
	switch os.Getenv("LAUNCH_TEST_CHILD") {
	case "serve": // what cmd/ironwrap-launch does
		if err := Serve(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	case "pair": // it makes a pair, hands one end to a launcher, and is not its parent
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		if err != nil {
			panic(err)
		}
		if err := unix.Sendmsg(Socket, []byte{1}, unix.UnixRights(pair[0]), nil, 0); err != nil {
			panic(err)
		}
		_, _ = unix.Read(Socket, make([]byte, 1)) // until the test is done
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not root: the launcher, which must be, was not checked here")
	}
}

// child starts this binary as a launcher with fd as its socket.
func child(t testing.TB, fd int) (c *osexec.Cmd, stderr *bytes.Buffer) {
	t.Helper()
	c = osexec.Command("/proc/self/exe")
	c.Env = []string{"LAUNCH_TEST_CHILD=serve"}
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	copied, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 10)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(copied), "socket")
	defer f.Close()
	c.ExtraFiles = []*os.File{f}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill(); c.Wait() })
	return c, &out
}

func socketpair(t testing.TB) (theirs, ours int) {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return pair[0], pair[1]
}

func order(argv ...string) *Command {
	return &Command{Argv: filters.Words(argv), Spec: sandbox.Spec{Umask: 0o22, NoFile: 256, Capabilities: sandbox.Capabilities{All: true}}}
}

// give hands c over, as the daemon does.
func give(socket int, c *Command, stdio [3]int, stay bool) error {
	message, fds, err := (&Order{Command: c, Stdio: stdio, Stay: stay}).Message()
	if err != nil {
		return err
	}
	return sendAll(socket, message, fds)
}

func sendAll(socket int, message []byte, fds []int) error {
	rights := unix.UnixRights(fds...)
	for len(message) > 0 {
		n, err := unix.SendmsgN(socket, message, rights, nil, unix.MSG_NOSIGNAL)
		if err == unix.EPIPE || err == unix.ECONNRESET {
			return ErrGone
		}
		if err != nil {
			return err
		}
		message, rights = message[n:], nil
	}
	return nil
}

// reader reads a descriptor, which stays the caller's.
type reader int

func (r reader) Read(buf []byte) (int, error) {
	n, err := unix.Read(int(r), buf)
	if n == 0 && err == nil {
		err = io.EOF
	}
	return n, err
}

// result is what the launcher says of a command that it was to become.
func result(socket int, c *Command) error {
	reply, err := ReadReply(reader(socket), c)
	switch {
	case err == io.EOF:
		return nil
	case err == unix.ECONNRESET:
		return ErrGone
	case err != nil:
		return err
	}
	return reply.Err
}

// output is a pipe for what a command prints, and /dev/null for its input.
func output(t testing.TB) (stdio [3]int, out *os.File, closeOurs func()) {
	t.Helper()
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return [3]int{null, int(w.Fd()), int(w.Fd())}, r, func() { unix.Close(null); w.Close() }
}

// launched has a launcher become c, and tells what it printed and what became of it.
func launched(t *testing.T, c *Command) (string, *os.ProcessState, error) {
	t.Helper()
	theirs, ours := socketpair(t)
	defer unix.Close(ours)
	p, _ := child(t, theirs)
	unix.Close(theirs)
	stdio, out, done := output(t)
	err := give(ours, c, stdio, false)
	done()
	if err != nil {
		return "", nil, err
	}
	text, _ := io.ReadAll(out)
	p.Wait()
	return string(text), p.ProcessState, result(ours, c)
}

func TestOrder(t *testing.T) {
	needRoot(t)
	out, state, err := launched(t, order("/bin/echo", "a \xff\n", ""))
	if out != "a \xff\n \n" || !state.Success() || err != nil {
		t.Errorf("%q, %v, %v", out, state, err)
	}

	c := order("/bin/sh", "-c", `echo "$A"; id -u; exit 3`)
	c.Env, c.Spec.UID, c.Spec.GID, c.Spec.Groups = []filters.Var{{Name: "A", Value: "b=\xfe c"}, {Name: "PATH", Value: "/usr/bin"}}, 65534, 65533, []uint32{65533}
	out, state, err = launched(t, c)
	if out != "b=\xfe c\n65534\n" || state.ExitCode() != 3 || err != nil {
		t.Errorf("%q, %v, %v", out, state, err)
	}
}

// Open files travel beside the order, and have other numbers there.
func TestOrderDescriptors(t *testing.T) {
	needRoot(t)
	c := order("/bin/cat", "first", "second")
	for i, text := range []string{"one\n", "two\n"} {
		path := t.TempDir() + "/f"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		c.Pinned(i+1, fd)
		os.Remove(path)
	}
	defer c.Close()
	out, _, err := launched(t, c)
	if out != "one\ntwo\n" || err != nil {
		t.Errorf("%q, %v", out, err)
	}
}

// As many descriptors as one message may carry, and one more.
func TestOrderManyDescriptors(t *testing.T) {
	needRoot(t)
	for _, n := range []int{maxDescriptors - 3, maxDescriptors - 2} { // besides the standard ones
		c := order("/bin/sh", "-c", "echo /proc/self/fd/*")
		c.Spec.NoFile = 1024
		for range n {
			fd, err := unix.Open("/etc/passwd", unix.O_PATH|unix.O_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			c.Spec.Keep = append(c.Spec.Keep, fd)
		}
		out, _, err := launched(t, c)
		c.Close()
		if n > maxDescriptors-3 {
			if err == nil || !strings.Contains(err.Error(), "at most 250") {
				t.Errorf("%d: %v", n, err)
			}
		} else if err != nil || len(strings.Fields(out)) < n {
			t.Errorf("%d: %d came, %v", n, len(strings.Fields(out)), err)
		}
	}
}

func TestOrderHuge(t *testing.T) {
	needRoot(t)
	argv := []string{"/bin/sh", "-c", `echo $#`, "sh"}
	for range 15 {
		argv = append(argv, strings.Repeat("x", 120_000)) // one word may have 128 kB
	}
	if out, _, err := launched(t, order(argv...)); out != "15\n" || err != nil {
		t.Errorf("1.8 MB: %.100q, %v", out, err)
	}
	for range 10 {
		argv = append(argv, strings.Repeat("x", 120_000))
	}
	var exec *ExecError
	if _, _, err := launched(t, order(argv...)); err == nil || errors.As(err, &exec) || !strings.Contains(err.Error(), "cannot pass the arguments to /bin/sh: argument list too long") {
		t.Errorf("3 MB: %v", err)
	}
	if _, _, err := launched(t, order("/bin/echo", strings.Repeat("x", maxOrder))); !errors.Is(err, unix.E2BIG) {
		t.Errorf("more than an order may have: %v", err)
	}
}

// What is reported comes back as the error that it was.
func TestReports(t *testing.T) {
	needRoot(t)
	var exec *ExecError
	if out, _, err := launched(t, order("/nonexistent/x")); !errors.As(err, &exec) || exec.Err != unix.ENOENT || exec.Path != "/nonexistent/x" || out != "" {
		t.Errorf("%v, %q", err, out)
	}

	c := order("/bin/true")
	c.Spec.Limits = []sandbox.Limit{{Resource: 9999, Value: 1}}
	if out, _, err := launched(t, c); err == nil || errors.As(err, &exec) || !strings.Contains(err.Error(), "limit 9999") || out != "" {
		t.Errorf("the sandbox: %v, and there %q", err, out)
	}

	// A signal to a process that is gone, and to one that is there.
	sleep := osexec.Command("/bin/sleep", "60")
	var fd int
	sleep.SysProcAttr = &syscall.SysProcAttr{PidFD: &fd}
	if err := sleep.Start(); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	c = order("/bin/kill")
	c.Signal = &filters.Signal{Number: 9, Process: filters.Process{PID: sleep.Process.Pid, FD: fd, Dir: procDir(t, sleep.Process.Pid)}}
	var signal *SignalError
	if _, _, err := launched(t, c); !errors.As(err, &signal) || signal.Err != errExecuted {
		t.Errorf("a signal to a process that runs another program: %v", err)
	}
	c.Signal.Process.Exe = running(t, c.Signal.Process.Dir)
	if _, state, err := launched(t, c); err != nil || !state.Success() {
		t.Errorf("%v, %v", err, state)
	}
	if sleep.Wait(); sleep.ProcessState.Sys().(syscall.WaitStatus).Signal() != unix.SIGKILL {
		t.Error(sleep.ProcessState)
	}
	if _, _, err := launched(t, c); !errors.As(err, &signal) || signal.Err != unix.ESRCH || signal.PID != sleep.Process.Pid {
		t.Error(err)
	}
}

// A launcher that is gone before it was sent an order, or before it has read it.
func TestGone(t *testing.T) {
	needRoot(t)
	theirs, ours := socketpair(t)
	defer unix.Close(ours)
	p, _ := child(t, theirs)
	unix.Close(theirs)
	p.Process.Kill()
	p.Wait()
	stdio, _, _ := output(t)
	c := order("/bin/true")
	if err := give(ours, c, stdio, false); err != ErrGone {
		t.Errorf("before the order: %v", err)
	}
	for name, read := range map[string]int{"before it was read": 0, "half read": 6} {
		theirs, ours := socketpair(t)
		if err := give(ours, c, stdio, false); err != nil {
			t.Fatal(err)
		}
		if read > 0 {
			unix.Read(theirs, make([]byte, read))
		}
		unix.Close(theirs)
		if err := result(ours, c); err != ErrGone {
			t.Errorf("%s: %v", name, err)
		}
		unix.Close(ours)
	}
}

// The daemon dies before the order, and in the middle of it: nothing is executed.
// The whole order is.
func TestDaemonGone(t *testing.T) {
	needRoot(t)
	mark := t.TempDir() + "/mark"
	stdio, _, _ := output(t)
	whole, fds, err := (&Order{Command: order("/usr/bin/touch", mark), Stdio: stdio}).Message()
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(whole) + 1 {
		if n > 12 && n < len(whole)-3 {
			continue
		}
		theirs, ours := socketpair(t)
		p, _ := child(t, theirs)
		unix.Close(theirs)
		if n > 0 {
			if err := sendAll(ours, whole[:n], fds); err != nil {
				t.Fatal(err)
			}
		}
		unix.Close(ours)
		p.Wait()
		if _, err := os.Stat(mark); (err == nil) != (n == len(whole)) {
			t.Fatalf("%d of %d bytes: %v", n, len(whole), err)
		}
	}
}

// What no encoder makes is refused by the launcher that reads it.
func TestServeMalformed(t *testing.T) {
	needRoot(t)
	stdio, _, _ := output(t)
	for name, text := range map[string]string{
		"too long":        "b\xff\xff\xff\xff",
		"empty":           "b\x00\x00\x00\x00",
		"other format":    "b\x00\x00\x00\x01\x63",
		"nothing in it":   "b\x00\x00\x00\x01\x01",
		"of another kind": "x\x00\x00\x00\x00",
		"nothing to reap": "r\x00\x00\x00\x00",
	} {
		theirs, ours := socketpair(t)
		p, out := child(t, theirs)
		unix.Close(theirs)
		var fds []int
		if name != "nothing to reap" {
			fds = stdio[:]
		}
		if err := sendAll(ours, []byte(text), fds); err != nil {
			t.Fatal(err)
		}
		p.Wait()
		err := result(ours, order("/bin/true"))
		unix.Close(ours)
		if err == nil || !strings.Contains(err.Error(), "install both from one build") {
			t.Errorf("%s: %v, %v, %s", name, err, p.ProcessState, out)
		}
	}
}
