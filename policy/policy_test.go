package policy

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ironwrap/filters"
	"ironwrap/policy/inifile"
	"ironwrap/policy/trust"
)

// tree makes files below a new directory of root's, DIR in their text, and
// returns the directory.
func tree(t testing.TB, files map[string]string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not root: loading was not checked, for only files of root's are loaded")
	}
	dir, err := os.MkdirTemp("/var/lib", "ironwrap-policy-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		put(t, filepath.Join(dir, name), strings.ReplaceAll(text, "DIR", dir))
	}
	return dir
}

func put(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(path, "/") {
		return
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

const conf = "[DEFAULT]\nfilters_path=DIR/a,DIR/b\nexec_dirs=/usr/bin,DIR/none,/bin\n"

// list writes the filters of p as "file:line name: Exec as RunAs".
func list(p *Policy) (lines []string) {
	for _, f := range p.Filters {
		lines = append(lines, fmt.Sprintf("%s:%d %s: %s %s as %s", filepath.Base(f.File), f.Line, f.Name, f.Class, f.Exec(), f.RunAs()))
	}
	return lines
}

func TestLoad(t *testing.T) {
	dir := tree(t, map[string]string{
		"rootwrap.conf":          conf,
		"a/z.filters":            "[Filters]\nz: CommandFilter, z, root\n",
		"a/B.filters":            "# comment\n[Filters]\nb1: CommandFilter, /opt/b, nobody\n\nb2: RegExpFilter, b, root, b,\n  .*\n",
		"a/m.filters":            "[Filters]\nUPPER: CommandFilter,m,root\nkill: KillFilter, root, m\nread: ReadFileFilter, /etc/m\nup: CommandFilter, n, root\nupper: CommandFilter, last, root",
		"a/.hidden.filters":      "[Filters]\nh: CommandFilter, h, root\n",
		"a/old.filters.dpkg-old": "[Filters]\no: CommandFilter, o, root\n",
		"a/README":               "no section\n",
		"a/x.filters~":           "[Filters]\nx: CommandFilter, x, root\n",
		"a/empty.filters":        "",
		"a/comments.filters":     "# [Filters]\n# c: CommandFilter, c, root\n",
		"a/other.filters":        "[filters]\nlower: CommandFilter, lower, root\n[Other]\nx = y\n",
		"a/skipped.filters":      "[Filters]\nold: DnsmasqFilter, /usr/bin/dnsmasq, root\nshort: CommandFilter, x\nempty:\nok: CommandFilter, ok, root\nobject: _getuid, x\n",
		"a/default.filters":      "[DEFAULT]\ninherited: CommandFilter, inherited, root\n[Filters]\nown: CommandFilter, own, root\n",
		"b/a.filters":            "[Filters]\nfirst: CommandFilter, first, root\n",
	})
	p, err := Load(dir+"/rootwrap.conf", trust.Parent, inifile.Parse)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{ // file names are sorted byte by byte, within each directory of filters_path
		"B.filters:3 b1: CommandFilter /opt/b as nobody",
		"B.filters:5 b2: RegExpFilter b as root",
		"default.filters:2 inherited: CommandFilter inherited as root",
		"default.filters:4 own: CommandFilter own as root",
		"m.filters:6 upper: CommandFilter last as root", // a repeated key: first place, last value
		"m.filters:3 kill: KillFilter /bin/kill as root",
		"m.filters:4 read: ReadFileFilter /bin/cat as root",
		"m.filters:5 up: CommandFilter n as root",
		"skipped.filters:5 ok: CommandFilter ok as root",
		"z.filters:2 z: CommandFilter z as root",
		"a.filters:2 first: CommandFilter first as root",
		".:0 privsep-helper: CommandFilter privsep-helper as root",
	}
	if got := list(p); !slices.Equal(got, want) {
		t.Errorf("%s\nnot\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if !slices.Equal(p.ExecDirs, []string{"/usr/bin", "/bin"}) {
		t.Errorf("exec_dirs %q: one that does not exist is not searched", p.ExecDirs)
	}
	var notes, warnings []string
	for _, n := range p.Notes {
		text := strings.ReplaceAll(n.String(), dir+"/", "")
		notes = append(notes, text)
		if n.Warning {
			warnings = append(warnings, text)
		}
	}
	skips := []string{
		`a/skipped.filters:2: skipping filter old: unknown filter class "DnsmasqFilter"`,
		`a/skipped.filters:3: skipping filter short: CommandFilter needs an executable and a run-as user`,
		`a/skipped.filters:4: skipping filter empty: unknown filter class ""`,
		`a/skipped.filters:6: skipping filter object: unknown filter class "_getuid"`,
	}
	if !slices.Equal(warnings, skips) {
		t.Errorf("warnings %q, not %q", warnings, skips)
	}
	for _, want := range append([]string{
		"rootwrap.conf:3: exec_dirs: none does not exist",
		"a/README: not read: its name does not end in .filters",
		"a/old.filters.dpkg-old: not read: its name does not end in .filters",
		"a/x.filters~: not read: its name does not end in .filters",
		"a/empty.filters: no section [Filters]",
		"a/comments.filters: no section [Filters]",
		"a/other.filters: no section [Filters]",
	}, skips...) {
		if !slices.Contains(notes, want) {
			t.Errorf("no note %q among %q", want, notes)
		}
	}
}

func TestLoadPrivsep(t *testing.T) {
	dir := tree(t, map[string]string{
		"rootwrap.conf": conf,
		"more.conf":     conf + "privsep_contexts = my.own.context\n",
		"none.conf":     conf + "privsep_contexts = none\n",
		"strict.conf":   conf + "strict_paths = yes\n",
		"service.conf":  "",
		"a/a.filters":   "[Filters]\n",
	})
	if err := os.Chown(dir+"/service.conf", 65534, 65534); err != nil {
		t.Fatal(err)
	}
	ask := func(conf, context, file string) Verdict {
		t.Helper()
		p, err := Load(dir+"/"+conf, trust.Parent, inifile.Parse)
		if err != nil {
			t.Fatal(err)
		}
		return p.Decide(Request{Argv: words("privsep-helper --config-file " + file + " --privsep_context " + context + " --privsep_sock_path /x"), Machine: newMachine()}).Verdict
	}
	const known, own = "os_brick.privileged.default", "my.own.context"
	for _, c := range []struct {
		conf, context, file string
		want                Verdict
	}{
		{"rootwrap.conf", known, dir + "/service.conf", Allowed}, // beside rootwrap.conf: as deployed
		{"rootwrap.conf", known, dir + "/../x", Denied},
		{"rootwrap.conf", own, dir + "/service.conf", Denied},
		{"rootwrap.conf", "os.path", dir + "/service.conf", Denied},
		{"more.conf", own, dir + "/service.conf", Allowed},
		{"more.conf", known, dir + "/service.conf", Allowed},
		{"none.conf", known, dir + "/service.conf", Denied},
		{"strict.conf", known, dir + "/service.conf", Denied}, // the fake machine trusts nothing
	} {
		if got := ask(c.conf, c.context, c.file); got != c.want {
			t.Errorf("%s: context %s with %s: verdict %#x, not %#x", c.conf, c.context, c.file, got, c.want)
		}
	}
}

// What cannot be used or trusted is refused with the path at fault, and nothing
// of it is used.
func TestLoadRefuses(t *testing.T) {
	good := map[string]string{"rootwrap.conf": conf, "a/a.filters": "[Filters]\na: CommandFilter, a, root\n", "b/b.filters": "[Filters]\n"}
	for _, c := range []struct {
		name   string
		change func(dir string) error
		want   string // beginning of the error, DIR in it
	}{
		{"no configuration", func(dir string) error { return os.Remove(dir + "/rootwrap.conf") }, "DIR/rootwrap.conf: "},
		{"configuration is a directory", func(dir string) error {
			os.Remove(dir + "/rootwrap.conf")
			return os.Mkdir(dir+"/rootwrap.conf", 0o755)
		}, "DIR/rootwrap.conf: "},
		{"configuration writable by others", func(dir string) error { return os.Chmod(dir+"/rootwrap.conf", 0o666) }, "DIR/rootwrap.conf: cannot trust "},
		{"configuration writable by group", func(dir string) error { return os.Chmod(dir+"/rootwrap.conf", 0o664) }, "DIR/rootwrap.conf: cannot trust "},
		{"configuration of another", func(dir string) error { return os.Chown(dir+"/rootwrap.conf", 65534, 0) }, "DIR/rootwrap.conf: cannot trust "},
		{"link of another", func(dir string) error {
			os.Rename(dir+"/rootwrap.conf", dir+"/real.conf")
			os.Symlink("real.conf", dir+"/rootwrap.conf")
			return os.Lchown(dir+"/rootwrap.conf", 65534, 0)
		}, "DIR/rootwrap.conf: cannot trust "},
		{"filters file writable by others", func(dir string) error { return os.Chmod(dir+"/a/a.filters", 0o646) }, "DIR/a/a.filters: cannot trust "},
		{"filters file of another", func(dir string) error { return os.Chown(dir+"/a/a.filters", 65534, 0) }, "DIR/a/a.filters: cannot trust "},
		{"filters directory writable by others", func(dir string) error { return os.Chmod(dir+"/a", 0o777) }, "DIR/rootwrap.conf:2: filters_path: cannot trust "},
		{"filters directory of another", func(dir string) error { return os.Chown(dir+"/b", 65534, 0) }, "DIR/rootwrap.conf:2: filters_path: cannot trust "},
		{"filters directory is a file", func(dir string) error { os.RemoveAll(dir + "/b"); return os.WriteFile(dir+"/b", nil, 0o644) }, "DIR/rootwrap.conf:2: filters_path: "},
		{"filters link into a directory of another, where nothing is", func(dir string) error {
			os.Mkdir(dir+"/theirs", 0o755)
			os.Chown(dir+"/theirs", 65534, 0)
			return os.Symlink("../theirs/x", dir+"/a/link.filters")
		}, "DIR/a/link.filters: "},
		{"filters link of another that leads nowhere", func(dir string) error {
			os.Symlink("nowhere", dir+"/a/link.filters")
			return os.Lchown(dir+"/a/link.filters", 65534, 0)
		}, "DIR/a/link.filters: "},
		{"filters link into /tmp, where nothing is", func(dir string) error {
			return os.Symlink("/tmp/ironwrap-there-is-no-such-file", dir+"/a/link.filters")
		}, "DIR/a/link.filters: "},
		{"key twice in rootwrap.conf", func(dir string) error {
			return os.WriteFile(dir+"/rootwrap.conf", []byte("[DEFAULT]\nfilters_path=/x\nfilters_path=/y\n"), 0o644)
		}, "DIR/rootwrap.conf:3: "},
		{"bad value", func(dir string) error {
			return os.WriteFile(dir+"/rootwrap.conf", []byte("[DEFAULT]\nfilters_path=/x\nuse_syslog=perhaps\n"), 0o644)
		}, `DIR/rootwrap.conf:3: use_syslog: "perhaps" is not yes or no`},
		{"no filters_path", func(dir string) error { return os.WriteFile(dir+"/rootwrap.conf", []byte("[DEFAULT]\n"), 0o644) }, "DIR/rootwrap.conf: section [DEFAULT] has no filters_path"},
		{"no section in rootwrap.conf", func(dir string) error { return os.WriteFile(dir+"/rootwrap.conf", []byte("filters_path=/x\n"), 0o644) }, "DIR/rootwrap.conf:1: "},
		{"filters file that is no INI", func(dir string) error {
			return os.WriteFile(dir+"/a/a.filters", []byte("[Filters]\na: b\nnonsense\n"), 0o644)
		}, "DIR/a/a.filters:3: "},
		{"filters file that is not UTF-8", func(dir string) error { return os.WriteFile(dir+"/a/a.filters", []byte("[Filters]\na: \xff\n"), 0o644) }, "DIR/a/a.filters:2: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := tree(t, good)
			if _, err := Load(dir+"/rootwrap.conf", trust.Parent, inifile.Parse); err != nil {
				t.Fatalf("unchanged: %v", err)
			}
			if err := c.change(dir); err != nil {
				t.Fatal(err)
			}
			p, err := Load(dir+"/rootwrap.conf", trust.Parent, inifile.Parse)
			if p != nil || err == nil {
				t.Fatalf("loaded: %+v", p)
			}
			if text := strings.ReplaceAll(err.Error(), dir, "DIR"); !strings.HasPrefix(text, c.want) || strings.Contains(text, "\n") {
				t.Errorf("%q does not begin with %q", text, c.want)
			}
		})
	}
	for _, path := range []string{"", "rootwrap.conf", "./rootwrap.conf", "../x"} {
		if p, err := Load(path, trust.Parent, inifile.Parse); p != nil || err == nil || !strings.HasPrefix(err.Error(), filters.Show(path)+": ") {
			t.Errorf("%q: %v", path, err)
		}
	}
}

// What the peer passes over is passed over, and noted: nobody but root can make a filter
// of it, and what is not in exec_dirs is not in PATH.
func TestLoadPassesOver(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(dir string) error
		note   string // a part of it, DIR in it
		left   []string
	}{
		{"exec directory writable by others", func(dir string) error { os.Mkdir(dir+"/none", 0o755); return os.Chmod(dir+"/none", 0o777) },
			"DIR/rootwrap.conf:3: exec_dirs: DIR/none is not searched: cannot trust DIR/none: it is writable by group and others", []string{"a", "b"}},
		{"exec directory of another", func(dir string) error { os.Mkdir(dir+"/none", 0o755); return os.Chown(dir+"/none", 65534, 0) },
			"DIR/rootwrap.conf:3: exec_dirs: DIR/none is not searched: cannot trust DIR/none: it is owned by uid 65534", []string{"a", "b"}},
		{"exec directory below another's", func(dir string) error {
			os.Symlink(dir+"/x/bin", dir+"/none")
			os.MkdirAll(dir+"/x/bin", 0o755)
			return os.Chown(dir+"/x", 65534, 0)
		}, "DIR/rootwrap.conf:3: exec_dirs: DIR/none is not searched: cannot trust DIR/none: its directory DIR/x is owned by uid 65534", []string{"a", "b"}},
		{"exec directory is a file", func(dir string) error { return os.WriteFile(dir+"/none", nil, 0o755) },
			"DIR/rootwrap.conf:3: exec_dirs: DIR/none is not searched: ", []string{"a", "b"}},
		{"no filters directory", func(dir string) error { os.RemoveAll(dir + "/a"); return os.RemoveAll(dir + "/b") },
			"DIR/rootwrap.conf:2: filters_path: DIR/b does not exist", nil},
		{"filters file is a directory", func(dir string) error { return os.Mkdir(dir+"/a/dir.filters", 0o755) },
			"DIR/a/dir.filters: not read: cannot read DIR/a/dir.filters: it is a directory, not a regular file", []string{"a", "b"}},
		{"filters file is a link to a directory", func(dir string) error { return os.Symlink("/tmp", dir+"/a/dir.filters") },
			"DIR/a/dir.filters: not read: ", []string{"a", "b"}},
		{"filters link that leads nowhere", func(dir string) error { return os.Symlink("nowhere", dir+"/a/link.filters") },
			"DIR/a/link.filters: not read: it leads to a file that does not exist", []string{"a", "b"}},
		{"filters link to nowhere, absolute", func(dir string) error { return os.Symlink("/no/such/file", dir+"/a/link.filters") },
			"DIR/a/link.filters: not read: it leads to a file that does not exist", []string{"a", "b"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, level := range []trust.Level{trust.Object, trust.Parent, trust.Ancestors} {
				dir := tree(t, map[string]string{"rootwrap.conf": conf, "a/a.filters": "[Filters]\na: CommandFilter, a, root\n", "b/b.filters": "[Filters]\nb: CommandFilter, b, root\n"})
				if err := c.change(dir); err != nil {
					t.Fatal(err)
				}
				p, err := Load(dir+"/rootwrap.conf", level, inifile.Parse)
				if err != nil {
					t.Fatalf("level %d: %v", level, err)
				}
				var left []string
				for _, f := range p.Filters {
					if f.File != "" {
						left = append(left, f.Name)
					}
				}
				if !slices.Equal(left, c.left) || p.Filters[len(p.Filters)-1].Name != "privsep-helper" {
					t.Errorf("level %d: filters %q", level, left)
				}
				if !slices.Equal(p.ExecDirs, []string{"/usr/bin", "/bin"}) {
					t.Errorf("level %d: exec_dirs %q", level, p.ExecDirs)
				}
				if !slices.ContainsFunc(p.Notes, func(n Note) bool { return strings.Contains(strings.ReplaceAll(n.String(), dir, "DIR"), c.note) }) {
					t.Errorf("level %d: no note %q among %v", level, c.note, p.Notes)
				}
			}
		})
	}
}

// A program that was not found may lie where nobody looked.
func TestNotSearched(t *testing.T) {
	p := newPolicy(t, "gone: CommandFilter, gone, root\nnice: ChainingRegExpFilter, nice, root, nice")
	p.NotSearched = []error{errors.New("/srv/bin is not searched: it is nobody's"), errors.New("x")}
	for line, want := range map[string]string{
		"gone":      "not found in exec_dirs, of which 2 cannot be searched (ironwrapctl check names them): /srv/bin is not searched: it is nobody's",
		"nice gone": "/srv/bin is not searched",
	} {
		if d := p.Decide(Request{Argv: words(line), Machine: newMachine("gone")}); !strings.Contains(d.Why, want) {
			t.Errorf("%s: %q", line, d.Why)
		}
	}
}

// env(1) must look for an interpreter where it was looked for.
func TestSearchedInAnotherPath(t *testing.T) {
	p := newPolicy(t, "path: EnvFilter, env, root, PATH=, env-script\nlang: EnvFilter, env, root, LANG=, env-script\nnice: ChainingRegExpFilter, nice, root, nice")
	for line, want := range map[string]Verdict{
		"env PATH=/home/u/bin env-script":      NotExecutable,
		"env LANG=C env-script":                Allowed,
		"nice env PATH=/home/u/bin env-script": Denied,
		"nice env LANG=C env-script":           Allowed,
	} {
		if d := p.Decide(Request{Argv: words(line), Machine: newMachine()}); d.Verdict != want {
			t.Errorf("%s: verdict %#x: %s", line, d.Verdict, d.Why)
		}
	}
}

// Links of root's are followed, as packages have them, and one missing directory
// of several is only noted.
func TestLoadTolerates(t *testing.T) {
	dir := tree(t, map[string]string{"real/rootwrap.conf": conf, "share/x.filters": "[Filters]\nx: CommandFilter, x, root\n"})
	for link, to := range map[string]string{"rootwrap.conf": "real/rootwrap.conf", "b": "filters", "filters/x.filters": "../share/x.filters"} {
		if err := os.MkdirAll(filepath.Dir(dir+"/"+link), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, dir+"/"+link); err != nil {
			t.Fatal(err)
		}
	}
	p, err := Load(dir+"/rootwrap.conf", trust.Parent, inifile.Parse)
	if err != nil {
		t.Fatal(err)
	}
	if got := list(p); len(got) != 2 || !strings.HasPrefix(got[0], "x.filters:2 x: ") {
		t.Errorf("filters %q", got)
	}
	if want := dir + "/rootwrap.conf:2: filters_path: " + dir + "/a does not exist"; !slices.ContainsFunc(p.Notes, func(n Note) bool { return n.String() == want }) {
		t.Errorf("no note %q among %v", want, p.Notes)
	}
}

// Ownership of all ancestors is asked for by strict_paths, and by setuid mode.
func TestLoadStrict(t *testing.T) {
	dir := tree(t, map[string]string{
		"service/etc/rootwrap.conf": "[DEFAULT]\nfilters_path=DIR/service/etc/d\nexec_dirs=/usr/bin\n",
		"service/etc/strict.conf":   "[DEFAULT]\nfilters_path=DIR/service/etc/d\nexec_dirs=/usr/bin\nstrict_paths=yes\n",
		"service/etc/d/a.filters":   "[Filters]\n",
		"far.conf":                  "[DEFAULT]\nfilters_path=DIR/service/etc/d\nexec_dirs=/usr/bin\nstrict_paths=yes\n",
	})
	for _, name := range []string{"service/etc/rootwrap.conf", "service/etc/strict.conf", "far.conf"} {
		for _, level := range []trust.Level{trust.Parent, trust.Ancestors} {
			if _, err := Load(dir+"/"+name, level, inifile.Parse); err != nil {
				t.Errorf("all is root's: %v", err)
			}
		}
	}
	if err := os.Chown(dir+"/service", 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir+"/service/etc/rootwrap.conf", trust.Parent, inifile.Parse); err != nil {
		t.Errorf("a service's directory further up is tolerated: %v", err)
	}
	for _, c := range []struct {
		name  string
		level trust.Level
		want  string
	}{
		{"service/etc/rootwrap.conf", trust.Ancestors, "DIR/service/etc/rootwrap.conf: cannot trust "},
		{"service/etc/strict.conf", trust.Parent, "DIR/service/etc/strict.conf: cannot trust "},
		{"far.conf", trust.Parent, "DIR/far.conf:2: filters_path: cannot trust "},
		{"far.conf", trust.Ancestors, "DIR/far.conf:2: filters_path: cannot trust "},
		{"service/etc/rootwrap.conf", 0, "DIR/service/etc/rootwrap.conf: cannot trust "}, // no level at all is the stricter
	} {
		p, err := Load(dir+"/"+c.name, c.level, inifile.Parse)
		if p != nil || err == nil || !strings.HasPrefix(strings.ReplaceAll(err.Error(), dir, "DIR"), c.want) {
			t.Errorf("%s at level %d: %v", c.name, c.level, err)
		}
	}
}
