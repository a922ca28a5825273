package integration

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ironwrap/integration/parrot"
	"ironwrap/integration/rootwrapclient"
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
	d, err := rootwrapclient.Start(s.bin+"/ironwrap-daemon", s.policy.conf)
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
	if s.daemon, err = rootwrapclient.Start(s.bin+"/ironwrap-daemon", s.policy.conf); err != nil {
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
	m := regexp.MustCompile(`(?m)^ironwrap_` + name + ` (\d+)$`).FindSubmatch(text)
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
	policy  policy
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
	s.policy = newPolicy(t, "")
	s.bin, s.metrics = s.policy.dir+"/bin", s.policy.dir+"/metrics.prom"
	if err := os.Mkdir(s.bin, 0o755); err != nil {
		t.Fatal(err)
	}
	for program, pkg := range map[string]string{
		"ironwrap-daemon": "./cmd/ironwrap-daemon", "ironwrap-launch": "./cmd/ironwrap-launch", "parrot": "./integration/parrot/command",
	} {
		build := exec.Command("go", "build", "-o", s.bin+"/"+program, pkg)
		build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("cannot build %s: %v\n%s", program, err, out)
		}
	}
	s.replace(s.policy.filters, s.filters())
	s.replace(s.policy.conf, s.conf(false))
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
		filepath.Dir(s.policy.filters), soakClients*3/4, soakOutput, s.metrics, kill)
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

// client asks until enough answers have been checked.
func (s *soak) client(r *rand.Rand) {
	var c *rootwrapclient.Client
	leave := func() {
		if c != nil {
			c.Close()
			c = nil
		}
	}
	defer leave()
	for s.left.Add(-1) >= 0 && !s.failed.Load() {
		if r.IntN(20) == 0 {
			s.breakOff(r)
			s.broken.Add(1)
		}
		if r.IntN(50) == 0 {
			leave()
		}
		if c == nil {
			var err error
			if c, err = rootwrapclient.Dial(s.daemon.Path, s.daemon.Key); err != nil {
				s.fail("cannot connect: %v", err)
				return
			}
		}
		if !s.ask(r, c) {
			return
		}
		s.answers.Add(1)
	}
}

// ask has one request answered, of a random kind.
func (s *soak) ask(r *rand.Rand, c *rootwrapclient.Client) bool {
	switch kind := r.IntN(100); {
	case kind < 60:
		return s.try(c, s.parrot(r))
	case kind < 70:
		stdin := anyBytes(r, anySize(r))
		return s.try(c, asked{argv: []string{"cat"}, stdin: stdin, stdout: stdin})
	case kind < 80:
		// Its input is not read.
		list := anyWords(r)
		out := strings.Join(list, "\n") + "\n"
		return s.try(c, asked{argv: append([]string{"printf", "%s\n"}, list...), stdin: anyBytes(r, anySize(r)), stdout: []byte(out)})
	case kind < 87:
		s.refused.Add(1)
		return s.try(c, asked{argv: append([]string{"refused"}, anyWords(r)...), stdin: anyBytes(r, anySize(r)), status: 99})
	case kind < 89:
		return s.try(c, asked{argv: []string{s.bin + "/missing"}, status: 96})
	case kind < 92:
		s.version.RLock()
		defer s.version.RUnlock()
		want := asked{argv: []string{"true"}}
		if !s.sometimes {
			want.status = 99
		}
		return s.try(c, want)
	case kind < 93:
		// More than max_output: the answer says so.
		s.cut.Add(1)
		return s.try(c, s.order(r, parrot.Order{Seed: r.Uint64(), Out: soakOutput/2 + r.IntN(soakOutput/2), Err: soakOutput/2 + r.IntN(soakOutput/2)}, nil))
	default:
		s.malformed.Add(1)
		bad := []string{`[`, `[1]`, `["1", "run_one_command", [["cat", 1], null], {}]`, `["1", "run_one_command", [["cat\u0000"], null], {}]`,
			`["1", "run_one_command", [[], null], {}]`, `["2", "run_one_command", [["cat"], null], {}]`, `["1", "debug_info", [], {}]`}
		message := bad[r.IntN(len(bad))]
		got, err := c.Call([]byte(message))
		var remote *rootwrapclient.RemoteError
		if !errors.As(err, &remote) {
			s.fail("%s: %+v, %v", message, got, err)
			return false
		}
		return true
	}
}

