package daemon

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ironwrap/integration/rig"
	"ironwrap/integration/rig/rootwrapclient"
)

// soakRequests is how many answers TestDaemonSoak checks; IRONWRAP_SOAK has another
// number (make soak).
const soakRequests = 3000

const (
	soakClients = 16
	soakOutput  = 400_000 // max_output
	soakSpares  = 4       // launchers of an idle daemon
)

// TestDaemonSoak has clients ask the daemon for all sorts of commands, while
// commands and launchers are killed, connections break, and the policy changes. Each
// answer is checked: a command that was killed must be answered as such, and no
// other may be. In the end the daemon must be what it was after the warm-up.
func TestDaemonSoak(t *testing.T) {
	requests := soakRequests
	if text := os.Getenv("IRONWRAP_SOAK"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		requests = n
	}
	s := newSoak(t)
	d, err := rootwrapclient.Start(s.bin+"/ironwrap-daemon", s.policy.Conf)
	if err != nil {
		t.Fatal(err)
	}
	s.daemon = d
	stop := sync.OnceValue(d.Stop)
	defer stop()

	began := time.Now()
	s.load(requests / 5)
	warm := s.settled()
	s.load(requests - requests/5)
	end := s.settled()
	t.Logf("%d answers checked in %v: %d refused, %d malformed, %d cut at max_output; %d broken connections, %d commands and %d launchers killed (%d requests hit), %d changes of the policy",
		s.answers.Load(), time.Since(began).Round(time.Second), s.refused.Load(), s.malformed.Load(), s.cut.Load(),
		s.broken.Load(), s.commandsKilled, s.launchersKilled, s.hit, s.changes)
	t.Logf("after the warm-up: %+v", warm)
	t.Logf("in the end:        %+v", end)
	if end.fds != warm.fds || end.children != warm.children || end.threads > warm.threads+8 {
		t.Errorf("descriptors, children or threads have grown")
	}
	if end.rss > warm.rss+warm.rss/4+8<<10 {
		t.Errorf("memory has grown")
	}
	if len(s.killed) > 0 {
		t.Errorf("killed, but never answered so: %v", s.killed)
	}

	if err := stop(); err != nil {
		t.Errorf("the daemon ended with: %v", err)
	}
	text, err := os.ReadFile(s.metrics)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), `reason="bug"`) {
		t.Errorf("an internal error was caught: %s", text)
	}
	// The last metrics are written when all has ended: as many goroutines are left
	// as in a daemon that did nearly nothing.
	if s.daemon, err = rootwrapclient.Start(s.bin+"/ironwrap-daemon", s.policy.Conf); err != nil {
		t.Fatal(err)
	}
	defer s.daemon.Stop()
	quiet := s.settled()
	if err := s.daemon.Stop(); err != nil {
		t.Error(err)
	}
	fresh, err := os.ReadFile(s.metrics)
	if err != nil {
		t.Fatal(err)
	}
	// One watches each launcher that has stayed.
	if had, want := gauge(t, text, "goroutines")-end.stayed, gauge(t, fresh, "goroutines")-quiet.stayed; had != want {
		t.Errorf("%d goroutines in the end, %d in a fresh daemon", had, want)
	}
	if left := below(s.bin); len(left) > 0 {
		t.Errorf("processes are left: %q", left)
	}
	if left, _ := filepath.Glob(filepath.Dir(filepath.Dir(d.Path)) + "/" + filepath.Base(filepath.Dir(d.Path))); len(left) > 0 {
		t.Errorf("the socket's directory is left: %q", left)
	}
}

