package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/review/lint"
	"ironwrap/policy/review/usage"
)

// fake is a machine on which neutron is protected, but for what a test changes. Methods of
// the name in failing return an error.
type fake struct {
	texts    map[string]string
	programs map[string]Program
	sudo     Sudo
	policy   policy.Policy
	report   lint.Report
	kernel   Kernel
	parts    []Part
	running  []Process
	unit     Unit
	owner    Package
	there    []string
	records  []usage.Record
	mayCall  bool
	failing  string
	why      error
}

const (
	config = "/etc/neutron/rootwrap.conf"
	bin    = "/usr/bin/"
)

func healthy() *fake {
	f := &fake{
		texts: map[string]string{"/etc/neutron/neutron.conf": "[agent]\nroot_helper = sudo neutron-rootwrap " + config + "\n"},
		programs: map[string]Program{
			bin + "sudo":             {Real: bin + "sudo", Setuid: true},
			bin + "neutron-rootwrap": {Real: bin + "ironwrap", Kind: Ironwrap, Version: "1"},
		},
		owner: Package{System: "dpkg", Name: "neutron-common", Diverted: true},
		sudo:  Sudo{Ways: []lint.Way{way("/etc/sudoers.d/neutron", 3, bin+"neutron-rootwrap")}},
		policy: policy.Policy{Path: config, Config: policy.Config{UseSyslog: true, Level: 6, AuditFile: "/var/log/audit.log"}, Filters: []policy.Entry{
			{Name: "id", File: "/etc/neutron/rootwrap.d/id.filters", Sandbox: &policy.Sandbox{Seccomp: "storage", PrivateMounts: true}},
		}},
		kernel: Kernel{Calls: Probe{Has: true}, Seccomp: Probe{Has: true}, Mounts: Probe{Has: true}, LSM: []string{"landlock"}},
	}
	for _, name := range []string{"ironwrap", "ironwrap-daemon", "ironwrap-read", "ironwrap-launch"} {
		f.parts = append(f.parts, Part{Name: name, Path: bin + name, Mode: 0o700})
	}
	return f
}

func way(file string, line int, program string) lint.Way {
	return lint.Way{Who: "neutron", Command: program + " " + config + " *", Program: program, Wrapper: true, Path: file, Line: line,
		Takes: func(path string, args []string) bool { return path == program && args[0] == config }}
}

// err is the error of a method, where it is to fail.
func (f *fake) err(method string) error {
	if f.failing != method {
		return nil
	}
	return f.why
}

func (f *fake) Texts(...string) (list []string, err error) {
	for path := range f.texts {
		list = append(list, path)
	}
	slices.Sort(list)
	return list, f.err("Texts")
}
func (f *fake) Read(path string) ([]byte, error) { return []byte(f.texts[path]), f.err("Read") }
func (f *fake) There(path string) bool           { return slices.Contains(f.there, path) }
func (f *fake) Same(a, b string) bool            { return a == b }
func (f *fake) Find(name string, dirs []string) (string, error) {
	for _, dir := range dirs {
		if _, ok := f.programs[dir+"/"+name]; ok {
			return dir + "/" + name, f.err("Find")
		}
	}
	return "", fs.ErrNotExist
}
func (f *fake) Program(path string) (Program, error) { return f.programs[path], f.err("Program") }
func (f *fake) Package(string) (Package, error)      { return f.owner, f.err("Package") }
func (f *fake) Sudo(string) Sudo {
	if err := f.err("Sudo"); err != nil {
		return Sudo{Unread: []string{err.Error()}}
	}
	return f.sudo
}
func (f *fake) Load(string, bool) (*policy.Policy, error) {
	if err := f.err("Load"); err != nil {
		return nil, err
	}
	return &f.policy, nil
}
func (f *fake) MayCall(*policy.Policy, string) (bool, error) { return f.mayCall, f.err("MayCall") }
func (f *fake) Check(string) lint.Report                     { return f.report }
func (f *fake) Profile(string) error                         { return f.err("Profile") }
func (f *fake) Compiled(string) (string, error)              { return "holds", f.err("Compiled") }
func (f *fake) Build() string                                { return "1" }
func (f *fake) Unit(string) (Unit, error)                    { return f.unit, f.err("Unit") }
func (f *fake) Listens(string) (bool, error)                 { return true, f.err("Listens") }
func (f *fake) Syslog() (string, error)                      { return "somebody", f.err("Syslog") }
func (f *fake) Appends(string) error                         { return f.err("Appends") }
func (f *fake) UID(string) int                               { return 107 }
func (f *fake) Processes(string) ([]Process, error)          { return f.running, f.err("Processes") }
func (f *fake) Records() ([]usage.Record, string, error) {
	return f.records, "a log", f.err("Records")
}
func (f *fake) Kernel() Kernel {
	k := f.kernel
	if err := f.err("Kernel"); err != nil {
		k.Seccomp = Probe{Err: err}
	}
	return k
}
func (f *fake) Parts(string) []Part {
	parts := slices.Clone(f.parts)
	for i := range parts {
		parts[i].Err = f.err("Parts")
	}
	return parts
}

