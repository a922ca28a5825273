package sudoers

import (
	"errors"
	"path"
	"strings"
	"testing"

	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/program"
)

// machine has every program in /bin, but those called absent; paths are as they are.
type machine struct{}

func (machine) Find(name, _ string) (program.Program, error) {
	if strings.HasSuffix(name, "absent") {
		return program.Program{}, program.ErrNotFound
	}
	if path.IsAbs(name) {
		return program.Program{Path: name}, nil
	}
	return program.Program{Path: "/bin/" + name}, nil
}
func (machine) Base(dir, _ string) (string, error)                                  { return dir, nil }
func (machine) Resolve(p filters.Untrusted, _, _ string) (filters.Untrusted, error) { return p, nil }
func (machine) Process(int) (filters.Process, error)                                { return filters.Process{}, errors.New("none") }
func (machine) Programs(string) []filters.Program                                   { return nil }
func (machine) Trusted(filters.Untrusted) error                                     { return nil }
func (machine) Stable(p string) error {
	if strings.HasPrefix(p, "/tmp/") {
		return errors.New("/tmp is writable by others")
	}
	return nil
}

func newPolicy(t testing.TB, definitions ...string) *policy.Policy {
	t.Helper()
	p := &policy.Policy{Path: "/etc/x/rootwrap.conf"}
	p.ExecDirs = []string{"/bin", "/usr/bin"}
	for i, d := range definitions {
		f, err := filters.New(d)
		if err != nil {
			t.Fatal(err)
		}
		p.Filters = append(p.Filters, policy.Entry{Filter: f, Name: "x", Class: filters.Fields(d)[0], File: "/etc/x/f.filters", Line: i + 1})
	}
	return p
}

func exists(name string) bool { return name != "absent" }

// TestSay: the last filter of each list is said so, or left out for that reason.
func TestSay(t *testing.T) {
	for _, c := range []struct{ definitions, spec, why string }{
		{"CommandFilter, dd, root", "/bin/dd", ""},
		{"CommandFilter, /usr/bin/dd, nobody", "/usr/bin/dd", ""},
		{"RegExpFilter, sleep, root, sleep, \\d+", "/bin/sleep ^([0-9])+$", ""},
		{"RegExpFilter, sync, root, sync", `/bin/sync ""`, ""},
		{"RegExpFilter, sync, root, s.*", `/bin/sync ""`, ""},
		{"RegExpFilter, ls, root, ls, -l", "/bin/ls ^-l$", ""},
		{"RegExpFilter, ls, root, ls, %x=a:b!", "/bin/ls ^%x=a:b[!]$", ""},
		{"ReadFileFilter, /etc/a.b+c", "/bin/cat ^/etc/a[.]b[+]c$", ""},

		{"RegExpFilter, ls, root, ls, -l, -a", "", "it has 2 arguments"},
		{"RegExpFilter, ls, root, ls, .*", "", "matches an empty argument"},
		{"RegExpFilter, ls, root, ls, a b", "", "a blank"},
		{"RegExpFilter, ls, root, ls, a#", "", "a blank, one of #"},
		{"RegExpFilter, ls, root, ls, [^a]{999}", "", "a repeat of more than 255"},
		{"RegExpFilter, ls, root, ls, " + strings.Repeat("[a0]", 300), "", "more than 1024 characters"},
		{"RegExpFilter, ls, root, dir, -l", "", "its first pattern does not match ls"},
		{"RegExpFilter, ls, root", "", "its first pattern does not match ls"},
		{"ReadFileFilter, /etc/a b", "", "a blank"},
		{"ReadFileFilter, /tmp/x", "", "somebody besides root can redirect"},
		{"CommandFilter, absent, root", "", "its program cannot be executed"},
		{"CommandFilter, dd, absent", "", "run-as user absent does not exist"},
		{"CommandFilter, dd, ALL", "", "run-as user ALL"},
		{"CommandFilter, dd, %wheel", "", "run-as user %wheel"},
		{"CommandFilter, dd, #0", "", "run-as user #0"},
		{"CommandFilter, /bin/a b, root", "", "cannot stand in a sudoers file"},
		{"CommandFilter, /bin/*, root", "", "cannot stand in a sudoers file"},
		{"CommandFilter, /bin/, root", "", "cannot stand in a sudoers file"},
		{"CommandFilter, sudoedit, root", "", "cannot stand in a sudoers file"},
		{"CommandFilter, privsep-helper, root", "", "privsep-helper gets variables"},
		{"PathFilter, ls, root, /x", "", "where a path leads"},
		{"KillFilter, root, sleep", "", "which program a process runs"},
		{"EnvFilter, env, root, A=, df", "", "variables"},
		{"IpFilter, ip, root", "", "arguments of ip"},
		{"IpNetnsExecFilter, ip, root", "", "follows a prefix"},
		{"ChainingRegExpFilter, nice, root, nice", "", "follows a prefix"},

		// What stands before.
		{"CommandFilter, dd, nobody; CommandFilter, dd, root", "", "before it allows some"},
		{"CommandFilter, /opt/dd, root; CommandFilter, dd, root", "", "another program of this name"},
		{"RegExpFilter, cat, nobody, d+, .*; CommandFilter, dd, root", "", "before it allows some"},
		{"PathFilter, dd, root, /x; CommandFilter, dd, root", "", "before it allows some"},
		{"KillFilter, root, sleep; CommandFilter, kill, root", "", "before it allows some"},
		{"EnvFilter, env, root, A=, df; CommandFilter, env, root", "", "before it allows some"},
		{"IpNetnsExecFilter, ip, root; CommandFilter, ip, root", "", "before it allows some"},
		{"EnvFilter, env, root, A=, df; CommandFilter, df, root", "/bin/df", ""},
		{"RegExpFilter, dd, root, dd, a; CommandFilter, dd, root", "/bin/dd", ""},
		{"CommandFilter, cat, nobody; CommandFilter, dd, root", "/bin/dd", ""},
	} {
		p := newPolicy(t, strings.Split(c.definitions, "; ")...)
		f, err := New(p, "nova", machine{}, exists)
		if err != nil {
			t.Fatal(err)
		}
		last := &p.Filters[len(p.Filters)-1]
		spec, why := "", ""
		for _, l := range f.Lines {
			if l.Filter == last {
				spec = l.Spec
			}
		}
		for _, l := range f.Left {
			if l.Filter == last {
				why = l.Why
			}
		}
		if spec != c.spec || !strings.Contains(why, c.why) || (why == "") != (c.why == "") {
			t.Errorf("%s: %q, left out because %q", c.definitions, spec, why)
		}
	}
}

