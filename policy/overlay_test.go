package policy

import (
	"os"
	"slices"
	"strings"
	"testing"

	"ironwrap/policy/inifile"
	"ironwrap/policy/trust"
)

// overlaidTree is a policy with a file of sections that are added.
func overlaidTree(t *testing.T, conf string, sections map[string]string) (string, *Policy, error) {
	t.Helper()
	files := map[string]string{
		"etc/rootwrap.conf": "[DEFAULT]\nfilters_path=DIR/etc/f\nexec_dirs=/bin\n" + conf,
		"etc/f/a.filters":   "[Filters]\nls: CommandFilter, ls, root\nid: CommandFilter, id, root\nodd: NoFilter\n[Sandbox:ls]\nnice=5\numask=027\n",
		"etc/f/b.filters":   "[Filters]\nls: CommandFilter, /opt/ls, root\n",
	}
	for name, text := range sections {
		files["etc/f/sandbox.d/"+name] = text
	}
	dir := tree(t, files)
	p, err := Load(dir+"/etc/rootwrap.conf", trust.Parent, inifile.Parse)
	return dir, p, err
}

// Sections are added to those of all filters of the name, key by key, file by file.
func TestOverlay(t *testing.T) {
	dir, p, err := overlaidTree(t, "[Profile:p]\nno_new_privs=yes\n", map[string]string{
		"10-a.sandbox": "[Sandbox:LS]\nnice=7\ninherit=p\n[Sandbox]\noom_score_adj=3\n[Profile:q]\nprivate_tmp=yes\n[Sandbox:id]\ninherit=q\n",
		"20-b.sandbox": "[Sandbox:ls]\nnice=9\n",
		"README":       "not read",
		".hidden":      "not read",
	})
	if err != nil {
		t.Fatal(err)
	}
	by := map[string]*Entry{}
	for i := range p.Filters {
		by[p.Filters[i].Exec()] = &p.Filters[i]
	}
	for exec, c := range map[string]struct {
		umask    *uint32
		nice     *int
		nnp, tmp bool
		overlaid []string
	}{
		"ls":             {uint32p(0o27), intp(9), true, false, []string{"10-a.sandbox:1", "20-b.sandbox:1"}},
		"/opt/ls":        {nil, intp(9), true, false, []string{"10-a.sandbox:1", "20-b.sandbox:1"}},
		"id":             {nil, nil, false, true, []string{"10-a.sandbox:8"}},
		"privsep-helper": {nil, nil, false, false, nil},
	} {
		e := by[exec]
		for i := range c.overlaid {
			c.overlaid[i] = dir + "/etc/f/sandbox.d/" + c.overlaid[i]
		}
		s := e.Sandbox
		if (s.Umask == nil) != (c.umask == nil) || s.Umask != nil && *s.Umask != *c.umask || (s.Nice == nil) != (c.nice == nil) || s.Nice != nil && *s.Nice != *c.nice ||
			s.NoNewPrivs != c.nnp || s.PrivateTmp != c.tmp || s.OOMScore == nil || *s.OOMScore != 3 || !slices.Equal(e.Overlaid, c.overlaid) {
			t.Errorf("%s: %+v, %q", exec, s, e.Overlaid)
		}
	}
	if i := slices.IndexFunc(p.Notes, func(n Note) bool { return strings.Contains(n.String(), "sandbox.d/README: not read") }); i < 0 {
		t.Errorf("%v", p.Notes)
	}
}

// A context of privsep is confined from here too.
func TestOverlayPrivsep(t *testing.T) {
	dir, p, err := overlaidTree(t, "", map[string]string{"x.sandbox": "[Privsep:nova.privsep.sys_admin_pctxt]\ncapabilities=cap_chown\n"})
	if err != nil {
		t.Fatal(err)
	}
	h, err := p.Context("nova.privsep.sys_admin_pctxt")
	if err != nil || h == nil || !slices.Equal(h.Sandbox.Capabilities, []string{"cap_chown"}) || h.Path != dir+"/etc/f/sandbox.d/x.sandbox" || h.Line != 1 {
		t.Errorf("%+v, %v", h, err)
	}
	if _, _, err := overlaidTree(t, "", map[string]string{"x.sandbox": "[Privsep:nova.privsep]\n"}); err == nil || !strings.Contains(err.Error(), "sandbox.d/x.sandbox:1: section [Privsep:nova.privsep]: no released service") {
		t.Error(err)
	}
}

