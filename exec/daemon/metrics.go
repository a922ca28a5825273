package daemon

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"ironwrap/exec/audit"
	"ironwrap/policy"
)

// metrics are counters for operators, in the text form of Prometheus, for the
// textfile collector of node_exporter. A library for them would bring a server and
// more code than all of the daemon has.
type metrics struct {
	mu          sync.Mutex
	requests    map[[2]string]uint64 // by verdict and filter
	refused     map[string]uint64    // by reason
	reloads     map[string]uint64    // by result
	connections int
	launch      histogram // from the request to the launcher
	duration    histogram // from the request to the answer

	complained string // the last error of writing
}

func newMetrics() *metrics {
	return &metrics{requests: make(map[[2]string]uint64), refused: make(map[string]uint64), reloads: make(map[string]uint64)}
}

func (m *metrics) request(verdict, filter string, took time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.requests[[2]string{verdict, filter}]++
	if took > 0 {
		m.duration.observe(took)
	}
}

func (m *metrics) launched(took time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.launch.observe(took)
}

func (m *metrics) refuse(reason string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refused[reason]++
}

func (m *metrics) reload(result string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reloads[result]++
}

func (m *metrics) connected(change int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.connections += change
}

// histogram counts durations. The bounds are in seconds.
type histogram struct {
	counts [len(bounds)]uint64
	count  uint64
	sum    time.Duration
}

var bounds = [...]float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60}

func (h *histogram) observe(d time.Duration) {
	h.count++
	h.sum += d
	for i, bound := range bounds {
		if d.Seconds() <= bound {
			h.counts[i]++
			return
		}
	}
}

// text is the whole exposition. Every series has the path of rootwrap.conf: the node
// exporter drops all of a host's files where two of them have a series in common.
func (m *metrics) text(config string, running int) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var b strings.Builder
	in := "config=" + label(config)
	head := func(name, kind, help string) {
		fmt.Fprintf(&b, "# HELP ironwrap_%[1]s %[3]s\n# TYPE ironwrap_%[1]s %[2]s\n", name, kind, help)
	}
	head("requests_total", "counter", "Requests to run a command, by verdict and filter.")
	for _, key := range slices.SortedFunc(maps.Keys(m.requests), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		fmt.Fprintf(&b, "ironwrap_requests_total{verdict=%s,filter=%s,%s} %d\n", label(key[0]), label(key[1]), in, m.requests[key])
	}
	head("connections_refused_total", "counter", "Connections refused, by reason.")
	for _, reason := range slices.Sorted(maps.Keys(m.refused)) {
		fmt.Fprintf(&b, "ironwrap_connections_refused_total{reason=%s,%s} %d\n", label(reason), in, m.refused[reason])
	}
	head("policy_loads_total", "counter", "Attempts to load a changed policy, by result.")
	for _, result := range []string{"failed", "loaded"} {
		fmt.Fprintf(&b, "ironwrap_policy_loads_total{result=%s,%s} %d\n", label(result), in, m.reloads[result])
	}
	for _, g := range []struct {
		name, help string
		value      int
	}{
		{"running_commands", "Commands that run, or wait for others to end.", running},
		{"connections", "Authenticated connections.", m.connections},
		{"goroutines", "Goroutines of the daemon.", runtime.NumGoroutine()},
	} {
		head(g.name, "gauge", g.help)
		fmt.Fprintf(&b, "ironwrap_%s{%s} %d\n", g.name, in, g.value)
	}
	for _, h := range []struct {
		name, help string
		histogram
	}{
		{"launch_seconds", "Time from a request to its command being handed to a launcher.", m.launch},
		{"request_seconds", "Time from a request to its answer, the command's own included.", m.duration},
	} {
		head(h.name, "histogram", h.help)
		total := uint64(0)
		for i, bound := range bounds {
			total += h.counts[i]
			fmt.Fprintf(&b, "ironwrap_%s_bucket{le=\"%s\",%s} %d\n", h.name, strconv.FormatFloat(bound, 'g', -1, 64), in, total)
		}
		fmt.Fprintf(&b, "ironwrap_%[1]s_bucket{le=\"+Inf\",%[4]s} %[2]d\nironwrap_%[1]s_sum{%[4]s} %[3]g\nironwrap_%[1]s_count{%[4]s} %[2]d\n", h.name, h.count, h.sum.Seconds(), in)
	}
	return b.String()
}

// label quotes a value: backslash, quote and line break are escaped, and what is
// not UTF-8 is replaced, for the format has no place for it.
func label(value string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(strings.ToValidUTF8(value, "\ufffd")) + `"`
}

// write puts the metrics where the policy says, if it does. An error is recorded
// once.
func (m *metrics) write(p *policy.Policy, d *Daemon) {
	if p.MetricsFile == "" {
		return
	}
	why := ""
	if err := replace(p.MetricsFile, m.text(p.Path, d.turns.count())); err != nil {
		why = fmt.Sprintf("cannot write the metrics to %s: %v", p.MetricsFile, err)
	}
	if why != "" && why != m.complained {
		d.log().Event(audit.Error, why)
	}
	m.complained = why
}

// replace writes a file whole, or not at all: a reader sees the old one or the new
// one. The directory may be another user's: no link of theirs is followed, so that
// what they can have replaced lies there as well.
func replace(path, text string) error {
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS}
	dir, err := unix.Openat2(unix.AT_FDCWD, filepath.Dir(path), &how)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	name := filepath.Base(path)
	temporary := fmt.Sprintf("%s.%d", name, os.Getpid())
	_ = unix.Unlinkat(dir, temporary, 0) // of one that was killed
	fd, err := unix.Openat(dir, temporary, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), temporary)
	_, err = f.WriteString(text)
	if err == nil {
		err = f.Chmod(0o644) // whatever the umask
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = unix.Renameat(dir, temporary, dir, name)
	}
	if err != nil {
		_ = unix.Unlinkat(dir, temporary, 0)
	}
	return err
}

// limiter lets something through once a second.
type limiter struct {
	mu   sync.Mutex
	last time.Time
}

func (l *limiter) allow(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.last) < time.Second {
		return false
	}
	l.last = now
	return true
}