func TestSandboxed(t *testing.T) {
	p := newPolicy(t, "CommandFilter, dd, root", "CommandFilter, dd, root", "CommandFilter, cat, root")
	p.Filters[0].Sandbox = &policy.Sandbox{}
	f, err := New(p, "nova", machine{}, exists)
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Lines) != 1 || f.Lines[0].Spec != "/bin/cat" || len(f.Left) != 2 {
		t.Errorf("%+v", f)
	}
}

func TestNew(t *testing.T) {
	p := newPolicy(t, "CommandFilter, dd, root")
	for _, name := range []string{"", "root", "ALL", "NOVA", "a b", "a,b", "%wheel", "#0", "a\n", "-a", "a:b", "+a", "!a"} {
		if _, err := New(p, name, machine{}, exists); err == nil {
			t.Errorf("a file for %q", name)
		}
	}
	for _, name := range []string{"nova", "Debian-exim", "_apt", "a.b"} {
		if _, err := New(p, name, machine{}, exists); err != nil {
			t.Error(err)
		}
	}
	for _, dirs := range [][]string{nil, {"/bin", `/a"b`}, {"/a b"}} {
		p.ExecDirs = dirs
		if _, err := New(p, "nova", machine{}, exists); err == nil {
			t.Errorf("a file with the path %q", dirs)
		}
	}
}

// TestWrite: what is foreign ends up in comments, on one line, escaped.
func TestWrite(t *testing.T) {
	p := newPolicy(t, "CommandFilter, dd, root", "CommandFilter, absent, root")
	p.Path = "/etc/x\nnova ALL = ALL"
	for i := range p.Filters {
		p.Filters[i].Name = "x\nnova ALL = ALL\\"
		p.Filters[i].File = "/etc/\x1b[31m\r\nnova ALL = ALL"
	}
	f, err := New(p, "nova", machine{}, exists)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := f.Write(&b); err != nil {
		t.Fatal(err)
	}
	specs := 0
	for line := range strings.Lines(b.String()) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case line == "", strings.HasPrefix(line, "# "), strings.HasPrefix(line, "Defaults:nova "):
		case line == "nova ALL = (root) NOSETENV: NOPASSWD: /bin/dd":
			specs++
		default:
			t.Errorf("the line %q", line)
		}
		if strings.ContainsAny(line, "\x1b\r") || strings.HasPrefix(line, "#") && strings.HasSuffix(line, `\`) {
			t.Errorf("the line %q", line)
		}
	}
	if specs != 1 {
		t.Errorf("%d specifications", specs)
	}
}
