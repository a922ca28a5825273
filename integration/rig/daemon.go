package rig

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Server is an ironwrap-daemon that a test has started.
type Server struct {
	testing.TB
	Policy
	Pid    int
	Path   string // of its socket
	Key    []byte
	Gone   chan struct{} // closed when it has ended
	State  *os.ProcessState
	Conns  []net.Conn // of this test's
	Killed bool       // by the test, with SIGKILL
	ErrOut func() string
}

// DaemonPolicy is newPolicy with what all tests of the daemon need: a file for the
// metrics, and a directory in PATH by which commands can be found.
func DaemonPolicy(t testing.TB, filters string, extra ...string) Policy {
	t.Helper()
	p := NewPolicy(t, filters, "exec_dirs={bin},/usr/sbin,/usr/bin,/sbin,/bin")
	conf, err := os.ReadFile(p.Conf)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(conf), "{bin}", p.Dir+"/bin") + "metrics_file=" + p.Metrics() + "\n" + strings.Join(extra, "\n") + "\n"
	if err := os.Mkdir(p.Dir+"/bin", 0o755); err != nil {
		t.Fatal(err)
	}
	Write(t, p.Conf, text)
	return p
}

// Metrics is the path of the file with the metrics of DaemonPolicy.
func (p Policy) Metrics() string { return p.Dir + "/ironwrap.prom" }

// Serve starts the daemon as root, as it is when the caller has called sudo. When
// the test ends it must end as it should, and leave nothing behind.
func Serve(t testing.TB, p Policy) *Server {
	t.Helper()
	return ServeBy(t, p, "")
}

// ServeBy has a shell run a script first, which ends in exec "$@".
func ServeBy(t testing.TB, p Policy, script string, extra ...string) *Server {
	t.Helper()
	return Await(t, p, Serving(p, script, extra...))
}

// Serving is the command that ServeBy runs.
func Serving(p Policy, script string, extra ...string) *exec.Cmd {
	argv := []string{OursDaemon, p.Conf}
	if script != "" {
		argv = append([]string{"/bin/sh", "-ec", script, "sh"}, argv...)
	}
	c := exec.Command(argv[0], argv[1:]...)
	c.Dir = "/"
	c.Env = append([]string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", fmt.Sprintf("SUDO_UID=%d", Caller.UID), fmt.Sprintf("SUDO_GID=%d", Caller.GID)}, extra...)
	return c
}

// Await starts a daemon by a command, which must serve.
func Await(t testing.TB, p Policy, c *exec.Cmd) *Server {
	t.Helper()
	s, err := Begin(t, p, c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Begin is await where the daemon may also not start, which is the error then.
func Begin(t testing.TB, p Policy, c *exec.Cmd) (*Server, error) {
	t.Helper()
	var errOut bytes.Buffer
	var mu sync.Mutex
	c.Stderr = writer(func(b []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return errOut.Write(b)
	})
	c.WaitDelay = 5 * time.Second
	stdout, err := c.StdoutPipe()
	if err == nil {
		_, err = c.StdinPipe() // which the daemon closes
	}
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{TB: t, Policy: p, Pid: c.Process.Pid, Gone: make(chan struct{})}
	s.ErrOut = func() string { mu.Lock(); defer mu.Unlock(); return errOut.String() }
	timer := time.AfterFunc(time.Minute, func() { c.Process.Kill() })
	in := bufio.NewReader(stdout)
	line, err := in.ReadString('\n')
	s.Key = make([]byte, 32)
	if err == nil {
		_, err = io.ReadFull(in, s.Key)
	}
	if err == nil {
		// It closes its standard descriptors: its starter may wait for that.
		if rest, rerr := io.ReadAll(in); rerr != nil || len(rest) > 0 {
			err = fmt.Errorf("after the key: %q, %v", rest, rerr)
		}
	}
	if !timer.Stop() && err == nil {
		err = os.ErrDeadlineExceeded
	}
	go func() {
		c.Wait()
		s.State = c.ProcessState
		close(s.Gone)
	}()
	s.Path = strings.TrimSuffix(line, "\n")
	if err != nil {
		c.Process.Kill()
		<-s.Gone
		return nil, fmt.Errorf("the daemon does not start: %v; %s", err, s.ErrOut())
	}
	t.Cleanup(func() {
		s.DropAll()
		s.Terminate()
		s.NothingLeft()
	})
	return s, nil
}

type writer func([]byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }

// Terminate ends the daemon with SIGTERM, if it has not ended.
func (s *Server) Terminate() {
	s.Helper()
	syscall.Kill(s.Pid, syscall.SIGTERM)
	s.Ends()
}

// Ends waits for the end of the daemon.
func (s *Server) Ends() {
	s.Helper()
	select {
	case <-s.Gone:
	case <-time.After(30 * time.Second):
		s.Errorf("the daemon does not end")
		syscall.Kill(s.Pid, syscall.SIGKILL)
		<-s.Gone
	}
}

// NothingLeft complains unless the daemon, which has ended, took its directory and
// all processes with it.
func (s *Server) NothingLeft() {
	s.Helper()
	if !s.State.Success() && !s.Killed {
		s.Errorf("the daemon ended with %v; %s", s.State, s.ErrOut())
	}
	if _, err := os.Stat(filepath.Dir(s.Path)); s.Path != "" && err == nil {
		s.Errorf("the daemon left %s", filepath.Dir(s.Path))
	}
	s.Eventually("its processes to end, which are "+strings.Join(s.Processes(), ", "), func() bool { return len(s.Processes()) == 0 })
}

// Processes are those below the daemon, and those that it left: their environment
// has the policy's directory in its PATH.
func (s *Server) Processes() (list []string) {
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range all {
		env, _ := os.ReadFile(dir + "/environ")
		cmdline, _ := os.ReadFile(dir + "/cmdline")
		if bytes.Contains(env, []byte("="+s.Dir+"/bin:")) {
			list = append(list, fmt.Sprintf("%s %q", filepath.Base(dir), cmdline))
		}
	}
	return append(list, s.Below()...)
}

// Below are the daemon's children, zombies too.
func (s *Server) Below() (list []string) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", s.Pid))
	for _, task := range tasks {
		text, _ := os.ReadFile(task)
		list = append(list, strings.Fields(string(text))...)
	}
	return list
}

// Eventually waits until something has happened, at most half a minute.
func (s *Server) Eventually(what string, happened func() bool) {
	s.Helper()
	for deadline := time.Now().Add(30 * time.Second); !happened(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.Fatalf("waited half a minute in vain for %s", what)
		}
	}
}

// DropAll closes all connections of the test.
func (s *Server) DropAll() {
	for _, c := range s.Conns {
		c.Close()
	}
	s.Conns = nil
}

// Calls has a policy's daemon serve ironwrap-call, and returns the path of the socket.
func (p Policy) Calls(t testing.TB) string {
	t.Helper()
	socket := p.Dir + "/s/t.call"
	conf, err := os.ReadFile(p.Conf)
	if err == nil {
		err = os.WriteFile(p.Conf, append(conf, "call_socket="+socket+"\n"...), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	return socket
}

// Calling is ironwrap-call of the caller's.
func Calling(socket string, words ...string) *exec.Cmd {
	c := exec.Command(OursCall, append([]string{socket}, words...)...)
	c.Dir = "/var/lib/" + Caller.Name
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: Caller.UID, Gid: Caller.GID}}
	return c
}
