// Package monitoring holds what packaging has for Prometheus, Grafana and rsyslog against
// the programs that read it, and against what ironwrap writes.
package monitoring

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"ironwrap/integration/rig/debian"
)

const packaging = "../../packaging/"

// unpacked is a directory with the files of packages of Debian's. They are not installed:
// that would start servers.
func unpacked(t *testing.T, packages ...string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not root: was not held against the program that reads it; run make test as root")
	}
	dir := t.TempDir()
	if err := debian.Unpack(dir, packages...); err != nil {
		t.Fatal(err)
	}
	return dir
}

func run(t *testing.T, dir, name string, args ...string) (string, error) {
	t.Helper()
	c := exec.Command(name, args...)
	c.Dir = dir
	out, err := c.CombinedOutput()
	return string(out), err
}

// TestRules: promtool takes the rules, and each alert does what its test says. A rule that
// nobody tests fails.
func TestRules(t *testing.T) {
	rules, tests := read(t, packaging+"prometheus/ironwrap.rules.yml"), read(t, packaging+"prometheus/ironwrap.rules.test.yml")
	for _, m := range regexp.MustCompile(`alert: (\w+)`).FindAllStringSubmatch(rules, -1) {
		if !strings.Contains(tests, "alertname: "+m[1]+"\n    exp_alerts:") || !strings.Contains(tests, "alertname: "+m[1]+"}") {
			t.Errorf("%s is not tested both ways", m[1])
		}
	}
	promtool := unpacked(t, "prometheus") + "/usr/bin/promtool"
	for _, args := range [][]string{{"check", "rules", "ironwrap.rules.yml"}, {"test", "rules", "ironwrap.rules.test.yml"}} {
		if out, err := run(t, packaging+"prometheus", promtool, args...); err != nil {
			t.Errorf("promtool %q: %v\n%s", args, err, out)
		}
	}
	// It finds a rule that does otherwise.
	dir := t.TempDir()
	write(t, dir+"/ironwrap.rules.yml", strings.Replace(rules, "ironwrap_policy_new > 0", "ironwrap_policy_new > 2", 1))
	write(t, dir+"/ironwrap.rules.test.yml", tests)
	if out, err := run(t, dir, promtool, "test", "rules", "ironwrap.rules.test.yml"); err == nil || !strings.Contains(out, "IronwrapPolicyWider") {
		t.Errorf("a changed rule: %v\n%s", err, out)
	}
}

// TestNames: the rules and the dashboard name no metric and no label that nobody writes,
// and the dashboard shows each metric.
func TestNames(t *testing.T) {
	written := metrics(t)
	dashboard := read(t, packaging+"grafana/ironwrap.json")
	var d struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(dashboard), &d); err != nil {
		t.Fatal(err)
	}
	shown := ""
	for _, p := range d.Panels {
		if len(p.Targets) == 0 {
			t.Errorf("panel %q shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			shown += target.Expr + "\n"
		}
	}
	for what, text := range map[string]string{"dashboard": shown, "rules": read(t, packaging+"prometheus/ironwrap.rules.yml"),
		"tests of rules": read(t, packaging+"prometheus/ironwrap.rules.test.yml")} {
		for _, m := range regexp.MustCompile(`(ironwrap_\w+)(?:\{([^}]*)\})?`).FindAllStringSubmatch(text, -1) {
			labels, ok := written[m[1]]
			if !ok {
				t.Errorf("%s: nobody writes %s", what, m[1])
			}
			for _, l := range regexp.MustCompile(`(\w+)(?:=~|!~|!=|=)"`).FindAllStringSubmatch(m[2], -1) {
				if l[1] != "instance" && !slices.Contains(labels, l[1]) { // instance is the scrape's
					t.Errorf("%s: %s has no label %s", what, m[1], l[1])
				}
			}
		}
	}
	for name := range written {
		if base, _, histogram := strings.Cut(name, "_seconds_"); histogram {
			name = base + "_seconds_bucket"
		}
		if !strings.Contains(shown, name) {
			t.Errorf("dashboard: %s is not shown", name)
		}
	}
}

