package launch

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	osexec "os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ironwrap/filters"
	"ironwrap/sandbox"
)

func TestMain(m *testing.M) {
	switch os.Getenv("LAUNCH_TEST_CHILD") {
	case "serve": // what cmd/ironwrap-launch does
		if told, err := Serve(); err != nil {
			fmt.Fprintf(os.Stderr, "told=%v %v\n", told, err)
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

// launched hands c to a launcher, and tells what it printed and what became of it.
func launched(t *testing.T, c *Command) (string, *os.ProcessState, error) {
	t.Helper()
	theirs, ours := socketpair(t)
	defer unix.Close(ours)
	p, out := child(t, theirs)
	unix.Close(theirs)
	if err := Send(ours, c); err != nil {
		return "", nil, err
	}
	p.Wait()
	return out.String(), p.ProcessState, Result(ours, c)
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
	for _, n := range []int{maxDescriptors, maxDescriptors + 1} {
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
		if n > maxDescriptors {
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
	if _, _, err := launched(t, order(argv...)); !errors.As(err, &exec) || exec.Err != unix.E2BIG {
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
	if _, state, err := launched(t, order("/nonexistent/x")); !errors.As(err, &exec) || exec.Err != unix.ENOENT || exec.Path != "/nonexistent/x" || state.Success() {
		t.Errorf("%v, %v", err, state)
	}

	c := order("/bin/true")
	c.Spec.Limits = []sandbox.Limit{{Resource: 9999, Value: 1}}
	if out, _, err := launched(t, c); err == nil || errors.As(err, &exec) || !strings.Contains(out, err.Error()) {
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
	c.Signal = &filters.Signal{Number: 9, Process: filters.Process{PID: sleep.Process.Pid, FD: fd}}
	if _, state, err := launched(t, c); err != nil || !state.Success() {
		t.Errorf("%v, %v", err, state)
	}
	if sleep.Wait(); sleep.ProcessState.Sys().(syscall.WaitStatus).Signal() != unix.SIGKILL {
		t.Error(sleep.ProcessState)
	}
	var signal *SignalError
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
	if err := Send(ours, order("/bin/true")); err != ErrGone {
		t.Errorf("before the order: %v", err)
	}

	theirs, ours2 := socketpair(t)
	defer unix.Close(ours2)
	c := order("/bin/true")
	if err := Send(ours2, c); err != nil {
		t.Fatal(err)
	}
	unix.Close(theirs)
	if err := Result(ours2, c); err != ErrGone {
		t.Errorf("before it was read: %v", err)
	}

	// It has read a part of it.
	theirs, ours3 := socketpair(t)
	defer unix.Close(ours3)
	if err := Send(ours3, c); err != nil {
		t.Fatal(err)
	}
	unix.Read(theirs, make([]byte, 9))
	unix.Close(theirs)
	if err := Result(ours3, c); err != ErrGone {
		t.Errorf("half read: %v", err)
	}
}

// The daemon dies: before the order, and in the middle of it. Nothing is executed.
func TestDaemonGone(t *testing.T) {
	needRoot(t)
	mark := t.TempDir() + "/mark"
	whole, err := message(t, order("/usr/bin/touch", mark))
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(whole) {
		if n > 12 && n < len(whole)-3 {
			continue
		}
		theirs, ours := socketpair(t)
		p, out := child(t, theirs)
		unix.Close(theirs)
		if n > 0 {
			unix.Write(ours, whole[:n])
		}
		unix.Close(ours)
		p.Wait()
		if (n == 0) != p.ProcessState.Success() {
			t.Errorf("%d bytes: %v, %s", n, p.ProcessState, out)
		}
		if _, err := os.Stat(mark); err == nil {
			t.Fatalf("%d of %d bytes: it was executed", n, len(whole))
		}
	}
}

// message is what Send writes for c.
func message(t *testing.T, c *Command) ([]byte, error) {
	t.Helper()
	theirs, ours := socketpair(t)
	if err := Send(ours, c); err != nil {
		return nil, err
	}
	unix.Close(ours)
	f := os.NewFile(uintptr(theirs), "order")
	defer f.Close()
	return io.ReadAll(f)
}

// What no encoder makes is refused by the launcher that reads it.
func TestServeMalformed(t *testing.T) {
	needRoot(t)
	for name, text := range map[string]string{
		"too long":      "\xff\xff\xff\xff\xff\xff\xff\xff",
		"empty":         "\x00\x00\x00\x00\x00\x00\x00\x00",
		"other format":  "\x00\x00\x00\x00\x00\x00\x00\x01\x63",
		"nothing in it": "\x00\x00\x00\x00\x00\x00\x00\x01\x01",
	} {
		theirs, ours := socketpair(t)
		p, out := child(t, theirs)
		unix.Close(theirs)
		unix.Write(ours, []byte(text))
		p.Wait()
		err := Result(ours, order("/bin/true"))
		unix.Close(ours)
		if err == nil || !strings.Contains(err.Error(), "install both from one build") || p.ProcessState.Success() {
			t.Errorf("%s: %v, %v, %s", name, err, p.ProcessState, out)
		}
	}
}
