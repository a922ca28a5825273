package launch

import (
	"net"
	"os"
	osexec "os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Who else starts a launcher, with whatever as its socket, gets nothing executed.
func TestFromParentRefuses(t *testing.T) {
	needRoot(t)
	mark := t.TempDir() + "/mark"
	whole, _, err := (&Order{Command: order("/usr/bin/touch", mark)}).Message()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	os.WriteFile(dir+"/order", whole, 0o600)

	keep := func(fds ...int) {
		t.Cleanup(func() {
			for _, fd := range fds {
				unix.Close(fd)
			}
		})
	}
	// A pair that another process made, which hands us one end.
	foreign := func(t *testing.T, uid uint32) int {
		theirs, ours := socketpair(t)
		c := osexec.Command("/proc/self/exe")
		c.Env = []string{"LAUNCH_TEST_CHILD=pair"}
		f := os.NewFile(uintptr(theirs), "pair")
		defer f.Close()
		c.ExtraFiles = []*os.File{f}
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(ours); c.Wait() })
		rights := make([]byte, unix.CmsgSpace(4))
		_, n, _, _, err := unix.Recvmsg(ours, make([]byte, 1), rights, unix.MSG_CMSG_CLOEXEC)
		if err != nil {
			t.Fatal(err)
		}
		messages, err := unix.ParseSocketControlMessage(rights[:n])
		if err != nil || len(messages) != 1 {
			t.Fatal(messages, err)
		}
		fds, err := unix.ParseUnixRights(&messages[0])
		if err != nil {
			t.Fatal(err)
		}
		return fds[0]
	}
	// A socket on which our order comes from somebody whom anybody can be.
	connected := func(t *testing.T, address string) int {
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: address, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		near, err := net.DialUnix("unix", nil, l.Addr().(*net.UnixAddr))
		if err != nil {
			t.Fatal(err)
		}
		far, err := l.AcceptUnix()
		if err != nil {
			t.Fatal(err)
		}
		far.Write(whole)
		f, err := near.File()
		if err != nil {
			t.Fatal(err)
		}
		near.Close()
		t.Cleanup(func() { far.Close(); f.Close() })
		return int(f.Fd())
	}

	for _, tt := range []struct {
		name, want string
		fd         func(t *testing.T) int
	}{
		{"a pipe", "is no socket", func(t *testing.T) int {
			var p [2]int
			unix.Pipe2(p[:], unix.O_CLOEXEC)
			unix.Write(p[1], whole)
			keep(p[0], p[1])
			return p[0]
		}},
		{"a file", "is no socket", func(t *testing.T) int {
			fd, _ := unix.Open(dir+"/order", unix.O_RDONLY|unix.O_CLOEXEC, 0)
			keep(fd)
			return fd
		}},
		{"/dev/null", "is no socket", func(t *testing.T) int {
			fd, _ := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
			keep(fd)
			return fd
		}},
		{"an internet socket", "is no local socket", func(t *testing.T) int {
			fd, _ := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			keep(fd)
			return fd
		}},
		{"a socket that is not connected", "nobody is at the other end", func(t *testing.T) int {
			fd, _ := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			keep(fd)
			return fd
		}},
		{"connected to a listener", "a socket that others can reach", func(t *testing.T) int { return connected(t, dir+"/a") }},
		{"connected to an abstract one", "a socket that others can reach", func(t *testing.T) int { return connected(t, "@launch"+dir) }},
		{"a pair of another process of root's", "its parent is process", func(t *testing.T) int { return foreign(t, 0) }},
		{"a pair of another user's", "of uid 60001", func(t *testing.T) int { return foreign(t, 60_001) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, out := child(t, tt.fd(t))
			done := make(chan error, 1)
			go func() { done <- p.Wait() }()
			select {
			case <-done:
			case <-time.After(20 * time.Second):
				t.Fatal("it waits for an order")
			}
			if p.ProcessState.Success() || !strings.Contains(out.String(), tt.want) {
				t.Errorf("%v, %s", p.ProcessState, out)
			}
			if _, err := os.Stat(mark); err == nil {
				t.Error("it was executed")
			}
		})
	}
}
