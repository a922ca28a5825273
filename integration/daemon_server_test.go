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
	errOut func() string
}

// idle is what a daemon has when it does nothing.
type idle struct{ descriptors, children int }

func (i idle) String() string {
	return fmt.Sprintf("%d descriptors, %d children", i.descriptors, i.children)
}

// spareLaunchers wait in a daemon that does nothing: four in the queue, and one
// for the next place in it.
const spareLaunchers = 5

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
	argv := []string{oursDaemon, p.conf}
	if script != "" {
		argv = append([]string{"/bin/sh", "-ec", script, "sh"}, argv...)
	}
	c := exec.Command(argv[0], argv[1:]...)
	c.Dir = "/"
	c.Env = append([]string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", fmt.Sprintf("SUDO_UID=%d", caller.uid), fmt.Sprintf("SUDO_GID=%d", caller.gid)}, extra...)
	return await(t, p, c)
}

func await(t testing.TB, p policy, c *exec.Cmd) *server {
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
	t.Cleanup(func() {
		s.dropAll()
		s.terminate()
		s.nothingLeft()
	})
	if err != nil {
		t.Fatalf("the daemon does not start: %v; %s", err, s.errOut())
	}
	return s
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
	if !s.state.Success() {
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
	return append(list, s.children()...)
}

// children are the daemon's, zombies too.
func (s *server) children() (list []string) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", s.pid))
	for _, task := range tasks {
		text, _ := os.ReadFile(task)
		list = append(list, strings.Fields(string(text))...)
	}
	return list
}

func (s *server) eventually(what string, happened func() bool) {
	s.Helper()
	for deadline := time.Now().Add(30 * time.Second); !happened(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.Fatalf("waited half a minute in vain for %s", what)
		}
	}
}

func (s *server) has() idle {
	fds, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.pid))
	return idle{len(fds), len(s.children())}
}

// settle serves one request and waits until all is at rest. It returns what a
// daemon at rest has.
func (s *server) settle() idle {
	s.Helper()
	c := s.client()
	c.run("true")
	c.conn.Close()
	var now idle
	same := 0
	s.eventually("the daemon to be at rest", func() bool {
		last := now
		now = s.has()
		if same++; now != last || now.children != spareLaunchers {
			same = 0
		}
		return same > 10
	})
	return now
}

// dropAll closes all connections of the test.
func (s *server) dropAll() {
	for _, c := range s.conns {
		c.Close()
	}
	s.conns = nil
}

// restsAs complains unless the daemon comes to rest with what it had before: no
// descriptor, no process more.
func (s *server) restsAs(before idle) {
	s.Helper()
	s.alive()
	last := idle{}
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if last = s.has(); last == before {
			return
		}
	}
	links := ""
	for _, fd := range first(os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.pid))) {
		link, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", s.pid, fd.Name()))
		links += " " + link
	}
	s.Errorf("the daemon has %v, not %v as before:%s", last, before, links)
}

func first[T any](v T, _ error) T { return v }

// same is restsAs, and complains unless the daemon, which is ended for that, has as
// many goroutines as one that has done nothing but one request.
func (s *server) same(before idle) map[string]float64 {
	s.Helper()
	s.restsAs(before)
	counters := s.counters()
	if n, quiet := counters["ironwrap_goroutines"], quietGoroutines(s); n > quiet {
		s.Errorf("the daemon has %v goroutines, more than %v", n, quiet)
	}
	if n := counters["ironwrap_running_commands"] + counters["ironwrap_connections"]; n != 0 {
		s.Errorf("the daemon counts %v commands and connections in the end", n)
	}
	return counters
}

var quiet struct {
	sync.Mutex
	goroutines float64
}

func quietGoroutines(t testing.TB) float64 {
	t.Helper()
	quiet.Lock()
	defer quiet.Unlock()
	if quiet.goroutines == 0 {
		// A spare that is just being replaced counts as one less.
		for range 3 {
			s := serve(t, daemonPolicy(t, allowTrue))
			s.settle()
			quiet.goroutines = max(quiet.goroutines, s.counters()["ironwrap_goroutines"])
		}
	}
	return quiet.goroutines
}

// counters ends the daemon and returns its last metrics.
func (s *server) counters() map[string]float64 {
	s.Helper()
	s.terminate()
	text, err := os.ReadFile(s.metrics())
	if err != nil {
		s.Fatal(err)
	}
	values := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		at := strings.LastIndexByte(line, ' ')
		if line[0] == '#' || at < 0 {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(line[at:]), 64)
		if err != nil {
			s.Fatalf("metrics: %q: %v", line, err)
		}
		values[line[:at]] = n
	}
	return values
}

// memory reads a line of the daemon's status, in kB.
func (s *server) memory(name string) int {
	s.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.pid))
	if err != nil {
		s.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSuffix(fields(string(text))[name], " kB"))
	if err != nil {
		s.Fatal(err)
	}
	return n
}

// directories are those of daemons that run.
func directories(t testing.TB) []string {
	t.Helper()
	list, err := filepath.Glob("/run/ironwrap/*")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(list)
	return list
}