func told(r Report) string {
	var b strings.Builder
	for _, a := range r.Answers {
		fmt.Fprintf(&b, "%s [%s] %s\n\tdo: %s\n", a.State, a.ID, a.Text, a.Do)
	}
	return b.String()
}

// TestNothingIsGuessed: whatever cannot be looked at, the service is not called protected,
// and where only root can, that is said. Refusals of the past protect nobody.
func TestNothingIsGuessed(t *testing.T) {
	if r := Examine(healthy(), "neutron", config); r.Verdict() != Protected {
		t.Fatalf("%v\n%s", r.Verdict(), told(r))
	}
	notAsked := []string{"Listens", "Unit", "MayCall"} // by a service that comes through sudo
	harmless := []string{"Records", "Compiled"}        // both cost no protection
	host := reflect.TypeFor[Host]()
	for i := range host.NumMethod() {
		m := host.Method(i)
		fallible := m.Type.NumOut() > 0 && m.Type.Out(m.Type.NumOut()-1) == reflect.TypeFor[error]() || slices.Contains([]string{"Sudo", "Kernel", "Parts"}, m.Name)
		if !fallible || slices.Contains(notAsked, m.Name) {
			continue
		}
		f := healthy()
		f.failing, f.why = m.Name, fmt.Errorf("%w to look", fs.ErrPermission)
		r := Examine(f, "neutron", config)
		if (r.Verdict() == CannotTell) == slices.Contains(harmless, m.Name) || !strings.Contains(told(r), "run this as root") {
			t.Errorf("%s fails: %v\n%s", m.Name, r.Verdict(), told(r))
		}
		f.why = errors.New("an error of input and output")
		if r := Examine(f, "neutron", config); r.Verdict() == Protected != slices.Contains(harmless, m.Name) {
			t.Errorf("%s fails: %v\n%s", m.Name, r.Verdict(), told(r))
		}
	}
}

// TestAnswers: a topic that nothing was said of was not assessed.
func TestAnswers(t *testing.T) {
	r := Report{Answers: complete([]Answer{{Topic: "sudo", State: Fine}})}
	if r.Verdict() != CannotTell || len(r.Answers) != len(Topics) {
		t.Error(told(r))
	}
	if (Answer{}).State != Unknown {
		t.Error("an answer that was not given counts")
	}
}