// metrics are those that a daemon, audit and check write, each with its labels.
func metrics(t *testing.T) map[string][]string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not root: no daemon could be started; run make test as root")
	}
	dir, err := os.MkdirTemp("/var/lib", "ironwrap-monitoring-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	build := exec.Command("go", "build", "-ldflags", "-X ironwrap/exec/reading.Program="+dir+"/ironwrap-read", "-o", dir+"/", "./cmd/ironwrap-daemon", "./cmd/ironwrap-launch", "./cmd/ironwrap-read", "./cmd/ironwrapctl")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	conf := dir + "/rootwrap.conf"
	write(t, conf, fmt.Sprintf("[DEFAULT]\nfilters_path=%[1]s/f\nexec_dirs=/usr/bin\ndaemon_timeout=1\nmetrics_file=%[1]s/daemon.prom\nsocket_dir=%[1]s/run\n", dir))
	os.Mkdir(dir+"/f", 0o755)
	write(t, dir+"/f/x.filters", "[Filters]\nid: CommandFilter, id, root\n")
	write(t, dir+"/accepted.yaml", "accepted:\n- rules: [open-shell]\n  filter: sh\n  text: CommandFilter, sh, root\n  score: 10\n  reason: x\n  who: x\n  until: 2099-12-31\n")

	for _, program := range []string{"launch", "read"} { // as they are installed
		os.Chmod(dir+"/ironwrap-"+program, 0o700)
	}
	daemon := exec.Command(dir+"/ironwrap-daemon", conf)
	var says bytes.Buffer
	daemon.Stdout, daemon.Stderr = &says, &says // where it says that it serves
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- daemon.Wait() }()
	select {
	case err := <-ended: // idle for a second
		if err != nil {
			t.Fatalf("the daemon: %v: %s", err, says.String())
		}
	case <-time.After(time.Minute):
		daemon.Process.Kill()
		t.Fatal("the daemon does not end")
	}
	other := dir + "/other.conf" // a baseline of metrics is that of several
	write(t, other, read(t, conf))
	baseline, err := run(t, dir, dir+"/ironwrapctl", "audit", "--format", "json", conf, other)
	if err != nil {
		t.Fatal(err, baseline)
	}
	write(t, dir+"/baseline.json", baseline)
	text := read(t, dir+"/daemon.prom")
	for _, args := range [][]string{{"audit", "--baseline", dir + "/baseline.json", "--accepted", dir + "/accepted.yaml"}, {"check", "--sudoers", "none"}} {
		out, err := run(t, dir, dir+"/ironwrapctl", append(args, "--format", "prometheus", conf, other)...)
		if !strings.Contains(out, "# TYPE") { // the exit status is about what was found
			t.Fatalf("%q: %v\n%s", args, err, out)
		}
		text += out
	}
	// Those that count nothing yet have a head, and the labels of the documentation.
	found := map[string][]string{
		"ironwrap_requests_total":            {"verdict", "filter", "config"},
		"ironwrap_connections_refused_total": {"reason", "config"},
	}
	for _, m := range regexp.MustCompile(`(?m)^(ironwrap_\w+)\{(.*)\} \S+$`).FindAllStringSubmatch(text, -1) {
		for _, l := range regexp.MustCompile(`(\w+)="`).FindAllStringSubmatch(m[2], -1) {
			if !slices.Contains(found[m[1]], l[1]) {
				found[m[1]] = append(found[m[1]], l[1])
			}
		}
	}
	for name := range found {
		if !strings.Contains(text, "# TYPE "+name) && !strings.Contains(name, "_seconds_") {
			t.Errorf("%s has no type", name)
		}
	}
	if len(found) < 17 {
		t.Errorf("only these are written: %v\n%s", found, text)
	}
	return found
}

// TestRsyslog: rsyslogd takes the file, and tells of one that is wrong.
func TestRsyslog(t *testing.T) {
	dir := unpacked(t, "rsyslog", "libestr0", "libfastjson4", "liblognorm5")
	modules, _ := filepath.Glob(dir + "/usr/lib/*/rsyslog")
	if len(modules) != 1 {
		t.Fatalf("modules: %q", modules)
	}
	try := func(file string) (string, error) {
		return run(t, dir, "env", "LD_LIBRARY_PATH="+filepath.Dir(modules[0]), dir+"/usr/sbin/rsyslogd", "-M", modules[0], "-N1", "-f", file)
	}
	file, err := filepath.Abs(packaging + "rsyslog/ironwrap.conf")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := try(file); err != nil || strings.Contains(out, "error") || strings.Contains(out, "warning") {
		t.Errorf("%v\n%s", err, out)
	}
	write(t, dir+"/wrong.conf", strings.Replace(read(t, file), "omfile", "omfail", 1))
	if out, err := try(dir + "/wrong.conf"); err == nil && !strings.Contains(out, "omfail") {
		t.Errorf("a wrong file: %v\n%s", err, out)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