// asked is what is asked, and what must be answered.
type asked struct {
	name           string // of those that may be killed
	argv           []string
	stdin          []byte
	status         int
	stdout, stderr []byte
}

func (s *soak) parrot(r *rand.Rand) asked {
	o := parrot.Order{Seed: r.Uint64()}
	if r.IntN(2) == 0 {
		o.Out = anySize(r)
	}
	if r.IntN(4) == 0 {
		o.Err = min(anySize(r), soakOutput-o.Out-1000)
	}
	if r.IntN(8) == 0 {
		o.Sleep = r.IntN(30)
	}
	switch r.IntN(8) {
	case 0:
		o.Status = r.IntN(256)
	case 1:
		o.Status = -[]int{1, 2, 9, 15}[r.IntN(4)]
	}
	var stdin []byte
	if r.IntN(2) == 0 {
		stdin = anyBytes(r, min(anySize(r), max(0, soakOutput-o.Out-o.Err-20_000)))
	}
	return s.order(r, o, stdin)
}

func (s *soak) order(r *rand.Rand, o parrot.Order, stdin []byte) asked {
	name := fmt.Sprintf("request-%d", s.number.Add(1))
	list := anyWords(r)
	q := asked{name: name, argv: append([]string{s.bin + "/parrot", name, o.String()}, list...), stdin: stdin, status: o.Status}
	q.stdout, q.stderr = o.Say(list, stdin)
	return q
}

// anyWords are arguments of all bytes that an argument can have.
func anyWords(r *rand.Rand) []string {
	list := make([]string, r.IntN(6))
	for i := range list {
		list[i] = string(bytes.ReplaceAll(anyBytes(r, r.IntN(40)), []byte{0}, []byte("\u20ac")))
	}
	return list
}

func anySize(r *rand.Rand) int {
	if r.IntN(40) == 0 {
		return r.IntN(300_000)
	}
	return r.IntN([]int{1, 100, 1000, 5_000, 20_000}[r.IntN(5)])
}

// anyBytes is half text and half any bytes.
func anyBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, 0, n+8)
	for len(b) < n {
		b = binary.NativeEndian.AppendUint64(b, r.Uint64())
	}
	b = b[:n]
	if r.IntN(2) == 0 {
		for i := range b {
			b[i] = "abc \"\\\n\t/ {}"[b[i]%12]
		}
	}
	return b
}

// try asks and checks the answer.
func (s *soak) try(c *rootwrapclient.Client, q asked) bool {
	began := time.Now()
	_ = c.Socket.SetReadDeadline(began.Add(2 * time.Minute)) // an answer that never comes is a finding
	got, err := c.Run(q.argv, q.stdin)
	if err == nil {
		err = s.check(q, got, interval{began, time.Now()})
	}
	if err != nil {
		s.fail("%.300q: %v", q.argv, err)
		return false
	}
	return true
}

func (s *soak) check(q asked, got rootwrapclient.Result, when interval) error {
	s.mu.Lock()
	killed := s.killed[q.name]
	delete(s.killed, q.name)
	s.mu.Unlock()
	if killed {
		got.Stderr = cutText.ReplaceAll(got.Stderr, nil)
		if got.Status != -9 || !bytes.HasPrefix(q.stdout, got.Stdout) || !bytes.HasPrefix(q.stderr, got.Stderr) {
			return fmt.Errorf("it was killed, and the answer is %s", brief(got))
		}
		return nil
	}
	if lost := len(q.stdout) + len(q.stderr) - soakOutput; lost > 0 {
		q = q.cut(lost, len(got.Stdout))
	}
	if got.Status == q.status && bytes.Equal(got.Stdout, q.stdout) && bytes.Equal(got.Stderr, q.stderr) {
		return nil
	}
	// A launcher was killed that had read the order, before it became the command.
	if got.Status == -9 && len(got.Stdout)+len(got.Stderr) == 0 && s.launcherDied(when) {
		return nil
	}
	// One was killed that had started the command.
	if got.Status == 97 && len(got.Stdout) == 0 && string(got.Stderr) == "ironwrap-daemon: the launcher of the command was killed, and the command with it\n" && s.launcherDied(when) {
		return nil
	}
	return fmt.Errorf("the answer is %s, not %s", brief(got), brief(rootwrapclient.Result{Status: q.status, Stdout: q.stdout, Stderr: q.stderr}))
}