// What would not confine what it is meant for is an error.
func TestOverlayRefused(t *testing.T) {
	for name, c := range map[string]struct{ conf, text, want string }{
		"no such filter":         {"", "[Sandbox:sl]\nnice=3\n", "x.sandbox:1: section [Sandbox:sl]: no file of filters_path has a filter of that name: "},
		"a line that is skipped": {"", "[Sandbox:odd]\n", "x.sandbox:1: section [Sandbox:odd]: no file"},
		"an unknown key":         {"", "[Sandbox:ls]\n\nnicer=3\n", "x.sandbox:3: nicer: unknown key of a sandbox section"},
		"a wrong value":          {"", "[Sandbox:ls]\nnice=x\n", "x.sandbox:2: nice: \"x\" is not a number"},
		"an unknown profile":     {"", "[Sandbox:ls]\ninherit=x\n", "x.sandbox:2: inherit: "},
		"a wrong profile":        {"", "[Profile:p]\nnice=x\n", "x.sandbox:2: nice: "},
		"profiles do not":        {"", "[Profile:p]\ninherit=p\n", "x.sandbox:2: inherit: a profile cannot inherit"},
		"wrong defaults":         {"", "[Sandbox]\ninherit=x\n", "x.sandbox:2: inherit: "},
		"filters":                {"", "[Filters]\nrm: CommandFilter, rm, root\n", "x.sandbox:1: section [Filters] is neither [Sandbox:NAME], nor [Privsep"},
		"misspelt":               {"", "[sandbox:ls]\nnice=3\n", "x.sandbox:1: section [sandbox:ls] is neither"},
		"defaults of all":        {"", "[DEFAULT]\nexec_dirs=/\n", "x.sandbox:2: section [DEFAULT] belongs into rootwrap.conf"},
		"twice":                  {"", "[Sandbox:ls]\n[Sandbox:ls]\n", "x.sandbox:2: "},
		"no section":             {"", "nice=3\n", "x.sandbox:1: "},
		"defaults twice":         {"[Sandbox]\nnice=3\n", "[Sandbox]\nnice=4\n", "x.sandbox:1: section [Sandbox] is in rootwrap.conf or in another file here, too: keep one of them"},
		"the built-in filter":    {"", "[Sandbox:Privsep-helper]\nnice=3\n", "x.sandbox:1: section [Sandbox:Privsep-helper] does not hold for the filter of that name that is built in: write sections [Privsep:CONTEXT]"},
		"no built-in filter":     {"privsep_contexts=none\n", "[Sandbox:privsep-helper]\nnice=3\n", "x.sandbox:1: section [Sandbox:privsep-helper]: no file"},
		"a profile twice":        {"[Profile:p]\n", "[Profile:p]\nnice=4\n", "x.sandbox:1: section [Profile:p] is in rootwrap.conf or"},
		"a profile that is not rootwrap.conf's own": {"[Sandbox]\ninherit=p\n", "[Profile:p]\n", "rootwrap.conf:5: inherit: "},
	} {
		dir, _, err := overlaidTree(t, c.conf, map[string]string{"x.sandbox": c.text})
		where := dir + "/etc/"
		if !strings.HasPrefix(c.want, "rootwrap") {
			where += "f/sandbox.d/"
		}
		if err == nil || !strings.HasPrefix(err.Error(), where+c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Of another, or not to be read.
	for _, script := range []string{`chown 65534 x.sandbox`, `chmod 666 x.sandbox`, `chown 65534 .`, `chmod 777 .`, `ln -sf nothing x.sandbox`, `rm x.sandbox; mkfifo x.sandbox`, `rm x.sandbox; mkdir x.sandbox`, `printf '\377' >x.sandbox`} {
		dir, _, err := overlaidTree(t, "", map[string]string{"x.sandbox": "[Sandbox:ls]\nnice=3\n"})
		if err != nil {
			t.Fatal(err)
		}
		run(t, dir, "cd $D/etc/f/sandbox.d; "+script)
		if _, err := Load(dir+"/etc/rootwrap.conf", trust.Parent, inifile.Parse); err == nil || !strings.HasPrefix(err.Error(), dir+"/etc/f/sandbox.d") || strings.Contains(err.Error(), "\n") {
			t.Errorf("after %s: %v", script, err)
		}
		os.RemoveAll(dir)
	}
}

// A directory that is a link to nowhere is not a directory that nobody has made.
func TestOverlayDangling(t *testing.T) {
	dir, _, err := overlaidTree(t, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	conf, sections := dir+"/etc/rootwrap.conf", dir+"/etc/f/sandbox.d"
	for _, to := range []string{dir + "/none", "none", "sandbox.d"} {
		if err := os.Symlink(to, sections); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(conf, trust.Parent, inifile.Parse); err == nil || !strings.Contains(err.Error(), sections) {
			t.Errorf("%s: %v", to, err)
		}
		if err := os.Remove(sections); err != nil {
			t.Fatal(err)
		}
	}
	// The filter that a file has is confined where it is the only one of its name.
	if err := os.WriteFile(dir+"/etc/f/c.filters", []byte("[Filters]\nprivsep-helper: CommandFilter, privsep-helper, root\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(sections, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(sections+"/a.sandbox", []byte("[Sandbox:privsep-helper]\nnice=3\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(conf, trust.Parent, inifile.Parse); err == nil || !strings.Contains(err.Error(), "that is built in") {
		t.Error(err)
	}
	text, err := os.ReadFile(conf)
	if err == nil {
		err = os.WriteFile(conf, append(text, "privsep_contexts=none\n"...), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Load(conf, trust.Parent, inifile.Parse); err != nil {
		t.Error(err)
	}
}
