package review

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ironwrap/integration/rig"
	engine "ironwrap/policy"
	"ironwrap/policy/inifile"
	"ironwrap/policy/trust"
)

// finding is one of ironwrapctl check.
type finding struct {
	Rule, Severity, File, Message string
	Line                          int
	Witness                       []rig.Exactly
}

// check runs ironwrapctl check on a configuration.
func check(t *testing.T, args ...string) []finding {
	t.Helper()
	r := rig.RunCmd(t, exec.Command(rig.Ctl(t), append([]string{"check", "--format", "json"}, args...)...))
	var report struct{ Findings []finding }
	if err := json.Unmarshal([]byte(r.Out), &report); err != nil {
		t.Fatalf("check %q: %v, %v", args, r, err)
	}
	status := 0
	if slices.ContainsFunc(report.Findings, func(f finding) bool { return f.Severity != "note" }) {
		status = 1
	}
	if r.Status != status {
		t.Errorf("check %q: status %d, not %d", args, r.Status, status)
	}
	return report.Findings
}

// knownWeaknesses must be found whatever else is: a shell whose pattern takes any
// command, patterns that two dots lead out of, a variable that lvm takes its
// configuration by, a line that can never match.
var knownWeaknesses = map[string][]string{
	"neutron": {"privsep: pattern-as-path", "haproxy: hands-out-root"},
	"nova":    {"privsep-rootwrap-os_brick: pattern-admits-dotdot", "privsep-rootwrap-os_brick: unescaped-dot"},
	"cinder":  {"lvs3: env-loads-code", "lvs3: hands-out-root", "privsep-rootwrap: pattern-admits-dotdot", "dd: hands-out-root"},
	"manila":  {"shcat: open-shell", "rmconf: open-shell", "find: hands-out-root"},
	"glance":  {"disk_chown: pattern-admits-dotdot", "disk_chown: pointless-restriction"},
	"bagpipe": {"sh: open-shell"},
}

// TestCheckDebian checks the filter files that Debian ships. Every finding was
// looked at by hand, and stands in testdata/check: a finding that is new, or gone,
// has to be looked at again. What a finding says that a filter accepts the executor
// is asked to run, with a program in place that tells how it was started.
func TestCheckDebian(t *testing.T) {
	packages := rig.Download(t)
	witness, err := rig.BuildWitness()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range rig.Services {
		t.Run(s.Name, func(t *testing.T) {
			conf := layService(t, packages, s.Packages, witness)
			p, err := engine.Load(conf, trust.Object, inifile.Parse)
			if err != nil {
				t.Fatal(err)
			}
			// Which of the programs with a path are there differs from machine to machine.
			findings := check(t, "--ignore", "executable-missing", conf)
			var lines []string
			ran := 0
			for _, f := range findings {
				lines = append(lines, fmt.Sprintf("%s: %s", filterAt(p, f), f.Rule))
				if f.Witness != nil {
					ran++
					accepted(t, p, conf, f)
				}
			}
			t.Logf("%d findings, %d of them tried with the executor", len(findings), ran)
			want, err := os.ReadFile("testdata/check/" + s.Name + ".txt")
			if err != nil && !*rig.Update {
				t.Error(err)
			}
			for _, known := range knownWeaknesses[s.Name] {
				if !slices.Contains(lines, known) {
					t.Errorf("not found: %s", known)
				}
			}
			got := strings.Join(lines, "\n") + "\n"
			if *rig.Update {
				rig.Write(t, "testdata/check/"+s.Name+".txt", got)
			} else if got != string(want) {
				t.Errorf("the findings are not those that were looked at:\n%s", got)
			}
		})
	}
}

// layService lays out a service's configuration, with a stand-in for each program
// that its filters name without a path.
func layService(t *testing.T, packages string, names []string, standIn string) (conf string) {
	t.Helper()
	dir, err := os.MkdirTemp("/var/lib", "ironwrap-check-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(rig.LayPackages(t, dir, packages, names), "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "filters_path") {
			lines[i] = "filters_path=" + dir + "/rootwrap.d"
		}
		if strings.HasPrefix(line, "exec_dirs") {
			lines[i] = "exec_dirs=" + dir + "/bin"
		}
	}
	conf = dir + "/rootwrap.conf"
	rig.Write(t, conf, strings.Join(lines, "\n"))
	if err := os.Mkdir(dir+"/bin", 0o755); err != nil {
		t.Fatal(err)
	}
	p, err := engine.Load(conf, trust.Object, inifile.Parse)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(standIn)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range p.Filters {
		if path := dir + "/bin/" + f.Exec(); !filepath.IsAbs(f.Exec()) {
			if err := os.WriteFile(path, data, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	return conf
}

// filterAt names the filter that a finding is about: the last that begins at its
// line or before. What is about a file as a whole has the file's name.
func filterAt(p *engine.Policy, f finding) string {
	name := filepath.Base(f.File)
	for _, e := range p.Filters {
		if e.File == f.File && e.Line <= f.Line {
			name = e.Name
		}
	}
	return name
}

// accepted has the executor run what the finding says that the filter accepts.
func accepted(t *testing.T, p *engine.Policy, conf string, f finding) {
	t.Helper()
	argv := make([]string, len(f.Witness))
	for i, w := range f.Witness {
		argv[i] = string(w)
	}
	vars := map[string]string{}
	words := argv
	if words[0] == "env" {
		for words = words[1:]; strings.Contains(words[0], "="); words = words[1:] {
			name, value, _ := strings.Cut(words[0], "=")
			vars[name] = value
		}
	}
	status, out, complaint, err := rig.ExecuteOurs(conf, filepath.Dir(conf), nil, argv)
	if err != nil {
		t.Fatal(err)
	}
	if status == 96 && filepath.IsAbs(programNamed(p, words[0])) {
		t.Logf("%q: accepted, and its program is not on this machine", argv)
		return
	}
	s, err := rig.ParseWitness(out)
	if status != 0 || err != nil {
		t.Errorf("%s says that %q is accepted; the executor ended with %d: %s", f.Rule, argv, status, complaint)
		return
	}
	if !slices.Equal(s.Argv[1:], words[1:]) {
		t.Errorf("%s: %q was run as %q", f.Rule, argv, s.Argv)
	}
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		if !slices.Contains(s.Env, name+"="+vars[name]) {
			t.Errorf("%s: %q was run without %s: %q", f.Rule, argv, name, s.Env)
		}
	}
	if !strings.HasPrefix(s.Ids, "0 0 0, ") {
		t.Errorf("%s: %q was run as %s", f.Rule, argv, s.Ids)
	}
}

// programNamed is the program of the first filter that is called by name.
func programNamed(p *engine.Policy, name string) string {
	for _, f := range p.Filters {
		if filepath.Base(f.Exec()) == name {
			return f.Exec()
		}
	}
	return ""
}