var cutText = regexp.MustCompile(`\nironwrap-daemon: \d+ bytes of the output are missing here: [^\n]+\n$`)

// cut is what remains of the answer where lost bytes did not fit, and out is how
// much of standard output did: that is for the two pipes to settle.
func (q asked) cut(lost, out int) asked {
	out = min(out, len(q.stdout))
	err := max(0, min(soakOutput-out, len(q.stderr)))
	q.stdout = q.stdout[:out]
	q.stderr = fmt.Appendf(bytes.Clone(q.stderr[:err]), "\nironwrap-daemon: %d bytes of the output are missing here: the command printed more than the %d that max_output allows\n",
		lost, soakOutput)
	if q.status == 0 {
		q.status = 74
	}
	return q
}

func brief(r rootwrapclient.Result) string {
	return fmt.Sprintf("%d, %d bytes %.60q, %d bytes %.200q", r.Status, len(r.Stdout), r.Stdout, len(r.Stderr), r.Stderr)
}

// launcherDied tells whether a launcher was killed within a request's time, of which
// no other request has made use.
func (s *soak) launcherDied(when interval) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, death := range s.launcherDeaths {
		if death.from.Before(when.to) && (death.to.IsZero() || death.to.After(when.from)) {
			s.launcherDeaths = append(s.launcherDeaths[:i], s.launcherDeaths[i+1:]...)
			s.hit++
			return true
		}
	}
	return false
}

// breakOff is a client that goes away at an odd moment.
func (s *soak) breakOff(r *rand.Rand) {
	// Before it has shown that it has the key.
	if r.IntN(2) == 0 {
		c, err := net.Dial("unix", s.daemon.Path)
		if err != nil {
			s.fail("cannot connect: %v", err)
			return
		}
		defer c.Close()
		switch r.IntN(4) {
		case 0:
		case 1:
			_, _ = c.Write(anyBytes(r, r.IntN(300)))
		case 2: // part of the challenge
			_, _ = io.ReadFull(c, make([]byte, r.IntN(20)))
		case 3: // the wrong key
			_, _ = io.ReadFull(c, make([]byte, 8+len("#CHALLENGE#{sha256}")+40))
			_, _ = c.Write(append([]byte{0, 0, 0, 0, 0, 0, 0, 16}, make([]byte, 16)...))
			answer, _ := io.ReadAll(c)
			if !bytes.HasSuffix(answer, []byte("#FAILURE#")) {
				s.fail("with a wrong key the answer is %q", answer)
			}
		}
		return
	}
	c, err := rootwrapclient.Dial(s.daemon.Path, s.daemon.Key)
	if err != nil {
		s.fail("cannot connect: %v", err)
		return
	}
	defer c.Close()
	q := s.parrot(r)
	q.argv[1] = abandoned
	message := c.Request(q.argv, q.stdin)
	_ = c.Socket.SetDeadline(time.Now().Add(2 * time.Minute))
	switch r.IntN(4) {
	case 0: // with nothing said
	case 1: // in the middle of a message
		head := []byte{0, 0, 0, 0, byte(len(message) >> 24), byte(len(message) >> 16), byte(len(message) >> 8), byte(len(message))}
		_, _ = c.Socket.Write(append(head, message...)[:r.IntN(8+len(message))])
	case 2: // while the command runs
		_ = c.Send(message)
		time.Sleep(time.Duration(r.IntN(20)) * time.Millisecond)
	case 3: // in the middle of the answer
		_ = c.Send(message)
		_ = c.Socket.SetReadDeadline(time.Now().Add(time.Second)) // it is short where the command was killed
		_, _ = io.ReadFull(c.Socket, make([]byte, r.IntN(8+len(q.stdout))))
	}
}