func TestSituations(t *testing.T) {
	withSandbox := func(f *fake, s policy.Sandbox) { f.policy.Filters[0].Sandbox = &s }
	helper := func(f *fake, line string) {
		f.texts["/etc/neutron/neutron.conf"] = "[agent]\nroot_helper = " + line + "\n"
	}
	for _, c := range []struct {
		name    string
		change  func(*fake)
		verdict Verdict
		says    string
	}{
		{"the kernel has no seccomp", func(f *fake) { f.kernel.Seccomp.Has = false }, NotProtected, "the kernel has no seccomp filters: the commands of 1 filter do not run"},
		{"a kernel too old", func(f *fake) { f.kernel.Calls.Has = false }, NotProtected, "no call can run"},
		{"no Landlock", func(f *fake) { withSandbox(f, policy.Sandbox{LandlockRO: []string{"/"}}) }, NotProtected, "no Landlock for paths"},
		{"no Landlock, best effort", func(f *fake) { withSandbox(f, policy.Sandbox{LandlockRO: []string{"/"}, BestEffort: true}) }, Weak, "run without it"},
		{"Landlock without ports", func(f *fake) { f.kernel.Landlock = 3; withSandbox(f, policy.Sandbox{LandlockBind: []uint16{}}) }, NotProtected, "Landlock for ports, version 4"},
		{"best effort is for Landlock alone", func(f *fake) { withSandbox(f, policy.Sandbox{DenyWriteExec: true, BestEffort: true}) }, NotProtected, "memory_deny_write_execute"},
		{"a daemon of systemd's that is not there", func(f *fake) {
			f.programs["/usr/lib/ironwrap/ironwrap-attach"] = Program{Real: "/usr/lib/ironwrap/ironwrap-attach", Kind: Attach}
			f.texts["/etc/neutron/neutron.conf"] += "root_helper_daemon = /usr/lib/ironwrap/ironwrap-attach neutron\n"
		}, NotProtected, "do: systemctl enable --now ironwrap-daemon@neutron.socket"},
		{"one that is not enabled", func(f *fake) {
			f.unit, f.mayCall = Unit{Active: "active", File: "disabled"}, true
			f.policy.KeyFile = "/run/ironwrap/neutron.key"
			f.programs["/usr/lib/ironwrap/ironwrap-attach"] = Program{Real: "/usr/lib/ironwrap/ironwrap-attach", Kind: Attach}
			f.texts["/etc/neutron/neutron.conf"] += "root_helper_daemon = /usr/lib/ironwrap/ironwrap-attach neutron\n"
		}, Weak, "is active, but not enabled (disabled)"},
		{"set-user-id, and nobody is named", func(f *fake) {
			f.programs[bin+"neutron-rootwrap"] = Program{Real: bin + "ironwrap", Kind: Ironwrap, Version: "1", Setuid: true}
			helper(f, "neutron-rootwrap "+config)
		}, NotProtected, "allow_users = neutron"},
		{"set-user-id", func(f *fake) {
			f.programs[bin+"neutron-rootwrap"] = Program{Real: bin + "ironwrap", Kind: Ironwrap, Version: "1", Setuid: true}
			helper(f, "neutron-rootwrap "+config)
			f.mayCall = true
		}, Protected, "user neutron may call"},
		{"a program that says no version", func(f *fake) {
			f.programs[bin+"neutron-rootwrap"] = Program{Real: bin + "ironwrap", Kind: Ironwrap}
		}, CannotTell, "does not say its version"},
		{"a line for some machines", func(f *fake) { f.sudo.Ways[0].Hosts = " on web1" }, CannotTell, "on web1: whether that is this machine"},
		{"a variable before the wrapper", func(f *fake) { helper(f, "sudo PYTHONPATH=/x neutron-rootwrap "+config) }, CannotTell, "not known here"},
		{"quotes", func(f *fake) { helper(f, `sudo "neutron-rootwrap" `+config) }, CannotTell, "it has quotes"},
		{"a value over two lines", func(f *fake) { helper(f, "sudo\n  neutron-rootwrap\n  "+config) }, Protected, ""},
		{"a value in quotes", func(f *fake) { helper(f, "'sudo neutron-rootwrap "+config+"'") }, Protected, ""},
		{"a comment", func(f *fake) { f.texts["/etc/neutron/neutron.conf"] += "#root_helper = sudo\n; root_helper = sudo\n" }, Protected, ""},
		{"two that differ", func(f *fake) { f.texts["/etc/neutron/l3_agent.ini"] = "[agent]\nroot_helper: sudo\n" }, NotProtected, "l3_agent.ini:2"},
		{"an accepted finding", func(f *fake) {
			f.report.Findings = []lint.Finding{{Rule: &lint.Rule{ID: "open-shell", Severity: lint.Note}}}
		}, Protected, ""},
		{"sudoers leads past it", func(f *fake) {
			f.report.Findings = []lint.Finding{{Rule: &lint.Rule{ID: "sudoers-gives-root", Severity: lint.Error, Help: "take it out"}, Path: "/etc/sudoers", Line: 7, Message: "x may"}}
		}, NotProtected, "[sudoers-gives-root] /etc/sudoers:7: x may\n\tdo: take it out"},
		{"a second wrapper", func(f *fake) {
			f.sudo.Ways = append(f.sudo.Ways, way("/etc/sudoers", 2, "/opt/v/neutron-rootwrap"))
			f.programs["/opt/v/neutron-rootwrap"] = Program{Real: "/opt/v/neutron-rootwrap", Kind: Original}
		}, NotProtected, "/etc/sudoers:2 also lets neutron run"},
		{"no dpkg", func(f *fake) { f.owner = Package{} }, Protected, "this machine has no dpkg"},
		{"an old daemon", func(f *fake) { f.running = []Process{{PID: 42, Kind: Daemon, Exe: bin + "ironwrap-daemon (deleted)"}} }, Weak, "do: kill 42 #"},
		{"a daemon of another place", func(f *fake) { f.running = []Process{{PID: 42, Kind: Daemon, Exe: "/opt/ironwrap-daemon"}} }, Weak, "which is not the installed one"},
		{"a policy that is required to be recorded", func(f *fake) {
			f.policy.AuditRequired, f.failing, f.why = true, "Appends", errors.New("no space")
		}, NotProtected, "no command runs (audit_required)"},
		{"refusals of its own", func(f *fake) {
			f.records = []usage.Record{{Who: "107", What: "Unauthorized command", Words: words("rm", "-rf")}, {Who: "0", What: "Unauthorized command", Words: words("others")}, {Who: "neutron", Executed: true, Words: words("ran")}}
		}, Protected, "1 refusal in a log"},
	} {
		f := healthy()
		c.change(f)
		r := Examine(f, "neutron", config)
		if text := told(r); r.Verdict() != c.verdict || !strings.Contains(text, c.says) {
			t.Errorf("%s: %v, not %v with %q:\n%s", c.name, r.Verdict(), c.verdict, c.says, text)
		}
	}
}