// gauge reads one number out of the metrics.
func gauge(t *testing.T, text []byte, name string) int {
	t.Helper()
	m := regexp.MustCompile(`(?m)^ironwrap_` + name + `(?:\{[^}]*\})? (\d+)$`).FindSubmatch(text)
	if m == nil {
		t.Fatalf("there is no %s in %s", name, text)
	}
	n, err := strconv.Atoi(string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// below lists the processes whose program lies in dir.
func below(dir string) (found []string) {
	links, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, link := range links {
		if program, _ := os.Readlink(link); strings.HasPrefix(program, dir) {
			found = append(found, link+" "+program)
		}
	}
	return found
}

type soak struct {
	t       *testing.T
	bin     string
	policy  rig.Policy
	metrics string
	daemon  *rootwrapclient.Daemon
	number  atomic.Int64 // of the last request
	left    atomic.Int64 // answers that are still to be checked
	failed  atomic.Bool

	// version guards sometimes: whether the filter of that name is in force. A
	// request that depends on it holds it for reading.
	version   sync.RWMutex
	sometimes bool

	mu              sync.Mutex
	killed          map[string]bool // commands, until they are answered
	launcherDeaths  []*interval     // until a request is found that was hit
	commandsKilled  int
	launchersKilled int
	hit             int
	changes         int

	answers, refused, malformed, cut, broken atomic.Int64
}

type interval struct{ from, to time.Time }

func newSoak(t *testing.T) *soak {
	t.Helper()
	s := &soak{t: t, killed: make(map[string]bool)}
	s.policy = rig.NewPolicy(t, "")
	s.bin, s.metrics = s.policy.Dir+"/bin", s.policy.Dir+"/metrics.prom"
	if err := os.Mkdir(s.bin, 0o755); err != nil {
		t.Fatal(err)
	}
	for program, pkg := range map[string]string{
		"ironwrap-daemon": "./cmd/ironwrap-daemon", "ironwrap-launch": "./cmd/ironwrap-launch", "parrot": "./integration/rig/parrot/command",
	} {
		build := exec.Command("go", "build", "-o", s.bin+"/"+program, pkg)
		build.Dir, build.Env = rig.Root, append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("cannot build %s: %v\n%s", program, err, out)
		}
	}
	s.replace(s.policy.Filters, s.filters())
	s.replace(s.policy.Conf, s.conf(false))
	return s
}

func (s *soak) filters() string {
	text := "[Filters]\nparrot: CommandFilter, " + s.bin + "/parrot, root\ncat: CommandFilter, cat, root\nprintf: CommandFilter, printf, root\n" +
		"missing: CommandFilter, " + s.bin + "/missing, root\n"
	if s.sometimes {
		text += "sometimes: CommandFilter, true, root\n"
	}
	return text
}

func (s *soak) conf(kill bool) string {
	return fmt.Sprintf("[DEFAULT]\nfilters_path=%s\nexec_dirs=/usr/bin,/bin\ndaemon_timeout=60\nmax_children=%d\nmax_output=%d\nmetrics_file=%s\nkill_on_disconnect=%v\n",
		filepath.Dir(s.policy.Filters), soakClients*3/4, soakOutput, s.metrics, kill)
}

// replace exchanges a file, as an editor or a package manager does.
func (s *soak) replace(path, text string) {
	if err := os.WriteFile(path+".new", []byte(text), 0o644); err != nil {
		s.fail("%v", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		s.fail("%v", err)
	}
}

// fail records an error, and ends the load.
func (s *soak) fail(format string, args ...any) {
	s.t.Helper()
	s.t.Errorf(format, args...)
	s.failed.Store(true)
}

// load checks so many answers.
func (s *soak) load(requests int) {
	s.left.Store(int64(requests))
	quit := make(chan struct{})
	var clients, others sync.WaitGroup
	others.Go(func() { s.kill(quit) })
	others.Go(func() { s.change(quit) })
	for i := range soakClients {
		clients.Go(func() { s.client(rand.New(rand.NewPCG(uint64(requests), uint64(i)))) })
	}
	clients.Wait()
	close(quit)
	others.Wait()
	if s.failed.Load() {
		s.t.FailNow()
	}
}

// every calls f about every d until quit is closed.
func every(d time.Duration, quit <-chan struct{}, f func()) {
	for {
		select {
		case <-quit:
			return
		case <-time.After(d/2 + rand.N(d)):
			f()
		}
	}
}

// figures are what must not grow.
type figures struct{ rss, fds, children, threads, stayed int } // rss in kB

// settled returns the figures once the daemon has nothing to do.
func (s *soak) settled() figures {
	s.t.Helper()
	c, err := rootwrapclient.Dial(s.daemon.Path, s.daemon.Key)
	if err != nil {
		s.t.Fatal(err)
	}
	// A spare that was killed is noticed when its turn comes.
	for range 2 * soakSpares {
		if !s.try(c, asked{argv: []string{"cat"}, stdin: []byte("x"), stdout: []byte("x")}) {
			s.t.FailNow()
		}
	}
	c.Close()
	var last figures
	for range 300 {
		time.Sleep(100 * time.Millisecond)
		now := s.figures()
		if now == last && now.children == soakSpares {
			return now
		}
		last = now
	}
	s.t.Fatalf("the daemon does not come to rest: %+v, children %v", last, rig.Children(s.daemon.PID))
	return last
}

func (s *soak) figures() (f figures) {
	proc := fmt.Sprintf("/proc/%d", s.daemon.PID)
	status, err := os.ReadFile(proc + "/status")
	if err != nil {
		s.t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		_, _ = fmt.Sscanf(line, "VmRSS: %d kB", &f.rss)
		_, _ = fmt.Sscanf(line, "Threads: %d", &f.threads)
	}
	fds, err := os.ReadDir(proc + "/fd")
	if err != nil {
		s.t.Fatal(err)
	}
	f.fds = len(fds)
	all := rig.Children(s.daemon.PID)
	for _, pid := range all {
		// How many launchers have stayed depends on how many commands ran at once.
		if stayed(strconv.Itoa(pid)) && len(rig.Children(pid)) == 0 {
			f.stayed++
			f.fds -= 3
			continue
		}
		if name := commandLine(pid)[0]; name != "ironwrap-launch" {
			continue // a zombie, a command that runs still, or one about to become a launcher
		}
		f.children++
	}
	if len(all) != f.children+f.stayed {
		f.children = -len(all)
	}
	return f
}