// kill kills launchers and commands.
func (s *soak) kill(quit <-chan struct{}) {
	every(30*time.Millisecond, quit, func() {
		pids := children(s.daemon.PID)
		for _, pid := range pids { // what those have started that stay
			pids = append(pids, children(pid)...)
		}
		if len(pids) > 0 {
			s.killOne(pids[rand.IntN(len(pids))])
		}
	})
}

// killOne stops a process first: then what it is will not change any more.
func (s *soak) killOne(pid int) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	// Between fork and execve it is the daemon still, which waits for it: leave it.
	if name := commandLine(pid)[0]; name != "ironwrap-launch" && name != s.bin+"/parrot" {
		return
	}
	if unix.PidfdSendSignal(fd, unix.SIGSTOP, nil, 0) != nil || !stopped(pid) {
		_ = unix.PidfdSendSignal(fd, unix.SIGCONT, nil, 0)
		return
	}
	argv := commandLine(pid)
	launcher := argv[0] == "ironwrap-launch"
	if !launcher && argv[0] != s.bin+"/parrot" {
		_ = unix.PidfdSendSignal(fd, unix.SIGCONT, nil, 0)
		return
	}
	death := &interval{from: time.Now()}
	s.mu.Lock()
	if launcher {
		s.launchersKilled++
		s.launcherDeaths = append(s.launcherDeaths, death)
	} else {
		s.commandsKilled++
		if argv[1] != abandoned {
			s.killed[argv[1]] = true
		}
	}
	s.mu.Unlock()
	if unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) != nil {
		s.fail("cannot kill %q", argv)
	}
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 60_000)
		if err == unix.EINTR {
			continue
		}
		if n == 0 || err != nil {
			s.fail("%q does not die: %v", argv, err)
		}
		break
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	death.to = time.Now()
}

// abandoned is the name of requests that nobody waits for.
const abandoned = "abandoned"

// stopped waits until all of a process stands still.
func stopped(pid int) bool {
	for range 2000 {
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		all := len(tasks) > 0
		for _, task := range tasks {
			text, err := os.ReadFile(task)
			_, state, ok := bytes.Cut(text, []byte(") "))
			if err != nil || !ok || state[0] == 'Z' || state[0] == 'X' {
				return false
			}
			all = all && state[0] == 'T'
		}
		if all {
			return true
		}
		time.Sleep(time.Millisecond)
	}
	return false
}

func commandLine(pid int) []string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return append(strings.Split(string(text), "\x00"), "")
}

func children(pid int) (pids []int) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, file := range files {
		text, _ := os.ReadFile(file)
		for word := range strings.FieldsSeq(string(text)) {
			child, err := strconv.Atoi(word)
			if err == nil {
				pids = append(pids, child)
			}
		}
	}
	return pids
}

// change changes the policy: what allows "true" comes and goes, the files are
// touched, a key changes, or a broken version comes in between, which must change
// nothing.
func (s *soak) change(quit <-chan struct{}) {
	broken := false
	every(300*time.Millisecond, quit, func() {
		s.version.Lock()
		defer s.version.Unlock()
		s.changes++
		if broken {
			broken = false
			s.replace(s.policy.conf, s.conf(false))
			return
		}
		switch rand.IntN(5) {
		case 0:
			s.sometimes = !s.sometimes
			s.replace(s.policy.filters, s.filters())
		case 1:
			now := time.Now()
			if err := os.Chtimes(s.policy.filters, now, now); err != nil {
				s.fail("%v", err)
			}
		case 2:
			s.replace(s.policy.conf, s.conf(rand.IntN(2) == 0))
		case 3:
			broken = true
			s.replace(s.policy.conf, s.conf(false)+"max_children=none\n")
		case 4:
			if err := syscall.Kill(s.daemon.PID, syscall.SIGHUP); err != nil {
				s.fail("the daemon: %v", err)
			}
		}
	})
	if broken {
		s.replace(s.policy.conf, s.conf(false))
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
	s.t.Fatalf("the daemon does not come to rest: %+v, children %v", last, children(s.daemon.PID))
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
	all := children(s.daemon.PID)
	for _, pid := range all {
		// How many launchers have stayed depends on how many commands ran at once.
		if stayed(strconv.Itoa(pid)) && len(children(pid)) == 0 {
			f.stayed++
			f.fds -= 2
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
