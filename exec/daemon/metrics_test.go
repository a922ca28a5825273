package daemon

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

func families(t *testing.T, text string) map[string]*dto.MetricFamily {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	f, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return f
}

// The reader is the one that Prometheus and node_exporter have.
func TestMetricsText(t *testing.T) {
	m := newMetrics()
	odd := "a\\b\"c\nd é {}"
	m.request("allowed", odd, 3*time.Millisecond)
	m.request("allowed", odd, 20*time.Second)
	m.request("allowed", "x\xff", 0)
	m.request("denied", "", 90*time.Second)
	m.launched(500 * time.Microsecond)
	m.launched(time.Nanosecond)
	m.refuse("key")
	m.reload("failed")
	m.connected(3)
	m.connected(-1)
	f := families(t, m.text("/etc/x.conf", 7))

	labels := func(m *dto.Metric) string {
		var s []string
		for _, l := range m.GetLabel() {
			s = append(s, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
		}
		return strings.Join(s, ",")
	}
	got := make(map[string]float64)
	for name, family := range f {
		if family.GetHelp() == "" {
			t.Errorf("%s has no help", name)
		}
		for _, m := range family.GetMetric() {
			value := m.GetCounter().GetValue() + m.GetGauge().GetValue()
			if family.GetType() == dto.MetricType_HISTOGRAM {
				value = float64(m.GetHistogram().GetSampleCount())
			}
			got[name+"{"+labels(m)+"}"] = value
		}
	}
	delete(got, `ironwrap_goroutines{config="/etc/x.conf"}`)
	want := map[string]float64{
		fmt.Sprintf("ironwrap_requests_total{verdict=\"allowed\",filter=%q,config=\"/etc/x.conf\"}", odd): 2,
		`ironwrap_requests_total{verdict="allowed",filter="x�",config="/etc/x.conf"}`:                     1,
		`ironwrap_requests_total{verdict="denied",filter="",config="/etc/x.conf"}`:                        1,
		`ironwrap_connections_refused_total{reason="key",config="/etc/x.conf"}`:                           1,
		`ironwrap_policy_loads_total{result="failed",config="/etc/x.conf"}`:                               1,
		`ironwrap_policy_loads_total{result="loaded",config="/etc/x.conf"}`:                               0,
		`ironwrap_running_commands{config="/etc/x.conf"}`:                                                 7,
		`ironwrap_connections{config="/etc/x.conf"}`:                                                      2,
		`ironwrap_launch_seconds{config="/etc/x.conf"}`:                                                   2,
		`ironwrap_request_seconds{config="/etc/x.conf"}`:                                                  3,
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}

	h := f["ironwrap_request_seconds"].GetMetric()[0].GetHistogram()
	if h.GetSampleSum() != 110.003 {
		t.Errorf("sum %v", h.GetSampleSum())
	}
	last := uint64(0)
	for _, b := range h.GetBucket() {
		want := uint64(0)
		for _, s := range []float64{0.003, 20, 90} {
			if s <= b.GetUpperBound() {
				want++
			}
		}
		if b.GetCumulativeCount() != want || b.GetCumulativeCount() < last {
			t.Errorf("up to %v: %d, want %d", b.GetUpperBound(), b.GetCumulativeCount(), want)
		}
		last = b.GetCumulativeCount()
	}
	if at := f["ironwrap_launch_seconds"].GetMetric()[0].GetHistogram().GetBucket()[0]; at.GetCumulativeCount() != 2 {
		t.Errorf("a duration that is a bound is not below it: %v", at)
	}

	families(t, newMetrics().text("", 0))
}

// A reader sees a whole file at any time.
func TestReplaceIsAtomic(t *testing.T) {
	path := t.TempDir() + "/m.prom"
	texts := []string{strings.Repeat("a\n", 50_000), strings.Repeat("b\n", 60_000)}
	if err := replace(path, texts[0]); err != nil {
		t.Fatal(err)
	}
	var reader sync.WaitGroup
	stop := make(chan struct{})
	reader.Go(func() {
		for {
			b, err := os.ReadFile(path)
			if s := string(b); err != nil || s != texts[0] && s != texts[1] {
				t.Errorf("%d bytes, %v", len(b), err)
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	for i := range 200 {
		if err := replace(path, texts[i%2]); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	reader.Wait()
}

// What is found in the directory is taken away, never followed or written to.
func TestReplacePlanted(t *testing.T) {
	for name, plant := range map[string]func(dir, at string) error{
		"link":           func(dir, at string) error { return os.Symlink(dir+"/victim", at) },
		"dangling link":  func(dir, at string) error { return os.Symlink(dir+"/made", at) },
		"hard link":      func(dir, at string) error { return os.Link(dir+"/victim", at) },
		"fifo":           func(dir, at string) error { return syscall.Mkfifo(at, 0o666) },
		"file of before": func(dir, at string) error { return os.WriteFile(at, []byte("old"), 0o600) },
	} {
		for _, at := range []string{"m.prom", fmt.Sprintf("m.prom.%d", os.Getpid())} {
			dir := t.TempDir()
			if err := os.WriteFile(dir+"/victim", []byte("precious"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := plant(dir, dir+"/"+at); err != nil {
				t.Fatal(err)
			}
			err := replace(dir+"/m.prom", "new")
			got, _ := os.ReadFile(dir + "/m.prom")
			victim, _ := os.ReadFile(dir + "/victim")
			st, statErr := os.Lstat(dir + "/m.prom")
			if err != nil || string(got) != "new" || string(victim) != "precious" || statErr != nil || st.Mode() != 0o644 {
				t.Errorf("%s at %s: %v, %q, the other file %q, %v", name, at, err, got, victim, st.Mode())
			}
			if _, err := os.Lstat(dir + "/made"); err == nil {
				t.Errorf("%s at %s: it made a file elsewhere", name, at)
			}
			if list, _ := os.ReadDir(dir); len(list) != 2 {
				t.Errorf("%s at %s: left behind %v", name, at, list)
			}
		}
	}

	// A directory in the place of either is an error, and stays.
	for _, at := range []string{"m.prom", fmt.Sprintf("m.prom.%d", os.Getpid())} {
		dir := t.TempDir()
		os.Mkdir(dir+"/"+at, 0o755)
		if err := replace(dir+"/m.prom", "new"); err == nil {
			t.Errorf("a directory at %s: no error", at)
		}
		if list, _ := os.ReadDir(dir); len(list) != 1 {
			t.Errorf("a directory at %s: left behind %v", at, list)
		}
	}
}

// A link on the way would let who owns its directory choose where root writes.
func TestReplaceLinkedDirectory(t *testing.T) {
	dir := t.TempDir()
	os.Mkdir(dir+"/real", 0o755)
	os.Mkdir(dir+"/real/sub", 0o755)
	os.Symlink("real", dir+"/link")
	for _, path := range []string{"/link/m.prom", "/link/sub/m.prom"} {
		if err := replace(dir+path, "new"); err == nil {
			t.Errorf("%s: no error", path)
		}
	}
	if list, _ := os.ReadDir(dir + "/real"); len(list) != 1 {
		t.Errorf("written: %v", list)
	}
	if err := replace(dir+"/absent/m.prom", "new"); err == nil {
		t.Error("a directory that is not there: no error")
	}
}

// node_exporter's directory may be its own user's: root's file lies there all the
// same, and the umask does not matter.
func TestReplaceForeignDirectory(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	if err := os.Chown(dir, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	old := syscall.Umask(0o077)
	err := replace(dir+"/m.prom", "new")
	syscall.Umask(old)
	st, statErr := os.Stat(dir + "/m.prom")
	if err != nil || statErr != nil || st.Mode() != 0o644 || st.Sys().(*syscall.Stat_t).Uid != 0 {
		t.Errorf("%v, %v, %v", err, statErr, st)
	}
}

func TestLimiter(t *testing.T) {
	var l limiter
	now := time.Now()
	for i, tt := range []struct {
		after time.Duration
		want  bool
	}{{0, true}, {0, false}, {999 * time.Millisecond, false}, {time.Second, true}, {1999 * time.Millisecond, false}, {2 * time.Second, true}} {
		if got := l.allow(now.Add(tt.after)); got != tt.want {
			t.Errorf("%d: %v after %v", i, got, tt.after)
		}
	}
}