// TestServices: nova and its like make the command line themselves.
func TestServices(t *testing.T) {
	for _, c := range []struct{ text, daemon string }{
		{"", ""},
		{"use_rootwrap_daemon = True", bin + "nova-rootwrap-daemon"},
		{"[DEFAULT]\nrootwrap_config = /etc/nova/rootwrap.conf\nuse_rootwrap_daemon = no", ""},
	} {
		f := healthy()
		f.texts = map[string]string{"/etc/nova/nova.conf": c.text}
		for _, name := range []string{"nova-rootwrap", "nova-rootwrap-daemon"} {
			f.programs[bin+name] = Program{Real: bin + name, Kind: Original}
		}
		text := told(Examine(f, "nova", "/etc/nova/rootwrap.conf"))
		if !strings.Contains(text, "[helper-original] "+bin+"nova-rootwrap is oslo.rootwrap") || strings.Contains(text, c.daemon+" is oslo.rootwrap") != (c.daemon != "") && c.daemon != "" {
			t.Errorf("%q:\n%s", c.text, text)
		}
		if c.daemon == "" && strings.Contains(text, "nova-rootwrap-daemon") {
			t.Errorf("%q:\n%s", c.text, text)
		}
	}
}

// TestAdvice: what the service has written comes into no command for a shell, and brings
// no terminal's sequences along.
func TestAdvice(t *testing.T) {
	evil := "/opt/$(id);x\x1b[2J/neutron-rootwrap"
	for _, line := range []string{"sudo " + evil + " " + config, evil + " " + config, "sudo neutron-rootwrap /etc/;id\x1b[31m", "sudo " + strings.ReplaceAll(evil, "$", "")} {
		f := healthy()
		f.texts["/etc/neutron/neutron.conf"] = "[agent]\nroot_helper = " + line + "\n"
		for _, kind := range []Kind{Other, Original, Daemon} {
			for path := range map[string]bool{evil: true, strings.ReplaceAll(evil, "$", ""): true} {
				f.programs[path] = Program{Real: path, Kind: kind}
			}
			for _, a := range Examine(f, "neutron", config).Answers {
				if strings.Contains(a.Text+a.Do, "\x1b") || strings.Contains(a.Do, "ln -s") && strings.Contains(a.Do, ";") || strings.Contains(a.Do, ";id") {
					t.Errorf("%q: %q\n%q", line, a.Text, a.Do)
				}
			}
		}
	}
	// Nor does it choose what root replaces, or lets it run.
	for _, c := range []struct {
		line string
		kind Kind
		real string
	}{
		{"root_helper_daemon = sudo /usr/bin/ironwrap " + config, Ironwrap, "/usr/bin/ironwrap"},
		{"root_helper = sudo /usr/bin/systemd " + config, Original, "/usr/bin/systemd"},
		{"root_helper_daemon = sudo /usr/bin/passwd " + config, Ironwrap, "/usr/bin/ironwrap"},
		{"root_helper = sudo /usr/bin/passwd " + config, Other, "/usr/bin/passwd"},
		{"root_helper = /usr/bin/ironwrap " + config, Ironwrap, "/usr/bin/ironwrap"},
	} {
		f := healthy()
		f.texts["/etc/neutron/neutron.conf"] = c.line
		for _, name := range []string{"ironwrap", "systemd", "passwd"} {
			f.programs[bin+name] = Program{Real: c.real, Kind: c.kind}
		}
		for _, a := range Examine(f, "neutron", config).Answers {
			for _, bad := range []string{"ln -s", "mv ", "dpkg-divert", "chmod", "NOPASSWD: /usr/bin/passwd", "NOPASSWD: /usr/bin/systemd"} {
				if strings.Contains(a.Do, bad) {
					t.Errorf("%s: %q\n%q", c.line, a.Text, a.Do)
				}
			}
		}
	}
	if command("x %s", "a b") != "" || command("x %s", "-a") != "" || command("x %s", "/a$b") != "" || command("x %s", "/a.b") != "x /a.b" {
		t.Error("command")
	}
}

