package rig

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

// ironwrap installed setuid root: whoever starts it chooses argv, environment,
// descriptors, limits, signals, and the moment. Here each of these is tried on a
// setuid copy, by users who are nobody special.

// Installation is a setuid copy in a directory of root's, which is its ConfigDir,
// with a system log and a getent of the test's own.
type Installation struct {
	Policy
	Program string
	Guard   sync.Mutex
	Records []string
}

// SetuidInstallation makes one whose policy is filters and the extra lines.
func SetuidInstallation(t *testing.T, filters string, extra ...string) *Installation {
	t.Helper()
	in := &Installation{Policy: NewPolicy(t, filters, append([]string{"use_syslog=True", "syslog_log_level=INFO"}, extra...)...)}
	in.Program = in.Dir + "/bin/iw-rootwrap"
	if err := os.Mkdir(in.Dir+"/bin", 0o755); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-o", in.Program, "-ldflags", Ldflags(filepath.Dir(Ours))+fmt.Sprintf(
		" -X ironwrap/exec.ConfigDir=%[1]s -X ironwrap/exec/audit.Socket=%[1]s/log -X ironwrap/policy/account.Getent=%[1]s/bin/getent", in.Dir), "./cmd/ironwrap")
	build.Dir, build.Env = Root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("cannot build ironwrap: %v\n%s", err, out)
	}
	Another(t, in.Program)
	if err := os.Chmod(in.Program, os.ModeSetuid|0o755); err != nil {
		t.Fatal(err)
	}
	log, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: in.Dir + "/log", Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	go func() {
		buf := make([]byte, 64<<10)
		for {
			n, err := log.Read(buf)
			if err != nil {
				return
			}
			in.Guard.Lock()
			in.Records = append(in.Records, string(buf[:n]))
			in.Guard.Unlock()
		}
	}()
	return in
}

// As is a call by a user with these ids and supplementary groups.
func (in *Installation) As(uid, gid uint32, groups []uint32, args ...string) *exec.Cmd {
	c := exec.Command(in.Program, args...)
	c.Dir, c.Env = "/", []string{"PATH=/usr/bin:/bin"}
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid, Groups: groups}}
	return c
}

// Called is a call by the caller.
func (in *Installation) Called(args ...string) *exec.Cmd {
	return in.As(Caller.UID, Caller.GID, nil, args...)
}

// Attack starts the program by a Python script of the caller's, as without does.
func (in *Installation) Attack(t *testing.T, script string, args ...string) *exec.Cmd {
	t.Helper()
	c := Without(t, script, append([]string{in.Program}, args...)...)
	c.Dir = "/var/lib/" + Caller.Name
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: Caller.UID, Gid: Caller.GID}}
	return c
}

// Variant builds ironwrap with the configuration directory and the system log of
// a test's own: dir and dir/log. Somebody listens there until the test ends.
func Variant(t *testing.T, dir string) string {
	t.Helper()
	program := dir + "/ironwrap"
	build := exec.Command("go", "build", "-ldflags", fmt.Sprintf("%s -X ironwrap/exec.ConfigDir=%s -X ironwrap/exec/audit.Socket=%[2]s/log", Ldflags(filepath.Dir(Ours)), dir),
		"-o", program, "./cmd/ironwrap")
	build.Dir, build.Env = Root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("cannot build ironwrap: %v\n%s", err, out)
	}
	Another(t, program)
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: dir + "/log", Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, l)
	t.Cleanup(func() { l.Close() })
	return program
}
