package integration

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// server is an ironwrap-daemon that a test has started.
type server struct {
	testing.TB
	policy
	pid    int
	path   string // of its socket
	key    []byte
	gone   chan struct{} // closed when it has ended
	state  *os.ProcessState
	conns  []net.Conn // of this test's
	killed bool       // by the test, with SIGKILL
	errOut func() string
}

// spareLaunchers wait in a daemon that does nothing.
const spareLaunchers = 4

// daemonPolicy is newPolicy with what all tests of the daemon need: a file for the
// metrics, and a directory in PATH by which commands can be found.
func daemonPolicy(t testing.TB, filters string, extra ...string) policy {
	t.Helper()
	p := newPolicy(t, filters, "exec_dirs={bin},/usr/sbin,/usr/bin,/sbin,/bin")
	conf, err := os.ReadFile(p.conf)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(conf), "{bin}", p.dir+"/bin") + "metrics_file=" + p.metrics() + "\n" + strings.Join(extra, "\n") + "\n"
	if err := os.Mkdir(p.dir+"/bin", 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, p.conf, text)
	return p
}

func (p policy) metrics() string { return p.dir + "/ironwrap.prom" }

// serve starts the daemon as root, as it is when the caller has called sudo. When
// the test ends it must end as it should, and leave nothing behind.
func serve(t testing.TB, p policy) *server {
	t.Helper()
	return serveBy(t, p, "")
}

// serveBy has a shell run a script first, which ends in exec "$@".
func serveBy(t testing.TB, p policy, script string, extra ...string) *server {
	t.Helper()
	return await(t, p, serving(p, script, extra...))
}

func serving(p policy, script string, extra ...string) *exec.Cmd {
	argv := []string{oursDaemon, p.conf}
	if script != "" {
		argv = append([]string{"/bin/sh", "-ec", script, "sh"}, argv...)
	}
	c := exec.Command(argv[0], argv[1:]...)
	c.Dir = "/"
	c.Env = append([]string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", fmt.Sprintf("SUDO_UID=%d", caller.uid), fmt.Sprintf("SUDO_GID=%d", caller.gid)}, extra...)
	return c
}

func await(t testing.TB, p policy, c *exec.Cmd) *server {
	t.Helper()
	s, err := begin(t, p, c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// begin is await where the daemon may also not start, which is the error then.
func begin(t testing.TB, p policy, c *exec.Cmd) (*server, error) {
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
	s := &server{TB: t, policy: p, pid: c.Process.Pid, gone: make(chan struct{})}
	s.errOut = func() string { mu.Lock(); defer mu.Unlock(); return errOut.String() }
	timer := time.AfterFunc(time.Minute, func() { c.Process.Kill() })
	in := bufio.NewReader(stdout)
	line, err := in.ReadString('\n')
	s.key = make([]byte, 32)
	if err == nil {
		_, err = io.ReadFull(in, s.key)
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
		s.state = c.ProcessState
		close(s.gone)
	}()
	s.path = strings.TrimSuffix(line, "\n")
	if err != nil {
		c.Process.Kill()
		<-s.gone
		return nil, fmt.Errorf("the daemon does not start: %v; %s", err, s.errOut())
	}
	t.Cleanup(func() {
		s.dropAll()
		s.terminate()
		s.nothingLeft()
	})
	return s, nil
}

type writer func([]byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }

// terminate ends the daemon with SIGTERM, if it has not ended.
func (s *server) terminate() {
	s.Helper()
	syscall.Kill(s.pid, syscall.SIGTERM)
	s.ends()
}

// ends waits for the end of the daemon.
func (s *server) ends() {
	s.Helper()
	select {
	case <-s.gone:
	case <-time.After(30 * time.Second):
		s.Errorf("the daemon does not end")
		syscall.Kill(s.pid, syscall.SIGKILL)
		<-s.gone
	}
}

// alive complains if the daemon has ended.
func (s *server) alive() {
	s.Helper()
	select {
	case <-s.gone:
		s.Fatalf("the daemon has ended: %v; %s", s.state, s.errOut())
	default:
	}
}

// nothingLeft complains unless the daemon, which has ended, took its directory and
// all processes with it.
func (s *server) nothingLeft() {
	s.Helper()
	if !s.state.Success() && !s.killed {
		s.Errorf("the daemon ended with %v; %s", s.state, s.errOut())
	}
	if _, err := os.Stat(filepath.Dir(s.path)); s.path != "" && err == nil {
		s.Errorf("the daemon left %s", filepath.Dir(s.path))
	}
	s.eventually("its processes to end, which are "+strings.Join(s.processes(), ", "), func() bool { return len(s.processes()) == 0 })
}

// processes are those below the daemon, and those that it left: their environment
// has the policy's directory in its PATH.
func (s *server) processes() (list []string) {
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range all {
		env, _ := os.ReadFile(dir + "/environ")
		cmdline, _ := os.ReadFile(dir + "/cmdline")
		if bytes.Contains(env, []byte("="+s.dir+"/bin:")) {
			list = append(list, fmt.Sprintf("%s %q", filepath.Base(dir), cmdline))
		}
	}
	return append(list, s.below()...)
}

// below are the daemon's children, zombies too.
func (s *server) below() (list []string) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", s.pid))
	for _, task := range tasks {
		text, _ := os.ReadFile(task)
		list = append(list, strings.Fields(string(text))...)
	}
	return list
}

// children are those that are spares, or commands. Not counted are launchers that
// have stayed and wait: how many there are depends on how many commands ran at once.
func (s *server) children() []string {
	return slices.DeleteFunc(s.below(), stayed)
}

// stayed tells whether a process is a launcher that has been through the privileged
// section: unlike a spare it does not ignore SIGTSTP any more.
func stayed(pid string) bool {
	exe, _ := os.Readlink("/proc/" + pid + "/exe")
	status, err := os.ReadFile("/proc/" + pid + "/status")
	ignored, _ := strconv.ParseUint(fields(string(status))["SigIgn"], 16, 64)
	return err == nil && strings.HasSuffix(strings.TrimSuffix(exe, " (deleted)"), "/ironwrap-launch") && ignored&(1<<(syscall.SIGTSTP-1)) == 0
}

func (s *server) eventually(what string, happened func() bool) {
	s.Helper()
	for deadline := time.Now().Add(30 * time.Second); !happened(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.Fatalf("waited half a minute in vain for %s", what)
		}
	}
}