// TestDocs: docs/doctor.md has every id, and none that is not there.
func TestDocs(t *testing.T) {
	doc, err := os.ReadFile("../../../docs/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(doc), "## What is asked")
	var ids []string
	files, _ := filepath.Glob("*.go")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range regexp.MustCompile(`e\.(?:say|unknown)\((?:helper|"[a-z ]+"), "([a-z-]+)"`).FindAllSubmatch(text, -1) {
			ids = append(ids, string(found[1]))
		}
	}
	if len(ids) < 40 {
		t.Fatalf("only %q", ids)
	}
	for _, id := range ids {
		if !strings.Contains(table, "`"+id+"`") {
			t.Errorf("%s is not in the table", id)
		}
	}
	for _, found := range regexp.MustCompile("`((?:helper|sudo|sudoers|policy|kernel|seccomp|sandbox|daemon|records)-[a-z-]+)`").FindAllStringSubmatch(table, -1) {
		if !slices.Contains(ids, found[1]) {
			t.Errorf("%s is in the table alone", found[1])
		}
	}
}

// FuzzScan: whatever a configuration says, what is found of it are its own lines.
func FuzzScan(f *testing.F) {
	f.Add("[agent]\nroot_helper = sudo x\n  y\n")
	f.Add(" root_helper=\n[\nhelper_command:\n\tx")
	f.Fuzz(func(t *testing.T, text string) {
		for _, o := range scan("f", []byte(text)) {
			if !slices.Contains(options, o.key) || !strings.HasPrefix(o.from, "f:") {
				t.Errorf("%q: %+v", text, o)
			}
		}
	})
}

func words(list ...string) []filters.Untrusted { return filters.Words(list) }
